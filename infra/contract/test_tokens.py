"""The gateway lets nobody in without a right token; it decides as API Gateway's JWT authorizer does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import httpx
import issuer
import local_stack
import pytest
from joserfc.jwk import RSAKey

OPERATIONS = [
    (method.upper(), path.replace("{customer_id}", "1171").replace("{sku_id}", "1082185"))
    for path, methods in local_stack.DOCUMENT["paths"].items()
    for method in methods
]


def asked(stack: local_stack.LocalStack, token: str | None, method: str = "GET", path: str = "/v1/customers/1171/churn") -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.request(method, stack.gateway + path, headers=headers, timeout=60)


def signed(stack: local_stack.LocalStack, **changes: object) -> str:
    return issuer.sign(stack.key, **{"scope": local_stack.SCOPE, **changes})


def test_a_right_token_lets_in(stack):
    for token in (
        signed(stack),
        signed(stack, aud=["another", issuer.AUDIENCE], nbf=int(time.time()) - 1),
        signed(stack, aud=None, client_id=issuer.AUDIENCE),
        signed(stack, scope=None, scp=[local_stack.SCOPE, "more"]),
    ):
        answer = asked(stack, token)
        assert (answer.status_code, answer.json()["results"][0]["customer_id"]) == (200, "1171")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_operation_answers_without_a_token(stack, method, path):
    answer = asked(stack, None, method, path)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"].startswith("Bearer")


WRONG = {
    "expired": {"seconds": -1},
    "not yet valid": {"nbf": int(time.time()) + 3600},
    "issued in the future": {"iat": int(time.time()) + 3600},
    "without an end": {"exp": None},
    "another issuer": {"iss": "https://elsewhere.example"},
    "another shop's audience": {"aud": "another-shop"},
    "another shop's client": {"aud": None, "client_id": "another-shop"},
    "no audience": {"aud": None},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_a_wrong_token_is_refused(stack, changes):
    answer = asked(stack, signed(stack, **changes))
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_a_token_without_the_scope_is_forbidden(stack):
    for changes in ({"scope": None}, {"scope": "predictable"}, {"scope": None, "scp": []}):
        answer = asked(stack, signed(stack, **changes))
        assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})


def text_of(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def encoded(part: dict[str, object]) -> str:
    return text_of(json.dumps(part).encode())


def forged(stack: local_stack.LocalStack) -> dict[str, str]:
    right = signed(stack)
    header, claims, signature = right.split(".")
    other = RSAKey.generate_key(2048, {"kid": stack.key.kid})
    later = {**json.loads(base64.urlsafe_b64decode(claims + "==")), "exp": 2**40}
    # The public key as the secret of a symmetric signature: a classic, which libraries refuse to make.
    secret = f"{encoded({'alg': 'HS256', 'kid': stack.key.kid})}.{claims}"
    symmetric = hmac.new(stack.key.as_pem(private=False), secret.encode(), hashlib.sha256).digest()
    return {
        "signed by another key": issuer.sign(other, scope=local_stack.SCOPE),
        "signed by an unknown key": issuer.sign(RSAKey.generate_key(2048, auto_kid=True), scope=local_stack.SCOPE),
        "changed claims": f"{header}.{encoded(later)}.{signature}",
        "no signature": f"{encoded({'alg': 'none', 'kid': stack.key.kid})}.{claims}.",
        "a symmetric signature": f"{secret}.{text_of(symmetric)}",
        "half of it": right[: len(right) // 2],
        "nothing in its parts": "..",
    }


def test_a_forged_token_is_refused(stack):
    for what, token in forged(stack).items():
        answer = asked(stack, token)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"}), what


def test_what_is_no_route_is_not_found_whoever_asks(stack):
    for token in (None, signed(stack)):
        for method, path in (("GET", "/"), ("GET", "/v1/churn"), ("DELETE", "/v1/churn"), ("GET", "/v1/customers/1171/churn/")):
            answer = asked(stack, token, method, path)
            assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_answers_and_problems_pass_as_the_functions_give_them(stack):
    headers = {"authorization": f"Bearer {signed(stack)}"}
    with httpx.Client(timeout=60) as client:
        body = {"customers": [{"customer_id": "1171"}], "as_of": "2018-01-01T00:00:00Z"}
        through = client.post(f"{stack.gateway}/v1/churn", json=body, headers=headers)
        directly = client.post(f"{stack.functions}/v1/churn", json=body)
        assert through.json() == directly.json() and through.status_code == 200
        problem = client.post(f"{stack.gateway}/v1/churn", content=b"{", headers=headers)
        assert (problem.status_code, problem.headers["content-type"]) == (400, "application/problem+json")
        assert problem.json()["request_id"]
