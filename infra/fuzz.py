"""Asks the functions on this machine for thousands of things that the contract allows and that it does not.

Run by `make fuzz-api`, with Schemathesis in the Python that runs it. It fails on a 5xx, a status, a content type or an answer that the
document does not describe, on a call that breaks the document and is answered, and on a method that is not refused. A call that
keeps the document may be refused with 422: no schema says that ids are unique or what one field allows of another.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
# Ids of the default shop, so that not every question is about somebody unknown.
KNOWN = {"customer_id": ["1171", "519", "1"], "sku_id": ["1082185", "823704", "995242"]}
# Phases that make their own cases; examples are answered by the tests.
PHASES = "coverage,fuzzing"


def open_document(document: dict[str, Any]) -> dict[str, Any]:
    """The document of the stack on this machine: without a gateway that asks for tokens, with ids that are known."""
    document = copy.deepcopy(document)
    document.pop("security")
    document["components"].pop("securitySchemes")
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = with_known(parameter["name"], parameter["schema"])
    for schema in document["components"]["schemas"].values():
        for name, inner in schema.get("properties", {}).items():
            schema["properties"][name] = with_known(name, inner)
    return document


def with_known(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"enum": KNOWN[name]}, schema]} if name in KNOWN else schema


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until_up(local: subprocess.Popen[str]) -> None:
    for line in local.stdout or ():
        if " is up: " in line:
            return
    raise SystemExit(f"error: the stack ended with {local.wait()} before it was up")


def ask(port: int, cases: int, seed: int, work: Path) -> int:
    document = work / "openapi.json"
    described = json.loads((ROOT / "infra" / "openapi.json").read_text(encoding="utf-8"))
    document.write_text(json.dumps(open_document(described)), encoding="utf-8")
    settings = {**os.environ, "SCHEMATHESIS_HOOKS": str(ROOT / "infra" / "fuzz_hooks.py")}
    arguments = ["run", str(document), "--url", f"http://127.0.0.1:{port}", "--checks", ",".join(CHECKS), "--phases", PHASES]
    arguments += ["--max-examples", str(cases), "--seed", str(seed), "--continue-on-failure", "--request-timeout", "30", "--no-color"]
    return subprocess.run([sys.executable, "-m", "schemathesis.cli", *arguments], env=settings, cwd=work, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="cases of each operation in the phase that draws them")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    port, s3_port, dynamo_port = free_ports(3)
    with tempfile.TemporaryDirectory() as folder:
        command = [ROOT / "target/release/storecast-local", "dev", "--work", folder, "--port", str(port)]
        command += ["--s3-port", str(s3_port), "--dynamo-port", str(dynamo_port)]
        local = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            wait_until_up(local)
            return ask(port, given.cases, given.seed, Path(folder))
        finally:
            local.send_signal(signal.SIGINT)
            local.wait(30)


if __name__ == "__main__":
    sys.exit(main())
