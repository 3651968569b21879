//! Sums per product: every metric is a ratio of sums over products, so that a resample only weighs them anew.

use super::score::COVERAGE_LEVELS;
use super::{ForecastMethod, ForecastRows};

/// What is summed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    rows: f64,
    actual: f64,
    signed_error: f64,
    absolute_error: f64,
    /// Root of the mean scaled squared error, of products that have a scale.
    scaled_error: f64,
    scaled_products: f64,
    pinball: f64,
    covered: [f64; COVERAGE_LEVELS.len()],
}

/// Names of the metrics of one method.
pub(super) const METRICS: [&str; 8] = [
    "mae",
    "rmsse",
    "wape",
    "bias",
    "pinball",
    "coverage_80",
    "coverage_90",
    "coverage_95",
];

impl Totals {
    /// Adds a product's sums `weight` times.
    pub(super) fn add(&mut self, weight: f64, other: &Self) {
        self.rows += weight * other.rows;
        self.actual += weight * other.actual;
        self.signed_error += weight * other.signed_error;
        self.absolute_error += weight * other.absolute_error;
        self.scaled_error += weight * other.scaled_error;
        self.scaled_products += weight * other.scaled_products;
        self.pinball += weight * other.pinball;
        for (sum, covered) in self.covered.iter_mut().zip(other.covered) {
            *sum += weight * covered;
        }
    }

    /// One value per entry of [`METRICS`]; those of distributions are `None` of a method that gives none.
    pub(super) fn metrics(&self, has_law: bool) -> [Option<f64>; METRICS.len()] {
        let per_row = |sum: f64| ratio(sum, self.rows);
        let of_law = |sum: f64| per_row(sum).filter(|_| has_law);
        let [c80, c90, c95] = self.covered.map(of_law);
        [
            per_row(self.absolute_error),
            ratio(self.scaled_error, self.scaled_products),
            ratio(self.absolute_error, self.actual),
            ratio(self.signed_error, self.actual),
            of_law(self.pinball),
            c80,
            c90,
            c95,
        ]
    }

    /// The share of another method's pinball loss that is saved.
    pub(super) fn pinball_saved(&self, other: &Self) -> Option<f64> {
        ratio(self.pinball, other.pinball).map(|left| 1.0 - left)
    }

    /// By how much another method's pinball loss is higher, per row.
    pub(super) fn pinball_below(&self, other: &Self) -> Option<f64> {
        ratio(other.pinball - self.pinball, self.rows)
    }

    /// By how much another method's absolute error is higher, per row.
    pub(super) fn error_below(&self, other: &Self) -> Option<f64> {
        ratio(other.absolute_error - self.absolute_error, self.rows)
    }
}

/// The sums of every product of one method. `products` numbers the product of each row from 0 without gaps.
pub(super) fn by_product(
    rows: &ForecastRows<'_>,
    method: &ForecastMethod<'_>,
    kept: &[usize],
    products: &[u32],
) -> Vec<Totals> {
    let count = products.iter().max().map_or(0, |most| *most as usize + 1);
    let mut totals = vec![Totals::default(); count];
    for (&row, &product) in kept.iter().zip(products) {
        let sums = &mut totals[product as usize];
        let error = method.means[row] - rows.actual[row];
        sums.rows += 1.0;
        sums.actual += rows.actual[row];
        sums.signed_error += error;
        sums.absolute_error += error.abs();
        if rows.naive_squared[row] > 0.0 {
            sums.scaled_error += error * error / rows.naive_squared[row];
            sums.scaled_products += 1.0;
        }
        if let Some(scores) = method.scores {
            sums.pinball += scores[row].pinball;
            for (sum, level) in sums.covered.iter_mut().zip(COVERAGE_LEVELS) {
                *sum += scores[row].covered(level);
            }
        }
    }
    totals.into_iter().map(Totals::with_root).collect()
}

impl Totals {
    /// Turns the sum of scaled squares into the product's own root mean.
    fn with_root(self) -> Self {
        let mean = ratio(self.scaled_error, self.scaled_products);
        Self {
            scaled_error: mean.map_or(0.0, f64::sqrt),
            scaled_products: f64::from(u8::from(mean.is_some())),
            ..self
        }
    }
}

/// `part / whole`, `None` where there is no whole.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
