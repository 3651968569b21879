"""As much of Amazon States Language as the template's state machine uses, run on this machine: the definition is the template's, the
functions are the real programs. Waits are told of and not waited for.

Source: the Amazon States Language specification, and the Step Functions developer guide on distributed maps.
"""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Callable

KNOWN = {
    "Task": {"Type", "Comment", "Resource", "Parameters", "ResultSelector", "ResultPath", "OutputPath", "TimeoutSeconds", "Retry", "Next", "End"},
    "Map": {"Type", "ItemReader", "ItemSelector", "MaxConcurrency", "ToleratedFailurePercentage", "ItemProcessor", "ResultWriter",
            "ResultPath", "Catch", "Next", "End"},
    "Choice": {"Type", "Comment", "Choices", "Default"},
    "Fail": {"Type", "Error", "Cause"},
}


class Failed(Exception):
    """A task or a state failed, with the name that retries and catches go by."""

    def __init__(self, error: str, cause: str = ""):
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass
class Outside:
    """What a machine asks of the outside."""

    invoke: Callable[[str, Any], Any]
    read: Callable[[str, str], Any]
    write: Callable[[str, str, Any], None]
    waited: Callable[[Any, float], None]


@dataclass
class Ran:
    """What was seen of one execution."""

    retries: list[str] = field(default_factory=list)
    most_at_once: int = 0
    children: int = 0
    failed_children: int = 0
    output: Any = None


def path(text: str, data: Any, context: Any) -> Any:
    """`$.a.b` of the input, `$$.a.b` of the context, States.Format of such, or States.MathAdd of one and a number."""
    if text.startswith("States.MathAdd("):
        left, _, right = text.removeprefix("States.MathAdd(").removesuffix(")").partition(", ")
        return path(left, data, context) + int(right)
    if text.startswith("States.Format('"):
        template, _, arguments = text.removeprefix("States.Format('").removesuffix(")").partition("'")
        values = [path(a.strip(), data, context) for a in arguments.split(",") if a.strip()]
        return template.format(*values)
    found = context if text.startswith("$$") else data
    for step in text.lstrip("$").split("."):
        if step:
            if not isinstance(found, dict) or step not in found:
                raise Failed("States.ParameterPathFailure", text)
            found = found[step]
    return found


def filled(template: Any, data: Any, context: Any) -> Any:
    if isinstance(template, list):
        return [filled(t, data, context) for t in template]
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): path(value, data, context) if key.endswith(".$") else filled(value, data, context)
        for key, value in template.items()
    }


def placed(where: str, data: Any, result: Any) -> Any:
    """The input with a result at `$` or `$.name`."""
    return result if where == "$" else {**data, where.removeprefix("$."): result}


def chosen(state: dict[str, Any], data: Any, context: Any) -> str:
    """The state that a choice leads to."""
    for rule in state["Choices"]:
        assert set(rule) == {"Variable", "NumericLessThanPath", "Next"}, f"{rule} is not known here"
        if path(rule["Variable"], data, context) < path(rule["NumericLessThanPath"], data, context):
            return rule["Next"]
    return state["Default"]


