"""Whether an alarm sees what a program wrote: by the filter of its log, and by the metric that the filter counts."""

from __future__ import annotations

import re
from typing import Any

from stack import Stack

Metric = tuple[str, str, frozenset[tuple[str, str]]]


def counted_by(filtered: dict[str, Any]) -> list[Metric]:
    """Metrics that a filter counts: namespace, name and dimensions."""
    transformations = filtered["MetricTransformations"]
    return [(t["MetricNamespace"], t["MetricName"], frozenset((d["Key"], d["Value"]) for d in t.get("Dimensions", []))) for t in transformations]


def watched_by(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Metrics of an alarm: its own, or those that it calculates with."""
    return [m["MetricStat"]["Metric"] for m in alarm["Metrics"] if "MetricStat" in m] if "Metrics" in alarm else [alarm]


def metric_of(watched: dict[str, Any]) -> Metric:
    """Namespace, name and dimensions of a metric that an alarm watches."""
    return watched["Namespace"], watched["MetricName"], frozenset((d["Name"], d["Value"]) for d in watched.get("Dimensions", []))


def is_above(pattern: str, line: dict[str, Any]) -> bool:
    """Whether a filter `{ $.field > number }` takes a line."""
    parts = re.fullmatch(r"\{ \$\.(\w+) > ([\d.]+) \}", pattern)
    return parts is not None and line.get(parts[1], 0) > float(parts[2])


def raised_by(made: Stack, resource: str, line: dict[str, Any]) -> list[str]:
    """Names of the alarms that a line with a number above its filter's raises, where the function of this resource writes it."""
    group = made.resources[resource]["Properties"]["LoggingConfig"]["LogGroup"]
    filters = made.of_type("AWS::Logs::MetricFilter").values()
    taken = [f for f in filters if f["LogGroupName"] == group and is_above(f["FilterPattern"], line)]
    counted = {metric for f in taken for metric in counted_by(f)}
    alarms = made.of_type("AWS::CloudWatch::Alarm").items()
    # One line in a period is one, so a sum above nothing is what rises with it.
    rises = {"Statistic": "Sum", "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold"}
    return [name for name, a in alarms if rises.items() <= a.items() and counted & {metric_of(m) for m in watched_by(a)}]
