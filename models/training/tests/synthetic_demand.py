"""Made-up products in the shape that `storecast features inventory` writes: gamma rates, negative binomial days, stock-outs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from synthetic import text

CUTOFFS = {"train": (84, 98, 112, 126), "calibration": (154,), "test": (182, 210, 238)}
HORIZONS = (7, 14, 28, 42)
EXTRAS = ("horizon_days", "exposed_days", "log_offset")
COLUMNS = (
    ("log_horizon_days", "horizon", "Logarithm of the days ahead."),
    ("log_level", "level", "Logarithm of the level, units a day."),
    ("rate_28_over_level", "level", "Units a day in 28 days over the level; missing when never in stock."),
    ("smoothed_over_level", "level", "Exponential smoothing over the level."),
    ("log_sale_size", "size", "Logarithm of the units per day with a sale."),
    ("log_week_dispersion", "scatter", "Logarithm of the variance over the mean of weeks."),
    ("promoted_ahead_share", "promotion", "Always missing here."),
    ("noise", "noise", "Says nothing; never missing."),
)
DAYS = 290


def days_sold(products: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Units and stock by day: rates that drift by the month, bursts, and a week without stock now and then."""
    rate = random.gamma(0.8, 1.2, size=products) + 0.05
    drift = np.exp(0.3 * random.normal(size=(products, 11)).cumsum(axis=1) / 2.0)
    by_day = rate[:, None] * np.repeat(drift, 28, axis=1)[:, :DAYS]
    units = random.negative_binomial(0.7, 0.7 / (0.7 + by_day)).astype(float)
    stocked = random.random((products, DAYS // 7 + 1)) > 0.05
    exposed = np.repeat(stocked, 7, axis=1)[:, :DAYS]
    return units * exposed, exposed


def columns_at(units: np.ndarray, exposed: np.ndarray, cutoff: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The columns that do not depend on the horizon, and the level."""
    past, seen = units[:, cutoff - 84:cutoff], exposed[:, cutoff - 84:cutoff]
    weeks = past.reshape(len(units), 12, 7).sum(axis=2)
    level = (past.sum(axis=1) + 0.5) / (seen.sum(axis=1) + 14.0)
    smoothed = weeks[:, 0]
    for week in range(1, 12):
        smoothed = smoothed + 0.1 * (weeks[:, week] - smoothed)
    with np.errstate(divide="ignore", invalid="ignore"):
        month = past[:, -28:].sum(axis=1) / seen[:, -28:].sum(axis=1)
        size = past.sum(axis=1) / (past > 0.0).sum(axis=1)
    return {
        "level": level,
        "log_level": np.log(level),
        "rate_28_over_level": month / level,
        "smoothed_over_level": smoothed / 7.0 / level,
        "log_sale_size": np.log(size),
        "log_week_dispersion": np.log((weeks.var(axis=1) + 0.1) / (weeks.mean(axis=1) + 0.1)),
        "promoted_ahead_share": np.full(len(units), np.nan),
        "noise": random.normal(size=len(units)),
    }


def write(folder: Path, products: int = 400, seed: int = 3, cutoffs: dict[str, tuple[int, ...]] = CUTOFFS) -> Path:
    """Writes the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    units, exposed = days_sold(products, random)
    rows: list[tuple] = []
    counts: dict[str, dict[str, int]] = {}
    for split, days in cutoffs.items():
        before = len(rows)
        for cutoff in days:
            known = columns_at(units, exposed, cutoff, random)
            for product, horizon in ((p, h) for p in range(products) for h in HORIZONS):
                ahead = slice(cutoff, cutoff + horizon)
                open_days = float(exposed[product, ahead].sum())
                with np.errstate(divide="ignore"):
                    extras = (horizon, open_days, np.log(known["level"][product] * open_days))
                values = [np.log(horizon), *(known[name][product] for name, _, _ in COLUMNS[1:])]
                rows.append((f"p{product}", text(cutoff), split, units[product, ahead].sum(), *extras, *values))
        own = rows[before:]
        counts[split] = {"rows": len(own), "entities": products, "positives": int(sum(row[3] > 0.5 for row in own))}
    names = ("entity_id", "cutoff", "split", "label", *EXTRAS, *(name for name, _, _ in COLUMNS))
    kinds = [pa.string()] * 3 + [pa.float32()] * (len(names) - 3)
    table = pa.table({name: pa.array(values, kind) for name, kind, values in zip(names, kinds, zip(*rows))})
    parquet.write_table(table, folder / "matrix.parquet")
    described = {
        "model": "inventory", "shop": "made-up", "currency": "EUR", "source": "Made up for tests.", "horizon_days": 28.0,
        "fingerprint": "cd" * 32, "extras": EXTRAS,
        "features": [dict(zip(("name", "group", "doc"), column)) for column in COLUMNS],
        "cutoffs": {split: [text(day) for day in days] for split, days in cutoffs.items()}, "rows": counts,
    }
    (folder / "matrix.json").write_text(json.dumps(described))
    (folder / "artifacts.json").write_text('{"horizons_days":[7,14,28,42]}\n')
    golden = [{"name": f"history {place}", "as_of": row[1], "entity": {"history": {}},
               "features": [None if np.isnan(v) else float(np.float32(v)) for v in row[7:]]}
              for place, row in enumerate(rows[:40:10])]
    (folder / "golden_histories.json").write_text(json.dumps({"rows": golden}))
    return folder
