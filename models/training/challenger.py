"""The challenger of the negative binomial: one LightGBM per quantile, free of any law of counts.

It is trained and judged, and does not ship: the reorder point of a random lead time needs the whole distribution, and
that of a sum of horizons, where five quantiles of each horizon say nothing of what lies between and beyond.
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

import boosting
import dispersion
from matrix import Description, Rows

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.975)
PARAMETERS: dict[str, Any] = {
    "objective": "quantile",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 1.0,
    "feature_fraction": 0.7,
    "bagging_freq": 1,
    "bagging_fraction": 0.7,
    **boosting.REPEATABLE,
}
# A difference that must show before a second kind of model is worth serving: of the loss, and in standard errors.
CLEARLY = (0.02, 2.0)


def fit(described: Description, train: Rows, expected: np.ndarray, trees: int) -> list[lightgbm.Booster]:
    """One booster per level on units over `expected` (level x exposed days).

    A row weighs its `expected`, since the pinball loss of units is that many times the loss of the ratio.
    """
    ratios = train.labels / expected
    return [
        lightgbm.train({**PARAMETERS, "alpha": level},
                       boosting.data_set(described.names, train.values, ratios, weights=expected), num_boost_round=trees)
        for level in LEVELS
    ]


def predict(boosters: list[lightgbm.Booster], rows: Rows, expected: np.ndarray) -> np.ndarray:
    """Units of shape (rows, levels), rising with the level and never below zero."""
    found = np.stack([booster.predict(rows.values) for booster in boosters], axis=1) * expected[:, None]
    return np.sort(np.maximum(found, 0.0), axis=1)


def judge(rows: Rows, mean: np.ndarray, names: tuple[str, ...], columns: np.ndarray, free: np.ndarray) -> dict[str, Any]:
    """Mean pinball of the negative binomial and of the free quantiles on calibration rows.

    The dispersion of each half of the entities is fitted on the other half: it must not see what it is judged on, since
    the quantile models have not.
    """
    entities = np.unique(rows.entities.astype(str), return_inverse=True)[1]
    counted = np.empty((len(rows), len(LEVELS)))
    for half in (0, 1):
        own = entities % 2 == half
        fitted = dispersion.fit(rows.labels[~own], mean[~own], names, columns[~own])
        size = dispersion.sizes(fitted, mean[own], columns[own])
        counted[own] = dispersion.quantiles(mean[own], size, LEVELS)
    ours, theirs = (dispersion.pinball(rows.labels, q, LEVELS) for q in (counted, free))
    difference = ours - theirs
    error = boosting.clustered_error(difference, rows.entities)
    better = difference.mean() > max(CLEARLY[0] * ours.mean(), CLEARLY[1] * error)
    return {
        "rows": len(rows),
        "levels": list(LEVELS),
        "pinball_negative_binomial": round(float(ours.mean()), 5),
        "pinball_quantile": round(float(theirs.mean()), 5),
        "difference": round(float(difference.mean()), 5),
        "standard_error": round(error, 5),
        "clearly_better": bool(better),
    }
