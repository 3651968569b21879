"""Where a cold start goes: each function's, stage by stage, and its page faults. No peer, so no rows: a table of its own."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import botocore

from lambda_api import Function, http_event
from ledger import Row, number, quartiles
from stack import AS_OF, FUNCTIONS, WORK, Stack

ROUNDS = 12
STAGES = {
    "spawn": "process start", "runtime": "async runtime", "clients": "settings and clients", "pointers": "pointers from DynamoDB",
    "files": "files from S3, one by one", "parse_and_check": "parse and check", "policy": "policy", "first_answer": "first answer",
    "again_hashes": "again: hashes", "again_trees": "again: trees", "again_golden_json": "again: golden rows, JSON",
    "again_parse_and_check": "again: parse and check",
    "to_pointers": "settings, clients and pointers", "to_pointers_one_root": "the same, with one root certificate on the machine",
}


def request(stack: Stack, function: str) -> dict:
    return {
        "churn": {"customers": [{"customer_id": stack.ids[0]}], "as_of": AS_OF},
        "inventory": {"skus": [{"sku_id": "1082185"}], "as_of": AS_OF[:10]},
        "recommendations": {"customer_id": stack.ids[0], "as_of": AS_OF},
    }[function]


def faults(stack: Stack, function: str) -> int:
    """Page faults that needed no disk, from the start to the first answer."""
    with Function(*stack.ours(function), http_event("POST", f"/v1/{function}", request(stack, function))) as started:
        started.reply().json()
        with open(f"/proc/{started.process.pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[7])


def one_root() -> dict[str, str]:
    """Settings of a machine that trusts one certificate: what is saved is what reading its some 150 costs, which HTTP to this machine's
    stores does not spare the function."""
    bundle = (Path(botocore.__file__).parent / "cacert.pem").read_text()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    file = WORK / "one-root.pem"
    file.write_text(begin + bundle.split(begin)[1].split(end)[0] + end + "\n")
    return {"SSL_CERT_FILE": str(file)}


def run(stack: Stack, function: str, file: Path, settings: dict[str, str]) -> dict[str, float]:
    """Milliseconds by stage of one start."""
    command = [stack.programs / "examples" / "cold_stages", function, file, repr(time.time())]
    done = subprocess.run(command, env=stack.settings | settings, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cold_stages {function}: {done.stderr}")
    stages = json.loads(done.stdout)
    return stages | {"to_pointers": stages["clients"] + stages["pointers"]}


def cold_stages(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """Every round starts a program anew that does what the function does, with a clock between the stages."""
    found: dict[str, dict[str, list[float]]] = {function: {} for function in FUNCTIONS}
    file, root = WORK / "request.json", one_root()
    for number_of_round in range(ROUNDS):
        progress(f"cold starts by stage, round {number_of_round + 1} of {ROUNDS}")
        for function, stages in found.items():
            file.write_text(json.dumps(request(stack, function)))
            with_one = run(stack, function, file, root)["to_pointers"]
            for stage, milliseconds in (run(stack, function, file, {}) | {"to_pointers_one_root": with_one}).items():
                stages.setdefault(stage, []).append(milliseconds)
    medians = {function: {stage: quartiles(values)[1] for stage, values in stages.items()} for function, stages in found.items()}
    for function in FUNCTIONS:
        medians[function]["page_faults"] = faults(stack, function)
    (WORK / "stages.json").write_text(json.dumps(medians, indent=1))
    print(f"\n{table(medians)}\n")
    yield from ()


def table(medians: dict[str, dict[str, float]]) -> str:
    """Milliseconds, medians; Markdown."""
    lines = [f"| cold start, ms | {' | '.join(medians)} |", f"|---|{'--:|' * len(medians)}"]
    for stage, name in STAGES.items():
        lines.append(f"| {name} | {' | '.join(number(of[stage]) for of in medians.values())} |")
    lines.append(f"| page faults to the first answer | {' | '.join(str(of['page_faults']) for of in medians.values())} |")
    return "\n".join(lines)
