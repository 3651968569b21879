"""The template is valid, before and after SAM's transformation, and the stores are what the code expects and what prudence asks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import moto_stack
import pytest
import stack
from stack import Stack, mutated, real

BIN = Path(sys.executable).parent
# What moto's CloudFormation cannot make; the guide repeats it. Alarms, filters and routes are checked by reading only.
NOT_MADE_BY_MOTO = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::S3::BucketPolicy",
    "AWS::Scheduler::Schedule",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::SQS::QueuePolicy",
}
RETAINED = {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}
# The next run writes all of it anew, so it goes with the stack and has no backup.
WRITTEN_ANEW = {"PredictionsTable"}


def lint(template: Path) -> subprocess.CompletedProcess[str]:
    # W2001, a parameter without use: SAM has put the value of one in place. In the source it is looked for.
    command = [BIN / "cfn-lint", "--regions", stack.REGION, "--ignore-checks", "W2001", "--", template]
    return subprocess.run(command, capture_output=True, text=True)


def test_sam_validates_and_lints_the_source():
    command = [BIN / "sam", "validate", "--lint", "--region", stack.REGION, "--template", stack.TEMPLATE]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("variant", stack.VARIANTS)
def test_the_transformed_template_lints(tmp_path, variant):
    """Conditions are left in it, and cfn-lint follows both sides of each; values are SAM's to put in place."""
    made = tmp_path / "template.json"
    template = stack.transformed(stack.source(), stack.VARIANTS[variant])
    made.write_text(json.dumps(template), encoding="utf-8")
    linted = lint(made)
    assert linted.returncode == 0, linted.stdout


def test_a_wrong_value_in_the_transformed_template_is_found(tmp_path):
    made, template = tmp_path / "template.json", stack.transformed(stack.source(), stack.ALL_OPTIONS)
    template["Resources"]["Table"]["Properties"]["BillingMode"] = "FREE"
    made.write_text(json.dumps(template), encoding="utf-8")
    assert "'FREE' is not one of" in lint(made).stdout


def test_what_moto_cannot_make_is_listed():
    template = stack.transformed(stack.source(), stack.ALL_OPTIONS)
    assert moto_stack.unmade(template) == NOT_MADE_BY_MOTO


def expiring() -> str:
    """The attribute with which the code's claims say when they may go."""
    code = (stack.ROOT / "shared/aws/src/claims.rs").read_text(encoding="utf-8")
    (name,) = set(re.findall(r'\.item\("(expires_\w+)"', code))
    return name


def table_key(made: Stack, name: str = "Table") -> tuple[str, str]:
    table = made.of_type("AWS::DynamoDB::Table")[name]
    (key,) = table["KeySchema"]
    (attribute,) = table["AttributeDefinitions"]
    assert key["AttributeName"] == attribute["AttributeName"] and key["KeyType"] == "HASH"
    return key["AttributeName"], attribute["AttributeType"]


def test_the_table_is_the_one_that_the_code_makes():
    """`admin.rs` makes the table where no template does."""
    code = (stack.ROOT / "shared/aws/src/admin.rs").read_text(encoding="utf-8")
    (name,) = set(re.findall(r'\.attribute_name\("(\w+)"\)', code))
    (kind,) = re.findall(r"ScalarAttributeType::(\w)\)", code)
    assert "IndexName" not in code
    for made in real().values():
        for table, properties in made.of_type("AWS::DynamoDB::Table").items():
            assert table_key(made, table) == (name, kind)
            assert properties["TimeToLiveSpecification"] == {"AttributeName": expiring(), "Enabled": True}
    spoiled = mutated(lambda r: r["Table"]["Properties"]["AttributeDefinitions"][0].update(AttributeType="N"))
    assert table_key(spoiled) != (name, kind)


