//! Service targets and the stock they need: cycle service level and fill rate, which are not the same.
//!
//! The *cycle service level* is the probability that no demand is missed in a cycle; the *fill rate* is the share of
//! demand met from stock. A large lot meets most demand whatever happens at its end, so that a fill rate may need less
//! stock than the mean demand of the interval, where a service level never asks how much one cycle sells. Silver, Pyke
//! and Peterson, Inventory Management and Production Planning and Scheduling, 3rd ed., section 7.7 (`P1` and `P2`);
//! Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., section 4.3.4.2 and 5.5.

use super::distribution::Demand;
use super::error::{PolicyError, positive, target};
use super::search::{first_real, first_whole};
use serde::Serialize;

/// A level of stock, and how far above expected demand it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SafetyLevel {
    /// Units: the reorder point, or the order-up-to level under periodic review.
    pub level: f64,
    /// `level` minus the mean demand of the interval; negative where stock may run out on purpose.
    pub safety_stock: f64,
}

impl SafetyLevel {
    fn new(level: f64, demand: &Demand) -> Self {
        Self {
            level,
            safety_stock: level - demand.mean(),
        }
    }
}

/// The level that meets all demand of the interval with probability `service_level` (`P1`).
///
/// `protection` is the demand of the lead time, and of lead time and review period under periodic review. A target of
/// 0 asks for nothing and gets the smallest possible demand; 1 is refused.
pub fn for_service_level(
    protection: &Demand,
    service_level: f64,
) -> Result<SafetyLevel, PolicyError> {
    let level = protection.quantile(target("service_level", service_level)?);
    Ok(SafetyLevel::new(level, protection))
}

/// The textbook's level for a fill rate (`P2`): the units missing per cycle are at most their share of its lot,
/// `n(r) <= (1 - β) Q`. Units still missing from the cycle before count again, which only tiny lots notice;
/// [`for_fill_rate`] does without.
pub fn for_fill_rate_by_lot(
    protection: &Demand,
    order_quantity: f64,
    fill_rate: f64,
) -> Result<SafetyLevel, PolicyError> {
    positive("order_quantity", order_quantity)?;
    let may_miss = (1.0 - target("fill_rate", fill_rate)?) * order_quantity;
    let level = smallest(protection, may_miss, |x| protection.loss(x) <= may_miss);
    Ok(SafetyLevel::new(level, protection))
}

/// What happens between two arrivals.
#[derive(Debug, Clone, Copy)]
pub struct Cycle<'a> {
    /// Demand until the arrival after the next: lead time, and review period if any.
    pub protection: &'a Demand,
    /// Demand until the next arrival: the lead time alone.
    pub lead_time_demand: &'a Demand,
    /// How far above the level an order lifts the position: the lot under continuous review, 0 when every review
    /// orders up to the level.
    pub lift: f64,
    /// Expected demand per cycle.
    pub cycle_demand: f64,
}

impl Cycle<'_> {
    /// Expected units missed per cycle: what is short before the next arrival, less what was short before this one.
    pub fn missed_units(&self, level: f64) -> f64 {
        let carried = self.lead_time_demand.loss(level + self.lift);
        (self.protection.loss(level) - carried).max(0.0)
    }

    /// Share of demand met from stock, 0 to 1; 1 when there is none.
    pub fn fill_rate(&self, level: f64) -> f64 {
        if self.cycle_demand <= 0.0 {
            return 1.0;
        }
        (1.0 - self.missed_units(level) / self.cycle_demand).clamp(0.0, 1.0)
    }
}

/// The level at which the fill rate is exactly met: `n_{L+R}(s) - n_L(s + lift) <= (1 - β)` of a cycle's demand.
///
/// With `R = 0` and a lot of `Q` this is `n(r) - n(r + Q) <= (1 - β) Q`, exact for normal and for Poisson demand
/// (Zipkin, Foundations of Inventory Management, 6.2.4); with `lift = 0` it is the periodic (R, S) system.
pub fn for_fill_rate(cycle: &Cycle<'_>, fill_rate: f64) -> Result<SafetyLevel, PolicyError> {
    let may_miss = (1.0 - target("fill_rate", fill_rate)?) * cycle.cycle_demand;
    let holds = |x: f64| cycle.missed_units(x) <= may_miss;
    let level = smallest(cycle.protection, may_miss + cycle.lift, holds);
    Ok(SafetyLevel::new(level, cycle.protection))
}

/// The smallest level for which a condition holds that more stock only helps; whole for discrete demand.
pub(super) fn smallest(demand: &Demand, below_mean: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let mean = demand.mean();
    let mut reach = demand.sd().max(1.0);
    while !holds(mean + reach) && reach < 1e300 {
        reach *= 2.0;
    }
    let mut drop = below_mean.max(demand.sd()).max(1.0);
    while holds(mean - drop) && drop < 1e13 {
        drop *= 2.0;
    }
    if !demand.is_discrete() {
        return first_real(mean - drop, mean + reach, holds);
    }
    first_whole((mean - drop).floor(), (mean + reach).ceil(), holds)
}
