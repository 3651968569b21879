"""A client made from the document, as a customer's developer would make one, asks the running stack."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from types import ModuleType

import httpx
import issuer
import local_stack
import pytest

NAME = "storecast_client"


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> ModuleType:
    """The client; what the generator cannot make of the document fails here."""
    folder = tmp_path_factory.mktemp("client")
    programs = Path(sys.executable).parent
    command = [programs / "openapi-python-client", "generate", "--meta", "none", "--fail-on-warning"]
    command += ["--path", local_stack.ROOT / "infra" / "openapi.json", "--output-path", folder / NAME]
    # It tidies up what it made with a program of the same environment.
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    made = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    return importlib.import_module(NAME)


@pytest.fixture(scope="session")
def models(generated) -> ModuleType:
    return importlib.import_module(f"{NAME}.models")


@pytest.fixture
def client(stack, generated):
    token = issuer.sign(stack.key, scope=local_stack.SCOPE)
    return generated.AuthenticatedClient(base_url=stack.gateway, token=token, raise_on_unexpected_status=True, timeout=60)


def operation(name: str, function: str) -> ModuleType:
    return importlib.import_module(f"{NAME}.api.{function}.{name}")


def test_every_operation_has_a_function(generated):
    for methods in local_stack.DOCUMENT["paths"].values():
        for described in methods.values():
            (function,) = described["tags"]
            assert callable(operation(described["operationId"], function).sync_detailed)


def test_churn_is_typed(client, models):
    body = models.ChurnRequest(customers=[models.ChurnCustomer("1171"), models.ChurnCustomer("nobody")], budget_minor=5000)
    answer = operation("predict_churn", "churn").sync(client=client, body=body)
    assert isinstance(answer, models.ChurnAnswer)
    known, unknown = answer.results
    assert isinstance(known, models.ChurnResultScored) and isinstance(unknown, models.ChurnResultUnknown)
    assert (known.customer_id, unknown.customer_id) == ("1171", "nobody")
    assert 0 < known.churn_probability < 1
    total = known.base_log_odds + sum(reason.log_odds for reason in known.reasons)
    assert total == pytest.approx(known.log_odds, abs=1e-9)
    assert known.decision.expected_cost_minor <= 5000


def test_inventory_is_typed(client, models):
    of_sku = operation("plan_inventory_of_sku", "inventory").sync("1082185", client=client)
    assert isinstance(of_sku, models.InventoryAnswer)
    lead_time = [models.InventoryLeadTimeDays(days=2, probability=0.5), models.InventoryLeadTimeDays(days=5, probability=0.5)]
    target = models.InventoryTargetType0(service_level=0.9)
    sku = models.InventorySku("1082185", on_hand=3, lead_time_days=lead_time, target=target)
    answer = operation("plan_inventory", "inventory").sync(client=client, body=models.InventoryRequest([sku]))
    (planned,) = answer.results
    assert isinstance(planned, models.InventoryResultPlanned)
    assert planned.assumptions.on_hand == 3 and planned.plan.order_quantity > 0


def test_recommendations_are_typed(client, models):
    to_customer = operation("recommend_to_customer", "recommendations")
    surface = models.RecommendToCustomerSurface.DISCOVER
    answer = to_customer.sync("1171", client=client, k=4, surface=surface)
    assert isinstance(answer, models.RecommendationsAnswer)
    assert [item.rank for item in answer.items] == [1, 2, 3, 4]
    body = models.RecommendationsRequest(cart=[answer.items[0].product_id], k=2)
    assert len(operation("recommend", "recommendations").sync(client=client, body=body).items) == 2


def test_health_and_models_are_typed(client, models):
    health = operation("health", "churn").sync(client=client)
    assert isinstance(health, models.Health) and health.status == "ok"
    store, model = health.checks
    assert (store.name, model.name, model.state) == ("store", "model", "ok") and model.golden_rows in ("all", "sample")
    served = operation("models", "churn").sync(client=client)
    assert isinstance(served, models.Models)
    by_function = {model.function: model for model in served.models}
    assert set(by_function) == {"churn", "inventory", "recommendations"}
    assert by_function["churn"].version == model.version and 0 < by_function["churn"].metrics["auc"] < 1


def test_a_problem_is_typed(client, models):
    body = models.ChurnRequest(customers=[models.ChurnCustomer("1"), models.ChurnCustomer("1")])
    refused = operation("predict_churn", "churn").sync_detailed(client=client, body=body)
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert isinstance(refused.parsed, models.Problem)
    assert refused.parsed.pointer == "/customers/1/customer_id"
    assert refused.parsed.type_.value == "urn:storecast:problem:invalid-value"
    missing = operation("predict_churn_of_customer", "churn").sync_detailed("nobody", client=client)
    assert (missing.status_code, missing.parsed.status.value) == (HTTPStatus.NOT_FOUND, 404)


def test_a_refusal_of_the_gateway_is_typed(stack, generated, models):
    stranger = generated.AuthenticatedClient(base_url=stack.gateway, token="none")
    refused = operation("recommend_to_customer", "recommendations").sync_detailed("1171", client=stranger)
    assert (refused.status_code, refused.parsed.message) == (HTTPStatus.UNAUTHORIZED, "Unauthorized")


def test_a_failure_of_either_side_is_read(models, generated, client):
    """A 503 is ours, with a problem, or the gateway's own, with a message; a client sees both."""
    parse = operation("predict_churn", "churn")._parse_response
    ours = {"type": "urn:storecast:problem:unavailable", "title": "temporarily unavailable", "status": 503, "detail": "no model is served"}
    assert isinstance(parse(client=client, response=httpx.Response(503, json=ours)), models.Problem)
    theirs = {"message": "Service Unavailable"}
    assert isinstance(parse(client=client, response=httpx.Response(503, json=theirs)), models.GatewayRefusal)
