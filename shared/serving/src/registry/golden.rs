//! Golden rows: the model must answer here what training's own library answered there.

use super::Refusal;
use crate::manifest::{GOLDEN_FILE, Golden, GoldenRow};
use crate::predictor::{Predictor, Served};
use features::matrix::Matrix;

/// Raw scores may differ by this times the larger of 1 and the score: leaves are float32, training's are double.
const RAW_TOLERANCE: f64 = 1e-5;
/// Contributions may differ by this.
const CONTRIBUTION_TOLERANCE: f64 = 1e-6;

/// Replays every row: raw history to columns exactly, columns to raw score and contributions within tolerance.
pub(super) fn check_golden<P: Predictor>(
    served: &Served<P>,
    golden: &Golden,
) -> Result<(), Refusal> {
    if golden.rows.is_empty() {
        return Err(Refusal::unreadable(GOLDEN_FILE, "holds no rows"));
    }
    let mut rows = Matrix::new(served.scorer.columns());
    for row in &golden.rows {
        check_features(served, row)?;
        if row.features.len() != served.scorer.columns() {
            return Err(differs(
                row,
                "number of columns",
                row.features.len(),
                served.scorer.columns(),
            ));
        }
        rows.push_row(row.features.iter().map(|value| f64::from(value.value())));
    }
    check_scores(served, golden, &rows)?;
    check_contributions(served, golden, &rows)
}

fn check_features<P: Predictor>(served: &Served<P>, row: &GoldenRow) -> Result<(), Refusal> {
    let case = P::golden_case(row)
        .map_err(|reason| Refusal::unreadable(&format!("golden row {}", row.name), reason))?;
    let Some(case) = case else { return Ok(()) };
    let mut computed = Matrix::new(served.scorer.columns());
    P::features(&case, &served.artifacts, &mut computed);
    if computed.row_count() != 1 {
        return Err(differs(row, "number of rows", 1, computed.row_count()));
    }
    for ((expected, found), name) in row
        .features
        .iter()
        .zip(computed.row(0))
        .zip(&served.manifest.features.names)
    {
        let expected = expected.value();
        if expected.to_bits() != found.to_bits() && !(expected.is_nan() && found.is_nan()) {
            return Err(differs(row, name, expected, found));
        }
    }
    Ok(())
}

fn check_scores<P: Predictor>(
    served: &Served<P>,
    golden: &Golden,
    rows: &Matrix,
) -> Result<(), Refusal> {
    let mut scores = Vec::with_capacity(golden.rows.len());
    served.scorer.score(rows, &mut scores)?;
    for (row, found) in golden.rows.iter().zip(scores) {
        // A NaN fails every comparison, so the test is for "within", not for "beyond".
        if !((found - row.raw).abs() <= RAW_TOLERANCE * row.raw.abs().max(1.0)) {
            return Err(differs(row, "raw score", row.raw, found));
        }
    }
    Ok(())
}

fn check_contributions<P: Predictor>(
    served: &Served<P>,
    golden: &Golden,
    rows: &Matrix,
) -> Result<(), Refusal> {
    let Some(explained) = served.scorer.explain(rows).transpose()? else {
        return Ok(());
    };
    for (row, found) in golden.rows.iter().zip(explained) {
        if row.contributions.len() != found.values.len() {
            return Err(differs(
                row,
                "number of contributions",
                row.contributions.len(),
                found.values.len(),
            ));
        }
        let pairs = row
            .contributions
            .iter()
            .zip(&found.values)
            .chain([(&row.base, &found.base)]);
        let names = served
            .manifest
            .features
            .names
            .iter()
            .map(String::as_str)
            .chain(["base"]);
        for ((expected, found), name) in pairs.zip(names) {
            if !((expected - found).abs() <= CONTRIBUTION_TOLERANCE) {
                return Err(differs(
                    row,
                    &format!("contribution of {name}"),
                    expected,
                    found,
                ));
            }
        }
    }
    Ok(())
}

fn differs(row: &GoldenRow, what: &str, expected: impl ToString, found: impl ToString) -> Refusal {
    Refusal::Golden {
        row: row.name.clone(),
        what: what.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}
