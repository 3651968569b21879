"""Whether a policy of the template allows a call: as much of IAM as its own policies use."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from recording import Call
from stack import Stack, holders, listed, statements

# Conditions that hold a call to keys: of items, and of what is listed.
HELD_TO = (("ForAllValues:StringLike", "dynamodb:LeadingKeys"), ("StringLike", "s3:prefix"))


def places(outputs: dict[str, str]) -> dict[str, str]:
    """What the made things are called in the template."""
    return {
        f"table {outputs['TableName']}": "<Table.Arn>",
        f"table {outputs['PredictionsTableName']}": "<PredictionsTable.Arn>",
        f"bucket {outputs['ModelBucketName']}": "<ModelBucket.Arn>",
        f"bucket {outputs['DataBucketName']}": "<DataBucket.Arn>",
    }


def in_template_words(call: Call, named: dict[str, str]) -> Call:
    """The call with its resource named as the template names it."""
    place, slash, key = call.resource.partition("/")
    return replace(call, resource=named[place] + slash + key)


def patterns(statement: dict[str, Any]) -> list[str]:
    """Patterns of the keys that a statement is held to, none if it is not."""
    condition = statement.get("Condition", {})
    if not condition:
        return []
    found = [listed(condition[test][key]) for test, key in HELD_TO if set(condition) == {test} and set(condition[test]) == {key}]
    assert len(found) == 1, f"not understood: {condition}"
    return found[0]


def granting(stack: Stack, holder: str, call: Call) -> set[str]:
    """Grants of a role or policy that let the call pass, as [`grants`] words them."""
    found, held = set(), holders(stack, holder)
    for name, statement in statements(stack):
        if name not in held or statement["Effect"] != "Allow" or call.action not in listed(statement["Action"]):
            continue
        resources = [r for r in listed(statement.get("Resource", [])) if fnmatchcase(call.resource, r)]
        allowed = patterns(statement)
        fits = [[p for p in allowed if fnmatchcase(key, p)] for key in call.keys]
        if not allowed or (call.keys and all(fits)):
            keys = {p for fit in fits for p in fit} or {""}
            found |= {worded(call.action, resource, key) for resource in resources for key in keys}
    return found


def grants(stack: Stack, holder: str, services: tuple[str, ...]) -> set[str]:
    """Every grant of a role or policy for these services: action, resource, and pattern of the key."""
    found, held = set(), holders(stack, holder)
    for name, statement in statements(stack):
        if name in held and statement["Effect"] == "Allow":
            for action in listed(statement["Action"]):
                if action.startswith(services):
                    resources, keys = listed(statement.get("Resource", [])), patterns(statement) or [""]
                    found |= {worded(action, resource, key) for resource in resources for key in keys}
    return found


def worded(action: str, resource: str, key: str) -> str:
    return f"{action} {resource} {key}".rstrip()
