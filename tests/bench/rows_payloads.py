"""More than one customer a call, and more than one process: by id, with the store's time taken out."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Callable, Iterator

from lambda_api import CORES, Function
from ledger import Row, compared, number as number_of, quantile
from rows_calls import CUSTOMERS, PEER_A, SHORT, by_id, running, timed_by_id
from stack import AS_OF, Stack

PAYLOADS = (1, 10, 100)
ROUNDS = 200
# Per process: rounds of so many calls, one after the other.
SIDE_ROUNDS, SIDE_CALLS = 5, 200
AT_ONCE = (1, 2, 4, 8, 16, 32, 64)
AT_ONCE_ROUNDS, AT_ONCE_CALLS = 4, 1_000


def payloads(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """The peer reads all customers of a call at once, as ours does."""
    contestants = {"churn": stack.replayed(stack.ours("churn")), PEER_A: stack.replayed(stack.peer(PEER_A))}
    with running(contestants) as functions:
        for size in PAYLOADS:
            groups = [tuple(stack.ids[first : first + size]) for first in range(0, CUSTOMERS, size)]
            what = f"{size} customer{'s' if size > 1 else ''} a call"
            spent = timed_by_id(stack, functions, groups, ROUNDS, progress, what)
            for at, name in ((0.5, "p50"), (0.99, "p99")):
                row = f"{what}, by id, the store's time taken out, {name}: {SHORT[PEER_A]}"
                yield compared(row, spent["churn"], spent[PEER_A], "ms", None, at=at)
    for count in sorted({1, len(CORES)}):
        rates = {name: [] for name in contestants}
        with ExitStack() as started:
            processes = {name: [started.enter_context(Function(*c, core=core)) for core in CORES[:count]] for name, c in contestants.items()}
            for number in range(SIDE_ROUNDS + 1):
                progress(f"processes side by side, {count}: round {number} of {SIDE_ROUNDS}")
                for name, functions in processes.items():
                    rate = calls_per_second(stack, functions)
                    # The first round warms up.
                    if number:
                        rates[name].append(rate)
        what = "one process" if count == 1 else f"{count} processes side by side on as many cores"
        note = "what asks them runs on the same cores"
        row = f"calls of one customer, {what}: {SHORT[PEER_A]}"
        yield compared(row, rates["churn"], rates[PEER_A], "calls/s", None, note=note, more_is_better=True)
    yield from at_once(stack, progress)


def at_once(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """Several requests at a time in one process, beside one at a time: what an environment that is given more than one would do."""
    customers = [stack.ids[number % CUSTOMERS] for number in range(AT_ONCE_CALLS)]
    events = [json.dumps({"customers": [{"customer_id": customer}], "as_of": AS_OF}).encode() for customer in customers]
    _, settings = stack.replayed(stack.ours("churn"))
    rates: dict[int, list[float]] = {count: [] for count in AT_ONCE}
    spent: dict[int, list[float]] = {count: [] for count in AT_ONCE}
    for number in range(AT_ONCE_ROUNDS):
        for count in AT_ONCE:
            progress(f"requests at a time, {count}: round {number + 1} of {AT_ONCE_ROUNDS}")
            with Function([stack.programs / "examples" / "concurrent_polls", str(count)], settings) as function:
                function.invoke_at_once(events, count)
                started = time.perf_counter()
                spent[count] += [seconds * 1e3 for seconds in function.invoke_at_once(events, count)]
                rates[count].append(len(events) / (time.perf_counter() - started))
    for count in AT_ONCE[1:]:
        note = f"each then takes {number_of(quantile(spent[count], 0.5))} ms at p50 and {number_of(quantile(spent[count], 0.99))} at p99"
        row = f"calls of one customer, {count} at a time in one process on one core: one at a time"
        yield compared(row, rates[count], rates[1], "calls/s", None, note=note, more_is_better=True)


def calls_per_second(stack: Stack, functions: list[Function]) -> float:
    """Of all processes together, each asked again as soon as it has answered."""
    events = [by_id(customer) for customer in stack.ids[:CUSTOMERS]]

    def ask_all(function: Function) -> None:
        for number in range(SIDE_CALLS):
            function.invoke(events[number % len(events)])

    with ThreadPoolExecutor(len(functions)) as pool:
        started = time.perf_counter()
        list(pool.map(ask_all, functions))
        return len(functions) * SIDE_CALLS / (time.perf_counter() - started)
