"""Settings, releases, alarms and dashboard: what the template says fits what the programs read and write."""

from __future__ import annotations

import json
import math
import re
import subprocess
import tomllib
from typing import Any

import pytest
import stack
from fake_lambda import RESERVED, FakeLambda
from settings import CONFIG, MERGING, documented, read, settings_of
from stack import Stack, listed, mutated, real
from watching import counted_by, metric_of, watched_by

OUTPUTS = {
    "TableName": "shop-table",
    "PredictionsTableName": "shop-predictions",
    "ModelBucketName": "shop-models",
    "DataBucketName": "shop-data",
}
# Read by ONNX Runtime and by what reads root certificates, not by the code.
FOREIGN = {"ORT_DISABLE_TELEMETRY", "SSL_CERT_FILE"}
# Alarms that move traffic back; a slow start is no reason to.
ROLLS_BACK = ("Errors", "Failures", "Refusals")
# Nothing listens there: the function starts, and refuses its model.
NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "nobody"}


def misfits(made: Stack) -> list[str]:
    """Settings that a function needs and is not given, or is given and does not know."""
    found = []
    for name, function in made.programs().items():
        given, known = set(function["Environment"]["Variables"]) - FOREIGN, documented(MERGING if name == stack.MERGE else CONFIG)
        found += [f"{name} lacks {s}" for s, required in known.items() if required and s not in given]
        found += [f"{name} does not know {s}" for s in given - set(known)]
    return found


def test_settings_are_those_that_the_code_reads():
    assert set(documented()) == read(), "config.rs documents what it reads"
    # Two of them are read for all functions.
    assert set(documented(MERGING)) == read(MERGING) | (set(documented(MERGING)) & read())
    assert sum(documented().values()) >= 2 and sum(documented(MERGING).values()) >= 3
    for made in real().values():
        assert misfits(made) == []
    variables: Any = {"STORECAST_TABEL": "x", "STORECAST_MODEL_BUCKET": "y"}
    source = stack.source()
    source["Globals"]["Function"]["Environment"]["Variables"] = variables
    spoiled = misfits(Stack(source, stack.TOKENS))
    for name in ("ChurnFunction", "ChurnBatch", stack.MERGE):
        assert f"{name} lacks STORECAST_TABLE" in spoiled and f"{name} does not know STORECAST_TABEL" in spoiled
    told = mutated(lambda r: r[stack.MERGE]["Properties"]["Environment"]["Variables"].pop("STORECAST_PREDICTION_LOG_SALT"))
    assert misfits(told) == [f"{stack.MERGE} does not know STORECAST_PREDICTION_LOG_SALT"], "no secret that it has no use for"


def test_log_levels_are_those_that_the_code_knows():
    levels = stack.source()["Parameters"]["LogLevel"]["AllowedValues"]
    assert f"expected {', '.join(levels[:-1])} or {levels[-1]}" in CONFIG.read_text(encoding="utf-8")


