"""Recommendations in a made-up shop: `item_item.py implicit|numpy MODEL_FOLDER FITTED_FOLDER ITEMS REQUESTS`.

The same answer for the surface `home` as the project's: the customer's own items, what their buyers also buy, what sells, 31 columns, the
model by ONNX Runtime, the shop's rules and stock, the ten best. Left out: reasons, what was left out, and filling up where candidates are
too few. With `implicit`, its scorer finds the items that go with the customer's; with `numpy` they are taken from the sums that the columns
need anyway.

Made fast: one thread; the session, and the columns that depend on the item alone, are kept; ids are numbers from the first step on; ties
are broken by one number that is counted beforehand; everything of a customer and of the candidates is on arrays. `implicit` is asked for
its best 80 only: for all scores it sorts them, which takes three times as long as adding them up by numpy (tried). Prints one line of
JSON, the milliseconds of each answer from the text of the request to that of the answer, and leaves the answers in
FITTED_FOLDER/peer.jsonl.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnxruntime
from implicit.nearest_neighbours import ItemItemRecommender, NearestNeighboursScorer
from made_up_shop import CUSTOMERS, DAY, NOW, Fitted, histories, level
from scipy.sparse import csr_matrix

CANDIDATES, ANSWERS = 300, 10
OWN_LONG, OWN_SHORT, LIKED, TRENDING, CATEGORIES, PER_CATEGORY = 120, 60, 80, 30, 15, 8
SHORT_DAYS, LONG_DAYS, LEAST_GAP = 28.0, 112.0, 0.5
COLUMNS = 31
OWN_PURCHASES, ALSO_BOUGHT, SELLS, OF_CATEGORY = range(4)
SOURCES = ("own_purchases", "also_bought", "trending", "category")
NAN = np.nan
AS_OF = datetime.fromtimestamp(NOW, timezone.utc).isoformat().replace("+00:00", "Z")


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.shape(whole), NAN), where=whole > 0)


class States:
    """What a customer bought of each of some things, by number: how often, how lately, at what distance."""

    def __init__(self, keys: np.ndarray, orders: "Orders"):
        # Keys are thing x orders + place, rising.
        thing, place = np.divmod(keys, orders.count)
        starts = np.flatnonzero(np.diff(thing, prepend=-1))
        ends = np.append(starts[1:], len(keys)) - 1
        group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(keys))))
        self.things, self.number = thing[starts], ends - starts + 1
        self.first, self.last = place[starts], place[ends]
        self.long = np.bincount(group, orders.long[place])
        self.short = np.bincount(group, orders.short[place])
        day = orders.day[place]
        other_day = np.empty(len(day), bool)
        other_day[1:] = day[1:] != day[:-1]
        other_day[starts] = True
        days = np.bincount(group, other_day)
        span = day[ends] - day[starts]
        self.gap = np.divide(span, days - 1.0, out=np.full(len(days), NAN), where=days > 1)
        self.since = orders.age[self.last]


class Orders:
    """When the customer's orders were placed, and what an item of each counts for by now."""

    def __init__(self, placed_at: list[int], local_day: list[int]):
        self.count = len(placed_at)
        self.day = np.array(local_day)
        self.age = (NOW - np.array(placed_at)) / DAY
        self.short, self.long = 2.0 ** (-self.age / SHORT_DAYS), 2.0 ** (-self.age / LONG_DAYS)


