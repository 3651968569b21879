//! Golden rows: the model must answer here what training's own library answered there.

use super::Refusal;
use crate::manifest::{GOLDEN_FILE, GoldenRow};
use crate::predictor::{Model, Predictor};
use features::matrix::Matrix;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Raw scores may differ by this times the larger of 1 and the score: leaves are float32, training's are double.
const RAW_TOLERANCE: f64 = 1e-5;
/// Contributions may differ by this.
const CONTRIBUTION_TOLERANCE: f64 = 1e-6;

/// Which golden rows are replayed before a model is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoldenRows {
    /// Every one.
    All,
    /// A few, evenly over the file: code that makes other columns or scores does so in nearly every row. For who answers first and
    /// replays all of them right after ([`PinnedFiles::check_golden`](super::PinnedFiles::check_golden)).
    Sample,
}

/// How many rows are a sample.
const SAMPLE_ROWS: usize = 4;

impl GoldenRows {
    /// A row is read from its text only when it is replayed: all the others are nearly all of the file.
    fn read(self, golden: &[u8]) -> Result<Vec<GoldenRow>, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Texts<'a> {
            #[serde(borrow)]
            rows: Vec<&'a RawValue>,
        }
        let unreadable = |error| Refusal::unreadable(GOLDEN_FILE, error);
        let Texts { rows } = serde_json::from_slice(golden).map_err(unreadable)?;
        let step = match self {
            Self::All => 1,
            Self::Sample => rows.len().div_ceil(SAMPLE_ROWS).max(1),
        };
        let chosen = rows.iter().step_by(step);
        let read = chosen.map(|row| serde_json::from_str(row.get()).map_err(unreadable));
        read.collect()
    }
}

/// Replays rows: raw history to columns exactly, columns to raw score and contributions within tolerance.
pub(super) fn check_golden<P: Predictor>(
    model: &Model<P>,
    golden: &[u8],
    which: GoldenRows,
) -> Result<(), Refusal> {
    let golden = which.read(golden)?;
    if golden.is_empty() {
        return Err(Refusal::unreadable(GOLDEN_FILE, "holds no rows"));
    }
    let mut rows = Matrix::new(model.scorer.columns());
    for row in &golden {
        check_features(model, row)?;
        if row.features.len() != model.scorer.columns() {
            return Err(differs(
                row,
                "number of columns",
                row.features.len(),
                model.scorer.columns(),
            ));
        }
        rows.push_row(row.features.iter().map(|value| f64::from(value.value())));
    }
    check_scores(model, &golden, &rows)?;
    check_contributions(model, &golden, &rows)
}

fn check_features<P: Predictor>(model: &Model<P>, row: &GoldenRow) -> Result<(), Refusal> {
    let case = P::golden_case(row)
        .map_err(|reason| Refusal::unreadable(&format!("golden row {}", row.name), reason))?;
    let Some(case) = case else { return Ok(()) };
    let mut computed = Matrix::new(model.scorer.columns());
    P::features(&case, &model.artifacts, &mut computed);
    if computed.row_count() != 1 {
        return Err(differs(row, "number of rows", 1, computed.row_count()));
    }
    for ((expected, found), name) in row
        .features
        .iter()
        .zip(computed.row(0))
        .zip(&model.manifest.features.names)
    {
        let expected = expected.value();
        if expected.to_bits() != found.to_bits() && !(expected.is_nan() && found.is_nan()) {
            return Err(differs(row, name, expected, found));
        }
    }
    Ok(())
}

fn check_scores<P: Predictor>(
    model: &Model<P>,
    golden: &[GoldenRow],
    rows: &Matrix,
) -> Result<(), Refusal> {
    let mut scores = Vec::with_capacity(golden.len());
    model.scorer.score(rows, &mut scores)?;
    for (row, found) in golden.iter().zip(scores) {
        // A NaN fails every comparison, so the test is for "within", not for "beyond".
        if !((found - row.raw).abs() <= RAW_TOLERANCE * row.raw.abs().max(1.0)) {
            return Err(differs(row, "raw score", row.raw, found));
        }
    }
    Ok(())
}

fn check_contributions<P: Predictor>(
    model: &Model<P>,
    golden: &[GoldenRow],
    rows: &Matrix,
) -> Result<(), Refusal> {
    let Some(explained) = model.scorer.explain(rows).transpose()? else {
        return Ok(());
    };
    for (row, found) in golden.iter().zip(explained) {
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
        let names = model
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
