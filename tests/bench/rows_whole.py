"""Every history of the shop, chunk by chunk, from S3 to answers in S3, beside the bare scoring of as many rows by the same model."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Callable, Iterator

from lambda_api import Function
from ledger import Row, compared, quartiles
from rows_scoring import run, write_rows
from stack import AS_OF, FUNCTIONS, ROOT, SHOP, UPLOADS, WORK, Stack

ROUNDS = 2


def step(function: Function, name: str, given: dict) -> dict:
    """One step of a run, as the state machine asks for it."""
    return function.invoke(json.dumps({"whole": {name: given}}).encode()).json()


def one_run(stack: Stack, function: Function, chunks: list[dict], seconds: int) -> tuple[float, float]:
    """Rows a second of the processor, and by the clock, of all chunks together. Raises unless every row is in its place."""
    as_of = datetime.fromisoformat(AS_OF) + timedelta(seconds=seconds)
    begun = step(function, "begin", {"bucket": UPLOADS, "as_of": as_of.isoformat()})
    before, passed = function.cpu_seconds(), 0.0
    for chunk in chunks:
        passed += function.invoke(json.dumps({"whole": {"score": {"run": begun, "chunk": chunk}}}).encode()).seconds
    worked = function.cpu_seconds() - before
    step(function, "reconcile", {"run": begun})
    rows = sum(chunk["rows"] for chunk in chunks)
    return rows / worked, rows / passed


def scored_rows(log: Path) -> int:
    """How many rows the model scored in a run: of recommendations, some hundred candidates of each customer."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return sum(line["rows_scored"] for line in lines if "latency_ms" in line) // ROUNDS


def bare_rate(stack: Stack, function: str) -> list[float]:
    """Rows a second of scoring and nothing else."""
    graph, values = ROOT / "models" / function / "model.onnx", WORK / "rows.f32"
    write_rows(graph, values)
    micros = run([stack.programs / "examples" / "score_rows", graph, values, WORK / "scores.f64"])["ours"]
    return [1e6 / each for each in micros]


def whole_base(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    for name in FUNCTIONS:
        progress(f"the whole base of {name}: chunks")
        stack.storecast("chunk", name, "--shop", SHOP, "--bucket", UPLOADS)
        base = json.loads(stack.s3.get_object(Bucket=UPLOADS, Key=f"whole/{name}/manifest.json")["Body"].read())
        chunks = json.loads(stack.s3.get_object(Bucket=UPLOADS, Key=base["chunks"])["Body"].read())
        log = WORK / f"whole-{name}.log"
        log.unlink(missing_ok=True)
        worked, passed = [], []
        with Function(*stack.ours(name), log=log) as function:
            for number in range(ROUNDS):
                progress(f"the whole base of {name}, {base['rows']} rows in {len(chunks)} chunks: round {number + 1} of {ROUNDS}")
                by_processor, by_clock = one_run(stack, function, chunks, number)
                worked.append(by_processor)
                passed.append(by_clock)
        each = scored_rows(log) / base["rows"]
        note = f"of a core's time; {quartiles(passed)[1]:.0f} rows/s by the clock; {each:.3g} rows scored for each"
        bare = [rate / each for rate in bare_rate(stack, name)]
        yield compared(f"the whole base of {name}, {base['rows']} rows, S3 to S3: bare scoring", worked, bare, "rows/s", None, note=note,
                       more_is_better=True)
