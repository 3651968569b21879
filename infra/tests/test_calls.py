"""From nothing to a prediction, without AWS: the stack is made by moto, the real programs publish, load and answer.

Every call they make is written down and held against the policies: what a program calls must be granted, and what is granted must be
called. moto itself checks no permission.
"""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
import stack
from operating import HASTY, operate, put_aside
from permission import grants, granting
from recording import Call
from watching import raised_by
from world import BROKEN, FILE, LONG, LONG_ROWS, PEOPLE, World, accepted, orders, published

# What the programs can be seen to use here; logs, traces and keys are AWS's own doing.
SERVICES = ("dynamodb:", "s3:")


@pytest.fixture(scope="module")
def world(program, tmp_path_factory):
    made = World(program, tmp_path_factory.mktemp("shop"))
    # Twice: the second time something is there already.
    made.load({"anna": "tea", "bert": "cup"})
    made.load({"anna": "tea"})
    for function in published() * 2:
        made.run("publisher", "publish", function, "--promote", *accepted(function))
    made.release_and_take_back("churn")
    for function in published():
        made.ask(function)
        made.score(function)
        made.wholes[function] = made.whole(function)
    made.let_canaries_stop()
    # Orders keep coming; a load in between makes the next one write everything.
    made.merge({"anna": "tea", "bert": "cup", "carl": "tea"})
    made.merge({"anna": "tea", "bert": "cup"})
    made.load({"anna": "tea", "bert": "cup"})
    made.merge_what_arrives({"anna": "tea", "bert": "cup", "carl": "tea"})
    made.merge_what_arrives({"anna": "tea", "bert": "cup"})
    made.load({"anna": "tea", "bert": "cup"})
    made.put("scored/churn/by hand.csv", b"row,customer_id\n2,anna\n3,bert\n")
    made.tell_outcomes()
    made.letters = put_aside(made)
    made.reconciled, made.replayed = operate(made)
    made.put("quarantine/churn/by hand.csv.report.json", b'{"fault": {"value": "bert"}}')
    made.predict_by_hand("bert")
    for customer in ("bert", "carl"):
        made.run("forgetter", "forget", customer, *made.coming())
    yield made
    made.server.stop()


def test_a_made_stack_answers_with_a_prediction(world):
    assert {"churn", "inventory"} <= set(world.answers)
    for function, answer in world.answers.items():
        body = json.loads(answer["body"])
        assert answer["statusCode"] == 200, (function, body)
        assert "anna" in answer["body"] or "tea" in answer["body"], (function, body)


def test_a_version_goes_out_on_every_way_and_comes_back(world):
    assert "1 of 5 bars missed: auc" in world.refusals[0] and "--accept-miss auc" in world.refusals[0], world.refusals
    assert "worse by 10.0 %, the margin is 1.0 %" in world.refusals[1], world.refusals
    (heading, auc) = world.differences.splitlines()
    assert heading.split()[1] == "second" and auc.split()[0] == "auc"
    roles = [line.split()[:2] for line in world.beside.splitlines()[1:]]
    first = roles[0][1]
    assert [role for role, _ in roles[:3]] == ["served", "canary", "shadow"] and roles[1][1] == roles[2][1] == "second"
    lines = world.releases.splitlines()
    assert lines[0] == "churn" and lines[1].split()[:2] == ["served", first]
    history = [(line.split()[0], line.rsplit("Z", 1)[1].strip()) for line in lines if " to now" not in line and "Z" in line]
    assert history == [
        ("served", "rolled back"),
        ("served", "replaced, served again later"),
        ("shadow", "ended"),
        ("canary", "ended"),
        ("policy", "rolled back"),
        ("policy", "replaced, served again later"),
    ]
    assert json.loads(world.answers["churn"]["body"])["model_version"] == first


