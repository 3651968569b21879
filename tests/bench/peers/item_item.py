"""Recommendations by `implicit`, numpy and ONNX Runtime in a made-up shop: `item_item.py MODEL.onnx ITEMS`.

Neighbours by cosine, what the customer buys repeatedly beside them, the model's columns by numpy, its scores by ONNX Runtime, the ten best.
It does less than the project's answer: most columns are looked up and not computed, and there are no rules, stock or reasons. Made fast: one
thread, the session is kept, columns are filled into an array that is kept. Prints one line of JSON: milliseconds of each answer.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import onnxruntime
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

CUSTOMERS, REQUESTS, SALES_PER_ITEM = 2_500, 1_000, 20
CANDIDATES, ANSWERS, NEIGHBOURS = 300, 10, 100


def main() -> None:
    items = int(sys.argv[2])
    random = np.random.default_rng(7)
    bought = items * SALES_PER_ITEM
    # The least of three draws: half of all sales fall on a fifth of the items.
    item = random.integers(0, items, (3, bought)).min(axis=0)
    customer = random.integers(0, CUSTOMERS, bought)
    day = random.integers(0, 300, bought)
    purchases = csr_matrix((np.ones(bought, np.float32), (customer, item)), shape=(CUSTOMERS, items))
    last_day = np.full((CUSTOMERS, items), -1, np.int16)
    np.maximum.at(last_day, (customer, item), day)
    model = CosineRecommender(K=NEIGHBOURS, num_threads=1)
    model.fit(purchases, show_progress=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    looked_up = random.random((items, wanted.shape[1]), np.float32)

    def answer(of: int) -> np.ndarray:
        row = purchases[of]
        found, scores = model.recommend(of, row, N=CANDIDATES, filter_already_liked_items=False)
        known = found[found >= 0]
        columns = looked_up[known]
        columns[:, 0] = scores[: len(known)]
        columns[:, 1] = 300 - last_day[of, known]
        columns[:, 2] = row[:, known].toarray()[0]
        ranks = session.run(None, {wanted.name: columns})[0].ravel()
        best = np.argpartition(-ranks, ANSWERS)[:ANSWERS]
        return known[best[np.argsort(-ranks[best])]]

    spent = []
    for number in range(REQUESTS):
        started = time.perf_counter()
        found = answer(number % CUSTOMERS)
        spent.append((time.perf_counter() - started) * 1e3)
        assert len(found) == ANSWERS
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
