//! The curves behind a model card's plots.

use super::EvaluationRows;
use super::calibration::{BINS, equal_count_bins};
use super::line::round;
use super::ranking::{Ranking, lift};
use serde::Serialize;

/// Reliability and lift of a model and its baselines; the model comes first. Plain data for any plotting tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curves {
    /// Of the model and of every baseline that gives probabilities.
    pub reliability: Vec<Reliability>,
    /// Of the model and of every baseline.
    pub lift: Vec<Lift>,
}

/// What was said against what happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// The model's or baseline's name.
    pub name: String,
    /// From the lowest probabilities to the highest.
    pub bins: Vec<ReliabilityBin>,
}

/// One bin of equal count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// How many rows.
    pub rows: u64,
    /// Mean probability.
    pub predicted: f64,
    /// Share with the event.
    pub observed: f64,
    /// Lower end of the share's 95 % interval (Wilson).
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Lift by share of rows taken, highest score first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lift {
    /// The model's or baseline's name.
    pub name: String,
    /// One per whole percent.
    pub points: Vec<LiftPoint>,
}

/// One point of a lift curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiftPoint {
    /// Share of rows taken, from 0 to 1.
    pub share: f64,
    /// Times as many events as at random.
    pub lift: f64,
}

/// The curves of checked rows.
pub(super) fn curves(model: &str, rows: &EvaluationRows<'_>) -> Curves {
    let ones = vec![1; rows.labels.len()];
    let mut curves = Curves {
        reliability: vec![reliability(model, rows.probabilities, rows.labels, &ones)],
        lift: vec![lift_curve(model, rows.raw, rows.labels, &ones)],
    };
    for baseline in rows.baselines {
        if baseline.is_probability {
            curves.reliability.push(reliability(
                baseline.name,
                baseline.scores,
                rows.labels,
                &ones,
            ));
        }
        curves.lift.push(lift_curve(
            baseline.name,
            baseline.scores,
            rows.labels,
            &ones,
        ));
    }
    curves
}

fn reliability(name: &str, probabilities: &[f64], labels: &[bool], weights: &[u32]) -> Reliability {
    let bins = equal_count_bins(&Ranking::new(probabilities), probabilities, labels, weights);
    debug_assert_eq!(bins.len() as u64, BINS);
    let bins = bins.iter().rev().filter(|bin| bin.rows > 0).map(|bin| {
        let (low, high) = wilson(bin.positives as f64, bin.rows as f64);
        ReliabilityBin {
            rows: bin.rows,
            predicted: round(bin.predicted / bin.rows as f64),
            observed: round(bin.positives as f64 / bin.rows as f64),
            low: round(low),
            high: round(high),
        }
    });
    Reliability {
        name: name.to_owned(),
        bins: bins.collect(),
    }
}

fn lift_curve(name: &str, scores: &[f64], labels: &[bool], weights: &[u32]) -> Lift {
    let ranking = Ranking::new(scores);
    let points = (1..=100).filter_map(|percent| {
        let lift = round(lift(&ranking, labels, weights, percent)?);
        Some(LiftPoint {
            share: percent as f64 / 100.0,
            lift,
        })
    });
    Lift {
        name: name.to_owned(),
        points: points.collect(),
    }
}

/// Wilson's 95 % interval of a share. Source: Wilson (1927), Probable inference, the law of succession.
fn wilson(hits: f64, rows: f64) -> (f64, f64) {
    let z = 1.959_963_984_540_054;
    let (share, scale) = (hits / rows, 1.0 + z * z / rows);
    let centre = (share + z * z / (2.0 * rows)) / scale;
    let half = z / scale * (share * (1.0 - share) / rows + z * z / (4.0 * rows * rows)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}
