"""How each column and the raw score were distributed in training: what serving holds later rows against.

The Rust type `serving::drift::Distribution` is the schema, and says what becomes of it there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BINS = 10


def of_rows(values: np.ndarray, raw: np.ndarray) -> dict[str, Any]:
    """Of float32 columns of shape (rows, columns), in their order, and of the raw scores of the same rows."""
    return {"columns": [of_column(column) for column in values.T], "raw": of_column(raw.astype(np.float32))}


def of_column(column: np.ndarray) -> dict[str, list[Any]]:
    """Deciles that differ, as upper edges of bins, and how many rows fall into each: first those that are NaN, last those above every edge."""
    known = column[~np.isnan(column)]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf")) if len(known) else known
    edges = edges[np.isfinite(edges)]
    # A value that equals an edge belongs below it.
    bins = np.searchsorted(edges, known, side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    return {"edges": [float(str(edge)) for edge in edges], "rows": [int(len(column) - len(known)), *map(int, counts)]}
