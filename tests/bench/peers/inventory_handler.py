"""Inventory by AWS's runtime client for Python, LightGBM, numpy and scipy: up to 100 products whose histories stand in the request.

Made fast: compiled bytecode, one thread, model and rules read once at start, one prediction for all products and horizons, and columns,
laws and plan on arrays over all products (`demand_columns`, `demand_laws`); Python runs per product only to read the request and to write
the answer. It answers what the project answers but for sentences and constraints, and for products that the model was trained for. With
`PEER_REASONS=1` the exact contributions come from LightGBM's `pred_contrib`, for the horizon that is nearest to the interval.
"""

from __future__ import annotations

import json
import os
from datetime import date, timedelta

import lightgbm
import numpy as np
from demand_columns import Demand
from demand_laws import Laws, first_whole
from stores import read_model

REASONS = os.environ.get("PEER_REASONS") == "1"
FILES = read_model("model.txt")
PARAMETERS = json.loads(FILES["parameters.json"])
BOOSTER = lightgbm.Booster(model_str=FILES["model.txt"].decode())
HORIZONS = PARAMETERS["artifacts"]["horizons_days"]
NODES = np.array([0.0, *HORIZONS])
RULES = PARAMETERS["policy"]["defaults"]
LEAD_DAYS, LEAD_WEIGHTS = (np.array([part[name] for part in RULES["lead_time"]]) for name in ("days", "probability"))
LEAD, REVIEW = float(LEAD_DAYS @ LEAD_WEIGHTS), RULES["review_period_days"]
PROTECTION = LEAD + REVIEW
MAY_MISS = 1.0 - RULES["target"]["fill_rate"]
PROBABILITIES = {"p10": 0.1, "p50": 0.5, "p80": 0.8, "p90": 0.9, "p95": 0.95, "p975": 0.975}
ASKED = np.array(list(PROBABILITIES.values()))
WEEKS = 7.0 * np.arange(1, 7)
DAYS = np.arange(HORIZONS[-1] + 1.0)
CERTAIN = np.ones(1)
LONGEST_DAYS = 365.0


class Forecast:
    """Means and variances at the horizons, and between them."""

    def __init__(self, demand: Demand, rows: np.ndarray):
        count, horizons = rows.shape[:2]
        self.raw = BOOSTER.predict(rows.reshape(count * horizons, -1), raw_score=True, num_threads=1).reshape(count, horizons)
        mean = demand.level[:, None] * HORIZONS * np.exp(self.raw)
        fitted = PARAMETERS["calibration"]
        log_size = fitted["intercept"] + fitted["ln_mean"] * np.log(mean)
        for name, coefficient in fitted["columns"].items():
            log_size += coefficient * np.nan_to_num(rows[:, :, BOOSTER.feature_name().index(name)].astype(np.float64))
        variance = mean + mean * mean / np.exp(np.clip(log_size, -6.0, 8.0))
        # Demand that has come in by a shorter horizon cannot go away by a longer one.
        for longer in range(1, horizons):
            falls = mean[:, longer] < mean[:, longer - 1]
            for values in (mean, variance):
                values[falls, longer] = values[falls, longer - 1]
        none = np.zeros((count, 1))
        self.moments = np.stack([np.hstack([none, mean]), np.hstack([none, variance])])

    def over(self, days: np.ndarray) -> np.ndarray:
        """Means and variances until `days` from now: one row of days for all products, or one for each."""
        days = np.broadcast_to(days, (self.moments.shape[1], days.shape[-1]))
        after = np.searchsorted(NODES, days)
        # Beyond the last horizon demand grows with time.
        before = np.where(after < len(NODES), np.maximum(after - 1, 0), 0)
        after = np.minimum(after, len(NODES) - 1)
        part = (days - NODES[before]) / np.where(after > 0, NODES[after] - NODES[before], 1.0)
        low, high = (np.take_along_axis(self.moments, np.broadcast_to(at, (2, *at.shape)), axis=2) for at in (before, after))
        return low + part * (high - low)

    def within(self, days: np.ndarray) -> Laws:
        """The law of each day."""
        mean, variance = self.over(days)
        return Laws(mean[..., None], variance[..., None], CERTAIN)

    def mixed(self, extra_days: np.ndarray | float) -> Laws:
        """The law until so many days after a delivery, mixed over the lead times."""
        return Laws(*self.over(LEAD_DAYS + extra_days), LEAD_WEIGHTS)


