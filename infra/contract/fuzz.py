"""Asks the functions on this machine for thousands of things that the contract allows and that it does not.

Run by `make fuzz-api`, and with few cases by the tests; Schemathesis is in the Python that runs it. It fails on a 5xx, a status, a
content type or an answer that the document does not describe, on a call that breaks the document and is answered, and on a method that
is not refused. A call that keeps the document may be refused with 422: no schema says that ids are unique or what one field allows of
another. The functions are asked without the gateway, which would answer for them.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import local_stack

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
# Phases that make their own cases; examples are answered by the tests.
PHASES = "coverage,fuzzing"
# What may be said to a call that breaks the document; by itself Schemathesis leaves out that a body can be too large.
REFUSALS = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429"]


def open_document(document: dict[str, Any]) -> dict[str, Any]:
    """The document of the stack on this machine: without a gateway that asks for tokens."""
    document = copy.deepcopy(document)
    document.pop("security")
    document["components"].pop("securitySchemes")
    return document


def ask(url: str, cases: int, seed: int, seconds: int | None = None) -> subprocess.CompletedProcess[str]:
    """Runs Schemathesis; it ends by itself when `seconds` are over."""
    settings = {**os.environ, "SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("hooks.py"))}
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "openapi.json"
        document.write_text(json.dumps(open_document(local_stack.DOCUMENT)), encoding="utf-8")
        rules = Path(folder) / "schemathesis.toml"
        rules.write_text(f"[checks.negative_data_rejection]\nexpected-statuses = {json.dumps(REFUSALS)}\n", encoding="utf-8")
        arguments = ["--config-file", str(rules), "run", str(document), "--url", url, "--checks", ",".join(CHECKS), "--phases", PHASES]
        arguments += ["--max-examples", str(cases), "--seed", str(seed), "--continue-on-failure", "--request-timeout", "30", "--no-color"]
        arguments += ["--max-time", str(seconds)] if seconds else []
        command = [sys.executable, "-m", "schemathesis.cli", *arguments]
        return subprocess.run(command, env=settings, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="cases of each operation in the phase that draws them")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with local_stack.running() as stack:
        asked = ask(stack.functions, given.cases, given.seed)
    print(asked.stdout)
    return asked.returncode


if __name__ == "__main__":
    sys.exit(main())
