"""The state machine of the whole base: its definition says what it should, and, replayed over real chunks with the real program, every row
is in one place whatever fails on the way."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from typing import Any

import boto3
import pytest
import stack
from fake_lambda import FakeLambda
from machine import Failed, Machine, Outside
from stack import Stack, listed, mutated, real, statements
from world import World, accepted

CUSTOMERS = {f"c{number:05}": ("tea", "cup")[number % 2] for number in range(12_000)}
CHUNK_ROWS, CHUNKS = 3_000, 4
NIGHT = "2026-05-24T03:00:00Z"
PROBLEM = "urn:storecast:problem:"


def definition(made: Stack) -> dict[str, Any]:
    return json.loads(made.resources["WholeBase"]["Properties"]["DefinitionString"])


def tasks(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every task, those of children too."""
    found = {}
    for name, state in machine["States"].items():
        if state["Type"] == "Map":
            found |= tasks(state["ItemProcessor"])
        elif state["Type"] == "Task":
            found[name] = state
    return found


def weaknesses(made: Stack) -> list[str]:
    """Where a run could end without being proved, hang, or take more than it is given."""
    machine, found = definition(made), []
    score, steps = machine["States"]["Score"], tasks(machine)
    look = machine["States"].get(machine["States"]["Begin"]["Next"], {})
    if machine["States"].get(look.get("Choices", [{}])[0].get("Next"), {}).get("Error") != "StaleChunks" or look["Default"] != "Score":
        found.append("a night answers what it answered before")
    if [c["Next"] for c in score.get("Catch", []) if c["ErrorEquals"] == ["States.ALL"]] != ["Reconcile"] or score["Next"] != "Reconcile":
        found.append("a run can end without reconciliation")
    if not 3600 <= machine.get("TimeoutSeconds", 0) < 86_400:
        found.append("a run can last into the next night")
    if not 1 <= score.get("MaxConcurrency", 0) <= 1000:
        found.append("children take any number of environments")
    for name, task in steps.items():
        timeout = int(made.resources["ChurnBatch"]["Properties"]["Timeout"])
        if not timeout <= task.get("TimeoutSeconds", 0) <= timeout + 60:
            found.append(f"{name} waits for an answer that cannot come")
        retries = {error: retry for retry in task.get("Retry", []) for error in retry["ErrorEquals"]}
        if "States.ALL" not in retries or any(r.get("MaxAttempts", 3) and "JitterStrategy" not in r and r["BackoffRate"] > 2 for r in retries.values()):
            found.append(f"{name} is not tried again")
    retries = {error: retry for retry in steps["ScoreChunk"]["Retry"] for error in retry["ErrorEquals"]}
    if retries.get(f"{PROBLEM}unfinished", {}).get("MaxAttempts", 0) < 100:
        found.append("a large chunk is given up")
    # A lease lasts as long as its invocation might have, and half a minute more; jitter halves the waits on average.
    if patience_s(retries["States.ALL"]) / 2 < 900 + 30:
        found.append("a killed child's lease is not waited out")
    return found


def patience_s(retry: dict[str, Any]) -> float:
    """Seconds between the first and the last attempt, at most."""
    waits = (retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(retry["MaxAttempts"]))
    return sum(min(w, retry["MaxDelaySeconds"]) for w in waits)


@pytest.mark.parametrize("variant", stack.VARIANTS)
def test_a_run_is_bounded_patient_and_proved(variant):
    made = real()[variant]
    assert weaknesses(made) == []
    reserved = made.resources["ChurnBatch"]["Properties"].get("ReservedConcurrentExecutions")
    assert reserved is None or definition(made)["States"]["Score"]["MaxConcurrency"] <= int(reserved)


