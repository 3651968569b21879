"""A made stack, filled and asked by the real programs, with moto in the place of AWS."""

from __future__ import annotations

import contextlib
import gzip
import hmac
import io
import json
import shutil
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import boto3
import moto_stack
import stack
from fake_lambda import FakeLambda
from notification import message
from permission import in_template_words, places
from recording import Call, RecordingServer
from settings import settings_of

SHOP = """
format = 1
name = "tiny"
currency = "EUR"
source = "made up here"
licence = "MIT"
data_root = "s3://{bucket}"
[time]
naive_zone = "UTC"
[orders]
files = ["orders/*.csv"]
dates = ["%Y-%m-%d"]
[orders.columns]
order_id = "order_id"
customer_id = "customer_id"
placed_at = "placed_at"
product_id = "product_id"
quantity = "quantity"
amount = "amount"
[products]
files = ["products.csv"]
[products.columns]
product_id = "product_id"
category = "category"
[stock]
files = ["stock.csv"]
[stock.columns]
product_id = "product_id"
date = "date"
on_hand = "on_hand"
"""
# Who calls, and which role or policy is theirs.
PEOPLE = ("publisher", "loader", "merger", "forgetter", "operator")
HOLDERS = {who: f"{who.capitalize()}Policy" for who in PEOPLE}


# An order file that nobody can read.
WRONG = b"order_id\n1\n"
# A product of the committed model for recommendations.
KNOWN = "1082185"


def orders(customers: dict[str, str]) -> str:
    """Twenty weeks of orders, one a week of each customer's product; anna also buys what the committed models know."""
    rows = ["order_id,customer_id,placed_at,product_id,quantity,amount"]
    for week in range(20):
        day = f"2026-{1 + week // 4:02}-{1 + 7 * (week % 4):02}"
        rows += [f"{week}-{customer},{customer},{day},{product},2,10.00" for customer, product in customers.items()]
        rows += [f"{week}-anna,anna,{day},{KNOWN},1,2.00" for _ in range("anna" in customers)]
    return "\n".join(rows) + "\n"


# A row of each function that is answered, and one that is rejected.
ROWS = {
    "churn": ("customer_id,as_of\n", "anna,\n", "anna,{}\n"),
    "recommendations": ("customer_id,surface,as_of\n", "anna,home,\n", "anna,home,{}\n"),
    "inventory": ("sku_id,on_hand,as_of\n", "tea,5,\n", "tea,5,{}\n"),
}
FILE, BROKEN = "june 1/all.csv", "broken.csv.gz"
# Enough for rejects of more than one part (8 MiB), so that there is an upload to give up.
MANY_ROWS = 45_000
# More rows than are answered in the seconds, beyond the five that are kept for leaving a file.
LONG, SHORT_S = "long.csv", 6
LONG_ROWS = {"churn": 60_000, "recommendations": 8_000, "inventory": 20_000}


def uploads(function: str) -> dict[str, bytes]:
    """A file that is scored but for one row, and a broken archive of which nothing is."""
    header, row, wrong = ROWS[function]
    packed = gzip.compress((header + wrong.format("x" * 90) * MANY_ROWS).encode(), mtime=0)
    return {FILE: (header + row + wrong.format("yesterday")).encode(), BROKEN: packed[:-8]}


def package() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bootstrap", "stands for a program")
    return file.getvalue()


def published() -> list[str]:
    """Functions whose committed model is complete."""
    return [f for f in stack.functions() if (stack.ROOT / "models" / f / "manifest.json").is_file()]


def accepted(function: str) -> list[str]:
    """Options that name the bars which the committed model is known to miss."""
    manifest = json.loads((stack.ROOT / "models" / function / "manifest.json").read_text(encoding="utf-8"))
    missed = [line["metric"] for line in manifest["metrics"] if line["pass"] is False]
    return [word for metric in missed for word in ("--accept-miss", metric)]


def asked(running: FakeLambda, path: str) -> dict[str, Any]:
    """What a function answers to a GET."""
    event = {"version": "2.0", "rawPath": path, "requestContext": {"http": {"method": "GET", "path": path}}}
    answered, answer = running.answer(event)
    assert answered and answer["statusCode"] == 200, (path, answer)
    return answer


