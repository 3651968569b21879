"""Routes are those of the code, and none of them answers without an authorizer."""

from __future__ import annotations

import json
import re

import pytest
import stack
from stack import Stack, mutated, real

ROUTE = re.compile(r'Route \{\s*method: "([A-Z]+)",\s*path: "([^"]+)"')
# What must never be in a log: who asked, from where, and a path, which holds a customer's id.
PERSONAL = ("path", "sourceIp", "userAgent", "identity", "claims", "header", "querystring", "principal")


def routes_of_code() -> dict[str, set[str]]:
    """`METHOD path` of each function, as its `routes` says."""
    found = {}
    for function in stack.functions():
        code = (stack.ROOT / "functions" / function / "src" / "lib.rs").read_text(encoding="utf-8")
        found[function] = {f"{method} {path}" for method, path in ROUTE.findall(code)}
    # How the service is and what it serves: one function answers for all.
    status = (stack.ROOT / "shared" / "serving" / "src" / "status.rs").read_text(encoding="utf-8")
    (answers,) = re.findall(r'ANSWERED_BY: &str = "(\w+)"', status)
    found[answers] |= {f"{method} {path}" for method, path in ROUTE.findall(status)}
    return found


def routes(made: Stack) -> dict[str, set[str]]:
    """`METHOD path` of each function, as the template says, followed from route to integration to alias."""
    found: dict[str, set[str]] = {}
    for route in made.of_type("AWS::ApiGatewayV2::Route").values():
        integration = made.resources[route["Target"].removeprefix("integrations/").strip("<>")]["Properties"]
        function = re.search(r"functions/<(\w+)FunctionAliaslive>/invocations", integration["IntegrationUri"])
        assert function, integration["IntegrationUri"]
        found.setdefault(function[1].lower(), set()).add(route["RouteKey"])
    return found


def test_routes_are_those_of_the_code():
    expected = routes_of_code()
    assert all(len(found) >= 2 for found in expected.values()), expected
    for made in real().values():
        assert routes(made) == expected
    spoiled = mutated(lambda r: r["GetCustomerChurn"]["Properties"].update(RouteKey="GET /v1/customer/{customer_id}/churn"))
    assert routes(spoiled) != expected


def test_paths_are_those_of_the_local_router():
    paths = {path: function for function, keys in routes(real()["tokens"]).items() for path in (key.split()[1] for key in keys)}
    assert paths == stack.routes_of_cargo()


def open_doors(made: Stack) -> list[str]:
    """Routes that answer anybody, and other ways in."""
    found = []
    authorizers = made.of_type("AWS::ApiGatewayV2::Authorizer")
    for name, route in made.of_type("AWS::ApiGatewayV2::Route").items():
        kind = route.get("AuthorizationType")
        by_token = kind == "JWT" and route.get("AuthorizerId", "").strip("<>") in authorizers
        if not by_token and kind != "AWS_IAM":
            found.append(f"{name} answers anybody")
        if "$default" in route["RouteKey"] or "ANY" in route["RouteKey"] or "+" in route["RouteKey"]:
            found.append(f"{name} takes everything")
    for name, authorizer in authorizers.items():
        settings = authorizer["JwtConfiguration"]
        if not settings["Issuer"].startswith("https://") or not all(settings["Audience"]):
            found.append(f"{name} takes any token")
    found += [f"{name} is a door of its own" for name in made.of_type("AWS::Lambda::Url")]
    for name, permission in made.of_type("AWS::Lambda::Permission").items():
        if permission["Principal"] != "apigateway.amazonaws.com" or ":<Api>/" not in permission.get("SourceArn", ""):
            found.append(f"{name} lets others in")
        if not permission["FunctionName"].endswith("FunctionAliaslive>"):
            found.append(f"{name} is not for the released code")
    return found


