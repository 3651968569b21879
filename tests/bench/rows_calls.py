"""Cold starts, warm requests and memory of the churn function, beside an empty function and two in Python."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
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
FLOOR, LOOPBACK = "floor", "loopback"
SHORT = {
    PEER_A: "Python, ONNX Runtime", PEER_B: "FastAPI, pandas, LightGBM", FLOOR: "an empty function, same event",
    LOOPBACK: "loop-back, same bytes",
}
LIMITS = {
    FLOOR: "the limit: it reads nothing of the event, and answers a few bytes",
    LOOPBACK: "the limit: the bytes of the event there and of our answer back, by a loop on bare sockets",
}
# Of whom the peers have the orders.
CUSTOMERS = 200


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
    contestants = {"churn": stack.ours("churn"), FLOOR: stack.floor(), PEER_A: stack.peer(PEER_A), PEER_B: stack.peer(PEER_B)}
    for contestant in contestants.values():
        cold(*contestant, by_id(stack.ids[0]))
    first: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(COLD_ROUNDS):
        progress(f"cold starts, round {number + 1} of {COLD_ROUNDS}")
        for name, contestant in contestants.items():
            # What is quick is started three times, so that its median is worth as much.
            for _ in range(3 if name in ("churn", FLOOR) else 1):
                first[name].append(cold(*contestant, by_id(stack.ids[number]))[1])
    yield compared(f"cold start to the first answer: {SHORT[PEER_A]}", first["churn"], first[PEER_A], "ms", 25)
    yield compared(f"cold start to the first answer: {SHORT[PEER_B]}", first["churn"], first[PEER_B], "ms", 50)
    yield compared("cold start to the first answer: an empty function with one S3 and one DynamoDB read", first["churn"], first[FLOOR], "ms", 1 / 1.3)


def warm_requests(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """One customer a request: with the orders in it, so that no store is read, by id from DynamoDB, and by id from a store that takes no
    time. Ours always gives reasons and a decision."""
    for reasons in (False, True):
        yield from warm_kind(stack, progress, reasons)
        yield from warm_replayed(stack, progress, reasons)
    yield from warm_kept(stack, progress)


def contestants_of(stack: Stack, reasons: bool) -> dict[str, tuple]:
    return {"churn": stack.ours("churn"), PEER_A: stack.peer(PEER_A, reasons), PEER_B: stack.peer(PEER_B, reasons)}


@contextmanager
def running(contestants: dict[str, tuple]) -> Iterator[dict[str, Function]]:
    """All of them side by side, until the `with` ends."""
    with ExitStack() as started:
        yield {name: started.enter_context(Function(*contestant)) for name, contestant in contestants.items()}


def warm_kind(stack: Stack, progress: Callable[[str], None], reasons: bool) -> Iterator[Row]:
    contestants = contestants_of(stack, reasons)
    if not reasons:
        contestants |= {FLOOR: stack.floor(reads_item=False), LOOPBACK: stack.loopback(answer_bytes(stack))}
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    stored: dict[str, list[float]] = {name: [] for name in contestants if name not in LIMITS}
    with running(contestants) as functions:
        for number in range(WARM_UP + WARM_ROUNDS):
            if number % 50 == 0:
                progress(f"warm requests {'with' if reasons else 'without'} reasons, {number} of {WARM_UP + WARM_ROUNDS}")
            customer = stack.ids[number % CUSTOMERS]
            event, id_event = ask(stack.inline(customer)), by_id(customer)
            for name, function in functions.items():
                seconds = function.invoke(event).seconds
                if number >= WARM_UP:
                    spent[name].append(seconds * 1e3)
                if number % STORED_EVERY == 0 and name in stored:
                    seconds = function.invoke(id_event).seconds
                    if number >= WARM_UP:
                        stored[name].append(seconds * 1e3)
        peaks = {name: [function.peak_bytes() / 1e6] for name, function in functions.items()}
    kind = "with reasons" if reasons else "without reasons"
    for peer, goal in goals(reasons):
        yield compared(f"warm, no store, {kind}, p50: {SHORT[peer]}", spent["churn"], spent[peer], "ms", goal)
        yield compared(f"warm, no store, {kind}, p99: {SHORT[peer]}", spent["churn"], spent[peer], "ms", None, at=0.99)
        yield compared(f"warm, orders from DynamoDB, {kind}, p50: {SHORT[peer]}", stored["churn"], stored[peer], "ms", None)
        yield compared(f"peak memory, {kind}: {SHORT[peer]}", peaks["churn"], peaks[peer], "MB", 5 if peer == PEER_A and not reasons else None)
    for limit in (limit for limit in LIMITS if limit in spent):
        yield compared(f"warm, no store: {SHORT[limit]}", spent["churn"], spent[limit], "ms", None, note=LIMITS[limit])


def answer_bytes(stack: Stack) -> int:
    """How long an answer of ours is."""
    with Function(*stack.ours("churn")) as function:
        return len(function.invoke(ask(stack.inline(stack.ids[0]))).body)


def goals(reasons: bool) -> tuple:
    return (PEER_A, 10 if reasons else 5), (PEER_B, 10 if reasons else 20)


def warm_replayed(stack: Stack, progress: Callable[[str], None], reasons: bool) -> Iterator[Row]:
    """By id, from a store that answers at once, ours and the peers' alike: features from raw histories as they are stored."""
    contestants = {name: stack.replayed(contestant) for name, contestant in contestants_of(stack, reasons).items()}
    kind = "with reasons" if reasons else "without reasons"
    with running(contestants) as functions:
        spent = timed_by_id(stack, functions, [(customer,) for customer in stack.ids[:CUSTOMERS]], WARM_ROUNDS, progress, f"by id, {kind}")
    for peer, goal in goals(reasons):
        what = f"warm, orders by id, the store's time taken out, {kind}"
        yield compared(f"{what}, p50: {SHORT[peer]}", spent["churn"], spent[peer], "ms", goal)
        yield compared(f"{what}, p99: {SHORT[peer]}", spent["churn"], spent[peer], "ms", None, at=0.99)


