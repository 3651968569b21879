//! Models behind one trait: rows in, raw scores and exact contributions out.

mod forest;
mod load;
mod onnx;
mod ort;
mod shap;
#[cfg(test)]
mod tests;

pub use forest::Instructions;
pub use load::{LoadedModel, ModelKind, TensorInfo, load, load_for};
pub use ort::OrtScorer;

use features::matrix::Matrix;

/// Key of an ONNX file's metadata: the fingerprint of the columns the model was trained on.
pub const FINGERPRINT_KEY: &str = "storecast.fingerprint";
/// Key of an ONNX file's metadata: the column names in order, a JSON array of strings.
pub const FEATURES_KEY: &str = "storecast.features";
/// Key of an ONNX file's metadata: the training rows of each leaf, a JSON array of integers in the order of
/// `leaf_weights`. Without it a tree ensemble has scores but no contributions.
pub const LEAF_COUNTS_KEY: &str = "storecast.leaf_counts";

/// Why a model file cannot be used, or cannot score.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The file is not an ONNX model this project reads, or is inconsistent.
    #[error("read ONNX model: {reason}")]
    Unreadable {
        /// What is wrong, with the place in the file.
        reason: String,
    },
    /// The file is beyond a limit that keeps memory and time bounded.
    #[error("read ONNX model: {what} is {value}, at most {limit} allowed")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        value: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Rows and model disagree on the number of columns.
    #[error("score: rows have {rows} columns, the model reads {model}")]
    Columns {
        /// Columns of the rows given.
        rows: usize,
        /// Columns the model reads.
        model: usize,
    },
    /// The runtime library is missing or failed.
    #[error("onnx runtime: {reason}")]
    Runtime {
        /// What it said.
        reason: String,
    },
}

/// Exact additive contributions to one raw score: `base + sum(contributions) = raw score`.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// The expected raw score over the training rows.
    pub base: f64,
    /// One per column, in the unit of the raw score.
    pub values: Vec<f64>,
}

/// A model: rows in, one raw score per row out.
///
/// Raw means before calibration and link. Implementations are pure: equal rows give equal scores in every batch.
pub trait Scorer: Send + Sync {
    /// How many columns a row must have.
    fn columns(&self) -> usize;

    /// Appends one raw score per row to `scores`.
    fn score(&self, rows: &Matrix, scores: &mut Vec<f64>) -> Result<(), ModelError>;

    /// Exact contributions of each row, or `None` when this kind of model has none.
    fn explain(&self, rows: &Matrix) -> Option<Result<Vec<Contributions>, ModelError>>;
}
