"""From the bucket to the function that scores files: nothing is lost on the way, nobody else gets in, and the API keeps its environments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import stack
from stack import Stack, listed, mutated, real, statements

NAME = stack.ROOT / "shared" / "serving" / "src" / "batch" / "name.rs"
ORDERS = stack.ROOT / "models" / "offline" / "src" / "orders.rs"
CLAIM = stack.ROOT / "shared" / "serving" / "src" / "batch" / "claim.rs"
# Source: Lambda developer guide, "Using Lambda with Amazon SQS": six times the function's timeout.
TIMEOUTS = 6
FEWEST, MOST = 3, 5
DAY_S = 86_400


def queue_of(made: Stack, function: str) -> dict[str, Any]:
    return made.resources[f"{function.capitalize()}Uploads"]["Properties"]


def told_of() -> dict[str, tuple[str, dict[str, str]]]:
    """By program: the function that takes up its files, and what the bucket tells it of, by prefix."""
    scored = {
        f: (f"{f.capitalize()}Batch", {f"{folder(told)}{f}/": f"{told.lower()} for {f}" for told in ("UPLOADS", "UNFINISHED")})
        for f in stack.functions()
    }
    return {**scored, stack.MERGER: (stack.MERGE, {folder("ORDERS", ORDERS): "orders", shop_file(): "shop files"})}


def shop_file() -> str:
    """The key of the shop file, as the function that reads it is told."""
    address = real()["tokens"].resources[stack.MERGE]["Properties"]["Environment"]["Variables"]["STORECAST_SHOP"]
    return address.removeprefix("s3://<DataBucket>/")


def losses(made: Stack) -> list[str]:
    """Where an upload could be lost between its bucket and its function, or come again while it is being worked on."""
    found = []
    mappings = {m["FunctionName"].strip("<>"): m for m in made.of_type("AWS::Lambda::EventSourceMapping").values()}
    notified = {rule["Value"]: n for n in notifications(made) for rule in n["Filter"]["S3Key"]["Rules"] if rule["Name"] == "prefix"}
    for function, (worker, places) in told_of().items():
        prefix, queue = function.capitalize(), queue_of(made, function)
        for place, what in places.items():
            notification = notified.get(place, {})
            if (notification.get("Event"), notification.get("Queue")) != ("s3:ObjectCreated:*", f"<{prefix}Uploads.Arn>"):
                found.append(f"nobody is told of {what}")
        mapping = mappings.get(worker, {})
        if mapping.get("EventSourceArn") != f"<{prefix}Uploads.Arn>":
            found.append(f"{worker} reads no queue")
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            found.append(f"{worker} loses what it reports as failed")
        if int(queue["VisibilityTimeout"]) < TIMEOUTS * int(made.resources[worker]["Properties"]["Timeout"]):
            found.append(f"{prefix}Uploads gives a file away while it is worked on")
        found += unburied(made, prefix, queue)
    return found


def unburied(made: Stack, prefix: str, queue: dict[str, Any]) -> list[str]:
    """What is wrong with the place of messages that failed again and again."""
    found, redrive = [], queue.get("RedrivePolicy", {})
    dead = made.resources[f"{prefix}DeadLetters"]["Properties"]
    if redrive.get("deadLetterTargetArn") != f"<{prefix}DeadLetters.Arn>" or not FEWEST <= redrive["maxReceiveCount"] <= MOST:
        found.append(f"{prefix}Uploads tries for ever")
    if dead["MessageRetentionPeriod"] != 14 * DAY_S:
        found.append(f"{prefix}DeadLetters forgets early")
    if queue["MessageRetentionPeriod"] < 2 * MOST * queue["VisibilityTimeout"]:
        found.append(f"{prefix}Uploads forgets before it gives up")
    source = f"arn:aws:sqs:{stack.REGION}:{stack.ACCOUNT}:{queue['QueueName']}"
    if dead.get("RedriveAllowPolicy") != {"redrivePermission": "byQueue", "sourceQueueArns": [source]}:
        found.append(f"{prefix}DeadLetters takes from others")
    return found


def notifications(made: Stack) -> list[dict[str, Any]]:
    return made.resources["DataBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]


def folder(name: str, file: Path = NAME) -> str:
    """A prefix as the code says it."""
    (value,) = re.findall(rf'pub const {name}: &str = "([a-z/]+/)";', file.read_text(encoding="utf-8"))
    return value


def intruders(made: Stack) -> list[str]:
    """Queues that others than the bucket write to, that are not encrypted, or that answer without TLS."""
    found, bucket = [], made.resources["DataBucket"]["Properties"]["BucketName"]
    policies = made.of_type("AWS::SQS::QueuePolicy")
    only_bucket = {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}, "StringEquals": {"aws:SourceAccount": stack.ACCOUNT}}
    for name, queue in made.of_type("AWS::SQS::Queue").items():
        arn = f"<{name}.Arn>"
        held = [s for holder, s in statements(made) if holder in policies and listed(s["Resource"]) == [arn]]
        allowed = [s for s in held if s["Effect"] == "Allow"]
        sent = [(s["Principal"], s["Action"], s.get("Condition")) for s in allowed]
        if sent != ([({"Service": "s3.amazonaws.com"}, "sqs:SendMessage", only_bucket)] if name.endswith("Uploads") else []):
            found.append(f"{name} takes messages of others")
        denied = [(s["Principal"], s["Action"], s.get("Condition")) for s in held if s["Effect"] == "Deny"]
        if denied != [("*", "sqs:*", {"Bool": {"aws:SecureTransport": "false"}})]:
            found.append(f"{name} answers without TLS")
        if not queue.get("SqsManagedSseEnabled"):
            found.append(f"{name} is not encrypted")
        attached = {q.strip("<>") for policy in policies.values() for q in policy["Queues"]}
        if name not in attached:
            found.append(f"{name} has no policy")
    return found


def starvation(made: Stack) -> list[str]:
    """Files that could take the environments of requests, or of each other."""
    found = []
    for name, mapping in made.of_type("AWS::Lambda::EventSourceMapping").items():
        most = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        reserved = made.resources[mapping["FunctionName"].strip("<>")]["Properties"].get("ReservedConcurrentExecutions", most)
        if most is None or int(most) > int(reserved):
            found.append(f"{name} takes any number of environments")
        # One merge takes up all files that there are; whoever scores a file may need all the time for it.
        if mapping.get("BatchSize") != 1 and mapping["FunctionName"] != f"<{stack.MERGE}>":
            found.append(f"{name} lets files share their time")
    return found


@pytest.mark.parametrize("variant", stack.VARIANTS)
def test_nothing_is_lost_and_nobody_else_gets_in(variant):
    made = real()[variant]
    assert losses(made) == [] and intruders(made) == [] and starvation(made) == []
    assert len(notifications(made)) == 2 * len(made.of_type("AWS::Lambda::EventSourceMapping")) == 2 * len(stack.packages())


def test_the_bucket_waits_for_the_queues_policies():
    """S3 sends a test message when it is told of a queue, and refuses a queue that refuses it."""
    made = real()["tokens"]
    waits_for = set(made.resources["DataBucket"]["DependsOn"])
    assert waits_for == {f"{f.capitalize()}UploadsPolicy" for f in stack.packages()}


def test_the_bucket_s_name_is_one_that_s3_takes():
    name = real()["tokens"].resources["DataBucket"]["Properties"]["BucketName"]
    assert name == f"storecast-data-{stack.STACK_UUID}" and re.fullmatch(r"[a-z0-9-]{3,63}", name)


def test_outputs_are_not_uploads():
    """Or a function would feed itself."""
    for n in notifications(real()["tokens"]):
        rules = {rule["Name"]: rule["Value"] for rule in n["Filter"]["S3Key"]["Rules"]}
        outputs = [folder("SCORED"), folder("QUARANTINE"), folder("MERGED", ORDERS)]
        assert not any(output.startswith(rules["prefix"]) or rules["prefix"].startswith(output) for output in outputs)
        # What is left of a file lies beside its marker, and only the marker says that it goes on.
        (marker,) = re.findall(r'pub const MARKER: &str = "([.a-z]+)";', NAME.read_text(encoding="utf-8"))
        assert rules.get("suffix") == (marker if rules["prefix"].startswith(folder("UNFINISHED")) else None)


def test_what_files_left_unfinished_goes_after_a_week():
    parts, predictions, left, whole = real()["tokens"].resources["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert parts["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7} and parts["Status"] == "Enabled"
    assert (left["Prefix"], left["ExpirationInDays"], left["Status"]) == (folder("UNFINISHED"), 7, "Enabled")
    assert left["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert {**left, "Id": "whole-base", "Prefix": folder("WHOLE")} == whole, "histories go as soon"
    assert (predictions["Prefix"], predictions["ExpirationInDays"], predictions["Status"]) == ("predictions/", 400, "Enabled")


def test_claims_outlive_messages():
    (days,) = re.findall(r"pub const KEPT_DAYS: i64 = (\d+);", CLAIM.read_text(encoding="utf-8"))
    for queue in real()["tokens"].of_type("AWS::SQS::Queue").values():
        assert queue["MessageRetentionPeriod"] < int(days) * DAY_S


def unwatched(made: Stack) -> set[tuple[str, str]]:
    """Metrics of queues and of functions that are told of files for which no alarm rises."""
    alarms = {(a["MetricName"], d["Value"]) for a in made.of_type("AWS::CloudWatch::Alarm").values() for d in a.get("Dimensions", [])}
    wanted = set()
    for prefix, worker in ((f.capitalize(), worker) for f, (worker, _) in told_of().items()):
        wanted |= {(metric, f"<{worker}>") for metric in ("Errors", "Throttles")}
        wanted.add(("ApproximateAgeOfOldestMessage", f"<{prefix}Uploads.QueueName>"))
        wanted.add(("ApproximateNumberOfMessagesVisible", f"<{prefix}DeadLetters.QueueName>"))
    return wanted - alarms


def test_what_goes_wrong_is_told_and_drawn():
    for made in real().values():
        assert unwatched(made) == set()
    drawn = real()["tokens"].resources["Dashboard"]["Properties"]["DashboardBody"]
    for prefix, worker in ((f.capitalize(), worker) for f, (worker, _) in told_of().items()):
        assert all(f"<{name}>" in drawn for name in (worker, f"{prefix}Uploads.QueueName", f"{prefix}DeadLetters.QueueName"))
    spoiled = mutated(lambda r: r.pop("InventoryDeadLettersFound"))
    assert unwatched(spoiled) == {("ApproximateNumberOfMessagesVisible", "<InventoryDeadLetters.QueueName>")}


def policy(holder: str, index: int, **changes: Any) -> Any:
    """A change of a queue's policy."""
    return lambda r: r[holder]["Properties"]["PolicyDocument"]["Statement"][index].update(changes)


