"""From nothing to a prediction, without AWS: the stack is made by moto, the real programs publish, load and answer.

Every call they make is written down and held against the policies: what a program calls must be granted, and what is granted must be
called. moto itself checks no permission.
"""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path

import boto3
import moto_stack
import pytest
import stack
from fake_lambda import FakeLambda
from permission import grants, granting, in_template_words, places
from recording import Call, RecordingServer
from settings import settings_of

SHOP = """
format = 1
name = "tiny"
currency = "EUR"
source = "made up here"
licence = "MIT"
data_root = "s3://{bucket}"
[time]
naive_zone = "UTC"
[orders]
files = ["orders/*.csv"]
dates = ["%Y-%m-%d"]
[orders.columns]
order_id = "order_id"
customer_id = "customer_id"
placed_at = "placed_at"
product_id = "product_id"
quantity = "quantity"
amount = "amount"
[products]
files = ["products.csv"]
[products.columns]
product_id = "product_id"
category = "category"
[stock]
files = ["stock.csv"]
[stock.columns]
product_id = "product_id"
date = "date"
on_hand = "on_hand"
"""
# A function opens its connection to S3 while it waits for the pointers; a 403 does that as well as a 200.
MAY_BE_REFUSED = {"s3:ListBucket"}


# Who calls, and which role or policy is theirs.
HOLDERS = {"publisher": "PublisherPolicy", "loader": "LoaderPolicy"}
# What the programs can be seen to use here; logs, traces and keys are AWS's own doing.
SERVICES = ("dynamodb:", "s3:")


def orders(customers: dict[str, str]) -> str:
    """Twenty weeks of orders, one a week of each customer's product."""
    rows = ["order_id,customer_id,placed_at,product_id,quantity,amount"]
    for week in range(20):
        day = f"2026-{1 + week // 4:02}-{1 + 7 * (week % 4):02}"
        rows += [f"{week}-{customer},{customer},{day},{product},2,10.00" for customer, product in customers.items()]
    return "\n".join(rows) + "\n"


def package() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bootstrap", "stands for a program")
    return file.getvalue()


def published() -> list[str]:
    """Functions whose committed model is complete."""
    return [f for f in stack.functions() if (stack.ROOT / "models" / f / "manifest.json").is_file()]


