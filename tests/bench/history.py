"""Reads stored histories, to give the peers the same orders and sales in a form of their own.

The layouts are those of `shared/features/src/codec.rs` and `demand/codec.rs`: a version byte, then a postcard message (varints, zigzag,
lengths before texts).
"""

from __future__ import annotations

from datetime import date

VERSION = 1
DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def signed(self) -> int:
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def text(self) -> str:
        length = self.number()
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def many(self, one) -> list:
        return [one() for _ in range(self.number())]


def reader_of(record: bytes) -> Reader:
    if record[0] != VERSION:
        raise ValueError(f"layout version {record[0]}, {VERSION} is known")
    return Reader(record[1:])


def decode(record: bytes) -> list:
    """Orders, oldest first: `[order_id, placed_at, local_day, [[product, category, quantity, net, discount], ...]]`."""
    reader = reader_of(record)
    products = reader.many(lambda: (reader.text(), reader.number()))
    categories = reader.many(reader.text)
    moment = 0

    def line() -> list:
        product, category = products[reader.number()]
        quantity = reader.signed() / 1000
        return [product, categories[category], int(quantity) if quantity.is_integer() else quantity, reader.signed(), reader.signed()]

    def order() -> list:
        nonlocal moment
        order_id = reader.text()
        moment += reader.signed()
        local_day = moment // DAY + reader.signed()
        return [order_id, moment, local_day, reader.many(line)]

    orders = reader.many(order)
    if reader.at != len(reader.data):
        raise ValueError(f"{len(reader.data) - reader.at} bytes after the end")
    return orders


def decode_demand(record: bytes) -> dict:
    """What a product sold day by day, and the days on which it was out of stock, as the API takes both."""
    reader = reader_of(record)
    reader.text()
    day = 0

    def after(step: int) -> str:
        nonlocal day
        day += step
        return date.fromordinal(EPOCH + day).isoformat()

    def sale() -> dict:
        sold_on = after(reader.signed())
        return {"date": sold_on, "units": reader.signed() / 1000, "net_minor": reader.signed(), "discount_minor": reader.signed()}

    days = reader.many(sale)
    day = 0
    return {"days": days, "stock_outs": reader.many(lambda: {"from": after(reader.signed()), "until": after(reader.signed())})}
