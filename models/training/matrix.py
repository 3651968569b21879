"""Read what `storecast features` wrote, and refuse what is not it.

The folder holds `matrix.parquet` (one row per entity and cut-off), `matrix.json` (columns, cut-offs, counts),
`artifacts.json` (fitted before the matrix, opaque here) and `golden_histories.json`. No feature is computed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

SPLITS = ("train", "calibration", "test")
KEYS = ("entity_id", "cutoff", "split", "label")
# The extra column of models whose rows look ahead by different numbers of days.
HORIZON = "horizon_days"
SECONDS_PER_DAY = 86_400.0

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
    extras: tuple[str, ...]
    columns: tuple[Column, ...]
    cutoffs: dict[str, tuple[str, ...]]
    rows: dict[str, dict[str, int]]

    @property
    def names(self) -> list[str]:
        """Column names in the model's order."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class Rows:
    """Rows of one or more splits: `values` is float32 of shape (rows, columns).

    `extras` is float64 of shape (rows, extras), in the order of the description; `closes` is the instant at which the
    label of each row was known.
    """

    entities: np.ndarray
    cutoffs: np.ndarray
    closes: np.ndarray
    labels: np.ndarray
    extras: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: np.ndarray) -> Rows:
        """The rows for which `keep` is true."""
        return Rows(self.entities[keep], self.cutoffs[keep], self.closes[keep], self.labels[keep], self.extras[keep],
                    self.values[keep])

    def at(self, cutoffs: set[str]) -> Rows:
        """The rows of some cut-offs."""
        return self.where(np.isin(self.cutoffs, sorted(cutoffs)))

    def known_by(self, cutoff: str) -> Rows:
        """The rows whose label was known at an instant."""
        return self.where(self.closes <= seconds(cutoff))


def instant(text: str) -> datetime:
    """An RFC 3339 instant."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise Refused(f"matrix.json: cut-off {text!r} has no offset from UTC")
    return parsed


def seconds(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 instant."""
    return instant(text).timestamp()


def read_description(folder: Path) -> Description:
    """Reads `matrix.json` and checks the order of the snapshots in time."""
    path = folder / "matrix.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        described = Description(
            folder=folder,
            extras=tuple(raw.get("extras", ())),
            columns=tuple(Column(c["name"], c["group"], c["doc"]) for c in raw["features"]),
            cutoffs={split: tuple(sorted(raw["cutoffs"][split], key=instant)) for split in SPLITS},
            rows={split: _counts(raw["rows"][split]) for split in SPLITS},
            horizon_days=float(raw["horizon_days"]),
            **{key: str(raw[key]) for key in ("model", "shop", "currency", "source", "fingerprint")},
        )
    except FileNotFoundError:
        raise Refused(f"{path}: no such file; `storecast features MODEL --shop ... --out {folder}` writes it") from None
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
        table = parquet.read_table(path, columns=[*KEYS, *described.extras, *names], filters=[("split", "in", list(splits))])
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{path}: {error}") from error
    absent = [name for name in (*KEYS, *described.extras, *names) if name not in table.column_names]
    if absent:
        raise Refused(f"{path}: no column {', '.join(absent)}")
    for name in table.column_names:
        if table[name].null_count:
            raise Refused(f"{path}: column {name} has {table[name].null_count} nulls; missing numbers are NaN")
    found = set(table["split"].to_pylist())
    if not found <= set(splits):
        raise Refused(f"{path}: asked for {splits}, got {sorted(found)}")
    cutoffs = np.asarray(table["cutoff"].to_pylist(), dtype=object)
    extras = _columns(table, described.extras, np.float64)
    return Rows(
        entities=np.asarray(table["entity_id"].to_pylist(), dtype=object),
        cutoffs=cutoffs,
        closes=_closes(described, cutoffs, extras),
        labels=table["label"].to_numpy().astype(np.float64),
        extras=extras,
        values=_columns(table, names, np.float32),
    )


def _columns(table: pyarrow.Table, names: Sequence[str], kind: type) -> np.ndarray:
    values = np.empty((table.num_rows, len(names)), dtype=kind)
    for index, name in enumerate(names):
        values[:, index] = table[name].to_numpy()
    return values


def _closes(described: Description, cutoffs: np.ndarray, extras: np.ndarray) -> np.ndarray:
    """When each label was known: one horizon after its cut-off, the row's own where rows have one."""
    known = {text: seconds(text) for text in set(cutoffs)}
    begins = np.array([known[text] for text in cutoffs], dtype=np.float64)
    own = described.extras.index(HORIZON) if HORIZON in described.extras else None
    return begins + SECONDS_PER_DAY * (described.horizon_days if own is None else extras[:, own])


def closed_snapshots(described: Description) -> int:
    """How many train snapshots follow each other at least one horizon apart."""
    horizon = timedelta(days=described.horizon_days)
    count, closes = 0, None
    for cutoff in map(instant, described.cutoffs["train"]):
        if closes is None or cutoff >= closes:
            count, closes = count + 1, cutoff + horizon
    return count