class World:
    """A made stack, filled and asked by the real programs."""

    def __init__(self, program, work: Path):
        self.program, self.work = program, work
        self.server = RecordingServer()
        self.outputs = moto_stack.create(self.server.url, stack.TOKENS, package())
        self.stack = stack.Stack(stack.source(), stack.TOKENS)
        self.endpoint = {"AWS_ENDPOINT_URL": self.server.url, "AWS_REGION": stack.REGION}
        self.s3 = boto3.client("s3", endpoint_url=self.server.url)
        self.dynamo = boto3.client("dynamodb", endpoint_url=self.server.url)
        # moto's CloudFormation makes the bucket, but leaves this out.
        versions = self.stack.resources["DataBucket"]["Properties"]["VersioningConfiguration"]
        self.s3.put_bucket_versioning(Bucket=self.outputs["DataBucketName"], VersioningConfiguration=versions)
        self.answers: dict[str, dict] = {}
        self.failures: dict[str, Any] = {}
        self.wholes: dict[str, Any] = {}
        self.batch_lines: dict[str, list[dict[str, Any]]] = {}
        self.merged: dict[str, dict[str, Any]] = {}
        self.merge_lines: list[dict[str, Any]] = []

    def load(self, customers: dict[str, str]) -> None:
        self.place(customers)
        self.run("loader", "load", "--shop", str(self.work / "shop.toml"), "--work", str(self.work / "work"))

    def place(self, customers: dict[str, str]) -> None:
        """The shop's files, and what describes them."""
        self.put("orders/all.csv", orders(customers).encode())
        self.put("products.csv", b"product_id,category\ntea,drinks\ncup,kitchen\n")
        self.put("stock.csv", b"product_id,date,on_hand\ntea,2026-05-22,5\ncup,2026-05-22,9\n")
        shop = self.work / "shop.toml"
        shop.write_text(SHOP.format(bucket=self.outputs["DataBucketName"]), encoding="utf-8")

    def tell_outcomes(self) -> None:
        """What became of two customers, and lines of both in the log of predictions, one by id and one by hash."""
        self.put("outcomes/churn/june.csv", b"customer_id,as_of,purchased\nanna,2026-05-01,1\nbert,2026-05-01,0\n")
        salt = stack.TOKENS["PredictionLogSalt"].encode()
        names = ["anna", hmac.new(salt, b"bert", "sha256").hexdigest()]
        self.put("predictions/churn/2026-05-01/by hand.jsonl", "".join(f'{{"entity": "{name}"}}\n' for name in names).encode())

    def arrive(self, customers: dict[str, str]) -> list[dict[str, Any]]:
        """The same shop, its files below uploads/orders/, and one of them that nobody can read; the messages about them."""
        files = {
            "orders/all.csv": orders(customers).encode(),
            "products.csv": b"product_id,category\ntea,drinks\ncup,kitchen\n",
            "stock.csv": b"product_id,date,on_hand\ntea,2026-05-22,5\ncup,2026-05-22,9\n",
            "orders/wrong.csv": WRONG,
        }
        for name, body in files.items():
            self.put(f"uploads/orders/{name}", body)
        return [message(self.outputs["DataBucketName"], f"uploads/orders/{name}") for name in files]

    def predict_by_hand(self, customer: str) -> None:
        """The last predictions of a customer whom no file of the tests asks about."""
        numbers = {name: {"N": "1"} for name in ("as_of", "computed_at", "expires_at")}
        for key in (f"churn#{customer}", f"recommendations#home#{customer}"):
            item = {"pk": {"S": key}, "answer": {"S": "{}"}, "model_version": {"S": "1"}, **numbers}
            self.dynamo.put_item(TableName=self.outputs["PredictionsTableName"], Item=item)

    def merge(self, customers: dict[str, str]) -> None:
        self.arrive(customers)
        self.run("operator", "status", self.address("uploads/orders/orders/all.csv"))
        self.run("merger", "merge", *self.coming())
        self.merged["merger"] = self.stored()

    def merge_what_arrives(self, customers: dict[str, str]) -> None:
        """The function is told of the files, and of the shop file."""
        self.put("shop.toml", (self.work / "shop.toml").read_bytes())
        messages = [*self.arrive(customers), message(self.outputs["DataBucketName"], "shop.toml")]
        with self.started(stack.MERGE, stack.MERGER) as running:
            assert running.answer({"Records": messages}) == (True, {"batchItemFailures": []})
        # Now that all of it is read.
        self.merge_lines += running.logged()
        self.merged["orders"] = self.stored()

    def stored(self) -> dict[str, Any]:
        """All histories of the table, and up to when they are known."""
        items = self.dynamo.scan(TableName=self.outputs["TableName"])["Items"]
        kinds = ("customer#", "sku#", "category#", "stock#", "meta#")
        return {item["pk"]["S"]: item for item in items if item["pk"]["S"].startswith(kinds)}

    def coming(self) -> list[str]:
        """Which shop, and where its files come to."""
        return ["--shop", str(self.work / "shop.toml"), "--bucket", self.outputs["DataBucketName"], "--work", str(self.work / "merge")]

    def chunking(self) -> list[str]:
        """Which shop, and the bucket that its chunks come to."""
        return ["--shop", str(self.work / "shop.toml"), "--bucket", self.outputs["DataBucketName"], "--work", str(self.work / "work")]

    def whole(self, function: str) -> dict[str, Any]:
        """Chunks of every customer or SKU, scored and reconciled, as the state machine asks for it."""
        self.run("loader", "chunk", function, *self.chunking(), "--rows", "1")
        bucket = self.outputs["DataBucketName"]

        def done(step: str, **asked: Any) -> Any:
            answered, answer = running.answer({"whole": {step: asked}})
            assert answered, answer
            return answer

        with self.started(f"{function.capitalize()}Batch", f"{function}-batch") as running:
            run = done("begin", bucket=bucket, as_of="2026-05-24T03:00:00Z")
            chunks = json.loads(self.file(run["base"]["chunks"]))
            gone = {**chunks[0], "key": f"whole/{function}/chunks/gone.parquet"}
            # Before anything is scored, and of a chunk that is not there.
            for early in ({"reconcile": {"run": run}}, {"score": {"run": run, "chunk": gone}}):
                assert not running.answer({"whole": early})[0]
            for chunk in chunks:
                done("score", run=run, chunk=chunk)
            return done("reconcile", run=run)

    def address(self, key: str) -> str:
        """A place in the data bucket."""
        return f"s3://{self.outputs['DataBucketName']}/{key}"

    def put(self, key: str, body: bytes) -> dict[str, Any]:
        """Puts a file into the data bucket."""
        return self.s3.put_object(Bucket=self.outputs["DataBucketName"], Key=key, Body=body)

    def file(self, key: str) -> str:
        """A file of the data bucket."""
        return self.s3.get_object(Bucket=self.outputs["DataBucketName"], Key=key)["Body"].read().decode()

    def run(self, who: str, *arguments: str) -> str:
        """Runs the command line, and returns what it says."""
        ran = self.ran(who, *arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def refused(self, who: str, *arguments: str) -> str:
        """Runs what must fail, and returns what it says of that."""
        ran = self.ran(who, *arguments)
        assert ran.returncode == 1, ran.stdout
        return ran.stderr

    def ran(self, who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **self.endpoint,
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "STORECAST_TABLE": self.outputs["TableName"],
            "STORECAST_MODEL_BUCKET": self.outputs["ModelBucketName"],
            "STORECAST_PREDICTION_LOG_SALT": stack.TOKENS["PredictionLogSalt"],
            "STORECAST_PREDICTIONS_TABLE": self.outputs["PredictionsTableName"],
        }
        command = [self.program("storecast"), *arguments]
        return subprocess.run(command, env=environment, cwd=stack.ROOT, capture_output=True, text=True, timeout=120)

    def release_and_take_back(self, function: str) -> None:
        """A second version on every way that there is, and back to the first."""
        folder = self.work / "second"
        shutil.copytree(stack.ROOT / "models" / function, folder)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        first, manifest["version"] = manifest["version"], "second"
        main, value = manifest["metrics"][0], manifest["metrics"][0]["value"]
        self.refusals = []
        # A bar that is missed, a metric that is worse by more than the margin, and one that is within it.
        for share, passes in ((1, False), (0.9, True), (0.999, True)):
            main["value"], main["pass"] = share * value, passes
            (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
            if share != 0.999:
                self.refusals.append(self.refused("publisher", "publish", function, "--model", str(folder)))
        policy = folder / "policy.json"
        policy.write_text(policy.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        self.run("publisher", "publish", function, "--model", str(folder))
        self.differences = self.run("publisher", "diff", function, first, "second")
        for arguments in (
            ["promote", function, "second", "--canary", "5"],
            ["promote", function, "second", "--shadow"],
        ):
            self.run("publisher", *arguments)
        self.beside = self.run("publisher", "releases", function)
        for arguments in (
            ["rollback", function, "--canary"],
            ["rollback", function, "--shadow"],
            ["promote", function, "second"],
            ["policy", function, str(policy)],
            ["rollback", function],
            ["rollback", function, "--policy"],
        ):
            self.run("publisher", *arguments)
        self.releases = self.run("publisher", "releases", function)

    def ask(self, function: str) -> None:
        """Asks for one customer or SKU, and for whatever else the function answers without naming one, over the gateway's routes."""
        routes = self.stack.of_type("AWS::ApiGatewayV2::Route").values()
        keys = [r["RouteKey"].split() for r in routes if r["Target"] == f"integrations/<{function.capitalize()}Integration>"]
        paths = sorted((path for method, path in keys if method == "GET"), key=lambda path: "{" in path)
        with self.started(f"{function.capitalize()}Function", function) as running:
            for path in (path.format(customer_id="anna", sku_id="tea") for path in paths):
                # The last is the one about a customer or SKU.
                self.answers[function] = asked(running, path)

    def let_canaries_stop(self) -> None:
        """A canary of each function, and failures noted by environments that are not here; the function adds its own and sees them."""
        canaries = {function: self.failing_canary(function) for function in published()}
        with contextlib.ExitStack() as all_of_them:
            running = {f: all_of_them.enter_context(self.started(f"{f.capitalize()}Function", f)) for f in canaries}
            paths = {"inventory": "/v1/skus/tea/inventory"}
            # What is noted of the first goes out with the look that comes with the second, at least 10 s after the start.
            for wait_s in (11, 3):
                for function, program in running.items():
                    asked(program, paths.get(function, f"/v1/customers/anna/{function}"))
                time.sleep(wait_s)
            self.stop_lines = {function: program.logged() for function, program in running.items()}
        self.stopped = {function: self.run("publisher", "releases", function) for function in canaries}

    def failing_canary(self, function: str) -> None:
        folder = self.work / f"other-{function}"
        shutil.copytree(stack.ROOT / "models" / function, folder)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest["version"] = "other"
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        self.run("publisher", "publish", function, "--model", str(folder), *accepted(function))
        self.run("publisher", "promote", function, "other", "--canary", "50")
        table, prefix = self.outputs["TableName"], f"pointer#model/{function}/"
        (item,) = [i for i in self.dynamo.scan(TableName=table)["Items"] if i["pk"]["S"].startswith(prefix)]
        canary = json.loads(item["target"]["S"])["canary"]
        owner = f"sets#{item['pk']['S'].removeprefix('pointer#')}/{canary['salt']}/{canary['since_seconds']}/0"
        self.dynamo.put_item(TableName=table, Item={"pk": {"S": owner}, "canary_failed": {"NS": [str(mark) for mark in range(40)]}})

    def started(self, resource: str, who: str, seconds: float | None = None, **others: str) -> FakeLambda:
        """A function of the template, with its settings and its time, unless it is given others."""
        program = self.program(stack.function_of(resource)[0])
        named = self.stack.resources[resource]["Properties"]["FunctionName"]
        own = {"AWS_ACCESS_KEY_ID": who, "AWS_LAMBDA_FUNCTION_NAME": named}
        settings = {**self.endpoint, **settings_of(self.stack, resource, self.outputs, program), **own}
        if resource == stack.MERGE:
            settings["STORECAST_WORK"] = str(self.work / "arrived")
        return FakeLambda(program, settings | others, seconds or self.stack.resources[resource]["Properties"]["Timeout"])

    def score(self, function: str) -> None:
        """Uploads files, and hands the messages about them to the function as a queue would."""
        bucket, folder = self.outputs["DataBucketName"], f"uploads/{function}"
        messages = [{"messageId": "nonsense", "eventSource": "aws:sqs", "body": "nonsense"}]
        for name, body in uploads(function).items():
            version = self.put(f"{folder}/{name}", body)
            messages.append(message(bucket, f"{folder}/{name}", version["ETag"], version.get("VersionId")))
        # Written by hand: of a file without its version, and of one that is gone.
        self.put(f"{folder}/again.csv", uploads(function)[FILE])
        messages += [message(bucket, f"{folder}/{name}") for name in ("again.csv", "gone.csv")]
        messages.append(message(bucket, f"unfinished/{function}/gone.csv.continue"))
        with self.started(f"{function.capitalize()}Batch", f"{function}-batch") as running:
            answered, self.failures[function] = running.answer({"Records": messages})
        assert answered, self.failures[function]
        self.score_long(function)

    def score_long(self, function: str) -> None:
        """A file that does not fit into an invocation, and then its marker."""
        bucket, (header, row, wrong) = self.outputs["DataBucketName"], ROWS[function]
        body = header + row * LONG_ROWS[function] + wrong.format("x")
        version = self.put(f"uploads/{function}/{LONG}", body.encode())
        resource = f"{function.capitalize()}Batch"
        with self.started(resource, f"{function}-batch", SHORT_S) as running:
            event = message(bucket, f"uploads/{function}/{LONG}", version["ETag"], version.get("VersionId"))
            assert running.answer({"Records": [event]}) == (True, {"batchItemFailures": []})
        with self.started(resource, f"{function}-batch") as running:
            event = message(bucket, f"unfinished/{function}/{LONG}.continue")
            assert running.answer({"Records": [event]}) == (True, {"batchItemFailures": []})
        # Now that all of it is read.
        self.batch_lines[function] = running.logged()

    def calls(self, who: str) -> list[Call]:
        named = places(self.outputs)
        return [in_template_words(call, named) for call in self.server.calls if call.who == who]

    def holder(self, who: str) -> str:
        function, _, batch = who.partition("-")
        return HOLDERS.get(who, f"{function.capitalize()}{batch.capitalize()}Role")
