"""Negative binomial demand of many products at once: scipy's special functions on arrays of laws.

Made fast: `scipy.special` without the checks of `scipy.stats`, which cost more than the functions behind them where one product is asked
for; a question is asked of all products in one call, and searches start near their end and go on only where they have not ended. Without
a mixture, `scipy.stats.nbinom.ppf` would answer quantiles; it takes twice as long (tried).
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, gammaln, ndtri

# Of a search, in standard deviations: about as far as the guess is off.
STEP = 0.1


class Laws:
    """Mixtures: the last axis holds the parts, `weights` their probabilities. A law of variance 0 is a certain zero."""

    def __init__(self, mean: np.ndarray, variance: np.ndarray, weights: np.ndarray):
        self.means, self.variances, self.weights = mean, variance, weights
        with np.errstate(divide="ignore", invalid="ignore"):
            self.size = np.where(mean > 0.0, mean * mean / (variance - mean), 1.0)
        self.go = mean / (self.size + mean)
        self.mean = mean @ weights
        apart = mean - self.mean[..., None]
        self.variance = (variance + apart * apart) @ weights
        third = variance * (1.0 + 2.0 * mean / self.size) + apart * (3.0 * variance + apart * apart)
        self.skewness = third @ weights / np.maximum(self.variance, 1e-300) ** 1.5

    def part(self, chosen: object) -> "Laws":
        """Some of the laws, without counting anything anew."""
        some = object.__new__(Laws)
        for name in ("means", "variances", "size", "go", "mean", "variance", "skewness"):
            setattr(some, name, getattr(self, name)[chosen])
        some.weights = self.weights
        return some

    def tails(self, whole: np.ndarray) -> np.ndarray:
        """P(D > whole) of every part."""
        return np.where(whole < 0.0, 1.0, betainc(np.maximum(whole, 0.0) + 1.0, self.size, self.go))

    def sf(self, levels: np.ndarray) -> np.ndarray:
        return self.tails(np.floor(levels)[..., None]) @ self.weights

    def loss(self, levels: np.ndarray) -> np.ndarray:
        """Units missing when `levels` are there: `(m - k) P(D > k) + (k + r) m / r P(D = k)`, linear between whole units."""
        whole = np.floor(levels)[..., None]
        tails, k, r = self.tails(whole), np.maximum(whole, 0.0), self.size
        point = np.exp(gammaln(k + r) - gammaln(k + 1.0) - gammaln(r) + r * np.log1p(-self.go) + k * np.log(self.go))
        missing = (self.means - whole) * tails + np.where(whole < 0.0, 0.0, (k + r) * self.means / r * point)
        missing -= (levels[..., None] - whole) * tails
        return np.maximum(np.maximum(missing @ self.weights, self.mean - levels), 0.0)

    def left(self, levels: np.ndarray) -> np.ndarray:
        """Units left when `levels` are there."""
        return np.maximum(levels - self.mean + self.loss(levels), 0.0)

    def quantile(self, p: np.ndarray) -> np.ndarray:
        """The least whole units within which demand stays with probability `p`."""
        sd, z = np.sqrt(self.variance), ndtri(p)
        # Cornish and Fisher's first correction of the normal quantile.
        guess = np.maximum(np.ceil(self.mean + sd * (z + (z * z - 1.0) * self.skewness / 6.0) - 0.5), 0.0)
        return first_whole(guess, np.maximum(np.ceil(STEP * sd), 1.0), lambda at, levels: self.part(at).sf(levels) <= 1.0 - p[at])


def first_whole(guess: np.ndarray, step: np.ndarray, holds) -> np.ndarray:
    """The least whole number from 0 on for which a condition holds that, once met, stays met. Brackets from a guess, then halves.

    `holds` is told for which entries, as indices, and their numbers.
    """
    low, high = np.full(guess.shape, -1.0), guess.copy()
    every = np.nonzero(np.ones(guess.shape, bool))
    met = holds(every, guess[every]).reshape(guess.shape)
    high[~met], low[~met] = np.inf, guess[~met]
    at = np.nonzero(high - low > 1.0)
    while at[0].size:
        bottom, top, reach = low[at], high[at], step[at]
        middle = np.where(np.isinf(top), bottom + reach, np.maximum(np.floor(0.5 * (bottom + top)), top - reach))
        # Steps grow until the number is bracketed; halving is then the nearer of the two.
        step[at] = 2.0 * reach
        good = holds(at, middle)
        high[at], low[at] = np.where(good, middle, top), np.where(good, bottom, middle)
        at = tuple(index[high[at] - low[at] > 1.0] for index in at)
    return high