@pytest.mark.parametrize("function", published())
def test_a_canary_that_fails_stops_by_itself(world, function):
    (stopped,) = [line for line in world.stopped[function].splitlines() if "stopped by itself" in line]
    assert stopped.split()[:2] == ["canary", "other"], stopped
    assert "requests failed about 40 of its entities, and about 0 of as many of the served version" in stopped
    (line,) = [line for line in world.stop_lines[function] if line.get("message") == "canary stopped"]
    pattern = world.stack.resources[f"{function.capitalize()}StopLines"]["Properties"]["FilterPattern"]
    assert pattern == '{ $.message = "canary stopped" }' and line["reason"] in stopped


# Ways to keep an alarm from seeing what a program writes.
BLINDED = [
    lambda r: r["ChurnDriftLines"]["Properties"].update(FilterPattern="{ $.drift > 0.25 }"),
    lambda r: r["ChurnDriftLines"]["Properties"].update(LogGroupName={"Ref": "ChurnLogs"}),
    lambda r: r["ChurnDriftLines"]["Properties"]["MetricTransformations"][0].update(Dimensions=[{"Key": "service", "Value": "$.service"}]),
    lambda r: r["ChurnDrift"]["Properties"].update(MetricName="churn-drifted"),
    lambda r: r["ChurnDrift"]["Properties"].update(Namespace="Storecast"),
    lambda r: r["ChurnDrift"]["Properties"].update(Dimensions=[{"Name": "service", "Value": "shop-churn-batch"}]),
    lambda r: r["ChurnDrift"]["Properties"].update(Threshold=1),
]


@pytest.mark.parametrize("function", published())
def test_a_file_unlike_training_raises_the_alarm_of_drift(world, function):
    """One row over and over is like no shop."""
    resource = f"{function.capitalize()}Batch"
    (line,) = [line for line in world.batch_lines[function] if "score_drift" in line]
    assert raised_by(world.stack, resource, line) == [f"{function.capitalize()}Drift"]
    told = [name for other in world.batch_lines[function] if other is not line for name in raised_by(world.stack, resource, other)]
    assert told == []
    (limit,) = re.findall(r"pub const DRIFTED: f64 = ([\d.]+);", (stack.ROOT / "shared/serving/src/drift.rs").read_text(encoding="utf-8"))
    assert raised_by(world.stack, resource, {**line, "score_drift": float(limit)}) == [], "the alarm is quiet where the report is"
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    assert (declared["Namespace"], declared["Dimensions"]) == ("Storecast", [["service"]])
    assert {m["Name"] for m in declared["Metrics"]} == {"score_drift", "largest_feature_drift", "drifted_features"}
    assert line["service"] == world.stack.resources[resource]["Properties"]["FunctionName"]


def test_an_alarm_of_drift_that_sees_nothing_is_found(world):
    (line,) = [line for line in world.batch_lines["churn"] if "score_drift" in line]
    for change in BLINDED:
        assert raised_by(stack.mutated(change), "ChurnBatch", line) == []


def gaps(made: stack.Stack, holder: str, calls: list[Call]) -> tuple[list[Call], set[str]]:
    """Calls that are not granted, and grants that are not called."""
    used = [granting(made, holder, call) for call in calls]
    ungranted = [call for call, found in zip(calls, used) if not found]
    return ungranted, grants(made, holder, SERVICES) - set().union(*used)


def must_pass(who: str, call: Call) -> bool:
    """A function opens its connection to S3 while it waits for the pointers; a 403 does that as well as a 200. A 403 also tells
    whoever may not list that a file is missing, but for the function that scores files: a file that is gone is no failure there."""
    if call.action != "s3:ListBucket" or who in ("loader", "merger", "forgetter", "operator", stack.MERGER):
        return True
    return bool(call.keys) and who.endswith("-batch")


WHO = [*PEOPLE, stack.MERGER, *published(), *(f"{f}-batch" for f in published())]


@pytest.mark.parametrize("who", WHO)
def test_what_is_called_is_granted_and_what_is_granted_is_called(world, who):
    calls = [call for call in world.calls(who) if must_pass(who, call)]
    assert calls, "nothing was called"
    assert gaps(world.stack, world.holder(who), calls) == ([], set())