def rewritten(change: Any) -> Any:
    """A change of the definition, of which the template has the text."""

    def apply(resources: dict[str, Any]) -> None:
        sub = resources["WholeBase"]["Properties"]["DefinitionString"]["Fn::Sub"]
        sub[0] = change(sub[0])

    return apply


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"ErrorEquals": ["States.ALL"], "ResultPath"', '"ErrorEquals": ["States.Timeout"], "ResultPath"', "a run can end without reconciliation"),
        ('"MaxConcurrency": ${MaxConcurrency},', "", "children take any number of environments"),
        ('"TimeoutSeconds": 79200,', "", "a run can last into the next night"),
        ('"TimeoutSeconds": 910', '"TimeoutSeconds": 99999', "ScoreChunk waits for an answer that cannot come"),
        ('"MaxAttempts": 14', '"MaxAttempts": 5', "a killed child's lease is not waited out"),
        ('"Next": "Look"', '"Next": "Score"', "a night answers what it answered before"),
        ('"MaxAttempts": 200', '"MaxAttempts": 3', "a large chunk is given up"),
    ],
)
def test_a_weakness_is_found(old, new, complaint):
    assert complaint in weaknesses(mutated(rewritten(lambda text: text.replace(old, new))))


def test_every_night_begins_every_function_once():
    for made in real().values():
        schedules = made.of_type("AWS::Scheduler::Schedule")
        inputs = [json.loads(s["Target"]["Input"]) for s in schedules.values()]
        assert sorted(i["function"] for i in inputs) == stack.functions()
        assert {i["as_of"] for i in inputs} == {"<aws.scheduler.scheduled-time>"}
        assert {(s["Target"]["Arn"], s["Target"]["RoleArn"]) for s in schedules.values()} == {("<WholeBase>", "<NightlyRole.Arn>")}
        functions = {made.resources[f"{f.capitalize()}Batch"]["Properties"]["FunctionName"] for f in stack.functions()}
        named = {t["Parameters"]["FunctionName.$"] for t in tasks(definition(made)).values()}
        assert named == {f"States.Format('{stack.STACK_NAME}-{{}}-batch', $.function)"}
        assert functions == {f"{stack.STACK_NAME}-{f}-batch" for f in stack.functions()}


def silent_ends(made: Stack) -> set[tuple[str, str, str]]:
    """How a run can end, or not begin, without its last state saying so, and what no alarm watches of it."""
    counted = {
        ("ExecutionsFailed", "StateMachineArn", "<WholeBase>"),
        ("ExecutionsAborted", "StateMachineArn", "<WholeBase>"),
        ("ExecutionsTimedOut", "StateMachineArn", "<WholeBase>"),
        ("InvocationDroppedCount", "ScheduleGroup", "<NightlyGroup>"),
    }
    alarms = made.of_type("AWS::CloudWatch::Alarm").values()
    watched = {(a["MetricName"], d["Name"], d["Value"]) for a in alarms for d in a.get("Dimensions", [])}
    groups = {s.get("GroupName") for s in made.of_type("AWS::Scheduler::Schedule").values()}
    return (counted - watched) | {("schedules", "GroupName", str(g)) for g in groups - {"<NightlyGroup>"}}


def test_a_run_that_does_not_begin_or_is_ended_is_told():
    for made in real().values():
        assert silent_ends(made) == set()
    without = mutated(lambda r: (r["NightlyChurn"]["Properties"].pop("GroupName"), r.pop("WholeBaseAborted")))
    assert silent_ends(without) == {("schedules", "GroupName", "None"), ("ExecutionsAborted", "StateMachineArn", "<WholeBase>")}


def grants(made: Stack, role: str) -> dict[str, tuple[set[str], set[str]]]:
    held = [s for holder, s in statements(made) if holder == role and "Principal" not in s]
    return {s["Sid"]: (set(listed(s["Action"])), set(listed(s["Resource"]))) for s in held}


