"""Train the demand model on a matrix that `storecast features inventory` wrote.

    python models/training/inventory.py train  --matrix DIR --out models/inventory
    storecast evaluate inventory ... --json > metrics.jsonl
    python models/training/inventory.py finish --matrix DIR --metrics metrics.jsonl --curves curves.json --out models/inventory

A row is one product at one cut-off and one horizon: what it sold on the days on which it could be bought. The raw score
is the logarithm of a multiplier: mean = level x days x exp(raw). Negative binomials around the means have their size
from the calibration snapshots.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import boosting
import challenger
import commands
import dispersion
import distribution
import inventory_card
import manifest
import matrix
import plots
from commands import say
from export import export_lightgbm
from golden import golden_rows

WORDING = manifest.Wording(
    input="one product's columns at one horizon per row, NaN where a value is missing",
    output="logarithm of the mean demand over level x days",
    plots=(inventory_card.COVERAGE_FILE, inventory_card.PINBALL_FILE),
)
EXTRAS = (matrix.HORIZON, "exposed_days", "log_offset")
# What the scatter of a product's counts depends on beside their mean.
DISPERSION_COLUMNS = ("log_horizon_days", "log_sale_size", "log_week_dispersion")
SMOOTHED = "smoothed_over_level"
# The least mean of the smoothed baseline: a product it gave up would get no law at all.
LEAST_MEAN = 0.02
IMPORTANCE_ROWS = 2000
# A window in which nobody could buy says nothing of demand.
LEAST_EXPOSED_DAYS = 1.0


def deviance(log_mean: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Poisson deviance per row: twice the log-likelihood that is missing to a perfect mean."""
    return 2.0 * (units * (np.log(np.maximum(units, 1.0)) - log_mean) - units + np.exp(log_mean))


OBJECTIVE = boosting.Objective(
    fixed={
        "objective": "poisson",
        # The offset is the start of every row; an average on top would be added to the first tree's leaves.
        "boost_from_average": False,
        "learning_rate": 0.05,
        "min_data_in_leaf": 100,
        "max_bin": 255,
        "feature_fraction": 0.7,
        "bagging_freq": 1,
        "bagging_fraction": 0.7,
        "lambda_l2": 1.0,
        "poisson_max_delta_step": 0.7,
        **boosting.REPEATABLE,
    },
    grid={"num_leaves": (15, 31)},
    metric="poisson",
    loss=deviance,
    loss_name="poisson_deviance",
    offset="log_offset",
)

# How much data is enough, in windows of the main horizon: one product at one cut-off.
#
# Train: ten windows with a sale per column, of which there are nearly forty, as many events as a regression needs to tell
# its coefficients from noise (Peduzzi et al. 1996). Units: counts whose variance is four times their mean, as grocery
# sales have it, tell a mean to 10 % (two standard errors) from 4 x 4 / 0.1^2 of them on.
# Calibration: of 200 windows ten lie beyond the 95 % quantile, which is what the size of a law is known by.
# Test: with 200 windows the coverage at 95 % is known to 3 points (two standard errors), the width of its bar.
ENOUGH_WINDOWS = {"train": 400, "calibration": 200, "test": 200}
ENOUGH_UNITS = {"train": 1600, "calibration": 1600}
ENOUGH_TRAIN_SNAPSHOTS = 2


@dataclass(frozen=True)
class Parts:
    """The rows that are used, and how many were left out and why."""

    train: matrix.Rows
    calibration: matrix.Rows
    main_days: float
    dropped: dict[str, dict[str, int]]


