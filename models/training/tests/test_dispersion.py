"""The fit of the negative binomial's size: known parameters, gradients, and measures against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import OptimizeResult
from scipy.stats import nbinom

import dispersion
from challenger import LEVELS
from matrix import Refused

NAMES = ("log_horizon_days", "log_sale_size")
TRUE = {"intercept": 0.6, "ln_mean": 0.7, "columns": {"log_horizon_days": -0.3, "log_sale_size": -0.5}}


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units, means and columns of 60,000 rows that follow the law exactly."""
    random = np.random.default_rng(9)
    mean = np.exp(random.normal(0.8, 1.2, size=60_000))
    columns = np.column_stack([np.log(random.choice([7.0, 14.0, 28.0], len(mean))), random.gamma(1.0, 0.5, len(mean))])
    size = dispersion.sizes(TRUE, mean, columns)
    return random.negative_binomial(size, size / (size + mean)).astype(float), mean, columns


def test_known_parameters_are_recovered(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    units, mean, columns = drawn
    found = dispersion.fit(units, mean, NAMES, columns)
    assert found["intercept"] == pytest.approx(TRUE["intercept"], abs=0.08)
    assert found["ln_mean"] == pytest.approx(TRUE["ln_mean"], abs=0.03)
    for name in NAMES:
        assert found["columns"][name] == pytest.approx(TRUE["columns"][name], abs=0.05)


def test_the_fit_is_a_maximum_and_missing_counts_as_zero(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    units, mean, columns = (values[:4000].copy() for values in drawn)
    columns[::3, 1] = np.nan
    found = dispersion.fit(units, mean, NAMES, columns)
    assert found == dispersion.fit(units, mean, NAMES, np.nan_to_num(columns))

    def likelihood(change: dict[str, float]) -> float:
        moved = {"intercept": found["intercept"] + change.get("intercept", 0.0),
                 "ln_mean": found["ln_mean"] + change.get("ln_mean", 0.0),
                 "columns": {name: value + change.get(name, 0.0) for name, value in found["columns"].items()}}
        return float(np.sqrt(mean) @ dispersion.log_likelihood(units, mean, dispersion.sizes(moved, mean, columns)))

    for name in ("intercept", "ln_mean", *NAMES):
        assert likelihood({}) > max(likelihood({name: 0.01}), likelihood({name: -0.01}))


def test_likelihood_quantiles_and_coverage_equal_scipys(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    units, mean, columns = (values[:3000] for values in drawn)
    size = dispersion.sizes(TRUE, mean, columns)
    law = nbinom(size, size / (size + mean))
    assert np.allclose(dispersion.log_likelihood(units, mean, size), law.logpmf(units), atol=1e-9)
    assert np.array_equal(dispersion.quantiles(mean, size, LEVELS)[:, 2], law.ppf(0.9))
    random = np.random.default_rng(1)
    below, at = law.cdf(units - 1.0), law.cdf(units)
    pits = below + random.random((400, len(units))) * (at - below)
    for level in (0.8, 0.9, 0.95):
        assert dispersion.covered(units, mean, size, level) == pytest.approx((pits <= level).mean(), abs=5e-4)
        assert dispersion.covered(units, mean, size, level) == pytest.approx(level, abs=0.02)


def test_pinball_is_the_loss_whose_minimum_is_the_quantile() -> None:
    assert dispersion.pinball(np.array([10.0]), np.array([[8.0, 12.0]]), (0.9, 0.9))[0] == pytest.approx((1.8 + 0.2) / 2)


def test_counts_that_scatter_less_than_poissons_become_poisson() -> None:
    found = dispersion.fit(np.full(500, 3.0), np.full(500, 3.0), (), np.empty((500, 0)))
    assert dispersion.sizes(found, np.array([3.0]), np.empty((1, 0)))[0] > 1000.0


def test_a_fit_that_does_not_settle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispersion, "minimize", lambda loss, start, **_: OptimizeResult(x=start, jac=loss(start)[1]))
    with pytest.raises(Refused, match="no finite optimum on 50 rows"):
        dispersion.fit(np.arange(50.0), np.full(50, 3.0), (), np.empty((50, 0)))
