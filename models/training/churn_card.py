"""The text of churn's `CARD.md`: what the model is, what it was measured to do, and where it should not be trusted."""

from __future__ import annotations

from typing import Any

import card
from card import interval_text, number_text, with_interval
from matrix import Description

RELIABILITY_FILE = "reliability.svg"
LIFT_FILE = "lift.svg"

# What each metric means, in the order of the table.
METRICS = {
    "auc": "chance that a customer who left is ranked above one who stayed",
    "average_precision": "mean precision over all cut-offs of the ranking",
    "lift_at_10pct": "leavers among the first 10 %, relative to chance",
    "ece": "mean gap between said and seen, ten bins of equal size",
    "calibration_slope": "1 is right; below 1 is too sure of itself",
    "accuracy": "share of right yes/no answers at one half",
    "auc_minus_logistic": "paired difference on the same customers",
    "auc_minus_bgnbd_p_buy": "paired difference on the same customers",
}
BASELINES = {
    "recency_days": "days since the last purchase",
    "purchase_days_1h": "purchase days in the last horizon, fewer is worse",
    "bgnbd_p_buy": "BG/NBD probability of a purchase within the horizon",
    "logistic": "logistic regression on the same columns",
    "majority": "always the more frequent answer",
}
RIVALS = {"auc_minus_logistic": "logistic regression", "auc_minus_bgnbd_p_buy": "BG/NBD"}
# An AUC difference below this is called little: it moves about one leaver in two hundred past a customer who stays.
LITTLE = 0.005


def text(described: Description, manifest: dict[str, Any], metrics: list[dict[str, Any]]) -> str:
    """The whole card."""
    parts = [
        _head(described, manifest),
        _data(described),
        _results(metrics),
        _calibration(manifest, metrics),
        _columns(described, manifest),
        _training(manifest),
        _limits(described),
    ]
    return "\n".join(parts)


def _head(described: Description, manifest: dict[str, Any]) -> str:
    days = f"{described.horizon_days:g}"
    population = f"{4 * described.horizon_days:g}"
    return f"""# Model card: churn of {described.shop}

Version `{manifest["version"]}`, trained {manifest["created_at"][:10]}.

**What it predicts.** The probability that a customer makes no purchase in the next {days} days.

**For whom.** Customers of this shop with at least one purchase in the last {population} days. Others get no
probability: they are lapsed already, or unknown. The model is of this shop; another shop trains its own.

**What for.** To choose whom to contact before they are gone, and to say why. Not for prices, credit, or any decision
that a customer cannot escape.
"""


def _data(described: Description) -> str:
    row = (f"A row is one customer at one cut-off; its columns use events before the cut-off only, its label the"
           f" {described.horizon_days:g} days from it.")
    return card.data_section(described, row, "customers", "left")


def _results(metrics: list[dict[str, Any]]) -> str:
    names = [name for name in BASELINES if any(name in line["baselines"] for line in metrics)]
    lines = [
        "## Results on the test snapshots",
        "",
        "In brackets: 95 % intervals from a bootstrap over customers. Training reads no test row: every choice was made"
        " on earlier snapshots.",
        "",
        *card.results_table(sorted(metrics, key=_order), names, signed=frozenset(RIVALS)),
    ]
    lines += ["", "Metrics:", ""]
    shown = {line["metric"] for line in metrics}
    lines += [f"- `{name}`: {meaning}." for name, meaning in METRICS.items() if name in shown]
    lines += ["", "Baselines:", ""]
    lines += [f"- `{name}`: {BASELINES[name]}." for name in names]
    lines += ["", *(_verdict(line) for line in sorted(metrics, key=_order) if line["metric"] in RIVALS), ""]
    lines.append(f"![Lift curve]({LIFT_FILE})\n")
    return "\n".join(lines)


def _verdict(line: dict[str, Any]) -> str:
    """Plain words about a paired difference."""
    rival, where = RIVALS[line["metric"]], f"{number_text(line['value'], signed=True)} AUC, {interval_text(line, signed=True)}"
    if line["interval"] is None:
        return f"- Whether LightGBM ranks better than {rival} could not be determined."
    low, high = line["interval"]
    if low > 0.0 and line["value"] < LITTLE:
        return f"- LightGBM ranks better than {rival} by so little that few shops would notice ({where})."
    if low > 0.0:
        return f"- LightGBM ranks better than {rival} ({where})."
    if high < 0.0:
        return f"- **LightGBM ranks worse than {rival}** ({where}): the simpler model is the better choice."
    return f"- **LightGBM gains nothing measurable over {rival}** ({where}): the interval holds zero."


def _calibration(manifest: dict[str, Any], metrics: list[dict[str, Any]]) -> str:
    slope, intercept = manifest["calibration"]["slope"], manifest["calibration"]["intercept"]
    ece = next((with_interval(line) for line in metrics if line["metric"] == "ece"), "-")
    return f"""## Calibration

Platt scaling, fitted on the calibration snapshots: log-odds = {slope:.4f} x raw {intercept:+.4f}. Expected
calibration error on the test snapshots: {ece}. No class weights were used: they would move every
probability.

![Reliability]({RELIABILITY_FILE})
"""


def _columns(described: Description, manifest: dict[str, Any]) -> str:
    what = "Importance is the mean absolute contribution of a group to the raw log-odds on the calibration snapshot."
    return card.columns_section(described, manifest, what)


def _training(manifest: dict[str, Any]) -> str:
    training = manifest["training"]
    seen = training["validation"]
    parameters = training["parameters"]
    runtime = ", ".join(f"{name} {version}" for name, version in manifest["runtime"].items())
    return f"""## Training

LightGBM, {training["trees"]} trees with {training["leaves"]} leaves together ({parameters["num_leaves"]} at most per tree,
at least {parameters["min_data_in_leaf"]} rows per leaf). {seen["candidates"]} settings were fitted on the train snapshots
whose labels were known by {seen["judged_on"][0][:10]}, and judged by log loss on those from then on:

- best setting {seen["log_loss_best"]:.4f}
- smallest setting that is not measurably worse, taken: {seen["log_loss_chosen"]:.4f}
- logistic regression {seen["log_loss_logistic"]:.4f}

Made with {runtime}.
"""


def _limits(described: Description) -> str:
    return f"""## Limits and ethics

- Reasons are not causes. A contribution says what the model looked at; changing that value need not change what the
  customer does. Only a control group shows whether an offer keeps anyone.
- "Left" means no purchase for {described.horizon_days:g} days. Some come back by themselves.
- The model knows orders only: no complaints, no competitor, no move to another town.
- The intervals cover other customers of the same months, not another season. When the shop changes, train again, and
  watch the calibration: it fails first.
- A probability is for choosing where to spend attention and goodwill. Do not use it to treat a person worse, and keep
  it out of decisions about price or service level. Customer ids stay inside the shop.
"""


def _order(line: dict[str, Any]) -> tuple[int, str]:
    names = list(METRICS)
    return (names.index(line["metric"]) if line["metric"] in names else len(names), line["metric"])
