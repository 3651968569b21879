"""How both peers reach the model and the orders: boto3 clients made once, at start, with connections that stay open."""

from __future__ import annotations

import json
import os

import boto3
from botocore.config import Config

# Endpoint discovery and checks of instance metadata off, one attempt's worth of connections: what start-up can do without.
CONFIG = Config(s3={"addressing_style": "path"}, max_pool_connections=2, parameter_validation=False, tcp_keepalive=True)
TABLE = os.environ["STORECAST_TABLE"]
PREFIX = "peer#"
SESSION = boto3.session.Session()
DYNAMO = SESSION.client("dynamodb", config=CONFIG)


def read_model(name: str) -> dict[str, bytes]:
    """The files of a model: the one with the trees that is asked for, and its parameters. The client is needed at start only."""
    s3 = SESSION.client("s3", config=CONFIG)
    bucket, folder = os.environ["STORECAST_MODEL_BUCKET"], os.environ["PEER_MODEL"]
    return {key: s3.get_object(Bucket=bucket, Key=f"{folder}/{key}")["Body"].read() for key in (name, "parameters.json")}


def read_orders(customer_id: str) -> list:
    """A customer's orders, in one read. They are stored as compact JSON, which Python reads faster than packed numbers."""
    found = DYNAMO.get_item(TableName=TABLE, Key=key_of(customer_id))
    return json.loads(found["Item"]["orders"]["B"])


def read_many(customer_ids: list[str]) -> dict[str, list]:
    """The orders of up to 100 different customers, in one read as long as they fit into 16 MB."""
    if len(customer_ids) == 1:
        return {customer_ids[0]: read_orders(customer_ids[0])}
    found, wanted = {}, [key_of(customer_id) for customer_id in customer_ids]
    while wanted:
        answer = DYNAMO.batch_get_item(RequestItems={TABLE: {"Keys": wanted}})
        for item in answer["Responses"][TABLE]:
            found[item["pk"]["S"].removeprefix(PREFIX)] = json.loads(item["orders"]["B"])
        wanted = answer["UnprocessedKeys"].get(TABLE, {}).get("Keys", [])
    return found


def key_of(customer_id: str) -> dict:
    return {"pk": {"S": PREFIX + customer_id}}
