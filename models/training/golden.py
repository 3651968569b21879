"""Golden rows: cases with what LightGBM answered, replayed whenever the model is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from export import float32_threshold
from matrix import Description, Refused

EXTREMES = {"zero": 0.0, "minus_zero": -0.0, "huge": 1e30, "minus_huge": -1e30, "inf": np.inf, "minus_inf": -np.inf}
THRESHOLD_COLUMNS = 8
MIXED_ROWS = 6


def golden_rows(described: Description, booster: lightgbm.Booster) -> dict[str, Any]:
    """`golden.json`: ordinary rows from histories, and rows built to hurt.

    Built rows lie exactly on split thresholds (as the ONNX file holds them), one float32 above, on a mix of thresholds
    in every column at once, have every value missing, each column missing, or every value extreme.
    """
    histories = _histories(described)
    built = _built(described, booster, histories[0]["row"])
    values = np.array([row["row"] for row in histories] + [row for _, row in built], dtype=np.float32)
    raw = booster.predict(values, raw_score=True)
    contributions = booster.predict(values, pred_contrib=True)
    rows = []
    for index, row in enumerate(values):
        known = (
            {key: histories[index][key] for key in ("name", "entity", "as_of")}
            if index < len(histories)
            else {"name": built[index - len(histories)][0]}
        )
        rows.append({
            **known,
            "features": [json_number(value) for value in row],
            "raw": float(raw[index]),
            "contributions": [float(c) for c in contributions[index, :-1]],
            "base": float(contributions[index, -1]),
        })
    return {"rows": rows}


def json_number(value: np.float32) -> float | str | None:
    """A float32 as JSON holds it: exact digits, `null` for NaN, and the infinities by name."""
    if np.isnan(value):
        return None
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(value)


def float32(value: float | int | str | None) -> np.float32:
    """The inverse of `json_number`."""
    return np.float32(np.nan) if value is None else np.float32(float(value))


def _histories(described: Description) -> list[dict[str, Any]]:
    path = Path(described.folder) / "golden_histories.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    if not rows:
        raise Refused(f"{path}: no rows, at least 1 needed")
    for row in rows:
        if len(row["features"]) != len(described.columns):
            raise Refused(f"{path}: row {row['name']} has {len(row['features'])} columns, not {len(described.columns)}")
        row["row"] = np.array([float32(value) for value in row["features"]], dtype=np.float32)
    return rows


def _built(described: Description, booster: lightgbm.Booster, ordinary: np.ndarray) -> list[tuple[str, np.ndarray]]:
    names, rows = described.names, []

    def changed(name: str, changes: dict[int, np.float32]) -> None:
        row = ordinary.copy()
        for index, value in changes.items():
            row[index] = value
        rows.append((name, row))

    thresholds = split_thresholds(booster)
    for index in sorted(thresholds, key=lambda i: (-sum(gain for _, gain in thresholds[i]), i))[:THRESHOLD_COLUMNS]:
        value = max(thresholds[index], key=lambda split: (split[1], -split[0]))[0]
        changed(f"threshold: {names[index]} on a split", {index: value})
        changed(f"threshold: {names[index]} just above a split",
                {index: np.nextafter(value, np.float32(np.inf))})
        changed(f"missing: {names[index]}", {index: np.float32(np.nan)})
    for turn in range(MIXED_ROWS):
        # Every column on one of its thresholds at once, walking through them evenly.
        changed(f"threshold: every column, {turn + 1}", {
            index: sorted(value for value, _ in splits)[(turn * len(splits)) // MIXED_ROWS]
            for index, splits in thresholds.items()
        })
    everywhere = range(len(names))
    changed("missing: every column", {index: np.float32(np.nan) for index in everywhere})
    for name, value in EXTREMES.items():
        changed(f"extreme: every column {name}", {index: np.float32(value) for index in everywhere})
    return rows


def split_thresholds(booster: lightgbm.Booster) -> dict[int, list[tuple[np.float32, float]]]:
    """Per column the thresholds, as the exported file holds them, each with its gain."""
    found: dict[int, list[tuple[np.float32, float]]] = {}
    pending = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while pending:
        node = pending.pop()
        if "split_feature" in node:
            value = float32_threshold(node["threshold"])
            found.setdefault(node["split_feature"], []).append((value, float(node["split_gain"])))
            pending += [node["left_child"], node["right_child"]]
    return found
