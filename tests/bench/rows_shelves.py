"""Recommendations in a made-up shop of 20,000 items, without a store."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Callable, Iterator

from lambda_api import finished
from ledger import Row, compared, quantile
from stack import ONE_THREAD, PEERS, ROOT, WORK, Stack

ITEMS, REQUESTS = 20_000, 2_000
ROUNDS = 3
LIMIT_MS = 5.0
# float32 sums of some hundred leaves in another order.
CLOSE = 1e-5
MODEL, FITTED = ROOT / "models" / "recommendations", WORK / "shelves"
ENGINES = {"implicit": "implicit, numpy, ONNX Runtime", "numpy": "numpy, ONNX Runtime"}
NOTE = "the peer leaves out reasons"
ANSWERED = ("rank", "product_id", "category", "source", "level", "stock")


def items_of(path: Path) -> list[list[dict]]:
    return [json.loads(line)["items"] for line in path.read_text().splitlines()]


def same_lists(folder: Path) -> str:
    """Raises unless both give the same items in the same order, with the same relevance, stock and lists that brought them."""
    ours, theirs = items_of(folder / "answers.jsonl"), items_of(folder / "peer.jsonl")
    if len(ours) != REQUESTS or len(theirs) != REQUESTS:
        raise AssertionError(f"{len(ours)} answers, {len(theirs)} of the peer, {REQUESTS} wanted")
    shown, worst = 0, 0.0
    for number, (mine, his) in enumerate(zip(ours, theirs)):
        of_both = [[{name: item[name] for name in ANSWERED} for item in side] for side in (mine, his)]
        difference = max(abs(a["relevance"] - b["relevance"]) for a, b in zip(mine, his))
        if of_both[0] != of_both[1] or not difference <= CLOSE:
            raise AssertionError(f"answer {number} differs, relevance by {difference:.1e}: {of_both[0]}, the peer {of_both[1]}")
        shown, worst = shown + len(mine), max(worst, difference)
    return f"{len(ours)} lists of {shown} items: the same items in the same order, relevance agrees to {worst:.1e}"


def timed_peer(engine: str) -> list[float]:
    """Milliseconds of its answers, which are ours."""
    python = ROOT / ".tools/bench/bin/python"
    told, _, _ = finished([python, PEERS / "item_item.py", engine, MODEL, FITTED / str(ITEMS), ITEMS, REQUESTS], {**os.environ, **ONE_THREAD}, ROOT)
    return json.loads(told)


def shelves(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    own: dict[str, list[float]] = {"p50": [], "p99": []}
    peers: dict[str, dict[str, list[float]]] = {engine: {"p50": [], "p99": []} for engine in ENGINES}
    for number in range(ROUNDS):
        progress(f"recommendations of {ITEMS} items, round {number + 1} of {ROUNDS}")
        command = [stack.programs / "examples" / "shelves", MODEL, ITEMS, "--into", FITTED]
        said, _, _ = finished(command, {**os.environ, **ONE_THREAD}, ROOT)
        median, high = re.search(r"home: p50 ([\d.]+) ms, p99 ([\d.]+) ms", said).groups()
        own["p50"].append(float(median))
        own["p99"].append(float(high))
        for engine, name in ENGINES.items():
            spent = timed_peer(engine)
            peers[engine]["p50"].append(quantile(spent, 0.5))
            peers[engine]["p99"].append(quantile(spent, 0.99))
            progress(f"{name}: {same_lists(FITTED / str(ITEMS))}")
    what = f"recommendations, {ITEMS // 1000} k items, stores in memory"
    for engine, name in ENGINES.items():
        goal = 5 if engine == "implicit" else None
        yield compared(f"{what}, p50: {name}", own["p50"], peers[engine]["p50"], "ms", goal, note=NOTE)
        yield compared(f"{what}, p99: {name}", own["p99"], peers[engine]["p99"], "ms", None, note=NOTE)
    yield compared(f"{what}, p99: a limit of {LIMIT_MS:.0f} ms", own["p99"], [LIMIT_MS] * ROUNDS, "ms", 1)
