"""Train the churn model on a matrix that `storecast features churn` wrote.

    python models/training/churn.py train  --matrix DIR --out models/churn
    storecast evaluate churn ... --json > metrics.jsonl
    python models/training/churn.py finish --matrix DIR --metrics metrics.jsonl --curves curves.json --out models/churn

`train` reads the train and calibration rows only and writes the model with a manifest that has no metrics yet;
`finish` puts in what `storecast evaluate` found on the test rows, and writes the card.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

import boosting
import card
import logistic
import manifest
import matrix
import plots
from export import export_lightgbm
from golden import golden_rows

MEANING = "log-odds that the customer makes no purchase within the horizon, before calibration"
IMPORTANCE_ROWS = 2000


def train(folder: Path, out: Path) -> None:
    """Trains and writes everything but the metrics and the card."""
    described = matrix.read_description(folder)
    matrix.refuse_too_little(described)
    rows = matrix.read_rows(described, ("train", "calibration"))
    fit_rows = rows.at(set(described.cutoffs["train"]))
    calibration_rows = rows.at(set(described.cutoffs["calibration"]))
    say(f"train: {len(fit_rows)} rows, {len(described.columns)} columns; choosing on the last train snapshots")
    choice = boosting.choose(described, fit_rows)
    booster = boosting.fit(described, fit_rows, choice.parameters, choice.trees)
    trees, leaves = boosting.size(booster)
    say(f"model: {trees} trees, {leaves} leaves, {choice.parameters}")
    slope, intercept = logistic.platt(booster.predict(calibration_rows.values, raw_score=True), calibration_rows.labels)
    say(f"calibration: {len(calibration_rows)} rows, slope {slope:.4f}, intercept {intercept:.4f}")
    baseline = logistic.fit_baseline(described.names, fit_rows.values, fit_rows.labels, choice.logistic_l2)

    out.mkdir(parents=True, exist_ok=True)
    for stale in manifest.LATE_FILES:
        (out / stale).unlink(missing_ok=True)
    export_lightgbm(booster, described.names, described.fingerprint, out / manifest.MODEL_FILE)
    (out / manifest.ARTIFACTS_FILE).write_bytes((folder / manifest.ARTIFACTS_FILE).read_bytes())
    manifest.write_json(out / manifest.BASELINE_FILE, baseline)
    manifest.write_rows(out / manifest.GOLDEN_FILE, golden_rows(described, booster)["rows"])
    training = {
        "label": f"1 when the customer makes no purchase in the {described.horizon_days:g} days from the cut-off on",
        "horizon_days": described.horizon_days,
        "cutoffs": {split: list(cutoffs) for split, cutoffs in described.cutoffs.items()},
        "rows": described.rows,
        "parameters": {**boosting.FIXED, **choice.parameters},
        "trees": trees,
        "leaves": leaves,
        "validation": choice.record,
        "importance_by_group": importance_by_group(described, booster, calibration_rows),
    }
    written = manifest.write(described, out, {"slope": slope, "intercept": intercept}, training, MEANING, metrics=[])
    say(f"wrote {out}: version {written['version']}, model {(out / manifest.MODEL_FILE).stat().st_size} bytes")


def importance_by_group(
    described: matrix.Description, booster: lightgbm.Booster, rows: matrix.Rows
) -> dict[str, float]:
    """Mean absolute contribution to the raw score per group of columns; signed values are added up before."""
    picked = np.linspace(0, len(rows) - 1, min(len(rows), IMPORTANCE_ROWS)).astype(int)
    contributions = booster.predict(rows.values[picked], pred_contrib=True)[:, :-1]
    groups: dict[str, np.ndarray] = {}
    for index, column in enumerate(described.columns):
        groups[column.group] = groups.get(column.group, 0.0) + contributions[:, index]
    means = {group: round(float(np.abs(total).mean()), 4) for group, total in groups.items()}
    return dict(sorted(means.items(), key=lambda pair: (-pair[1], pair[0])))


def finish(folder: Path, metrics_path: Path, curves_path: Path, out: Path) -> None:
    """Adds the metrics to the manifest and writes the card with its plots."""
    described = matrix.read_description(folder)
    metrics = [json.loads(line) for line in metrics_path.read_text(encoding="utf-8").splitlines() if line.strip()]
    metrics = [line for line in metrics if line.get("model") == described.model]
    if not metrics:
        raise matrix.Refused(f"{metrics_path}: no line of model {described.model}")
    curves: dict[str, Any] = json.loads(curves_path.read_text(encoding="utf-8"))
    before = manifest.read(out)
    if before["features"]["fingerprint"] != described.fingerprint:
        raise matrix.Refused(f"{out}: the model was trained on columns {before['features']['fingerprint'][:12]}, "
                             f"the matrix has {described.fingerprint[:12]}; train again")
    plots.reliability(curves, out / manifest.RELIABILITY_FILE)
    plots.lift(curves, out / manifest.LIFT_FILE)
    (out / manifest.CARD_FILE).write_text(card.text(described, before, metrics), encoding="utf-8")
    manifest.write(described, out, before["calibration"], before["training"], MEANING, metrics)
    say(f"wrote {out / manifest.CARD_FILE}: {sum(m['pass'] is True for m in metrics)} bars met, "
        f"{sum(m['pass'] is False for m in metrics)} missed")


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("train", train.__doc__), ("finish", finish.__doc__)):
        command = commands.add_parser(name, help=text)
        command.add_argument("--matrix", type=Path, required=True, help="the folder that `storecast features` wrote")
        command.add_argument("--out", type=Path, required=True, help="the model's folder")
        if name == "finish":
            command.add_argument("--metrics", type=Path, required=True, help="lines of `storecast evaluate --json`")
            command.add_argument("--curves", type=Path, required=True, help="its `--curves` file")
    given = parser.parse_args(arguments)
    try:
        if given.command == "train":
            train(given.matrix, given.out)
        else:
            finish(given.matrix, given.metrics, given.curves, given.out)
    except (matrix.Refused, OSError) as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