@pytest.mark.parametrize("function", stack.functions())
@pytest.mark.parametrize("suffix", ["Function", "Batch"])
def test_a_program_starts_with_the_template_s_settings_and_ends_without_one(function, suffix, program):
    resource = function.capitalize() + suffix
    settings = {**NOWHERE, **settings_of(real()["tokens"], resource, OUTPUTS, program(function))}
    with FakeLambda(program(function), settings) as running:
        event = {"rawPath": "/v1/churn", "requestContext": {"http": {"method": "DELETE"}}}
        answered, response = running.answer(event)
        assert answered and response["statusCode"] in (404, 405, 503)
    for missing in [name for name, required in documented().items() if required]:
        environment = {**RESERVED, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", **{n: v for n, v in settings.items() if n != missing}}
        ran = subprocess.run([program(function)], env=environment, capture_output=True, text=True, timeout=30)
        assert ran.returncode != 0 and f"{missing} is missing" in ran.stdout


def test_the_merger_starts_with_the_template_s_settings_and_ends_without_one(program, tmp_path):
    settings = {**NOWHERE, **settings_of(real()["tokens"], stack.MERGE, OUTPUTS, program(stack.MERGER)), "STORECAST_WORK": str(tmp_path)}
    with FakeLambda(program(stack.MERGER), settings) as running:
        answered, response = running.answer({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": "nonsense"}]})
        assert (answered, response) == (True, {"batchItemFailures": [{"itemIdentifier": "1"}]})
    for missing in [name for name, required in documented(MERGING).items() if required]:
        environment = {**RESERVED, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", **{n: v for n, v in settings.items() if n != missing}}
        ran = subprocess.run([program(stack.MERGER)], env=environment, capture_output=True, text=True, timeout=30)
        assert ran.returncode != 0 and f"{missing} is missing" in ran.stdout


def selector(pattern: str) -> tuple[str, Any]:
    """Field and value of a metric filter `{ $.field = value }`."""
    parts = re.fullmatch(r'\{ \$\.(\w+) = (?:"([^"]*)"|(\d+)) \}', pattern)
    assert parts, pattern
    return parts[1], parts[2] if parts[2] is not None else int(parts[3])


@pytest.mark.parametrize("function", stack.functions())
def test_filters_count_what_a_program_writes(function, program):
    """A model that cannot be loaded is a refusal, and the 503 that follows is a failure; both are one line each."""
    resource = f"{function.capitalize()}Function"
    settings = {**NOWHERE, **settings_of(real()["tokens"], resource, OUTPUTS, program(function))}
    get = next(k for k, f in stack.routes_of_cargo().items() if f == function and "{" in k)
    event = {"rawPath": get.format(customer_id="1", sku_id="1"), "requestContext": {"http": {"method": "GET"}}}
    with FakeLambda(program(function), settings) as running:
        answered, response = running.answer(event)
        assert (answered, response["statusCode"]) == (True, 503)
        wrong = running.answer({"rawPath": "/v1/nowhere", "requestContext": {"http": {"method": "GET"}}})
        assert wrong[1]["statusCode"] in (404, 503)
        lines = running.logged()
    filters = real()["tokens"].of_type("AWS::Logs::MetricFilter")
    named = function.capitalize()
    assert filters[f"{named}BatchRefusalLines"] == {**filters[f"{named}RefusalLines"], "LogGroupName": f"<{named}BatchLogs>"}
    for name, expected in (("RefusalLines", 1), ("FailureLines", sum(line.get("errors") == 1 for line in lines))):
        field, value = selector(filters[f"{function.capitalize()}{name}"]["FilterPattern"])
        assert sum(line.get(field) == value for line in lines) == expected >= 1, lines


def loose_ends(made: Stack) -> list[str]:
    """Alarms nobody raises, and functions whose release nothing watches."""
    found = []
    counted = {metric for f in made.of_type("AWS::Logs::MetricFilter").values() for metric in counted_by(f)}
    alarms = made.of_type("AWS::CloudWatch::Alarm")
    for name, alarm in alarms.items():
        for metric in watched_by(alarm):
            if not metric["Namespace"].startswith("AWS/") and metric_of(metric) not in counted:
                found.append(f"{name} watches what nobody counts")
        if alarm.get("TreatMissingData") != "notBreaching":
            found.append(f"{name} rises when nothing happens")
        if not alarm["AlarmDescription"].endswith("."):
            found.append(f"{name} does not say what to do")
    for function in made.programs():
        if stack.function_of(function)[1]:
            found += impatience(made, function)
            continue
        group = made.resources[f"{function}DeploymentGroup"]["Properties"]
        prefix = function.removesuffix("Function")
        watched = {a["Name"].strip("<>") for a in group.get("AlarmConfiguration", {}).get("Alarms", [])}
        if watched != {prefix + suffix for suffix in ROLLS_BACK}:
            found.append(f"{function} is released under {', '.join(sorted(watched)) or 'no alarm'}")
        if "DEPLOYMENT_STOP_ON_ALARM" not in group.get("AutoRollbackConfiguration", {}).get("Events", []):
            found.append(f"{function} is not rolled back")
        if made.resources[f"{function}Aliaslive"].get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate") is None:
            found.append(f"{function} changes at once")
    return found


def impatience(made: Stack, function: str) -> list[str]:
    """What lets new code score files, or write what all functions read, before the release of the same code for the API has passed."""
    waits_for = set(listed(made.resources[function].get("DependsOn", [])))
    is_released_alone = any(name.startswith(f"{function}Alias") for name in made.resources)
    prefixes = [f.capitalize() for f in stack.functions()] if function == stack.MERGE else [function.removesuffix("Batch")]
    is_told = {f"{prefix}FunctionAliaslive" for prefix in prefixes} <= waits_for and not is_released_alone
    return [] if is_told else [f"{function} does not wait for the release of the API's function"]


def test_releases_are_watched_and_rolled_back():
    for made in real().values():
        assert loose_ends(made) == []
        for group in made.of_type("AWS::CodeDeploy::DeploymentGroup").values():
            assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
            assert group["ServiceRoleArn"] == "<ReleaseRole.Arn>"
    for release in stack.source()["Parameters"]["CodeRelease"]["AllowedValues"]:
        groups = Stack(stack.source(), {**stack.TOKENS, "CodeRelease": release}).of_type("AWS::CodeDeploy::DeploymentGroup").values()
        assert {group["DeploymentConfigName"] for group in groups} == {f"CodeDeployDefault.Lambda{release}"}


def test_a_changed_template_is_a_release_and_a_changed_parameter_is_none():
    """The guide says so: whoever changes memory or log level alone must know that nothing happens yet."""

    def versions(made: Stack) -> set[str]:
        return set(made.of_type("AWS::Lambda::Version"))

    def describe(resources: dict[str, Any]) -> None:
        resources["ChurnFunction"]["Properties"]["Description"] = "something else"

    before = versions(real()["tokens"])
    (changed,) = versions(mutated(describe)) - before
    assert changed.startswith("ChurnFunctionVersion")
    assert versions(Stack(stack.source(), {**stack.TOKENS, "MemoryMegabytes": "1024", "LogLevel": "debug"})) == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r["ChurnFunction"]["Properties"]["DeploymentPreference"].pop("Alarms"), "ChurnFunction is released under no alarm"),
        (lambda r: r["ChurnRefusals"]["Properties"].update(MetricName="churn-refused"), "ChurnRefusals watches what nobody counts"),
        (
            lambda r: r["ChurnDrift"]["Properties"].update(Dimensions=[{"Name": "service", "Value": "shop-churn"}]),
            "ChurnDrift watches what nobody counts",
        ),
        (lambda r: r["ChurnSlow"]["Properties"].pop("TreatMissingData"), "ChurnSlow rises when nothing happens"),
        (lambda r: r["ChurnBatch"].pop("DependsOn"), "ChurnBatch does not wait for the release of the API's function"),
        (lambda r: r["ChurnBatch"].update(DependsOn="InventoryFunctionAliaslive"), "ChurnBatch does not wait for the release of the API's function"),
        (lambda r: r["ChurnDeadLettersFound"]["Properties"].pop("TreatMissingData"), "ChurnDeadLettersFound rises when nothing happens"),
        (lambda r: r["OrdersMerge"]["DependsOn"].pop(), "OrdersMerge does not wait for the release of the API's function"),
    ],
)
def test_a_loose_end_is_found(change, complaint):
    assert complaint in loose_ends(mutated(change))


def test_the_release_role_names_these_aliases_and_alarms():
    for made in real().values():
        (document,) = [p["PolicyDocument"] for p in made.resources["ReleaseRole"]["Properties"]["Policies"]]
        resources = {s["Sid"]: set(listed(s["Resource"])) for s in document["Statement"]}
        groups = made.of_type("AWS::CodeDeploy::DeploymentGroup").values()
        alarms = {f"{a['Name'][:-1]}.Arn>" for g in groups for a in g["AlarmConfiguration"]["Alarms"]}
        assert resources["WatchAlarms"] == alarms
        names = {f["FunctionName"] for name, f in made.programs().items() if not stack.function_of(name)[1]}
        arn = f"arn:aws:lambda:{stack.REGION}:{stack.ACCOUNT}:function:"
        assert resources["MoveAlias"] == {arn + n + suffix for n in names for suffix in ("", ":live")}
        assert resources["AskCheck"] == {arn + made.resources["ReleaseCheck"]["Properties"]["FunctionName"]}


def test_alarms_tell_the_topic_that_is_named():
    told = {name: {str(a.get("AlarmActions")) for a in made.of_type("AWS::CloudWatch::Alarm").values()} for name, made in real().items()}
    assert told["tokens"] == {"None"}
    assert told["all options"] == {str([stack.ALL_OPTIONS["AlarmTopicArn"]])}


# Milliseconds, requests and units of a day, by what the alarm calls them.
A_DAY = {
    "requests": 1_000_000.0, "churn": 3e6, "recommendations": 5e6, "inventory": 7e6, "churn_batch": 11e6, "recommendations_batch": 13e6,
    "inventory_batch": 17e6, "orders": 19e6, "read": 2_000_000.0, "written": 300_000.0,
}


def cost_of_a_day(made: Stack) -> float:
    """US dollars, as the alarm's expression adds them up."""
    alarm = made.resources["CostTooHigh"]["Properties"]
    (expression,) = [m["Expression"] for m in alarm["Metrics"] if m["ReturnData"]]
    assert re.fullmatch(r"[A-Za-z_0-9.,()*/+ ]+", expression), expression
    return eval(expression, {"__builtins__": {}}, {**A_DAY, "FILL": lambda metric, missing: metric})


def expected_of_a_day(made: Stack) -> float:
    """The same by the price list and the memory of the functions."""
    prices = tomllib.loads((stack.ROOT / "infra" / "prices.toml").read_text(encoding="utf-8"))
    second = prices["lambda"][f"{made.values['Architecture']}_per_gb_second"]
    memory = {f["FunctionName"].removeprefix(f"{stack.STACK_NAME}-").replace("-", "_"): int(f["MemorySize"]) for f in made.programs().values()}
    functions = sum(A_DAY[name] / 1000 * megabytes / 1024 * second for name, megabytes in memory.items())
    request = (prices["gateway"]["per_million_requests"] + prices["lambda"]["per_million_requests"]) / 1e6
    units = prices["dynamodb"]["per_million_read_units"] * A_DAY["read"] + prices["dynamodb"]["per_million_write_units"] * A_DAY["written"]
    return functions + A_DAY["requests"] * request + units / 1e6


def miscounted(made: Stack) -> list[str]:
    """What is wrong with the alarm that watches the cost of a day."""
    alarm = made.resources["CostTooHigh"]["Properties"]
    stats = {m["Id"]: m["MetricStat"] for m in alarm["Metrics"] if "MetricStat" in m}
    found = [f"{name} is no sum of a day" for name, s in stats.items() if (s["Period"], s["Stat"]) != (86_400, "Sum")]
    functions = {s["Metric"]["Dimensions"][0]["Value"].strip("<>") for s in stats.values() if s["Metric"]["Namespace"] == "AWS/Lambda"}
    found += [f"{name} is not counted" for name in sorted(set(made.programs()) - functions)]
    if set(stats) != set(A_DAY) or len(stats) > 10:
        found.append("other metrics than the ten that an alarm takes")
    if not math.isclose(cost_of_a_day(made), expected_of_a_day(made), rel_tol=1e-9):
        found.append(f"{cost_of_a_day(made)} instead of {expected_of_a_day(made)} US dollars")
    return found


def test_a_day_costs_what_the_price_list_says():
    for made in real().values():
        assert miscounted(made) == []
    told = {**stack.TOKENS, "DailyCost": "2.5", "MemoryMegabytes": "1024", "BatchMemoryMegabytes": "512", "MergeMemoryMegabytes": "3000"}
    given = mutated(lambda r: None, told)
    assert miscounted(given) == [] and given.resources["CostTooHigh"]["Properties"]["Threshold"] == "2.5"
    assert "CostTooHigh" not in mutated(lambda r: None, {**stack.TOKENS, "DailyCost": "0"}).resources


def dearer(resources: dict[str, Any]) -> None:
    expression = resources["CostTooHigh"]["Properties"]["Metrics"][0]["Expression"]["Fn::Sub"]
    expression[0] = expression[0].replace("0.125", "0.25")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r["CostTooHigh"]["Properties"]["Metrics"][2]["MetricStat"].update(Period=3600), "churn is no sum of a day"),
        (lambda r: r["CostTooHigh"]["Properties"]["Metrics"].pop(2), "ChurnFunction is not counted"),
        (lambda r: r["CostTooHigh"]["Properties"]["Metrics"].pop(), "other metrics than the ten that an alarm takes"),
        (lambda r: r["ChurnBatch"]["Properties"].update(MemorySize=1), "US dollars"),
        (dearer, "US dollars"),
    ],
)
def test_a_wrong_sum_is_found(change, complaint):
    assert any(found.endswith(complaint) for found in miscounted(mutated(change)))


