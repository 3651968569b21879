"""Writes the oracle of the inventory policies: random instances, and what stockpyl and SciPy say of them.

    python -m venv /tmp/oracle && /tmp/oracle/bin/pip install stockpyl==1.0.2 scipy
    /tmp/oracle/bin/python models/training/tests/make_policy_fixtures.py > functions/inventory/tests/fixtures/oracle.json

Needs a virtual environment of its own: stockpyl pulls in many packages and is no part of the project's runtime or
training. Deterministic for one version of either; run it again only for more instances.

Each group is a list of rows, each a pair of inputs and expected values. stockpyl's (s, S) search drops the last
probability of an empirical law and reads beyond its end, so it is given those laws with zeros after them.
"""

from __future__ import annotations

import json
import random
import sys
import warnings

import numpy as np
from scipy import integrate, optimize, stats
from stockpyl import eoq, loss_functions, newsvendor, rq, ss
from stockpyl.wagner_whitin import wagner_whitin

SEED = 20240229


def log_uniform(rng: random.Random, low: float, high: float, digits: int = 4) -> float:
    return float(f"{low * (high / low) ** rng.random():.{digits}g}")


def negative_binomial(mean: float, size: float):
    return stats.nbinom(size, size / (size + mean))


def laws(rng: random.Random) -> list:
    """Point and tail probabilities and quantiles of laws from tiny to huge, by SciPy."""
    rows = []
    for index in range(120):
        mean = log_uniform(rng, 1e-6, 1e9 if index % 3 else 1e3)
        size = log_uniform(rng, 0.05, 1e3)
        kind = ("normal", "poisson", "negative_binomial")[index % 3]
        sd = mean * log_uniform(rng, 0.05, 1.0)
        law = {
            "normal": stats.norm(mean, sd),
            "poisson": stats.poisson(mean),
            "negative_binomial": negative_binomial(mean, size),
        }[kind]
        p = round(rng.uniform(0.001, 0.999), 4)
        quantile = float(law.ppf(p))
        # Where SciPy's own tail cannot decide between two neighbours there is no expected value.
        sure = kind == "normal" or (law.cdf(quantile) - p > 1e-9 and p - law.cdf(quantile - 1) > 1e-9)
        x = max(0.0, float(np.floor(mean + rng.uniform(-2.5, 4.0) * law.std())))
        rows.append(
            {
                "law": {"kind": kind, "mean": mean, "sd": sd, "size": size},
                "p": p,
                "quantile": quantile if sure else None,
                "x": x,
                "pmf": float(law.pdf(x) if kind == "normal" else law.pmf(x)),
                "cdf": float(law.cdf(x)),
                "sf": float(law.sf(x)),
                "variance": float(law.var()),
            }
        )
    return rows


def losses(rng: random.Random) -> list:
    """First- and second-order losses by stockpyl."""
    rows = []
    for index in range(90):
        mean = log_uniform(rng, 0.2, 80)
        sd = mean * log_uniform(rng, 0.1, 0.5)
        size = float(rng.randint(1, 12))
        kind = ("normal", "poisson", "negative_binomial")[index % 3]
        if kind == "normal":
            x = round(mean + rng.uniform(-2, 2.5) * sd, 3)
            first = loss_functions.normal_loss(x=x, mean=mean, sd=sd)
            second = loss_functions.normal_second_loss(x=x, mean=mean, sd=sd)
        elif kind == "poisson":
            x = max(0, round(mean + rng.uniform(-2, 2.5) * mean**0.5))
            first = loss_functions.poisson_loss(x=x, mean=mean)
            second = loss_functions.poisson_second_loss(x=x, mean=mean)
        else:
            x = max(0, round(mean + rng.uniform(-1, 2.5) * (mean + mean**2 / size) ** 0.5))
            # Summed over SciPy's tails: stockpyl asks for whole sizes.
            tail = negative_binomial(mean, size)
            far = int(tail.isf(1e-18)) + 50
            sf = tail.sf(np.arange(x, far))
            first = (float(sf.sum()), float(x - mean + sf.sum()))
            second = (float((sf * np.arange(0, far - x)).sum()),)
        rows.append(
            {
                "law": {"kind": kind, "mean": mean, "sd": sd, "size": size},
                "x": x,
                "loss": float(first[0]),
                "complementary_loss": float(first[1]),
                "second_loss": float(second[0]),
            }
        )
    return rows


