//! The negative binomial law, by mean and size.

use super::normal::NearlyNormal;
use super::poisson::sum_below_zero;
use super::special::{beta_fraction, negative_binomial_pmf, normal_quantile};
use super::table::{CountTable, Tabled};
use super::{Law, whole_quantile};
use libm::{exp, log1p, sqrt};
use std::sync::OnceLock;

/// Standard deviations above the mean that the table reaches: what is asked of a plan seldom lies beyond.
const TABLE_SDS: f64 = 10.0;
/// Counts of a table, at most.
const MOST_COUNTS: f64 = 4096.0;
/// Above this `-ln P(D = 0)` the table would begin among the numbers that doubles hold with fewer digits.
const LEAST_LIKELY_ZERO: f64 = 600.0;

/// Variance `mean + mean² / size`. Loss functions: Zipkin, appendix C.2.3.3, with `β = mean / size`.
#[derive(Debug)]
pub(super) struct NegativeBinomial {
    mean: f64,
    size: f64,
    table: OnceLock<CountTable>,
}

impl NegativeBinomial {
    pub(super) fn new(mean: f64, size: f64) -> Self {
        let table = OnceLock::new();
        Self { mean, size, table }
    }

    fn table(&self) -> &CountTable {
        self.table.get_or_init(|| {
            let last = (self.mean + TABLE_SDS * sqrt(self.variance())).ceil();
            let exponent = self.size * log1p(self.mean / self.size);
            if last > MOST_COUNTS || exponent > LEAST_LIKELY_ZERO {
                return CountTable::default();
            }
            let (size, go) = (self.size, self.mean / (self.size + self.mean));
            let last_sf = self.closed(last).sf;
            // `P(D = k + 1) / P(D = k)` follows from the binomial coefficients.
            let ratio = |k: f64| (size + k) / (k + 1.0) * go;
            #[expect(clippy::cast_sign_loss, reason = "means are not negative")]
            let last = last as usize;
            CountTable::new(exp(-exponent), last, last_sf, ratio)
        })
    }

    fn closed_pmf(&self, k: f64) -> f64 {
        negative_binomial_pmf(k, self.mean, self.size)
    }

    fn nearly_normal(&self) -> Option<NearlyNormal> {
        let variance = self.variance();
        let skewness = (1.0 + 2.0 * self.mean / self.size) / sqrt(variance);
        NearlyNormal::when(self.mean, variance, skewness)
    }

    fn at(&self, k: f64) -> Tabled {
        self.table().at(k).unwrap_or_else(|| self.closed(k))
    }

    /// P(D <= k) is the incomplete beta function `I_p(size, k + 1)` with `p = size / (size + mean)`.
    fn closed(&self, k: f64) -> Tabled {
        let pmf = self.closed_pmf(k);
        if let Some(law) = self.nearly_normal() {
            let (cdf, sf) = (law.cdf(k), law.sf(k));
            return Tabled { pmf, cdf, sf };
        }
        let (size, trials) = (self.size, self.size + self.mean);
        let (stay, go) = (size / trials, self.mean / trials);
        // P(D = k + 1) (k + 1): the factor before either fraction.
        let front = pmf * go * (size + k);
        if stay < (size + 1.0) / (size + k + 3.0) {
            let cdf = (front / size * beta_fraction(size, k + 1.0, stay)).min(1.0);
            let sf = 1.0 - cdf;
            return Tabled { pmf, cdf, sf };
        }
        let sf = (front / (k + 1.0) * beta_fraction(k + 1.0, size, go)).min(1.0);
        let cdf = 1.0 - sf;
        Tabled { pmf, cdf, sf }
    }
}

impl Law for NegativeBinomial {
    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.mean + self.mean * self.mean / self.size
    }

    fn is_discrete(&self) -> bool {
        true
    }

    fn pmf(&self, k: f64) -> f64 {
        let row = self.table().at(k);
        row.map_or_else(|| self.closed_pmf(k), |row| row.pmf)
    }

    fn cdf(&self, k: f64) -> f64 {
        self.at(k).cdf
    }

    fn sf(&self, k: f64) -> f64 {
        self.at(k).sf
    }

    /// `(m - k) P(D > k) + (k + r) β P(D = k)`.
    fn loss(&self, k: f64) -> f64 {
        if let Some(law) = self.nearly_normal() {
            return law.loss(k);
        }
        let beta = self.mean / self.size;
        let Tabled { pmf, sf, .. } = self.at(k);
        (self.mean - k) * sf + (k + self.size) * beta * pmf
    }

    /// `½ ((r (r + 1) β² - 2 r β k + k (k + 1)) P(D > k) + ((r + 1) β - k) (k + r) β P(D = k))`.
    fn second_loss(&self, k: f64) -> f64 {
        if let Some(law) = self.nearly_normal() {
            return law.second_loss(k);
        }
        if k < 0.0 {
            return sum_below_zero(self, k);
        }
        let beta = self.mean / self.size;
        let tail = (self.size + 1.0) * beta * self.mean - 2.0 * self.mean * k + k * (k + 1.0);
        let point = ((self.size + 1.0) * beta - k) * (k + self.size) * beta;
        let Tabled { pmf, sf, .. } = self.at(k);
        0.5 * (tail * sf + point * pmf)
    }

    fn quantile(&self, p: f64) -> f64 {
        if let Some(k) = self.table().quantile(p) {
            return k;
        }
        let sd = sqrt(self.variance());
        let guess = self.mean + sd * normal_quantile(p);
        whole_quantile(p, guess, 0.1 * sd, |k| self.cdf(k).clamp(0.0, 1.0))
    }
}
