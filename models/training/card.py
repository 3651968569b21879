"""Parts of a model card that every model has: the data, the table of results, the columns."""

from __future__ import annotations

from typing import Any, Collection, Sequence

from matrix import SPLITS, Description


def data_section(described: Description, row: str, entities: str, positives: str) -> str:
    """Where the data came from, what a row is, and the counts by split.

    `entities` and `positives` head the columns of distinct entities and of the share of rows with an event.
    """
    lines = [
        "## Data",
        "",
        described.source,
        "",
        f"Amounts are in {described.currency}. {row} Every label window closes before the"
        " next kind of snapshot begins.",
        "",
        f"| snapshots | cut-offs | rows | {entities} | {positives} |",
        "|---|---|--:|--:|--:|",
    ]
    for split in SPLITS:
        counts, cutoffs = described.rows[split], described.cutoffs[split]
        span = cutoffs[0][:10] if len(cutoffs) == 1 else f"{cutoffs[0][:10]} to {cutoffs[-1][:10]} ({len(cutoffs)})"
        share = 100.0 * counts["positives"] / max(1, counts["rows"])
        lines.append(f"| {split} | {span} | {counts['rows']:,} | {counts['entities']:,} | {share:.1f} % |")
    return "\n".join(lines) + "\n"


def results_table(
    metrics: Sequence[dict[str, Any]], baselines: Sequence[str], signed: Collection[str] = ()
) -> list[str]:
    """The lines of a table with a row per metric; differences, which are `signed`, show their sign."""
    lines = [
        "| metric | model | bar | " + " | ".join(baselines) + " |",
        "|---|---|---|" + "--:|" * len(baselines),
    ]
    for line in metrics:
        verdict = {True: " (met)", False: " (**missed**)", None: ""}[line["pass"]]
        beside = [number_text(line["baselines"].get(name)) for name in baselines]
        value = with_interval(line, line["metric"] in signed)
        lines.append(f"| {line['metric']} | {value} | {line['bar'] or '-'}{verdict} | " + " | ".join(beside) + " |")
    return lines


def columns_section(described: Description, manifest: dict[str, Any], what: str) -> str:
    """The columns by group, most important group first; `what` says what importance is."""
    importance: dict[str, float] = manifest["training"]["importance_by_group"]
    lines = [f"## What it looks at: {len(described.columns)} columns", "", what]
    for group, value in importance.items():
        lines += ["", f"**{group}** (importance {value:.3f})", ""]
        lines += [f"- `{c.name}`: {c.doc}" for c in described.columns if c.group == group]
    return "\n".join(lines) + "\n"


def number_text(value: float | None, signed: bool = False) -> str:
    """Three decimals, or a dash."""
    if value is None:
        return "-"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def interval_text(line: dict[str, Any], signed: bool = False) -> str:
    """Both ends, or a dash."""
    return "-" if line["interval"] is None else " to ".join(number_text(end, signed) for end in line["interval"])


def with_interval(line: dict[str, Any], signed: bool = False) -> str:
    """The value, and its interval in brackets."""
    return f"**{number_text(line['value'], signed)}** [{interval_text(line, signed)}]"