def test_a_dead_letter_is_found_with_its_reason_and_its_file_comes_back(world):
    assert world.letters["nonsense"].startswith("not understood: not a notification of S3")
    assert world.letters["shoes/a.csv"] == "uploads/shoes/a.csv: not where files of a function lie"
    assert world.letters[f"churn/{HASTY}"].startswith(f"uploads/churn/{HASTY}: begun 5 times and not ended; last failure: ")
    assert "time" in world.letters[f"churn/{HASTY}"]
    assert ", 0 open;" in world.reconciled
    report = json.loads(world.file(f"scored/churn/{HASTY}.report.json"))
    assert (report["rows"], report["scored"], report["attempt"]) == (2, 1, 6)
    again = json.loads(world.file(f"scored/churn/{FILE}.report.json"))
    assert (again["rows"], again["scored"], again["attempt"]) == (2, 1, 2)


def test_what_was_predicted_comes_out_the_same_from_the_orders(world):
    assert " 0 differ, " in world.replayed and not world.replayed.startswith("0 predictions"), world.replayed


def test_orders_keep_coming_and_a_forgotten_customer_is_in_no_version(world):
    bucket, table = world.outputs["DataBucketName"], world.outputs["TableName"]
    assert world.file("uploads/orders/orders/all.csv") == orders({"anna": "tea"})
    assert world.file("scored/churn/by hand.csv") == "row,customer_id\n2,anna\n"
    report = json.loads(world.file("merged/orders/orders/all.csv.report.json"))
    assert (report["outcome"], report["rows"], report["accepted"], report["rejected"]) == ("accepted", 40, 40, 0)
    refused = json.loads(world.file("quarantine/orders/orders/wrong.csv.report.json"))
    assert "column" in refused["refused_because"], refused
    contents = [v for p in world.s3.get_paginator("list_object_versions").paginate(Bucket=bucket) for v in p["Versions"]]
    assert len({v["Key"] for v in contents}) < len(contents), "the bucket keeps versions"
    read = [(v["Key"], world.s3.get_object(Bucket=bucket, Key=v["Key"], VersionId=v["VersionId"])["Body"].read()) for v in contents]
    holding = sorted({key for key, body in read if b"bert" in body})
    assert holding == ["orders/all.csv"], "only files that `storecast load` reads elsewhere"
    stored = [item["pk"]["S"] for item in world.dynamo.scan(TableName=table)["Items"]]
    assert "customer#anna" in stored and not [key for key in stored if "bert" in key]
    last = {item["pk"]["S"] for item in world.dynamo.scan(TableName=world.outputs["PredictionsTableName"])["Items"]}
    assert {"churn#anna", "recommendations#home#anna", "inventory#tea"} <= last and not [key for key in last if "bert" in key]


def test_the_last_prediction_is_the_answer_of_the_last_run(world):
    asked = {"pk": {"S": "churn#anna"}}
    item = world.dynamo.get_item(TableName=world.outputs["PredictionsTableName"], Key=asked)["Item"]
    answer = json.loads(item["answer"]["S"])
    assert answer["customer_id"] == "anna" and 0 < answer["churn_probability"] < 1
    assert item["model_version"]["S"] == json.loads(world.answers["churn"]["body"])["model_version"]
    assert int(item["expires_at"]["N"]) - int(item["computed_at"]["N"]) == 30 * 86_400
    report = json.loads(world.file(f"scored/churn/{LONG}.report.json"))
    assert sum(report["predictions"].values()) == report["scored"] and report["predictions"]["written"] > 1


def test_what_arrives_is_merged_as_by_hand(world):
    assert world.merged["orders"] == world.merged["merger"]
    assert {"customer#anna", "customer#bert", "sku#tea"} <= set(world.merged["orders"])
    outcomes = [json.loads(line["outcome"]) for line in world.merge_lines if line.get("message") == "work done"]
    assert [(outcome["kind"], outcome["files"]) for outcome in outcomes] == [("merged", {"accepted": 3, "refused": 1})] * 2
    assert not [line for line in world.merge_lines if ".csv" in json.dumps(line)], "no names of files"


