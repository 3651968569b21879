"""Lambda's side of the runtime API for one function process, with a clock in it.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes": next, response, error and init error, over
HTTP/1.1 with connections that stay open. Written on bare sockets: what it costs per request is small, and the same for everybody.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Iterator

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
FAR_AWAY_MS = 4_102_444_800_000
PATIENCE_S = 120
CORES = sorted(os.sched_getaffinity(0))


class FunctionFailed(RuntimeError):
    """A function answered with an error, or ended."""


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started meanwhile has this core alone, with all its threads: whoever is measured has as much of the machine as the others.
    Inherited from the thread that starts it, so that the start itself costs what it costs otherwise."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@dataclass
class Reply:
    """An answer, and the seconds between the event leaving here and the answer being here."""

    body: bytes
    seconds: float
    at: float

    def json(self) -> Any:
        """The answer's body: of the gateway's envelope where there is one."""
        answer = json.loads(self.body)
        if isinstance(answer, dict) and "statusCode" in answer:
            if answer["statusCode"] != 200:
                raise FunctionFailed(f"status {answer['statusCode']}: {answer.get('body')}")
            return json.loads(answer["body"])
        return answer


@dataclass
class RuntimeApi:
    """Serves one function, which may take several events at a time."""

    events: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    replies: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    first_next_at: float | None = None
    # By the id of the request, as long as it is not answered.
    sent_at: dict[bytes, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def converse(self, connection: socket.socket) -> None:
        pending = b""
        try:
            while True:
                head, pending = self.until_blank_line(connection, pending)
                if head is None:
                    return
                path = head.split(b" ", 2)[1]
                length = content_length(head)
                while len(pending) < length:
                    pending += connection.recv(1 << 20)
                body, pending = pending[:length], pending[length:]
                now = time.perf_counter()
                if path.endswith(b"/next"):
                    if self.first_next_at is None:
                        self.first_next_at = now
                    event = self.events.get()
                    if event is None:
                        return
                    request_id = b"%032x" % time.perf_counter_ns()
                    answer = next_answer(event, request_id.decode())
                    self.sent_at[request_id] = time.perf_counter()
                    connection.sendall(answer)
                else:
                    # The runtime clients use one connection or two, and one may fail before it has any request.
                    failed = not path.endswith(b"/response")
                    self.replies.put((failed, Reply(body, now - self.sent_at.pop(path.split(b"/")[-2], now), now)))
                    connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n"
                                       b'{"status":"OK"}')
        except OSError:
            return
        finally:
            connection.close()

    @staticmethod
    def until_blank_line(connection: socket.socket, pending: bytes) -> tuple[bytes | None, bytes]:
        while b"\r\n\r\n" not in pending:
            part = connection.recv(1 << 16)
            if not part:
                return None, b""
            pending += part
        head, _, rest = pending.partition(b"\r\n\r\n")
        return head, rest

    def close(self) -> None:
        self.events.put(None)
        self.listener.close()


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def next_answer(event: bytes, request_id: str) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\n"
        "content-type: application/json\r\n"
        f"lambda-runtime-aws-request-id: {request_id}\r\n"
        f"lambda-runtime-deadline-ms: {FAR_AWAY_MS}\r\n"
        f"lambda-runtime-invoked-function-arn: {ARN}\r\n"
        f"lambda-runtime-trace-id: Root=1-5a4a1c81-{request_id[:24]};Sampled=0\r\n"
        f"content-length: {len(event)}\r\n\r\n"
    )
    return head.encode() + event


class Function:
    """A function's process, started with these settings and no others, on one core."""

    def __init__(self, command: list[str | Path], settings: dict[str, str], first_event: bytes | None = None, log: Path | None = None,
                 core: int = CORES[-1]):
        self.api = RuntimeApi()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "PATH": os.environ["PATH"],
            **settings,
        }
        if first_event is not None:
            self.api.events.put(first_event)
        self.log = open(log or os.environ.get("BENCH_LOG", "/dev/null"), "a")
        with on_core(core):
            self.started_at = time.perf_counter()
            self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def __enter__(self) -> "Function":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.api.close()
        self.log.close()

    def reply(self) -> Reply:
        """The next answer."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                failed, reply = self.api.replies.get(timeout=0.2)
            except queue.Empty:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise FunctionFailed(f"{self.process.args}: no answer; BENCH_LOG=FILE keeps what it says") from None
                continue
            if failed:
                raise FunctionFailed(reply.body.decode(errors="replace")[:2000])
            return reply

    def invoke(self, event: bytes) -> Reply:
        self.api.events.put(event)
        return self.reply()

    def invoke_at_once(self, events: list[bytes], count: int) -> list[float]:
        """Seconds of each event, with so many under way at any moment."""
        waiting = iter(events)
        for event in islice(waiting, count):
            self.api.events.put(event)
        spent = []
        for _ in events:
            spent.append(self.reply().seconds)
            for event in islice(waiting, 1):
                self.api.events.put(event)
        return spent

    def cpu_seconds(self) -> float:
        """What it has worked so far, in its own code and the system's for it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """The most memory it has had resident so far."""
        return memory_bytes(self.process.pid, "VmHWM")


def finished(command: list, settings: dict[str, str], folder: Path) -> tuple[str, float, float]:
    """What a program that ends wrote, its seconds on one core, and its peak memory in megabytes.

    The peak is looked at a hundred times a second while it runs: what the system tells after the end counts this process before the
    program took its place.
    """
    with on_core(CORES[-1]):
        started = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, memory_bytes(process.pid, "VmHWM"))
        except (FunctionFailed, OSError):
            pass  # It ended in between.
        time.sleep(0.01)
    seconds = time.perf_counter() - started
    said, complained = process.communicate()
    if process.returncode:
        raise FunctionFailed(f"{command[0]}: {complained[-2000:]}")
    return said, seconds, peak / 1e6


def memory_bytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise FunctionFailed(f"{name} of process {pid} is not known")


def http_event(method: str, path: str, body: Any) -> bytes:
    """What an HTTP API (payload version 2) hands to a function."""
    return json.dumps({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"accept": "application/json", "content-type": "application/json", "host": "shop.example"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "shop.example",
            "domainPrefix": "shop",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.17", "userAgent": "bench"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "07/Oct/2017:12:00:00 +0000",
            "timeEpoch": 1507377600000,
        },
        "body": json.dumps(body, separators=(",", ":")),
        "isBase64Encoded": False,
    }, separators=(",", ":")).encode()
