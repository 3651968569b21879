"""The candidates and the columns of the ranking model for one question after another, from the tables of `recommendations.sql`."""

from functools import cached_property

import numpy
from neighbours import Cosine, Ease

MOST_CANDIDATES = 300
TASKS = {"home": 0, "discover": 1, "cart": 2}


def top(items, scores, then_by, most):
    """The best `most` of `items` by score, then by `then_by`, then by number."""
    return items[numpy.lexsort((items, -then_by, -scores))[:most]]


def table(database, sql, *parameters):
    """The columns of a result by name, NaN for NULL."""
    found = database.execute(sql, list(parameters)).fetchnumpy()
    return {name: numpy.ma.filled(values, numpy.nan) for name, values in found.items()}


class Shop:
    """All that does not depend on the customer."""

    def __init__(self, database):
        self.database = database
        self.item = table(database, "SELECT * EXCLUDE (product_id) FROM item ORDER BY item")
        self.number = dict(database.execute("SELECT product_id, item FROM item").fetchall())
        self.orders = database.execute("SELECT orders, orders_28, orders_7 FROM shop").fetchone()
        bought = table(database, "SELECT customer, basket, item FROM bought")
        self.ease = Ease(bought["customer"], bought["item"], self.item["orders"])
        self.cosine = Cosine(bought["basket"], bought["item"], self.item["orders"])

    @cached_property
    def selling(self):
        """All items by the orders of 28 and of 7 days."""
        every, orders = self.item["item"], self.item["orders"]
        return [top(every, self.item[by], orders, 500) for by in ("orders_28", "orders_7")]

    def best_of(self, category):
        items = self.item["item"][self.item["category"] == category]
        return top(items, self.item["orders_28"][items], self.item["orders"][items], 30)


class Customer:
    """What is known of one customer before the cut-off."""

    def __init__(self, shop, customer_id):
        def of_customer(name, columns, by):
            sql = f"SELECT {columns} FROM {name} WHERE customer_id = $1 ORDER BY {by}"
            return table(shop.database, sql, customer_id)

        self.own = of_customer("own", "* EXCLUDE (customer_id)", "item")
        self.category = of_customer("own_category", "* EXCLUDE (customer_id)", "category")
        self.lines = of_customer("bought", "place, item", "place, item")
        self.orders = self.lines["place"].max(initial=-1) + 1
        self.likes = shop.ease.scores(self.own["item"], numpy.minimum(self.own["long_memory"], 1.0))

    def own_best(self, shop, by, most):
        items = self.own["item"]
        return top(items, self.own[by], shop.item["orders"][items], most)

    @property
    def categories(self):
        numbers = self.category["category"]
        return top(numbers, self.category["long_memory"], numpy.zeros(len(numbers)), 15)


class Cart:
    """What the items of a cart say of others."""

    def __init__(self, shop, customer, items):
        self.items = items
        self.affinity, self.affinity_best = shop.cosine.scores(items)
        self.likes = shop.ease.scores(items, numpy.ones(len(items)))
        lines, size = customer.lines, len(shop.number)
        of_order = numpy.bincount(lines["place"], numpy.isin(lines["item"], items), customer.orders)
        self.own_orders = numpy.bincount(lines["item"], of_order[lines["place"]], size)


def everything(items):
    return numpy.full(len(items), True)


def liked(shop, scores, most, among=everything):
    items = numpy.flatnonzero(scores)
    items = items[among(items)]
    return top(items, scores[items], shop.item["orders"][items], most)


def of_categories(shop, customer, among=everything):
    """Of each of the customer's first categories, what sells."""
    return [(items := shop.best_of(category))[among(items)][:8] for category in customer.categories]


def lists_of_home(shop, customer):
    month, week = shop.selling
    return [
        customer.own_best(shop, "long_memory", 120),
        customer.own_best(shop, "short_memory", 60),
        liked(shop, customer.likes, 80),
        month[:30],
        week[:30],
        *of_categories(shop, customer),
    ]


def lists_of_discover(shop, customer):
    def is_new(items):
        return ~numpy.isin(items, customer.own["item"])

    month, week = (selling[is_new(selling)][:40] for selling in shop.selling)
    return [liked(shop, customer.likes, 150, is_new), month, week, *of_categories(shop, customer, is_new)]


def lists_of_cart(shop, customer, cart):
    return [
        liked(shop, cart.affinity, 90),
        customer.own_best(shop, "long_memory", 110),
        customer.own_best(shop, "short_memory", 40),
        liked(shop, cart.likes, 40),
        liked(shop, customer.likes, 30),
        shop.selling[0][:20],
    ]