class Stock:
    """What is there and what is coming."""

    def __init__(self, products: list[dict], as_of: date):
        today = as_of.toordinal()
        self.net = np.array([float(product["on_hand"] - product.get("backorders", 0)) for product in products])
        open_orders = [
            (row, max(date.fromisoformat(order["arrives"]).toordinal() - today, 0), order["quantity"])
            for row, product in enumerate(products) for order in product.get("on_order", ()) if order["quantity"]
        ]
        self.rows, self.days, self.units = np.array(open_orders, np.float64).reshape(-1, 3).T
        self.rows = self.rows.astype(np.intp)
        self.next_days = np.full(len(products), np.inf)
        np.minimum.at(self.next_days, self.rows, self.days)

    def arriving(self, days: float) -> np.ndarray:
        inside = self.days <= days
        return np.bincount(self.rows[inside], self.units[inside], len(self.net))


def rounded(values: np.ndarray) -> np.ndarray:
    """Halves away from zero; nothing here is below it."""
    return np.floor(values + 0.5)


class Plan:
    """The order of every product, with what it and ordering nothing lead to."""

    def __init__(self, demand: Demand, forecast: Forecast, stock: Stock):
        self.unit_cost = demand.price * RULES["costs"]["unit_cost_share"]
        self.holding = self.unit_cost * RULES["costs"]["holding_share_per_year"] / 365.0
        self.stockout = demand.price - self.unit_cost
        self.ordering = RULES["costs"]["ordering_minor"]
        rate_days = max(PROTECTION, 1.0)
        self.daily = forecast.over(np.array([rate_days]))[0, :, 0] / rate_days
        lot_days = np.sqrt(2.0 * self.ordering * self.daily / self.holding) / self.daily
        self.cycle_days = np.maximum(np.minimum(lot_days, LONGEST_DAYS), max(REVIEW, 1.0))
        self.lead, self.protection = forecast.mixed(0.0), forecast.mixed(REVIEW)
        self.cycle = forecast.mixed(self.cycle_days[:, None])
        self.inside, self.all = stock.arriving(PROTECTION), stock.arriving(np.inf)
        self.position = stock.net + self.inside
        self.unavoidable = self.lead.loss(stock.net + stock.arriving(LEAD))
        self.levels()
        self.order = np.where(self.position <= self.reorder, self.up_to - self.position, 0.0)
        self.outcomes = [self.outcome(self.order), self.outcome(np.zeros_like(self.order))]
        self.next_arrival(forecast, stock)
        self.run_out(forecast, stock)
        self.cover = np.maximum(self.position, 0.0) / (7.0 * self.daily)
        self.overstock = np.maximum(stock.net + self.all - self.up_to, 0.0)

    def levels(self) -> None:
        """Reorder point by the fill rate, and the level that is ordered up to."""
        lift = np.maximum(self.cycle.mean - self.protection.mean, 0.0)
        may_miss = MAY_MISS * (self.cycle.mean - self.lead.mean)

        def enough(at: tuple, levels: np.ndarray) -> np.ndarray:
            short = self.protection.part(at).loss(levels) - self.lead.part(at).loss(levels + lift[at])
            return np.maximum(short, 0.0) <= may_miss[at]

        sd = np.sqrt(self.protection.variance)
        self.reorder = first_whole(np.ceil(self.protection.mean + 0.5 * sd), np.maximum(np.ceil(0.5 * sd), 1.0), enough)
        self.up_to = np.ceil(self.reorder + lift)

    def outcome(self, quantity: np.ndarray) -> dict[str, np.ndarray]:
        level = self.position + quantity
        at_protection, at_cycle, at_lead = (law.loss(level) for law in (self.protection, self.cycle, self.lead))
        lost = np.maximum(at_protection, self.unavoidable)
        stockout_probability = self.protection.sf(level)
        above = np.maximum(level - self.up_to, 0.0)
        stay_days = np.minimum(above / (2.0 * self.daily), LONGEST_DAYS)
        shelf = np.maximum(level - self.lead.mean + at_lead, 0.0) + np.maximum(level - self.cycle.mean + at_cycle, 0.0)
        ordering = np.where(quantity > 0.0, self.ordering, 0.0)
        holding = rounded(self.holding * (0.5 * shelf * self.cycle_days + above * stay_days))
        stockout = rounded(self.stockout * (self.unavoidable + np.maximum(at_cycle - at_lead, 0.0)))
        return {
            "order_quantity": whole(quantity), "order_value_minor": whole(rounded(self.unit_cost) * quantity),
            "stockout_probability": stockout_probability.tolist(), "service_level": (1.0 - stockout_probability).tolist(),
            "fill_rate": np.clip(1.0 - lost / self.protection.mean, 0.0, 1.0).tolist(), "expected_lost_units": lost.tolist(),
            "ordering_minor": whole(ordering), "holding_minor": whole(holding), "stockout_minor": whole(stockout),
            "total_minor": whole(ordering + holding + stockout),
        }

    def next_arrival(self, forecast: Forecast, stock: Stock) -> None:
        first = stock.next_days <= LEAD
        self.next_days = np.where(first, stock.next_days, LEAD)
        until = forecast.within(self.next_days[:, None]).sf(stock.net[:, None])[:, 0]
        self.until_next = np.where(first, until, self.lead.sf(stock.net))

    def run_out(self, forecast: Forecast, stock: Stock) -> None:
        """The first day by whose end everything is gone with a probability of one half, and of one tenth."""
        there = np.zeros((len(stock.net), len(DAYS)))
        late = stock.days < len(DAYS)
        np.add.at(there, (stock.rows[late], stock.days[late].astype(np.intp)), stock.units[late])
        gone = forecast.within(DAYS).sf(stock.net[:, None] + there.cumsum(axis=1) - 1.0)
        median, early = ((gone >= share) for share in (0.5, 0.1))
        self.median_days = [float(days) if found else None for days, found in zip(median.argmax(axis=1).tolist(), median.any(axis=1).tolist())]
        self.early_days = [float(days) if found else None for days, found in zip(early.argmax(axis=1).tolist(), early.any(axis=1).tolist())]

    def answers(self) -> list[dict]:
        numbers = {
            "inventory_position": whole(self.position), "on_order_inside": whole(self.inside), "on_order_later": whole(self.all - self.inside),
            "cycle_days": self.cycle_days.tolist(), "demand_mean": self.protection.mean.tolist(),
            "demand_sd": np.sqrt(self.protection.variance).tolist(), "reorder_point": whole(self.reorder),
            "safety_stock": (self.reorder - self.protection.mean).tolist(), "order_up_to_level": whole(self.up_to),
            "wanted_quantity": whole(self.order), "order_quantity": whole(self.order),
            "unavoidable_lost_units": self.unavoidable.tolist(), "next_arrival_days": self.next_days.tolist(),
            "stockout_probability_before_next_arrival": self.until_next.tolist(), "weeks_of_cover": self.cover.tolist(),
            "overstock_units": whole(self.overstock), "overstock_value_minor": whole(rounded(self.unit_cost) * self.overstock),
        }
        fixed = {"lead_time_days": LEAD, "review_period_days": REVIEW, "protection_days": PROTECTION}
        plans = [dict(zip(numbers, row)) | fixed for row in zip(*numbers.values())]
        for name, outcome in zip(("with_order", "without_order"), self.outcomes):
            for plan, row in zip(plans, zip(*outcome.values())):
                named = dict(zip(outcome, row))
                costs = {cost: named.pop(cost) for cost in ("ordering_minor", "holding_minor", "stockout_minor", "total_minor")}
                plan[name] = named | {"expected_cost": costs}
        for plan, median, early in zip(plans, self.median_days, self.early_days):
            plan["run_out"] = {"median_days": median, "p10_days": early, "looked_ahead_days": DAYS[-1]}
        return plans


