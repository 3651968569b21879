"""A function's program under a stand-in for Lambda's runtime API.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# Longer than any answer takes.
PATIENCE_S = 60
# What Lambda itself sets.
RESERVED = {
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_REGION": "eu-central-1",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class FakeLambda:
    """Starts a program with exactly these settings, and those that Lambda sets; hands it one event after the other."""

    def __init__(self, program: Path, settings: dict[str, str], limit_s: float = 29):
        self.limit_s = limit_s
        self.events: queue.Queue[str] = queue.Queue()
        self.replies: queue.Queue[tuple[bool, Any]] = queue.Queue()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        api = f"127.0.0.1:{self.server.server_port}"
        self.process = subprocess.Popen(
            [program],
            env={**RESERVED, "AWS_LAMBDA_RUNTIME_API": api, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def __enter__(self) -> FakeLambda:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE_S)
        self.server.shutdown()
        self.server.server_close()

    def answer(self, event: Any) -> tuple[bool, Any]:
        """Whether the function answered (or failed), and with what."""
        self.events.put(json.dumps(event))
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                return self.replies.get(timeout=0.05)
            except queue.Empty:
                assert self.process.poll() is None, "the function ended:\n" + "".join(self.lines)
        raise AssertionError("no answer:\n" + "".join(self.lines))

    def logged(self) -> list[dict[str, Any]]:
        """The JSON lines so far; everything the program writes is one."""
        return [json.loads(line) for line in list(self.lines)]

    def handler(self) -> type[BaseHTTPRequestHandler]:
        events, replies, limit_ms = self.events, self.replies, int(self.limit_s * 1000)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                event = events.get().encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "request-1")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + limit_ms))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:f")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                replies.put((self.path.endswith("/response"), json.loads(body)))

            def log_message(self, *_: object) -> None:
                pass

        return Handler