class Machine:
    """A definition with its outside."""

    def __init__(self, definition: dict[str, Any], outside: Outside):
        self.definition, self.outside = definition, outside

    def run(self, given: Any) -> Ran:
        """Runs it to its end, or raises what made it fail."""
        self.seen, self.lock = Ran(), threading.Lock()
        self.seen.output = self.states(self.definition, given, {})
        return self.seen

    def states(self, machine: dict[str, Any], data: Any, context: Any) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            unknown = set(state) - KNOWN[state["Type"]]
            assert not unknown, f"{name}: {unknown} is not known here"
            if state["Type"] == "Fail":
                raise Failed(state["Error"], state["Cause"])
            if state["Type"] == "Choice":
                name = chosen(state, data, context)
                continue
            try:
                result = self.task(state, data, context) if state["Type"] == "Task" else self.map(state, data)
                data = placed(state.get("ResultPath", "$"), data, result)
                data = path(state.get("OutputPath", "$"), data, context)
                following = state.get("Next")
            except Failed as failure:
                caught = next((c for c in state.get("Catch", []) if matches(c, failure)), None)
                if caught is None:
                    raise
                data = placed(caught["ResultPath"], data, {"Error": failure.error, "Cause": failure.cause})
                following = caught["Next"]
            if state.get("End") and following is None:
                return data
            name = following

    def task(self, state: dict[str, Any], data: Any, context: Any) -> Any:
        assert state["Resource"] == "arn:aws:states:::lambda:invoke"
        parameters, tries = filled(state["Parameters"], data, context), [0] * len(state.get("Retry", []))
        while True:
            try:
                result = {"Payload": self.outside.invoke(parameters["FunctionName"], parameters["Payload"])}
                return filled(state["ResultSelector"], result, context) if "ResultSelector" in state else result
            except Failed as failure:
                self.again(state, failure, tries, parameters)

    def again(self, state: dict[str, Any], failure: Failed, tries: list[int], parameters: Any) -> None:
        """Waits for the next attempt, or gives up."""
        for index, retry in enumerate(state.get("Retry", [])):
            if not matches(retry, failure):
                continue
            if tries[index] >= retry.get("MaxAttempts", 3):
                break
            seconds = retry["IntervalSeconds"] * retry["BackoffRate"] ** tries[index]
            tries[index] += 1
            with self.lock:
                self.seen.retries.append(failure.error)
            self.outside.waited(parameters["Payload"], min(seconds, retry.get("MaxDelaySeconds", seconds)))
            return
        raise failure

    def map(self, state: dict[str, Any], data: Any) -> Any:
        reader, processor = state["ItemReader"], state["ItemProcessor"]
        assert reader["Resource"] == "arn:aws:states:::s3:getObject" and reader["ReaderConfig"] == {"InputType": "JSON"}
        assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        source = filled(reader["Parameters"], data, {})
        items = self.outside.read(source["Bucket"], source["Key"])
        assert isinstance(items, list) and items, "an item reader takes a list"
        inputs = [filled(state["ItemSelector"], data, {"Map": {"Item": {"Index": i, "Value": item}}}) for i, item in enumerate(items)]
        results = self.children(processor, inputs, state["MaxConcurrency"], state["ToleratedFailurePercentage"])
        target = filled(state["ResultWriter"]["Parameters"], data, {})
        key = f"{target['Prefix']}/run/manifest.json"
        self.outside.write(target["Bucket"], key, results)
        return {"ResultWriterDetails": {"Bucket": target["Bucket"], "Key": key}}

    def children(self, processor: Any, inputs: list[Any], at_once: int, tolerated: float) -> list[Any]:
        """Runs children beside each other; begins no more once too many have failed."""
        waiting, running, results, failures = list(inputs), set[Future[Any]](), [], 0
        with ThreadPoolExecutor(at_once) as pool:
            while running or waiting:
                while waiting and len(running) < at_once:
                    running.add(pool.submit(self.states, processor, waiting.pop(0), {}))
                    self.seen.children += 1
                self.seen.most_at_once = max(self.seen.most_at_once, len(running))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for child in done:
                    if (failure := child.exception()) is None:
                        results.append(child.result())
                    elif isinstance(failure, Failed):
                        failures += 1
                    else:
                        raise failure
                if 100 * failures > tolerated * len(inputs):
                    waiting.clear()
        self.seen.failed_children = failures
        if 100 * failures > tolerated * len(inputs):
            raise Failed("States.ExceedToleratedFailureThreshold", f"{failures} of {len(inputs)}")
        return results


def matches(rule: dict[str, Any], failure: Failed) -> bool:
    return failure.error in rule["ErrorEquals"] or rule["ErrorEquals"] == ["States.ALL"]
