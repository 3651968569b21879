//! (r, Q): whenever the position falls to `r`, order `Q`.
//!
//! Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., chapter 5; exact for discrete demand by Federgruen
//! and Zheng (1992), An Efficient Algorithm for Computing an Optimal (r, Q) Policy in Continuous Review Stochastic
//! Inventory Systems, Operations Research 40(4). Normal demand and its approximations are in [`super::reorder_normal`].

use super::distribution::Demand;
use super::error::{PolicyError, check, non_negative, positive, units};
use super::newsvendor::UnitCosts;
use serde::Serialize;

/// A reorder point with its lot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReorderPolicy {
    /// Position at which an order is placed.
    pub reorder_point: f64,
    /// Units per order.
    pub order_quantity: f64,
    /// Expected ordering, holding and waiting, per time.
    pub cost: f64,
}

/// What an (r, Q) policy is judged by. Any one unit of time and of money.
#[derive(Debug, Clone, Copy)]
pub struct ReorderTerms<'a> {
    /// Demand during the lead time.
    pub lead_time_demand: &'a Demand,
    /// Units per time.
    pub demand_rate: f64,
    /// Per order.
    pub fixed_cost: f64,
    /// Per unit and time.
    pub unit_costs: UnitCosts,
}

/// Most lot sizes that the exact search walks through.
const MOST_UNITS_PER_LOT: f64 = 1e6;

impl ReorderTerms<'_> {
    pub(crate) fn checked(self) -> Result<Self, PolicyError> {
        self.unit_costs.checked()?;
        non_negative("fixed_cost", self.fixed_cost)?;
        units("demand_rate", self.demand_rate)?;
        Ok(self)
    }

    /// Expected cost per time, `(K λ + Σ_{y=r+1}^{r+Q} g(y)) / Q` for discrete demand (5.48) and
    /// `(K λ + ∫_r^{r+Q} g(y) dy) / Q` for a continuous one (5.7); exact by second-order losses.
    pub fn cost(&self, reorder_point: f64, order_quantity: f64) -> Result<f64, PolicyError> {
        let terms = self.checked()?;
        positive("order_quantity", order_quantity)?;
        let demand = terms.lead_time_demand;
        let (r, q) = (reorder_point, order_quantity);
        let missing = demand.second_loss(r) - demand.second_loss(r + q);
        // The sum of y over the positions after an order, or its integral.
        let middle = if demand.is_discrete() {
            r + 0.5 * (q + 1.0)
        } else {
            r + 0.5 * q
        };
        let UnitCosts { holding, stockout } = terms.unit_costs;
        let steady = holding * q * (middle - demand.mean());
        Ok((terms.fixed_cost * terms.demand_rate + steady + (holding + stockout) * missing) / q)
    }
}

/// The best (r, Q) for discrete lead-time demand, exact for Poisson demand (Federgruen and Zheng 1992).
///
/// The lot grows by the cheaper of the two positions next to it as long as that lowers the average cost. Lots are
/// limited to a million units, where [`super::reorder_normal`] is the method.
pub fn reorder_discrete(terms: &ReorderTerms<'_>) -> Result<ReorderPolicy, PolicyError> {
    let terms = terms.checked()?;
    let demand = terms.lead_time_demand;
    let mean = demand.mean();
    check(
        demand.is_discrete(),
        "lead_time_demand",
        mean,
        "a discrete law",
    )?;
    let position_cost = |y: f64| terms.unit_costs.expected(demand, y);
    let best = demand.quantile(terms.unit_costs.critical_ratio());
    let (mut below, mut above) = (best - 1.0, best + 1.0);
    let (mut cost_below, mut cost_above) = (position_cost(below), position_cost(above));
    let mut total = terms.fixed_cost * terms.demand_rate + position_cost(best);
    let mut lot = 1.0;
    while cost_below.min(cost_above) < total / lot {
        check(
            lot < MOST_UNITS_PER_LOT,
            "order_quantity",
            lot,
            "below 1e6 in the exact search",
        )?;
        if cost_below < cost_above {
            total += cost_below;
            below -= 1.0;
            cost_below = position_cost(below);
        } else {
            total += cost_above;
            above += 1.0;
            cost_above = position_cost(above);
        }
        lot += 1.0;
    }
    Ok(ReorderPolicy {
        reorder_point: below,
        order_quantity: lot,
        cost: total / lot,
    })
}