def properties(name: str, **changes: Any) -> Any:
    return lambda r: r[name]["Properties"].update(changes)


ANY_BUCKET = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@pytest.mark.parametrize(
    ("change", "check", "complaint"),
    [
        (lambda r: r["DataBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"].pop(0), losses, "nobody is told of uploads for churn"),
        (lambda r: r["DataBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"].pop(1), losses, "nobody is told of unfinished for churn"),
        (properties("ChurnUploadsMapping", EventSourceArn={"Fn::GetAtt": "InventoryUploads.Arn"}), losses, "ChurnBatch reads no queue"),
        (lambda r: r["ChurnUploadsMapping"]["Properties"].pop("FunctionResponseTypes"), losses, "ChurnBatch loses what it reports as failed"),
        (properties("ChurnUploads", VisibilityTimeout=900), losses, "ChurnUploads gives a file away while it is worked on"),
        (properties("OrdersUploads", VisibilityTimeout=900), losses, "OrdersUploads gives a file away while it is worked on"),
        (properties("OrdersUploadsMapping", EventSourceArn={"Fn::GetAtt": "InventoryUploads.Arn"}), losses, "OrdersMerge reads no queue"),
        (lambda r: r["DataBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"].pop(6), losses, "nobody is told of orders"),
        (lambda r: r["DataBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"].pop(7), losses, "nobody is told of shop files"),
        (lambda r: r["OrdersUploadsMapping"]["Properties"].pop("ScalingConfig"), starvation, "OrdersUploadsMapping takes any number of environments"),
        (lambda r: r["ChurnUploads"]["Properties"].pop("RedrivePolicy"), losses, "ChurnUploads tries for ever"),
        (lambda r: r["ChurnUploads"]["Properties"]["RedrivePolicy"].update(maxReceiveCount=1000), losses, "ChurnUploads tries for ever"),
        (properties("ChurnDeadLetters", MessageRetentionPeriod=345600), losses, "ChurnDeadLetters forgets early"),
        (properties("ChurnUploads", MessageRetentionPeriod=3600), losses, "ChurnUploads forgets before it gives up"),
        (properties("ChurnUploads", QueueName="other"), losses, "ChurnDeadLetters takes from others"),
        (policy("ChurnUploadsPolicy", 0, Principal="*"), intruders, "ChurnUploads takes messages of others"),
        (policy("ChurnUploadsPolicy", 0, Action="sqs:*"), intruders, "ChurnUploads takes messages of others"),
        (policy("ChurnUploadsPolicy", 0, Condition=ANY_BUCKET), intruders, "ChurnUploads takes messages of others"),
        (properties("DataBucket", BucketName="another-name"), intruders, "ChurnUploads takes messages of others"),
        (lambda r: r["ChurnDeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"].clear(), intruders, "ChurnDeadLetters answers without TLS"),
        (properties("ChurnDeadLetters", SqsManagedSseEnabled=False), intruders, "ChurnDeadLetters is not encrypted"),
        (properties("ChurnUploadsPolicy", Queues=[]), intruders, "ChurnUploads has no policy"),
        (lambda r: r["ChurnUploadsMapping"]["Properties"].pop("ScalingConfig"), starvation, "ChurnUploadsMapping takes any number of environments"),
        (properties("ChurnUploadsMapping", BatchSize=10), starvation, "ChurnUploadsMapping lets files share their time"),
    ],
)
def test_a_way_to_lose_or_to_intrude_is_found(change, check, complaint):
    assert complaint in check(mutated(change))


def test_more_files_than_environments_are_found():
    template = stack.source()
    template["Resources"]["ChurnBatch"]["Properties"]["ReservedConcurrentExecutions"] = 1
    assert starvation(Stack(template, stack.TOKENS)) == ["ChurnUploadsMapping takes any number of environments"]
