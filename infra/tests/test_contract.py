"""The OpenAPI document is one, and says of requests and answers what the functions do."""

from __future__ import annotations

import copy
import json
from typing import Any

import contract
import pytest
import stack
from contract import DOCUMENT, Call, complaints, resolved
from openapi_spec_validator import OpenAPIV31SpecValidator
from stack import real
from test_api import routes

CALLS = contract.calls()


def test_the_document_is_openapi():
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    spoiled = copy.deepcopy(DOCUMENT)
    spoiled["info"].pop("version")
    assert list(OpenAPIV31SpecValidator(spoiled).iter_errors())


def test_routes_are_those_of_the_template():
    described: dict[str, set[str]] = {}
    for method, path, operation in contract.operations():
        (function,) = operation["tags"]
        described.setdefault(function, set()).add(f"{method} {path}")
    for made in real().values():
        assert routes(made) == described


def test_every_operation_can_be_told_apart_and_asks_for_a_token():
    names = [operation["operationId"] for _, _, operation in contract.operations()]
    assert len(set(names)) == len(names) >= 6
    assert DOCUMENT["security"] == [{"token": []}]
    for _, _, operation in contract.operations():
        assert "security" not in operation, "no operation answers anybody"
        assert {"200", "401", "403", "422", "429", "500", "503"} <= set(operation["responses"])


def media(content: dict[str, Any], kind: str) -> dict[str, Any]:
    assert kind in content, f"{kind} is not described, {list(content)} are"
    return content[kind]


def request_complaints(call: Call) -> list[str]:
    """What the parameters and the body of a call break of its operation."""
    assert call.operation
    found = []
    declared = {(p["in"], p["name"]): p for p in call.operation.get("parameters", [])}
    given = {("path", name): text for name, text in call.path.items()} | {("query", name): text for name, text in call.query}
    for key, text in given.items():
        schema = declared[key]["schema"] if key in declared else {"not": {}}
        value = int(text) if schema.get("type") == "integer" and text.isdigit() else text
        found += [f"{' '.join(key)} {complaint}" for complaint in complaints(schema, value)]
    if "requestBody" in call.operation:
        schema = media(call.operation["requestBody"]["content"], "application/json")["schema"]
        try:
            found += complaints(schema, json.loads(call.body))
        except json.JSONDecodeError as error:
            found.append(str(error))
    return found


OF_ROUTES = [call for call in CALLS if call.operation]


@pytest.mark.parametrize("call", [c for c in OF_ROUTES if c.status in (200, 404)], ids=lambda call: call.name)
def test_what_a_function_accepts_keeps_the_document(call):
    assert request_complaints(call) == []


@pytest.mark.parametrize("call", [c for c in OF_ROUTES if c.status in (400, 422)], ids=lambda call: call.name)
def test_what_a_function_refuses_breaks_the_document(call):
    assert request_complaints(call), "a schema can say why; what none can say needs an exception with its reason here"


@pytest.mark.parametrize("call", OF_ROUTES, ids=lambda call: call.name)
def test_every_answer_keeps_the_document(call):
    response = resolved(call.operation["responses"][str(call.status)])
    assert complaints(media(response["content"], call.headers["content-type"])["schema"], call.answer) == []


@pytest.mark.parametrize("call", [c for c in CALLS if not c.operation], ids=lambda call: call.name)
def test_calls_astray_are_answered_by_problems_too(call):
    response = DOCUMENT["components"]["responses"][f"Refused{call.status}"]
    assert complaints(media(response["content"], call.headers["content-type"])["schema"], call.answer) == []


def test_every_kind_of_call_is_seen():
    assert {call.status for call in CALLS} >= {200, 400, 404, 405, 422}
    answered = {call.operation["operationId"] for call in OF_ROUTES if call.status == 200}
    assert answered == {operation["operationId"] for _, _, operation in contract.operations()}


def altered(value: Any) -> list[tuple[str, Any]]:
    """A body with a field that nobody knows, in every object of it."""
    found = []
    if isinstance(value, dict):
        found.append((", ".join(value), {**value, "unheard_of": 1}))
        for name, inner in value.items():
            found += [(place, {**value, name: changed}) for place, changed in altered(inner)]
    if isinstance(value, list):
        for at, inner in enumerate(value):
            found += [(place, [*value[:at], changed, *value[at + 1 :]]) for place, changed in altered(inner)]
    return found


def test_a_field_that_nobody_knows_breaks_every_request():
    tried = 0
    for call in OF_ROUTES:
        if call.status == 200 and call.body:
            schema = media(call.operation["requestBody"]["content"], "application/json")["schema"]
            for place, body in altered(json.loads(call.body)):
                assert complaints(schema, body), f"{call.name}: beside {place}"
                tried += 1
    assert tried > 50