class World:
    """A made stack, filled and asked by the real programs."""

    def __init__(self, program, work: Path):
        self.program, self.work = program, work
        self.server = RecordingServer()
        self.outputs = moto_stack.create(self.server.url, stack.TOKENS, package())
        self.stack = stack.Stack(stack.source(), stack.TOKENS)
        self.endpoint = {"AWS_ENDPOINT_URL": self.server.url, "AWS_REGION": stack.REGION}
        self.answers: dict[str, dict] = {}

    def load(self, customers: dict[str, str]) -> None:
        bucket = self.outputs["DataBucketName"]
        s3 = boto3.client("s3", endpoint_url=self.server.url)
        s3.put_object(Bucket=bucket, Key="orders/all.csv", Body=orders(customers).encode())
        s3.put_object(Bucket=bucket, Key="products.csv", Body=b"product_id,category\ntea,drinks\ncup,kitchen\n")
        s3.put_object(Bucket=bucket, Key="stock.csv", Body=b"product_id,date,on_hand\ntea,2026-05-22,5\ncup,2026-05-22,9\n")
        shop = self.work / "shop.toml"
        shop.write_text(SHOP.format(bucket=bucket), encoding="utf-8")
        self.run("loader", "load", "--shop", str(shop), "--work", str(self.work / "work"))

    def run(self, who: str, *arguments: str) -> None:
        environment = {
            **self.endpoint,
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "STORECAST_TABLE": self.outputs["TableName"],
            "STORECAST_MODEL_BUCKET": self.outputs["ModelBucketName"],
        }
        command = [self.program("storecast"), *arguments]
        ran = subprocess.run(command, env=environment, cwd=stack.ROOT, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr

    def ask(self, function: str) -> None:
        """Asks for one customer or SKU, over the gateway's route."""
        routes = self.stack.of_type("AWS::ApiGatewayV2::Route").values()
        keys = [r["RouteKey"].split() for r in routes if r["Target"] == f"integrations/<{function.capitalize()}Integration>"]
        (path,) = [path for method, path in keys if method == "GET"]
        path = path.format(customer_id="anna", sku_id="tea")
        event = {"version": "2.0", "rawPath": path, "requestContext": {"http": {"method": "GET", "path": path}}}
        program = self.program(function)
        settings = {**self.endpoint, **settings_of(self.stack, function, self.outputs, program), "AWS_ACCESS_KEY_ID": function}
        with FakeLambda(program, settings) as running:
            answered, self.answers[function] = running.answer(event)
        assert answered, self.answers[function]

    def calls(self, who: str) -> list[Call]:
        named = places(self.outputs)
        return [in_template_words(call, named) for call in self.server.calls if call.who == who]

    def holder(self, who: str) -> str:
        return HOLDERS.get(who, f"{who.capitalize()}Role")


@pytest.fixture(scope="module")
def world(program, tmp_path_factory):
    made = World(program, tmp_path_factory.mktemp("shop"))
    # Twice: the second time something is there already.
    made.load({"anna": "tea", "bert": "cup"})
    made.load({"anna": "tea"})
    for function in published() * 2:
        made.run("publisher", "publish", function)
    for function in published():
        made.ask(function)
    yield made
    made.server.stop()


def test_a_made_stack_answers_with_a_prediction(world):
    assert {"churn", "inventory"} <= set(world.answers)
    for function, answer in world.answers.items():
        body = json.loads(answer["body"])
        assert answer["statusCode"] == 200, (function, body)
        assert "anna" in answer["body"] or "tea" in answer["body"], (function, body)


def gaps(made: stack.Stack, holder: str, calls: list[Call]) -> tuple[list[Call], set[str]]:
    """Calls that are not granted, and grants that are not called."""
    used = [granting(made, holder, call) for call in calls]
    ungranted = [call for call, found in zip(calls, used) if not found]
    return ungranted, grants(made, holder, SERVICES) - set().union(*used)


@pytest.mark.parametrize("who", ["publisher", "loader", *published()])
def test_what_is_called_is_granted_and_what_is_granted_is_called(world, who):
    calls = [call for call in world.calls(who) if who not in published() or call.action not in MAY_BE_REFUSED]
    assert calls, "nothing was called"
    assert gaps(world.stack, world.holder(who), calls) == ([], set())


def test_a_policy_that_is_too_wide_or_too_narrow_is_found(world):
    def change(resources: dict) -> None:
        write, move = resources["PublisherPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        write["Action"] = ["s3:PutObject", "s3:DeleteObject"]
        move["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] = ["pointer#model/*"]

    ungranted, uncalled = gaps(stack.mutated(change), "PublisherPolicy", world.calls("publisher"))
    assert {call.action for call in ungranted} == {"s3:GetObject", "dynamodb:BatchGetItem", "dynamodb:PutItem"}
    assert uncalled == {f"s3:DeleteObject <ModelBucket.Arn>/{folder}/*" for folder in ("models", "policies")}


def test_a_call_beyond_the_policies_is_noticed(world):
    def passes(who: str, action: str, resource: str, *keys: str) -> bool:
        return bool(granting(world.stack, world.holder(who), Call(who, action, resource, keys)))

    assert passes("churn", "s3:GetObject", "<ModelBucket.Arn>/models/churn/1/model.onnx")
    assert not passes("churn", "s3:GetObject", "<ModelBucket.Arn>/models/inventory/1/model.onnx")
    assert not passes("churn", "s3:PutObject", "<ModelBucket.Arn>/models/churn/1/model.onnx")
    assert passes("churn", "dynamodb:BatchGetItem", "<Table.Arn>", "customer#1", "meta#customer")
    assert not passes("churn", "dynamodb:BatchGetItem", "<Table.Arn>", "customer#1", "sku#1")
    assert not passes("churn", "dynamodb:BatchGetItem", "<Table.Arn>")
    assert not passes("inventory", "dynamodb:BatchGetItem", "<Table.Arn>", "customer#1")
    assert not passes("loader", "dynamodb:PutItem", "<Table.Arn>", "pointer#policy/churn")
    assert not passes("publisher", "dynamodb:PutItem", "<Table.Arn>", "customer#1")


def test_every_model_file_is_written_once(world):
    """The bucket's policy denies a write without the condition."""
    puts = [call for call in world.calls("publisher") if call.action == "s3:PutObject"]
    assert len(puts) >= 10
    assert all("if-none-match" in call.headers for call in puts)