def whole(values: np.ndarray) -> list[int]:
    return values.astype(np.int64).tolist()


def forecasts(forecast: Forecast, plan: Plan) -> list[dict]:
    """Demand over the interval, and week by week."""
    weeks = forecast.within(WEEKS)
    means, until = np.diff(weeks.mean, axis=1, prepend=0.0).tolist(), weeks.mean.shape
    asked = np.broadcast_to(ASKED, (*until, len(ASKED)))
    repeated = tuple(np.broadcast_to(index[..., None], asked.shape).ravel() for index in np.indices(until))
    of_weeks = weeks.part(repeated).quantile(asked.ravel()).reshape(asked.shape).tolist()
    count = until[0]
    of_interval = plan.protection.part(np.repeat(np.arange(count), len(ASKED))).quantile(np.tile(ASKED, count)).reshape(count, -1).tolist()
    sds = np.sqrt(plan.protection.variance).tolist()
    return [
        {
            "forecaster": "model", "interval_days": PROTECTION, "mean": mean, "sd": sd, "quantiles": dict(zip(PROBABILITIES, quantiles)),
            "weeks": [
                {"week": week + 1, "mean": of_week, "until_its_end": dict(zip(PROBABILITIES, values))}
                for week, (of_week, values) in enumerate(zip(of_product, until_its_end))
            ],
        }
        for mean, sd, quantiles, of_product, until_its_end in zip(plan.protection.mean.tolist(), sds, of_interval, means, of_weeks)
    ]


