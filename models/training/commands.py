"""The two commands of every model: `train`, and `finish` after `storecast evaluate`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import manifest
import matrix


@dataclass(frozen=True)
class Results:
    """What `finish` starts from."""

    described: matrix.Description
    manifest: dict[str, Any]
    metrics: list[dict[str, Any]]
    curves: dict[str, Any]


def read_results(folder: Path, metrics_path: Path, curves_path: Path, out: Path) -> Results:
    """Reads what `storecast evaluate` said of the model, and refuses what it said of another."""
    described = matrix.read_description(folder)
    metrics = [json.loads(line) for line in metrics_path.read_text(encoding="utf-8").splitlines() if line.strip()]
    metrics = [line for line in metrics if line.get("model") == described.model]
    if not metrics:
        raise matrix.Refused(f"{metrics_path}: no line of model {described.model}")
    curves: dict[str, Any] = json.loads(curves_path.read_text(encoding="utf-8"))
    before = manifest.read(out)
    if before["features"]["fingerprint"] != described.fingerprint:
        raise matrix.Refused(f"{out}: the model was trained on columns {before['features']['fingerprint'][:12]}, "
                             f"the matrix has {described.fingerprint[:12]}; train again")
    return Results(described, before, metrics, curves)


def write_results(results: Results, out: Path, wording: manifest.Wording, card: str) -> None:
    """Writes the card, and the manifest with the metrics. The plots must be there already."""
    (out / manifest.CARD_FILE).write_text(card, encoding="utf-8")
    before = results.manifest
    manifest.write(results.described, out, before["calibration"], before["training"], before.get("distribution"), wording,
                   results.metrics)
    say(f"wrote {out / manifest.CARD_FILE}: {sum(m['pass'] is True for m in results.metrics)} bars met, "
        f"{sum(m['pass'] is False for m in results.metrics)} missed")


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr)


def main(model: ModuleType, arguments: list[str] | None = None) -> int:
    """The command line of a module with `train` and `finish`; returns the exit code."""
    parser = argparse.ArgumentParser(description=(model.__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("train", model.train.__doc__), ("finish", model.finish.__doc__)):
        command = commands.add_parser(name, help=text)
        command.add_argument("--matrix", type=Path, required=True, help="the folder that `storecast features` wrote")
        command.add_argument("--out", type=Path, required=True, help="the model's folder")
        if name == "finish":
            command.add_argument("--metrics", type=Path, required=True, help="lines of `storecast evaluate --json`")
            command.add_argument("--curves", type=Path, required=True, help="its `--curves` file")
    given = parser.parse_args(arguments)
    try:
        if given.command == "train":
            model.train(given.matrix, given.out)
        else:
            model.finish(given.matrix, given.metrics, given.curves, given.out)
    except (matrix.Refused, OSError) as error:
        say(f"error: {error}")
        return 1
    return 0
