"""What both peers are asked: a customer by id, whose orders lie in the table, or with the orders in the request."""

from __future__ import annotations

from datetime import datetime

EPOCH_DAY = datetime(1970, 1, 1).toordinal()


def instant(text: str) -> tuple[int, int]:
    """Seconds since 1970 and the local day of an RFC 3339 instant."""
    moment = datetime.fromisoformat(text)
    return round(moment.timestamp()), moment.toordinal() - EPOCH_DAY


def orders_of(history: dict) -> list:
    """The orders of an inline history as `columns` reads them: by time, then by id."""
    found = [
        (*instant(order["placed_at"]), order["order_id"], [
            (line.get("product_id", ""), line.get("category", ""), line.get("quantity", 1.0), line["net_minor"], line.get("discount_minor", 0))
            for line in order["lines"]
        ])
        for order in history["orders"]
    ]
    found.sort(key=lambda order: (order[0], order[2]))
    return [(placed_at, local_day, lines) for placed_at, local_day, _, lines in found]