@pytest.mark.parametrize("function", published())
def test_a_file_comes_back_scored_with_a_report(world, function):
    # Of two messages nothing can be made or had; only the one that is no notification comes again.
    assert world.failures[function] == {"batchItemFailures": [{"itemIdentifier": "nonsense"}]}
    for name in (FILE, "again.csv"):
        scored = f"scored/{function}/{name}"
        (row,) = csv.DictReader(io.StringIO(world.file(scored)))
        assert row["row"] == "2" and {"anna", "tea"} & set(row.values()), row
        (reject,) = csv.DictReader(io.StringIO(world.file(f"{scored}.rejects.csv")))
        assert reject["value"] == "yesterday", reject
        report = json.loads(world.file(f"{scored}.report.json"))
        assert (report["rows"], report["scored"], report["rejected"]) == (2, 1, 1), report


@pytest.mark.parametrize("function", published())
def test_the_whole_base_is_scored_from_its_chunks(world, function):
    report = world.wholes[function]
    assert (report["outcome"], report["rows"], report["scored"], report["faults"]) == ("scored", report["chunks"], report["chunks"], [])
    assert report["chunks"] == (1 if function != "inventory" else 3)


@pytest.mark.parametrize("function", published())
def test_a_file_that_needs_two_invocations_is_whole(world, function):
    scored, rows = f"scored/{function}/{LONG}", LONG_ROWS[function]
    report = json.loads(world.file(f"{scored}.report.json"))
    assert (report["rows"], report["scored"], report["rejected"], report["continued"]) == (rows + 1, rows, 1, 1)
    assert [int(row["row"]) for row in csv.DictReader(io.StringIO(world.file(scored)))] == list(range(2, rows + 2))


@pytest.mark.parametrize("function", published())
def test_a_broken_file_is_quarantined_and_leaves_nothing_half_written(world, function):
    report = json.loads(world.file(f"quarantine/{function}/{BROKEN}.report.json"))
    assert report == json.loads(world.file(f"scored/{function}/{BROKEN}.report.json"))
    assert (report["rows"], report["scored"]) == (0, 0) and report["fault"]["kind"], report
    # It was begun in parts, of which nothing may stay.
    assert "s3:AbortMultipartUpload" in {call.action for call in world.calls(f"{function}-batch")}
    bucket = world.outputs["DataBucketName"]
    assert world.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    found = world.s3.list_objects_v2(Bucket=bucket, Prefix=f"scored/{function}/{BROKEN}")["Contents"]
    assert [o["Key"] for o in found] == [f"scored/{function}/{BROKEN}.report.json"]


