//! Why a model is not taken into service. Each says what differs.

use crate::model::ModelError;
use crate::ports::StoreError;

/// Why a model is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is promoted for this code's columns.
    #[error("no version is served: pointer {pointer} is not set")]
    NotServed {
        /// The pointer asked for.
        pointer: String,
    },
    /// A store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file is not there.
    #[error("{file} is missing")]
    Missing {
        /// The file's key.
        file: String,
    },
    /// A file has another size than the manifest says.
    #[error("{file} has {found} bytes, the manifest says {expected}")]
    Size {
        /// The file's name.
        file: String,
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// A file has another hash than the manifest, or the pointer, says.
    #[error("{file} has SHA-256 {found}, expected {expected}")]
    Hash {
        /// The file's name.
        file: String,
        /// Hash promised.
        expected: String,
        /// Hash found.
        found: String,
    },
    /// A file cannot be parsed.
    #[error("{file} is unreadable: {reason}")]
    Unreadable {
        /// The file's name.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The manifest, the graph and this code do not mean the same.
    #[error("{what}: the model has {found}, this code has {expected}")]
    Mismatch {
        /// What was compared.
        what: String,
        /// What this code has, or the manifest promises.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The graph cannot be scored.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The policy makes no sense.
    #[error("policy: {reason}")]
    Policy {
        /// Field, value and limit.
        reason: String,
    },
    /// The model does not reproduce what training's own library answered.
    #[error("golden row {row}: {what} is {found}, training had {expected}")]
    Golden {
        /// Name of the row.
        row: String,
        /// The column or score that differs.
        what: String,
        /// What training had.
        expected: String,
        /// What this code computes.
        found: String,
    },
}

impl Refusal {
    /// A file that cannot be parsed.
    pub fn unreadable(file: &str, reason: impl ToString) -> Self {
        Self::Unreadable {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Two things that should be the same.
    pub fn mismatch(what: &str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Mismatch {
            what: what.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
