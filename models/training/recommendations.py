"""Train the ranking model on a matrix that `storecast features recommendations` wrote.

    python models/training/recommendations.py train  --matrix DIR --out models/recommendations
    storecast evaluate recommendations ... --json > metrics.jsonl
    python models/training/recommendations.py finish --matrix DIR --metrics metrics.jsonl --curves curves.json --out models/recommendations

One binary model ranks for every task; the task is one of its columns. The matrix holds candidates of questions that at
least one candidate answered, three in ten of those that did not come true, and no test row.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import boosting
import commands
import distribution
import manifest
import matrix
import recommendations_card
from commands import say
from export import export_lightgbm
from golden import golden_rows

WORDING = manifest.Wording(
    input="one candidate's columns per row, NaN where a value is missing",
    output="log-odds that ranks the candidates of one question; no probability, because candidates were sampled",
    plots=(),
)
IMPORTANCE_ROWS = 2000
# Chosen on the windows from 2017-08-13 and 2017-09-10 of the default shop: lambdarank was a tie, and 15 leaves covered less and completed
# carts a little less well.
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 200,
    "lambda_l2": 5.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 127,
    **boosting.REPEATABLE,
}
TREES = 200
# Questions with an answer below which hardly a column could carry weight: ten positives per column.
ENOUGH_POSITIVES = 300


def train(folder: Path, out: Path) -> None:
    """Trains and writes everything but the metrics and the card."""
    described = matrix.read_description(folder)
    positives = sum(described.rows[split]["positives"] for split in ("train", "calibration"))
    if positives < ENOUGH_POSITIVES:
        raise matrix.Refused(f"too little data to train on: {positives} candidates came true, {ENOUGH_POSITIVES} needed. "
                             "More customers with orders of three products or more would do, or a longer horizon.")
    rows = matrix.read_rows(described, ("train", "calibration"))
    say(f"train: {len(rows)} rows, {int(rows.labels.sum())} of them came true, {len(described.columns)} columns")
    data = boosting.data_set(described.names, rows.values, rows.labels)
    booster = boosting.lightgbm.train(PARAMETERS, data, num_boost_round=TREES)
    # As a file holds it: "every number goes left" is the threshold infinity in memory and 1e300 in a file.
    booster = boosting.lightgbm.Booster(model_str=booster.model_to_string())
    trees, leaves = boosting.size(booster)
    say(f"model: {trees} trees, {leaves} leaves")

    manifest.begin(out, WORDING)
    export_lightgbm(booster, described.names, described.fingerprint, out / manifest.MODEL_FILE)
    for path in (folder / manifest.ARTIFACTS_FILE, *sorted(folder.glob(manifest.TABLES))):
        (out / path.name).write_bytes(path.read_bytes())
    manifest.write_rows(out / manifest.GOLDEN_FILE, golden_rows(described, booster)["rows"])
    training = {
        "label": f"1 for a candidate that the customer bought in the {described.horizon_days:g} days from the cut-off on; "
                 "for a cart, the item that was hidden from it",
        "horizon_days": described.horizon_days,
        "cutoffs": {split: list(cutoffs) for split, cutoffs in described.cutoffs.items()},
        "rows": described.rows,
        "parameters": PARAMETERS,
        "trees": trees,
        "leaves": leaves,
        "importance_by_group": boosting.importance_by_group(described, booster, rows, IMPORTANCE_ROWS),
    }
    spread = distribution.of_rows(rows.values, booster.predict(rows.values, raw_score=True))
    written = manifest.write(described, out, None, training, spread, WORDING, metrics=[])
    say(f"wrote {out}: version {written['version']}, model {(out / manifest.MODEL_FILE).stat().st_size} bytes")


def finish(folder: Path, metrics_path: Path, curves_path: Path, out: Path) -> None:
    """Adds the metrics to the manifest and writes the card."""
    results = commands.read_results(folder, metrics_path, curves_path, out)
    text = recommendations_card.text(results.described, results.manifest, results.metrics)
    commands.write_results(results, out, WORDING, text)


if __name__ == "__main__":
    sys.exit(commands.main(sys.modules[__name__]))
