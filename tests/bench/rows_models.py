"""Cold starts and memory of the churn function by the size of its model, and with ONNX Runtime's library."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from lambda_api import Function, FunctionFailed
from ledger import Row, compared
from models import COMMITTED, runtime_model, sized_models
from rows_calls import CHECKED, PEER_A, SHORT, by_id, cold
from stack import BUCKET, LIBRARY, Stack

ROUNDS = 9
# Where the peer's copy of the model lies.
PEER_FOLDER = "churn-other"
# The peer's runtime adds float32 leaves in float32: thousands of them.
CLOSE = 2e-6


def cold_by_model(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    progress("making models of three sizes")
    for name, folder in sized_models().items():
        try:
            yield from one_model(stack, progress, folder, f"a model of {name}", {}, 25, None)
        except FunctionFailed as failure:
            # The function gives a model 8 s to load and be checked; on a busy machine a large one may not be there by then.
            print(f"\nno row for a model of {name}: {failure}\n")
    yield from one_model(stack, progress, runtime_model(), "with the runtime library", {"STORECAST_ORT_LIBRARY": str(LIBRARY)}, 8, 2)


def one_model(stack: Stack, progress: Callable[[str], None], folder: Path, what: str, settings: dict[str, str], goal: float,
              goal_of_memory: float | None) -> Iterator[Row]:
    """The same model file for both."""
    stack.put_model(PEER_FOLDER, folder)
    command, own = stack.ours("churn")
    ours = command, own | settings
    command, peers = stack.peer(PEER_A)
    peer = command, peers | {"PEER_MODEL": f"peers/{PEER_FOLDER}"}
    spent: dict[str, list[float]] = {"ours": [], "peer": []}
    with served(stack, folder, "--onnxruntime", LIBRARY):
        # The system's files are read then, too.
        own_peak, peak = same_answers(stack, ours, peer, what, progress)
        for number in range(ROUNDS):
            progress(f"cold starts, {what}, round {number + 1} of {ROUNDS}")
            for name, contestant in (("ours", ours), ("peer", peer)):
                spent[name].append(cold(*contestant, by_id(stack.ids[number]))[1])
    yield compared(f"cold start to the first answer, {what}: {SHORT[PEER_A]}", spent["ours"], spent["peer"], "ms", goal)
    yield compared(f"peak memory of {CHECKED} requests, {what}: {SHORT[PEER_A]}", [own_peak], [peak], "MB", goal_of_memory)


@contextmanager
def served(stack: Stack, folder: Path, *options: object) -> Iterator[None]:
    """This model in service, and afterwards the committed one again. It is published once, whoever asks for it."""
    version = version_in(folder)
    is_there = stack.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"models/churn/{version}/").get("Contents")
    try:
        if is_there:
            stack.storecast("promote", "churn", version, *options)
        else:
            stack.storecast("publish", "churn", "--model", folder, "--promote", *options)
        yield
    finally:
        stack.storecast("promote", "churn", version_in(COMMITTED))


def version_in(folder: Path) -> str:
    return json.loads((folder / "manifest.json").read_text())["version"]


def same_answers(stack: Stack, ours: tuple, peer: tuple, what: str, progress: Callable[[str], None]) -> list[float]:
    """Raises unless both give the same probabilities; the megabytes that each had at most."""
    found, peaks = [], []
    for contestant in (ours, peer):
        with Function(*contestant) as function:
            answers = [function.invoke(by_id(customer)).json()["results"][0] for customer in stack.ids[:CHECKED]]
            found.append([answer["churn_probability"] for answer in answers])
            peaks.append(function.peak_bytes() / 1e6)
    worst = max(abs(a - b) for a, b in zip(*found))
    if not worst <= CLOSE:
        raise AssertionError(f"{what}: probabilities differ by {worst:.2e}")
    progress(f"{what}: {CHECKED} probabilities agree to {worst:.1e}")
    return peaks
