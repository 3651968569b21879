"""The plots of the model cards, from the curves that `storecast evaluate` wrote. Equal curves give equal bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# Ids in the file are hashes: with a fixed salt they do not change from run to run. Paths instead of text would change
# with the fonts of the machine.
matplotlib.rcParams.update({"svg.hashsalt": "storecast", "svg.fonttype": "none", "font.family": "sans-serif"})

from matplotlib import pyplot  # noqa: E402  (the backend must be chosen first)

# A method keeps its colour from plot to plot; what is not named here is the model.
MODEL_COLOUR = "#1b6ca8"
COLOURS = {"recency_days": "#bc6c25", "purchase_days_1h": "#6a994e", "bgnbd_p_buy": "#d1495b", "logistic": "#8d6a9f",
           "naive": "#bc6c25", "mean_8": "#a3b18a", "ses": "#6a994e", "sba": "#8d6a9f", "tsb": "#c08497",
           "poisson": "#d1495b", "negbin_ses": "#6a994e"}
MUTED = "#888888"
# The bar of coverage, in points.
BAR_POINTS = 3.0
NO_DATE = {"Date": None, "Creator": None}


def reliability(curves: dict[str, Any], path: Path) -> None:
    """What was said against what happened, in ten bins of equal size, with 95 % intervals for the model."""
    figure, axes = pyplot.subplots(figsize=(5.6, 4.6))
    highest = 0.0
    for place, curve in enumerate(curves["reliability"]):
        said = [b["predicted"] for b in curve["bins"]]
        happened = [b["observed"] for b in curve["bins"]]
        highest = max(highest, *said, *happened)
        axes.plot(said, happened, marker="o", markersize=4, linewidth=1.2, color=_colour(curve),
                  label=curve["name"])
        if place == 0:
            axes.vlines(said, [b["low"] for b in curve["bins"]], [b["high"] for b in curve["bins"]],
                        color=_colour(curve), linewidth=1.0)
            highest = max(highest, *(b["high"] for b in curve["bins"]))
    edge = min(1.0, highest * 1.05)
    axes.plot([0, edge], [0, edge], color=MUTED, linewidth=0.8, linestyle="--", label="perfect")
    axes.set(xlim=(0, edge), ylim=(0, edge), xlabel="predicted probability of leaving", ylabel="share that left",
             title="Reliability on the test snapshots")
    _save(figure, axes, path)


def lift(curves: dict[str, Any], path: Path) -> None:
    """How many times more leavers than at random are among the first x % by score."""
    figure, axes = pyplot.subplots(figsize=(5.6, 4.6))
    for curve in curves["lift"]:
        axes.plot([100.0 * p["share"] for p in curve["points"]], [p["lift"] for p in curve["points"]], linewidth=1.4,
                  color=_colour(curve), label=curve["name"])
    axes.axhline(1.0, color=MUTED, linewidth=0.8, linestyle="--", label="at random")
    axes.set(xlim=(0, 100), xlabel="% of customers contacted, highest risk first", ylabel="lift",
             title="Lift on the test snapshots")
    axes.set_ylim(bottom=0)
    _save(figure, axes, path)


def coverage(curves: dict[str, Any], path: Path) -> None:
    """By how much the share of demand within each quantile misses the quantile's level; the band is the bar."""
    figure, axes = pyplot.subplots(figsize=(5.6, 4.6))
    axes.axhspan(-BAR_POINTS, BAR_POINTS, color=MUTED, alpha=0.15, linewidth=0, label=f"within {BAR_POINTS:g} points")
    axes.axhline(0.0, color=MUTED, linewidth=0.8, linestyle="--")
    for curve in curves["coverage"]:
        levels = [100.0 * p["level"] for p in curve["points"]]
        gaps = [100.0 * (p["covered"] - p["level"]) for p in curve["points"]]
        axes.plot(levels, gaps, linewidth=1.4, color=_colour(curve), label=curve["name"])
    axes.set(xlim=(0, 100), xlabel="level of the quantile, %", ylabel="points of demand within it, less the level",
             title="Coverage on the test snapshots")
    _save(figure, axes, path)


def pinball(curves: dict[str, Any], path: Path) -> None:
    """Mean pinball loss by method; whiskers are 95 % intervals."""
    figure, axes = pyplot.subplots(figsize=(5.6, 0.6 * len(curves["pinball"]) + 1.4))
    for place, bar in enumerate(curves["pinball"]):
        axes.barh(place, bar["value"], height=0.6, color=_colour(bar))
        if bar.get("low") is not None:
            axes.hlines(place, bar["low"], bar["high"], color="black", linewidth=1.0)
        axes.text(bar["value"] / 2.0, place, f"{bar['value']:.3f}", va="center", ha="center", color="white", fontsize=8)
    axes.set_yticks(range(len(curves["pinball"])), [bar["name"] for bar in curves["pinball"]])
    axes.invert_yaxis()
    axes.set(xlim=(0, None), xlabel="mean pinball loss, units (less is better)", title="Quantiles on the test snapshots")
    _save(figure, axes, path, legend=False)


def _colour(curve: dict[str, Any]) -> str:
    return COLOURS.get(curve["name"], MODEL_COLOUR)


def _save(figure: Any, axes: Any, path: Path, legend: bool = True) -> None:
    if legend:
        axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata=NO_DATE)
    pyplot.close(figure)
