"""Markdown of the last `make bench`: printed, or with `--readme` put between the marks of README.md."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from datetime import date
from pathlib import Path

from ledger import markdown, read
from rows_path import path_table
from rows_stages import table
from stack import ROOT, WORK

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def report() -> str:
    results = WORK / "results.jsonl"
    if not results.exists():
        sys.exit(f"error: {results} is missing; run `make bench`")
    measured = date.fromtimestamp(results.stat().st_mtime)
    parts = [f"{processor()}, {measured}.", markdown(read(results))]
    for name, as_table in (("stages.json", table), ("path.json", path_table)):
        if (WORK / name).exists():
            parts.append(as_table(json.loads((WORK / name).read_text())))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", action="store_true", help="write it into README.md")
    text = report()
    if not parser.parse_args().readme:
        print(text)
        return
    readme = ROOT / "README.md"
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"error: README.md has no {BEGIN} and {END}")
    readme.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


if __name__ == "__main__":
    main()
