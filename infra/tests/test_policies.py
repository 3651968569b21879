"""Least privilege, walked over the transformed template: actions listed, resources named, and the model bucket read-only to functions."""

from __future__ import annotations

import re
from typing import Any

import pytest
import stack
from stack import Stack, holders, listed, mutated, real, statements
from test_api import routes_of_code

# AWS knows no resource for these, so their policies must say `*`. Source: the service authorization reference of X-Ray.
STAR_DEMANDED = {
    "xray:PutTraceSegments": "a trace is no resource before it is put",
    "xray:PutTelemetryRecords": "they belong to no trace",
}
# Objects of a bucket, or of a named folder in it: the only places where a pattern stands in a resource.
OBJECTS = re.compile(r"<(Model|Data)Bucket\.Arn>(/[a-z]+)*/\*")
# Executions of the one state machine, whose names nobody knows before they are there.
EXECUTIONS = f"arn:aws:states:{stack.REGION}:{stack.ACCOUNT}:execution:{stack.STACK_NAME}-whole-base:*"
WRITES = re.compile(r"s3:(Put|Delete|Abort|Restore|Replicate|Create|Bypass)|dynamodb:(Put|Update|Delete|BatchWrite|PartiQL|Transact)")


# What Lambda does with a queue that it reads. Source: Lambda developer guide, "Using Lambda with Amazon SQS".
TAKES = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def roles(made: Stack) -> dict[str, str]:
    """Role of each function."""
    return {name: f["Role"].strip("<>").split(".")[0] for name, f in made.programs().items()}


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
            if ("*" in r or "?" in r) and not demanded and not OBJECTS.fullmatch(r) and r != EXECUTIONS:
                found.append(f"{holder} reaches {r}")
    return found


def trespasses(made: Stack) -> list[str]:
    """What a function may do beyond reading its own models and policies, scoring its own files, stopping its own canary, or beyond its
    own log."""
    found = [f"{n} has managed policies" for n, r in made.of_type("AWS::IAM::Role").items() if r.get("ManagedPolicyArns")]
    for function, role in roles(made).items():
        held, judge = holders(made, role), faults_of_merger if function == stack.MERGE else faults
        for holder, s in statements(made):
            if holder in held and "Principal" not in s:
                found += [f"{role} {fault}" for action in listed(s["Action"]) for fault in judge(function, action, s)]
    return found


# Where the function that merges orders may do what to files, and to which keys. It is the only one that writes histories.
ORDERS, LEDGERS, SHOP = (f"<DataBucket.Arn>/{place}" for place in ("uploads/orders/*", "merged/ledgers/*", "shop.toml"))
MERGES = {
    "s3:GetObject": {ORDERS, LEDGERS, SHOP},
    "s3:GetObjectVersion": {LEDGERS, SHOP},
    "s3:ListBucket": {"<DataBucket.Arn>"},
    "s3:ListBucketVersions": {"<DataBucket.Arn>"},
    "s3:PutObject": {"<DataBucket.Arn>/merged/*", "<DataBucket.Arn>/quarantine/orders/*"},
    "s3:DeleteObjectVersion": {LEDGERS},
    **{take: {"<OrdersUploads.Arn>"} for take in TAKES},
    **dict.fromkeys(("logs:CreateLogStream", "logs:PutLogEvents"), {"<OrdersLogs.Arn>"}),
    **dict.fromkeys(STAR_DEMANDED, {"*"}),
    **{f"dynamodb:{action}": {"<Table.Arn>"} for action in ("BatchWriteItem", "PutItem", "BatchGetItem", "Scan")},
}
# What a scan reads nobody can hold to keys.
MERGES_KEYS = {
    "s3:ListBucket": {"uploads/orders/*"},
    "s3:ListBucketVersions": {"merged/ledgers/*"},
    "dynamodb:BatchWriteItem": {"customer#*", "category#*", "sku#*", "stock#*"},
    "dynamodb:PutItem": {"meta#*", "pointer#orders"},
    "dynamodb:BatchGetItem": {"pointer#orders", "pointer#forgotten/*"},
}