def warm_kept(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    """By id from the stores of this machine, each prediction kept in the bucket, beside the same function that keeps none."""
    contestants = {"kept": stack.keeping(stack.ours("churn")), "churn": stack.ours("churn")}
    with running(contestants) as functions:
        spent = timed_by_id(stack, functions, [(customer,) for customer in stack.ids[:CUSTOMERS]], WARM_ROUNDS, progress, "predictions kept")
    kept = stack.predictions_kept("churn")
    if kept < WARM_ROUNDS:
        raise AssertionError(f"{kept} predictions were kept of at least {WARM_ROUNDS}")
    for name, at in (("p50", 0.5), ("p99", 0.99)):
        what = f"warm, orders from DynamoDB, the prediction kept in S3, {name}: the same, none kept"
        yield compared(what, spent["kept"], spent["churn"], "ms", None, at=at)


def timed_by_id(stack: Stack, functions: dict[str, Function], groups: list[tuple], rounds: int, progress: Callable[[str], None],
                what: str) -> dict[str, list[float]]:
    """Milliseconds of requests for one group of customers after the other, in turns. Every group is asked for once before, which also warms
    up; raises where a request that was timed reached the store all the same."""
    events = [ask(*({"customer_id": customer} for customer in group)) for group in groups]
    for event in events:
        for function in functions.values():
            function.invoke(event).json()
    kept = stack.questions_kept()
    spent: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds):
        if number % 50 == 0:
            progress(f"warm requests, {what}, {number} of {rounds}")
        for name, function in functions.items():
            spent[name].append(function.invoke(events[number % len(events)]).seconds * 1e3)
    if stack.questions_kept() != kept:
        raise AssertionError(f"{stack.questions_kept() - kept} reads went to the store while requests were timed")
    return spent
