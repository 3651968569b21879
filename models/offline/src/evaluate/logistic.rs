//! The logistic regression that a tree model has to beat: `baseline.json`, fitted by training.

use serde::Deserialize;

/// `baseline.json`: log-odds = intercept + sum of coefficient x (t(x) - mean) / scale.
///
/// ```
/// use offline::evaluate::LogisticBaseline;
/// let json = r#"{"columns": [{"name": "b", "log": false, "impute": 2.0, "mean": 1.0, "scale": 2.0}],
///                "coefficients": [3.0], "intercept": 0.5, "l2": 1.0}"#;
/// let baseline: LogisticBaseline = serde_json::from_str(json)?;
/// let bound = baseline.bind(&["a", "b"])?;
/// assert_eq!(bound.log_odds(&[0.0, 5.0]), 6.5);
/// assert_eq!(bound.log_odds(&[0.0, f32::NAN]), 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticBaseline {
    columns: Vec<LogisticColumn>,
    coefficients: Vec<f64>,
    intercept: f64,
    /// Strength of the penalty it was fitted with; of no use here.
    #[serde(rename = "l2")]
    _l2: f64,
}

/// What the baseline makes of one column before its coefficient.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogisticColumn {
    name: String,
    /// Take sign(x) ln(1 + |x|) first.
    log: bool,
    /// Stands for a value that is missing or infinite.
    impute: f64,
    mean: f64,
    scale: f64,
}

/// A baseline that knows where its columns are in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundBaseline<'a> {
    baseline: &'a LogisticBaseline,
    places: Vec<usize>,
}

/// Why a baseline does not fit the rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// A column is not among those of the rows.
    #[error("logistic baseline: the rows have no column {name}")]
    Column {
        /// The column's name.
        name: String,
    },
    /// Columns and coefficients do not pair up.
    #[error("logistic baseline: {columns} columns but {coefficients} coefficients")]
    Coefficients {
        /// How many columns.
        columns: usize,
        /// How many coefficients.
        coefficients: usize,
    },
}

impl LogisticBaseline {
    /// Finds the columns among those of the rows.
    pub fn bind(&self, names: &[&str]) -> Result<BoundBaseline<'_>, BaselineError> {
        if self.columns.len() != self.coefficients.len() {
            return Err(BaselineError::Coefficients {
                columns: self.columns.len(),
                coefficients: self.coefficients.len(),
            });
        }
        let place = |column: &LogisticColumn| {
            let found = names.iter().position(|name| *name == column.name);
            found.ok_or_else(|| BaselineError::Column {
                name: column.name.clone(),
            })
        };
        Ok(BoundBaseline {
            baseline: self,
            places: self.columns.iter().map(place).collect::<Result<_, _>>()?,
        })
    }
}

impl BoundBaseline<'_> {
    /// Log-odds of one row.
    pub fn log_odds(&self, row: &[f32]) -> f64 {
        let terms = self
            .baseline
            .columns
            .iter()
            .zip(&self.baseline.coefficients)
            .zip(&self.places);
        terms.fold(
            self.baseline.intercept,
            |total, ((column, coefficient), &place)| {
                total + coefficient * column.standardised(f64::from(row[place]))
            },
        )
    }

    /// Probability of one row.
    pub fn probability(&self, row: &[f32]) -> f64 {
        1.0 / (1.0 + (-self.log_odds(row)).exp())
    }
}

impl LogisticColumn {
    fn standardised(&self, value: f64) -> f64 {
        let known = if value.is_finite() {
            value
        } else {
            self.impute
        };
        let taken = if self.log {
            known.abs().ln_1p().copysign(known)
        } else {
            known
        };
        (taken - self.mean) / self.scale
    }
}
