//! `storecast evaluate`: a model and its baselines on the test snapshots it was trained before.
//!
//! What is measured depends on what a model answers, so each predictor has its own measures.

mod churn;
mod inventory;
mod recommendations;

pub(crate) use self::inventory::{demand_within, next_truth};

use crate::cutoffs::Cutoffs;
use crate::entity::Entity;
use crate::evaluate::MetricLine;
use crate::gates::MainMetric;
use crate::histories::Histories;
use crate::shop::Shop;
use features::time::Timestamp;
use serde_json::Value;
use serving::manifest::Manifest;
use serving::predictor::Train;
use serving::wire::parse_instant;
use std::path::Path;

/// Whatever keeps a model from being judged, in words.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The shop that the bars were set on; on another shop's data the figures are reported without them.
const BAR_SHOP: &str = "completejourney";

/// A predictor whose models can be judged.
pub trait Assess: Train<History: Entity> {
    /// By which of its metrics versions are compared.
    const MAIN: MainMetric;

    /// Scores every test row with the verified model of a folder and judges it beside its baselines.
    fn assess(
        shop: &Shop,
        histories: &Histories,
        folder: &Path,
        runtime: Option<&Path>,
    ) -> Result<Assessed, Failure>;
}

/// Metrics and curves.
pub struct Assessed {
    /// One per metric.
    pub lines: Vec<MetricLine>,
    /// For the card's plots.
    pub curves: Value,
    /// What could not be measured, and why.
    pub notes: Vec<String>,
}

/// The test snapshots that the manifest names: data that came later cannot turn a training row into a test row.
pub(crate) fn test_cutoffs(manifest: &Manifest) -> Result<Cutoffs, String> {
    let named = manifest
        .training
        .pointer("/cutoffs/test")
        .and_then(Value::as_array);
    let texts = named.ok_or("the manifest names no test snapshots (training.cutoffs.test)")?;
    let instant = |text: &Value| {
        let parsed = parse_instant(text.as_str().unwrap_or_default(), "training.cutoffs.test");
        parsed.map(|(at, _)| at).map_err(|error| error.to_string())
    };
    let test = texts
        .iter()
        .map(instant)
        .collect::<Result<Vec<Timestamp>, _>>()?;
    Ok(Cutoffs {
        train: Vec::new(),
        calibration: Vec::new(),
        test,
    })
}
