"""The columns of the churn model from a customer's orders, in plain Python, for one customer at a time.

Made fast: orders are walked once, windows are differences of running sums found by bisection, and only the two windows whose distinct
categories are asked for build sets. numpy's calls cost more than these loops at the length of one customer's history (tried).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

import numpy as np

NAN = math.nan
DAY = 86_400
WINDOWS = (0.25, 0.5, 1.0, 2.0, 4.0)


def share(a: float, b: float) -> float:
    return a / b if b else NAN


def p_buy(parameters: dict[str, float], repeats: int, last: float, observed: float, horizon: float) -> float:
    """BG/NBD: alive, and at least one purchase within the horizon."""
    r, alpha, a, b = (parameters[name] for name in ("r", "alpha", "a", "b"))
    scale = alpha + observed
    none = (scale / (scale + horizon)) ** (r + repeats)
    alive = 1.0
    if repeats > 0:
        alive = 1.0 / (1.0 + a / (b + repeats - 1.0) * (scale / (alpha + last)) ** (r + repeats))
    return alive * (1.0 - none)


def columns(orders: list, as_of: int, artifacts: dict) -> np.ndarray:
    """The 36 columns as float32. An order is `(placed_at, local_day, lines)`, sorted by time; a line is
    `(product, category, quantity, net, discount)`, amounts in minor units. Only orders before `as_of` count."""
    horizon = artifacts["horizon_days"]
    times, days, purchases, spends, discounts, returns, units, products, categories = ([] for _ in range(9))
    occasion_times: list[int] = []
    day_before = None
    last_purchase = None
    for placed_at, local_day, lines in orders:
        if placed_at >= as_of:
            break
        spend = discount = back = quantity_sum = 0
        seen = set()
        bought = set()
        is_purchase = 0
        for product, category, quantity, net, off in lines:
            if quantity > 0:
                is_purchase = 1
                spend += net
                discount += off
                quantity_sum += quantity
                seen.add(product)
                bought.add(category)
            elif net < 0:
                back -= net
        times.append(placed_at)
        purchases.append(is_purchase)
        spends.append(spend)
        discounts.append(discount)
        returns.append(back)
        units.append(quantity_sum)
        products.append(len(seen))
        categories.append(bought)
        if is_purchase:
            last_purchase = placed_at
            if local_day != day_before:
                day_before = local_day
                occasion_times.append(placed_at)
            days.append(local_day)
        else:
            days.append(None)
    count = len(occasion_times)
    sums = [[0, *accumulate(values)] for values in (purchases, spends, discounts, returns, units, products)]

    def window(horizons: float) -> tuple:
        start = bisect_left(times, as_of - int(horizons * horizon * DAY))
        bought_on = {day for day in days[start:] if day is not None}
        return start, len(bought_on), *(running[-1] - running[start] for running in sums)

    quarter, half, one, two, four = (window(horizons) for horizons in WINDOWS)

    def distinct_categories(start: int) -> int:
        found = set().union(*categories[start:])
        found.discard("")
        return len(found)

    recency = (as_of - last_purchase) / DAY if count else NAN
    tenure = (as_of - occasion_times[0]) / DAY if count else NAN
    since_last = (as_of - occasion_times[-1]) / DAY if count else NAN
    gaps = [(b - a) / DAY for a, b in zip(occasion_times, occasion_times[1:])]
    mean = share(sum(gaps), len(gaps))
    sd = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)) if len(gaps) > 1 else NAN
    longest = max(gaps, default=NAN)
    probability = NAN
    if count:
        active = (occasion_times[-1] - occasion_times[0]) / DAY
        probability = p_buy(artifacts["bgnbd"]["parameters"], count - 1, active, tenure, horizon)
    # Per window: start, purchase days, orders, spend, discount, returned, units, products.
    return np.array([
        recency, share(recency, mean), share(recency, longest), share(sum(gap >= since_last for gap in gaps), len(gaps)),
        probability, mean, sd, longest, gaps[-1] if gaps else NAN, share(sd, mean),
        tenure, max(count - 1, 0), share(count, tenure),
        quarter[1], half[1], one[1], two[1], four[1],
        share(half[1], one[1]), share(one[1], two[1]), share(two[1], four[1]), share(one[3], two[3]), share(two[3], four[3]),
        quarter[3], half[3], one[3], two[3], four[3], share(four[3], four[2]),
        share(four[6], four[2]), share(four[7], four[2]), distinct_categories(one[0]), distinct_categories(four[0]),
        share(one[4], one[3] + one[4]), share(four[4], four[3] + four[4]), share(four[5], four[3]),
    ], dtype=np.float32)
