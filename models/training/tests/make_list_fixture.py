"""Writes the fixture that the Rust list metrics are tested against: lists, what was relevant, and what trec_eval says.

    pip install pytrec-eval-terrier==0.5.11
    python models/training/tests/make_list_fixture.py > models/offline/src/evaluate/lists.json

The package is no dependency of the project: it is asked once, and its answers are kept.
"""

from __future__ import annotations

import json
import random

import pytrec_eval

K = 10
MEASURES = {"recall_10": "recall", "ndcg_cut_10": "ndcg", "success_10": "hit", "recip_rank": "reciprocal_rank"}


def case(random_: random.Random) -> dict:
    """A list of up to 15 of 30 items, and 1 to 14 relevant ones."""
    items = [f"item-{number}" for number in range(30)]
    return {
        "list": random_.sample(items, random_.randint(1, 15)),
        "relevant": random_.sample(items, random_.randint(1, 14)),
    }


def main() -> None:
    """Asks trec_eval; its reciprocal rank has no cut, so it is shown the first ten only, as are the others."""
    random_ = random.Random(20170101)
    cases = [case(random_) for _ in range(60)]
    relevant = {str(n): {item: 1 for item in c["relevant"]} for n, c in enumerate(cases)}
    ranked = {str(n): {item: float(-place) for place, item in enumerate(c["list"][:K])} for n, c in enumerate(cases)}
    judged = pytrec_eval.RelevanceEvaluator(relevant, {"recall.10", "ndcg_cut.10", "success.10", "recip_rank"})
    for number, measures in judged.evaluate(ranked).items():
        cases[int(number)]["expected"] = {name: measures[theirs] for theirs, name in MEASURES.items()}
    print(json.dumps({"k": K, "cases": cases}, indent=0))


if __name__ == "__main__":
    main()
