//! A law given by its probabilities.

use super::Law;

#[derive(Debug, Clone)]
pub(super) struct Empirical {
    pmf: Vec<f64>,
    /// P(D <= k), summed once; the last is exactly 1.
    cdf: Vec<f64>,
    mean: f64,
    variance: f64,
}

impl Empirical {
    /// Probabilities of 0, 1, 2, ...; not empty, sum 1.
    pub(super) fn new(mut pmf: Vec<f64>) -> Self {
        let last = pmf.iter().rposition(|p| *p > 0.0).unwrap_or(0);
        pmf.truncate(last + 1);
        let mut cdf: Vec<f64> = pmf
            .iter()
            .scan(0.0, |sum, p| {
                *sum += p;
                Some(*sum)
            })
            .collect();
        cdf[last] = 1.0;
        let moment = |power: i32| weighted(&pmf, |k| k.powi(power));
        let mean = moment(1);
        let variance = (moment(2) - mean * mean).max(0.0);
        Self {
            pmf,
            cdf,
            mean,
            variance,
        }
    }
}

#[expect(
    clippy::cast_sign_loss,
    reason = "whole and 0 or more by contract of the law"
)]
fn index(k: f64) -> usize {
    k as usize
}

fn weighted(pmf: &[f64], value: impl Fn(f64) -> f64) -> f64 {
    let terms = pmf.iter().enumerate();
    terms.map(|(k, p)| p * value(k as f64)).sum()
}

impl Law for Empirical {
    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.variance
    }

    fn is_discrete(&self) -> bool {
        true
    }

    fn pmf(&self, k: f64) -> f64 {
        self.pmf.get(index(k)).copied().unwrap_or(0.0)
    }

    fn cdf(&self, k: f64) -> f64 {
        self.cdf.get(index(k)).copied().unwrap_or(1.0)
    }

    fn sf(&self, k: f64) -> f64 {
        self.pmf.iter().skip(index(k) + 1).sum()
    }

    fn loss(&self, k: f64) -> f64 {
        weighted(&self.pmf, |d| (d - k).max(0.0))
    }

    /// `½ E[(D - k) (D - k - 1)]` over the demands above `k`.
    fn second_loss(&self, k: f64) -> f64 {
        weighted(&self.pmf, |d| 0.5 * (d - k).max(0.0) * (d - k - 1.0))
    }

    fn quantile(&self, p: f64) -> f64 {
        self.cdf.partition_point(|c| *c < p) as f64
    }

    fn smallest(&self) -> f64 {
        self.pmf.iter().position(|p| *p > 0.0).unwrap_or(0) as f64
    }

    fn largest(&self) -> f64 {
        (self.pmf.len() - 1) as f64
    }
}
