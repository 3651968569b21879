"""Train the churn model on a matrix that `storecast features churn` wrote.

    python models/training/churn.py train  --matrix DIR --out models/churn
    storecast evaluate churn ... --json > metrics.jsonl
    python models/training/churn.py finish --matrix DIR --metrics metrics.jsonl --curves curves.json --out models/churn

`train` reads the train and calibration rows only and writes the model with a manifest that has no metrics yet;
`finish` puts in what `storecast evaluate` found on the test rows, and writes the card.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

import boosting
import churn_card
import commands
import distribution
import logistic
import manifest
import matrix
import plots
from commands import say
from export import export_lightgbm
from golden import golden_rows

WORDING = manifest.Wording(
    input="one customer's columns per row, NaN where a value is missing",
    output="log-odds that the customer makes no purchase within the horizon, before calibration",
    plots=(churn_card.RELIABILITY_FILE, churn_card.LIFT_FILE),
)
IMPORTANCE_ROWS = 2000
# No class weights: they would move every probability away from what happens.
OBJECTIVE = boosting.Objective(
    fixed={
        "objective": "binary",
        "learning_rate": 0.05,
        "max_bin": 255,
        "bagging_freq": 1,
        "bagging_fraction": 0.8,
        "lambda_l2": 5.0,
        **boosting.REPEATABLE,
    },
    grid={
        "num_leaves": (4, 8, 16, 31),
        "min_data_in_leaf": (50, 200),
        "feature_fraction": (0.4, 0.8),
    },
    metric="binary_logloss",
    loss=logistic.log_loss,
    loss_name="log_loss",
)
LOGISTIC_L2 = (1.0, 10.0, 100.0, 1000.0)

# How much data is enough. Each is the least count of *each* class (left, stayed) in a split.
#
# Train: about ten rows of the rarer class per column that carries weight keeps a regression's coefficients honest
# (Peduzzi et al. 1996); churn has some thirty columns. Calibration and test: below about a hundred of each class the
# calibration slope and the AUC are too uncertain to be worth printing (Vergouwe et al. 2005); at 100 of each the
# 95 % interval of an AUC near .86 is about .05 to either side.
ENOUGH = {"train": 300, "calibration": 100, "test": 100}
# The last train snapshot chooses the hyper-parameters, so another one must have closed before it.
ENOUGH_TRAIN_SNAPSHOTS = 2


def train(folder: Path, out: Path) -> None:
    """Trains and writes everything but the metrics and the card."""
    described = matrix.read_description(folder)
    refuse_too_little(described)
    rows = matrix.read_rows(described, ("train", "calibration"))
    if not np.isin(rows.labels, (0.0, 1.0)).all():
        raise matrix.Refused(f"{folder / 'matrix.parquet'}: a label is neither 0 nor 1")
    fit_rows = rows.at(set(described.cutoffs["train"]))
    calibration_rows = rows.at(set(described.cutoffs["calibration"]))
    say(f"train: {len(fit_rows)} rows, {len(described.columns)} columns; choosing on the last train snapshots")
    choice = boosting.choose(described, OBJECTIVE, fit_rows)
    l2, logistic_loss = choose_l2(described, fit_rows)
    booster = boosting.fit(described, OBJECTIVE, fit_rows, choice.parameters, choice.trees)
    trees, leaves = boosting.size(booster)
    say(f"model: {trees} trees, {leaves} leaves, {choice.parameters}")
    slope, intercept = logistic.platt(booster.predict(calibration_rows.values, raw_score=True), calibration_rows.labels)
    say(f"calibration: {len(calibration_rows)} rows, slope {slope:.4f}, intercept {intercept:.4f}")
    baseline = logistic.fit_baseline(described.names, fit_rows.values, fit_rows.labels, l2)

    manifest.begin(out, WORDING)
    export_lightgbm(booster, described.names, described.fingerprint, out / manifest.MODEL_FILE)
    (out / manifest.ARTIFACTS_FILE).write_bytes((folder / manifest.ARTIFACTS_FILE).read_bytes())
    manifest.write_json(out / manifest.BASELINE_FILE, baseline)
    manifest.write_rows(out / manifest.GOLDEN_FILE, golden_rows(described, booster)["rows"])
    training = {
        "label": f"1 when the customer makes no purchase in the {described.horizon_days:g} days from the cut-off on",
        "horizon_days": described.horizon_days,
        "cutoffs": {split: list(cutoffs) for split, cutoffs in described.cutoffs.items()},
        "rows": described.rows,
        "parameters": {**OBJECTIVE.fixed, **choice.parameters},
        "trees": trees,
        "leaves": leaves,
        "validation": {**choice.record, "log_loss_logistic": round(logistic_loss, 6)},
        "importance_by_group": boosting.importance_by_group(described, booster, calibration_rows, IMPORTANCE_ROWS),
    }
    spread = distribution.of_rows(fit_rows.values, booster.predict(fit_rows.values, raw_score=True))
    written = manifest.write(described, out, {"slope": slope, "intercept": intercept}, training, spread, WORDING, metrics=[])
    say(f"wrote {out}: version {written['version']}, model {(out / manifest.MODEL_FILE).stat().st_size} bytes")


def choose_l2(described: matrix.Description, train_rows: matrix.Rows) -> tuple[float, float]:
    """The baseline's penalty, chosen on the rows that choose the model's parameters, and its log loss there."""
    fit, judge = boosting.validation_rows(described, train_rows)

    def loss(l2: float) -> float:
        baseline = logistic.fit_baseline(described.names, fit.values, fit.labels, l2)
        log_odds = logistic.baseline_log_odds(baseline, described.names, judge.values)
        return float(logistic.log_loss(log_odds, judge.labels).mean())

    losses = {l2: loss(l2) for l2 in LOGISTIC_L2}
    best = min(losses, key=lambda l2: losses[l2])
    return best, losses[best]


def refuse_too_little(described: matrix.Description) -> None:
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
    snapshots = matrix.closed_snapshots(described)
    if snapshots < ENOUGH_TRAIN_SNAPSHOTS:
        problems.append(f"train: {snapshots} snapshots whose {described.horizon_days:g}-day label windows do not "
                        f"overlap, {ENOUGH_TRAIN_SNAPSHOTS} needed")
    if not problems:
        return
    there = "; ".join(f"{split} {counts[split]['rows']} rows of {counts[split]['entities']} customers in "
                      f"{len(described.cutoffs[split])} snapshots" for split in matrix.SPLITS)
    more = (f"About {math.ceil(10 / shortest) / 10:g} times as many customers at the same rate of leaving would do. "
            if 0.0 < shortest < 1.0 else "")
    raise matrix.Refused(
        "too little data to train on.\n  " + "\n  ".join(problems) + f"\nThere is: {there}.\n{more}"
        "Why: with fewer than ten leavers per column a model learns noise, and with fewer than a hundred in the "
        "calibration or test snapshots neither its probabilities nor its error can be known. A longer history gives "
        "more snapshots; a shorter horizon gives more leavers."
    )

def finish(folder: Path, metrics_path: Path, curves_path: Path, out: Path) -> None:
    """Adds the metrics to the manifest and writes the card with its plots."""
    results = commands.read_results(folder, metrics_path, curves_path, out)
    plots.reliability(results.curves, out / churn_card.RELIABILITY_FILE)
    plots.lift(results.curves, out / churn_card.LIFT_FILE)
    text = churn_card.text(results.described, results.manifest, results.metrics)
    commands.write_results(results, out, WORDING, text)


if __name__ == "__main__":
    sys.exit(commands.main(sys.modules[__name__]))
