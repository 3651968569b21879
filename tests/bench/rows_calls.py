"""Cold starts, warm requests and memory of the churn function, beside an empty function and two in Python."""

from __future__ import annotations

from typing import Callable, Iterator

from lambda_api import Function, http_event
from ledger import Row, compared
from stack import AS_OF, Stack

CLOSE = 1e-6
CHECKED = 30
COLD_ROUNDS = 15
WARM_ROUNDS = 200
# How many requests with the orders in them come before one that reads the store.
STORED_EVERY = 5
# The runtime clients and allocators reach their steady state before anything is timed.
WARM_UP = 40
PEER_A, PEER_B = "onnx_handler", "fastapi_app"
SHORT = {PEER_A: "Python, ONNX Runtime", PEER_B: "FastAPI, pandas, LightGBM"}


def ask(*customers: dict) -> bytes:
    return http_event("POST", "/v1/churn", {"customers": list(customers), "as_of": AS_OF})


def by_id(customer: str) -> bytes:
    return ask({"customer_id": customer})


def same_answers(stack: Stack) -> str:
    """Raises unless all give the same probabilities, and the same reasons where they give any."""
    customers = stack.ids[:CHECKED]
    with Function(*stack.ours("churn")) as function:
        ours = {c: (function.invoke(by_id(c)).json()["results"][0], function.invoke(ask(stack.inline(c))).json()["results"][0]) for c in customers}
    worst = worst_reason = 0.0
    for module in (PEER_A, PEER_B):
        with Function(*stack.peer(module, reasons=True)) as function:
            for customer in customers:
                for event, mine in zip((by_id(customer), ask(stack.inline(customer))), ours[customer]):
                    theirs = function.invoke(event).json()["results"][0]
                    worst = max(worst, abs(theirs["churn_probability"] - mine["churn_probability"]))
                    of_peer = {reason["group"]: reason["log_odds"] for reason in theirs["reasons"]}
                    for reason in mine["reasons"]:
                        worst_reason = max(worst_reason, abs(of_peer[reason["group"]] - reason["log_odds"]))
    if not (worst <= CLOSE and worst_reason <= CLOSE):
        raise AssertionError(f"answers differ by {worst:.2e}, reasons by {worst_reason:.2e}; at most {CLOSE} allowed")
    return f"{len(customers)} customers, by id and with their orders: probabilities agree to {worst:.1e}, reasons to {worst_reason:.1e}"


def cold(command: list, settings: dict[str, str], event: bytes) -> tuple[float, float]:
    """Milliseconds from the start of the process to its first request for work, and to its first answer."""
    with Function(command, settings, event) as function:
        reply = function.reply()
        return (function.api.first_next_at - function.started_at) * 1e3, (reply.at - function.started_at) * 1e3


def cold_starts(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """Every contestant in turn, run by run, so that a slow minute of the machine is everybody's."""
    contestants = {"churn": stack.ours("churn"), "floor": stack.floor(), PEER_A: stack.peer(PEER_A), PEER_B: stack.peer(PEER_B)}
    for contestant in contestants.values():
        cold(*contestant, by_id(stack.ids[0]))
    first: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(COLD_ROUNDS):
        progress(f"cold starts, round {number + 1} of {COLD_ROUNDS}")
        for name, contestant in contestants.items():
            # What is quick is started three times, so that its median is worth as much.
            for _ in range(3 if name in ("churn", "floor") else 1):
                first[name].append(cold(*contestant, by_id(stack.ids[number]))[1])
    yield compared(f"cold start to the first answer: {SHORT[PEER_A]}", first["churn"], first[PEER_A], "ms", 25)
    yield compared(f"cold start to the first answer: {SHORT[PEER_B]}", first["churn"], first[PEER_B], "ms", 50)
    yield compared("cold start to the first answer: an empty function with one S3 and one DynamoDB read", first["churn"], first["floor"], "ms", 1 / 1.3)


def warm_requests(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """One customer a request, with the orders in the request: no store is read. Ours always gives reasons and a decision."""
    for reasons in (False, True):
        yield from warm_kind(stack, progress, reasons)


def warm_kind(stack: Stack, progress: Callable[[str], None], reasons: bool) -> Iterator[Row]:
    contestants = {"churn": stack.ours("churn"), PEER_A: stack.peer(PEER_A, reasons), PEER_B: stack.peer(PEER_B, reasons)}
    running = {name: Function(*contestant) for name, contestant in contestants.items()}
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    stored: dict[str, list[float]] = {name: [] for name in contestants}
    try:
        for number in range(WARM_UP + WARM_ROUNDS):
            if number % 50 == 0:
                progress(f"warm requests {'with' if reasons else 'without'} reasons, {number} of {WARM_UP + WARM_ROUNDS}")
            customer = stack.ids[number % 200]
            event, id_event = ask(stack.inline(customer)), by_id(customer)
            for name, function in running.items():
                seconds = function.invoke(event).seconds
                if number >= WARM_UP:
                    spent[name].append(seconds * 1e3)
                if number % STORED_EVERY == 0:
                    seconds = function.invoke(id_event).seconds
                    if number >= WARM_UP:
                        stored[name].append(seconds * 1e3)
        peaks = {name: [function.peak_bytes() / 1e6] for name, function in running.items()}
    finally:
        for function in running.values():
            function.__exit__()
    kind = "with reasons" if reasons else "without reasons"
    for peer, goal in ((PEER_A, 10 if reasons else 5), (PEER_B, 10 if reasons else 20)):
        yield compared(f"warm, no store, {kind}, p50: {SHORT[peer]}", spent["churn"], spent[peer], "ms", goal)
        yield compared(f"warm, no store, {kind}, p99: {SHORT[peer]}", spent["churn"], spent[peer], "ms", None, at=0.99)
        yield compared(f"warm, orders from DynamoDB, {kind}, p50: {SHORT[peer]}", stored["churn"], stored[peer], "ms", None)
        yield compared(f"peak memory, {kind}: {SHORT[peer]}", peaks["churn"], peaks[peer], "MB", 5 if peer == PEER_A and not reasons else None)
