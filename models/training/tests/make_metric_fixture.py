"""Writes the fixture that the Rust metrics are tested against: rows, and what scikit-learn says of them.

    .tools/venv/bin/python models/training/tests/make_metric_fixture.py > models/offline/src/evaluate/fixture.json

What scikit-learn does not have (lift, error of equal-count bins) is recomputed here in the plainest way, on rows
repeated as often as their weight says.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from logistic import baseline_log_odds, fit_baseline  # noqa: E402

ROWS = 240


def ece(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Ten bins of equal count, from the highest probability down."""
    order = np.argsort(-probabilities, kind="stable")
    edges = [b * len(order) // 10 for b in range(11)]
    gaps = [abs(probabilities[order[a:b]].sum() - labels[order[a:b]].sum()) for a, b in zip(edges, edges[1:])]
    return sum(gaps) / len(order)


def lift(scores: np.ndarray, labels: np.ndarray) -> float:
    """Lift of the first 10 %, as the mean over all orders of tied rows."""
    taken = math.ceil(len(scores) / 10)
    edge = np.sort(scores)[::-1][taken - 1]
    above, tied = scores > edge, scores == edge
    hits = labels[above].sum() + labels[tied].mean() * (taken - above.sum())
    return hits / taken / labels.mean()


def expected(scores: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """All metrics."""
    log_odds = np.log(probabilities / (1.0 - probabilities))[:, None]
    slope = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky", max_iter=1000).fit(log_odds, labels)
    return {
        "auc": roc_auc_score(labels, scores),
        "average_precision": average_precision_score(labels, scores),
        "lift_at_10pct": lift(scores, labels),
        "ece": ece(probabilities, labels),
        "calibration_slope": float(slope.coef_[0, 0]),
        "accuracy": accuracy_score(labels, probabilities >= 0.5),
        "majority_accuracy": max(labels.mean(), 1.0 - labels.mean()),
    }


def main() -> None:
    """Prints the fixture."""
    random = np.random.default_rng(11)
    truth = random.normal(-1.2, 1.5, ROWS)
    labels = (random.uniform(size=ROWS) < 1.0 / (1.0 + np.exp(-truth))).astype(int)
    scores = np.round(truth + random.normal(0.0, 0.8, ROWS), 1)  # one decimal: many ties
    probabilities = np.round(1.0 / (1.0 + np.exp(-1.3 * scores)), 6)
    weights = random.poisson(1.0, ROWS)
    drawn = np.repeat(np.arange(ROWS), weights)
    values = np.column_stack([truth, np.exp(truth * 2.0), random.normal(size=ROWS)]).round(3).astype(np.float32)
    values[::17, 1] = np.nan
    names = ["plain", "heavy_tail", "noise"]
    baseline = fit_baseline(names, values, labels.astype(float), l2=2.0)
    print(json.dumps({
        "labels": labels.tolist(),
        "scores": scores.tolist(),
        "probabilities": probabilities.tolist(),
        "weights": weights.tolist(),
        "expected": expected(scores, probabilities, labels),
        "expected_weighted": expected(scores[drawn], probabilities[drawn], labels[drawn]),
        "baseline": {
            "names": names,
            "json": baseline,
            "rows": [[None if np.isnan(v) else float(v) for v in row] for row in values[:20]],
            "log_odds": baseline_log_odds(baseline, names, values[:20]).tolist(),
        },
    }))


if __name__ == "__main__":
    main()
