//! `storecast evaluate`: the model and its baselines on the test snapshots it was trained before.

use crate::cutoffs::Cutoffs;
use crate::evaluate::{
    BaselineScores, Bootstrap, BoundBaseline, CHURN_BARS, Curves, EvaluationRows, MetricLine,
    curves, evaluate,
};
use crate::histories::Histories;
use crate::model_folder;
use crate::shop::Shop;
use crate::snapshots::Snapshots;
use features::matrix::Matrix;
use features::time::Timestamp;
use serde_json::Value;
use serving::manifest::{Manifest, Platt};
use serving::predictor::{Model, TrainOnCustomers};
use serving::registry::verify_model;
use serving::wire::parse_instant;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// The shop that the bars were set on; on another shop's data the figures are reported without them.
const BAR_SHOP: &str = "completejourney";

/// Metrics and curves.
pub struct Assessed {
    /// One per metric.
    pub lines: Vec<MetricLine>,
    /// For the card's plots.
    pub curves: Curves,
}

/// Scores every test row with the verified model and judges it beside its baselines.
pub fn assess<P: TrainOnCustomers>(
    shop: &Shop,
    histories: &Histories,
    folder: &Path,
    runtime: Option<&Path>,
) -> Result<Assessed, Box<dyn Error + Send + Sync>> {
    let model = verify_model::<P>(&model_folder::read_model(folder)?, runtime)?;
    let rows = TestRows::collect(&model, histories)?;
    let names = P::schema()
        .columns
        .iter()
        .map(|column| column.name)
        .collect::<Vec<_>>();
    let baseline = model_folder::read_baseline(folder)?;
    let scores = rows.score(&model, &names, &baseline.bind(&names)?)?;
    let bars = if shop.name == BAR_SHOP {
        &CHURN_BARS[..]
    } else {
        &[]
    };
    let baselines = scores.baselines();
    let judged = EvaluationRows {
        customers: &rows.customers,
        labels: &rows.labels,
        raw: &scores.raw,
        probabilities: &scores.probabilities,
        baselines: &baselines,
    };
    Ok(Assessed {
        lines: evaluate(P::NAME, &judged, bars, &Bootstrap::default())?,
        curves: curves(P::NAME, &judged)?,
    })
}

/// The test snapshots that the manifest names: data that came later cannot turn a training row into a test row.
fn test_cutoffs(manifest: &Manifest) -> Result<Cutoffs, String> {
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

struct TestRows {
    customers: Vec<u32>,
    labels: Vec<bool>,
    rows: Matrix,
}

impl TestRows {
    fn collect<P: TrainOnCustomers>(
        model: &Model<P>,
        histories: &Histories,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let cutoffs = test_cutoffs(&model.manifest)?;
        let mut snapshots = Snapshots::<P>::new(&model.artifacts, &cutoffs, |_| true);
        let mut found = Self {
            customers: Vec::new(),
            labels: Vec::new(),
            rows: Matrix::new(model.scorer.columns()),
        };
        let mut number = 0;
        for customer in histories.customers() {
            let (customer_id, history) = customer?;
            let before = found.labels.len();
            snapshots.of_customer(&customer_id, &Arc::new(history), |row| {
                found.customers.push(number);
                found.labels.push(row.label > 0.5);
                found
                    .rows
                    .push_row(row.features.iter().map(|value| f64::from(*value)));
                Ok::<_, std::convert::Infallible>(())
            })?;
            // Customers without a test row take no number: numbers stay below the number of rows.
            number += u32::from(found.labels.len() > before);
        }
        Ok(found)
    }

    fn score<P: TrainOnCustomers>(
        &self,
        model: &Model<P>,
        names: &[&str],
        logistic: &BoundBaseline<'_>,
    ) -> Result<Scores, Box<dyn Error + Send + Sync>> {
        let mut raw = Vec::new();
        model.scorer.score(&self.rows, &mut raw)?;
        let calibration = model.manifest.calibration.unwrap_or(Platt {
            slope: 1.0,
            intercept: 0.0,
        });
        let column = |name: &str| {
            let at = names
                .iter()
                .position(|n| *n == name)
                .ok_or_else(|| format!("no column {name}"))?;
            // A baseline must rank everybody: where it knows nothing, it says nothing (0).
            let finite = |value: f32| {
                if value.is_finite() {
                    f64::from(value)
                } else {
                    0.0
                }
            };
            Ok::<Vec<f64>, String>(self.rows.rows().map(|row| finite(row[at])).collect())
        };
        Ok(Scores {
            probabilities: raw
                .iter()
                .map(|raw| 1.0 / (1.0 + (-calibration.log_odds(*raw)).exp()))
                .collect(),
            raw,
            recency: column("recency_days")?,
            silence: column("purchase_days_1h")?
                .iter()
                .map(|days| -days)
                .collect(),
            bgnbd: column("bgnbd_p_buy")?.iter().map(|p| 1.0 - p).collect(),
            logistic: self
                .rows
                .rows()
                .map(|row| logistic.probability(row))
                .collect(),
        })
    }
}

/// What the model and its baselines say; higher means more likely to leave.
struct Scores {
    raw: Vec<f64>,
    probabilities: Vec<f64>,
    recency: Vec<f64>,
    silence: Vec<f64>,
    bgnbd: Vec<f64>,
    logistic: Vec<f64>,
}

impl Scores {
    fn baselines(&self) -> [BaselineScores<'_>; 4] {
        let of = |name, scores, is_probability| BaselineScores {
            name,
            scores,
            is_probability,
        };
        [
            of("recency_days", &self.recency, false),
            of("purchase_days_1h", &self.silence, false),
            of("bgnbd_p_buy", &self.bgnbd, true),
            of("logistic", &self.logistic, true),
        ]
    }
}
