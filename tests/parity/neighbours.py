"""What goes with what, solved anew: EASE over customers, and the shrunken cosine over orders.

Both are dense linear algebra and counting over the purchases that `recommendations.sql` makes; neither shares code with what serves.
"""

import numpy

EASE_LEAST_ORDERS, EASE_MOST_ITEMS, EASE_PENALTY, EASE_KEPT = 30, 6000, 500.0, 200
COSINE_LEAST_ORDERS, COSINE_SHRINKAGE, COSINE_KEPT = 10, 5.0, 100
# Rows of EASE that are made at a time; all of them would be 288 MB.
BLOCK = 500


class Ease:
    """The best neighbours of each compared item; `closest` is the smallest relative step from the last kept to the first left out."""

    def __init__(self, customer, item, orders):
        """`customer` and `item` are equally long: who bought what; `orders` are those of every item."""
        often = numpy.flatnonzero(orders >= EASE_LEAST_ORDERS)
        # By orders, then by id: a stable sort keeps rising numbers.
        chosen = often[numpy.argsort(-orders[often], kind="stable")][:EASE_MOST_ITEMS]
        self.compared = numpy.sort(chosen)
        self.size = len(orders)
        self.row_of = numpy.full(self.size, -1)
        self.row_of[self.compared] = numpy.arange(len(self.compared))
        kept = self.row_of[item] >= 0
        bought = numpy.zeros((customer.max() + 1, len(self.compared)))
        bought[customer[kept], self.row_of[item[kept]]] = 1.0
        self.neighbours, self.weights, self.closest = self.solve(bought)

    def solve(self, bought):
        """B_ij = (X' K X)_ij / (1 - (X' K X)_jj) with K = (XX' + penalty I)^-1: Steck (2019) by the smaller matrix."""
        kernel = bought @ bought.T + EASE_PENALTY * numpy.eye(len(bought))
        shares = numpy.linalg.solve(kernel, bought)
        rest = 1.0 - numpy.einsum("ci,ci->i", bought, shares)
        parts = [self.best(first, bought, shares, rest) for first in range(0, len(self.compared), BLOCK)]
        neighbours, weights, steps = zip(*parts)
        return self.compared[numpy.concatenate(neighbours)], numpy.concatenate(weights), min(steps)

    def best(self, first, bought, shares, rest):
        scores = bought[:, first : first + BLOCK].T @ shares / rest
        rows = numpy.arange(len(scores))[:, None]
        scores[rows[:, 0], first + rows[:, 0]] = 0.0
        top = numpy.argpartition(-scores, EASE_KEPT, axis=1)[:, : EASE_KEPT + 1]
        top = numpy.take_along_axis(top, numpy.argsort(-scores[rows, top], axis=1), axis=1)
        values = numpy.maximum(scores[rows, top], 0.0)
        last, left_out = values[:, EASE_KEPT - 1], values[:, EASE_KEPT]
        steps = (last - left_out)[left_out > 0.0] / last[left_out > 0.0]
        return top[:, :EASE_KEPT], values[:, :EASE_KEPT].astype(numpy.float32), steps.min(initial=1.0)

    def scores(self, items, weights):
        """For every item of the shop, the sum over `items` of what they say of it, each weighted."""
        rows = self.row_of[items]
        weights, rows = weights[rows >= 0], rows[rows >= 0]
        said = weights[:, None] * self.weights[rows].astype(float)
        return numpy.bincount(self.neighbours[rows].ravel(), said.ravel(), self.size)


class Cosine:
    """Orders with both items over the root of the product of the orders with each, shrunken."""

    def __init__(self, order, item, orders):
        """`order` and `item` are equally long: which order holds what."""
        kept = orders[item] >= COSINE_LEAST_ORDERS
        order, item = order[kept], item[kept]
        by_item, by_order = numpy.argsort(item, kind="stable"), numpy.argsort(order, kind="stable")
        self.orders_of = numpy.split(order[by_item], numpy.cumsum(numpy.bincount(item, minlength=len(orders)))[:-1])
        self.items_of = numpy.split(item[by_order], numpy.cumsum(numpy.bincount(order))[:-1])
        self.orders = orders

    def row(self, item):
        """The neighbours of an item and how close they are."""
        if len(self.orders_of[item]) == 0:
            return numpy.empty(0, int), numpy.empty(0)
        both = numpy.bincount(numpy.concatenate([self.items_of[order] for order in self.orders_of[item]]))
        both[item] = 0
        others = numpy.flatnonzero(both)
        product = self.orders[item] * self.orders[others].astype(float)
        scores = both[others] / (numpy.sqrt(product) + COSINE_SHRINKAGE)
        # Equal scores stand by orders, then by id.
        best = numpy.lexsort((others, -self.orders[others], -scores))[:COSINE_KEPT]
        return others[best], scores[best].astype(numpy.float32).astype(float)

    def scores(self, items):
        """For every item of the shop, the sum over `items` of how close it is, and the largest of these."""
        total, largest = numpy.zeros(len(self.orders)), numpy.zeros(len(self.orders))
        for item in items:
            others, scores = self.row(item)
            total[others] += scores
            largest[others] = numpy.maximum(largest[others], scores)
        return total, largest
