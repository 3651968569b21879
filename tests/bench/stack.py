"""Both stores with the project's models and histories in them, and what the peers read beside those."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
from botocore.config import Config

from history import DAY, decode
from trees import Ensemble

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
WORK = ROOT / "target" / "bench"
SHOP = ROOT / "models" / "shops" / "completejourney.toml"
TABLE, BUCKET, UPLOADS = "storecast-bench", "storecast-bench-models", "storecast-bench-uploads"
FUNCTIONS = ("churn", "inventory", "recommendations")
# Before the test months: nothing that a model is judged on is looked at.
AS_OF = "2017-10-07T00:00:00-04:00"
HORIZONS = 4
LIBRARY = ROOT / ".tools" / "onnxruntime" / "libonnxruntime.so"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}


class Stack:
    """Ends with its `with`."""

    def __init__(self, programs: Path, release: Path):
        self.programs, self.release = programs, release

    def __enter__(self) -> "Stack":
        folder = WORK / "s3"
        if folder.exists():
            subprocess.run(["rm", "-r", folder], check=True)
        folder.mkdir(parents=True)
        command = [self.programs / "examples" / "stores", folder, BUCKET, TABLE]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.settings: dict[str, str] = json.loads(self.process.stdout.readline())
        self.replay = self.settings.pop("replay")
        # As the packages are deployed; HTTP to this machine's stores does not spare a function reading its root certificates.
        self.settings["SSL_CERT_FILE"] = str(ROOT / "infra" / "roots.pem")
        self.fill()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait(10)

    def client(self, name: str):
        s = self.settings
        return boto3.client(
            name, endpoint_url=s[f"AWS_ENDPOINT_URL_{name.upper()}"], region_name=s["AWS_REGION"], aws_access_key_id=s["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=s["AWS_SECRET_ACCESS_KEY"], config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )

    def storecast(self, *arguments: object) -> str:
        command = [self.release / "storecast", *map(str, arguments)]
        done = subprocess.run(command, env={**os.environ, **self.settings}, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"storecast {arguments[0]}: {done.stderr}")
        return done.stdout

    def fill(self) -> None:
        """Histories and models as an operator puts them there; the peers' as theirs would."""
        self.storecast("load", "--shop", SHOP)
        for function in FUNCTIONS:
            self.storecast("publish", function, "--promote", *missed_bars(function))
        self.s3, self.dynamo = self.client("s3"), self.client("dynamodb")
        self.s3.create_bucket(Bucket=UPLOADS, CreateBucketConfiguration={"LocationConstraint": self.settings["AWS_REGION"]})
        self.ids = self.customers()
        for function in ("churn", "inventory"):
            self.put_model(function, ROOT / "models" / function)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.put_orders, self.ids[:200]))

    def customers(self) -> list[str]:
        """Who has bought within four horizons, in a stable order that mixes small and large histories."""
        self.histories: dict[str, list] = {}
        # As stored: whoever asks for products decodes those few.
        self.skus: dict[str, bytes] = {}
        for page in self.dynamo.get_paginator("scan").paginate(TableName=TABLE):
            for item in page["Items"]:
                kind, _, entity_id = item["pk"]["S"].partition("#")
                if kind == "customer":
                    self.histories[entity_id] = decode(item["record"]["B"])
                elif kind == "sku":
                    self.skus[entity_id] = item["record"]["B"]
        as_of = datetime.fromisoformat(AS_OF).timestamp()
        horizon = json.loads((ROOT / "models/churn/artifacts.json").read_text())["horizon_days"] * DAY

        def is_recent(orders: list) -> bool:
            return any(as_of - HORIZONS * horizon <= placed_at < as_of for _, placed_at, _, _ in orders)

        known = sorted(customer for customer, orders in self.histories.items() if is_recent(orders))
        return sorted(known, key=lambda customer: hash_of(customer))

    def put_model(self, function: str, folder: Path) -> None:
        """The peers' copy of a model, as `peers/FUNCTION`; the text is made of the committed ones only, for peers that score with it."""
        manifest = json.loads((folder / "manifest.json").read_text())
        parameters = {
            "calibration": manifest.get("calibration"),
            "artifacts": json.loads((folder / "artifacts.json").read_text()),
            "groups": groups_of(manifest["model"]),
        }
        if function in FUNCTIONS:
            parameters["policy"] = json.loads((folder / "policy.json").read_text())
        files = {"model.onnx": (folder / "model.onnx").read_bytes(), "parameters.json": json.dumps(parameters).encode()}
        if function in FUNCTIONS:
            objective = "binary sigmoid:1" if function == "churn" else "poisson"
            text = Ensemble.read(folder / "model.onnx").lightgbm_text(objective)
            (WORK / f"{function}.txt").write_text(text)
            files["model.txt"] = text.encode()
        for name, content in files.items():
            self.s3.put_object(Bucket=BUCKET, Key=f"peers/{function}/{name}", Body=content)

    def put_orders(self, customer: str) -> None:
        orders = [[placed_at, local_day, lines] for _, placed_at, local_day, lines in self.histories[customer]]
        body = json.dumps(orders, separators=(",", ":")).encode()
        self.dynamo.put_item(TableName=TABLE, Item={"pk": {"S": f"peer#{customer}"}, "orders": {"B": body}})

    # --- Who is measured ---

    def ours(self, function: str) -> tuple[list, dict[str, str]]:
        return [self.programs / function], self.settings

    def keeping(self, contestant: tuple[list, dict[str, str]]) -> tuple[list, dict[str, str]]:
        """The same, and every prediction is kept."""
        command, settings = contestant
        log = {"": UPLOADS, "_SHARE": "1", "_SALT": "a salt of 16 bytes"}
        return command, {**settings, **{f"STORECAST_PREDICTION_LOG{name}": value for name, value in log.items()}}

    def predictions_kept(self, function: str) -> int:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=UPLOADS, Prefix=f"predictions/{function}/")
        return sum(page["KeyCount"] for page in pages)

    def floor(self, reads_item: bool = True) -> tuple[list, dict[str, str]]:
        """An empty function, which reads one item per request, or nothing."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="models/churn/")["Contents"]
        model = next(entry["Key"] for entry in listed if entry["Key"].endswith("model.onnx"))
        item = {"FLOOR_ITEM": f"customer#{self.ids[0]}"} if reads_item else {}
        settings = {**self.settings, "FLOOR_OBJECT": model, **item}
        return [self.programs / "examples" / "empty_function"], settings

    def loopback(self, answer_bytes: int) -> tuple[list, dict[str, str]]:
        """What answers so many bytes at once, whatever it is asked."""
        return [ROOT / ".tools" / "bench" / "bin" / "python", PEERS / "echo.py"], {"ECHO_BYTES": str(answer_bytes)}

    def peer(self, module: str, reasons: bool = False, function: str = "churn") -> tuple[list, dict[str, str]]:
        """A handler on AWS's runtime client for Python; its bytecode is compiled before anything is timed."""
        python = ROOT / ".tools" / "bench" / "bin" / "python"
        region = {"AWS_DEFAULT_REGION": self.settings["AWS_REGION"]}
        peer = {"PEER_MODEL": f"peers/{function}", "PEER_REASONS": str(int(reasons)), "PYTHONPATH": str(PEERS)}
        settings = {**self.settings, **region, **ONE_THREAD, **peer}
        return [python, "-m", "awslambdaric", f"{module}.handler"], settings

    def replayed(self, contestant: tuple[list, dict[str, str]]) -> tuple[list, dict[str, str]]:
        """The same with the store's time taken out: what DynamoDB answered once is answered from memory from then on, as the same bytes,
        to whoever asks the same bytes. Only reads pass, so nothing that is measured so may write."""
        command, settings = contestant
        return command, {**settings, "AWS_ENDPOINT_URL_DYNAMODB": self.replay}

    def questions_kept(self) -> int:
        """How many different reads were asked through `replayed`: one that is timed must be among them, so this may not grow meanwhile."""
        with urllib.request.urlopen(self.replay) as answer:
            return int(answer.read())

    def inline(self, customer: str) -> dict:
        """A customer with the orders in the request, as the API takes them."""
        return {"customer_id": customer, "history": {"orders": [inline_order(order) for order in self.histories[customer]]}}


def groups_of(function: str) -> list[str]:
    """The business reason of each column, in order, as the code declares it."""
    declared = (ROOT / "functions" / function / "src" / "features.rs").read_text()
    return re.findall(r'^    \w+: "([^"]+)" =>', declared, re.MULTILINE)


def inline_order(order: list) -> dict:
    order_id, placed_at, local_day, lines = order
    hours = min((h for h in range(-14, 15) if (placed_at + h * 3600) // DAY == local_day), key=abs)
    moment = datetime.fromtimestamp(placed_at, timezone(timedelta(hours=hours)))
    named = [
        {"product_id": product, "category": category, "quantity": quantity, "net_minor": net, "discount_minor": discount}
        for product, category, quantity, net, discount in lines
    ]
    return {"order_id": order_id, "placed_at": moment.isoformat(), "lines": named}


def hash_of(text: str) -> int:
    """FNV-1a: the same order on every machine."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def missed_bars(function: str) -> list[str]:
    """Options of `storecast publish` that name the bars which the committed model is known to miss."""
    manifest = json.loads((ROOT / "models" / function / "manifest.json").read_text())
    missed = [line["metric"] for line in manifest["metrics"] if line["pass"] is False]
    return [word for metric in missed for word in ("--accept-miss", metric)]