def candidates(shop, customer, cart, task):
    """At most 300 items, list after list, none twice, none of the cart."""
    if task == "home":
        lists = lists_of_home(shop, customer)
    elif task == "discover":
        lists = lists_of_discover(shop, customer)
    else:
        lists = lists_of_cart(shop, customer, cart)
    packed = dict.fromkeys(numpy.concatenate(lists).tolist())
    banned = set(cart.items.tolist())
    return [item for item in packed if item not in banned][:MOST_CANDIDATES]


def ranks(shop, items, scores):
    """Places from 1 by score, then orders, then id."""
    places = numpy.empty(len(items))
    places[numpy.lexsort((items, -shop.item["orders"][items], -scores))] = numpy.arange(1, len(items) + 1)
    return places


def joined(table, key, wanted):
    """Reads a customer's table at `wanted`: column and value where there is no row."""
    known = numpy.isin(wanted, table[key])
    at = numpy.searchsorted(table[key], wanted[known])

    def read(column, never):
        values = numpy.full(len(wanted), never, dtype=float)
        values[known] = table[column][at]
        return values

    return read


def own_columns(shop, customer, items):
    own = joined(customer.own, "item", items)
    days, orders, gap = own("days_since", numpy.nan), own("orders", 0), own("gap_days", numpy.nan)
    return {
        "own_orders": orders,
        "own_short_memory": own("short_memory", 0),
        "own_long_memory": own("long_memory", 0),
        "days_since_last": days,
        "own_gap_days": gap,
        "own_overdue_gaps": days / numpy.maximum(gap, 0.5),
        "orders_since_last": customer.orders - 1 - own("last_place", numpy.nan),
        "own_rate_since_first": orders / (customer.orders - own("first_place", -1)),
        "item_overdue_gaps": days / numpy.maximum(shop.item["gap_days"][items], 0.5),
        "own_rank": ranks(shop, items, own("long_memory", 0)),
    }


def item_columns(shop, items):
    every, month, week = (shop.item[name][items] for name in ("orders", "orders_28", "orders_7"))
    shop_every, shop_month, shop_week = shop.orders
    of_category = shop.item["category_orders_28"][items]
    return {
        "order_share": every / shop_every,
        "order_share_28": month / shop_month,
        "order_share_7": week / shop_week,
        "trend": ((week + 1) / (shop_week + 1)) / ((every + 1) / (shop_every + 1)),
        "repeat_rate": shop.item["repeat_rate"][items],
        "item_gap_days": shop.item["gap_days"][items],
        "price_ratio": shop.item["price_ratio"][items],
        "share_of_category": month / numpy.where(of_category > 0, of_category, numpy.nan),
    }


def category_columns(shop, customer, items):
    category = joined(customer.category, "category", shop.item["category"][items])
    # Who bought nothing yet has bought nothing of the category: a share of 0.
    memory = customer.category["long_memory"].sum() or 1.0
    return {
        "category_share": category("long_memory", 0) / memory,
        "category_overdue_gaps": category("days_since", numpy.nan) / category("gap_days", numpy.nan),
        "category_novelty": category("items", numpy.nan) / category("pairs", numpy.nan),
    }


def cart_columns(shop, cart, items):
    categories = shop.item["category"]
    return {
        "cart_affinity": cart.affinity[items],
        "cart_affinity_best": cart.affinity_best[items],
        "cart_likes": cart.likes[items],
        "cart_same_category": (categories[items][:, None] == categories[cart.items]).sum(axis=1),
        "own_orders_with_cart": cart.own_orders[items] / max(len(cart.items), 1),
        "cart_items": numpy.full(len(items), len(cart.items)),
        "cart_rank": ranks(shop, items, cart.affinity[items]),
    }


def nothing(columns, items):
    return {name: numpy.full(len(items), numpy.nan) for name in columns}


def columns(shop, customer, cart, task, items):
    """Every column by name, one float32 per item."""
    own, of_cart = own_columns(shop, customer, items), cart_columns(shop, cart, items)
    found = {
        **(nothing(own, items) if task == "discover" else own),
        **item_columns(shop, items),
        **category_columns(shop, customer, items),
        **(of_cart if task == "cart" else nothing(of_cart, items)),
        "likes": customer.likes[items],
        "likes_rank": ranks(shop, items, customer.likes[items]),
        "task": numpy.full(len(items), TASKS[task]),
    }
    return {name: values.astype(numpy.float32) for name, values in found.items()}
