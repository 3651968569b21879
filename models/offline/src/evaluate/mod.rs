//! Evaluation: is a model good enough to ship, and is it better than something simple?
//!
//! Pure functions over slices; reading the matrix and scoring it happen elsewhere. Every figure comes with a 95 %
//! interval from a bootstrap over customers or products and stands beside its baselines.

mod bar;
mod bootstrap;
pub mod calibration;
mod curves;
pub mod forecast;
mod line;
pub mod lists;
mod logistic;
pub mod ranking;
#[cfg(test)]
mod tests;

pub use bar::{Bar, CHURN_BARS, INVENTORY_BARS, INVENTORY_ORIGIN_BARS, Limit, RECOMMENDATION_BARS};
pub use bootstrap::{Bootstrap, SplitMix64};
pub use curves::{Curves, Lift, LiftPoint, Reliability, ReliabilityBin};
pub use line::{Measured, MetricLine};
pub use logistic::{BaselineError, BoundBaseline, LogisticBaseline};

pub(crate) use bootstrap::{draw, interval};
use calibration::{
    accuracy, calibration_slope, expected_calibration_error, log_odds, majority_accuracy,
};
use ranking::{Ranking, auc, average_precision, lift};

/// Baselines whose paired AUC difference to the model is a metric of its own, `auc_minus_<name>`.
const RIVALS: [&str; 2] = ["logistic", "bgnbd_p_buy"];

/// The test rows with what everyone says of them. All slices have one value per row.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationRows<'a> {
    /// Number of the row's customer; any numbering below the number of rows.
    pub customers: &'a [u32],
    /// Did the event happen?
    pub labels: &'a [bool],
    /// Raw scores: the ranking.
    pub raw: &'a [f64],
    /// Calibrated probabilities of the event.
    pub probabilities: &'a [f64],
    /// What simpler methods say.
    pub baselines: &'a [BaselineScores<'a>],
}

/// Scores of one baseline.
#[derive(Debug, Clone, Copy)]
pub struct BaselineScores<'a> {
    /// Name in the output.
    pub name: &'a str,
    /// Higher means the event is more likely; turn a column round where it says the opposite.
    pub scores: &'a [f64],
    /// Are the scores probabilities of the event? Only then are they judged as such.
    pub is_probability: bool,
}

/// Why rows cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// Nothing to evaluate.
    #[error("evaluate: no test rows")]
    Empty,
    /// A slice has another length than the labels.
    #[error("evaluate: {what} has {found} values, the labels {expected}")]
    Length {
        /// Which slice.
        what: String,
        /// Its length.
        found: usize,
        /// The number of labels.
        expected: usize,
    },
    /// A score is not finite, or a probability is not one.
    #[error("evaluate: {what} of row {row} is {value}, {expected} expected")]
    Value {
        /// Which slice.
        what: String,
        /// The row.
        row: usize,
        /// The value, as text.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A customer's number is not below the number of rows.
    #[error("evaluate: customer {customer} of row {row}, numbers below {limit} expected")]
    Customer {
        /// The row.
        row: usize,
        /// The number.
        customer: u32,
        /// The number of rows.
        limit: usize,
    },
}

/// Computes every metric with its interval, its baselines and its bar.
///
/// Metrics: `auc`, `average_precision`, `lift_at_10pct`, `ece` (ten bins of equal count), `calibration_slope`,
/// `accuracy` (at one half, beside the majority class), and the paired AUC differences `auc_minus_logistic` and
/// `auc_minus_bgnbd_p_buy` where those baselines are given. Values are rounded to six decimals after the bars are
/// judged.
pub fn evaluate(
    model: &str,
    rows: &EvaluationRows<'_>,
    bars: &[Bar],
    bootstrap: &Bootstrap,
) -> Result<Vec<MetricLine>, EvaluationError> {
    rows.check()?;
    let judged = Judged::new(rows);
    let values = judged.metrics(&vec![1; rows.labels.len()]);
    let resampled = judged.resample(bootstrap);
    let baselines = judged.baselines(rows.baselines);
    let lines = values
        .into_iter()
        .enumerate()
        .map(|(index, (metric, value))| {
            let column: Vec<Option<f64>> = resampled.iter().map(|metrics| metrics[index]).collect();
            let interval = interval(&column);
            let limit = bars
                .iter()
                .find(|bar| bar.metric == metric)
                .map(|bar| bar.limit);
            let beside: Vec<_> = baselines
                .iter()
                .filter_map(|(name, metrics)| {
                    let value = metrics.iter().find(|(other, _)| *other == metric)?.1;
                    Some(((*name).to_owned(), value))
                })
                .collect();
            let measured = Measured { value, interval };
            MetricLine::judged(model, metric, measured, limit, beside)
        });
    Ok(lines.collect())
}

/// Reliability and lift curves of the model and its baselines, as data for plots.
pub fn curves(model: &str, rows: &EvaluationRows<'_>) -> Result<Curves, EvaluationError> {
    rows.check()?;
    Ok(curves::curves(model, rows))
}

impl EvaluationRows<'_> {
    fn check(&self) -> Result<(), EvaluationError> {
        let rows = self.labels.len();
        if rows == 0 {
            return Err(EvaluationError::Empty);
        }
        let length = |what: &str, found: usize| {
            if found == rows {
                return Ok(());
            }
            Err(EvaluationError::Length {
                what: what.to_owned(),
                found,
                expected: rows,
            })
        };
        length("customers", self.customers.len())?;
        if let Some(row) = self
            .customers
            .iter()
            .position(|&customer| customer as usize >= rows)
        {
            return Err(EvaluationError::Customer {
                row,
                customer: self.customers[row],
                limit: rows,
            });
        }
        let own = [
            ("raw score", self.raw, false),
            ("probability", self.probabilities, true),
        ];
        let others = self
            .baselines
            .iter()
            .map(|b| (b.name, b.scores, b.is_probability));
        for (what, scores, is_probability) in own.into_iter().chain(others) {
            length(what, scores.len())?;
            check_values(what, scores, is_probability)?;
        }
        Ok(())
    }
}

