"""Markdown of the last `make bench`: printed, or with `--readme` put between the marks of README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

from ledger import markdown, read
from rows_path import path_table
from rows_stages import table
from stack import ROOT, WORK

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


# Those that tree scoring tells apart, as Linux names them.
INSTRUCTIONS = {"sse2": "SSE2", "avx2": "AVX2", "avx512f": "AVX-512"}


def machine() -> str:
    """Processor, cores, memory and instructions of this machine."""
    told = dict.fromkeys(("model name", "flags"), "")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        told[name.strip()] = value.strip()
    processor = told["model name"] or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    known = [name for flag, name in INSTRUCTIONS.items() if flag in told["flags"].split()]
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GB, {', '.join(known) or 'no vector instructions that are known here'}"


def report() -> str:
    results = WORK / "results.jsonl"
    if not results.exists():
        sys.exit(f"error: {results} is missing; run `make bench`")
    measured = date.fromtimestamp(results.stat().st_mtime)
    parts = [f"{machine()}; {measured}.", markdown(read(results))]
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
