"""The committed OpenAPI document, and what the tests know of calls: events and the answers that are accepted for them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Iterator
from urllib.parse import parse_qsl, unquote

import stack
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT: dict[str, Any] = json.loads((stack.ROOT / "infra" / "openapi.json").read_text(encoding="utf-8"))
ANSWERS = stack.ROOT / "tests" / "storecast" / "snapshots"
HERE = "urn:storecast:openapi"
REGISTRY = Registry().with_resource(HERE, Resource(contents=DOCUMENT, specification=DRAFT202012))


@dataclass(frozen=True)
class Call:
    """One event over HTTP, with the operation that it is of, if any, and the accepted answer."""

    name: str
    operation: dict[str, Any] | None
    path: dict[str, str]
    query: list[tuple[str, str]]
    body: str
    status: int
    headers: dict[str, str]
    answer: Any


def complaints(schema: dict[str, Any], value: Any) -> list[str]:
    """What a value breaks of a schema of the document, formats included."""
    validator = OAS31Validator(pointed(schema), registry=REGISTRY, format_checker=OAS31Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def pointed(schema: Any) -> Any:
    """The schema, with references into the document as a whole address."""
    if isinstance(schema, list):
        return [pointed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: HERE + v if k == "$ref" and v.startswith("#") else pointed(v) for k, v in schema.items()}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference points to."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method in upper case, path template, operation."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def operation_of(method: str, path: str) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The operation of a call and the parameters in its path."""
    given = path.split("/")
    for known, template, operation in operations():
        wanted = template.split("/")
        fits = len(wanted) == len(given) and all(w == g or w.startswith("{") for w, g in zip(wanted, given))
        if known == method and fits:
            return operation, {w.strip("{}"): unquote(g) for w, g in zip(wanted, given) if w.startswith("{")}
    return None, {}


def calls() -> list[Call]:
    """Every event over HTTP, of every function."""
    found = []
    for function in stack.functions():
        for file in sorted((stack.ROOT / "events" / function).glob("*.json")):
            event = json.loads(file.read_text(encoding="utf-8"))
            if "requestContext" in event:
                found.append(call(f"{function}-{file.stem}", event))
    return found


def call(name: str, event: dict[str, Any]) -> Call:
    _, _, accepted = (ANSWERS / f"{name}.snap").read_text(encoding="utf-8").partition("\n---\n")
    answer = json.loads(accepted)
    body = event.get("body", "")
    operation, path = operation_of(event["requestContext"]["http"]["method"], event["rawPath"])
    return Call(
        name=name,
        operation=operation,
        path=path,
        query=parse_qsl(event["rawQueryString"]),
        body=base64.b64decode(body).decode() if event["isBase64Encoded"] else body,
        status=answer["status"],
        headers=answer["headers"],
        answer=answer["body"],
    )