def faults_of_merger(_: str, action: str, s: dict[str, Any]) -> list[str]:
    """What is wrong with a merger that may do this."""
    if action.startswith("kms:"):
        return []
    found = [f"may {action} on {place}" for place in sorted(set(listed(s["Resource"])) - MERGES.get(action, set()))]
    if keys_of(s) != MERGES_KEYS.get(action, set()):
        found.append(f"may {action} of {', '.join(sorted(keys_of(s))) or 'everything'}")
    return found


def faults(function: str, action: str, s: dict[str, Any]) -> list[str]:
    """What is wrong with a function that may do this."""
    resources, keys, found = set(listed(s["Resource"])), keys_of(s), []
    own, writes = territory(function, action), WRITES.match(action)
    keeps_last = resources == {"<PredictionsTable.Arn>"} and action == "dynamodb:PutItem" and function.endswith("Batch")
    is_claim = action in ("dynamodb:GetItem", "dynamodb:PutItem") and function.endswith("Batch") and not keeps_last
    canary = {"dynamodb:UpdateItem": "sets", "dynamodb:PutItem": "pointer"}.get(action) if function.endswith("Function") else None
    if keeps_last and keys and keys != {f"{stack.function_of(function)[0]}#*"}:
        found.append(f"predicts {', '.join(sorted(keys))}")
    if writes and not own and not is_claim and not canary and not keeps_last:
        found.append(f"may {action}")
    if canary and keys and keys != {f"{canary}#model/{stack.function_of(function)[0]}/*"}:
        found.append(f"changes {', '.join(sorted(keys))}")
    if action.startswith(("s3:", "sqs:")) and not resources <= own:
        found.append(f"{'writes' if writes else 'reads'} {', '.join(sorted(resources - own))}")
    name = stack.function_of(function)[0]
    if action == "s3:ListBucket" and keys != {f"uploads/{name}/*", f"unfinished/{name}/*", f"whole/{name}/*", f"scored/{name}/whole/*"}:
        found.append("lists more than its uploads")
    if action.startswith("logs:") and resources != {f"<{function.removesuffix('Function')}Logs.Arn>"}:
        found.append("writes another log")
    if action.startswith("dynamodb:") and not keys:
        found.append("reads every item")
    if is_claim and keys != {"claim#*"}:
        found.append(f"claims {', '.join(sorted(keys))}")
    return found


def keys_of(s: dict[str, Any]) -> set[str]:
    """Patterns of keys that a statement is held to."""
    condition = s.get("Condition", {})
    items = condition.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
    return set(listed(items)) | set(listed(condition.get("StringLike", {}).get("s3:prefix", [])))


def territory(function: str, action: str) -> set[str]:
    """Where a function may do something to files or messages."""
    name, is_batch = stack.function_of(function)
    models = {f"<ModelBucket.Arn>/{folder}/{name}/*" for folder in ("models", "policies")}
    kept = f"<DataBucket.Arn>/predictions/{name}/*"
    if not is_batch:
        return {"s3:GetObject": models, "s3:PutObject": {kept}}.get(action, set())
    folders = ("uploads", "scored", "quarantine", "unfinished")
    uploads, scored, quarantine, unfinished = (f"<DataBucket.Arn>/{folder}/{name}/*" for folder in folders)
    chunks = {f"<DataBucket.Arn>/whole/{name}/*", f"<DataBucket.Arn>/scored/{name}/whole/*"}
    places = {
        "s3:GetObject": models | chunks | {uploads, unfinished},
        "s3:GetObjectVersion": chunks | {uploads, unfinished},
        "s3:ListBucket": {"<DataBucket.Arn>"},
        "s3:PutObject": {scored, quarantine, unfinished, kept},
        "s3:AbortMultipartUpload": {scored},
        **{take: {f"<{name.capitalize()}Uploads.Arn>"} for take in TAKES},
    }
    return places.get(action, set())


def shared_roles(made: Stack) -> list[str]:
    used = list(roles(made).values())
    return sorted({role for role in used if used.count(role) > 1})


