//! Churn: ranking, calibration and accuracy beside four simpler methods.

use super::{Assess, Assessed, BAR_SHOP, Failure, test_cutoffs};
use crate::evaluate::{
    BaselineScores, Bootstrap, BoundBaseline, CHURN_BARS, EvaluationRows, LogisticBaseline, curves,
    evaluate,
};
use crate::gates::MainMetric;
use crate::histories::Histories;
use crate::model_folder;
use crate::shop::Shop;
use crate::snapshots::Snapshots;
use crate::treated::Treated;
use churn::Churn;
use features::matrix::Matrix;
use serving::manifest::Platt;
use serving::predictor::{Model, Predictor};
use serving::registry::verify_model;
use std::path::Path;
use std::sync::Arc;

impl Assess for Churn {
    const MAIN: MainMetric = MainMetric {
        name: "auc",
        higher_is_better: true,
    };

    fn assess(
        shop: &Shop,
        histories: &Histories,
        folder: &Path,
        runtime: Option<&Path>,
    ) -> Result<Assessed, Failure> {
        let model = verify_model::<Self>(&model_folder::read_model::<Self>(folder)?, runtime)?;
        let rows = TestRows::collect(&model, &Treated::of::<Self>(shop)?, histories)?;
        let columns = Self::schema().columns;
        let names = columns.iter().map(|column| column.name).collect::<Vec<_>>();
        let baseline: LogisticBaseline = model_folder::read_baseline(folder)?;
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
            lines: evaluate(Self::NAME, &judged, bars, &Bootstrap::default())?,
            curves: serde_json::to_value(curves(Self::NAME, &judged)?)?,
            notes: Vec::new(),
        })
    }
}

struct TestRows {
    customers: Vec<u32>,
    labels: Vec<bool>,
    rows: Matrix,
}

impl TestRows {
    /// The rows of the test, without those whose label an offer may have changed.
    fn collect(
        model: &Model<Churn>,
        treated: &Treated,
        histories: &Histories,
    ) -> Result<Self, Failure> {
        let cutoffs = test_cutoffs(&model.manifest)?;
        let mut snapshots = Snapshots::<Churn>::new(&model.artifacts, &cutoffs, |_| true);
        let mut found = Self {
            customers: Vec::new(),
            labels: Vec::new(),
            rows: Matrix::new(model.scorer.columns()),
        };
        let mut number = 0;
        for customer in histories.customers() {
            let (customer_id, history) = customer?;
            let before = found.labels.len();
            snapshots.of_entity(&customer_id, &Arc::new(history), |row| {
                if treated.touches(row.entity_id, row.cutoff) {
                    return Ok(());
                }
                found.customers.push(number);
                found.labels.push(row.outcome.label > 0.5);
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

    fn score(
        &self,
        model: &Model<Churn>,
        names: &[&str],
        logistic: &BoundBaseline<'_>,
    ) -> Result<Scores, Failure> {
        let mut raw = Vec::new();
        model.scorer.score(&self.rows, &mut raw)?;
        let calibration = Platt::of(&model.manifest);
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
