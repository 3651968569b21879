"""Churn by FastAPI behind Mangum, pandas and LightGBM, on AWS's runtime client.

Made fast: compiled bytecode, one thread, clients and booster made once at start, a plain `async` route whose body is read without a
schema of every order line, no lifespan, no documentation routes.
"""

from __future__ import annotations

import json
import math
import os

import lightgbm
import numpy as np
import pandas as pd
from fastapi import FastAPI, Request
from fastapi.responses import Response
from frames import columns
from mangum import Mangum
from reasons import Reasons
from questions import instant, orders_of
from stores import read_model, read_orders

REASONS = os.environ.get("PEER_REASONS") == "1"
FILES = read_model("model.txt")
PARAMETERS = json.loads(FILES["parameters.json"])
SLOPE, INTERCEPT = PARAMETERS["calibration"]["slope"], PARAMETERS["calibration"]["intercept"]
BOOSTER = lightgbm.Booster(model_str=FILES["model.txt"].decode())
EXPLAINED = Reasons(PARAMETERS, BOOSTER) if REASONS else None
NAMES = ("customer_id", "order_id", "placed_at", "local_day", "product_id", "category", "quantity", "net", "discount")

app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)


def frame(customers: list[dict]) -> pd.DataFrame:
    """Order lines of all customers asked for."""
    rows = []
    for customer in customers:
        history = customer.get("history")
        orders = orders_of(history) if history is not None else read_orders(customer["customer_id"])
        for number, (placed_at, local_day, lines) in enumerate(orders):
            rows += [(customer["customer_id"], number, placed_at, local_day, *line) for line in lines]
    return pd.DataFrame.from_records(rows, columns=NAMES)


@app.post("/v1/churn")
async def churn(request: Request) -> Response:
    body = json.loads(await request.body())
    as_of, _ = instant(body["as_of"])
    ids, rows = columns(frame(body["customers"]), as_of, PARAMETERS["artifacts"])
    raw = BOOSTER.predict(rows.astype(np.float64), raw_score=True, num_threads=1)
    results = []
    for customer_id, row, score in zip(ids, rows, raw.tolist()):
        answer = {"customer_id": customer_id, "churn_probability": 1.0 / (1.0 + math.exp(-(SLOPE * score + INTERCEPT)))}
        if EXPLAINED:
            answer |= EXPLAINED.of(row.reshape(1, -1).astype(np.float64))
        results.append(answer)
    return Response(json.dumps({"results": results}), media_type="application/json")


handler = Mangum(app, lifespan="off")
