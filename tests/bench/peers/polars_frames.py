"""The columns of the churn model for many customers at once, from a Polars frame of order lines, as lazy queries.

Made fast: one lazy plan, so that Polars drops what is not read and shares what is read twice; orders are summed once before the windows
look at them.
"""

from __future__ import annotations

import polars as pl

DAY = 86_400
WINDOWS = {"quarter": 0.25, "half": 0.5, "one": 1.0, "two": 2.0, "four": 4.0}


def share(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return pl.when(b != 0).then(a / b)


def p_buy(parameters: dict, horizon: float) -> pl.Expr:
    r, alpha, a, b = (parameters[name] for name in ("r", "alpha", "a", "b"))
    repeats, scale = pl.col("occasions") - 1.0, alpha + pl.col("tenure")
    odds_left = a / (b + repeats - 1.0) * (scale / (alpha + pl.col("active"))).pow(r + repeats)
    alive = pl.when(repeats > 0).then(1.0 / (1.0 + odds_left)).otherwise(1.0)
    return alive * (1.0 - (scale / (scale + horizon)).pow(r + repeats))


def columns(lines: pl.LazyFrame, as_of: int, artifacts: dict) -> pl.DataFrame:
    """`customer_id` and the 36 columns as float32 of who bought within four horizons before `as_of`, by id."""
    horizon = artifacts["horizon_days"]
    starts = {name: as_of - int(horizons * horizon * DAY) for name, horizons in WINDOWS.items()}
    past = lines.filter(pl.col("placed_at") < as_of)
    bought = past.filter(pl.col("quantity") > 0)
    orders = bought.group_by("customer_id", "order_id").agg(
        pl.first("placed_at", "local_day"), pl.sum("net", "discount", "quantity"), pl.n_unique("product_id").alias("products"),
    )
    occasions = orders.group_by("customer_id", "local_day").agg(pl.min("placed_at").alias("began")).sort("customer_id", "began")
    gap = pl.col("began").diff() / DAY
    since = (as_of - pl.last("began")) / DAY
    rhythm = occasions.group_by("customer_id").agg(
        pl.len().cast(pl.Float64).alias("occasions"), ((as_of - pl.first("began")) / DAY).alias("tenure"),
        ((pl.last("began") - pl.first("began")) / DAY).alias("active"), gap.mean().alias("gap_mean"), gap.std().alias("gap_sd"),
        gap.max().alias("gap_max"), gap.last().alias("gap_last"), (gap.drop_nulls() >= since).mean().alias("longer"),
    )
    def inside(start: int) -> pl.Expr:
        return pl.col("placed_at") >= start

    sums = [(as_of - pl.max("placed_at")).alias("recency") / DAY]
    for name, start in starts.items():
        sums.append(pl.col("local_day").filter(inside(start)).n_unique().cast(pl.Float64).alias(f"{name}_days"))
        sums.append(pl.col("net").filter(inside(start)).sum().cast(pl.Float64).alias(f"{name}_net"))
    sums.append(pl.col("discount").filter(inside(starts["one"])).sum().cast(pl.Float64).alias("one_discount"))
    four = inside(starts["four"])
    sums += [pl.col(n).filter(four).sum().cast(pl.Float64).alias(f"four_{n}") for n in ("discount", "quantity", "products")]
    sums.append(pl.col("net").filter(four).len().cast(pl.Float64).alias("four_orders"))
    windowed = orders.group_by("customer_id").agg(sums)
    named = pl.col("category") != ""
    variety = bought.filter(four).group_by("customer_id").agg(
        pl.col("category").filter(named & inside(starts["one"])).n_unique().alias("one_categories"),
        pl.col("category").filter(named).n_unique().alias("four_categories"),
    )
    returned = past.filter((pl.col("quantity") <= 0) & (pl.col("net") < 0) & four).group_by("customer_id").agg((-pl.sum("net")).alias("returned"))
    c = pl.col
    chosen = {
        "recency_days": c("recency"), "recency_over_gap_mean": share(c("recency"), c("gap_mean")),
        "recency_over_gap_max": share(c("recency"), c("gap_max")), "longer_gap_share": c("longer"),
        "bgnbd_p_buy": p_buy(artifacts["bgnbd"]["parameters"], horizon), "gap_mean_days": c("gap_mean"), "gap_sd_days": c("gap_sd"),
        "gap_max_days": c("gap_max"), "gap_last_days": c("gap_last"), "gap_variation": share(c("gap_sd"), c("gap_mean")),
        "tenure_days": c("tenure"), "repeat_purchase_days": c("occasions") - 1, "lifetime_rate_per_day": share(c("occasions"), c("tenure")),
        "purchase_days_quarter_h": c("quarter_days"), "purchase_days_half_h": c("half_days"), "purchase_days_1h": c("one_days"),
        "purchase_days_2h": c("two_days"), "purchase_days_4h": c("four_days"),
        "frequency_trend_half_h": share(c("half_days"), c("one_days")), "frequency_trend_1h": share(c("one_days"), c("two_days")),
        "frequency_trend_2h": share(c("two_days"), c("four_days")), "spend_trend_1h": share(c("one_net"), c("two_net")),
        "spend_trend_2h": share(c("two_net"), c("four_net")), "spend_quarter_h_minor": c("quarter_net"), "spend_half_h_minor": c("half_net"),
        "spend_1h_minor": c("one_net"), "spend_2h_minor": c("two_net"), "spend_4h_minor": c("four_net"),
        "spend_per_order_4h_minor": share(c("four_net"), c("four_orders")), "units_per_order_4h": share(c("four_quantity"), c("four_orders")),
        "products_per_order_4h": share(c("four_products"), c("four_orders")), "categories_1h": c("one_categories"),
        "categories_4h": c("four_categories"), "discount_share_1h": share(c("one_discount"), c("one_net") + c("one_discount")),
        "discount_share_4h": share(c("four_discount"), c("four_net") + c("four_discount")),
        "return_share_4h": share(c("returned").fill_null(0), c("four_net")),
    }
    joined = windowed.filter(c("four_days") > 0).join(rhythm, on="customer_id").join(variety, on="customer_id").join(returned, on="customer_id", how="left")
    floats = [expression.cast(pl.Float32).fill_null(float("nan")).alias(name) for name, expression in chosen.items()]
    return joined.select("customer_id", *floats).sort("customer_id").collect()