def train(folder: Path, out: Path) -> None:
    """Trains and writes everything but the metrics and the card."""
    described = matrix.read_description(folder)
    check(described)
    parts = read_parts(described)
    refuse_too_little(described, parts)
    say(f"train: {len(parts.train)} rows, {len(described.columns)} columns; choosing on the last train snapshots")
    choice = boosting.choose(described, OBJECTIVE, parts.train)
    booster = boosting.fit(described, OBJECTIVE, parts.train, choice.parameters, choice.trees)
    trees, leaves = boosting.size(booster)
    say(f"model: {trees} trees, {leaves} leaves, {choice.parameters}")
    mean = expected(described, parts.calibration) * np.exp(booster.predict(parts.calibration.values, raw_score=True))
    columns = columns_of(described, parts.calibration, DISPERSION_COLUMNS)
    fitted = dispersion.fit(parts.calibration.labels, mean, DISPERSION_COLUMNS, columns)
    say(f"calibration: {len(parts.calibration)} rows, {fitted}")
    rival = challenge(described, parts, choice, mean)
    say(f"quantile challenger: {rival}")

    manifest.begin(out, WORDING)
    export_lightgbm(booster, described.names, described.fingerprint, out / manifest.MODEL_FILE)
    (out / manifest.ARTIFACTS_FILE).write_bytes((folder / manifest.ARTIFACTS_FILE).read_bytes())
    manifest.write_json(out / manifest.BASELINE_FILE, baselines(described, parts.calibration))
    manifest.write_rows(out / manifest.GOLDEN_FILE, golden_rows(described, booster)["rows"])
    training = {
        "label": "units sold on the days of the horizon on which the product could be bought",
        "horizon_days": described.horizon_days,
        "horizons_days": [float(days) for days in np.unique(horizons(described, parts.train))],
        "main_horizon_days": parts.main_days,
        "cutoffs": {split: list(cutoffs) for split, cutoffs in described.cutoffs.items()},
        "rows": described.rows,
        "dropped": parts.dropped,
        "parameters": {**OBJECTIVE.fixed, **choice.parameters},
        "trees": trees,
        "leaves": leaves,
        "validation": choice.record,
        "calibration": calibration_record(described, parts.calibration, mean, fitted),
        "challenger": rival,
        "importance_by_group": boosting.importance_by_group(described, booster, parts.calibration, IMPORTANCE_ROWS),
    }
    spread = distribution.of_rows(parts.train.values, booster.predict(parts.train.values, raw_score=True))
    written = manifest.write(described, out, fitted, training, spread, WORDING, metrics=[])
    say(f"wrote {out}: version {written['version']}, model {(out / manifest.MODEL_FILE).stat().st_size} bytes")


def check(described: matrix.Description) -> None:
    """Refuses a matrix without the columns that are read by name here."""
    absent = [name for name in EXTRAS if name not in described.extras]
    absent += [name for name in (*DISPERSION_COLUMNS, SMOOTHED) if name not in described.names]
    if absent:
        raise matrix.Refused(f"{described.folder / 'matrix.json'}: no column {', '.join(absent)}")


def read_parts(described: matrix.Description) -> Parts:
    """Train and calibration rows whose label was known before the next split, and in whose window one could buy."""
    rows = matrix.read_rows(described, ("train", "calibration"))
    if not ((rows.labels >= 0.0) & np.isfinite(rows.labels)).all():
        raise matrix.Refused(f"{described.folder / 'matrix.parquet'}: a label is no number of units")
    kept, dropped = {}, {}
    for split, later in zip(matrix.SPLITS, matrix.SPLITS[1:]):
        own = rows.at(set(described.cutoffs[split]))
        known = own.known_by(described.cutoffs[later][0]) if described.cutoffs[later] else own
        kept[split] = known.where(extra(described, known, "exposed_days") >= LEAST_EXPOSED_DAYS)
        dropped[split] = {"label_not_known_in_time": len(own) - len(known), "never_in_stock": len(known) - len(kept[split])}
    days = np.unique(horizons(described, kept["train"]))
    main = days[days <= described.horizon_days].max(initial=-1.0)
    return Parts(kept["train"], kept["calibration"], float(main if main > 0.0 else days.min(initial=0.0)), dropped)


