"""The columns of the churn model for many customers at once, from a pandas frame of order lines.

Made fast: groups are not sorted, distinct values are counted by dropping duplicates (`nunique` is slower), and orders are summed once
before the windows look at them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

DAY = 86_400
WINDOWS = {"quarter": 0.25, "half": 0.5, "one": 1.0, "two": 2.0, "four": 4.0}


def orders_of(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per order with a purchase; `lines` are positions that were bought."""
    key = ["customer_id", "order_id"]
    orders = lines.groupby(key, sort=False).agg(
        placed_at=("placed_at", "first"), local_day=("local_day", "first"), net=("net", "sum"), discount=("discount", "sum"),
        quantity=("quantity", "sum"),
    )
    orders["products"] = lines.drop_duplicates([*key, "product_id"]).groupby(key, sort=False).size()
    return orders.reset_index()


def rhythm(occasions: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Times between purchase days, per customer; occasions are sorted by customer and time."""
    by_customer = occasions.groupby("customer_id", sort=False).began
    frame = by_customer.agg(["first", "last", "size"])
    gaps = occasions.assign(gap=by_customer.diff() / DAY).dropna(subset="gap")
    frame["since"] = (as_of - frame["last"]) / DAY
    gaps["longer"] = gaps.gap >= frame.since.reindex(gaps.customer_id).to_numpy()
    of_gaps = gaps.groupby("customer_id", sort=False)
    return frame.join(of_gaps.gap.agg(gap_mean="mean", gap_sd="std", gap_max="max", gap_last="last")).join(of_gaps.longer.mean())


def totals(orders: pd.DataFrame, start: int, index: pd.Index) -> pd.DataFrame:
    """Sums over the orders of one window."""
    inside = orders[orders.placed_at >= start]
    by_customer = inside.groupby("customer_id", sort=False)
    sums = by_customer[["net", "discount", "quantity", "products"]].sum()
    sums["orders"] = by_customer.size()
    sums["days"] = inside.drop_duplicates(["customer_id", "local_day"]).groupby("customer_id", sort=False).size()
    return sums.reindex(index, fill_value=0).astype(np.float64)


def categories(lines: pd.DataFrame, start: int, index: pd.Index) -> np.ndarray:
    inside = lines[(lines.placed_at >= start) & (lines.category != "")]
    found = inside.drop_duplicates(["customer_id", "category"]).groupby("customer_id", sort=False).size()
    return found.reindex(index, fill_value=0).to_numpy(np.float64)


def share(a, b) -> np.ndarray:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b != 0)


def p_buy(parameters: dict, repeats, last, observed, horizon: float) -> np.ndarray:
    r, alpha, a, b = (parameters[name] for name in ("r", "alpha", "a", "b"))
    scale = alpha + observed
    alive = np.where(repeats > 0, 1 / (1 + a / (b + repeats - 1) * (scale / (alpha + last)) ** (r + repeats)), 1.0)
    return alive * (1 - (scale / (scale + horizon)) ** (r + repeats))


def columns(lines: pd.DataFrame, as_of: int, artifacts: dict) -> tuple[pd.Index, np.ndarray]:
    """Customers who bought within four horizons before `as_of`, and their 36 columns as float32."""
    horizon = artifacts["horizon_days"]
    past = lines[lines.placed_at < as_of]
    bought = past[past.quantity > 0]
    starts = {name: as_of - int(horizons * horizon * DAY) for name, horizons in WINDOWS.items()}
    recent = bought.customer_id[bought.placed_at >= starts["four"]].unique()
    bought = bought[bought.customer_id.isin(recent)]
    orders = orders_of(bought)
    occasions = orders.groupby(["customer_id", "local_day"], sort=True).placed_at.min().reset_index(name="began")
    rhythms = rhythm(occasions, as_of)
    index = rhythms.index
    count = rhythms["size"].to_numpy(np.float64)
    recency = ((as_of - orders.groupby("customer_id", sort=False).placed_at.max()) / DAY).reindex(index).to_numpy()
    tenure = ((as_of - rhythms["first"]) / DAY).to_numpy()
    active = ((rhythms["last"] - rhythms["first"]) / DAY).to_numpy()
    mean, sd, longest, latest, longer = (rhythms[n].to_numpy(np.float64) for n in ("gap_mean", "gap_sd", "gap_max", "gap_last", "longer"))
    quarter, half, one, two, four = (totals(orders, start, index) for start in starts.values())
    back = past[(past.quantity <= 0) & (past.net < 0) & (past.placed_at >= starts["four"])]
    returned = (-back.groupby("customer_id", sort=False).net.sum()).reindex(index, fill_value=0)
    return index, np.column_stack([
        recency, share(recency, mean), share(recency, longest), longer,
        p_buy(artifacts["bgnbd"]["parameters"], count - 1, active, tenure, horizon), mean, sd, longest, latest, share(sd, mean),
        tenure, count - 1, share(count, tenure),
        quarter.days, half.days, one.days, two.days, four.days,
        share(half.days, one.days), share(one.days, two.days), share(two.days, four.days), share(one.net, two.net), share(two.net, four.net),
        quarter.net, half.net, one.net, two.net, four.net, share(four.net, four.orders),
        share(four.quantity, four.orders), share(four.products, four.orders),
        categories(bought, starts["one"], index), categories(bought, starts["four"], index),
        share(one.discount, one.net + one.discount), share(four.discount, four.net + four.discount), share(returned, four.net),
    ]).astype(np.float32)
