"""Logistic regression by Newton's method: Platt scaling, and the baseline that LightGBM has to beat.

Written out because it is thirty lines, has no solver tolerance to tune and gives the same digits on every run.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from matrix import Refused

ITERATIONS = 100
# A log loss per row below this is no knowledge of customers: some column gives the label away.
SEPARATED = 1e-6
# Written numbers keep this many significant digits: noise of the last bits must not change a model's version.
DIGITS = 10


def significant(value: float, digits: int = DIGITS) -> float:
    """Rounds to the digits that are written."""
    return float(f"{value:.{digits}g}")


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """Probability of log-odds, without overflow."""
    return np.exp(-np.logaddexp(0.0, -log_odds))


def log_loss(log_odds: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Per-row log loss in nats."""
    return np.logaddexp(0.0, log_odds) - labels * log_odds


def fit_logistic(columns: np.ndarray, labels: np.ndarray, l2: float) -> tuple[np.ndarray, float]:
    """Coefficients and intercept that minimise the summed log loss + l2/2 |coefficients|^2.

    The intercept is not penalised. `l2` is 1/C of scikit-learn. Steps are halved while they do not help, so that far
    starting points converge too; classes that a line separates have no minimum at `l2` = 0 and are refused.
    """
    design = np.column_stack([columns, np.ones(len(labels))])
    penalty = np.full(design.shape[1], l2)
    penalty[-1] = 0.0
    weights = np.zeros(design.shape[1])

    def loss(at: np.ndarray) -> float:
        return float(log_loss(design @ at, labels).sum() + 0.5 * (penalty * at * at).sum())

    best = loss(weights)
    for _ in range(ITERATIONS):
        predicted = sigmoid(design @ weights)
        gradient = design.T @ (predicted - labels) + penalty * weights
        hessian = (design * (predicted * (1.0 - predicted))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        scale = 1.0
        while (tried := loss(weights - scale * step)) > best and scale > 1e-6:
            scale /= 2.0
        weights = weights - scale * step
        settled = abs(best - tried) <= 1e-12 * max(1.0, abs(best))
        best = tried
        if best < SEPARATED * len(labels):
            break
        if settled:
            return weights[:-1], float(weights[-1])
    raise Refused(f"logistic regression has no finite coefficients after {ITERATIONS} steps at most (log loss "
                  f"{best / len(labels):.1g} per row): the columns separate the classes, as a leak would")


def platt(raw: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that make raw scores probabilities. Source: Platt (1999).

    Without Platt's softened targets: the calibration snapshot has at least a hundred rows of each class.
    """
    slopes, intercept = fit_logistic(raw[:, None], labels, l2=0.0)
    slope = float(slopes[0])
    if not slope > 0.0:
        raise Refused(f"calibration slope is {slope:.3g}, more than 0 needed: on the calibration snapshot the model "
                      "orders customers no better than chance, so its columns say nothing about who leaves")
    return significant(slope), significant(intercept)


class Standardiser:
    """What the baseline makes of columns: missing or infinite becomes the median, then mean 0 and deviation 1.

    A column of heavy tail is taken as sign(x) ln(1 + |x|) where that is closer to symmetric: counts and money span
    decades, and a straight line through them would be a straw man.
    """

    def __init__(self, names: Sequence[str], values: np.ndarray) -> None:
        self.columns: list[dict[str, Any]] = []
        for index, name in enumerate(names):
            known = values[:, index].astype(np.float64)
            known = known[np.isfinite(known)]
            if len(known) == 0 or known.std() == 0.0:
                continue
            logged = np.sign(known) * np.log1p(np.abs(known))
            log = abs(_skewness(logged)) < abs(_skewness(known))
            taken = logged if log else known
            self.columns.append({
                "name": name, "log": bool(log), "impute": float(np.median(known)),
                "mean": significant(taken.mean()), "scale": significant(taken.std()),
            })
        self._index = [list(names).index(column["name"]) for column in self.columns]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Standardised columns, float64."""
        out = np.empty((len(values), len(self.columns)))
        for place, (column, index) in enumerate(zip(self.columns, self._index)):
            x = values[:, index].astype(np.float64)
            x = np.where(np.isfinite(x), x, column["impute"])
            x = np.sign(x) * np.log1p(np.abs(x)) if column["log"] else x
            out[:, place] = (x - column["mean"]) / column["scale"]
        return out


def _skewness(x: np.ndarray) -> float:
    deviation = x.std()
    return float((((x - x.mean()) / deviation) ** 3).mean()) if deviation > 0.0 else 0.0


def fit_baseline(names: Sequence[str], values: np.ndarray, labels: np.ndarray, l2: float) -> dict[str, Any]:
    """`baseline.json`: a logistic regression that any language can evaluate.

    log-odds = intercept + sum(coefficient * (t(x) - mean) / scale), where x that is not finite is `impute`, and t is
    sign(x) ln(1 + |x|) where `log` is true.
    """
    standardise = Standardiser(names, values)
    coefficients, intercept = fit_logistic(standardise(values), labels, l2)
    return {
        "columns": standardise.columns,
        "coefficients": [significant(c) for c in coefficients],
        "intercept": significant(intercept),
        "l2": l2,
    }


def baseline_log_odds(baseline: dict[str, Any], names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Evaluates `baseline.json`."""
    total = np.full(len(values), baseline["intercept"])
    for column, coefficient in zip(baseline["columns"], baseline["coefficients"]):
        x = values[:, list(names).index(column["name"])].astype(np.float64)
        x = np.where(np.isfinite(x), x, column["impute"])
        x = np.sign(x) * np.log1p(np.abs(x)) if column["log"] else x
        total += coefficient * (x - column["mean"]) / column["scale"]
    return total
