"""What was measured: rows with a peer and a goal, as a table, as JSON Lines and as Markdown."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable


@dataclass
class Row:
    """One comparison. `ratio` says how many times better we are than the peer, whatever the unit: above 1 is better."""

    name: str
    ours: float
    peer: float
    unit: str
    n: int
    # First and third quartile of ours, then of the peer's.
    spread: list[float]
    # The least ratio that is wanted; none for a row that only informs.
    goal: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.peer if self.more_is_better else self.peer / self.ours

    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.ratio >= self.goal else "missed"

    def as_json(self) -> str:
        return json.dumps({
            "name": self.name, "ours": self.ours, "peer": self.peer, "ratio": self.ratio, "goal": self.goal, "unit": self.unit, "n": self.n,
            "spread": self.spread, "more_is_better": self.more_is_better, "note": self.note,
        })


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """First quartile, median, third."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, middle, third


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def compared(name: str, ours: list[float], peer: list[float], unit: str, goal: float | None, *, at: float = 0.5, note: str = "",
             more_is_better: bool = False) -> Row:
    """A row of the medians of two samples, or of another quantile."""
    of_ours, of_peer = quartiles(ours), quartiles(peer)
    middle = (of_ours[1], of_peer[1]) if at == 0.5 else (quantile(ours, at), quantile(peer, at))
    spread = [of_ours[0], of_ours[2], of_peer[0], of_peer[2]]
    return Row(name, *middle, unit, min(len(ours), len(peer)), spread, goal, more_is_better, note)


def number(value: float) -> str:
    """Three figures, whatever the size."""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def table(rows: Iterable[Row]) -> str:
    head = ("what", "ours", "peer", "", "ratio", "goal", "", "n", "quartiles of ours, of the peer")
    cells = [head] + [
        (
            row.name, number(row.ours), number(row.peer), row.unit, f"{number(row.ratio)}x", f"{number(row.goal)}x" if row.goal else "-",
            row.verdict(), str(row.n), "{} to {}, {} to {}".format(*map(number, row.spread)),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    right = {1, 2, 4, 5, 7}
    lines = ["  ".join(cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
             for line in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown(rows: Iterable[dict]) -> str:
    lines = ["| what | ours | peer | ratio | goal | |", "|---|--:|--:|--:|--:|---|"]
    for row in rows:
        goal = f"{number(row['goal'])}x" if row["goal"] else ""
        verdict = "" if not row["goal"] else "met" if row["ratio"] >= row["goal"] else "**missed**"
        name = f"{row['name']}; {row['note']}" if row["note"] else row["name"]
        lines.append(f"| {name} | {number(row['ours'])} {row['unit']} | {number(row['peer'])} {row['unit']} | {number(row['ratio'])}x | {goal} | {verdict} |")
    return "\n".join(lines)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
