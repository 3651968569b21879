//! One order for one period: the newsvendor, with costs given outright or by prices.
//!
//! Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., section 4.3.

use super::distribution::Demand;
use super::error::{PolicyError, check, non_negative, positive};
use serde::{Deserialize, Serialize};

/// What a unit too many and a unit too few cost per period. Any one unit of money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitCosts {
    /// Per unit left at the end of a period, `h`.
    pub holding: f64,
    /// Per unit missing at the end of a period, `p`.
    pub stockout: f64,
}

impl UnitCosts {
    /// Both above 0: without either there is no best level.
    pub(crate) fn checked(self) -> Result<Self, PolicyError> {
        positive("holding", self.holding)?;
        positive("stockout", self.stockout)?;
        Ok(self)
    }

    /// The critical ratio `p / (h + p)`: the best probability to meet all demand.
    pub fn critical_ratio(self) -> f64 {
        self.stockout / (self.holding + self.stockout)
    }

    /// `g(S) = h n̄(S) + p n(S)`: expected cost of a period that starts with `level` units (4.24).
    pub fn expected(self, demand: &Demand, level: f64) -> f64 {
        self.holding * demand.complementary_loss(level) + self.stockout * demand.loss(level)
    }
}

/// A stock level and what it costs, or earns, per period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    /// Units; whole for a discrete demand.
    pub level: f64,
    /// Expected, per period.
    pub cost: f64,
}

/// The level of least expected cost: the smallest with `P(D <= S) >= p / (h + p)` (4.30 and its discrete form).
///
/// ```
/// use inventory::policy::{Demand, newsvendor::{UnitCosts, newsvendor}};
///
/// let costs = UnitCosts { holding: 0.18, stockout: 0.7 };
/// let best = newsvendor(&Demand::normal(50.0, 8.0)?, costs)?;
/// assert!((best.level - 56.603955927433887).abs() < 1e-9);
/// # Ok::<(), inventory::policy::PolicyError>(())
/// ```
pub fn newsvendor(demand: &Demand, costs: UnitCosts) -> Result<Level, PolicyError> {
    let costs = costs.checked()?;
    let level = demand.quantile(costs.critical_ratio());
    Ok(Level {
        level,
        cost: costs.expected(demand, level),
    })
}

/// Prices from which the cost of too many and too few follow. Any one unit of money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Earned per unit sold, `r`.
    pub price: f64,
    /// Paid per unit bought, `c`.
    pub unit_cost: f64,
    /// Earned per unit left over, `v`.
    pub salvage: f64,
    /// On top, per unit left over, `h`.
    pub holding: f64,
    /// On top, per unit missing (ill will), `p`.
    pub stockout: f64,
}

impl Prices {
    /// A unit missing costs its margin, a unit left what it lost in value: `p + r - c` and `h + c - v`.
    pub fn unit_costs(self) -> Result<UnitCosts, PolicyError> {
        non_negative("holding", self.holding)?;
        non_negative("stockout", self.stockout)?;
        let sold = positive("price", self.price)? > self.unit_cost;
        check(sold, "unit_cost", self.unit_cost, "below the price")?;
        let lost = self.salvage < self.unit_cost && self.salvage.is_finite();
        check(lost, "salvage", self.salvage, "below the unit cost")?;
        Ok(UnitCosts {
            holding: self.holding + self.unit_cost - self.salvage,
            stockout: self.stockout + self.price - self.unit_cost,
        })
    }

    /// `π(S) = (r - c) E[D] - g(S)`: expected profit of a period that starts with `level` units.
    pub fn expected_profit(self, demand: &Demand, level: f64) -> Result<f64, PolicyError> {
        let costs = self.unit_costs()?.expected(demand, level);
        Ok((self.price - self.unit_cost) * demand.mean() - costs)
    }
}

/// A stock level and what it is expected to earn per period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProfitLevel {
    /// Units; whole for a discrete demand.
    pub level: f64,
    /// Expected, per period.
    pub profit: f64,
}

/// The level of most expected profit, with costs implied by prices (Snyder and Shen, section 4.3.2.4).
pub fn newsvendor_by_price(demand: &Demand, prices: Prices) -> Result<ProfitLevel, PolicyError> {
    let level = newsvendor(demand, prices.unit_costs()?)?.level;
    Ok(ProfitLevel {
        level,
        profit: prices.expected_profit(demand, level)?,
    })
}

/// The best order-up-to level when every period ends with an order that arrives `lead_time` periods later: a
/// newsvendor over the demand of lead time and review period (Snyder and Shen, section 4.3.4).
///
/// `protection` is the demand of `lead time + review period`; [`independent_periods`] makes it for a normal law.
pub fn base_stock(protection: &Demand, costs: UnitCosts) -> Result<Level, PolicyError> {
    newsvendor(protection, costs)
}

/// Normal demand of several independent periods: the mean grows with their number, the deviation with its root.
pub fn independent_periods(
    period_mean: f64,
    period_sd: f64,
    periods: f64,
) -> Result<Demand, PolicyError> {
    non_negative("periods", periods)?;
    Demand::normal(period_mean * periods, period_sd * libm::sqrt(periods))
}

/// Normal demand over a lead time that is itself random, matched by its moments: variance `L σ² + μ² σ_L²`
/// (Silver, Pyke and Peterson, Inventory Management and Production Planning and Scheduling, 3rd ed., section 7.10).
///
/// This is the textbook's check; plans mix exactly over the lead time's distribution instead.
pub fn normal_lead_time_demand(
    period_mean: f64,
    period_sd: f64,
    lead_time_mean: f64,
    lead_time_sd: f64,
) -> Result<Demand, PolicyError> {
    non_negative("lead_time_mean", lead_time_mean)?;
    non_negative("lead_time_sd", lead_time_sd)?;
    let within = lead_time_mean * period_sd * period_sd;
    let between = period_mean * period_mean * lead_time_sd * lead_time_sd;
    Demand::normal(period_mean * lead_time_mean, libm::sqrt(within + between))
}
