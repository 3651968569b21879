"""Cold starts of the churn function by the size of its model, and with ONNX Runtime's library."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from lambda_api import Function, FunctionFailed
from ledger import Row, compared
from models import COMMITTED, runtime_model, sized_models
from rows_calls import PEER_A, SHORT, by_id, cold
from stack import LIBRARY, Stack

ROUNDS = 9
# Where the peer's copy of the model lies.
PEER_FOLDER = "churn-other"
# The peer's runtime adds float32 leaves in float32: thousands of them.
CLOSE = 1e-4


def cold_by_model(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    progress("making models of three sizes")
    for name, folder in sized_models().items():
        try:
            yield one_model(stack, progress, folder, f"a model of {name}", {}, None)
        except FunctionFailed as failure:
            # The function gives a model 8 s to load and be checked; on a busy machine a large one may not be there by then.
            print(f"\nno row for a model of {name}: {failure}\n")
    yield one_model(stack, progress, runtime_model(), "with the runtime library", {"STORECAST_ORT_LIBRARY": str(LIBRARY)}, 8)


def one_model(stack: Stack, progress: Callable[[str], None], folder: Path, what: str, settings: dict[str, str], goal: float | None) -> Row:
    """The same model file for both."""
    stack.put_model(PEER_FOLDER, folder)
    command, own = stack.ours("churn")
    ours = command, own | settings
    command, peers = stack.peer(PEER_A)
    peer = command, peers | {"PEER_MODEL": f"peers/{PEER_FOLDER}"}
    spent: dict[str, list[float]] = {"ours": [], "peer": []}
    with served(stack, folder, "--onnxruntime", LIBRARY):
        same_answer(stack, ours, peer, what)
        for number in range(ROUNDS):
            progress(f"cold starts, {what}, round {number + 1} of {ROUNDS}")
            for name, contestant in (("ours", ours), ("peer", peer)):
                spent[name].append(cold(*contestant, by_id(stack.ids[number]))[1])
    return compared(f"cold start to the first answer, {what}: {SHORT[PEER_A]}", spent["ours"], spent["peer"], "ms", goal)


@contextmanager
def served(stack: Stack, folder: Path, *options: object) -> Iterator[None]:
    """This model in service, and afterwards the committed one again."""
    try:
        stack.storecast("publish", "churn", "--model", folder, "--promote", *options)
        yield
    finally:
        stack.storecast("promote", "churn", json.loads((COMMITTED / "manifest.json").read_text())["version"])


def same_answer(stack: Stack, ours: tuple, peer: tuple, what: str) -> None:
    """Raises unless both give the same probability; they also find the system's files read when they are timed."""
    found = []
    for contestant in (ours, peer):
        with Function(*contestant) as function:
            found.append(function.invoke(by_id(stack.ids[0])).json()["results"][0]["churn_probability"])
    if not abs(found[0] - found[1]) <= CLOSE:
        raise AssertionError(f"{what}: probabilities {found[0]} and {found[1]}")
