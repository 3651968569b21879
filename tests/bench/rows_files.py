"""A file of customers with their orders, from S3 to a scored file in S3."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from pathlib import Path
from typing import Callable, Iterator

from lambda_api import Function, finished
from ledger import Row, compared, quartiles
from stack import AS_OF, ONE_THREAD, PEERS, ROOT, UPLOADS, WORK, Stack

CUSTOMERS = 1_000
ROUNDS = 4
CLOSE = 1e-6
STAGES = ("split", "parse", "features", "score", "respond", "write")
ENGINES = {"pandas": "pandas and ONNX Runtime", "polars": "Polars and LightGBM"}


def upload(stack: Stack) -> bytes:
    """The file: what the API takes of a customer, as cells."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["customer_id", "as_of", "history"])
    for customer in stack.ids[:CUSTOMERS]:
        history = json.dumps(stack.inline(customer)["history"], separators=(",", ":"))
        writer.writerow([customer, AS_OF, history])
    return text.getvalue().encode()


def notification(key: str, size: int, etag: str, sequence: int) -> bytes:
    """What S3 says of a new object."""
    told = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1", "eventTime": "2017-10-07T12:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": UPLOADS, "arn": f"arn:aws:s3:::{UPLOADS}"},
               "object": {"key": key, "size": size, "eTag": etag.strip('"'), "sequencer": f"{sequence:018X}"}},
    }
    return json.dumps({"Records": [told]}).encode()


def scored_by_us(stack: Stack, function: Function, body: bytes, number: int) -> tuple[float, dict]:
    """Seconds from the notification to the answer, and the probabilities. A file of another name each time: one that was scored is not
    scored again."""
    key = f"uploads/churn/bench-{number}.csv"
    put = stack.s3.put_object(Bucket=UPLOADS, Key=key, Body=body)
    started = time.perf_counter()
    function.invoke(notification(key, len(body), put["ETag"], number))
    seconds = time.perf_counter() - started
    scored = stack.s3.get_object(Bucket=UPLOADS, Key=f"scored/churn/bench-{number}.csv")["Body"].read()
    report = json.loads(stack.s3.get_object(Bucket=UPLOADS, Key=f"scored/churn/bench-{number}.csv.report.json")["Body"].read())
    if report["scored"] != CUSTOMERS:
        raise AssertionError(f"{report['scored']} rows scored, {CUSTOMERS} wanted")
    return seconds, probabilities(scored)


def probabilities(body: bytes) -> dict[str, float]:
    return {row["customer_id"]: float(row["churn_probability"]) for row in csv.DictReader(io.StringIO(body.decode()))}


def scored_by(stack: Stack, engine: str) -> tuple[dict, dict, float]:
    """The peer's times, its probabilities, and the most memory it had."""
    command, settings = stack.peer("unused")
    command = [command[0], PEERS / "score_file.py", engine, "peer.csv", f"scored-{engine}.csv"]
    said, _, peak = finished(command, {**os.environ, **settings, **ONE_THREAD, "PEER_UPLOADS": UPLOADS}, ROOT)
    scored = stack.s3.get_object(Bucket=UPLOADS, Key=f"scored-{engine}.csv")["Body"].read()
    return json.loads(said), probabilities(scored), peak


def own_stages(log: Path) -> str:
    """Where our time goes, by the metric lines of the invocations."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    told = [line for line in lines if line.get("trigger") == "records"]
    shares = {stage: quartiles([line[f"{stage}_ms"] / line["latency_ms"] for line in told])[1] for stage in STAGES}
    shares["waiting for S3, claims"] = 1 - sum(shares.values())
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())


def batch_files(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    body = upload(stack)
    stack.s3.put_object(Bucket=UPLOADS, Key="peer.csv", Body=body)
    spent: dict[str, list[float]] = {"churn": [], **{engine: [] for engine in ENGINES}}
    stages: dict[str, list[dict]] = {engine: [] for engine in ENGINES}
    bare: list[float] = []
    peaks: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    log = WORK / "files.log"
    log.unlink(missing_ok=True)
    with Function(*stack.ours("churn"), log=log) as function:
        for number in range(ROUNDS):
            progress(f"a file of {CUSTOMERS} customers, {len(body) / 1e6:.0f} MB: round {number + 1} of {ROUNDS}")
            seconds, ours = scored_by_us(stack, function, body, number + 1)
            spent["churn"].append(CUSTOMERS / seconds)
            for engine in ENGINES:
                told, theirs, peak = scored_by(stack, engine)
                worst = max(abs(theirs[customer] - p) for customer, p in ours.items())
                if set(theirs) != set(ours) or not worst <= CLOSE:
                    raise AssertionError(f"{engine}: {len(theirs)} customers, probabilities differ by {worst:.2e}")
                spent[engine].append(CUSTOMERS / told["total"])
                stages[engine].append(told)
                bare += [CUSTOMERS / told["bare"]] if "bare" in told else []
                peaks[engine].append(peak)
        own_peak = [function.peak_bytes() / 1e6]
    for engine, name in ENGINES.items():
        shares = {stage: quartiles([t[stage] / t["total"] for t in stages[engine]])[1] for stage in ("read", "features", "score", "write")}
        note = f"our time: {own_stages(log)}; the peer's: " + ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in shares.items())
        yield compared(f"a file of {CUSTOMERS} customers with orders, S3 to S3: {name}", spent["churn"], spent[engine], "rows/s", 10, note=note,
                       more_is_better=True)
        yield compared(f"peak memory of that: {name}", own_peak, peaks[engine], "MB", None)
    limit = "the limit: columns that are there, one call of the model"
    yield compared(f"a file of {CUSTOMERS} customers with orders, S3 to S3: bare ONNX Runtime on the same rows", spent["churn"], bare, "rows/s", None,
                   note=limit, more_is_better=True)
