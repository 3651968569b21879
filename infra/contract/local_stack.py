"""The stack on this machine, behind the gateway that asks for tokens as well as without it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import issuer
from joserfc.jwk import RSAKey

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "infra" / "openapi.json").read_text(encoding="utf-8"))
SCOPE = "predict"


@dataclass(frozen=True)
class LocalStack:
    """Where it answers, and the key that its gateway trusts."""

    functions: str
    gateway: str
    key: RSAKey


@contextmanager
def running() -> Iterator[LocalStack]:
    """Starts the stack with the default shop on free ports, and ends it."""
    functions, gateway, s3, dynamo = free_ports(4)
    with tempfile.TemporaryDirectory() as folder:
        key = issuer.make_keys(Path(folder))
        command = [ROOT / "target/release/storecast-local", "dev", "--work", folder, "--port", str(functions)]
        command += ["--s3-port", str(s3), "--dynamo-port", str(dynamo), "--gateway-port", str(gateway)]
        command += ["--token-keys", f"{folder}/jwks.json", "--token-scope", SCOPE]
        started = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            wait_until_up(started)
            for path in ("/v1/customers/1171/churn", "/v1/skus/1082185/inventory", "/v1/customers/1171/recommendations"):
                # The first call starts the function's process, which on a busy machine takes longer than a caller waits.
                urlopen(f"http://127.0.0.1:{functions}{path}", timeout=180).close()
            yield LocalStack(f"http://127.0.0.1:{functions}", f"http://127.0.0.1:{gateway}", key)
        finally:
            started.send_signal(signal.SIGINT)
            started.wait(30)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until_up(started: subprocess.Popen[str]) -> None:
    for line in started.stdout or ():
        if " is up: " in line:
            return
    raise SystemExit(f"error: the stack ended with {started.wait()} before it was up")