def carelessness(made: Stack) -> list[str]:
    """Stores that can be lost, read by the public, or over a connection that is not encrypted."""
    found = []
    for name, resource in made.resources.items():
        if resource["Type"] in RETAINED and name not in WRITTEN_ANEW and {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")} != {"Retain"}:
            found.append(f"{name} goes with the stack")
    for name, table in made.of_type("AWS::DynamoDB::Table").items():
        if name in WRITTEN_ANEW:
            continue
        if not table.get("DeletionProtectionEnabled"):
            found.append(f"{name} can be deleted")
        if not table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            found.append(f"{name} cannot be brought back")
    for name, bucket in made.of_type("AWS::S3::Bucket").items():
        if list(bucket.get("PublicAccessBlockConfiguration", {}).values()) != [True] * 4:
            found.append(f"{name} may be public")
        if bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
            found.append(f"{name} keeps no versions")
        if "BucketEncryption" not in bucket:
            found.append(f"{name} is not encrypted")
        for connection, without in (("without TLS", {"Bool": {"aws:SecureTransport": "false"}}), ("by old TLS", OLD_TLS)):
            if f"<{name}>" not in denying(made, without):
                found.append(f"{name} answers {connection}")
    found += [f"{name} keeps logs for ever" for name, logs in made.of_type("AWS::Logs::LogGroup").items() if "RetentionInDays" not in logs]
    return found


OLD_TLS = {"NumericLessThan": {"s3:TlsVersion": "1.2"}}


def denying(made: Stack, condition: dict[str, Any]) -> set[str]:
    """Buckets that deny every action on a condition."""
    return {
        policy["Bucket"]
        for policy in made.of_type("AWS::S3::BucketPolicy").values()
        for s in policy["PolicyDocument"]["Statement"]
        if s["Effect"] == "Deny" and s["Action"] == "s3:*" and s["Principal"] == "*" and s["Condition"] == condition
        and {r.split("/")[0] for r in s["Resource"]} == {f"{policy['Bucket'][:-1]}.Arn>"} and len(s["Resource"]) == 2
    }


@pytest.mark.parametrize("variant", stack.VARIANTS)
def test_stores_are_kept_closed_and_encrypted(variant):
    assert carelessness(real()[variant]) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r["ModelBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"].pop(1), "ModelBucket answers by old TLS"),
        (
            lambda r: r["DataBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"][1].update(Condition={"NumericLessThan": {"s3:TlsVersion": "1.0"}}),
            "DataBucket answers by old TLS",
        ),
        (lambda r: r["Table"].pop("DeletionPolicy"), "Table goes with the stack"),
        (lambda r: r["Table"]["Properties"].pop("PointInTimeRecoverySpecification"), "Table cannot be brought back"),
        (lambda r: r["Table"]["Properties"].pop("DeletionProtectionEnabled"), "Table can be deleted"),
        (lambda r: r["DataBucket"]["Properties"]["PublicAccessBlockConfiguration"].update(BlockPublicPolicy=False), "DataBucket may be public"),
        (lambda r: r["ModelBucket"]["Properties"].pop("VersioningConfiguration"), "ModelBucket keeps no versions"),
        (lambda r: r["ModelBucket"]["Properties"].pop("BucketEncryption"), "ModelBucket is not encrypted"),
        (lambda r: r["ModelBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"].pop(0), "ModelBucket answers without TLS"),
        (lambda r: r["DataBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"].pop(0), "DataBucket answers without TLS"),
        (lambda r: r["ChurnLogs"]["Properties"].pop("RetentionInDays"), "ChurnLogs keeps logs for ever"),
    ],
)
def test_carelessness_is_found(change, complaint):
    assert carelessness(mutated(change)) == [complaint]


def test_options_change_what_they_say():
    plain, full = real()["tokens"], real()["all options"]
    key = stack.ALL_OPTIONS["KmsKeyArn"]
    for table in ("Table", "PredictionsTable"):
        assert full.resources[table]["Properties"]["SSESpecification"]["KMSMasterKeyId"] == key
        assert "SSESpecification" not in plain.resources[table]["Properties"]
    # Without it there is neither the table nor any word of it.
    without = mutated(lambda r: None, {**stack.TOKENS, "PredictionsTtlDays": "0"})
    assert "PredictionsTable" not in without.resources and "<PredictionsTable" not in json.dumps(without.resources)
    batch = without.resources["ChurnBatch"]["Properties"]["Environment"]["Variables"]
    assert batch["STORECAST_PREDICTIONS_TABLE"] == batch["STORECAST_PREDICTIONS_TTL_DAYS"] == ""
    for bucket in ("ModelBucket", "DataBucket"):
        assert key in json.dumps(full.resources[bucket]["Properties"]["BucketEncryption"])
        assert "aws:kms" not in json.dumps(plain.resources[bucket]["Properties"]["BucketEncryption"])
    lock = full.resources["ModelBucket"]["Properties"]["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": "30"}
    assert "ObjectLockConfiguration" not in plain.resources["ModelBucket"]["Properties"]
    for name, function in full.programs().items():
        is_batch = stack.function_of(name)[1]
        reserved = "2" if name == stack.MERGE else "5" if is_batch else "20"
        assert (function["Architectures"], str(function["ReservedConcurrentExecutions"])) == (["arm64"], reserved)
        if is_batch:
            continue
        alias = full.resources[f"{name}Aliaslive"]["Properties"]
        assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": "2"}
    for name, function in plain.programs().items():
        assert function["Architectures"] == ["x86_64"] and "ReservedConcurrentExecutions" not in function
        assert "ProvisionedConcurrencyConfig" not in plain.resources.get(f"{name}Aliaslive", {}).get("Properties", {})


def of_function(template: dict, function: str) -> str:
    """All that is written of one function, with its name, kinds of histories, routes and description taken out."""
    prefix = function.capitalize()
    parts = {n: r for n, r in template["Resources"].items() if n.startswith(prefix)}
    text = json.dumps(parts, sort_keys=True).replace(prefix, "F").replace(function, "f")
    text = re.sub(r'"Description": "[^"]*"', "", text)
    return re.sub(r'"dynamodb:LeadingKeys": \[[^]]*\]', "", text)


def test_functions_differ_only_in_what_is_theirs():
    template = stack.source()
    assert len({of_function(template, f) for f in stack.functions()}) == 1
    template["Resources"]["ChurnThrottles"]["Properties"]["Period"] = 3600
    assert len({of_function(template, f) for f in stack.functions()}) == 2