def test_a_policy_that_is_too_wide_or_too_narrow_is_found(world):
    def change(resources: dict) -> None:
        write, move, _ = resources["PublisherPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        write["Action"] = ["s3:PutObject", "s3:DeleteObject"]
        move["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] = ["pointer#model/*"]

    ungranted, uncalled = gaps(stack.mutated(change), "PublisherPolicy", world.calls("publisher"))
    assert {call.action for call in ungranted} == {"s3:GetObject", "dynamodb:BatchGetItem", "dynamodb:PutItem"}
    assert uncalled == {f"s3:DeleteObject <ModelBucket.Arn>/{folder}/*" for folder in ("models", "policies")}


def test_a_batch_policy_that_is_too_wide_or_too_narrow_is_found(world):
    def change(resources: dict) -> None:
        said = {s.get("Sid"): s for s in resources["ChurnBatchRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]}
        said["WriteScored"]["Action"] = ["s3:PutObject", "s3:DeleteObject"]
        said["WriteQuarantine"]["Resource"] = {"Fn::Sub": "${DataBucket.Arn}/quarantine/inventory/*"}
        said["LeaveAndContinue"]["Action"] = "s3:GetObject"
        said["MissUploads"]["Condition"]["StringLike"]["s3:prefix"] = ["quarantine/churn/*"]
        said["ReadUploads"]["Action"] = "s3:GetObject"
        said["ClaimFiles"]["Action"] = ["dynamodb:GetItem", "dynamodb:UpdateItem"]

    calls = [call for call in world.calls("churn-batch") if must_pass("churn-batch", call)]
    ungranted, uncalled = gaps(stack.mutated(change), "ChurnBatchRole", calls)
    missed = {"s3:AbortMultipartUpload", "s3:PutObject", "s3:ListBucket", "s3:GetObjectVersion", "dynamodb:PutItem"}
    assert {call.action for call in ungranted} == missed
    assert {"s3:DeleteObject", "dynamodb:UpdateItem", "s3:PutObject", "s3:ListBucket"} == {grant.split()[0] for grant in uncalled}


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
    assert passes("churn", "dynamodb:PutItem", "<Table.Arn>", "pointer#model/churn/1")
    assert not passes("churn", "dynamodb:PutItem", "<Table.Arn>", "pointer#model/inventory/1")
    assert not passes("churn", "dynamodb:PutItem", "<Table.Arn>", "pointer#policy/churn")
    assert not passes("churn", "dynamodb:UpdateItem", "<Table.Arn>", "customer#1")
    assert not passes("churn-batch", "dynamodb:PutItem", "<Table.Arn>", "pointer#model/churn/1")
    assert not passes("loader", "dynamodb:PutItem", "<Table.Arn>", "pointer#policy/churn")
    assert not passes("publisher", "dynamodb:PutItem", "<Table.Arn>", "customer#1")
    assert passes("churn-batch", "dynamodb:PutItem", "<Table.Arn>", "claim#1")
    assert not passes("churn-batch", "dynamodb:PutItem", "<Table.Arn>", "customer#1")
    assert passes("churn-batch", "dynamodb:PutItem", "<PredictionsTable.Arn>", "churn#1")
    assert not passes("churn-batch", "dynamodb:PutItem", "<PredictionsTable.Arn>", "inventory#1")
    assert not passes("churn", "dynamodb:PutItem", "<PredictionsTable.Arn>", "churn#1")
    assert not passes("forgetter", "dynamodb:BatchWriteItem", "<PredictionsTable.Arn>", "inventory#1")
    assert passes("operator", "dynamodb:PutItem", "<Table.Arn>", "claim#1")
    assert not passes("operator", "dynamodb:PutItem", "<Table.Arn>", "pointer#model/churn/1")
    assert not passes("operator", "dynamodb:BatchGetItem", "<Table.Arn>", "customer#1")
    assert not passes("operator", "s3:PutObject", "<DataBucket.Arn>/scored/churn/a.csv")
    assert passes("churn-batch", "s3:PutObject", "<DataBucket.Arn>/scored/churn/a.csv")
    assert not passes("churn-batch", "s3:PutObject", "<DataBucket.Arn>/scored/inventory/a.csv")
    assert not passes("churn-batch", "s3:PutObject", "<DataBucket.Arn>/uploads/churn/a.csv")
    assert not passes("churn-batch", "s3:GetObject", "<DataBucket.Arn>/orders/all.csv")
    assert passes("churn-batch", "s3:ListBucket", "<DataBucket.Arn>", "uploads/churn/a.csv")
    assert not passes("churn-batch", "s3:ListBucket", "<DataBucket.Arn>", "uploads/inventory/a.csv")
    assert not passes("churn-batch", "s3:ListBucket", "<DataBucket.Arn>")
    assert not passes("churn", "s3:PutObject", "<DataBucket.Arn>/scored/churn/a.csv")


def test_every_model_file_is_written_once(world):
    """The bucket's policy denies a write without the condition."""
    puts = [call for call in world.calls("publisher") if call.action == "s3:PutObject"]
    assert len(puts) >= 10
    assert all("if-none-match" in call.headers for call in puts)
