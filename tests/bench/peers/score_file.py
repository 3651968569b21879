"""Scores a CSV file of customers with their orders, from S3 to S3: `score_file.py pandas|polars KEY OUT_KEY`.

pandas and ONNX Runtime, or Polars and LightGBM; one thread. Imports and the model are there before the clock starts. Prints one line of
JSON: seconds of reading, features, scoring and writing, and of ONNX Runtime alone.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time

import numpy as np
from stores import CONFIG, SESSION, read_model

BUCKET = os.environ["PEER_UPLOADS"]
# Seconds of the model alone.
BARE: dict[str, float] = {}


def with_pandas():
    import onnxruntime
    import pandas as pd
    from frames import columns
    from questions import instant, orders_of

    files = read_model("model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(files["model.onnx"], options, providers=["CPUExecutionProvider"])
    names = ["customer_id", "order_id", "placed_at", "local_day", "product_id", "category", "quantity", "net", "discount"]

    def read(body: bytes):
        table = pd.read_csv(io.BytesIO(body), dtype=str, keep_default_na=False)
        rows = []
        for customer, history in zip(table.customer_id, table.history):
            for number, (placed_at, local_day, lines) in enumerate(orders_of(json.loads(history))):
                rows += [(customer, number, placed_at, local_day, *line) for line in lines]
        return pd.DataFrame.from_records(rows, columns=names), instant(table.as_of[0])[0]

    def score(rows: np.ndarray) -> np.ndarray:
        started = time.perf_counter()
        raw = session.run(None, {session.get_inputs()[0].name: rows})[0]
        BARE["bare"] = time.perf_counter() - started
        return raw.ravel().astype(np.float64)

    def write(ids, probabilities) -> bytes:
        return pd.DataFrame({"customer_id": ids, "churn_probability": probabilities}).to_csv(index=False).encode()

    return json.loads(files["parameters.json"]), read, columns, score, write


def with_polars():
    import lightgbm
    import polars as pl
    from polars_frames import columns
    from questions import instant

    files = read_model("model.txt")
    booster = lightgbm.Booster(model_str=files["model.txt"].decode())
    line = {"product_id": pl.String, "category": pl.String, "quantity": pl.Float64, "net_minor": pl.Int64, "discount_minor": pl.Int64}
    history = pl.Struct({"orders": pl.List(pl.Struct({"order_id": pl.String, "placed_at": pl.String, "lines": pl.List(pl.Struct(line))}))})
    epoch = pl.date(1970, 1, 1)

    def read(body: bytes):
        table = pl.read_csv(body, infer_schema=False)
        lines = (
            table.lazy()
            .select("customer_id", pl.col("history").str.json_decode(history).struct.field("orders"))
            .explode("orders").unnest("orders").explode("lines").unnest("lines")
            .select(
                "customer_id", "order_id", "product_id", "category", "quantity",
                pl.col("placed_at").str.to_datetime("%+", time_zone="UTC").dt.epoch("s").alias("placed_at"),
                (pl.col("placed_at").str.slice(0, 10).str.to_date() - epoch).dt.total_days().alias("local_day"),
                pl.col("net_minor").alias("net"), pl.col("discount_minor").alias("discount"),
            )
        )
        return lines.collect().lazy(), instant(table["as_of"][0])[0]

    def of_frame(lines, as_of: int, artifacts: dict):
        frame = columns(lines, as_of, artifacts)
        return frame["customer_id"], frame.drop("customer_id").to_numpy()

    def score(rows: np.ndarray) -> np.ndarray:
        return booster.predict(rows.astype(np.float64), raw_score=True, num_threads=1)

    def write(ids, probabilities) -> bytes:
        return pl.DataFrame({"customer_id": ids, "churn_probability": probabilities}).write_csv().encode()

    return json.loads(files["parameters.json"]), read, of_frame, score, write


def main() -> None:
    engine, key, out_key = sys.argv[1:4]
    parameters, read, columns, score, write = {"pandas": with_pandas, "polars": with_polars}[engine]()
    slope, intercept = parameters["calibration"]["slope"], parameters["calibration"]["intercept"]
    s3 = SESSION.client("s3", config=CONFIG)
    s3.list_objects_v2(Bucket=BUCKET, MaxKeys=1)
    marks = [time.perf_counter()]
    lines, as_of = read(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    marks.append(time.perf_counter())
    ids, rows = columns(lines, as_of, parameters["artifacts"])
    marks.append(time.perf_counter())
    log_odds = slope * score(rows) + intercept
    probabilities = [1.0 / (1.0 + math.exp(-value)) for value in log_odds.tolist()]
    marks.append(time.perf_counter())
    s3.put_object(Bucket=BUCKET, Key=out_key, Body=write(ids, probabilities))
    marks.append(time.perf_counter())
    reading, features, scoring, writing = (b - a for a, b in zip(marks, marks[1:]))
    print(json.dumps({"total": marks[-1] - marks[0], "read": reading, "features": features, "score": scoring, "write": writing, **BARE}))


if __name__ == "__main__":
    main()
