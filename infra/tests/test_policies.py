"""Least privilege, walked over the transformed template: actions listed, resources named, and the model bucket read-only to functions."""

from __future__ import annotations

import re
from typing import Any

import pytest
import stack
from stack import Stack, listed, mutated, real, statements

# AWS knows no resource for these, so their policies must say `*`. Source: the service authorization reference of X-Ray.
STAR_DEMANDED = {
    "xray:PutTraceSegments": "a trace is no resource before it is put",
    "xray:PutTelemetryRecords": "they belong to no trace",
}
# Objects of a bucket, or of a named folder in it: the only places where a pattern stands in a resource.
OBJECTS = re.compile(r"<(Model|Data)Bucket\.Arn>(/[a-z]+)*/\*")
WRITES = re.compile(r"s3:(Put|Delete|Abort|Restore|Replicate|Create|Bypass)|dynamodb:(Put|Update|Delete|BatchWrite|PartiQL|Transact)")


def roles(made: Stack) -> dict[str, str]:
    """Role of each function."""
    return {name: f["Role"].strip("<>").split(".")[0] for name, f in made.of_type("AWS::Lambda::Function").items()}


def stars(made: Stack) -> list[str]:
    """Allowed actions and resources that are patterns, beyond the objects of a folder. What is denied to all is no grant."""
    found = []
    for holder, s in statements(made):
        if s["Effect"] == "Deny":
            continue
        actions, resources = listed(s["Action"]), listed(s.get("Resource", []))
        found += [f"{holder} may {a}" for a in actions if "*" in a or "?" in a]
        found += [f"{holder} uses {key}" for key in ("NotAction", "NotResource", "NotPrincipal") if key in s]
        if "*" in str(s.get("Principal", "")):
            found.append(f"{holder} trusts everybody")
        for r in resources:
            demanded = r == "*" and set(actions) <= set(STAR_DEMANDED)
            if ("*" in r or "?" in r) and not demanded and not OBJECTS.fullmatch(r):
                found.append(f"{holder} reaches {r}")
    return found


def trespasses(made: Stack) -> list[str]:
    """What a function may do beyond reading its own models and policies, or beyond its own log."""
    found = [f"{n} has managed policies" for n, r in made.of_type("AWS::IAM::Role").items() if r.get("ManagedPolicyArns")]
    for function, role in roles(made).items():
        name = function.removesuffix("Function").lower()
        own = {f"<ModelBucket.Arn>/{folder}/{name}/*" for folder in ("models", "policies")}
        for holder, s in statements(made):
            if holder != role or "Principal" in s:
                continue
            for action in listed(s["Action"]):
                resources = set(listed(s["Resource"]))
                if WRITES.match(action):
                    found.append(f"{role} may {action}")
                if action.startswith("s3:") and not resources <= own:
                    found.append(f"{role} reads {', '.join(sorted(resources - own))}")
                if action.startswith("logs:") and resources != {f"<{function.removesuffix('Function')}Logs.Arn>"}:
                    found.append(f"{role} writes another log")
                if action.startswith("dynamodb:") and "dynamodb:LeadingKeys" not in str(s.get("Condition")):
                    found.append(f"{role} reads every item")
    return found


def shared_roles(made: Stack) -> list[str]:
    used = list(roles(made).values())
    return sorted({role for role in used if used.count(role) > 1})


def kinds_read(function: str) -> set[str]:
    """Kinds of histories that a function's code names."""
    code = [p.read_text(encoding="utf-8") for p in (stack.ROOT / "functions" / function / "src").rglob("*.rs")]
    return set(re.findall(r'const (?:CUSTOMER|SKU|CATEGORY|LEVELS): &str = "(\w+)"', "\n".join(code)))


def keys_granted(made: Stack, function: str) -> set[str]:
    grants = [s for holder, s in statements(made) if holder == f"{function.capitalize()}Role" and "dynamodb:BatchGetItem" in listed(s["Action"])]
    return {key for s in grants for key in s["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]}


@pytest.mark.parametrize("variant", stack.VARIANTS)
def test_no_star_no_trespass_one_role_each(variant):
    made = real()[variant]
    assert stars(made) == []
    assert trespasses(made) == []
    assert shared_roles(made) == [] and len(roles(made)) == len(stack.functions())


@pytest.mark.parametrize("function", stack.functions())
def test_a_function_reads_the_histories_that_its_code_names(function):
    kinds = kinds_read(function)
    assert kinds, "the code names its kinds"
    expected = {f"{k}#*" for k in kinds} | {f"meta#{k}" for k in kinds} | {f"pointer#model/{function}/*", f"pointer#policy/{function}"}
    assert keys_granted(real()["tokens"], function) == expected


def test_exceptions_are_used():
    used = {a for _, s in statements(real()["tokens"]) if s.get("Resource") == "*" for a in listed(s["Action"])}
    assert used == set(STAR_DEMANDED)


def test_only_the_publisher_writes_models_and_nobody_twice():
    for made in real().values():
        writers = {
            holder
            for holder, s in statements(made)
            if s["Effect"] == "Allow" and any(WRITES.match(a) and a.startswith("s3:") for a in listed(s["Action"]))
        }
        assert writers == {"PublisherPolicy"}
        (denied,) = [s for holder, s in statements(made) if s.get("Sid") == "WriteOnce"]
        assert (denied["Effect"], denied["Action"], denied["Resource"]) == ("Deny", "s3:PutObject", "<ModelBucket.Arn>/*")
        assert denied["Condition"]["Null"] == {"s3:if-none-match": "true"}


def allow(holder: str, **changes: Any) -> Any:
    """A change that gives a function's first statement something else."""

    def change(resources: dict[str, Any]) -> None:
        statement = resources[holder]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        statement[1].update(changes)

    return change


@pytest.mark.parametrize(
    ("change", "check", "complaint"),
    [
        (allow("ChurnRole", Action="s3:*"), stars, "ChurnRole may s3:*"),
        (allow("ChurnRole", Action=["s3:GetObject", "s3:Get*"]), stars, "ChurnRole may s3:Get*"),
        (allow("ChurnRole", Resource="*"), stars, "ChurnRole reaches *"),
        (allow("ChurnRole", Resource={"Fn::Sub": "arn:aws:s3:::${AWS::StackName}*/*"}), stars, "ChurnRole reaches arn:aws:s3:::shop*/*"),
        (lambda r: r["ChurnRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].update(Principal="*"), stars, "ChurnRole trusts everybody"),
        (allow("ChurnRole", Action="s3:PutObject"), trespasses, "ChurnRole may s3:PutObject"),
        (
            allow("ChurnRole", Resource={"Fn::Sub": "${ModelBucket.Arn}/models/inventory/*"}),
            trespasses,
            "ChurnRole reads <ModelBucket.Arn>/models/inventory/*",
        ),
        (allow("ChurnRole", Resource={"Fn::Sub": "${DataBucket.Arn}/*"}), trespasses, "ChurnRole reads <DataBucket.Arn>/*"),
        (
            lambda r: r["ChurnRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0].pop("Condition"),
            trespasses,
            "ChurnRole reads every item",
        ),
        (lambda r: r["ChurnRole"]["Properties"].update(ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]), trespasses, "ChurnRole has managed policies"),
        (lambda r: r["InventoryFunction"]["Properties"].update(Role={"Fn::GetAtt": "ChurnRole.Arn"}), shared_roles, "ChurnRole"),
    ],
)
def test_a_wider_policy_is_found(change, check, complaint):
    assert complaint in check(mutated(change))
