"""How far counts scatter around their mean: the size of a negative binomial, fitted on rows the model has not seen.

    ln r = intercept + ln_mean ln mu + sum of coefficient x column,        variance = mu + mu^2 / r

Source: Hilbe (2011), Negative Binomial Regression, 10.4 (heterogeneous negative binomial).
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import betainc, digamma, gammaln
from scipy.stats import nbinom

from logistic import significant
from matrix import Refused

# As in serving: from a few large counts among zeros to Poisson, for every purpose.
LOG_SIZES = (-6.0, 8.0)
# The optimum is flat: further digits would change with the host and, with them, the model's version.
DIGITS = 5
# A gradient of the mean log-likelihood below this moves no written digit.
SETTLED = 1e-7


def log_likelihood(units: np.ndarray, mean: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Of each count, in nats."""
    return (gammaln(units + size) - gammaln(size) - gammaln(units + 1.0)
            - size * np.log1p(mean / size) + units * (np.log(mean) - np.log(size + mean)))


def fit(units: np.ndarray, mean: np.ndarray, names: Sequence[str], columns: np.ndarray) -> dict[str, Any]:
    """The coefficients of greatest likelihood, each row weighted by the square root of its mean.

    Unweighted, the many products that sell a unit or two would set the law and those that carry the stock would pay.
    `columns` is of shape (rows, names); a value that is not finite counts as 0, as in serving.
    """
    design = np.column_stack([np.ones(len(mean)), np.log(mean), np.where(np.isfinite(columns), columns, 0.0)])
    weights = np.sqrt(mean) / np.sqrt(mean).sum()

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        log_size = design @ at
        size = np.exp(np.clip(log_size, *LOG_SIZES))
        slope = size * (digamma(units + size) - digamma(size) - np.log1p(mean / size) + (mean - units) / (size + mean))
        slope = np.where((log_size > LOG_SIZES[0]) & (log_size < LOG_SIZES[1]), slope, 0.0)
        return -float(weights @ log_likelihood(units, mean, size)), -(design.T @ (weights * slope))

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="BFGS", options={"gtol": SETTLED})
    if not np.isfinite(found.x).all() or np.abs(found.jac).max() > 1e3 * SETTLED:
        raise Refused(f"the dispersion has no finite optimum on {len(mean)} rows of the calibration snapshots "
                      f"(gradient {np.abs(found.jac).max():.1g}): too few products sell, or their means are far off")
    written = [significant(value, DIGITS) for value in found.x]
    return {"intercept": written[0], "ln_mean": written[1], "columns": dict(zip(names, written[2:]))}


def sizes(fitted: dict[str, Any], mean: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The size that goes with each mean; `columns` as in `fit`, in the order of the fitted ones."""
    coefficients = np.array(list(fitted["columns"].values()))
    terms = np.where(np.isfinite(columns), columns, 0.0) @ coefficients
    return np.exp(np.clip(fitted["intercept"] + fitted["ln_mean"] * np.log(mean) + terms, *LOG_SIZES))


def quantiles(mean: np.ndarray, size: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Of shape (rows, levels)."""
    return np.stack([nbinom.ppf(level, size, size / (size + mean)) for level in levels], axis=1)


def covered(units: np.ndarray, mean: np.ndarray, size: np.ndarray, level: float) -> float:
    """Chance that the randomised PIT is at most `level`, over rows and over its own randomness, which is exact here.

    Source: Czado, Gneiting and Held (2009), Predictive model assessment for count data.
    """
    # F(k) = I_p(size, k + 1); scipy's own cdf is the same and slower.
    success = size / (size + mean)
    upper = betainc(size, units + 1.0, success)
    lower = np.where(units > 0.0, betainc(size, np.maximum(units, 1.0), success), 0.0)
    return float(np.clip((level - lower) / np.maximum(upper - lower, 1e-300), 0.0, 1.0).mean())


def pinball(units: np.ndarray, predicted: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Mean pinball loss of each row over the levels; `predicted` is of shape (rows, levels)."""
    gap = units[:, None] - predicted
    taus = np.asarray(levels)
    return np.maximum(taus * gap, (taus - 1.0) * gap).mean(axis=1)
