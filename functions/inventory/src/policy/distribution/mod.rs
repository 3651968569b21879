//! Demand over some interval as a probability law, with the loss functions that policies are made of.
//!
//! Loss functions and their formulas: Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., appendix C.3, and
//! Zipkin, Foundations of Inventory Management, appendix C. In these documents `n(x) = E[(D - x)+]` is what is missing
//! when `x` is there, and `n̄(x) = E[(x - D)+]` what is left.

mod empirical;
mod mixture;
mod negative_binomial;
mod normal;
mod poisson;
pub(super) mod special;
mod table;

use super::error::{PolicyError, check, non_negative, positive, probability, units};
use super::search::first_whole;
use std::fmt::Debug;
use std::sync::Arc;

/// A law of demand: what each kind of law must know of itself. At whole `x` for discrete laws.
trait Law: Debug + Send + Sync {
    fn mean(&self) -> f64;
    fn variance(&self) -> f64;
    fn is_discrete(&self) -> bool;
    /// P(D = x), or the density of a continuous law.
    fn pmf(&self, x: f64) -> f64;
    fn cdf(&self, x: f64) -> f64;
    fn sf(&self, x: f64) -> f64;
    fn loss(&self, x: f64) -> f64;
    fn second_loss(&self, x: f64) -> f64;
    /// For 0 < p < 1.
    fn quantile(&self, p: f64) -> f64;
    /// The laws it is one of, each with its probability; none of a law that is one itself.
    fn parts(&self) -> &[(f64, Demand)] {
        &[]
    }
    fn smallest(&self) -> f64 {
        0.0
    }
    fn largest(&self) -> f64 {
        f64::INFINITY
    }
}

/// Demand over one interval, in units.
///
/// Sound for means from 1e-6 to 1e9: point probabilities come from a saddle point, tails from series and continued
/// fractions, and where the skewness is below .001 (a Poisson mean above 1e6) from the normal law with its first
/// Edgeworth term. Up to a mean of a million the figures agree with `SciPy` to 1e-10, above it to 1e-6.
///
/// ```
/// use inventory::policy::Demand;
///
/// let demand = Demand::poisson(6.0)?;
/// assert_eq!(demand.quantile(0.8), 8.0);
/// assert!((demand.loss(0.0) - 6.0).abs() < 1e-12);
/// # Ok::<(), inventory::policy::PolicyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Demand(Arc<dyn Law>);

impl Demand {
    /// Normal demand; reaches below zero, as the textbooks' does. A standard deviation of 0 is a certain demand.
    pub fn normal(mean: f64, sd: f64) -> Result<Self, PolicyError> {
        units("demand_mean", mean)?;
        units("demand_sd", sd)?;
        Ok(Self(Arc::new(normal::Normal { mean, sd })))
    }

    /// Poisson demand.
    pub fn poisson(mean: f64) -> Result<Self, PolicyError> {
        units("demand_mean", mean)?;
        Ok(Self(Arc::new(poisson::Poisson { mean })))
    }

    /// Negative binomial demand with variance `mean + mean² / size`.
    ///
    /// Sizes at which this is Poisson to nine digits, infinity included, give the Poisson law.
    pub fn negative_binomial(mean: f64, size: f64) -> Result<Self, PolicyError> {
        units("demand_mean", mean)?;
        check(size >= SMALLEST_SIZE, "demand_size", size, "1e-6 or more")?;
        if mean <= 1e-9 * size {
            return Self::poisson(mean);
        }
        let law = negative_binomial::NegativeBinomial::new(mean, size);
        Ok(Self(Arc::new(law)))
    }

    /// Demand of 0, 1, 2, ... units with these probabilities, which must sum to 1 within 1e-6 and are scaled to do so.
    pub fn empirical(pmf: &[f64]) -> Result<Self, PolicyError> {
        let total = sum_of_probabilities("demand_pmf", pmf.iter().copied())?;
        let pmf = pmf.iter().map(|p| p / total).collect();
        Ok(Self(Arc::new(empirical::Empirical::new(pmf))))
    }

    /// One of several demands, each with its probability: exact, nothing is matched by moments.
    ///
    /// Probabilities must sum to 1 within 1e-6 and are scaled to do so.
    pub fn mixture(parts: Vec<(f64, Demand)>) -> Result<Self, PolicyError> {
        let total = sum_of_probabilities("mixture_weights", parts.iter().map(|(p, _)| *p))?;
        let weigh = |(weight, demand): (f64, Demand)| (weight / total, demand);
        let mut parts: Vec<_> = parts
            .into_iter()
            .filter(|(p, _)| *p > 0.0)
            .map(weigh)
            .collect();
        match parts.pop() {
            Some((_, demand)) if parts.is_empty() => Ok(demand),
            last => {
                parts.extend(last);
                Ok(Self(Arc::new(mixture::Mixture { parts })))
            }
        }
    }

    /// The count law with these moments: negative binomial when the variance exceeds the mean, Poisson otherwise.
    pub fn from_moments(mean: f64, variance: f64) -> Result<Self, PolicyError> {
        units("demand_mean", mean)?;
        non_negative("demand_variance", variance)?;
        let excess = variance - mean;
        if excess <= 1e-9 * mean {
            return Self::poisson(mean);
        }
        Self::negative_binomial(mean, (mean * mean / excess).max(SMALLEST_SIZE))
    }

