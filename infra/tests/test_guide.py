"""The guide's commands exist, and its lists are those of the tests."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import boto3
import stack
from botocore import xform_name
from test_template import NOT_MADE_BY_MOTO
from watching import watched_by

GUIDE = (stack.ROOT / "infra" / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]


def options(command: list[str]) -> set[str]:
    return {word for word in command if word.startswith("--")}


def helped(*words: str | Path) -> str:
    """What a program says of a command; fails when there is no such command."""
    return subprocess.run([*words, "--help"], capture_output=True, text=True, check=True).stdout


def members(service: str, name: str) -> set[str]:
    """What a command of AWS's own takes."""
    model = boto3.client(service.removesuffix("api")).meta.service_model  # the command line has two services for S3
    (operation,) = [o for o in model.operation_names if xform_name(o, "-") == name]
    return set(model.operation_model(operation).input_shape.members)


def test_every_command_exists(program):
    seen = set()
    for command in commands():
        seen.add(command[0])
        match command:
            case ["make", target]:
                subprocess.run(["make", "--dry-run", target], cwd=stack.ROOT, check=True, capture_output=True)
            case [".tools/infra/bin/sam", "deploy", *_]:
                assert options(command) <= set(re.findall(r"--[a-z0-9-]+", helped(BIN / "sam", "deploy")))
            case [".tools/infra/bin/sam", "list", name, *_]:
                assert options(command) <= set(re.findall(r"--[a-z0-9-]+", helped(BIN / "sam", "list", name)))
            case ["target/release/storecast", name, *_]:
                assert options(command) <= set(re.findall(r"--[a-z0-9-]+", helped(program("storecast"), name)))
            case ["aws", service, name, *_]:
                assert options(command) <= {f"--{xform_name(member, '-')}" for member in members(service, name)}
            case ["export" | "curl", *_]:
                pass
            case _:
                raise AssertionError(f"not known: {command}")
    assert seen == {"make", ".tools/infra/bin/sam", "target/release/storecast", "export", "curl", "aws"}


def stale_s(command: list[str]) -> float:
    """Seconds by which the orders of the default shop end before the instant that a run is started for."""
    given = json.loads(command[command.index("--input") + 1])
    assert given["function"] in stack.functions() and set(given) == {"function", "as_of"}
    readme = (stack.ROOT / "README.md").read_text(encoding="utf-8")
    (end,) = re.findall(r"days after (\S+), when the orders end", readme)
    return (datetime.fromisoformat(given["as_of"]) - datetime.fromisoformat(end)).total_seconds()


def test_a_run_that_is_started_by_hand_finds_the_chunks_of_the_guide_fresh_enough():
    chunked = {command[command.index("--shop") + 1] for command in commands() if command[1:2] == ["chunk"]}
    assert chunked == {"models/shops/completejourney.toml"}
    (started,) = [command for command in commands() if command[1:3] == ["stepfunctions", "start-execution"]]
    allowed_s = int(stack.real()["tokens"].values["WholeStaleSeconds"])
    assert 0 <= stale_s(started) <= allowed_s
    late = [word.replace("2018-01-02", "2018-01-06") for word in started]
    assert stale_s(late) > allowed_s


def test_parameters_and_outputs_exist():
    template = stack.source()
    (deploy,) = [command for command in commands() if command[1:2] == ["deploy"]]
    given = dict(word.split("=", 1) for word in deploy[deploy.index("--parameter-overrides") + 1 :])
    stack.Stack(template, given)
    for name in re.findall(r"`(\w+Arn)` of|and `(\w+Arn)`|\(and `(\w+Arn)`", GUIDE):
        assert "".join(name) in template["Outputs"]
    for name in re.findall(r"`([A-Z]\w+)(?:=iam)?`", GUIDE):
        assert name in {**template["Parameters"], **template["Outputs"], **template["Resources"]}, name


def test_what_moto_cannot_make_is_in_the_guide():
    assert set(re.findall(r"`(AWS::[\w:]+)`", GUIDE)) == NOT_MADE_BY_MOTO


def test_every_alarm_has_a_page():
    """By what an alarm is called after the stack and the function; and no page is of an alarm that is not there."""
    made = stack.real()["tokens"]
    names = {alarm["AlarmName"] for alarm in made.of_type("AWS::CloudWatch::Alarm").values()}
    pattern = rf"{stack.STACK_NAME}-(?:(?:{'|'.join(stack.functions())})-)?(.+)"
    kinds = {re.fullmatch(pattern, name)[1] for name in names}
    runbook = GUIDE.partition("## When an alarm rises")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.+)$", runbook, re.MULTILINE) == list(dict.fromkeys(re.findall(r"^### (.+)$", runbook, re.MULTILINE)))
    assert set(re.findall(r"^### (.+)$", runbook, re.MULTILINE)) == kinds


def test_every_page_without_an_alarm_says_what_is_seen_what_it_means_what_to_do_and_when_it_is_over():
    chapter = GUIDE.partition("## When no alarm says it")[2].partition("\n## ")[0]
    pages = chapter.split("\n### ")[1:]
    assert len(pages) == 3
    for page in pages:
        assert re.findall(r"^\*\*(\w+)\*\*:", page, re.MULTILINE) == ["Seen", "Means", "Do", "Over"], page.splitlines()[0]
        assert "```sh\ntarget/release/storecast " in page.partition("**Do**")[2].partition("**Over**")[0]
    kinds = {a["AlarmName"].removeprefix(f"{stack.STACK_NAME}-") for a in stack.real()["tokens"].of_type("AWS::CloudWatch::Alarm").values()}
    for name in ("uploads-wait", "drift", "failures", "batch-errors", "refusals"):
        assert f"`{name}`" in chapter and f"churn-{name}" in kinds, name


def test_the_saved_queries_that_pages_name_exist():
    queries = {q["Name"].partition("/")[2] for q in stack.real()["tokens"].of_type("AWS::Logs::QueryDefinition").values()}
    for name in ("failures by reason", "slow requests", "files, and what became of them"):
        assert name in queries and f"`{name}`" in GUIDE


def test_costs_count_what_the_template_s_alarms_watch():
    """An alarm that calculates is paid by each metric that it takes."""
    code = (stack.ROOT / "models/offline/src/cli/cost.rs").read_text(encoding="utf-8")
    (counted,) = re.findall(r"const WATCHED: usize = (\d+);", code)
    assert int(counted) == sum(len(watched_by(alarm)) for alarm in stack.real()["tokens"].of_type("AWS::CloudWatch::Alarm").values())