# What our programs declare of metrics, some for every stage or fallback.
FIXED = {"latency_ms", "rows_scored", "errors", "refusals", "model_refusals", "cold_start", "log_failures"}
STAGES = {"parse_ms", "gather_ms", "features_ms", "score_ms", "respond_ms"}


def test_the_dashboard_draws_metrics_that_exist():
    """Those of our own namespace are told apart by the function's name, so that the stacks of an account do not mix."""
    made = real()["tokens"]
    widgets = json.loads(made.resources["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
    counted = {(t["MetricNamespace"], t["MetricName"]) for f in made.of_type("AWS::Logs::MetricFilter").values() for t in f["MetricTransformations"]}
    drawn = [metric for widget in widgets for metric in widget["properties"].get("metrics", [])]
    # What a day costs is drawn as its alarm sees it.
    arn = f"arn:aws:cloudwatch:{stack.REGION}:{stack.ACCOUNT}:alarm:{made.resources['CostTooHigh']['Properties']['AlarmName']}"
    assert [w["properties"]["annotations"] for w in widgets if "metrics" not in w["properties"]] == [{"alarms": [arn]}]
    assert len(drawn) >= 15
    assert {(m[0], m[1]) for m in drawn if isinstance(m[0], str) and m[0].startswith("Storecast/")} == counted
    services = {f["FunctionName"] for name, f in made.programs().items() if not stack.function_of(name)[1]}
    direct = [m for m in drawn if m[0] == "Storecast"]
    assert {(m[1], m[3]) for m in direct} == {(metric, service) for metric in STAGES for service in services}
    assert {m[2] for m in direct} == {"service"}
    searched = [m[0]["expression"] for m in drawn if isinstance(m[0], dict)]
    assert set(re.findall(r'MetricName="(\w+)', "".join(searched))) == {"rows_scored", "cold_start"}
    for expression in searched:
        dimensions, names = re.search(r"\{Storecast,([\w,]+)\}", expression), re.search(r"service=\(([^)]*)\)", expression)
        assert dimensions and dimensions[1] in ("service", "service,model_version")
        assert names and names[1].split(" OR ") and {name.strip('"') for name in names[1].split(" OR ")} == services
        assert names[1].count('"') == 2 * len(services), "a part of a name would do without quotes"


@pytest.mark.parametrize("function", stack.functions())
def test_a_program_writes_the_metrics_that_are_drawn_and_asked_for(function, program):
    """Whatever it answers: here its model is away. Stages are in lines of requests that come to them, as the end-to-end tests see."""
    settings = {**NOWHERE, **settings_of(real()["tokens"], f"{function.capitalize()}Function", OUTPUTS, program(function))}
    with FakeLambda(program(function), {**settings, "AWS_LAMBDA_FUNCTION_NAME": f"{stack.STACK_NAME}-{function}"}) as running:
        running.answer({"rawPath": "/v1/nowhere", "requestContext": {"http": {"method": "GET"}}})
        (line,) = [line for line in running.logged() if "_aws" in line]
        # By which `storecast cost` tells its starts from those of others in one log.
        (start,) = [line for line in running.logged() if line.get("message") == "ready"]
    assert start["function"] == function and start["start_ms"] > 0
    declared = {tuple(d["Dimensions"][0]): {m["Name"] for m in d["Metrics"]} for d in line["_aws"]["CloudWatchMetrics"]}
    assert declared == {("service",): FIXED, ("service", "model_version"): {"rows_scored", "errors", "cold_start"}}
    assert (line["service"], line["function"]) == (f"{stack.STACK_NAME}-{function}", function)


# Fields that lines of logs have, beside those of metrics; the end-to-end tests and those of files see them written.
LOGGED = {"took_ms", "level", "message", "reason", "refusal", "place", "status", "problem", "span.function", "span.request_id", "file", "outcome", "model_version"}


def test_saved_queries_ask_for_fields_that_are_written():
    made = real()["tokens"]
    queries = made.of_type("AWS::Logs::QueryDefinition")
    assert len(queries) >= 5
    for query in queries.values():
        assert query["Name"].startswith(f"{stack.STACK_NAME}/")
        assert all(group.strip("<>") in made.of_type("AWS::Logs::LogGroup") for group in query["LogGroupNames"])
        text = re.sub(r'"[^"]*"|\bas \w+|\b(sum|count|pct|latest|bin|ispresent)(?=\()|\d+\w*', "", query["QueryString"])
        words = set(re.findall(r"[\w.@]+", text))
        named = words - {"fields", "filter", "sort", "limit", "stats", "by", "desc", "asc", "in", "or", "and", "@timestamp", "@message"}
        made_here = set(re.findall(r"\bas (\w+)", query["QueryString"]))
        assert named - made_here <= FIXED | STAGES | LOGGED | {"service", "request_id"}, query["Name"]
