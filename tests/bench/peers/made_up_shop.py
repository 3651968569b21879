"""The made-up shop of `models/offline/examples/shelves.rs`, customer by customer, and what that example kept of its fit.

Customers and stock levels are made here again by the same rules; the fitted tables are read from its folder, as a night's job would leave
them for whoever serves.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

FIRST_DAY, DAYS, CUSTOMERS, LINES, SALES_PER_ITEM, DRAWS = 17_000, 300, 2_500, 10, 20, 3
DAY = 86_400
NOW = (FIRST_DAY + DAYS) * DAY
SEED, STEP = np.uint64(7), np.uint64(0x9E3779B97F4A7C15)


def numbers(count: int) -> np.ndarray:
    """`SplitMix64`: the n-th number depends on n alone."""
    bits = SEED + STEP * np.arange(1, count + 1, dtype=np.uint64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def histories(items: int) -> list[bytes]:
    """Of each customer, orders as `[placed_at, local_day, product ids]` in compact JSON, which Python reads faster than packed numbers."""
    orders = max(items * SALES_PER_ITEM // LINES // CUSTOMERS, 4)
    drawn = numbers(CUSTOMERS * orders * LINES * DRAWS) % np.uint64(items)
    bought = drawn.reshape(CUSTOMERS, orders, LINES, DRAWS).min(axis=3)
    days = [FIRST_DAY + number * DAYS // orders for number in range(orders)]

    def history(of_customer: list) -> bytes:
        placed = [[day * DAY + 40_000, day, [f"sku-{item:06}" for item in order]] for day, order in zip(days, of_customer)]
        return json.dumps(placed, separators=(",", ":")).encode()

    return [history(of_customer) for of_customer in bought.tolist()]


def level(product_id: str) -> tuple[float, float]:
    """Units on hand, and units sold a day."""
    return 5.0 if int(product_id[4:]) % 20 else 0.0, 0.5


def sections(path: Path) -> list[bytes]:
    """The parts of a table; its layout is that of `functions/recommendations/src/tables.rs`."""
    file = path.read_bytes()
    head = np.frombuffer(file[4:16], "<u4")
    if file[:4] != b"SCTB" or head[0] != 1:
        raise ValueError(f"{path}: no table of layout 1")
    lengths = np.frombuffer(file[16 : 16 + 4 * head[2]], "<u4").astype(np.int64)
    starts = 16 + 4 * int(head[2]) + np.concatenate([[0], np.cumsum((lengths + 3) // 4 * 4)[:-1]])
    return [file[start : start + length] for start, length in zip(starts.tolist(), lengths.tolist())]


def texts(ends: bytes, text: bytes) -> list[str]:
    marks = np.frombuffer(ends, "<u4").tolist()
    return [text[start:end].decode() for start, end in zip(marks, marks[1:])]


class Fitted:
    """What was fitted: of every item its category, counts and figures; lists of what sells; and the weights of items that go together."""

    def __init__(self, folder: Path):
        (ids, id_text, names, name_text, _, _, category, _, *orders, gap, repeat, price, _, _, trending_28, trending_7, ends, lists) = sections(
            folder / "catalogue.bin"
        )
        self.ids, self.category_names = texts(ids, id_text), texts(names, name_text)
        self.category = np.frombuffer(category, "<u4").astype(np.intp)
        self.orders = [np.frombuffer(counts, "<u4").astype(np.int64) for counts in orders]
        self.gap, self.repeat, self.price = (np.frombuffer(figures, "<f4").astype(np.float64) for figures in (gap, repeat, price))
        self.trending = [np.frombuffer(listed, "<u4").astype(np.intp) for listed in (trending_28, trending_7)]
        marks, listed = np.frombuffer(ends, "<u4"), np.frombuffer(lists, "<u4").astype(np.intp)
        self.best_of = [listed[start:end] for start, end in zip(marks, marks[1:])]
        rows, columns, weights = sections(folder / "likes.bin")
        self.rows = np.frombuffer(rows, "<u4").astype(np.int32)
        self.columns = np.frombuffer(columns, "<u4").astype(np.int32)
        self.weights = np.frombuffer(weights, "<f4").astype(np.float64)
        self.shop_orders = json.loads((folder / "artifacts.json").read_text())["orders"]
