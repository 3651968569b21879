//! What one distribution is worth once the demand is known.

/// Levels of the quantiles whose pinball loss is averaged: from the median to what a costly stock-out asks for.
pub const PINBALL_LEVELS: [f64; 5] = [0.5, 0.8, 0.9, 0.95, 0.975];
/// Levels at which coverage is a metric.
pub const COVERAGE_LEVELS: [f64; 3] = [0.8, 0.9, 0.95];

/// One distribution, judged by the demand that came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountScore {
    /// Mean pinball loss over [`PINBALL_LEVELS`], units.
    pub pinball: f64,
    /// Probability of less than what came.
    pub less: f64,
    /// Probability of what came or less.
    pub at_most: f64,
}

impl CountScore {
    /// Judges a law of counts, given as its distribution function and its quantiles.
    ///
    /// ```
    /// use offline::evaluate::forecast::CountScore;
    /// // Always two units.
    /// let score = CountScore::of(3.0, |x| f64::from(x >= 2.0), |_| 2.0);
    /// assert_eq!((score.less, score.at_most), (1.0, 1.0));
    /// assert!((score.pinball - (0.5 + 0.8 + 0.9 + 0.95 + 0.975) / 5.0).abs() < 1e-12);
    /// ```
    pub fn of(actual: f64, cdf: impl Fn(f64) -> f64, quantile: impl Fn(f64) -> f64) -> Self {
        let losses = PINBALL_LEVELS.map(|level| pinball(actual, quantile(level), level));
        Self {
            pinball: losses.iter().sum::<f64>() / losses.len() as f64,
            // What is sold by weight comes between two counts; then both are equal.
            less: cdf(actual.ceil() - 1.0),
            at_most: cdf(actual.floor()),
        }
    }

    /// The chance that the randomised probability integral transform lies at or below `level`.
    ///
    /// A count has a range of PITs, `less..at_most`. Instead of drawing one in it, its share below the level is taken:
    /// the expectation over all draws, which is exact and needs no seed.
    ///
    /// Source: Czado, Gneiting and Held (2009), Predictive model assessment for count data.
    pub fn covered(&self, level: f64) -> f64 {
        let width = self.at_most - self.less;
        if width > 0.0 {
            ((level - self.less) / width).clamp(0.0, 1.0)
        } else {
            f64::from(u8::from(self.less <= level))
        }
    }
}

/// Pinball (quantile) loss: its expectation is least at the quantile.
///
/// Source: Koenker and Bassett (1978), Regression quantiles.
fn pinball(actual: f64, quantile: f64, level: f64) -> f64 {
    let short = actual - quantile;
    if short >= 0.0 {
        level * short
    } else {
        (level - 1.0) * short
    }
}