def test_the_roles_of_a_run_reach_what_it_needs_and_nothing_else():
    for made in real().values():
        machine = f"{stack.REGION}:{stack.ACCOUNT}"
        name, uses_key = made.resources["WholeBase"]["Properties"]["StateMachineName"], made.values["KmsKeyArn"] != ""
        data = "<DataBucket.Arn>/whole"
        expected = {
            "AskFunctions": ({"lambda:InvokeFunction"}, {f"<{f.capitalize()}Batch.Arn>" for f in stack.functions()}),
            "StartChildren": ({"states:StartExecution"}, {f"arn:aws:states:{machine}:stateMachine:{name}"}),
            "WatchChildren": ({"states:DescribeExecution", "states:StopExecution"}, {f"arn:aws:states:{machine}:execution:{name}:*"}),
            "ReadLists": ({"s3:GetObject"}, {f"{data}/{f}/*" for f in stack.functions()}),
            "WriteResults": ({"s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"}, {f"{data}/results/*"}),
        }
        if uses_key:
            expected["UseKey"] = ({"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}, {made.values["KmsKeyArn"]})
        assert grants(made, "WholeBaseRole") == expected
        assert grants(made, "NightlyRole") == {"StartRuns": ({"states:StartExecution"}, {"<WholeBase>"})}
        for role, service in (("WholeBaseRole", "states"), ("NightlyRole", "scheduler")):
            (trust,) = made.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": stack.ACCOUNT}}


class Environments:
    """Lambda's environments of one function: as many as are asked for, up to a limit; some are killed at work."""

    def __init__(self, world: World, limit: int, seconds: float | None = None):
        self.world, self.limit, self.seconds, self.random = world, limit, seconds, random.Random(7)
        self.free: queue.LifoQueue[FakeLambda] = queue.LifoQueue()
        self.busy, self.lock = 0, threading.Lock()
        self.kills = self.killed = 0
        self.bucket = world.outputs["DataBucketName"]

    def start(self) -> FakeLambda:
        # Without the table of last predictions: moto writes a hundred items a second, and `test_calls.py` looks at what is written there.
        return self.world.started("ChurnBatch", "churn-batch", self.seconds, STORECAST_PREDICTIONS_TABLE="")

    def invoke(self, name: str, payload: Any) -> Any:
        assert name == f"{stack.STACK_NAME}-churn-batch"
        with self.lock:
            if self.busy >= self.limit:
                raise Failed("Lambda.TooManyRequestsException")
            self.busy += 1
        try:
            return self.answer(payload)
        finally:
            with self.lock:
                self.busy -= 1

    def answer(self, payload: Any) -> Any:
        try:
            environment = self.free.get_nowait()
        except queue.Empty:
            environment = self.start()
        with self.lock:
            kills = "score" in payload["whole"] and self.kills > 0
            self.kills -= kills
            moment = self.random.uniform(0.0, 0.02)
        if kills:
            threading.Timer(moment, environment.process.kill).start()
        try:
            answered, answer = environment.answer(payload)
        except AssertionError:
            with self.lock:
                self.killed += 1
            environment.__exit__()
            raise Failed("Runtime.ExitError") from None
        if kills:
            environment.__exit__()
        else:
            self.free.put(environment)
        if not answered:
            raise Failed(answer["errorType"], answer["errorMessage"])
        return answer

    def stop(self) -> None:
        while not self.free.empty():
            self.free.get().__exit__()

    def waited(self, payload: Any, seconds: float) -> None:
        """What waiting does: a lease of an invocation that nobody is at any more ends."""
        chunk = payload["whole"].get("score", {}).get("chunk")
        if chunk is None or seconds < 30:
            # Long enough that as many attempts as there are wait for whoever works.
            time.sleep(min(seconds, 0.4))
            return
        table = self.world.outputs["TableName"]
        for item in self.world.dynamo.scan(TableName=table)["Items"]:
            claim = json.loads(item.get("claim", {}).get("S", "{}"))
            if claim.get("version") == chunk["sha256"] and claim["state"].get("state") == "in_progress" and claim["state"]["lease_until_ms"] > 1:
                claim["state"]["lease_until_ms"] = 1
                self.world.dynamo.put_item(TableName=table, Item={**item, "claim": {"S": json.dumps(claim, separators=(",", ":"))}})

    def read(self, bucket: str, key: str) -> Any:
        assert bucket == self.bucket
        return json.loads(self.world.file(key))

    def write(self, bucket: str, key: str, results: Any) -> None:
        assert bucket == self.bucket
        self.world.put(key, json.dumps(results).encode())


@pytest.fixture(scope="module")
def night(program, tmp_path_factory):
    made = World(program, tmp_path_factory.mktemp("night"))
    # The table gets no history at all.
    made.place(CUSTOMERS)
    made.run("publisher", "publish", "churn", "--promote", *accepted("churn"))
    made.run("loader", "chunk", "churn", *made.chunking(), "--rows", str(CHUNK_ROWS))
    yield made
    made.server.stop()


def replayed(world: World, environments: Environments, **changes: Any) -> Machine:
    """The template's machine over these environments, with the made bucket in the place of its name."""
    text = json.dumps(definition(real()["tokens"])).replace("<DataBucket>", world.outputs["DataBucketName"])
    machine = json.loads(text)
    machine["States"]["Score"] |= changes
    return Machine(machine, Outside(environments.invoke, environments.read, environments.write, environments.waited))


def report_of(world: World, run: str, name: str = "report.json") -> dict[str, Any]:
    return json.loads(world.file(f"scored/churn/whole/{run}/{name}"))


def versions(world: World, run: str) -> dict[str, str]:
    """Which content each file of answers is."""
    found = world.s3.list_objects_v2(Bucket=world.outputs["DataBucketName"], Prefix=f"scored/churn/whole/{run}/")["Contents"]
    return {o["Key"]: (o["ETag"], str(o["LastModified"])) for o in found if o["Key"].endswith(".parquet")}


def test_killed_throttled_and_spoiled_a_run_ends_with_every_row_in_one_place(night):
    environments = Environments(night, limit=2)
    environments.kills = 6
    base = json.loads(night.file("whole/churn/manifest.json"))
    assert (base["rows"], base["chunk_count"]) == (len(CUSTOMERS), CHUNKS)
    chunks = json.loads(night.file(base["chunks"]))
    spoiled = chunks[1]["key"]
    original = night.s3.get_object(Bucket=environments.bucket, Key=spoiled)["Body"].read()
    night.put(spoiled, b"PAR1 and nothing else")
    given = {"function": "churn", "as_of": NIGHT}

    # One chunk of four is spoiled, and that many are tolerated: the others are scored, and the run fails with what is missing.
    machine = replayed(night, environments, MaxConcurrency=3, ToleratedFailurePercentage=25)
    with pytest.raises(Failed) as failed:
        machine.run(given)
    assert failed.value.error == f"{PROBLEM}unbalanced", failed.value
    assert "3 of 4 chunks, 9000 of 12000 rows" in failed.value.cause and "chunk 1" in failed.value.cause, failed.value
    assert machine.seen.most_at_once == 3 and (machine.seen.children, machine.seen.failed_children) == (4, 1)
    assert environments.killed >= 3
    assert {"Runtime.ExitError", "Lambda.TooManyRequestsException"} <= set(machine.seen.retries), machine.seen.retries

    # The spoiled chunk is there again, a new policy is in force; with the same input the run ends, and only that chunk is scored.
    night.put(spoiled, original)
    run = failed.value.cause.split()[1].rstrip(":")
    before, pinned = versions(night, run), report_of(night, run)
    policy = night.work / "policy.json"
    policy.write_text((stack.ROOT / "models/churn/policy.json").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    night.run("publisher", "policy", "churn", str(policy))
    machine = replayed(night, environments, MaxConcurrency=3)
    report = machine.run(given).output
    assert (report["outcome"], report["run"], report["faults"]) == ("scored", run, [])
    assert (report["rows"], report["scored"], report["rejected"], report["balanced_chunks"]) == (12000, 12000, 0, 4)
    assert report == report_of(night, run) and report["policy_sha256"] == pinned["policy_sha256"]
    after = versions(night, run)
    assert len(after) == 4 and {k: v for k, v in after.items() if k in before} == before
    results = json.loads(night.file("whole/results/run/manifest.json"))
    assert sum(r["rows"] for r in results) == 12_000 and len(results) == 4

    # The next night is another run, under the new policy, which new environments take up at once.
    environments.stop()
    after_promote = replayed(night, environments).run({**given, "as_of": "2026-05-25T03:00:00Z"}).output
    assert after_promote["run"] != run and after_promote["policy_sha256"] != pinned["policy_sha256"]
    assert after_promote["outcome"] == "scored"
    environments.stop()


def test_a_chunk_that_does_not_fit_into_an_invocation_is_continued_by_its_retry(night):
    """All customers in one chunk, and a second or less to work in beyond the five that are kept for leaving a file."""
    night.run("loader", "chunk", "churn", *night.chunking(), "--rows", str(len(CUSTOMERS)))
    # The faster the machine, the less time it needs to be given until a chunk does not fit.
    for day, seconds in enumerate((6, 5.5, 5.25, 5.12), start=1):
        environments = Environments(night, limit=1, seconds=seconds)
        machine = replayed(night, environments)
        report = machine.run({"function": "churn", "as_of": f"2026-05-25T0{day}:30:00Z"}).output
        environments.stop()
        assert (report["outcome"], report["rows"], report["scored"], report["chunks"]) == ("scored", 12_000, 12_000, 1)
        continued = report_of(night, report["run"], "00000.parquet.report.json")["continued"]
        if continued:
            break
    assert continued >= 1 and continued == machine.seen.retries.count(f"{PROBLEM}unfinished"), machine.seen.retries
    night.run("loader", "chunk", "churn", *night.chunking(), "--rows", str(CHUNK_ROWS))


def test_a_night_without_new_chunks_fails_and_says_so(night):
    environments = Environments(night, limit=1)
    machine = replayed(night, environments)
    with pytest.raises(Failed) as failed:
        machine.run({"function": "churn", "as_of": "2026-05-28T03:00:00Z"})
    environments.stop()
    assert failed.value.error == "StaleChunks" and "345600 s" in failed.value.cause
    assert machine.seen.children == 0


def test_too_many_failures_end_a_run_early_and_it_says_so(night):
    environments = Environments(night, limit=10)
    base = json.loads(night.file("whole/churn/manifest.json"))
    kept = {c["key"]: night.s3.get_object(Bucket=environments.bucket, Key=c["key"])["Body"].read() for c in json.loads(night.file(base["chunks"]))}
    for key in kept:
        night.put(key, b"gone")
    machine = replayed(night, environments, MaxConcurrency=1)
    with pytest.raises(Failed) as failed:
        machine.run({"function": "churn", "as_of": "2026-05-25T12:00:00Z"})
    assert "0 of 4 chunks, 0 of 12000 rows" in failed.value.cause
    assert machine.seen.children == 1, "the others are not begun"
    for key, body in kept.items():
        night.put(key, body)
    with pytest.raises(Failed, match="as_of"):
        machine.run({"function": "churn"})
    with pytest.raises(Failed, match="instant"):
        machine.run({"function": "churn", "as_of": "tonight"})
    environments.stop()


def test_moto_takes_the_definition(night):
    """It parses it when it makes the stack; it neither reads items from S3 in a distributed map nor calls a function here."""
    client = boto3.client("stepfunctions", endpoint_url=night.server.url)
    (made,) = [m for m in client.list_state_machines()["stateMachines"] if m["name"] == f"{stack.STACK_NAME}-whole-base"]
    described = client.describe_state_machine(stateMachineArn=made["stateMachineArn"])
    assert set(json.loads(described["definition"])["States"]) == set(definition(real()["tokens"])["States"])