def refuse_too_little(described: matrix.Description, parts: Parts) -> None:
    """Refuses data that is too small, naming what there is, what is enough, why, and how much more would do."""
    problems, shortest = [], 1.0
    rows_per_window = max(1, len(np.unique(horizons(described, parts.train))))
    windows = {"test": described.rows["test"]["rows"] // rows_per_window}
    units = {}
    for split, rows in (("train", parts.train), ("calibration", parts.calibration)):
        main = rows.where(horizons(described, rows) == parts.main_days)
        windows[split] = int((main.labels > 0.0).sum())
        units[split] = int(main.labels.sum())
    for what, have, enough in (("windows with a sale", windows, ENOUGH_WINDOWS), ("units", units, ENOUGH_UNITS)):
        for split, least in enough.items():
            if have[split] < least:
                problems.append(f"{split}: {have[split]} {what}, {least} needed")
                shortest = min(shortest, have[split] / least)
    snapshots = matrix.closed_snapshots(described)
    if snapshots < ENOUGH_TRAIN_SNAPSHOTS:
        problems.append(f"train: {snapshots} snapshots whose {described.horizon_days:g}-day label windows do not "
                        f"overlap, {ENOUGH_TRAIN_SNAPSHOTS} needed")
    if not problems:
        return
    there = "; ".join(f"{split} {described.rows[split]['entities']} products in {len(described.cutoffs[split])} snapshots"
                      for split in matrix.SPLITS)
    more = (f"About {np.ceil(10 / shortest) / 10:g} times as many products that sell as often would do. "
            if 0.0 < shortest < 1.0 else "")
    raise matrix.Refused(
        f"too little data to train on (a window is one product's {parts.main_days:g} days from one cut-off on).\n  "
        + "\n  ".join(problems) + f"\nThere is: {there}.\n{more}"
        "Why: with fewer than ten windows with a sale per column a model learns noise; a mean is not known to 10 % below "
        "1,600 units; the spread shows in the one window in twenty beyond the 95 % quantile, so 200 windows are few "
        "already. Until then the simple forecasters answer. A longer history gives more snapshots."
    )


def challenge(
    described: matrix.Description, parts: Parts, choice: boosting.Choice, mean: np.ndarray
) -> dict[str, Any]:
    """Trains the quantile models at the main horizon and judges them beside the negative binomial."""
    learn = parts.train.where(horizons(described, parts.train) == parts.main_days)
    at_main = horizons(described, parts.calibration) == parts.main_days
    seen = parts.calibration.where(at_main)
    boosters = challenger.fit(described, learn, expected(described, learn), choice.trees)
    free = challenger.predict(boosters, seen, expected(described, seen))
    # At one horizon its logarithm is constant, the intercept says it already.
    names = DISPERSION_COLUMNS[1:]
    return challenger.judge(seen, mean[at_main], names, columns_of(described, seen, names), free)


def baselines(described: matrix.Description, rows: matrix.Rows) -> dict[str, Any]:
    """`baseline.json`: the dispersion of a negative binomial around exponential smoothing, fitted as the model's."""
    smoothed = columns_of(described, rows, (SMOOTHED,))[:, 0] * expected(described, rows)
    mean = np.maximum(np.where(np.isfinite(smoothed), smoothed, 0.0), LEAST_MEAN)
    names = DISPERSION_COLUMNS[:1]
    fitted = dispersion.fit(rows.labels, mean, names, columns_of(described, rows, names))
    return {"negbin_ses": {"least_mean": LEAST_MEAN, "dispersion": fitted}}


def calibration_record(
    described: matrix.Description, rows: matrix.Rows, mean: np.ndarray, fitted: dict[str, Any]
) -> dict[str, Any]:
    """What the rows the dispersion was fitted on look like by horizon; an in-sample view, for people."""
    size = dispersion.sizes(fitted, mean, columns_of(described, rows, DISPERSION_COLUMNS))
    days, by_horizon = horizons(described, rows), {}
    for horizon in np.unique(days):
        own = days == horizon
        by_horizon[f"{horizon:g}"] = {
            "rows": int(own.sum()),
            "bias": round(float(mean[own].sum() / rows.labels[own].sum() - 1.0), 4),
            **{f"coverage_{level * 100:g}": round(dispersion.covered(rows.labels[own], mean[own], size[own], level), 4)
               for level in (0.8, 0.9, 0.95)},
        }
    return {"rows": len(rows), "by_horizon_days": by_horizon}


def extra(described: matrix.Description, rows: matrix.Rows, name: str) -> np.ndarray:
    """One extra column."""
    return rows.extras[:, described.extras.index(name)]


def horizons(described: matrix.Description, rows: matrix.Rows) -> np.ndarray:
    """Days that each row looks ahead."""
    return extra(described, rows, matrix.HORIZON)


def expected(described: matrix.Description, rows: matrix.Rows) -> np.ndarray:
    """Level x exposed days: the units that a raw score of zero stands for."""
    return np.exp(extra(described, rows, "log_offset"))


def columns_of(described: matrix.Description, rows: matrix.Rows, names: tuple[str, ...]) -> np.ndarray:
    """Some feature columns, float64, of shape (rows, names)."""
    return rows.values[:, [described.names.index(name) for name in names]].astype(np.float64)


def finish(folder: Path, metrics_path: Path, curves_path: Path, out: Path) -> None:
    """Adds the metrics to the manifest and writes the card with its plots."""
    results = commands.read_results(folder, metrics_path, curves_path, out)
    plots.coverage(results.curves, out / inventory_card.COVERAGE_FILE)
    plots.pinball(results.curves, out / inventory_card.PINBALL_FILE)
    text = inventory_card.text(results.described, results.manifest, results.metrics)
    commands.write_results(results, out, WORDING, text)


if __name__ == "__main__":
    sys.exit(commands.main(sys.modules[__name__]))
