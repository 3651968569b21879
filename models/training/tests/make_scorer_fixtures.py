"""Makes the fixtures of `shared/serving/tests/scorer.rs`: small models, rows that are hard on them, true answers.

    python models/training/tests/make_scorer_fixtures.py shared/serving/tests/fixtures

The expected scores and contributions come from LightGBM itself (from NumPy for the network), never from the files
that are under test. Deterministic for one version of LightGBM; run it again only when the exporter changes.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import lightgbm
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from export import export_lightgbm, export_mlp, float32_threshold  # noqa: E402

FINGERPRINT = "fixture"
COMMON = {"verbose": -1, "deterministic": True, "force_row_wise": True, "num_threads": 1, "seed": 7}


def names(columns: int) -> list[str]:
    return [f"column_{i}" for i in range(columns)]


def json_value(value: float) -> float | str | None:
    """null is NaN, and infinities are text: JSON has neither."""
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(value)


def splits(booster: lightgbm.Booster) -> list[tuple[int, float]]:
    found = []

    def visit(node: dict) -> None:
        if "threshold" in node:
            found.append((node["split_feature"], node["threshold"]))
            visit(node["left_child"])
            visit(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        visit(tree["tree_structure"])
    return found


def hard_rows(booster: lightgbm.Booster, sample: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """Ordinary rows, rows on and beside thresholds, and rows of nothing but NaN, zero or an extreme."""
    columns = sample.shape[1]
    rows = [sample[i] for i in rng.choice(len(sample), count, replace=False)]
    found = splits(booster)
    for feature, threshold in (found[i] for i in rng.choice(len(found), count, replace=False)) if found else []:
        row = sample[rng.integers(len(sample))].copy()
        below = float32_threshold(threshold)
        row[feature] = rng.choice([below, np.float32(threshold), np.nextafter(below, np.float32(np.inf))])
        rows.append(row)
    biggest = np.finfo(np.float32).max
    for value in [np.nan, 0.0, -0.0, np.inf, -np.inf, biggest, -biggest, 1e-45, 1e-35, -1e-35]:
        rows.append(np.full(columns, value, np.float32))
    mixed = rng.choice(np.array([np.nan, np.inf, -np.inf, 0.0], np.float32), (count // 2, columns))
    return np.vstack([np.array(rows, np.float32), mixed])


def write(folder: Path, name: str, rows: np.ndarray, raw: np.ndarray, contributions: np.ndarray | None) -> None:
    case = {"rows": [[json_value(v) for v in row] for row in rows.astype(np.float64)], "raw": raw.tolist()}
    if contributions is not None:
        case["base"] = float(contributions[0, -1])
        case["contributions"] = contributions[:, :-1].tolist()
    text = json.dumps(case, separators=(",", ":")).replace("],[", "],\n[")
    (folder / f"{name}.json").write_text(text + "\n")


def booster_case(folder: Path, name: str, booster: lightgbm.Booster, sample: np.ndarray, count: int) -> None:
    rows = hard_rows(booster, sample, np.random.default_rng(3), count)
    export_lightgbm(booster, names(sample.shape[1]), FINGERPRINT, folder / f"{name}.onnx")
    write(folder, name, rows, booster.predict(rows, raw_score=True), booster.predict(rows, pred_contrib=True))


def binary_nan(folder: Path) -> None:
    """NaN in training: every node has a default side."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3000, 6)).astype(np.float32)
    rows[:, 1] = np.round(rows[:, 1] * 4)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    logit = np.nan_to_num(rows[:, 0], nan=1.5) - np.nan_to_num(rows[:, 1], nan=-2.0) * np.nan_to_num(rows[:, 2])
    label = rng.random(len(rows)) < 1 / (1 + np.exp(-logit))
    booster = lightgbm.train(COMMON | {"objective": "binary", "num_leaves": 15}, lightgbm.Dataset(rows, label), 20)
    booster_case(folder, "binary_nan", booster, rows, 14)


def regression_none(folder: Path) -> None:
    """No NaN in training: LightGBM then reads NaN as zero. Counts and negatives put thresholds on both sides of zero."""
    rng = np.random.default_rng(2)
    rows = np.column_stack([rng.poisson(3, 3000), rng.normal(size=3000), rng.exponential(9, 3000) - 9])
    rows = rows.astype(np.float32)
    target = 20 + rows[:, 0] * np.sin(rows[:, 1] * 2) + rows[:, 2]
    booster = lightgbm.train(COMMON | {"objective": "regression", "num_leaves": 24}, lightgbm.Dataset(rows, target), 12)
    booster_case(folder, "regression_none", booster, rows, 14)


def deep_skewed(folder: Path) -> None:
    """More than 32 leaves, more than 16 levels, few columns: each is split many times on one path."""
    rng = np.random.default_rng(4)
    rows = rng.random((8000, 3)).astype(np.float32)
    # Boxes in boxes: each level keeps the upper three quarters of what is left of one column.
    inside = np.array([rows[:, level % 3] > 1 - 0.75 ** (level // 3 + 1) for level in range(24)])
    level = np.where(inside.all(0), 24, (~inside).argmax(0))
    target = 1.3**level + 0.3 * rng.random(len(rows))
    parameters = COMMON | {"objective": "regression", "num_leaves": 60, "min_data_in_leaf": 2, "max_bin": 1000,
                           "learning_rate": 0.5}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, target), 3)
    booster_case(folder, "deep_skewed", booster, rows, 10)


def wide_path(folder: Path) -> None:
    """One path that meets 24 different columns, beyond what one pass of the contributions holds."""
    rng = np.random.default_rng(5)
    rows = (rng.random((6000, 24)) < 0.92).astype(np.float32)
    rows[rng.random(rows.shape) < 0.02] = np.nan
    first_zero = np.where((rows == 1).all(1), 24, (rows != 1).argmax(1))
    parameters = COMMON | {"objective": "regression", "num_leaves": 26, "min_data_in_leaf": 5}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, 1.2**first_zero), 2)
    booster_case(folder, "wide_path", booster, rows, 8)


def constant(folder: Path) -> None:
    """Nothing to split on: a single leaf."""
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    booster = lightgbm.train(COMMON | {"objective": "regression", "min_data_in_leaf": 1000},
                             lightgbm.Dataset(rows, np.arange(20) / 7), 3)
    booster_case(folder, "constant", booster, rows, 2)


def network(folder: Path) -> None:
    """A small network, the kind of graph that only the runtime scores."""
    rng = np.random.default_rng(6)
    sizes = [5, 8, 4, 1]
    layers = [(rng.normal(size=pair).astype(np.float32), rng.normal(size=pair[1]).astype(np.float32))
              for pair in zip(sizes, sizes[1:])]
    rows = rng.normal(size=(12, 5)).astype(np.float32)
    values = rows.astype(np.float64)
    for index, (weights, biases) in enumerate(layers):
        values = values @ weights.astype(np.float64) + biases.astype(np.float64)
        values = values if index + 1 == len(layers) else np.maximum(values, 0)
    export_mlp(layers, names(5), FINGERPRINT, folder / "network.onnx")
    write(folder, "network", rows, values[:, 0], None)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target_folder = Path(sys.argv[1])
    target_folder.mkdir(parents=True, exist_ok=True)
    for make in [binary_nan, regression_none, deep_skewed, wide_path, constant, network]:
        make(target_folder)