class Shop:
    def __init__(self, engine: str, model: Path, fitted: Fitted):
        self.fitted = fitted
        self.number = {product_id: number for number, product_id in enumerate(fitted.ids)}
        count = len(fitted.ids)
        # Ties go to what sells more, then to the lower number.
        self.tie = np.empty(count, np.int64)
        self.tie[np.lexsort((np.arange(count), -fitted.orders[0]))] = np.arange(count)
        self.place_of, self.place_of_category = np.full(count, -1), np.full(len(fitted.category_names), -1)
        self.looked_up = self.item_columns()
        self.liked = {"implicit": self.liked_by_implicit, "numpy": self.liked_by_numpy}[engine]
        similarity = csr_matrix((fitted.weights, fitted.columns, fitted.rows), shape=(count, count))
        self.neighbours = ItemItemRecommender(K=int(np.diff(fitted.rows).max()), num_threads=1)
        self.neighbours.similarity, self.neighbours.scorer = similarity, NearestNeighboursScorer(similarity)
        self.session(model / "model.onnx")
        self.rules(json.loads((model / "policy.json").read_text()))

    def session(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.model = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input, self.output = self.model.get_inputs()[0].name, [self.model.get_outputs()[0].name]

    def rules(self, policy: dict) -> None:
        """What the shop's rules and stock come to for every item."""
        unknown = [name for name in ("least_margin_share", "most_per_category", "pinned", "explore") if policy[name]]
        if unknown or policy["excluded_brands"] or policy["cover"]["overstock"]:
            raise ValueError(f"rules that this peer does not know: {unknown}")
        banned = {*policy["excluded_categories"], *policy["age_restricted_categories"]}
        allowed = np.array([name not in banned for name in self.fitted.category_names])[self.fitted.category]
        allowed[[self.number[product_id] for product_id in policy["excluded_product_ids"]]] = False
        self.on_hand, sold = np.array([level(product_id) for product_id in self.fitted.ids]).T
        self.cover = self.on_hand / sold
        self.offered = allowed & (self.on_hand > 0.0)
        self.adjustment = np.where(self.cover < policy["cover"]["runs_out_below_days"], -policy["cover"]["runs_out_penalty"], 0.0)

    def item_columns(self) -> np.ndarray:
        """Columns of every item for a customer who never bought it or its category."""
        ever, month, week = self.fitted.orders
        of_shop = self.fitted.shop_orders
        columns = np.full((len(ever), COLUMNS), NAN)
        columns[:, [0, 1, 2, 7, 21, 30]] = 0.0
        for column, counts, orders in ((8, week, of_shop[2]), (9, month, of_shop[1]), (10, ever, of_shop[0])):
            columns[:, column] = counts / max(orders, 1)
        columns[:, 11] = ((week + 1.0) / (of_shop[2] + 1.0)) / ((ever + 1.0) / (of_shop[0] + 1.0))
        columns[:, 12], columns[:, 13], columns[:, 15] = self.fitted.repeat, self.fitted.gap, self.fitted.price
        category_orders = np.bincount(self.fitted.category, month)
        columns[:, 23] = share(month, category_orders[self.fitted.category])
        return columns.astype(np.float32)

    def best(self, items: np.ndarray, scores: np.ndarray, most: int) -> np.ndarray:
        """The best of scored items, ties included in their order."""
        if len(items) > 2 * most:
            least = np.partition(scores, len(scores) - most)[len(scores) - most]
            kept = scores >= least
            items, scores = items[kept], scores[kept]
        return items[np.lexsort((self.tie[items], -scores))[:most]]

    def ranks(self, items: np.ndarray, scores: np.ndarray) -> np.ndarray:
        ranks = np.empty(len(items))
        ranks[np.lexsort((self.tie[items], -scores))] = np.arange(1.0, len(items) + 1.0)
        return ranks

    def likes(self, own: States, weights: np.ndarray) -> np.ndarray:
        """Of every item, what goes with the customer's items, summed over them."""
        starts = self.fitted.rows[own.things]
        lengths = self.fitted.rows[own.things + 1] - starts
        before = np.cumsum(lengths) - lengths
        at = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
        return np.bincount(self.fitted.columns[at], self.fitted.weights[at] * np.repeat(weights, lengths), len(self.tie))

    def liked_by_implicit(self, own: States, weights: np.ndarray, _: np.ndarray) -> np.ndarray:
        bought = csr_matrix((weights, own.things, [0, len(weights)]), shape=(1, len(self.tie)))
        return self.best(*self.neighbours.recommend(0, bought, N=LIKED, filter_already_liked_items=False), LIKED)

    def liked_by_numpy(self, _: States, __: np.ndarray, likes: np.ndarray) -> np.ndarray:
        touched = np.flatnonzero(likes)
        return self.best(touched, likes[touched], LIKED)

    def candidates(self, own: States, of_category: States, liked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """At most 300 items, each with the list that brought it first."""
        top = of_category.things[np.lexsort((of_category.things, -of_category.long))[:CATEGORIES]]
        lists = [
            (OWN_PURCHASES, self.best(own.things, own.long, OWN_LONG)), (OWN_PURCHASES, self.best(own.things, own.short, OWN_SHORT)),
            (ALSO_BOUGHT, liked), *((SELLS, listed[:TRENDING]) for listed in self.fitted.trending),
            *((OF_CATEGORY, self.fitted.best_of[category][:PER_CATEGORY]) for category in top.tolist()),
        ]
        every = np.concatenate([listed for _, listed in lists])
        _, first = np.unique(every, return_index=True)
        first.sort()
        sources = np.repeat([source for source, _ in lists], [len(listed) for _, listed in lists])
        return every[first[:CANDIDATES]], sources[first[:CANDIDATES]]

    def columns(self, found: np.ndarray, orders: Orders, own: States, of_category: States, likes: np.ndarray) -> np.ndarray:
        rows = self.looked_up[found]
        self.place_of[own.things] = np.arange(len(own.things))
        place = self.place_of[found]
        self.place_of[own.things] = -1
        at = np.flatnonzero(place >= 0)
        of = place[at]
        since, gap = own.since[of], own.gap[of]
        rows[at, 0], rows[at, 1], rows[at, 2] = own.number[of], own.short[of], own.long[of]
        rows[at, 3], rows[at, 4] = since, gap
        rows[at, 5] = since / np.maximum(gap, LEAST_GAP)
        rows[at, 6] = orders.count - 1.0 - own.last[of]
        rows[at, 7] = own.number[of] / (orders.count - own.first[of])
        rows[at, 14] = since / np.maximum(self.fitted.gap[found[at]], LEAST_GAP)
        memory = np.zeros(len(found))
        memory[at] = own.long[of]
        rows[:, 16], rows[:, 17], rows[:, 27] = likes, self.ranks(found, likes), self.ranks(found, memory)
        self.place_of_category[of_category.things] = np.arange(len(of_category.things))
        place = self.place_of_category[self.fitted.category[found]]
        self.place_of_category[of_category.things] = -1
        at = np.flatnonzero(place >= 0)
        of = place[at]
        rows[at, 21] = of_category.long[of] / of_category.long.sum()
        rows[at, 22] = of_category.since[of] / of_category.gap[of]
        rows[at, 29] = of_category.distinct[of] / of_category.number[of]
        return rows

    def customer(self, history: list) -> tuple[Orders, States, States]:
        orders = Orders([placed_at for placed_at, _, _ in history], [day for _, day, _ in history])
        number = self.number
        keys = [number[bought] * orders.count + place for place, (_, _, products) in enumerate(history) for bought in products]
        keys = np.unique(np.array(keys))
        own = States(keys, orders)
        item, place = np.divmod(keys, orders.count)
        of_category = States(np.sort(self.fitted.category[item] * orders.count + place), orders)
        distinct = np.bincount(self.fitted.category[own.things], minlength=len(self.place_of_category))
        of_category.distinct = distinct[of_category.things]
        return orders, own, of_category

    def answer(self, body: dict, history: list) -> dict:
        orders, own, of_category = self.customer(history)
        # One order of today is enough for the whole weight of an item.
        weights = np.minimum(own.long, 1.0)
        likes = self.likes(own, weights)
        found, sources = self.candidates(own, of_category, self.liked(own, weights, likes))
        rows = self.columns(found, orders, own, of_category, likes[found])
        relevance = self.model.run(self.output, {self.input: rows})[0].ravel().astype(np.float64)
        there = np.flatnonzero(self.offered[found])
        items = found[there]
        value = relevance[there] + self.adjustment[items]
        chosen = there[np.lexsort((self.tie[items], -value))[: body.get("k", ANSWERS)]]
        if len(chosen) < body.get("k", ANSWERS):
            raise ValueError(f"{len(chosen)} candidates are there, and nothing fills up")
        fitted = self.fitted
        return {
            "customer_id": body["customer_id"], "surface": "home", "as_of": AS_OF,
            "items": [
                {
                    "rank": rank + 1, "product_id": fitted.ids[item], "category": fitted.category_names[fitted.category[item]],
                    "relevance": relevant, "source": SOURCES[source], "level": "personal",
                    "stock": {"state": "in_stock", "on_hand": on_hand, "cover_days": cover, "as_of": AS_OF, "stale": False},
                }
                for rank, (item, relevant, source, on_hand, cover) in enumerate(zip(
                    found[chosen].tolist(), relevance[chosen].tolist(), sources[chosen].tolist(), self.on_hand[found[chosen]].tolist(),
                    self.cover[found[chosen]].tolist(),
                ))
            ],
        }


def main() -> None:
    engine, model, folder, items, requests = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    shop = Shop(engine, model, Fitted(folder))
    stored = histories(items)
    spent, answers = [], []
    for number in range(requests):
        request = json.dumps({"customer_id": str(number % CUSTOMERS), "surface": "home", "cart": []})
        started = time.perf_counter()
        body = json.loads(request)
        text = json.dumps(shop.answer(body, json.loads(stored[int(body["customer_id"])])))
        spent.append((time.perf_counter() - started) * 1e3)
        answers.append(text)
    (folder / "peer.jsonl").write_text("\n".join(answers) + "\n")
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
