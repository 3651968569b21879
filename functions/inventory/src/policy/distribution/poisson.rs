//! The Poisson law.

use super::normal::NearlyNormal;
use super::special::{normal_quantile, poisson_pmf};
use super::{Law, whole_quantile};
use libm::sqrt;

/// Loss functions: Zipkin, appendix C.2.3.1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Poisson {
    pub(super) mean: f64,
}

impl Poisson {
    fn nearly_normal(self) -> Option<NearlyNormal> {
        NearlyNormal::when(self.mean, self.mean, 1.0 / sqrt(self.mean))
    }

    /// P(D <= k) for `k` below the mean: from `k` down, each term smaller than the one before.
    fn lower_tail(self, k: f64) -> f64 {
        let (mut term, mut sum, mut at) = (1.0, 1.0, k);
        while at > 0.0 && term > f64::EPSILON * sum {
            term *= at / self.mean;
            sum += term;
            at -= 1.0;
        }
        poisson_pmf(k, self.mean) * sum
    }

    /// P(D > k) for `k` at or above the mean: from `k + 1` up.
    fn upper_tail(self, k: f64) -> f64 {
        let (mut term, mut sum, mut at) = (1.0, 1.0, k + 2.0);
        while term > f64::EPSILON * sum {
            term *= self.mean / at;
            sum += term;
            at += 1.0;
        }
        poisson_pmf(k + 1.0, self.mean) * sum
    }
}

impl Law for Poisson {
    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.mean
    }

    fn is_discrete(&self) -> bool {
        true
    }

    fn pmf(&self, k: f64) -> f64 {
        poisson_pmf(k, self.mean)
    }

    fn cdf(&self, k: f64) -> f64 {
        match self.nearly_normal() {
            Some(law) => law.cdf(k),
            None if k < self.mean => self.lower_tail(k),
            None => 1.0 - self.upper_tail(k),
        }
    }

    fn sf(&self, k: f64) -> f64 {
        match self.nearly_normal() {
            Some(law) => law.sf(k),
            None if k < self.mean => 1.0 - self.lower_tail(k),
            None => self.upper_tail(k),
        }
    }

    /// `(m - k) P(D > k) + m P(D = k)`.
    fn loss(&self, k: f64) -> f64 {
        match self.nearly_normal() {
            Some(law) => law.loss(k),
            None => (self.mean - k) * self.sf(k) + self.mean * self.pmf(k),
        }
    }

    /// `½ (((k - m)² + k) P(D > k) - m (k - m) P(D = k))`.
    fn second_loss(&self, k: f64) -> f64 {
        if let Some(law) = self.nearly_normal() {
            return law.second_loss(k);
        }
        if k < 0.0 {
            return sum_below_zero(self, k);
        }
        let off = k - self.mean;
        0.5 * ((off * off + k) * self.sf(k) - self.mean * off * self.pmf(k))
    }

    fn quantile(&self, p: f64) -> f64 {
        let sd = sqrt(self.mean);
        let guess = self.mean + sd * normal_quantile(p);
        whole_quantile(p, guess, 0.1 * sd, |k| self.cdf(k).clamp(0.0, 1.0))
    }
}

/// Second-order loss at a whole `k` below zero, where the loss is `m - y`: what is summed up to 0, and the rest.
pub(super) fn sum_below_zero(law: &dyn Law, k: f64) -> f64 {
    let terms = -k;
    // Sum of m - y over y = k + 1 ..= 0.
    terms * law.mean() + 0.5 * (terms - 1.0) * terms + law.second_loss(0.0)
}
