//! One of several laws, each with its probability.

use super::{Demand, Law};
use crate::policy::search::{first_real, first_whole};

/// At least two parts with weights that sum to 1.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    pub(super) parts: Vec<(f64, Demand)>,
}

impl Mixture {
    fn average(&self, of: impl Fn(&Demand) -> f64) -> f64 {
        self.parts
            .iter()
            .map(|(weight, demand)| weight * of(demand))
            .sum()
    }

    /// Least and largest of a figure over the parts.
    fn range(&self, of: impl Fn(&Demand) -> f64) -> (f64, f64) {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        self.parts.iter().fold(start, |(low, high), (_, demand)| {
            let value = of(demand);
            (low.min(value), high.max(value))
        })
    }
}

impl Law for Mixture {
    fn parts(&self) -> &[(f64, Demand)] {
        &self.parts
    }

    fn mean(&self) -> f64 {
        self.average(Demand::mean)
    }

    /// Total variance: within the parts and between their means.
    fn variance(&self) -> f64 {
        let mean = self.mean();
        self.average(|part| part.variance() + (part.mean() - mean) * (part.mean() - mean))
    }

    fn is_discrete(&self) -> bool {
        self.parts.iter().all(|(_, demand)| demand.is_discrete())
    }

    fn pmf(&self, x: f64) -> f64 {
        self.average(|part| part.pmf(x))
    }

    fn cdf(&self, x: f64) -> f64 {
        self.average(|part| part.cdf(x))
    }

    fn sf(&self, x: f64) -> f64 {
        self.average(|part| part.sf(x))
    }

    fn loss(&self, x: f64) -> f64 {
        self.average(|part| part.loss(x))
    }

    fn second_loss(&self, x: f64) -> f64 {
        self.average(|part| part.second_loss(x))
    }

    /// Lies between the quantiles of the parts; halved until whole units, or doubles, are next to each other.
    fn quantile(&self, p: f64) -> f64 {
        let (low, high) = self.range(|part| part.quantile(p));
        let enough = |x| self.cdf(x) >= p;
        match self.is_discrete() {
            _ if enough(low) => low,
            true => first_whole(low, high, enough),
            false => first_real(low, high, enough),
        }
    }

    fn smallest(&self) -> f64 {
        self.range(|part| part.quantile(0.0)).0
    }

    fn largest(&self) -> f64 {
        self.range(|part| part.quantile(1.0)).1
    }
}
