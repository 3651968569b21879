"""What people do who answer alarms, in a made stack: from a dead letter to its file scored, a file scored once more, and a look back."""

from __future__ import annotations

import json

import boto3
import stack
from notification import message
from world import FILE, WRONG, World, uploads

HASTY = "hasty.csv"
# Seconds in which no row is answered.
TOO_SHORT_S = 5


def put_aside(world: World) -> dict[str, str]:
    """Messages that churn fails at until the queue puts them aside: one that is none, one about a file elsewhere, and one about a
    file for which there is never enough time. Returns what the person is told of each."""
    sqs = boto3.client("sqs", endpoint_url=world.server.url)
    queue, letters = (sqs.get_queue_url(QueueName=f"{stack.STACK_NAME}-churn-{name}")["QueueUrl"] for name in ("uploads", "dead-letters"))
    bucket = world.outputs["DataBucketName"]
    world.put(f"uploads/churn/{HASTY}", uploads("churn")[FILE])
    told = {name: message(bucket, f"uploads/{name}")["body"] for name in ("shoes/a.csv", f"churn/{HASTY}")}
    sent = {name: sqs.send_message(QueueUrl=queue, MessageBody=body)["MessageId"] for name, body in {"nonsense": "nonsense", **told}.items()}
    times = world.stack.resources["ChurnUploads"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    with world.started("ChurnBatch", "churn-batch", TOO_SHORT_S) as running:
        # At the last time the queue itself has had enough.
        for _ in range(times + 1):
            got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
            records = [{"messageId": m["MessageId"], "eventSource": "aws:sqs", "body": m["Body"]} for m in got]
            failed = [{"itemIdentifier": r["messageId"]} for r in records]
            assert not records or running.answer({"Records": records}) == (True, {"batchItemFailures": failed})
    aside = sqs.receive_message(QueueUrl=letters, MaxNumberOfMessages=10)
    (world.work / "letters.json").write_text(json.dumps({"Messages": aside["Messages"]}), encoding="utf-8")
    said = world.run("operator", "status", "--messages", str(world.work / "letters.json"))
    by_id = dict(line.split(": ", 1) for line in said.splitlines())
    return {name: by_id[sent[name]] for name in sent}


def operate(world: World) -> tuple[str, str]:
    """What a person does who answers alarms: sends again what was put aside, has a file scored anew, and looks back. Returns what
    the check of all files, and the one of all predictions, say in the end."""
    everything = ["churn", "--bucket", world.outputs["DataBucketName"]]
    world.refused("operator", "reconcile", *everything)
    world.run("operator", "redrive", *everything)
    world.run("operator", "rescore", world.address(f"uploads/churn/{FILE}"))
    with world.started("ChurnBatch", "churn-batch") as running:
        for name in (HASTY, FILE):
            event = message(world.outputs["DataBucketName"], f"unfinished/churn/{name}.continue")
            assert running.answer({"Records": [event]}) == (True, {"batchItemFailures": []})
    reconciled = world.run("operator", "reconcile", *everything)
    # A load, unlike a merge, does not leave a file out that nobody can read: it is taken away for so long.
    world.s3.delete_object(Bucket=world.outputs["DataBucketName"], Key="uploads/orders/orders/wrong.csv")
    shop = ["--shop", str(world.work / "shop.toml"), "--data", world.address("uploads/orders"), "--work", str(world.work / "looked back")]
    replayed = world.run("operator", "replay", *everything, *shop)
    world.run("operator", "outcomes", *everything, *shop)
    world.put("uploads/orders/orders/wrong.csv", WRONG)
    return reconciled, replayed
