//! What a model says of itself: `manifest.json`.
//!
//! Written by training, read at publish and at load. Everything that could silently differ between training and
//! serving is named here and checked: files by size and SHA-256, columns by name, order and fingerprint, shapes,
//! calibration, and golden rows that the model must reproduce.

use crate::drift::Distribution;
use bytes::Bytes;
use features::feature_set::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Manifest layout this code reads.
pub const FORMAT: u32 = 1;
/// Name of the manifest in a model's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of the ONNX graph in a model's folder.
pub const MODEL_FILE: &str = "model.onnx";
/// Name of the fitted artifacts in a model's folder.
pub const ARTIFACTS_FILE: &str = "artifacts.json";
/// Name of the golden rows in a model's folder.
pub const GOLDEN_FILE: &str = "golden.json";

/// Name of the policy in a function's folder.
pub const POLICY_FILE: &str = "policy.json";

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Layout of this file, [`FORMAT`].
    pub format: u32,
    /// The predictor's name, for example `churn`.
    pub model: String,
    /// Unique per model; names its folder in the registry.
    pub version: String,
    /// RFC 3339, when training ended.
    pub created_at: String,
    /// The shop it was trained on, and where its data came from.
    pub data_set: DataSet,
    /// Every file beside the manifest, by name.
    pub files: BTreeMap<String, FileEntry>,
    /// The columns it reads.
    pub features: FeatureEntry,
    /// How the rows of training were distributed; absent in models that were trained before it was kept.
    #[serde(default)]
    pub distribution: Option<Distribution>,
    /// The graph's input.
    pub input: TensorEntry,
    /// The graph's output and what it means.
    pub output: TensorEntry,
    /// From raw score to what is answered; absent when the raw score is the answer.
    pub calibration: Option<Calibration>,
    /// Snapshots, label and row counts.
    pub training: serde_json::Value,
    /// Results of `storecast evaluate` on the test snapshots.
    pub metrics: Vec<serde_json::Value>,
    /// Versions of what trained it.
    pub runtime: BTreeMap<String, String>,
}

/// Where the data came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSet {
    /// Name in `shop.toml`.
    pub shop: String,
    /// ISO 4217.
    pub currency: String,
    /// Source and licence, in words.
    pub source: String,
}

/// Size and hash of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// The columns a model reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureEntry {
    /// SHA-256 over set name, revision and column names in order.
    pub fingerprint: String,
    /// In the order of the graph's input.
    pub names: Vec<String>,
}

/// A tensor of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorEntry {
    /// Name in the graph.
    pub name: String,
    /// `float32`.
    pub dtype: String,
    /// `rows` or a number, per dimension.
    pub shape: Vec<String>,
    /// What one value means, with its unit.
    pub meaning: String,
}

/// Platt scaling: `probability = sigmoid(slope * raw + intercept)`.
///
/// Source: Platt (1999), Probabilistic outputs for support vector machines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platt {
    /// Scales the raw score and its contributions.
    pub slope: f64,
    /// Shifts them; part of the base.
    pub intercept: f64,
}

/// What is fitted after the model on rows it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Calibration {
    /// A raw score becomes a probability.
    Platt(Platt),
    /// A mean becomes a distribution of counts.
    Dispersion(Dispersion),
}

/// Size `r` of a negative binomial around a mean `mu`, whose variance is `mu + mu^2 / r`:
/// `ln r = intercept + ln_mean ln mu + sum of coefficient x column`.
///
/// Source: Hilbe (2011), Negative Binomial Regression, 10.4 (heterogeneous negative binomial).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispersion {
    /// Of the logarithm of the size.
    pub intercept: f64,
    /// Per unit of the logarithm of the mean.
    pub ln_mean: f64,
    /// Per unit of a column of the model, by its name.
    pub columns: BTreeMap<String, f64>,
}

impl Dispersion {
    /// Sizes are held within `e^-6` (a few large counts among zeros) and `e^8` (Poisson, for every purpose).
    const LOG_SIZES: (f64, f64) = (-6.0, 8.0);

    /// The size for a mean above zero; `column` gives the value of a column, and one that is not known counts as 0.
    ///
    /// ```
    /// use serving::manifest::Dispersion;
    /// let fitted = Dispersion { intercept: 1.0, ln_mean: 0.5, columns: Default::default() };
    /// assert_eq!(fitted.size(1.0, |_| f64::NAN), 1f64.exp());
    /// ```
    pub fn size(&self, mean: f64, column: impl Fn(&str) -> f64) -> f64 {
        let known = |value: f64| if value.is_finite() { value } else { 0.0 };
        let terms = self.columns.iter();
        let terms = terms.map(|(name, coefficient)| coefficient * known(column(name)));
        let log_size = self.intercept + self.ln_mean * mean.ln() + terms.sum::<f64>();
        log_size.clamp(Self::LOG_SIZES.0, Self::LOG_SIZES.1).exp()
    }
}

impl Platt {
    /// That of a manifest; the identity where it has none.
    pub fn of(manifest: &Manifest) -> Self {
        match &manifest.calibration {
            Some(Calibration::Platt(platt)) => *platt,
            _ => Self {
                slope: 1.0,
                intercept: 0.0,
            },
        }
    }

    /// The calibrated log-odds of a raw score.
    pub fn log_odds(&self, raw: f64) -> f64 {
        self.slope * raw + self.intercept
    }
}

/// `golden.json`: cases with what training's own library answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The cases.
    pub rows: Vec<GoldenRow>,
}

/// One golden case. A case with an `entity` starts from the raw history; others start from the columns, because no
/// history leads exactly onto a split threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenRow {
    /// Unique; says what kind of row it is.
    pub name: String,
    /// The raw entity as a request would give it inline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<serde_json::Value>,
    /// RFC 3339; with `entity` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// The columns; `null` is NaN, and the strings `inf` and `-inf` are what they say.
    pub features: Vec<GoldenValue>,
    /// Raw score of the training library.
    pub raw: f64,
    /// Base and contributions of the training library; empty when the model has none.
    #[serde(default)]
    pub contributions: Vec<f64>,
    /// The expected raw score over the training rows, `pred_contrib`'s last column.
    #[serde(default)]
    pub base: f64,
}

/// A float32 that JSON can hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GoldenValue {
    /// A finite number.
    Number(f32),
    /// `inf` or `-inf`.
    Text(String),
    /// NaN.
    Missing,
}

impl GoldenValue {
    /// The float32 it stands for; unknown text is NaN.
    pub fn value(&self) -> f32 {
        match self {
            Self::Number(v) => *v,
            Self::Text(text) if text == "inf" => f32::INFINITY,
            Self::Text(text) if text == "-inf" => f32::NEG_INFINITY,
            Self::Text(_) | Self::Missing => f32::NAN,
        }
    }
}

/// Bytes and their SHA-256, which is computed when this is made: who is given one can trust it, and need not compute it again
/// over tens of megabytes.
#[derive(Debug, Clone)]
pub struct Hashed {
    bytes: Bytes,
    sha256: String,
}

impl Hashed {
    /// Computes the hash.
    pub fn new(bytes: Bytes) -> Self {
        let sha256 = sha256_hex(&bytes);
        Self { bytes, sha256 }
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Their SHA-256 in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hash = Sha256Hex::default();
    hash.update(bytes);
    hash.finish()
}

/// The same of bytes that come one piece after the other.
#[derive(Debug, Clone, Default)]
pub struct Sha256Hex(Sha256);

impl Sha256Hex {
    /// Adds a piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}