def newsvendors(rng: random.Random) -> list:
    rows = []
    for index in range(60):
        mean, sd = log_uniform(rng, 0.5, 500), log_uniform(rng, 0.1, 50)
        holding, stockout = log_uniform(rng, 0.01, 5), log_uniform(rng, 0.1, 50)
        costs = {"holding_cost": holding, "stockout_cost": stockout}
        pmf = None
        if index % 3 == 0:
            kind = "normal"
            level, cost = newsvendor.newsvendor_normal(**costs, demand_mean=mean, demand_sd=sd)
        elif index % 3 == 1:
            kind = "poisson"
            level, cost = newsvendor.newsvendor_poisson(**costs, demand_mean=mean)
        else:
            kind = "empirical"
            pmf = random_pmf(rng)
            level, cost = newsvendor.newsvendor_discrete(**costs, demand_pmf=dict(enumerate(pmf)))
        rows.append(
            {
                "law": {"kind": kind, "mean": mean, "sd": sd, "size": 1.0, "pmf": pmf},
                "holding": holding,
                "stockout": stockout,
                "level": float(level),
                "cost": float(cost),
            }
        )
    return rows


def random_pmf(rng: random.Random) -> list[float]:
    weights = [rng.randint(0, 40) for _ in range(rng.randint(4, 25))]
    weights[0] += 1
    total = sum(weights)
    return [weight / total for weight in weights]


def priced(rng: random.Random) -> list:
    rows = []
    for index in range(20):
        unit_cost = log_uniform(rng, 0.5, 20)
        prices = {
            "revenue": unit_cost * (1 + log_uniform(rng, 0.05, 3)),
            "purchase_cost": unit_cost,
            "salvage_value": unit_cost * rng.random() * 0.9,
            "holding_cost": round(rng.random(), 3),
            "stockout_cost": round(rng.random(), 3),
        }
        mean, sd = log_uniform(rng, 5, 500), log_uniform(rng, 1, 50)
        kind = ("normal", "poisson")[index % 2]
        if kind == "normal":
            level, profit = newsvendor.newsvendor_normal_explicit(**prices, demand_mean=mean, demand_sd=sd)
        else:
            level, profit = newsvendor.newsvendor_poisson_explicit(**prices, demand_mean=mean)
        law = {"kind": kind, "mean": mean, "sd": sd, "size": 1.0}
        rows.append({"law": law, **prices, "level": float(level), "profit": float(profit)})
    return rows


def lots(rng: random.Random) -> list:
    rows = []
    for _ in range(30):
        fixed, holding = log_uniform(rng, 1, 500), log_uniform(rng, 0.01, 10)
        rate, stockout = log_uniform(rng, 1, 5000), log_uniform(rng, 0.1, 50)
        production = rate * (1 + log_uniform(rng, 0.05, 5))
        steady = {"fixed_cost": fixed, "holding_cost": holding, "demand_rate": rate}
        breaks = [0.0, *sorted(float(rng.randint(20, 3000)) for _ in range(3))]
        prices = [round(20 * 0.93**j * (1 + 0.02 * rng.random()), 3) for j in range(4)]
        share = round(rng.uniform(0.05, 0.5), 3)
        terms = {
            "fixed_cost": fixed,
            "holding_cost_rate": share,
            "demand_rate": rate,
            "breakpoints": breaks,
            "unit_costs": prices,
        }
        if len(set(breaks)) < 4:
            continue
        rows.append(
            {
                **terms,
                "holding": holding,
                "stockout": stockout,
                "production_rate": production,
                "eoq": eoq.economic_order_quantity(**steady),
                "eoqb": eoq.economic_order_quantity_with_backorders(**steady, stockout_cost=stockout),
                "epq": eoq.economic_production_quantity(**steady, production_rate=production),
                "all_units": eoq.economic_order_quantity_with_all_units_discounts(**terms),
                "incremental": eoq.economic_order_quantity_with_incremental_discounts(**terms),
            }
        )
    return rows


def schedules(rng: random.Random) -> list:
    rows = []
    for _ in range(30):
        demand = [float(rng.choice([0, rng.randint(1, 200)])) for _ in range(rng.randint(1, 14))]
        holding, fixed = log_uniform(rng, 0.1, 10), log_uniform(rng, 1, 2000)
        cost = wagner_whitin(num_periods=len(demand), holding_cost=holding, fixed_cost=fixed, demand=demand)[1]
        rows.append({"demand": demand, "holding": holding, "fixed_cost": fixed, "cost": float(cost)})
    return rows


def reorder_poisson(rng: random.Random) -> list:
    rows = []
    for _ in range(25):
        terms = {
            "holding_cost": log_uniform(rng, 0.5, 30),
            "stockout_cost": log_uniform(rng, 10, 300),
            "fixed_cost": log_uniform(rng, 1, 200),
            "demand_mean": log_uniform(rng, 0.2, 8),
            "lead_time": log_uniform(rng, 0.2, 5),
        }
        r, q, cost = rq.r_q_poisson_exact(**terms)
        rows.append({**terms, "reorder_point": float(r), "order_quantity": float(q), "cost": float(cost)})
    return rows


