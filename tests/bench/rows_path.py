"""Where a warm request goes: each function's, stage by stage, by the metric lines that it writes on AWS as well. No peer, so no rows: a table
of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable, Iterator

from lambda_api import Function, http_event
from ledger import Row, number, quantile
from rows_inventory import products
from stack import AS_OF, WORK, Stack

REQUESTS = {"churn": 5_000, "inventory": 2_000, "recommendations": 2_000}
# Of whom, or what, is asked, again and again; every one once before anything counts.
CASES = 200
SHARES = (0.5, 0.99, 0.999)
TIMED = ("parse", "gather", "features", "score", "respond")
STAGES = {
    "parse": "taking the question apart", "gather": "reading histories, the store's time taken out", "features": "columns", "score": "scores",
    "respond": "reasons, policy and answer", "rest": "the event and its answer, from and to JSON", "latency": "the function, from event to answer",
    "outside": "metrics, the runtime's client and the socket", "whole": "as asked, from event to answer",
}


def bodies(stack: Stack, function: str) -> list[dict]:
    """One customer, one SKU, one list."""
    customers = stack.ids[:CASES]
    if function == "inventory":
        return [{"skus": [{"sku_id": asked["sku_id"]}], "as_of": AS_OF[:10]} for asked in products(stack)[:CASES]]
    if function == "recommendations":
        return [{"customer_id": customer, "as_of": AS_OF} for customer in customers]
    return [{"customers": [{"customer_id": customer}], "as_of": AS_OF} for customer in customers]


def told(log: Path) -> list[dict]:
    """The metric lines of requests, in order."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("trigger") == "http"]


def spent(stack: Stack, progress: Callable[[str], None], function: str) -> dict[str, list[float]]:
    """Milliseconds of every request, by stage."""
    log = WORK / f"path-{function}.log"
    log.unlink(missing_ok=True)
    events = [http_event("POST", f"/v1/{function}", body) for body in bodies(stack, function)]
    whole = []
    with Function(*stack.replayed(stack.ours(function)), log=log) as started:
        for event in events:
            started.invoke(event).json()
        kept = stack.questions_kept()
        for asked in range(REQUESTS[function]):
            if asked % 1_000 == 0:
                progress(f"warm requests by stage, {function}, {asked} of {REQUESTS[function]}")
            whole.append(started.invoke(events[asked % len(events)]).seconds * 1e3)
        if stack.questions_kept() != kept:
            raise AssertionError(f"{function}: {stack.questions_kept() - kept} reads went to the store while requests were timed")
    lines = told(log)[len(events):]
    if len(lines) != len(whole):
        raise AssertionError(f"{function}: {len(lines)} metric lines of {len(whole)} requests")
    found = {stage: [line[f"{stage}_ms"] for line in lines] for stage in (*TIMED, "latency")}
    parts = zip(*(found[stage] for stage in TIMED))
    found["rest"] = [latency - sum(of) for latency, of in zip(found["latency"], parts)]
    found["outside"] = [asked - latency for asked, latency in zip(whole, found["latency"])]
    return found | {"whole": whole}


def warm_path(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    quantiles = {
        function: {stage: [quantile(values, share) for share in SHARES] for stage, values in spent(stack, progress, function).items()}
        for function in REQUESTS
    }
    (WORK / "path.json").write_text(json.dumps(quantiles, indent=1))
    print(f"\n{path_table(quantiles)}\n")
    yield from ()


def path_table(quantiles: dict[str, dict[str, list[float]]]) -> str:
    """Milliseconds at the quantiles of each stage on its own, so that those of parts do not add up; Markdown."""
    heads = [f"{function}, {REQUESTS[function]} requests" for function in quantiles]
    lines = [f"| warm, ms: p50 / p99 / p99.9 | {' | '.join(heads)} |", f"|---|{'--:|' * len(heads)}"]
    for stage, name in STAGES.items():
        cells = (" / ".join(map(number, of[stage])) for of in quantiles.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