def closed(schema: Any, place: str = "") -> list[str]:
    """Objects of a schema that take any field."""
    if isinstance(schema, list):
        return [found for item in schema for found in closed(item, place)]
    if not isinstance(schema, dict):
        return []
    found = [place] if "properties" in schema and schema.get("additionalProperties") is not False else []
    return found + [inner for name, value in schema.items() for inner in closed(value, f"{place}/{name}")]


def reached(schema: Any, seen: set[str]) -> set[str]:
    """Names of the components that a schema refers to, directly or not."""
    if isinstance(schema, list):
        for item in schema:
            reached(item, seen)
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            reached(DOCUMENT["components"]["schemas"][name], seen)
        reached(list(schema.values()), seen)
    return seen


def test_no_request_takes_any_field():
    bodies = [o["requestBody"]["content"]["application/json"]["schema"] for _, _, o in contract.operations() if "requestBody" in o]
    names = reached(bodies, set())
    assert {"ChurnRequest", "InlineLine", "InventoryConstraints"} <= names
    assert [place for name in names for place in closed(DOCUMENT["components"]["schemas"][name], name)] == []


def examples() -> list[tuple[str, dict[str, Any], Any]]:
    found = []
    for _, _, operation in contract.operations():
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [resolved(response).get("content", {}) for response in operation["responses"].values()]
        for content in contents:
            for kind in content.values():
                given = [(name, e["value"]) for name, e in kind.get("examples", {}).items()]
                given += [("example", kind["example"])] if "example" in kind else []
                found += [(f"{operation['operationId']} {name}", kind["schema"], value) for name, value in given]
    return found


def unexplained(document: dict[str, Any]) -> list[str]:
    """Operations, parameters, answers, schemas and fields that do not say what they are, and bodies without an example."""
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            place = f"{method.upper()} {path}"
            body, answer = operation.get("requestBody"), operation["responses"]["200"]
            found += [place] if not operation.get("summary") else []
            found += [f"{place} {p['name']}" for p in operation.get("parameters", []) if not p.get("description")]
            for name, holder in (("body", body), ("answer", answer)):
                kinds = (holder or {}).get("content", {}).values()
                found += [f"{place} {name} without an example" for kind in kinds if not {"example", "examples"} & set(kind)]
            found += [f"{place} {status}" for status, r in operation["responses"].items() if "$ref" not in r and not r.get("description")]
    found += [name for name, response in document["components"]["responses"].items() if not response.get("description")]
    for name, schema in document["components"]["schemas"].items():
        found += [name] if not schema.get("description") else []
        found += undescribed(schema, name)
    return found


def undescribed(schema: Any, place: str) -> list[str]:
    """Fields without a description, but for those whose type has one."""
    if isinstance(schema, list):
        return [found for item in schema for found in undescribed(item, place)]
    if not isinstance(schema, dict):
        return []
    fields = schema.get("properties", {})
    found = [f"{place}.{name}" for name, field in fields.items() if not field.get("description") and "$ref" not in field]
    return found + [inner for value in schema.values() for inner in undescribed(value, place)]


def test_everything_says_what_it_is():
    assert unexplained(DOCUMENT) == []
    assert "[`" not in json.dumps(DOCUMENT), "a link that only Rust's documentation follows"
    spoiled = copy.deepcopy(DOCUMENT)
    spoiled["components"]["schemas"]["ChurnRequest"]["properties"]["customers"].pop("description")
    spoiled["components"]["schemas"]["Problem"].pop("description")
    spoiled["paths"]["/v1/churn"]["post"].pop("summary")
    (kind,) = spoiled["paths"]["/v1/health"]["get"]["responses"]["200"]["content"].values()
    kind.pop("example", None), kind.pop("examples", None)
    assert set(unexplained(spoiled)) == {"ChurnRequest.customers", "Problem", "POST /v1/churn", "GET /v1/health answer without an example"}


def test_every_example_keeps_its_schema():
    assert len(examples()) > 20
    for name, schema, value in examples():
        assert complaints(schema, value) == [], name


def test_a_broken_answer_is_found():
    call = next(call for call in OF_ROUTES if call.name == "churn-http-post")
    schema = resolved(call.operation["responses"]["200"])["content"]["application/json"]["schema"]
    answer = copy.deepcopy(call.answer)
    answer["results"][0].pop("churn_probability")
    assert complaints(schema, answer)
    answer = copy.deepcopy(call.answer)
    answer["results"][0]["state"] = "gone"
    assert complaints(schema, answer)
