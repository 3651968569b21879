"""Where a cold start goes: each function's, stage by stage, and its page faults. No peer, so no rows: a table of its own."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import botocore

from lambda_api import CORES, Function, http_event, on_core
from ledger import Row, number, quartiles
from models import runtime_model, sized_models
from rows_models import served
from stack import AS_OF, FUNCTIONS, LIBRARY, WORK, Stack

ROUNDS = 12
STAGES = {
    "spawn": "process start", "runtime": "async runtime", "settings": "settings", "clients": "clients",
    "pointers": "pointers from DynamoDB", "files": "files from S3", "parse_and_check": "parse, golden rows of a start, policy",
    "first_answer": "first answer", "again_parse_and_check": "again: parse, golden rows of a start, policy", "again_hashes": "of it: hashes",
    "again_model": "of it: model", "again_golden_sample": "of it: golden rows of a start",
    "again_golden_all": "all golden rows, replayed after the first answer",
    "to_pointers": "clients and pointers", "to_pointers_all_roots": "the same, with 126 root certificates, about as many as a machine has",
}


def request(stack: Stack, function: str) -> dict:
    return {
        "churn": {"customers": [{"customer_id": stack.ids[0]}], "as_of": AS_OF},
        "inventory": {"skus": [{"sku_id": "1082185"}], "as_of": AS_OF[:10]},
        "recommendations": {"customer_id": stack.ids[0], "as_of": AS_OF},
    }[function]


def faults(stack: Stack, function: str, settings: dict[str, str]) -> int:
    """Page faults that needed no disk, from the start to the first answer."""
    command, own = stack.ours(function)
    with Function(command, own | settings, http_event("POST", f"/v1/{function}", request(stack, function))) as started:
        started.reply().json()
        with open(f"/proc/{started.process.pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[7])


def started(stack: Stack) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Whose starts are looked at: a name, the function, settings of its own. What it serves stays in service meanwhile."""
    for function in FUNCTIONS:
        yield function, function, {}
    for name, folder in sized_models().items():
        with served(stack, folder, "--onnxruntime", LIBRARY):
            yield f"churn, {name}", "churn", {}
    with served(stack, runtime_model(), "--onnxruntime", LIBRARY):
        yield "churn, runtime library", "churn", {"STORECAST_ORT_LIBRARY": str(LIBRARY)}


def run(stack: Stack, function: str, file: Path, settings: dict[str, str]) -> dict[str, float]:
    """Milliseconds by stage of one start."""
    with on_core(CORES[-1]):
        command = [stack.programs / "examples" / "cold_stages", function, file, repr(time.time())]
        done = subprocess.run(command, env=stack.settings | settings, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cold_stages {function}: {done.stderr}")
    stages = json.loads(done.stdout)
    return stages | {"to_pointers": stages["clients"] + stages["pointers"]}


def cold_stages(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """Every round starts a program anew that does what the function does, with a clock between the stages."""
    medians: dict[str, dict[str, float]] = {}
    file = WORK / "request.json"
    # As many as a machine has.
    roots = {"SSL_CERT_FILE": str(Path(botocore.__file__).parent / "cacert.pem")}
    for name, function, settings in started(stack):
        file.write_text(json.dumps(request(stack, function)))
        stages: dict[str, list[float]] = {}
        for number_of_round in range(ROUNDS):
            progress(f"cold starts by stage, {name}, round {number_of_round + 1} of {ROUNDS}")
            with_all = run(stack, function, file, settings | roots)["to_pointers"]
            for stage, milliseconds in (run(stack, function, file, settings) | {"to_pointers_all_roots": with_all}).items():
                stages.setdefault(stage, []).append(milliseconds)
        medians[name] = {stage: quartiles(values)[1] for stage, values in stages.items()}
        medians[name]["page_faults"] = faults(stack, function, settings)
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
