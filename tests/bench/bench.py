"""Measures the functions beside what people use today: `make bench`, or `make bench BENCH_ONLY=cold`.

Every row compares us with a peer, in one run, in turns; peers are held to our numbers, as closely as each chapter says. Prints a table and writes
target/bench/results.jsonl; `report.py` makes Markdown of that.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Callable

from ledger import Row, table
from rows_calls import cold_starts, same_answers, warm_requests
from rows_files import batch_files
from rows_inventory import inventory_calls
from rows_models import cold_by_model
from rows_offline import offline_features
from rows_path import warm_path
from rows_payloads import payloads
from rows_scoring import package_sizes, tree_scoring
from rows_shelves import shelves
from rows_stages import cold_stages
from rows_whole import whole_base
from stack import ROOT, WORK, Stack

CHAPTERS: dict[str, Callable] = {
    "cold": cold_starts, "models": cold_by_model, "stages": cold_stages, "warm": warm_requests, "path": warm_path, "payloads": payloads,
    "sizes": package_sizes, "scoring": tree_scoring, "files": batch_files, "whole": whole_base, "offline": offline_features,
    "inventory": inventory_calls, "shelves": shelves,
}
STARTED = time.monotonic()


def progress(text: str) -> None:
    """One line that is written over on a terminal."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text:<90}", end=end, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "dist", help="folder of the functions and examples")
    parser.add_argument("--release", type=Path, default=ROOT / "target" / "release", help="folder of `storecast`")
    parser.add_argument("--only", default="", help=f"chapters to run, by commas: {', '.join(CHAPTERS)}")
    given = parser.parse_args()
    chosen = [name for name in given.only.split(",") if name] or list(CHAPTERS)
    unknown = set(chosen) - set(CHAPTERS)
    if unknown:
        parser.error(f"no chapter {', '.join(sorted(unknown))}; there are {', '.join(CHAPTERS)}")
    WORK.mkdir(parents=True, exist_ok=True)
    for table_of_its_own in ("stages.json", "path.json"):
        (WORK / table_of_its_own).unlink(missing_ok=True)
    rows: list[Row] = []
    progress("starting the stores, loading histories, publishing models")
    with Stack(given.programs.resolve(), given.release.resolve()) as stack, (WORK / "results.jsonl").open("w") as results:
        progress(same_answers(stack))
        for name in chosen:
            for row in CHAPTERS[name](stack, progress):
                rows.append(row)
                print(row.as_json(), file=results, flush=True)
    print(f"\n{table(rows)}\n\n{len(rows)} rows in {time.monotonic() - STARTED:.0f} s, also in {WORK.relative_to(ROOT)}/results.jsonl")
    return 0


if __name__ == "__main__":
    sys.exit(main())
