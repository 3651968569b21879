"""The 36 columns of the demand model for all products of a request at once, by numpy.

Made fast: one table of products x 112 days is filled from the request, days are looked up by their text and not parsed, and every window
is a difference of running sums, so that no Python runs per product and window. Columns of the category are missing values: the request
names none.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

RECORD, LEAST_AGE, LEAST_SALE_DAYS = 112, 56, 6
HALF_LIFE, PRIOR_UNITS, PRIOR_DAYS = 56.0, 0.5, 14.0
WEEK, START, ALPHA, SOFTENING = 7, 4, 0.1, 0.1
# Of a day by its age: 1 for yesterday, in the first column of every table.
WEIGHTS = 2.0 ** (-(np.arange(RECORD) + 0.5) / HALF_LIFE)
AGES = np.arange(RECORD)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def log(values: np.ndarray) -> np.ndarray:
    return np.log(values, out=np.full(np.shape(values), np.nan), where=values > 0)


class Demand:
    """What the products sold in the days before `as_of`, and what follows from it."""

    def __init__(self, histories: list[dict], as_of: date):
        self.as_of, self.histories = as_of, histories
        count = len(histories)
        self.fill(histories)
        self.days = np.minimum(self.age, RECORD)
        self.out = self.stock_outs() & (AGES < self.days[:, None])
        self.exposed = ~self.out & (AGES < self.days[:, None])
        # Running sums: of sales, units, payments, discounts and days without stock.
        tables = np.stack([self.sold, self.units, self.net, self.discount, self.out])
        self.sums = np.zeros((5, count, RECORD + 1))
        np.cumsum(tables, axis=2, out=self.sums[:, :, 1:])
        level_days = self.exposed @ WEIGHTS + PRIOR_DAYS
        self.level = (self.units @ WEIGHTS + PRIOR_UNITS) / level_days
        self.price = share(self.sums[2, :, -1], self.sums[1, :, -1])

    def fill(self, histories: list[dict]) -> None:
        column = {(self.as_of - timedelta(age + 1)).isoformat(): age for age in range(RECORD)}
        at: list[int] = []
        units: list[float] = []
        net: list[int] = []
        discount: list[int] = []
        first = []
        for row, history in enumerate(histories):
            days = history["days"]
            first.append(min([day["date"] for day in days]))
            start = row * RECORD
            recent = [day for day in days if day["date"] in column]
            at += [start + column[day["date"]] for day in recent]
            units += [day["units"] for day in recent]
            net += [day.get("net_minor", 0) for day in recent]
            discount += [day.get("discount_minor", 0) for day in recent]
        shape = (len(histories), RECORD)

        def table(values: np.ndarray | None) -> np.ndarray:
            return np.bincount(at, values, shape[0] * RECORD).reshape(shape).astype(np.float64)

        self.sold = table(None) > 0
        self.units = table(np.rint(np.array(units) * 1000.0)) / 1000.0
        self.net, self.discount = table(np.array(net)), table(np.array(discount))
        today = self.as_of.toordinal()
        self.age = np.array([today - date.fromisoformat(day).toordinal() for day in first])

    def spans(self, spans: list[dict]) -> list[tuple[int, int]]:
        """First and last age of spans of days, the latter not among them; below 0 is ahead."""
        today = self.as_of.toordinal()
        ordinal = [(date.fromisoformat(span["from"]).toordinal(), date.fromisoformat(span["until"]).toordinal()) for span in spans]
        return [(today - until, today - start) for start, until in ordinal]

    def stock_outs(self) -> np.ndarray:
        table = np.zeros(self.sold.shape, bool)
        for row, history in enumerate(self.histories):
            for young, old in self.spans(history.get("stock_outs", ())):
                table[row, max(young, 0) : max(old, 0)] = True
        return table

    def promoted(self, horizons: list[int]) -> np.ndarray:
        """Share of promoted days of each horizon ahead, then of the last 28; NaN where no promotion is known."""
        found = np.full((len(self.histories), len(horizons) + 1), np.nan)
        today = self.as_of.isoformat()
        for row, history in enumerate(self.histories):
            known = [p for p in history.get("promotions", ()) if (p.get("known_since") or p["from"]) < today]
            if known:
                ahead, before = np.zeros(max(horizons), bool), np.zeros(28, bool)
                for young, old in self.spans(known):
                    before[max(young, 0) : max(old, 0)] = True
                    ahead[max(-old, 0) : max(-young, 0)] = True
                found[row] = [*(ahead[:days].mean() for days in horizons), before.mean()]
        return found

    def in_population(self) -> np.ndarray:
        return (self.age >= LEAST_AGE) & (self.sums[0, :, -1] / self.days * RECORD >= LEAST_SALE_DAYS)

    def weeks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Share of weeks without a sale, smoothed units, logarithm of the dispersion."""
        shape = (len(self.days), RECORD // WEEK, WEEK)
        exposed = self.exposed.reshape(shape).sum(axis=2)
        counts = exposed >= 4
        units = np.where(counts, self.units.reshape(shape).sum(axis=2) / np.maximum(exposed, 1) * 7.0, 0.0)
        number = counts.sum(axis=1)
        mean = share(units.sum(axis=1), number)
        variance = np.maximum(share((units * units).sum(axis=1), number) - mean * mean, 0.0)
        seen, smoothed = np.zeros(shape[0]), np.zeros(shape[0])
        for week in reversed(range(shape[1])):
            seen += counts[:, week]
            rate = np.where(seen <= START, 1.0 / np.maximum(seen, 1), ALPHA)
            smoothed += np.where(counts[:, week], rate * (units[:, week] - smoothed), 0.0)
        zero = share((counts & (units == 0.0)).sum(axis=1), number)
        return zero, np.where(number > 0, smoothed, np.nan), np.log((variance + SOFTENING) / (mean + SOFTENING))

    def rate(self, days: int, since: int = 0) -> np.ndarray:
        known, later = np.minimum(self.days, days), np.minimum(self.days, since)
        exposed = (known - later) - (self.sums[4, :, days] - self.sums[4, :, since])
        return share(self.sums[1, :, days] - self.sums[1, :, since], exposed)

    def trend(self, days: int) -> np.ndarray:
        drawn = 0.5 * self.level
        return log((self.rate(days) + drawn) / (self.rate(2 * days, days) + drawn))

    def columns(self, horizons: list[int]) -> np.ndarray:
        """Products x horizons x 36, as float32."""
        sold, units, net, discount, out = self.sums[:, :, -1]
        zero_share, smoothed, dispersion = self.weeks()
        first, last = RECORD - self.sold[:, ::-1].argmax(axis=1), self.sold.argmax(axis=1) + 1.0
        gap = np.where(sold > 1, (first - last) / np.maximum(sold - 1.0, 1.0), np.nan)
        size = share(units, sold)
        variance = np.maximum((self.units * self.units).sum(axis=1) / np.maximum(sold, 1) - size * size, 0.0)
        promoted = self.promoted(horizons)
        missing = np.full(len(sold), np.nan)

        def discounted(days: int) -> np.ndarray:
            return share(self.sums[3, :, days], self.sums[2, :, days] + self.sums[3, :, days])

        chosen = [
            missing, np.log(self.level), *(self.rate(days) / self.level for days in (7, 14, 28, 56, 112)), smoothed / 7.0 / self.level,
            self.trend(28), self.trend(56), self.days, zero_share, gap, last, last / gap, self.sums[0, :, 28], share(sold, self.days) * RECORD,
            log(size), np.where(sold > 1, variance / (size * size), np.nan), share(self.units.max(axis=1), units), dispersion,
            *[missing] * 5, share(share(self.sums[2, :, 28], self.sums[1, :, 28]), self.price), log(self.price),
            discounted(7), discounted(28), discounted(112), missing, missing, promoted[:, -1],
            share(self.sums[4, :, 28], np.minimum(self.days, 28)), share(out, self.days),
        ]
        rows = np.empty((len(sold), len(horizons), len(chosen)), np.float32)
        rows[:] = np.stack(chosen, axis=1)[:, None, :]
        rows[:, :, 0] = np.log(horizons)
        rows[:, :, 32] = promoted[:, :-1]
        return rows
