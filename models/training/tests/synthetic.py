"""A made-up shop in the shape that `storecast features` writes: gamma purchase rates, and customers who drop out."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

HORIZON = 28.0
START = datetime(2017, 1, 1, tzinfo=timezone.utc)
CUTOFFS = {"train": (112, 140, 168, 196, 224), "calibration": (252,), "test": (280, 294, 308)}
COLUMNS = (
    ("recency_days", "rhythm", "Days since the last purchase day."),
    ("purchase_days_1h", "frequency", "Purchase days in the last horizon."),
    ("purchase_days_4h", "frequency", "Purchase days in the last four horizons."),
    ("mean_gap_days", "rhythm", "Mean days between purchase days; missing with fewer than two."),
    ("spend_1h", "money", "Spend in the last horizon."),
    ("tenure_days", "tenure", "Days since the first purchase day."),
    ("bgnbd_p_buy", "model of rhythm", "Probability of a purchase within the horizon."),
    ("noise", "noise", "Says nothing; never missing."),
)


def purchase_days(customers: int, seed: int) -> list[np.ndarray]:
    """Purchase days of each customer: exponential gaps, a gamma rate, and a constant risk of dropping out."""
    random = np.random.default_rng(seed)
    shop = []
    for _ in range(customers):
        rate, alive_days = random.gamma(1.3, 0.1) + 0.01, random.exponential(500.0)
        first = random.uniform(0.0, 120.0)
        days = first + np.cumsum(random.exponential(1.0 / rate, size=400))
        shop.append(np.append(first, days[days < min(400.0, first + alive_days)]))
    return shop


def row(days: np.ndarray, cutoff: float, random: np.random.Generator) -> list[float]:
    """The columns of one customer at a cut-off."""
    past = days[days < cutoff]
    gaps = np.diff(past)
    recency = cutoff - past[-1]
    in_1h, in_4h = (past >= cutoff - HORIZON).sum(), (past >= cutoff - 4 * HORIZON).sum()
    rate = len(past) / (cutoff - past[0] + 5.0)
    buys = (1.0 - np.exp(-rate * HORIZON)) * np.exp(-0.3 * rate * recency)
    return [recency, in_1h, in_4h, gaps.mean() if len(gaps) else np.nan, in_1h * random.lognormal(3.0, 0.5),
            cutoff - past[0], buys, random.normal()]


def text(day: float) -> str:
    """A day of the made-up year in RFC 3339."""
    return (START + timedelta(days=day)).isoformat().replace("+00:00", "Z")


def write(folder: Path, customers: int = 1500, seed: int = 7, cutoffs: dict[str, tuple[int, ...]] = CUTOFFS) -> Path:
    """Writes the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    table: dict[str, list] = {key: [] for key in ("entity_id", "cutoff", "split", "label")}
    values, counts, golden = [], {}, []
    shop = purchase_days(customers, seed)
    for split, days in cutoffs.items():
        seen: set[int] = set()
        before, positives = len(values), 0
        for cutoff in days:
            for customer, bought in enumerate(shop):
                past = bought[bought < cutoff]
                if not len(past) or past[-1] < cutoff - 4 * HORIZON:
                    continue
                left = not ((bought > cutoff) & (bought <= cutoff + HORIZON)).any()
                values.append(np.float32(row(bought, cutoff, random)))
                for key, value in zip(table, (f"c{customer}", text(cutoff), split, float(left))):
                    table[key].append(value)
                positives += left
                seen.add(customer)
                if split == "train" and len(golden) < 16 and customer % 40 == 0:
                    golden.append({
                        "name": f"history: customer {customer}", "as_of": text(cutoff),
                        "entity": {"orders": [{"day": float(d)} for d in past[-5:]]},
                        "features": [None if np.isnan(v) else float(v) for v in values[-1]],
                    })
        counts[split] = {"rows": len(values) - before, "entities": len(seen), "positives": int(positives)}
    columns = {"label": pa.array(table.pop("label"), pa.float32())}
    columns = {**{key: pa.array(value, pa.string()) for key, value in table.items()}, **columns}
    for index, (name, _, _) in enumerate(COLUMNS):
        columns[name] = pa.array([v[index] for v in values], pa.float32())
    parquet.write_table(pa.table(columns), folder / "matrix.parquet")
    described = {
        "model": "churn", "shop": "made-up", "currency": "EUR", "source": "Made up for tests.", "horizon_days": HORIZON,
        "fingerprint": "ab" * 32, "features": [dict(zip(("name", "group", "doc"), column)) for column in COLUMNS],
        "cutoffs": {split: [text(day) for day in days] for split, days in cutoffs.items()}, "rows": counts,
    }
    (folder / "matrix.json").write_text(json.dumps(described))
    (folder / "artifacts.json").write_text('{"bgnbd":{"r":0.243}}\n')
    (folder / "golden_histories.json").write_text(json.dumps({"rows": golden}))
    return folder
