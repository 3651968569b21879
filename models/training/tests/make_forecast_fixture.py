"""Writes the fixture that the Rust forecast metrics are tested against: rows, and what numpy and scipy say of them.

    .tools/venv/bin/python models/training/tests/make_forecast_fixture.py > models/offline/src/evaluate/forecast/fixture.json

Every metric is recomputed in the plainest way; the weighted ones on rows repeated as often as their product's weight.
Coverage is the mean over drawn PITs where the Rust code has their expectation, so it agrees to the noise of the draws.
"""

from __future__ import annotations

import json

import numpy as np
from scipy.stats import nbinom, poisson

PRODUCTS = 40
ORIGINS = ("2017-07-16", "2017-08-13", "2017-09-10")
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.975)
DRAWS = 20_000


def pinball(actual: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Mean over the levels, per row."""
    losses = [np.where(actual >= q, level * (actual - q), (1.0 - level) * (q - actual))
              for level, q in zip(LEVELS, quantiles)]
    return np.mean(losses, axis=0)


def expected(rows: dict[str, np.ndarray], at: np.ndarray) -> dict[str, float]:
    """All metrics of the rows `at`, repeats included. A product that is drawn twice is two products."""
    actual, mean, size, ses = (rows[name][at] for name in ("actual", "mean", "size", "ses"))
    law, poissons = nbinom(size, size / (size + mean)), poisson(mean)
    of_ses = nbinom(rows["ses_size"][at], rows["ses_size"][at] / (rows["ses_size"][at] + ses))
    losses = {name: pinball(actual, [law.ppf(level) for level in LEVELS])
              for name, law in (("model", law), ("poisson", poissons), ("negbin_ses", of_ses))}
    scaled = []
    for product in np.unique(rows["product"][at]):
        own = (rows["product"][at] == product) & (rows["naive_squared"][at] > 0.0)
        if own.any():
            root = np.sqrt(np.mean((mean - actual)[own] ** 2 / rows["naive_squared"][at][own]))
            scaled += [root] * int(rows["weight"][product])
    random = np.random.default_rng(5)
    below = law.cdf(actual - 1.0)
    pits = below + random.random((DRAWS, len(actual))) * (law.cdf(actual) - below)
    return {
        "mae": np.abs(mean - actual).mean(),
        "rmsse": np.mean(scaled),
        "wape": np.abs(mean - actual).sum() / actual.sum(),
        "bias": mean.sum() / actual.sum() - 1.0,
        "pinball": losses["model"].mean(),
        **{f"coverage_{level * 100:.0f}": (pits <= level).mean() for level in (0.8, 0.9, 0.95)},
        "pinball_vs_poisson": 1.0 - losses["model"].mean() / losses["poisson"].mean(),
        "pinball_vs_negbin_ses": (losses["negbin_ses"] - losses["model"]).mean(),
        "mae_vs_ses": (np.abs(ses - actual) - np.abs(mean - actual)).mean(),
    }


def main() -> None:
    """Prints the fixture."""
    random = np.random.default_rng(12)
    product = np.repeat(np.arange(PRODUCTS), len(ORIGINS))
    rate = np.exp(random.normal(1.0, 1.2, PRODUCTS))[product]
    actual = random.negative_binomial(1.5, 1.5 / (1.5 + rate)).astype(float)
    rows = {
        "product": product,
        "actual": actual,
        "mean": (rate * np.exp(random.normal(0.0, 0.2, len(rate)))).round(4),
        "size": np.exp(random.normal(0.4, 0.3, len(rate))).round(4),
        "ses": (rate * np.exp(random.normal(0.0, 0.6, len(rate)))).round(4),
        "ses_size": np.exp(random.normal(0.0, 0.3, len(rate))).round(4),
        "naive_squared": np.where(product % 9 == 4, 0.0, rate * (1.0 + rate)).round(4),
        "weight": np.ones(PRODUCTS),
    }
    everything = np.arange(len(product))
    plain = expected(rows, everything)
    of_origin = {origin: expected(rows, everything[place::len(ORIGINS)]) for place, origin in enumerate(ORIGINS)}
    rows["weight"] = random.poisson(1.0, PRODUCTS)
    weighted = expected(rows, np.repeat(everything, rows["weight"][product]))
    print(json.dumps({
        "origins": [ORIGINS[row % len(ORIGINS)] for row in everything],
        **{name: values.tolist() for name, values in rows.items()},
        "expected": plain,
        "expected_by_origin": of_origin,
        "expected_weighted": weighted,
    }))


if __name__ == "__main__":
    main()
