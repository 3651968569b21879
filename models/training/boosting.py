"""Choose and fit a LightGBM model, with train snapshots only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any, Callable, Mapping, Sequence

import lightgbm
import numpy as np

from matrix import Description, Rows, instant

# One thread and row-wise histograms in a fixed order: the same rows give the same bytes.
REPEATABLE: dict[str, Any] = {
    "seed": 20170101,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
# The size of the file and the time of a prediction grow with trees x leaves; 200 x 31 is the most that is worth it.
MOST_TREES = 200
PATIENCE = 25


@dataclass(frozen=True)
class Objective:
    """What a model is fitted for: LightGBM's parameters, a small grid of others, and the loss that chooses in it."""

    fixed: Mapping[str, Any]
    grid: Mapping[str, Sequence[Any]]
    metric: str
    """LightGBM's name of the loss that stops the trees."""
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Loss per row of raw scores (offset included) and labels."""
    loss_name: str
    offset: str | None = None
    """The extra column that is added to every raw score: what is known before any tree."""


@dataclass(frozen=True)
class Choice:
    """What the validation snapshots chose, and what they saw."""

    parameters: dict[str, Any]
    trees: int
    record: dict[str, Any]


def validation_split(described: Description) -> tuple[set[str], set[str]]:
    """Train cut-offs to fit on and to choose by: the last third, and those whose labels were known before it."""
    cutoffs = described.cutoffs["train"]
    horizon = timedelta(days=described.horizon_days)
    for first in range(len(cutoffs) - max(1, len(cutoffs) // 3), len(cutoffs)):
        known = {c for c in cutoffs if instant(c) + horizon <= instant(cutoffs[first])}
        if known:
            return known, set(cutoffs[first:])
    raise AssertionError("checked before: two train snapshots are a horizon apart")


def validation_rows(described: Description, train: Rows) -> tuple[Rows, Rows]:
    """The train rows to fit on and those to choose by. No label of the first was still open at the second."""
    fit_on, judge_on = validation_split(described)
    return train.at(fit_on).known_by(min(judge_on, key=instant)), train.at(judge_on)


def choose(described: Description, objective: Objective, train: Rows) -> Choice:
    """Searches the small grid by time-split validation, and takes the smallest model that is not measurably worse.

    "Measurably" is one standard error of the paired difference in loss to the best candidate, over entities.
    """
    fit, judge = validation_rows(described, train)
    candidates = []
    for values in product(*objective.grid.values()):
        parameters = dict(zip(objective.grid, values))
        booster, trees = _stopped(described, objective, fit, judge, parameters)
        raw = booster.predict(judge.values, raw_score=True, num_iteration=trees)
        candidates.append((parameters, trees, objective.loss(raw + offsets(described, objective, judge), judge.labels)))
    best = min(candidates, key=lambda c: c[2].mean())
    close = [c for c in candidates if within_one_error(c[2] - best[2], judge.entities)]
    chosen = min(close, key=lambda c: (c[0]["num_leaves"] * c[1], c[2].mean()))
    fit_on, judge_on = validation_split(described)
    record = {
        "fitted_on": sorted(fit_on),
        "judged_on": sorted(judge_on),
        "candidates": len(candidates),
        f"{objective.loss_name}_best": round(float(best[2].mean()), 6),
        f"{objective.loss_name}_chosen": round(float(chosen[2].mean()), 6),
    }
    return Choice(chosen[0], chosen[1], record)


def fit(
    described: Description, objective: Objective, rows: Rows, parameters: dict[str, Any], trees: int
) -> lightgbm.Booster:
    """Fits `trees` trees."""
    data = data_set(described.names, rows.values, rows.labels, offsets(described, objective, rows))
    return lightgbm.train({**objective.fixed, **parameters}, data, num_boost_round=trees)


def offsets(described: Description, objective: Objective, rows: Rows) -> np.ndarray | float:
    """What is added to the raw score of each row."""
    if objective.offset is None:
        return 0.0
    return np.ascontiguousarray(rows.extras[:, described.extras.index(objective.offset)])


def size(booster: lightgbm.Booster) -> tuple[int, int]:
    """Trees and leaves."""
    trees = booster.dump_model()["tree_info"]
    return len(trees), sum(tree["num_leaves"] for tree in trees)


def importance_by_group(described: Description, booster: lightgbm.Booster, rows: Rows, most: int) -> dict[str, float]:
    """Mean absolute contribution to the raw score per group of columns; signed values are added up before.

    Over at most `most` rows, taken evenly.
    """
    picked = np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)
    contributions = booster.predict(rows.values[picked], pred_contrib=True)[:, :-1]
    groups: dict[str, np.ndarray] = {}
    for index, column in enumerate(described.columns):
        groups[column.group] = groups.get(column.group, 0.0) + contributions[:, index]
    means = {group: round(float(np.abs(total).mean()), 4) for group, total in groups.items()}
    return dict(sorted(means.items(), key=lambda pair: (-pair[1], pair[0])))


def data_set(
    names: list[str], values: np.ndarray, labels: np.ndarray, offset: np.ndarray | float = 0.0,
    weights: np.ndarray | None = None,
) -> lightgbm.Dataset:
    """The rows, and one of no weight in which every column is missing.

    LightGBM reads NaN as 0 in columns that were never missing in training. With the extra row every column knows
    "missing", so that a value that is absent only in service goes the way of the larger side and not the way of zero.
    """
    values = np.vstack([values, np.full((1, values.shape[1]), np.nan, dtype=np.float32)])
    weights = np.append(np.ones(len(labels)) if weights is None else weights, 0.0)
    start = None if np.ndim(offset) == 0 else np.append(offset, 0.0)
    return lightgbm.Dataset(values, label=np.append(labels, 0.0), weight=weights, init_score=start,
                            feature_name=names, free_raw_data=False)


def _stopped(
    described: Description, objective: Objective, fit_rows: Rows, judge: Rows, parameters: dict[str, Any]
) -> tuple[lightgbm.Booster, int]:
    data = data_set(described.names, fit_rows.values, fit_rows.labels, offsets(described, objective, fit_rows))
    start = offsets(described, objective, judge)
    valid = lightgbm.Dataset(judge.values, label=judge.labels, init_score=None if np.ndim(start) == 0 else start,
                             reference=data, free_raw_data=False)
    booster = lightgbm.train(
        {**objective.fixed, **parameters, "metric": objective.metric}, data, num_boost_round=MOST_TREES,
        valid_sets=[valid], callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return booster, max(1, booster.best_iteration)


def within_one_error(differences: np.ndarray, entities: np.ndarray) -> bool:
    """Is the mean difference at most one standard error above zero? Rows of one entity count as one draw."""
    return bool(differences.mean() <= clustered_error(differences, entities))


def clustered_error(values: np.ndarray, entities: np.ndarray) -> float:
    """Standard error of the mean; rows of one entity count as one draw."""
    _, owner = np.unique(entities.astype(str), return_inverse=True)
    centred = np.bincount(owner, weights=values - values.mean())
    return float(np.sqrt((centred**2).sum()) / len(values))
