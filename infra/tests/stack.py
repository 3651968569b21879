"""The template as CloudFormation would see it: transformed by SAM, with its functions and conditions worked out.

Nothing here asks AWS. A reference to a resource becomes its name in angle brackets (`<Table>`, `<Table.Arn>`), so that a policy reads
`<ModelBucket.Arn>/models/churn/*` and can be compared.
"""

from __future__ import annotations

import copy
import functools
import re
import tomllib
from pathlib import Path
from typing import Any, Iterator

from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra" / "template.yaml"

REGION, ACCOUNT, STACK_NAME = "eu-central-1", "123456789012", "shop"
STACK_UUID = "0c5d4f80-0b1e-11f0-9a1c-0a1b2c3d4e5f"
PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": STACK_NAME,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK_NAME}/{STACK_UUID}",
}
# What a shop with tokens gives at least.
TOKENS = {
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "shop",
    "PredictionLogShare": "1",
    "PredictionLogSalt": "a secret of the shop",
    "PredictionsTtlDays": "30",
}
# Every option taken.
ALL_OPTIONS = {
    **TOKENS,
    "JwtScope": "predict",
    "ReleaseMayChangeAnswers": "true",
    "CorsOrigins": "https://shop.example,https://admin.shop.example",
    "ReservedConcurrency": "20",
    "BatchConcurrency": "5",
    "ProvisionedConcurrency": "2",
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
    "ModelLockDays": "30",
    "TrustedRoots": "machine",
    "Architecture": "arm64",
}
# Nobody's token counts; callers sign their requests.
SIGNATURES = {"Authorizer": "iam"}
VARIANTS = {"tokens": TOKENS, "all options": ALL_OPTIONS, "signatures": SIGNATURES}

NOTHING = object()


def source() -> dict[str, Any]:
    """The template as it is written; the caller's to change."""
    return copy.deepcopy(parsed())


@functools.cache
def parsed() -> dict[str, Any]:
    return yaml_parse(TEMPLATE.read_text(encoding="utf-8"))


def routes_of_cargo() -> dict[str, str]:
    """Path to function, as the functions run on one machine."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    return manifest["workspace"]["metadata"]["lambda"]["watch"]["router"]


def functions() -> list[str]:
    """Every function that answers questions."""
    return sorted(set(routes_of_cargo().values()))


# The function that merges orders, and its program.
MERGE, MERGER = "OrdersMerge", "orders"


def packages() -> list[str]:
    """Every program that is packed."""
    return [*functions(), MERGER]


def parameters(template: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    """Values of all parameters, lists split as CloudFormation splits them."""
    unknown = set(given) - set(template["Parameters"])
    assert not unknown, f"the template has no parameter {', '.join(sorted(unknown))}"
    values = {}
    for name, declared in template["Parameters"].items():
        value = str(given.get(name, declared.get("Default", "")))
        values[name] = value.split(",") if declared["Type"] == "CommaDelimitedList" else value
    return values


def transformed(template: dict[str, Any], given: dict[str, str], code: str = "s3://packages/{}.zip") -> dict[str, Any]:
    """What SAM makes of it. `code` names the packages, which `sam deploy` would have uploaded."""
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = code.format(Path(resource["Properties"]["CodeUri"]).stem)
    return transform(template, {**parameters(template, given), **PSEUDO}, ManagedPolicyLoader(None))


class Stack:
    """A transformed template with parameters: `resources` holds what would be made, every property worked out."""

    def __init__(self, template: dict[str, Any], given: dict[str, str]):
        self.template = transformed(template, given)
        self.values = {**parameters(template, given), **PSEUDO}
        kept = {
            name: resource
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }
        self.resources: dict[str, Any] = {
            name: {**resource, "Properties": self.value(resource.get("Properties", {}))} for name, resource in kept.items()
        }

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by name."""
        return {name: r["Properties"] for name, r in self.resources.items() if r["Type"] == kind}

    def programs(self) -> dict[str, dict[str, Any]]:
        """Properties of the functions that are programs of this project, by name."""
        return {name: f for name, f in self.of_type("AWS::Lambda::Function").items() if f["Runtime"] == "provided.al2023"}

    def holds(self, condition: str) -> bool:
        return bool(self.value(self.template["Conditions"][condition]))

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [v for v in map(self.value, node) if v is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Ref" or name.startswith("Fn::"):
                return self.call(name, argument)
        return {key: v for key, v in ((k, self.value(n)) for k, n in node.items()) if v is not NOTHING}

    def call(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self.reference(argument)
            case "Fn::GetAtt":
                return f"<{argument if isinstance(argument, str) else '.'.join(argument)}>"
            case "Fn::Sub":
                return self.substituted(argument)
            case "Fn::If":
                return self.value(argument[1 if self.holds(argument[0]) else 2])
            case "Fn::Join":
                return argument[0].join(self.value(argument[1]))
            case "Fn::Split":
                return self.value(argument[1]).split(argument[0])
            case "Fn::Select":
                return self.value(argument[1])[int(argument[0])]
            case "Fn::Equals":
                left, right = map(self.value, argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self.value(argument[0])
            case "Fn::And":
                return all(map(self.value, argument))
        raise AssertionError(f"{name} is not known here")

    def reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        return self.values.get(name, f"<{name}>")

    def substituted(self, argument: Any) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        given = {name: self.value(node) for name, node in given.items()}
        return re.sub(r"\$\{([^}!]+)\}", lambda m: str(given.get(m[1], self.reference(m[1]))), text)


def function_of(resource: str) -> tuple[str, bool]:
    """Which program a function of the template runs, and whether it is told of files and not asked."""
    if resource == MERGE:
        return MERGER, True
    is_batch = resource.endswith("Batch")
    return resource.removesuffix("Batch").removesuffix("Function").lower(), is_batch


@functools.cache
def real() -> dict[str, Stack]:
    """The stack in each of its variants; nobody changes them."""
    template = source()
    return {name: Stack(template, given) for name, given in VARIANTS.items()}


def mutated(change: Any, given: dict[str, str] = TOKENS) -> Stack:
    """The stack of a template that somebody spoiled: a test shows with it that its check can fail."""
    template = source()
    change(template["Resources"])
    return Stack(template, given)


def statements(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy statement, with the name of what holds it."""
    for name, resource in stack.resources.items():
        properties = resource["Properties"]
        documents = [p["PolicyDocument"] for p in properties.get("Policies", [])]
        documents += [properties[key] for key in ("PolicyDocument", "AssumeRolePolicyDocument") if key in properties]
        for document in documents:
            for statement in document["Statement"]:
                yield name, statement


def holders(made: Stack, role: str) -> set[str]:
    """A role, and the policies that name it and not the other way round."""
    policies = {**made.of_type("AWS::IAM::ManagedPolicy"), **made.of_type("AWS::IAM::Policy")}
    return {role} | {name for name, policy in policies.items() if f"<{role}>" in policy.get("Roles", [])}


def listed(value: Any) -> list[Any]:
    """IAM and others write a list of one without its brackets."""
    return value if isinstance(value, list) else [value]