    /// The laws that it is one of, each with its probability: itself, where it is no mixture.
    ///
    /// ```
    /// use inventory::policy::Demand;
    /// let (short, long) = (Demand::poisson(2.0)?, Demand::poisson(4.0)?);
    /// let either = Demand::mixture(vec![(0.25, short), (0.75, long)])?;
    /// assert_eq!(either.parts()[1].0, 0.75);
    /// # Ok::<(), inventory::policy::PolicyError>(())
    /// ```
    pub fn parts(&self) -> Vec<(f64, Demand)> {
        match self.0.parts() {
            [] => vec![(1.0, self.clone())],
            parts => parts.to_vec(),
        }
    }

    /// E[D].
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// Var[D].
    pub fn variance(&self) -> f64 {
        self.0.variance()
    }

    /// Standard deviation.
    pub fn sd(&self) -> f64 {
        libm::sqrt(self.variance())
    }

    /// Whether demand comes in whole units.
    pub fn is_discrete(&self) -> bool {
        self.0.is_discrete()
    }

    /// P(D = x); for a continuous law its density.
    pub fn pmf(&self, x: f64) -> f64 {
        if self.is_discrete() && !(x >= 0.0 && x.fract() == 0.0) {
            return if x.is_nan() { x } else { 0.0 };
        }
        self.0.pmf(x)
    }

    /// P(D <= x).
    pub fn cdf(&self, x: f64) -> f64 {
        match self.outside(x) {
            Some(Outside::Below) => 0.0,
            Some(Outside::Above) => 1.0,
            Some(Outside::Nowhere) => f64::NAN,
            None => self.0.cdf(self.whole(x)).clamp(0.0, 1.0),
        }
    }

    /// P(D > x), precise where it is small.
    pub fn sf(&self, x: f64) -> f64 {
        match self.outside(x) {
            Some(Outside::Below) => 1.0,
            Some(Outside::Above) => 0.0,
            Some(Outside::Nowhere) => f64::NAN,
            None => self.0.sf(self.whole(x)).clamp(0.0, 1.0),
        }
    }

    /// The smallest `x` with `cdf(x) >= p`, whole for a discrete law.
    ///
    /// 0 gives the smallest possible demand (minus infinity for a normal law), 1 the largest (infinity for all but
    /// empirical laws), and what is no probability NaN.
    pub fn quantile(&self, p: f64) -> f64 {
        if probability("p", p).is_err() {
            return f64::NAN;
        }
        match p {
            0.0 => self.0.smallest(),
            1.0 => self.0.largest(),
            _ => self.0.quantile(p),
        }
    }

    /// First-order loss `n(x) = E[(D - x)+]`: the units missing when `x` are there. Linear between whole units.
    pub fn loss(&self, x: f64) -> f64 {
        match self.outside(x) {
            Some(Outside::Below) => self.mean() - x,
            Some(Outside::Above) => 0.0,
            Some(Outside::Nowhere) => f64::NAN,
            None => {
                let whole = self.whole(x);
                let loss = self.0.loss(whole);
                let part = if x > whole {
                    (x - whole) * self.0.sf(whole)
                } else {
                    0.0
                };
                // Never less than by Jensen's inequality, which rounding far below the mean would break.
                (loss - part).max(self.mean() - x).max(0.0)
            }
        }
    }

    /// Complementary loss `n̄(x) = E[(x - D)+]`: the units left when `x` are there.
    pub fn complementary_loss(&self, x: f64) -> f64 {
        let left = x - self.mean() + self.loss(x);
        if left < 0.0 { 0.0 } else { left }
    }

    /// Second-order loss: the sum of `n(y)` over the whole `y > x` (at whole `x`) for a discrete law, the integral of
    /// `n` from `x` on for a continuous one; each law of a mixture by its own kind.
    pub fn second_loss(&self, x: f64) -> f64 {
        match self.outside(x) {
            Some(Outside::Above) => 0.0,
            Some(Outside::Nowhere) => f64::NAN,
            _ => self.0.second_loss(self.whole(x)).max(0.0),
        }
    }

    /// Whole units at or below `x`, or `x` itself for a continuous law.
    fn whole(&self, x: f64) -> f64 {
        if self.is_discrete() { x.floor() } else { x }
    }

    fn outside(&self, x: f64) -> Option<Outside> {
        match x {
            _ if x.is_nan() => Some(Outside::Nowhere),
            _ if x == f64::INFINITY || x >= self.0.largest() => Some(Outside::Above),
            _ if x < self.0.smallest() || x == f64::NEG_INFINITY => Some(Outside::Below),
            _ => None,
        }
    }
}

/// Where the law needs not be asked: below or above all demand, or no number at all.
enum Outside {
    Below,
    Above,
    Nowhere,
}

/// Below this the law is a certain zero with a rare explosion, which no history supports.
const SMALLEST_SIZE: f64 = 1e-6;

fn sum_of_probabilities(
    field: &'static str,
    each: impl Iterator<Item = f64>,
) -> Result<f64, PolicyError> {
    let mut total = 0.0;
    for p in each {
        total += probability(field, p)?;
    }
    let holds = (total - 1.0).abs() <= 1e-6;
    check(holds, field, total, "1 in total")?;
    positive(field, total)
}

/// The smallest whole `x` with `cdf(x) >= p`: brackets from a guess in growing steps, then halves.
fn whole_quantile(p: f64, guess: f64, step: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let mut step = step.max(1.0).ceil();
    let mut high = guess.max(0.0).ceil();
    let mut low = -1.0;
    while cdf(high) < p {
        low = high;
        high += step;
        step *= 2.0;
    }
    if low < 0.0 {
        let mut probe = high - step;
        while probe >= 0.0 && cdf(probe) >= p {
            high = probe;
            step *= 2.0;
            probe = high - step;
        }
        low = probe.max(-1.0);
    }
    first_whole(low, high, |x| cdf(x) >= p)
}
