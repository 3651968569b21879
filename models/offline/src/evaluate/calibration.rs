//! Metrics of probabilities: does what was said happen as often as it was said?
//!
//! Weights are as in [`ranking`](super::ranking).

use super::ranking::Ranking;

/// How many bins [`expected_calibration_error`] and the reliability curve use.
pub const BINS: u64 = 10;
/// Probabilities are kept this far from 0 and 1 before their log-odds are taken.
const EDGE: f64 = 1e-12;
const NEWTON_STEPS: usize = 60;

/// Rows of neighbouring probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// How many rows, by weight.
    pub rows: u64,
    /// Sum of their probabilities.
    pub predicted: f64,
    /// How many had the event.
    pub positives: u64,
}

/// Cuts the rows, from the highest probability to the lowest, into [`BINS`] bins of equal count (to one row); a row of
/// weight over one may lie in two. Bins are empty when there are fewer rows than bins.
pub fn equal_count_bins(
    ranking: &Ranking,
    probabilities: &[f64],
    labels: &[bool],
    weights: &[u32],
) -> Vec<Bin> {
    let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
    let mut bins = vec![Bin::default(); BINS as usize];
    let (mut bin, mut seen) = (0u64, 0u64);
    for &row in ranking.rows() {
        let row = row as usize;
        let mut left = u64::from(weights[row]);
        while left > 0 {
            while seen >= (bin + 1) * total / BINS {
                bin += 1;
            }
            let part = left.min((bin + 1) * total / BINS - seen);
            let into = &mut bins[bin as usize];
            into.rows += part;
            into.predicted += part as f64 * probabilities[row];
            into.positives += if labels[row] { part } else { 0 };
            seen += part;
            left -= part;
        }
    }
    bins
}

/// Expected calibration error: the mean, over rows, of the gap between the mean probability of the row's bin and the
/// share of events in it. Bins have equal counts, because most customers of a healthy shop share the low
/// probabilities, where bins of equal width would be one.
///
/// Source: Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
pub fn expected_calibration_error(
    ranking: &Ranking,
    probabilities: &[f64],
    labels: &[bool],
    weights: &[u32],
) -> Option<f64> {
    let bins = equal_count_bins(ranking, probabilities, labels, weights);
    let total: u64 = bins.iter().map(|bin| bin.rows).sum();
    let gaps: f64 = bins
        .iter()
        .map(|bin| (bin.predicted - bin.positives as f64).abs())
        .sum();
    (total > 0).then(|| gaps / total as f64)
}

/// Log-odds of a probability, finite for 0 and 1 too.
pub fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

/// Calibration slope: the coefficient of a logistic regression, with intercept, of the label on the log-odds.
///
/// 1 is right; below 1 the probabilities are too far from the middle, above 1 too near. `None` when a class is absent
/// or the log-odds separate the classes, which has no finite slope. Source: Cox (1958), Two further applications of a
/// model for binary regression; solved by Newton's method.
pub fn calibration_slope(log_odds: &[f64], labels: &[bool], weights: &[u32]) -> Option<f64> {
    let (mut slope, mut intercept) = (0.0, 0.0);
    for _ in 0..NEWTON_STEPS {
        let step = newton_step(log_odds, labels, weights, slope, intercept)?;
        slope += step.0;
        intercept += step.1;
        if !slope.is_finite() || !intercept.is_finite() || slope.abs() > 1e3 {
            return None;
        }
        if step.0.abs() <= 1e-10 * slope.abs().max(1.0)
            && step.1.abs() <= 1e-10 * intercept.abs().max(1.0)
        {
            return Some(slope);
        }
    }
    None
}

/// One step towards the most likely slope and intercept: inverse Hessian times gradient, two by two.
fn newton_step(
    log_odds: &[f64],
    labels: &[bool],
    weights: &[u32],
    slope: f64,
    intercept: f64,
) -> Option<(f64, f64)> {
    let (mut g_slope, mut g_intercept) = (0.0, 0.0);
    let (mut h_xx, mut h_x, mut h) = (0.0, 0.0, 0.0);
    for ((&x, &label), &weight) in log_odds.iter().zip(labels).zip(weights) {
        if weight == 0 {
            continue;
        }
        let weight = f64::from(weight);
        let p = 1.0 / (1.0 + (-(slope * x + intercept)).exp());
        let miss = weight * (f64::from(u8::from(label)) - p);
        let curvature = weight * p * (1.0 - p);
        g_slope += miss * x;
        g_intercept += miss;
        h_xx += curvature * x * x;
        h_x += curvature * x;
        h += curvature;
    }
    let determinant = h_xx * h - h_x * h_x;
    (determinant > f64::EPSILON * h_xx * h).then(|| {
        (
            (h * g_slope - h_x * g_intercept) / determinant,
            (h_xx * g_intercept - h_x * g_slope) / determinant,
        )
    })
}

/// Share of rows whose probability lies on the right side of one half.
pub fn accuracy(probabilities: &[f64], labels: &[bool], weights: &[u32]) -> Option<f64> {
    share(
        weights,
        probabilities
            .iter()
            .zip(labels)
            .map(|(&p, &label)| (p >= 0.5) == label),
    )
}

/// The accuracy of always giving the more frequent answer.
pub fn majority_accuracy(labels: &[bool], weights: &[u32]) -> Option<f64> {
    share(weights, labels.iter().copied()).map(|positive| positive.max(1.0 - positive))
}

fn share(weights: &[u32], hits: impl Iterator<Item = bool>) -> Option<f64> {
    let (hit, all) =
        weights
            .iter()
            .zip(hits)
            .fold((0u64, 0u64), |(hit, all), (&weight, is_hit)| {
                let weight = u64::from(weight);
                (hit + if is_hit { weight } else { 0 }, all + weight)
            });
    (all > 0).then(|| hit as f64 / all as f64)
}
