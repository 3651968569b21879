"""moto's server, with every call written down: who asked for which action on what."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from dataclasses import dataclass
from typing import Any, Iterator
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


@dataclass(frozen=True)
class Call:
    """One call, in the words of a policy."""

    who: str
    action: str
    resource: str
    keys: tuple[str, ...] = ()
    headers: frozenset[str] = frozenset()


class RecordingServer:
    """S3, DynamoDB and CloudFormation on 127.0.0.1; callers are told apart by their access key."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.calls: list[Call] = []
        self.application = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self.record, threaded=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        # What another server of this process made is still there.
        urlopen(Request(f"{self.url}/moto-api/reset", method="POST"), timeout=10).close()

    def stop(self) -> None:
        self.server.shutdown()

    def record(self, environ: dict[str, Any], start_response: Any) -> Any:
        who = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if who and environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB_"):
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
            self.calls += dynamo_calls(who[1], environ["HTTP_X_AMZ_TARGET"].split(".")[1], json.loads(body))
        elif who and "/s3/" in environ["HTTP_AUTHORIZATION"]:
            start_response = self.noticed(s3_call(who[1], environ), start_response)
        return self.application(environ, start_response)

    def noticed(self, call: Call, start_response: Any) -> Any:
        """Writes the call down, and, once it is answered, that the right to list decided on the answer to a missing key."""
        self.calls.append(call)

        def answered(status: str, headers: Any, *rest: Any) -> Any:
            bucket, _, key = call.resource.partition("/")
            if key and status.startswith("404"):
                self.calls.append(Call(call.who, "s3:ListBucket", bucket, keys=(key,)))
            return start_response(status, headers, *rest)

        return answered


def s3_call(who: str, environ: dict[str, Any]) -> Call:
    bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
    # `HeadBucket` and listings both need s3:ListBucket; to begin, fill and complete an upload in parts is to put. Source: S3 API reference.
    asked = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    read = "s3:GetObjectVersion" if "versionId" in asked else "s3:GetObject"
    action = {"GET": read, "HEAD": read, "PUT": "s3:PutObject", "DELETE": "s3:DeleteObjectVersion" if "versionId" in asked else "s3:DeleteObject"}
    if {"uploads", "uploadId"} & set(asked):
        action = {"POST": "s3:PutObject", "PUT": "s3:PutObject", "DELETE": "s3:AbortMultipartUpload"}
    headers = frozenset(name[5:].lower().replace("_", "-") for name in environ if name.startswith("HTTP_IF_"))
    if not key:
        listing = "s3:ListBucketVersions" if "versions" in asked else "s3:ListBucket"
        return Call(who, listing, f"bucket {bucket}", keys=tuple(asked.get("prefix", [])), headers=headers)
    return Call(who, action[environ["REQUEST_METHOD"]], f"bucket {bucket}/{key}", headers=headers)


def dynamo_calls(who: str, operation: str, body: dict[str, Any]) -> Iterator[Call]:
    action = f"dynamodb:{operation}"
    match operation:
        case "BatchGetItem":
            for table, asked in body["RequestItems"].items():
                yield Call(who, action, f"table {table}", tuple(key["pk"]["S"] for key in asked["Keys"]))
        case "BatchWriteItem":
            for table, asked in body["RequestItems"].items():
                items = [r["PutRequest"]["Item"] if "PutRequest" in r else r["DeleteRequest"]["Key"] for r in asked]
                yield Call(who, action, f"table {table}", tuple(item["pk"]["S"] for item in items))
        case "GetItem":
            yield Call(who, action, f"table {body['TableName']}", (body["Key"]["pk"]["S"],))
        case "PutItem":
            yield Call(who, action, f"table {body['TableName']}", (body["Item"]["pk"]["S"],))
        case "UpdateItem":
            yield Call(who, action, f"table {body['TableName']}", (body["Key"]["pk"]["S"],))
        case "TransactWriteItems":
            # A transaction is granted by what it is made of. Source: DynamoDB developer guide, "IAM policies for transactions".
            for (part, asked) in (pair for item in body["TransactItems"] for pair in item.items()):
                action = {"Put": "dynamodb:PutItem", "ConditionCheck": "dynamodb:ConditionCheckItem"}[part]
                yield Call(who, action, f"table {asked['TableName']}", (asked.get("Item", asked.get("Key"))["pk"]["S"],))
        case "Scan":
            yield Call(who, action, f"table {body['TableName']}")
        case _:
            raise AssertionError(f"{operation} is not known here")
