"""Recommendations in a made-up shop of 20,000 items, without a store."""

from __future__ import annotations

import json
import os
import re
from typing import Callable, Iterator

from lambda_api import finished
from ledger import Row, compared, quantile
from stack import ONE_THREAD, PEERS, ROOT, Stack

ITEMS = 20_000
ROUNDS = 2
LIMIT_MS = 5.0
FOLDER = ROOT / "models" / "recommendations"


def shelves(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    own: dict[str, list[float]] = {"p50": [], "p99": []}
    peer: dict[str, list[float]] = {"p50": [], "p99": []}
    environment = {**os.environ, **ONE_THREAD}
    for number in range(ROUNDS):
        progress(f"recommendations of {ITEMS} items, round {number + 1} of {ROUNDS}")
        said, _, _ = finished([stack.programs / "examples" / "shelves", FOLDER, ITEMS], environment, ROOT)
        median, high = re.search(r"home: p50 ([\d.]+) ms, p99 ([\d.]+) ms", said).groups()
        own["p50"].append(float(median))
        own["p99"].append(float(high))
        python = ROOT / ".tools/bench/bin/python"
        told, _, _ = finished([python, PEERS / "item_item.py", FOLDER / "model.onnx", ITEMS], environment, ROOT)
        spent = json.loads(told)
        peer["p50"].append(quantile(spent, 0.5))
        peer["p99"].append(quantile(spent, 0.99))
    note = "the peer looks most columns up, and has no rules, stock or reasons"
    what = f"recommendations, {ITEMS // 1000} k items, stores in memory"
    yield compared(f"{what}, p50: implicit, numpy, ONNX Runtime", own["p50"], peer["p50"], "ms", 5, note=note)
    yield compared(f"{what}, p99: implicit, numpy, ONNX Runtime", own["p99"], peer["p99"], "ms", None, note=note)
    yield compared(f"{what}, p99: a limit of {LIMIT_MS:.0f} ms", own["p99"], [LIMIT_MS] * ROUNDS, "ms", 1)
