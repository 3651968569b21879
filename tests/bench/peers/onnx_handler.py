"""Churn by AWS's runtime client for Python, ONNX Runtime, numpy and boto3.

Made fast: compiled bytecode, one thread, clients and session made once at start, only the S3 and DynamoDB calls that are needed,
features in plain Python (`columns`). With `PEER_REASONS=1` the exact contributions come from LightGBM's `pred_contrib`, since ONNX
Runtime has none; LightGBM is imported only then.
"""

from __future__ import annotations

import json
import math
import os

import onnxruntime
from columns import columns
from questions import instant, orders_of
from stores import read_many, read_model

REASONS = os.environ.get("PEER_REASONS") == "1"
FILES = read_model("model.onnx")
PARAMETERS = json.loads(FILES["parameters.json"])
SLOPE, INTERCEPT = PARAMETERS["calibration"]["slope"], PARAMETERS["calibration"]["intercept"]
OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = OPTIONS.inter_op_num_threads = 1
OPTIONS.log_severity_level = 3
SESSION = onnxruntime.InferenceSession(FILES["model.onnx"], OPTIONS, providers=["CPUExecutionProvider"])
INPUT, OUTPUT = SESSION.get_inputs()[0].name, [SESSION.get_outputs()[0].name]
if REASONS:
    from reasons import Reasons

    EXPLAINED = Reasons(PARAMETERS)


def result(customer: dict, stored: dict[str, list], as_of: int) -> dict:
    history = customer.get("history")
    orders = orders_of(history) if history is not None else stored[customer["customer_id"]]
    row = columns(orders, as_of, PARAMETERS["artifacts"]).reshape(1, -1)
    raw = float(SESSION.run(OUTPUT, {INPUT: row})[0].ravel()[0])
    log_odds = SLOPE * raw + INTERCEPT
    answer = {"customer_id": customer["customer_id"], "churn_probability": 1.0 / (1.0 + math.exp(-log_odds))}
    if REASONS:
        answer |= EXPLAINED.of(row)
    return answer


def handler(event: dict, _context: object) -> dict:
    body = json.loads(event["body"])
    as_of, _ = instant(body["as_of"])
    by_id = [customer["customer_id"] for customer in body["customers"] if customer.get("history") is None]
    stored = read_many(by_id) if by_id else {}
    results = [result(customer, stored, as_of) for customer in body["customers"]]
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps({"results": results})}
