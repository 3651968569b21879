"""Choose and fit the LightGBM model, with train snapshots only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import lightgbm
import numpy as np

from logistic import baseline_log_odds, fit_baseline, log_loss
from matrix import Description, Rows, instant

# One thread and row-wise histograms in a fixed order: the same rows give the same bytes. No class weights: they would
# move every probability away from what happens.
FIXED: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "max_bin": 255,
    "bagging_freq": 1,
    "bagging_fraction": 0.8,
    "lambda_l2": 5.0,
    "seed": 20170101,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
# The size of the file and the time of a prediction grow with trees x leaves; 200 x 31 is the most that is worth it.
GRID = {
    "num_leaves": (4, 8, 16, 31),
    "min_data_in_leaf": (50, 200),
    "feature_fraction": (0.4, 0.8),
}
MOST_TREES = 200
PATIENCE = 25
LOGISTIC_L2 = (1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class Choice:
    """What the validation snapshots chose, and what they saw."""

    parameters: dict[str, Any]
    trees: int
    logistic_l2: float
    record: dict[str, Any]


def validation_split(described: Description) -> tuple[set[str], set[str]]:
    """Train cut-offs to fit on and to choose by: the last third, and those whose labels were known before it."""
    cutoffs = described.cutoffs["train"]
    horizon = timedelta(days=described.horizon_days)
    for first in range(len(cutoffs) - max(1, len(cutoffs) // 3), len(cutoffs)):
        known = {c for c in cutoffs if instant(c) + horizon <= instant(cutoffs[first])}
        if known:
            return known, set(cutoffs[first:])
    raise AssertionError("checked by refuse_too_little: two train snapshots are a horizon apart")


def choose(described: Description, train: Rows) -> Choice:
    """Searches the small grid by time-split validation, and takes the smallest model that is not measurably worse.

    "Measurably" is one standard error of the paired difference in log loss to the best candidate, over customers.
    """
    fit_on, judge_on = validation_split(described)
    fit, judge = train.at(fit_on), train.at(judge_on)
    candidates = []
    for values in product(*GRID.values()):
        parameters = dict(zip(GRID, values))
        booster, trees = _stopped(described, fit, judge, parameters)
        losses = log_loss(booster.predict(judge.values, raw_score=True, num_iteration=trees), judge.labels)
        candidates.append((parameters, trees, losses))
    best = min(candidates, key=lambda c: c[2].mean())
    close = [c for c in candidates if _within_one_error(c[2] - best[2], judge.entities)]
    chosen = min(close, key=lambda c: (c[0]["num_leaves"] * c[1], c[2].mean()))
    logistic = {l2: _logistic_loss(described, fit, judge, l2) for l2 in LOGISTIC_L2}
    l2 = min(logistic, key=lambda k: logistic[k])
    record = {
        "fitted_on": sorted(fit_on),
        "judged_on": sorted(judge_on),
        "candidates": len(candidates),
        "log_loss_best": round(float(best[2].mean()), 6),
        "log_loss_chosen": round(float(chosen[2].mean()), 6),
        "log_loss_logistic": round(logistic[l2], 6),
    }
    return Choice(chosen[0], chosen[1], l2, record)


def fit(described: Description, rows: Rows, parameters: dict[str, Any], trees: int) -> lightgbm.Booster:
    """Fits `trees` trees."""
    return lightgbm.train({**FIXED, **parameters}, _data_set(described, rows), num_boost_round=trees)


def size(booster: lightgbm.Booster) -> tuple[int, int]:
    """Trees and leaves."""
    trees = booster.dump_model()["tree_info"]
    return len(trees), sum(tree["num_leaves"] for tree in trees)


def _stopped(
    described: Description, fit_rows: Rows, judge: Rows, parameters: dict[str, Any]
) -> tuple[lightgbm.Booster, int]:
    data = _data_set(described, fit_rows)
    valid = lightgbm.Dataset(judge.values, label=judge.labels, reference=data, free_raw_data=False)
    booster = lightgbm.train(
        {**FIXED, **parameters, "metric": "binary_logloss"}, data, num_boost_round=MOST_TREES, valid_sets=[valid],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return booster, max(1, booster.best_iteration)


def _data_set(described: Description, rows: Rows) -> lightgbm.Dataset:
    """The rows, and one of no weight in which every column is missing.

    LightGBM reads NaN as 0 in columns that were never missing in training. With the extra row every column knows
    "missing", so that a value that is absent only in service goes the way of the larger side and not the way of zero.
    """
    values = np.vstack([rows.values, np.full((1, rows.values.shape[1]), np.nan, dtype=np.float32)])
    labels = np.append(rows.labels, 0.0)
    weights = np.append(np.ones(len(rows)), 0.0)
    return lightgbm.Dataset(values, label=labels, weight=weights, feature_name=described.names, free_raw_data=False)


def _within_one_error(differences: np.ndarray, customers: np.ndarray) -> bool:
    """Is the mean difference at most one standard error above zero? Rows of one customer count as one draw."""
    _, owner = np.unique(customers.astype(str), return_inverse=True)
    centred = np.bincount(owner, weights=differences - differences.mean())
    error = np.sqrt((centred**2).sum()) / len(differences)
    return bool(differences.mean() <= error)


def _logistic_loss(described: Description, fit_rows: Rows, judge: Rows, l2: float) -> float:
    baseline = fit_baseline(described.names, fit_rows.values, fit_rows.labels, l2)
    log_odds = baseline_log_odds(baseline, described.names, judge.values)
    return float(log_loss(log_odds, judge.labels).mean())
