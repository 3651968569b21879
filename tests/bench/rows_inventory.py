"""Orders for many products in one call, beside LightGBM with numpy and scipy.

Sales stand in the request, and no category is named, so that no store is read on either side. What is on hand and on order is made up.
"""

from __future__ import annotations

from datetime import date, timedelta
from math import isclose
from typing import Callable, Iterator

from history import decode_demand
from lambda_api import Function, http_event
from ledger import Row, compared
from stack import AS_OF, Stack, hash_of

PEER, CALL, CALLS = "inventory_handler", 100, 5
SHORT = "LightGBM, numpy, scipy"
TODAY = date.fromisoformat(AS_OF[:10])
# Of the model's population: what it was trained for is what both can answer.
RECORD_DAYS, LEAST_AGE, LEAST_SALE_DAYS = 112, 56, 6
CLOSE, CLOSE_TO_ZERO = 1e-6, 1e-9
WARM_UP, ROUNDS = 10, 100
NOTE = "the peer leaves out sentences and constraints"


def day(ahead: int) -> str:
    return (TODAY + timedelta(ahead)).isoformat()


def product(sku_id: str, record: bytes) -> dict | None:
    """A product as the API takes it; none of what the model was not trained for."""
    history = decode_demand(record)
    days = [sale for sale in history["days"] if sale["date"] < day(0)]
    recent = [sale for sale in days if sale["date"] >= day(-RECORD_DAYS)]
    age = (TODAY - date.fromisoformat(days[0]["date"])).days if days else 0
    if age < LEAST_AGE or len(recent) / min(age, RECORD_DAYS) * RECORD_DAYS < LEAST_SALE_DAYS:
        return None
    without = [{"from": span["from"], "until": min(span["until"], day(0))} for span in history["stock_outs"] if span["from"] < day(0)]
    made_up = hash_of(sku_id)
    fortnight = int(sum(sale["units"] for sale in days if sale["date"] >= day(-14)))
    asked = {"sku_id": sku_id, "history": {"days": days, "stock_outs": without}, "on_hand": (fortnight + 1) * (made_up % 5) // 2}
    if made_up % 3 == 0:
        asked["on_order"] = [{"arrives": day(made_up // 7 % 20), "quantity": fortnight + 1}]
    if made_up % 7 == 0:
        promotions = [(-20, -11, -30), (made_up // 11 % 9, 15, -5), (3, 8, 1)]
        asked["history"]["promotions"] = [{"from": day(start), "until": day(until), "known_since": day(known)} for start, until, known in promotions]
    return asked


def products(stack: Stack) -> list[dict]:
    """As many as all calls ask for, in an order that mixes quick and slow sellers."""
    found = (product(sku_id, stack.skus[sku_id]) for sku_id in sorted(stack.skus, key=hash_of))
    chosen = [asked for asked, _ in zip((asked for asked in found if asked), range(CALL * CALLS))]
    if len(chosen) < CALL * CALLS:
        raise AssertionError(f"{len(chosen)} products that the model was trained for, {CALL * CALLS} wanted")
    return chosen


def ask(asked: list[dict]) -> bytes:
    return http_event("POST", "/v1/inventory", {"skus": asked, "as_of": day(0)})


def differences(ours: object, peer: object, place: str) -> Iterator[tuple[float, str]]:
    """Every value of the peer's answer with how far ours is from it, relative to the larger; infinite where it is another one."""
    if isinstance(peer, dict):
        for name, value in peer.items():
            mine = ours.get(name, ...) if isinstance(ours, dict) else ...
            yield from differences(mine, value, f"{place}/{name}")
    elif isinstance(peer, list):
        if not isinstance(ours, list) or len(ours) != len(peer):
            yield float("inf"), place
            return
        # Reasons may be as strong as each other, so they go by name.
        by_name = all(isinstance(one, dict) and "group" in one for one in ours + peer)
        pairs = [sorted(side, key=lambda one: one["group"]) for side in (ours, peer)] if by_name else [ours, peer]
        for number, (mine, value) in enumerate(zip(*pairs)):
            yield from differences(mine, value, f"{place}/{number}")
    elif isinstance(peer, float) and isinstance(ours, (int, float)):
        near = isclose(ours, peer, rel_tol=CLOSE, abs_tol=CLOSE_TO_ZERO)
        yield abs(ours - peer) / max(abs(ours), abs(peer), CLOSE_TO_ZERO / CLOSE) if near else float("inf"), f"{place}: {ours}, peer {peer}"
    else:
        yield 0.0 if ours == peer else float("inf"), f"{place}: {ours}, peer {peer}"


def same_orders(ours: Function, peer: Function, events: list[bytes]) -> str:
    """Raises unless all that the peer answers is what we answer."""
    found = []
    orders = due = 0
    for event in events:
        mine, theirs = ours.invoke(event).json(), peer.invoke(event).json()
        found += differences(mine, theirs, "")
        orders += len(theirs["results"])
        due += sum(result["plan"]["order_quantity"] > 0 for result in theirs["results"])
    worst, place = max(found)
    if worst > CLOSE or not 0 < due < orders:
        wrong = sum(difference > CLOSE for difference, _ in found)
        raise AssertionError(f"{wrong} of {len(found)} values differ, for example {place}; {due} of {orders} products are due")
    return f"{orders} products, {due} of them due: {len(found)} values agree to {worst:.1e}"


def inventory_calls(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    chosen = products(stack)
    events = [ask(chosen[start : start + CALL]) for start in range(0, len(chosen), CALL)]
    contestants = {"ours": stack.ours("inventory"), "peer": stack.peer(PEER, False, "inventory"), "explaining": stack.peer(PEER, True, "inventory")}
    running = {name: Function(*contestant) for name, contestant in contestants.items()}
    many: dict[str, list[float]] = {name: [] for name in running}
    single: dict[str, list[float]] = {name: [] for name in running}
    try:
        for name in ("peer", "explaining"):
            progress(same_orders(running["ours"], running[name], [*events, ask(chosen[:1])]))
        for number in range(WARM_UP + ROUNDS):
            if number % 20 == 0:
                progress(f"inventory, {CALL} products a call, {number} of {WARM_UP + ROUNDS}")
            for asked, spent in ((events[number % CALLS], many), (ask([chosen[number]]), single)):
                for name, function in running.items():
                    seconds = function.invoke(asked).seconds
                    if number >= WARM_UP:
                        spent[name].append(seconds * 1e3)
    finally:
        for function in running.values():
            function.__exit__()
    for name, kind in (("peer", "without reasons"), ("explaining", "with reasons")):
        what = f"inventory, {CALL} SKUs in one call, no store, {kind}"
        yield compared(f"{what}, p50: {SHORT}", many["ours"], many[name], "ms", 10, note=NOTE)
        yield compared(f"{what}, p99: {SHORT}", many["ours"], many[name], "ms", None, at=0.99)
        yield compared(f"inventory, one SKU, no store, {kind}, p50: {SHORT}", single["ours"], single[name], "ms", None)
