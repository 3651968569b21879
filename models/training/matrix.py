"""Read what `storecast features` wrote, and refuse what no honest model can be trained on.

The folder holds `matrix.parquet` (one row per entity and cut-off), `matrix.json` (columns, cut-offs, counts),
`artifacts.json` (fitted before the matrix, opaque here) and `golden_histories.json`. No feature is computed here.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

SPLITS = ("train", "calibration", "test")
KEYS = ("entity_id", "cutoff", "split", "label")

# How much data is enough. Each is the least count of *each* class (left, stayed) in a split.
#
# Train: about ten rows of the rarer class per column that carries weight keeps a regression's coefficients honest
# (Peduzzi et al. 1996); churn has some thirty columns. Calibration and test: below about a hundred of each class the
# calibration slope and the AUC are too uncertain to be worth printing (Vergouwe et al. 2005); at 100 of each the
# 95 % interval of an AUC near .86 is about .05 to either side.
ENOUGH = {"train": 300, "calibration": 100, "test": 100}
# The last train snapshot chooses the hyper-parameters, so another one must have closed before it.
ENOUGH_TRAIN_SNAPSHOTS = 2


class Refused(Exception):
    """The matrix cannot be used; the text says why and what would help."""


@dataclass(frozen=True)
class Column:
    """A column of the model."""

    name: str
    group: str
    doc: str


@dataclass(frozen=True)
class Description:
    """`matrix.json`, checked."""

    folder: Path
    model: str
    shop: str
    currency: str
    source: str
    horizon_days: float
    fingerprint: str
    columns: tuple[Column, ...]
    cutoffs: dict[str, tuple[str, ...]]
    rows: dict[str, dict[str, int]]

    @property
    def names(self) -> list[str]:
        """Column names in the model's order."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class Rows:
    """Rows of one or more splits: `values` is float32 of shape (rows, columns), `labels` is 0.0 or 1.0."""

    entities: np.ndarray
    cutoffs: np.ndarray
    labels: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, cutoffs: set[str]) -> Rows:
        """The rows of some cut-offs."""
        keep = np.isin(self.cutoffs, sorted(cutoffs))
        return Rows(self.entities[keep], self.cutoffs[keep], self.labels[keep], self.values[keep])


def instant(text: str) -> datetime:
    """An RFC 3339 instant."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise Refused(f"matrix.json: cut-off {text!r} has no offset from UTC")
    return parsed


def read_description(folder: Path) -> Description:
    """Reads `matrix.json` and checks the order of the snapshots in time."""
    path = folder / "matrix.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        described = Description(
            folder=folder,
            columns=tuple(Column(c["name"], c["group"], c["doc"]) for c in raw["features"]),
            cutoffs={split: tuple(sorted(raw["cutoffs"][split], key=instant)) for split in SPLITS},
            rows={split: _counts(raw["rows"][split]) for split in SPLITS},
            horizon_days=float(raw["horizon_days"]),
            **{key: str(raw[key]) for key in ("model", "shop", "currency", "source", "fingerprint")},
        )
    except FileNotFoundError:
        raise Refused(f"{path}: no such file; `storecast features churn --shop ... --out {folder}` writes it") from None
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"{path}: not a description of a matrix: {error!r}") from error
    _check_time(described)
    return described


def _counts(raw: dict[str, int]) -> dict[str, int]:
    return {key: int(raw[key]) for key in ("rows", "entities", "positives")}


def _check_time(described: Description) -> None:
    """Every label window closes before the next split's first cut-off; otherwise the past would know the future."""
    horizon = timedelta(days=described.horizon_days)
    for earlier, later in zip(SPLITS, SPLITS[1:]):
        if not described.cutoffs[earlier] or not described.cutoffs[later]:
            continue
        closes = instant(described.cutoffs[earlier][-1]) + horizon
        begins = instant(described.cutoffs[later][0])
        if closes > begins:
            raise Refused(
                f"the last {earlier} snapshot's labels are known at {closes.isoformat()}, after the first {later} "
                f"snapshot at {begins.isoformat()}: a model would be judged on days that it was trained on"
            )


def read_rows(described: Description, splits: tuple[str, ...]) -> Rows:
    """Reads the rows of some splits, and of no other: the filter is applied while the file is read."""
    path = described.folder / "matrix.parquet"
    names = described.names
    try:
        table = parquet.read_table(path, columns=[*KEYS, *names], filters=[("split", "in", list(splits))])
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{path}: {error}") from error
    absent = [name for name in (*KEYS, *names) if name not in table.column_names]
    if absent:
        raise Refused(f"{path}: no column {', '.join(absent)}")
    for name in table.column_names:
        if table[name].null_count:
            raise Refused(f"{path}: column {name} has {table[name].null_count} nulls; missing numbers are NaN")
    found = set(table["split"].to_pylist())
    if not found <= set(splits):
        raise Refused(f"{path}: asked for {splits}, got {sorted(found)}")
    values = np.empty((table.num_rows, len(names)), dtype=np.float32)
    for index, name in enumerate(names):
        values[:, index] = table[name].to_numpy()
    rows = Rows(
        entities=np.asarray(table["entity_id"].to_pylist(), dtype=object),
        cutoffs=np.asarray(table["cutoff"].to_pylist(), dtype=object),
        labels=table["label"].to_numpy().astype(np.float64),
        values=values,
    )
    if not np.isin(rows.labels, (0.0, 1.0)).all():
        raise Refused(f"{path}: a label is neither 0 nor 1")
    return rows


def refuse_too_little(described: Description) -> None:
    """Refuses data that is too small, naming what there is, what is enough, why, and how much more would do."""
    counts = described.rows
    problems, shortest = [], 1.0
    for split, least in ENOUGH.items():
        left = counts[split]["positives"]
        stayed = counts[split]["rows"] - left
        for what, have in (("left", left), ("stayed", stayed)):
            if have < least:
                problems.append(f"{split}: {have} customers who {what}, {least} needed")
                shortest = min(shortest, have / least)
    snapshots = closed_snapshots(described)
    if snapshots < ENOUGH_TRAIN_SNAPSHOTS:
        problems.append(f"train: {snapshots} snapshots whose {described.horizon_days:g}-day label windows do not "
                        f"overlap, {ENOUGH_TRAIN_SNAPSHOTS} needed")
    if not problems:
        return
    there = "; ".join(f"{split} {counts[split]['rows']} rows of {counts[split]['entities']} customers in "
                      f"{len(described.cutoffs[split])} snapshots" for split in SPLITS)
    more = (f"About {math.ceil(10 / shortest) / 10:g} times as many customers at the same rate of leaving would do. "
            if 0.0 < shortest < 1.0 else "")
    raise Refused(
        "too little data to train on.\n  " + "\n  ".join(problems) + f"\nThere is: {there}.\n{more}"
        "Why: with fewer than ten leavers per column a model learns noise, and with fewer than a hundred in the "
        "calibration or test snapshots neither its probabilities nor its error can be known. A longer history gives "
        "more snapshots; a shorter horizon gives more leavers."
    )


def closed_snapshots(described: Description) -> int:
    """How many train snapshots follow each other at least one horizon apart."""
    horizon = timedelta(days=described.horizon_days)
    count, closes = 0, None
    for cutoff in map(instant, described.cutoffs["train"]):
        if closes is None or cutoff >= closes:
            count, closes = count + 1, cutoff + horizon
    return count
