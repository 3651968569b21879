"""The stack made by moto's CloudFormation, as far as it knows the resources."""

from __future__ import annotations

import json
from typing import Any

import boto3
import stack
from moto.cloudformation.parsing import resource_class_from_type

PACKAGES = "packages"
# moto knows them, but not what they belong to.
ORPHANS = {"AWS::Lambda::Permission"}


def unmade(template: dict[str, Any]) -> set[str]:
    """Types of resources that moto cannot make."""
    types = {resource["Type"] for resource in template["Resources"].values()}
    return {kind for kind in types if kind in ORPHANS or resource_class_from_type(kind) is None}


def without_unmade(template: dict[str, Any]) -> dict[str, Any]:
    """The template of what moto can make; what refers to the rest gets a made-up name."""
    kinds = unmade(template)
    left_out = {name for name, resource in template["Resources"].items() if resource["Type"] in kinds}
    resources = {name: resource for name, resource in template["Resources"].items() if name not in left_out}
    for resource in resources.values():
        resource.pop("UpdatePolicy", None)
    return without_references({**template, "Resources": resources}, left_out)


def without_references(node: Any, names: set[str]) -> Any:
    if isinstance(node, list):
        return [without_references(n, names) for n in node]
    if isinstance(node, dict):
        target = node.get("Ref") or node.get("Fn::GetAtt")
        target = target[0] if isinstance(target, list) else str(target).split(".")[0]
        if target in names:
            return f"no-{target.lower()}"
        return {key: without_references(n, names) for key, n in node.items()}
    if isinstance(node, str):
        for name in names:
            node = node.replace(f"${{{name}}}", f"no-{name.lower()}")
    return node


def create(endpoint: str, given: dict[str, str], package: bytes) -> dict[str, str]:
    """Makes the stack and returns its outputs. `package` stands for the code of every function."""
    s3 = boto3.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket=PACKAGES, CreateBucketConfiguration={"LocationConstraint": stack.REGION})
    for function in stack.packages():
        s3.put_object(Bucket=PACKAGES, Key=f"{function}.zip", Body=package)
    template = stack.transformed(stack.source(), given, code=f"s3://{PACKAGES}/{{}}.zip")
    cloudformation = boto3.client("cloudformation", endpoint_url=endpoint)
    cloudformation.create_stack(
        StackName=stack.STACK_NAME,
        TemplateBody=json.dumps(without_unmade(template)),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (made,) = cloudformation.describe_stacks(StackName=stack.STACK_NAME)["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE", made
    return {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