def explained(demand: Demand, forecast: Forecast, rows: np.ndarray) -> list[dict]:
    """Contributions added up by business reason, strongest first."""
    nearest = int(np.abs(np.array(HORIZONS) - PROTECTION).argmin())
    contributions = BOOSTER.predict(rows[:, nearest], pred_contrib=True, num_threads=1)
    names = list(dict.fromkeys(PARAMETERS["groups"]))
    member = np.array([[group == name for name in names] for group in PARAMETERS["groups"]], np.float64)
    log_level = np.log(demand.level * HORIZONS[nearest])
    sums, means = (contributions[:, :-1] @ member).tolist(), (log_level + forecast.raw[:, nearest]).tolist()
    return [
        {
            "horizon_days": HORIZONS[nearest], "log_mean": mean, "base_log_mean": base,
            "reasons": [
                {"group": name, "log_factor": value, "factor": float(np.exp(value))}
                for name, value in sorted(zip(names, values), key=lambda reason: -abs(reason[1]))
            ],
        }
        for mean, base, values in zip(means, (log_level + contributions[:, -1]).tolist(), sums)
    ]


def results(body: dict) -> list[dict]:
    as_of, products = date.fromisoformat(body["as_of"]), body["skus"]
    demand = Demand([product["history"] for product in products], as_of)
    if not demand.in_population().all():
        raise ValueError("a product that the model was not trained for")
    rows = demand.columns(HORIZONS)
    forecast = Forecast(demand, rows)
    plan = Plan(demand, forecast, Stock(products, as_of))
    answers = [
        {"sku_id": product["sku_id"], "as_of": body["as_of"], "data_age_days": 0, "state": "planned", "forecast": said, "plan": of_plan}
        for product, said, of_plan in zip(products, forecasts(forecast, plan), plan.answers())
    ]
    for answer in answers:
        ordered, nothing, ran_out = (answer["plan"][name] for name in ("with_order", "without_order", "run_out"))
        answer["order_value_minor"] = ordered["order_value_minor"]
        answer["cost_against_no_order_minor"] = ordered["expected_cost"]["total_minor"] - nothing["expected_cost"]["total_minor"]
        for name, days in (("runs_out_median", ran_out["median_days"]), ("runs_out_early", ran_out["p10_days"])):
            if days is not None:
                answer[name] = (as_of + timedelta(days)).isoformat()
    if REASONS:
        for answer, reasons in zip(answers, explained(demand, forecast, rows)):
            answer["forecast"]["explained"] = reasons
    return answers


def handler(event: dict, _context: object) -> dict:
    answered = results(json.loads(event["body"]))
    total = sum(answer["order_value_minor"] for answer in answered)
    body = {"currency": PARAMETERS["artifacts"]["currency"], "order_value_minor": total, "results": answered}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