@pytest.mark.parametrize("variant", stack.VARIANTS)
def test_every_route_has_an_authorizer(variant):
    made = real()[variant]
    assert open_doors(made) == []
    kinds = {route["AuthorizationType"] for route in made.of_type("AWS::ApiGatewayV2::Route").values()}
    assert kinds == {"AWS_IAM" if variant == "signatures" else "JWT"}
    scopes = {str(route.get("AuthorizationScopes")) for route in made.of_type("AWS::ApiGatewayV2::Route").values()}
    assert scopes == {str([stack.ALL_OPTIONS["JwtScope"]] if variant == "all options" else None)}, "the scope that is named, on every route"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r["PostChurn"]["Properties"].pop("AuthorizationType"), "PostChurn answers anybody"),
        (lambda r: r["PostChurn"]["Properties"].update(AuthorizationType="NONE"), "PostChurn answers anybody"),
        (lambda r: r["PostChurn"]["Properties"].pop("AuthorizerId"), "PostChurn answers anybody"),
        (lambda r: r["PostChurn"]["Properties"].update(RouteKey="$default"), "PostChurn takes everything"),
        (lambda r: r["TokenAuthorizer"]["Properties"]["JwtConfiguration"].update(Audience=[""]), "TokenAuthorizer takes any token"),
        (lambda r: r["ChurnPermission"]["Properties"].pop("SourceArn"), "ChurnPermission lets others in"),
        (lambda r: r["ChurnPermission"]["Properties"].update(FunctionName={"Ref": "ChurnFunction"}), "ChurnPermission is not for the released code"),
        (
            lambda r: r["ChurnFunction"]["Properties"].update(FunctionUrlConfig={"AuthType": "NONE"}),
            "ChurnFunctionUrl is a door of its own",
        ),
    ],
)
def test_an_open_door_is_found(change, complaint):
    assert complaint in open_doors(mutated(change))


def test_tokens_without_an_issuer_are_refused_before_anything_is_made():
    rule = stack.source()["Rules"]["TokensNeedAnIssuer"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Authorizer"}, "jwt"]}
    asserted = json.dumps(rule["Assertions"])
    assert "JwtIssuer" in asserted and "JwtAudience" in asserted
    assert stack.source()["Parameters"]["Authorizer"]["AllowedValues"] == ["jwt", "iam"]


def test_browsers_of_named_origins_only():
    cors = {name: made.resources["Api"]["Properties"].get("CorsConfiguration") for name, made in real().items()}
    assert cors["tokens"] is None and cors["signatures"] is None
    assert cors["all options"]["AllowOrigins"] == stack.ALL_OPTIONS["CorsOrigins"].split(",")
    assert not cors["all options"].get("AllowCredentials")
    pattern = re.compile(stack.source()["Parameters"]["CorsOrigins"]["AllowedPattern"])
    assert pattern.search("https://shop.example") and pattern.search("")
    assert not any(pattern.search(origin) for origin in ("*", "https://*", "https://*.shop.example", "https://shop.example/"))


def unthrottled(made: Stack) -> list[str]:
    """Routes that take as much as comes, and POSTs, of which one may ask about a hundred, that take no less than others."""
    resource = made.resources["Stage"]
    limits, own = resource["Properties"]["DefaultRouteSettings"], resource["Properties"].get("RouteSettings", {})
    names = {route["RouteKey"]: name for name, route in made.of_type("AWS::ApiGatewayV2::Route").items()}
    found = [f"{key} is no route" for key in set(own) - set(names)]
    for key, name in names.items():
        for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
            least, most = int(own.get(key, limits)[limit]), int(limits[limit])
            if not 0 < least <= most or (key.startswith("POST ") and least == most):
                found.append(f"{key} is not throttled")
        if key in own and name not in stack.listed(resource.get("DependsOn", [])):
            found.append(f"{key} is limited before it is there")
    return found


def test_every_route_is_throttled():
    for made in real().values():
        assert unthrottled(made) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r["Stage"]["Properties"]["RouteSettings"].pop("POST /v1/churn"), "POST /v1/churn is not throttled"),
        (lambda r: r["Stage"]["Properties"]["RouteSettings"]["POST /v1/churn"].update(ThrottlingRateLimit=1000), "POST /v1/churn is not throttled"),
        (lambda r: r["Stage"]["Properties"]["RouteSettings"].update({"POST /v1/chrun": {}}), "POST /v1/chrun is no route"),
        (lambda r: r["Stage"]["DependsOn"].remove("PostChurn"), "POST /v1/churn is limited before it is there"),
    ],
)
def test_a_route_that_takes_too_much_is_found(change, complaint):
    assert complaint in unthrottled(mutated(change))


def personal(made: Stack) -> list[str]:
    (api,) = made.of_type("AWS::ApiGatewayV2::Stage").values()
    names = re.findall(r"\$context\.([A-Za-z.]+)", api["AccessLogSettings"]["Format"])
    return [name for name in names if any(part.lower() in name.lower() for part in PERSONAL)]


def test_the_access_log_names_nobody():
    made = real()["tokens"]
    assert personal(made) == []
    line = re.sub(r"\$context\.[A-Za-z.]+", "1", made.resources["Stage"]["Properties"]["AccessLogSettings"]["Format"])
    assert json.loads(line)["request_id"] == "1"
    spoiled = mutated(lambda r: r["Stage"]["Properties"]["AccessLogSettings"].update(Format='{"p":"$context.path"}'))
    assert personal(spoiled) == ["path"]
