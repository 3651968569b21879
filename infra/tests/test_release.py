"""What CodeDeploy asks before traffic moves: the code in the template, run over real programs and made-up ones."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from types import ModuleType
from typing import Any

import pytest
import stack
from botocore.exceptions import ClientError
from stack import real
from world import World, accepted, published

HEALTH = {"version": "2.0", "rawPath": "/v1/health", "requestContext": {"http": {"method": "GET", "path": "/v1/health"}}}
EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"}
NEW, LIVE = "arn:new", "arn:live"
Answerer = Callable[[str, Any], tuple[bool, Any]]
Health = Callable[[str], tuple[bool, Any]]


class Aws:
    """CodeDeploy and Lambda as the code calls them."""

    def __init__(self, function: str, answer: Answerer, refusals: int = 0):
        self.function, self.answer, self.refusals = function, answer, refusals
        self.statuses: list[str] = []

    def client(self, name: str) -> Aws:
        assert name in ("codedeploy", "lambda")
        return self

    def get_deployment(self, deploymentId: str) -> dict[str, Any]:
        assert deploymentId == EVENT["DeploymentId"]
        return {"deploymentInfo": {"deploymentGroupName": f"group-{self.function}"}}

    def put_lifecycle_event_hook_execution_status(self, deploymentId: str, lifecycleEventHookExecutionId: str, status: str) -> None:
        assert (deploymentId, lifecycleEventHookExecutionId) == tuple(EVENT.values())
        self.statuses.append(status)

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not yet"}}, "Invoke")
        answered, answer = self.answer(FunctionName, json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **({} if answered else {"FunctionError": "Unhandled"})}


def well(golden_rows: str) -> tuple[bool, Any]:
    """An answer to who asks for health."""
    return True, {"statusCode": 200, "body": json.dumps({"status": "ok", "checks": [{"name": "store"}, {"name": "model", "golden_rows": golden_rows}]})}


def healthy(version: str) -> tuple[bool, Any]:
    assert version == NEW
    return well("all")


@pytest.fixture
def run(monkeypatch):
    """Runs the check of a function's release, and returns the status that CodeDeploy is told."""

    def run(function: str, answer: Answerer, may_change: bool = False, refusals: int = 0, health: Health = healthy) -> str:
        aws = Aws(function, lambda version, asked: health(version) if asked == names["HEALTH"] else answer(version, asked), refusals)
        fake = ModuleType("boto3")
        fake.client = aws.client
        monkeypatch.setitem(sys.modules, "boto3", fake)
        monkeypatch.setenv("TARGETS", json.dumps({f"group-{function}": [function, NEW, LIVE]}))
        monkeypatch.setenv("MAY_CHANGE_ANSWERS", "true" if may_change else "false")
        names: dict[str, Any] = {}
        exec(compile(properties()["Code"]["ZipFile"], "index.py", "exec"), names)
        monkeypatch.setattr(names["time"], "sleep", lambda _: None)
        names["handler"](EVENT, None)
        (status,) = aws.statuses
        return status

    return run


@pytest.fixture(scope="module")
def world(program, tmp_path_factory) -> Iterator[World]:
    made = World(program, tmp_path_factory.mktemp("shop"))
    for function in published():
        made.run("publisher", "publish", function, "--promote", *accepted(function))
    yield made
    made.server.stop()


def properties() -> dict[str, Any]:
    return real()["tokens"].resources["ReleaseCheck"]["Properties"]


def answers(score: float, model: str = "m1", policy: str = "p1") -> tuple[bool, Any]:
    return True, {"model_version": model, "policy_version": policy, "results": [{"churn_probability": score}]}


REFUSED = (False, {"errorType": "urn:storecast:problem:unavailable", "errorMessage": "{}"})
BROKEN = (False, {"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"})
CASES = {
    "the same": (answers(0.3), answers(0.3), False, "Succeeded"),
    "the same but for the last digits": (answers(0.3 + 1e-9), answers(0.3), False, "Succeeded"),
    "another score": (answers(0.31), answers(0.3), False, "Failed"),
    "another score, which is meant": (answers(0.31), answers(0.3), True, "Succeeded"),
    "another score of another model": (answers(0.31, model="m2"), answers(0.3), False, "Succeeded"),
    "another score of another policy": (answers(0.31, policy="p2"), answers(0.3), False, "Succeeded"),
    "the model is refused": (REFUSED, answers(0.3), False, "Failed"),
    "the model is refused, and nothing else was meant to change": (REFUSED, answers(0.3), True, "Failed"),
    "the process ends": (BROKEN, answers(0.3), False, "Failed"),
    "neither has a model": (REFUSED, REFUSED, False, "Succeeded"),
    "the live one had none": (answers(0.3), REFUSED, False, "Succeeded"),
    "the live one had none, and the new one does not start": (BROKEN, REFUSED, False, "Failed"),
    "an answer of another shape": ((True, {"results": []}), answers(0.3), False, "Failed"),
}