fn check_values(what: &str, scores: &[f64], is_probability: bool) -> Result<(), EvaluationError> {
    let is_right = |v: f64| {
        if is_probability {
            (0.0..=1.0).contains(&v)
        } else {
            v.is_finite()
        }
    };
    match scores.iter().position(|&v| !is_right(v)) {
        None => Ok(()),
        Some(row) => Err(EvaluationError::Value {
            what: what.to_owned(),
            row,
            value: scores[row].to_string(),
            expected: if is_probability {
                "a number from 0 to 1"
            } else {
                "a finite number"
            },
        }),
    }
}

/// Metric names with their values.
type Metrics = Vec<(String, Option<f64>)>;

/// One method's scores, sorted once.
struct Method<'a> {
    ranking: Ranking,
    probabilities: Option<Probabilities<'a>>,
}

struct Probabilities<'a> {
    ranking: Ranking,
    values: &'a [f64],
    log_odds: Vec<f64>,
}

impl<'a> Method<'a> {
    fn new(scores: &[f64], probabilities: Option<&'a [f64]>) -> Self {
        Self {
            ranking: Ranking::new(scores),
            probabilities: probabilities.map(|values| Probabilities {
                ranking: Ranking::new(values),
                values,
                log_odds: values.iter().map(|&p| log_odds(p)).collect(),
            }),
        }
    }

    fn metrics(&self, labels: &[bool], weights: &[u32]) -> Metrics {
        let mut metrics = vec![
            ("auc".to_owned(), auc(&self.ranking, labels, weights)),
            (
                "average_precision".to_owned(),
                average_precision(&self.ranking, labels, weights),
            ),
            (
                "lift_at_10pct".to_owned(),
                lift(&self.ranking, labels, weights, 10),
            ),
        ];
        if let Some(p) = &self.probabilities {
            metrics.extend([
                (
                    "ece".to_owned(),
                    expected_calibration_error(&p.ranking, p.values, labels, weights),
                ),
                (
                    "calibration_slope".to_owned(),
                    calibration_slope(&p.log_odds, labels, weights),
                ),
                ("accuracy".to_owned(), accuracy(p.values, labels, weights)),
            ]);
        }
        metrics
    }
}

/// The model and its rivals, ready to be judged on any weights.
struct Judged<'a> {
    rows: EvaluationRows<'a>,
    model: Method<'a>,
    rivals: Vec<(&'a str, Ranking)>,
}

impl<'a> Judged<'a> {
    fn new(rows: &EvaluationRows<'a>) -> Self {
        let rivals = RIVALS
            .iter()
            .filter_map(|name| rows.baselines.iter().find(|b| b.name == *name));
        Self {
            rows: *rows,
            model: Method::new(rows.raw, Some(rows.probabilities)),
            rivals: rivals.map(|b| (b.name, Ranking::new(b.scores))).collect(),
        }
    }

    /// The model's metrics, always in the same order.
    fn metrics(&self, weights: &[u32]) -> Metrics {
        let mut metrics = self.model.metrics(self.rows.labels, weights);
        let own = metrics[0].1;
        for (name, ranking) in &self.rivals {
            let difference = own
                .zip(auc(ranking, self.rows.labels, weights))
                .map(|(own, other)| own - other);
            metrics.push((format!("auc_minus_{name}"), difference));
        }
        metrics
    }

    /// The model's metrics on each resample.
    fn resample(&self, bootstrap: &Bootstrap) -> Vec<Vec<Option<f64>>> {
        let customers = self.rows.customers;
        let numbers = dense(customers);
        let customer_count = numbers.iter().max().map_or(0, |&most| most as usize + 1);
        let mut random = SplitMix64::new(bootstrap.seed);
        let mut weights = vec![0; customers.len()];
        let mut resample = || {
            draw(&mut random, &numbers, customer_count, &mut weights);
            self.metrics(&weights)
                .into_iter()
                .map(|(_, value)| value)
                .collect()
        };
        (0..bootstrap.resamples).map(|_| resample()).collect()
    }

    /// Every baseline's metrics on the test rows, and the majority class.
    fn baselines<'b>(&self, baselines: &[BaselineScores<'b>]) -> Vec<(&'b str, Metrics)> {
        let ones = vec![1; self.rows.labels.len()];
        let of = |b: &BaselineScores<'b>| {
            let probabilities = b.is_probability.then_some(b.scores);
            (
                b.name,
                Method::new(b.scores, probabilities).metrics(self.rows.labels, &ones),
            )
        };
        let majority = (
            "accuracy".to_owned(),
            majority_accuracy(self.rows.labels, &ones),
        );
        baselines
            .iter()
            .map(of)
            .chain([("majority", vec![majority])])
            .collect()
    }
}

/// The same customers, numbered from 0 without gaps: a gap would be a customer without rows that can be drawn.
fn dense(customers: &[u32]) -> Vec<u32> {
    let mut sorted = customers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    customers
        .iter()
        .map(|customer| sorted.partition_point(|known| known < customer) as u32)
        .collect()
}
