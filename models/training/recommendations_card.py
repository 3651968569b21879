"""The text of `CARD.md` of recommendations: what the model is, what it was measured to do, and where it should not be trusted."""

from __future__ import annotations

from typing import Any

import card
from matrix import Description

# What each metric means, in the order of the table.
METRICS = {
    "ndcg_at_10": "normalised discounted cumulative gain of the first 10 of `home`, ideal over min(10, n)",
    "recall_at_10": "share of the order's items among the first 10",
    "hit_rate_at_10": "share of customers with one of them at least",
    "ndcg_minus_decayed_frequency": "NDCG less that of decayed personal frequency, paired",
    "buy_again_recall_at_10": "of the items bought before, the share among the first 10 of `buy_again`",
    "buy_again_ndcg_at_10": "the same, NDCG",
    "discover_recall_at_10": "of the items never bought before, the share among the first 10 of `discover`; all methods show new items only",
    "discover_recall_ratio": "that over the recall of what sells most in 28 days",
    "cart_recall_at_10": "share of hidden items among the first 10 of `cart`, one hidden per order",
    "cart_mrr_at_10": "mean of one over the place of the hidden item, 0 beyond 10",
    "cart_recall_minus_cosine": "cart recall less that of item-item cosine, paired",
    "cold_recall_at_10": "recall of `home` for customers without an order before the cut",
    "coverage": "share of the items with 10 orders or more that `home` showed to anybody",
    "discover_coverage": "the same of `discover`",
    "popularity_percentile": "share of the shop's items that sell less than the mean item of `home`: popularity bias",
    "discover_popularity_percentile": "the same of `discover`",
    "share_in_stock": "share of the items of `home` that were in stock as the test began, when stock is looked at",
    "rule_violations": "items shown that were repeated, excluded, in the cart, or not what the surface is for",
    "customers": "customers with an order of 3 distinct items or more",
    "cold_customers": "of them, those without an order before the cut",
}
SIGNED = frozenset(("ndcg_minus_decayed_frequency", "cart_recall_minus_cosine"))
BASELINES = {
    "popularity": "orders with the item, ever",
    "popularity_28": "orders with the item in the last 28 days",
    "personal_frequency": "the customer's orders with it; ties by popularity; filled by what sells",
    "decayed_frequency": "the same, each order halved per 112 days since (the best of eight half-lives on the validation window)",
    "ease": "EASE over everything the customer bought, all items of the comparison",
    "stock_not_looked_at": "the same list without looking at stock",
    "cosine": "item-item cosine of orders, items with 10 orders or more, all neighbours",
}


def text(described: Description, manifest: dict[str, Any], metrics: list[dict[str, Any]]) -> str:
    """The whole card."""
    parts = [
        _head(described, manifest),
        card.data_section(described, "A row is a candidate for a customer at a cut-off, for one task.", "customers", "came true"),
        _results(metrics),
        card.columns_section(described, manifest, "Importance is the mean absolute contribution of a group to the raw score "
                             "over rows of the matrix."),
        _training(manifest),
        _limits(),
    ]
    return "\n".join(parts)


def _head(described: Description, manifest: dict[str, Any]) -> str:
    return f"""# Model card: recommendations of {described.shop}

Version `{manifest["version"]}`, trained {manifest["created_at"][:10]}.

**What it ranks.** At most 300 candidates for a customer: what comes next (`home`, `buy_again`), what would be new (`discover`), what
is missing in a cart (`cart`). Candidates come from the customer's own purchases, from EASE over them, from cosine to the cart, from
what sells in the customer's categories and in the shop.

**For whom.** Customers with an order, and carts. Visitors of whom nothing is known get what sells, and the answer says so.

**What it is not.** `relevance` is no probability: candidates that did not come true were sampled. Stock is no column: it is a rule.
"""


def _results(metrics: list[dict[str, Any]]) -> str:
    shown = {line["metric"]: line for line in metrics}
    ordered = [shown[name] for name in METRICS if name in shown]
    names = [name for name in BASELINES if any(name in line["baselines"] for line in ordered)]
    lines = [
        "## Results on the test window",
        "",
        "Customers are judged by their first order with 3 distinct items or more in the days after the cut; lists are the function's own"
        " answers before stock. Brackets hold 95 % intervals, by bootstrap over customers. The test window was looked at once.",
        "",
        *card.results_table(ordered, names, signed=SIGNED),
        "",
        "Metrics:",
        "",
        *(f"- `{name}`: {METRICS[name]}." for name in METRICS if name in shown),
        "",
        "Baselines:",
        "",
        *(f"- `{name}`: {BASELINES[name]}." for name in names),
        "",
    ]
    return "\n".join(lines)


def _training(manifest: dict[str, Any]) -> str:
    training = manifest["training"]
    parameters = training["parameters"]
    runtime = ", ".join(f"{name} {version}" for name, version in manifest["runtime"].items())
    return f"""## Training

LightGBM, {training["trees"]} trees with {training["leaves"]} leaves together ({parameters["num_leaves"]} at most per tree, at least
{parameters["min_data_in_leaf"]} rows per leaf), binary loss, one model for all tasks. Counters, EASE and cosine are fitted anew before
each snapshot, so that the model learns from neighbours that are as fresh as those it will be served with; the calibration snapshot
is one more of them, because a ranking needs no calibration.

Made with {runtime}.
"""


def _limits() -> str:
    return """## Limits

- A hit is an item that was bought anyway. Whether showing it sells more is for an experiment to say: offline metrics do not prove a
  click.
- Items that were first sold after the fit are not known; they come with the next fit.
- EASE compares the 6,000 items with most orders, 30 at least; others are discovered through categories and what sells only.
- Products that run out are still learned from as if they had been there: the data has no record of what was wanted and missing.
"""
