//! Demand until some day, and lead times that are not certain.

use super::distribution::Demand;
use super::error::{PolicyError, check, days, positive, probability};

/// Demand summed from today over growing horizons, as a forecaster gave it.
///
/// Between two horizons mean and variance are interpolated, before the first and after the last they grow with time,
/// and the law is the count law of these moments (normal when the nearer horizon's is continuous). At a horizon it is
/// the forecaster's own law.
#[derive(Debug, Clone)]
pub struct Forecast {
    horizons: Vec<(f64, Demand)>,
}

impl Forecast {
    /// Days (above 0, rising) with the demand until then, in units.
    ///
    /// A horizon whose mean is below that of a shorter one gets the shorter one's law: demand that has come in by
    /// then cannot go away.
    pub fn new(horizons: Vec<(f64, Demand)>) -> Result<Self, PolicyError> {
        let count = horizons.len() as f64;
        check(count > 0.0, "horizons", count, "1 or more")?;
        let mut kept: Vec<(f64, Demand)> = Vec::with_capacity(horizons.len());
        for (horizon_days, demand) in horizons {
            positive("horizon_days", days("horizon_days", horizon_days)?)?;
            let before = kept.last();
            let rises = before.is_none_or(|(earlier, _)| horizon_days > *earlier);
            check(
                rises,
                "horizon_days",
                horizon_days,
                "above the horizon before",
            )?;
            let demand = match before {
                Some((_, shorter)) if shorter.mean() > demand.mean() => shorter.clone(),
                _ => demand,
            };
            kept.push((horizon_days, demand));
        }
        Ok(Self { horizons: kept })
    }

    /// The longest horizon that was forecast.
    pub fn last_days(&self) -> f64 {
        self.horizons.last().map_or(0.0, |(days, _)| *days)
    }

    /// Demand until `horizon_days` from now.
    pub fn over(&self, horizon_days: f64) -> Result<Demand, PolicyError> {
        days("horizon_days", horizon_days)?;
        let next = self
            .horizons
            .partition_point(|(days, _)| *days < horizon_days);
        if let Some((_, demand)) = self
            .horizons
            .get(next)
            .filter(|(days, _)| *days <= horizon_days)
        {
            return Ok(demand.clone());
        }
        let nearest = &self.horizons[next.min(self.horizons.len() - 1)].1;
        let (mean, variance) = self.moments(next, horizon_days);
        if nearest.is_discrete() {
            return Demand::from_moments(mean, variance);
        }
        Demand::normal(mean, libm::sqrt(variance))
    }

    /// Mean and variance, where `next` is the first horizon that is longer.
    fn moments(&self, next: usize, horizon_days: f64) -> (f64, f64) {
        let at = |(days, demand): &(f64, Demand)| (*days, demand.mean(), demand.variance());
        let (last, long) = match (next, self.horizons.get(next)) {
            (0, _) | (_, None) => {
                let nearest = at(&self.horizons[next.saturating_sub(1)]);
                let share = horizon_days / nearest.0;
                return (nearest.1 * share, nearest.2 * share);
            }
            (_, Some(long)) => (at(&self.horizons[next - 1]), at(long)),
        };
        let share = (horizon_days - last.0) / (long.0 - last.0);
        let between = |from: f64, to: f64| from + share * (to - from);
        // A longer horizon of smaller variance is possible where the forecaster says so.
        (between(last.1, long.1), between(last.2, long.2).max(0.0))
    }
}

/// How long a delivery takes: whole or part days with their probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadTime {
    pmf: Vec<(f64, f64)>,
}

impl LeadTime {
    /// Always the same.
    pub fn fixed(lead_time_days: f64) -> Result<Self, PolicyError> {
        Self::distribution(&[(lead_time_days, 1.0)])
    }

    /// Days with their probabilities, which must sum to 1 within 1e-6 and are scaled to do so.
    pub fn distribution(pmf: &[(f64, f64)]) -> Result<Self, PolicyError> {
        let mut total = 0.0;
        for (lead_time_days, p) in pmf {
            days("lead_time_days", *lead_time_days)?;
            total += probability("lead_time_probability", *p)?;
        }
        let holds = (total - 1.0).abs() <= 1e-6;
        check(holds, "lead_time_probability", total, "1 in total")?;
        let pmf = pmf.iter().filter(|(_, p)| *p > 0.0);
        Ok(Self {
            pmf: pmf.map(|(days, p)| (*days, p / total)).collect(),
        })
    }

    /// The days it may take, in the order of the parts of [`LeadTime::demand`].
    pub fn days(&self) -> impl Iterator<Item = f64> + '_ {
        self.pmf.iter().map(|(days, _)| *days)
    }

    /// Expected days.
    pub fn mean_days(&self) -> f64 {
        self.pmf.iter().map(|(days, p)| days * p).sum()
    }

    /// Demand from now until `extra_days` after the delivery, mixed exactly over the lead time's distribution
    /// (Snyder and Shen, section 5.1.2: a mixture, not a normal law of the same moments).
    pub fn demand(&self, forecast: &Forecast, extra_days: f64) -> Result<Demand, PolicyError> {
        let part = |(days, p): &(f64, f64)| Ok((*p, forecast.over(days + extra_days)?));
        Demand::mixture(
            self.pmf
                .iter()
                .map(part)
                .collect::<Result<_, PolicyError>>()?,
        )
    }
}
