//! The normal law, and its first Edgeworth correction for nearly normal counts.

use super::Law;
use super::special::{normal_cdf, normal_pdf, normal_quantile};

/// Loss functions: Snyder and Shen, (C.22), (C.27), (C.31), (C.33).
#[derive(Debug, Clone, Copy)]
pub(super) struct Normal {
    pub(super) mean: f64,
    pub(super) sd: f64,
}

impl Law for Normal {
    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.sd * self.sd
    }

    fn is_discrete(&self) -> bool {
        false
    }

    fn pmf(&self, x: f64) -> f64 {
        if self.sd == 0.0 {
            let at_mean = (x - self.mean).abs() <= 0.0;
            return if at_mean { f64::INFINITY } else { 0.0 };
        }
        normal_pdf((x - self.mean) / self.sd) / self.sd
    }

    fn cdf(&self, x: f64) -> f64 {
        if self.sd == 0.0 {
            return if x >= self.mean { 1.0 } else { 0.0 };
        }
        normal_cdf((x - self.mean) / self.sd)
    }

    fn sf(&self, x: f64) -> f64 {
        if self.sd == 0.0 {
            return if x >= self.mean { 0.0 } else { 1.0 };
        }
        normal_cdf((self.mean - x) / self.sd)
    }

    fn loss(&self, x: f64) -> f64 {
        if self.sd == 0.0 {
            return (self.mean - x).max(0.0);
        }
        self.sd * standard_loss((x - self.mean) / self.sd)
    }

    fn second_loss(&self, x: f64) -> f64 {
        if self.sd == 0.0 {
            return 0.5 * (self.mean - x).max(0.0) * (self.mean - x);
        }
        self.sd * self.sd * standard_second_loss((x - self.mean) / self.sd)
    }

    fn quantile(&self, p: f64) -> f64 {
        self.mean + self.sd * normal_quantile(p)
    }

    fn smallest(&self) -> f64 {
        f64::NEG_INFINITY
    }
}

/// `φ(z) - z (1 - Φ(z))`.
fn standard_loss(z: f64) -> f64 {
    (normal_pdf(z) - z * normal_cdf(-z)).max(0.0)
}

/// `½ ((z² + 1) (1 - Φ(z)) - z φ(z))`.
fn standard_second_loss(z: f64) -> f64 {
    0.5 * ((z * z + 1.0) * normal_cdf(-z) - z * normal_pdf(z))
}

/// A count law with so little skewness that it is normal but for one term: density `φ(z) (1 + γ He₃(z) / 6)`, which
/// integrates in closed form. What is left out is of the order of `γ²`, below 1e-6.
#[derive(Debug, Clone, Copy)]
pub(super) struct NearlyNormal {
    mean: f64,
    sd: f64,
    sixth_of_skewness: f64,
}

/// Below this skewness counts are treated as nearly normal; a Poisson law is from a mean of 1e6.
const LEAST_SKEWNESS: f64 = 1e-3;

impl NearlyNormal {
    /// The law when it applies.
    pub(super) fn when(mean: f64, variance: f64, skewness: f64) -> Option<Self> {
        (skewness < LEAST_SKEWNESS).then(|| Self {
            mean,
            sd: libm::sqrt(variance),
            sixth_of_skewness: skewness / 6.0,
        })
    }

    fn z(&self, x: f64) -> f64 {
        (x - self.mean) / self.sd
    }

    /// P(D <= k) of the count, half a unit above `k`.
    pub(super) fn cdf(&self, k: f64) -> f64 {
        let z = self.z(k + 0.5);
        normal_cdf(z) - self.sixth_of_skewness * (z * z - 1.0) * normal_pdf(z)
    }

    /// P(D > k) of the count.
    pub(super) fn sf(&self, k: f64) -> f64 {
        let z = self.z(k + 0.5);
        normal_cdf(-z) + self.sixth_of_skewness * (z * z - 1.0) * normal_pdf(z)
    }

    /// The sum of `sf(y)` over whole `y >= k` is the integral from `k` by the midpoint rule.
    pub(super) fn loss(&self, k: f64) -> f64 {
        let z = self.z(k);
        self.sd * (standard_loss(z) + self.sixth_of_skewness * z * normal_pdf(z))
    }

    /// The sum of the loss over whole `y > k`, likewise.
    pub(super) fn second_loss(&self, k: f64) -> f64 {
        let z = self.z(k + 0.5);
        self.sd * self.sd * (standard_second_loss(z) + self.sixth_of_skewness * normal_pdf(z))
    }
}