@pytest.mark.parametrize(("new", "live", "may_change", "expected"), CASES.values(), ids=CASES)
def test_a_release_goes_on_only_if_nothing_gets_worse(run, new, live, may_change, expected):
    assert run("churn", lambda version, _: new if version == NEW else live, may_change) == expected


def test_a_permission_that_does_not_hold_yet_is_waited_for(run):
    assert run("churn", lambda *_: answers(0.3), refusals=3) == "Succeeded"


def test_what_cannot_be_asked_stops_the_release(run):
    def throttled(*_: Any) -> tuple[bool, Any]:
        raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "later"}}, "Invoke")

    assert run("churn", throttled) == "Failed"


UNWELL = (True, {"statusCode": 503, "body": "{}"})


@pytest.mark.parametrize(
    ("later", "expected"),
    [([well("sample")] * 30 + [well("all")], "Succeeded"), ([well("sample")] * 30 + [UNWELL], "Failed"), ([well("sample"), BROKEN], "Failed")],
)
def test_golden_rows_are_waited_for(run, later, expected):
    """Each answer lets the version work on them a little; the last one tells."""
    told = iter(later)
    assert run("churn", lambda *_: answers(0.3), health=lambda _: next(told)) == expected
    assert next(told, None) is None


def test_golden_rows_without_an_end_stop_the_release(run):
    assert run("churn", lambda *_: answers(0.3), health=lambda _: well("sample")) == "Failed"


@pytest.mark.parametrize("function", published())
def test_real_programs_answer_what_is_asked_of_them(run, function, world):
    seen = []
    with world.started(f"{function.capitalize()}Function", function) as running:

        def answer(version: str, question: Any) -> tuple[bool, Any]:
            answered, said = running.answer(question)
            seen.append((answered, said))
            return answered, said

        assert run(function, answer, health=lambda _: running.answer(HEALTH)) == "Succeeded"
    assert len(seen) == 2 and all(answered for answered, _ in seen), seen


def deceive(world: World) -> dict[str, Any]:
    """Serves churn's model with one golden row that it does not answer and that no sample holds, past every check that a release makes;
    returns the pointer of before."""
    files = {name: (stack.ROOT / "models/churn" / name).read_bytes() for name in ("manifest.json", "model.onnx", "artifacts.json", "golden.json")}
    golden, manifest = json.loads(files["golden.json"]), json.loads(files["manifest.json"])
    golden["rows"][1]["raw"] += 1.0
    files["golden.json"] = json.dumps(golden).encode()
    manifest["version"] = "deceiving"
    manifest["files"]["golden.json"] = {"sha256": sha256(files["golden.json"]).hexdigest(), "size": len(files["golden.json"])}
    files["manifest.json"] = json.dumps(manifest).encode()
    for name, body in files.items():
        world.s3.put_object(Bucket=world.outputs["ModelBucketName"], Key=f"models/churn/deceiving/{name}", Body=body)
    table = world.outputs["TableName"]
    (before,) = [i for i in world.dynamo.scan(TableName=table)["Items"] if i["pk"]["S"].startswith("pointer#model/churn/")]
    release = json.loads(before["target"]["S"])
    release["served"]["pointer"].update(version="deceiving", manifest_sha256=sha256(files["manifest.json"]).hexdigest())
    world.dynamo.put_item(TableName=table, Item={**before, "target": {"S": json.dumps(release)}})
    return before


def test_a_model_that_fails_a_late_golden_row_stops_the_release(run, world):
    before = deceive(world)
    try:
        with world.started("ChurnFunction", "churn") as running:
            first = []

            def answer(_: str, question: Any) -> tuple[bool, Any]:
                first.append(running.answer(question))
                return first[0]

            # The row fails after the answer to the question, which is right.
            assert run("churn", answer, health=lambda _: running.answer(HEALTH)) == "Failed"
            assert first[0][0] and first[0][1]["model_version"] == "deceiving"
            assert any(line.get("message") == "model refused" for line in running.logged())
    finally:
        world.dynamo.put_item(TableName=world.outputs["TableName"], Item=before)


def test_the_template_names_every_function_once():
    made = real()["tokens"]
    targets = json.loads(properties()["Environment"]["Variables"]["TARGETS"])
    groups = {f"<{name}>" for name in made.of_type("AWS::CodeDeploy::DeploymentGroup")}
    assert set(targets) == groups and len(targets) == len(stack.functions())
    for function, version, live in targets.values():
        assert version.startswith(f"<{function.capitalize()}FunctionVersion")
        assert live.endswith(f":function:{stack.STACK_NAME}-{function}:live")
    for name in stack.functions():
        policy = made.resources[f"{name.capitalize()}FunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert policy["BeforeAllowTrafficHook"] == {"Ref": "ReleaseCheck"}