def reorder_normal(rng: random.Random) -> list:
    """stockpyl's approximations, and the exact optimum by minimising its cost function."""
    rows = []
    while len(rows) < 25:
        mean = log_uniform(rng, 50, 2000)
        terms = {
            "holding_cost": log_uniform(rng, 0.1, 2),
            "stockout_cost": log_uniform(rng, 3, 30),
            "fixed_cost": log_uniform(rng, 5, 200),
            "demand_mean": mean,
            "demand_sd": mean * log_uniform(rng, 0.05, 0.3),
            "lead_time": log_uniform(rng, 0.05, 2),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = {
                    "eil": rq.r_q_eil_approximation(**terms),
                    "eoqb": rq.r_q_eoqb_approximation(**terms),
                    "eoqss": rq.r_q_eoqss_approximation(**terms),
                    "loss_function": rq.r_q_loss_function_approximation(**terms),
                }
            except Warning:
                continue  # its root finder did not converge
        start = found["loss_function"]
        options = {"xatol": 1e-6, "fatol": 1e-10}
        least = optimize.minimize(reorder_cost, start, args=(terms,), method="Nelder-Mead", options=options)
        found["cost_at_eoqss"] = reorder_cost(found["eoqss"], terms)
        found["least_cost"] = float(least.fun)
        rows.append({**terms, **found})
    return rows


def reorder_cost(point: tuple[float, float], terms: dict) -> float:
    return rq.r_q_cost(reorder_point=point[0], order_quantity=max(point[1], 1e-3), **terms)


def order_up_to(rng: random.Random) -> list:
    rows = []
    for index in range(24):
        costs = {
            "holding_cost": log_uniform(rng, 0.2, 4),
            "stockout_cost": log_uniform(rng, 2, 40),
            "fixed_cost": log_uniform(rng, 1, 60),
        }
        mean = log_uniform(rng, 0.5, 15)
        pmf = None
        if index % 2:
            s, up_to, cost = ss.s_s_discrete_exact(**costs, use_poisson=True, demand_mean=mean)
        else:
            pmf = random_pmf(rng)
            padded = [*pmf, *[0.0] * 300]
            s, up_to, cost = ss.s_s_discrete_exact(
                **costs, use_poisson=False, demand_hi=len(padded) - 1, demand_pmf=padded
            )
        kind = "empirical" if pmf else "poisson"
        law = {"kind": kind, "mean": mean, "sd": 1.0, "size": 1.0, "pmf": pmf}
        levels = {"reorder_point": float(s), "order_up_to_level": float(up_to), "cost": float(cost)}
        rows.append({"law": law, **costs, **levels})
    return rows


def power(rng: random.Random) -> list:
    rows = []
    for _ in range(20):
        terms = {
            "holding_cost": log_uniform(rng, 0.05, 4),
            "stockout_cost": log_uniform(rng, 0.5, 40),
            "fixed_cost": log_uniform(rng, 1, 60),
            "demand_mean": log_uniform(rng, 5, 500),
            "demand_sd": log_uniform(rng, 1, 50),
        }
        s, up_to = ss.s_s_power_approximation(**terms)
        rows.append({**terms, "reorder_point": s, "order_up_to_level": up_to})
    return rows


def integrated_loss(law, x: float) -> float:
    low, high = law.mean() - 12 * law.std(), law.mean() + 12 * law.std()
    if x <= low:
        return law.mean() - x
    return integrate.quad(law.sf, x, high, epsabs=1e-11, limit=200)[0]


def missed_by_lot(x: float, law, lot: float, may_miss: float) -> float:
    return integrated_loss(law, x) - may_miss


def missed_exactly(x: float, law, lot: float, may_miss: float) -> float:
    return integrated_loss(law, x) - integrated_loss(law, x + lot) - may_miss


def fill_rates(rng: random.Random) -> list:
    """Reorder points whose fill rate is exact, by root finding on SciPy's integrated tails."""
    rows = []
    for _ in range(20):
        mean, lot = log_uniform(rng, 20, 500), log_uniform(rng, 5, 1000)
        sd, target = mean * log_uniform(rng, 0.1, 0.5), round(rng.uniform(0.8, 0.995), 3)
        terms = (stats.norm(mean, sd), lot, (1 - target) * lot)
        bounds = {"a": mean - lot - 12 * sd, "b": mean + 12 * sd, "xtol": 1e-9}
        by_lot = float(optimize.brentq(missed_by_lot, args=terms, **bounds))
        exact = float(optimize.brentq(missed_exactly, args=terms, **bounds))
        rows.append({"mean": mean, "sd": sd, "lot": lot, "target": target, "by_lot": by_lot, "exact": exact})
    return rows


def main() -> None:
    rng = random.Random(SEED)
    groups = (
        *(laws, losses, newsvendors, priced, lots, schedules),
        *(reorder_poisson, reorder_normal, order_up_to, power, fill_rates),
    )
    json.dump({group.__name__: group(rng) for group in groups}, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