def kinds_read(function: str) -> set[str]:
    """Kinds of histories that a function's code names."""
    code = [p.read_text(encoding="utf-8") for p in (stack.ROOT / "functions" / function / "src").rglob("*.rs")]
    return set(re.findall(r'const (?:CUSTOMER|SKU|CATEGORY|LEVELS): &str = "(\w+)"', "\n".join(code)))


def keys_granted(made: Stack, role: str) -> set[str]:
    grants = [s for holder, s in statements(made) if holder == role and "dynamodb:BatchGetItem" in listed(s["Action"])]
    return {key for s in grants for key in s["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]}


@pytest.mark.parametrize("variant", stack.VARIANTS)
def test_no_star_no_trespass_one_role_each(variant):
    made = real()[variant]
    assert stars(made) == []
    assert trespasses(made) == []
    assert shared_roles(made) == [] and len(roles(made)) == 2 * len(stack.functions()) + 1


@pytest.mark.parametrize("function", stack.functions())
def test_a_function_reads_the_histories_that_its_code_names(function):
    kinds = kinds_read(function)
    assert kinds, "the code names its kinds"
    histories = {f"{k}#*" for k in kinds} | {f"meta#{k}" for k in kinds}
    own, all_of_them = {f"pointer#model/{function}/*", f"pointer#policy/{function}"}, {"pointer#index", "pointer#model/*", "pointer#policy/*"}
    # The function that says what is served of all reads what is said of all.
    answers_for_all = "GET /v1/models" in routes_of_code()[function]
    assert keys_granted(real()["tokens"], f"{function.capitalize()}Role") == histories | (all_of_them if answers_for_all else own)
    assert keys_granted(real()["tokens"], f"{function.capitalize()}BatchRole") == histories | own


def amiss_with_key(made: Stack) -> set[str]:
    """Roles of functions that have not just what they need of a key of the shop's own: to read, and, where they write, to write."""
    writers = {holder for holder, s in statements(made) if "s3:PutObject" in listed(s["Action"])}
    needed = {role: {"kms:Decrypt"} | ({"kms:GenerateDataKey"} if holders(made, role) & writers else set()) for role in roles(made).values()}
    granted: dict[str, set[str]] = {role: set() for role in needed}
    for attached in made.of_type("AWS::IAM::Policy").values():
        for s in attached["PolicyDocument"]["Statement"]:
            for role in attached["Roles"]:
                granted[role.strip("<>")] |= set(listed(s["Action"]))
    return {role for role, actions in needed.items() if granted[role] != actions}


def test_every_function_can_use_the_shop_s_own_key():
    assert amiss_with_key(real()["all options"]) == set()
    assert amiss_with_key(mutated(lambda r: r["BatchKeyPolicy"]["Properties"]["Roles"].pop(0), stack.ALL_OPTIONS)) == {"ChurnBatchRole"}
    # Without a log of predictions, who answers calls writes nothing.
    unlogged = {**stack.ALL_OPTIONS, "PredictionLogShare": "0"}
    assert amiss_with_key(mutated(lambda r: None, unlogged)) == set()
    wider = mutated(lambda r: r["BatchKeyPolicy"]["Properties"]["Roles"].append({"Ref": "ChurnRole"}), unlogged)
    assert amiss_with_key(wider) == {"ChurnRole"}


def test_exceptions_are_used():
    used = {a for _, s in statements(real()["tokens"]) if s.get("Resource") == "*" for a in listed(s["Action"])}
    assert used == set(STAR_DEMANDED)


def test_what_checks_a_release_may_ask_and_report_and_nothing_else():
    for made in real().values():
        granted = {s["Sid"]: s for holder, s in statements(made) if holder == "ReleaseCheckRole" and "Principal" not in s}
        assert {a for s in granted.values() for a in listed(s["Action"])} == {
            "lambda:InvokeFunction", "codedeploy:GetDeployment", "codedeploy:PutLifecycleEventHookExecutionStatus",
            "logs:CreateLogStream", "logs:PutLogEvents",
        }
        api = {f["FunctionName"] for name, f in made.programs().items() if not stack.function_of(name)[1]}
        live = {f"arn:aws:lambda:{stack.REGION}:{stack.ACCOUNT}:function:{name}:live" for name in api}
        versions = {f"<{name}>" for name in made.of_type("AWS::Lambda::Version")}
        assert set(granted["AskVersions"]["Resource"]) == live | versions
        groups = {f"arn:aws:codedeploy:{stack.REGION}:{stack.ACCOUNT}:deploymentgroup:<ServerlessDeploymentApplication>/<{name}>"
                  for name in made.of_type("AWS::CodeDeploy::DeploymentGroup")}
        assert set(granted["Report"]["Resource"]) == groups
        assert granted["WriteLogs"]["Resource"] == "<ReleaseCheckLogs.Arn>"


def test_only_the_publisher_writes_models_and_nobody_twice():
    for made in real().values():
        writers = {
            holder
            for holder, s in statements(made)
            if s["Effect"] == "Allow"
            and any(WRITES.match(a) and a.startswith("s3:") for a in listed(s["Action"]))
            and any("ModelBucket" in r or not OBJECTS.fullmatch(r) for r in listed(s["Resource"]))
        }
        assert writers == {"PublisherPolicy"}
        (denied,) = [s for holder, s in statements(made) if s.get("Sid") == "WriteOnce"]
        assert (denied["Effect"], denied["Action"], denied["Resource"]) == ("Deny", "s3:PutObject", "<ModelBucket.Arn>/*")
        # Without the second half the parts of an upload would be denied; with another value what completes it would not.
        assert denied["Condition"] == {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}


def allow(holder: str, sid: str = "ReadModel", **changes: Any) -> Any:
    """A change that gives one of a function's statements something else."""

    def change(resources: dict[str, Any]) -> None:
        statements = resources[holder]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        # One that an option adds stands behind it.
        (statement,) = [s for s in (s.get("Fn::If", [None, s])[1] for s in statements) if s["Sid"] == sid]
        statement.update(changes)

    return change


CUSTOMERS = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["customer#*"]}}
WRITES_UPLOADS = "ChurnBatchRole writes <DataBucket.Arn>/uploads/churn/*"
WRITES_MODELS = "ChurnBatchRole writes <ModelBucket.Arn>/models/churn/*"


