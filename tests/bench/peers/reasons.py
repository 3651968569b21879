"""Reasons from LightGBM's own exact contributions, added up by group and scaled to the calibrated log-odds."""

from __future__ import annotations

import lightgbm
from stores import read_model


class Reasons:
    def __init__(self, parameters: dict, booster: lightgbm.Booster | None = None):
        self.booster = booster or lightgbm.Booster(model_str=read_model("model.txt")["model.txt"].decode())
        self.slope, self.intercept = parameters["calibration"]["slope"], parameters["calibration"]["intercept"]
        self.groups = parameters["groups"]

    def of(self, row) -> dict:
        """`row` is one row of columns."""
        *values, base = self.booster.predict(row, pred_contrib=True, num_threads=1)[0].tolist()
        reasons = dict.fromkeys(self.groups, 0.0)
        for group, value in zip(self.groups, values):
            reasons[group] += self.slope * value
        strongest = sorted(reasons.items(), key=lambda reason: -abs(reason[1]))
        return {
            "base_log_odds": self.slope * base + self.intercept,
            "reasons": [{"group": group, "log_odds": value} for group, value in strongest],
        }