@pytest.mark.parametrize(
    ("change", "check", "complaint"),
    [
        (allow("ChurnRole", Action="s3:*"), stars, "ChurnRole may s3:*"),
        (allow("ChurnRole", Action=["s3:GetObject", "s3:Get*"]), stars, "ChurnRole may s3:Get*"),
        (allow("ChurnRole", Resource="*"), stars, "ChurnRole reaches *"),
        (allow("ChurnRole", Resource={"Fn::Sub": "arn:aws:s3:::${AWS::StackName}*/*"}), stars, "ChurnRole reaches arn:aws:s3:::shop*/*"),
        (lambda r: r["ChurnRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].update(Principal="*"), stars, "ChurnRole trusts everybody"),
        (allow("ChurnRole", Action="s3:PutObject"), trespasses, "ChurnRole writes <ModelBucket.Arn>/models/churn/*, <ModelBucket.Arn>/policies/churn/*"),
        (allow("ChurnRole", Action="s3:DeleteObject"), trespasses, "ChurnRole may s3:DeleteObject"),
        (allow("ChurnRole", "KeepPredictions", Resource={"Fn::Sub": "${DataBucket.Arn}/scored/churn/*"}), trespasses, "ChurnRole writes <DataBucket.Arn>/scored/churn/*"),
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
        (lambda r: r["ChurnBatch"]["Properties"].update(Role={"Fn::GetAtt": "ChurnRole.Arn"}), shared_roles, "ChurnRole"),
        (allow("ChurnBatchRole", "WriteScored", Action=["s3:PutObject", "s3:DeleteObject"]), trespasses, "ChurnBatchRole may s3:DeleteObject"),
        (allow("ChurnBatchRole", "WriteScored", Resource={"Fn::Sub": "${DataBucket.Arn}/uploads/churn/*"}), trespasses, WRITES_UPLOADS),
        (allow("ChurnBatchRole", "WriteScored", Resource={"Fn::Sub": "${DataBucket.Arn}/scored/*"}), trespasses, "ChurnBatchRole writes <DataBucket.Arn>/scored/*"),
        (allow("ChurnBatchRole", "WriteQuarantine", Resource={"Fn::Sub": "${ModelBucket.Arn}/models/churn/*"}), trespasses, WRITES_MODELS),
        (allow("ChurnBatchRole", "ReadUploads", Resource={"Fn::Sub": "${DataBucket.Arn}/*"}), trespasses, "ChurnBatchRole reads <DataBucket.Arn>/*"),
        (allow("ChurnBatchRole", "MissUploads", Condition={}), trespasses, "ChurnBatchRole lists more than its uploads"),
        (allow("ChurnBatchRole", "ClaimFiles", Condition=CUSTOMERS), trespasses, "ChurnBatchRole claims customer#*"),
        (allow("ChurnBatchRole", "ClaimFiles", Condition={}), trespasses, "ChurnBatchRole reads every item"),
        (allow("ChurnBatchRole", "ClaimFiles", Action="dynamodb:DeleteItem"), trespasses, "ChurnBatchRole may dynamodb:DeleteItem"),
        (allow("ChurnBatchRole", "KeepLastPredictions", Condition=CUSTOMERS), trespasses, "ChurnBatchRole predicts customer#*"),
        (allow("ChurnBatchRole", "KeepLastPredictions", Condition={}), trespasses, "ChurnBatchRole reads every item"),
        (allow("ChurnBatchRole", "KeepLastPredictions", Action="dynamodb:DeleteItem"), trespasses, "ChurnBatchRole may dynamodb:DeleteItem"),
        (allow("ChurnBatchRole", "KeepLastPredictions", Resource={"Fn::GetAtt": "Table.Arn"}), trespasses, "ChurnBatchRole claims churn#*"),
        (allow("ChurnBatchRole", "TakeMessages", Resource={"Fn::GetAtt": "InventoryUploads.Arn"}), trespasses, "ChurnBatchRole reads <InventoryUploads.Arn>"),
        (allow("ChurnBatchRole", "TakeMessages", Action="sqs:SendMessage"), trespasses, "ChurnBatchRole reads <ChurnUploads.Arn>"),
        (allow("ChurnRole", "StopCanary", Condition=CUSTOMERS), trespasses, "ChurnRole changes customer#*"),
        (allow("ChurnRole", "NoteCanary", Condition={}), trespasses, "ChurnRole reads every item"),
        (allow("ChurnRole", "NoteCanary", Action="dynamodb:DeleteItem"), trespasses, "ChurnRole may dynamodb:DeleteItem"),
        (allow("ChurnBatchRole", "ReadHistoriesAndPointers", Action="dynamodb:UpdateItem"), trespasses, "ChurnBatchRole may dynamodb:UpdateItem"),
        (allow("ChurnRole", "ReadModel", Action="s3:ListBucket"), trespasses, "ChurnRole lists more than its uploads"),
        (lambda r: r["MergerPolicy"]["Properties"]["Roles"].append({"Ref": "ChurnRole"}), trespasses, "ChurnRole may dynamodb:BatchWriteItem"),
        (allow("OrdersRole", "ReadShop", Resource={"Fn::Sub": "${DataBucket.Arn}/*"}), trespasses, "OrdersRole may s3:GetObject on <DataBucket.Arn>/*"),
        (allow("OrdersRole", "ReadShop", Action="s3:PutObject"), trespasses, "OrdersRole may s3:PutObject on <DataBucket.Arn>/shop.toml"),
        (
            lambda r: r["MergerPolicy"]["Properties"]["PolicyDocument"]["Statement"][7].pop("Condition"),
            trespasses,
            "OrdersRole may dynamodb:PutItem of everything",
        ),
    ],
)
def test_a_wider_policy_is_found(change, check, complaint):
    assert complaint in check(mutated(change))
