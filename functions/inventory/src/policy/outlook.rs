//! What an order of some size leads to: cost, lost units, probability of a stock-out.
//!
//! Costs are counted over the order cycle, the days from the arrival of an order placed now until the next one is
//! due. Stock falls over a cycle from what is left of the position when the order arrives to what is left at the end,
//! and is held at the average of the two (Hadley and Whitin, Analysis of Inventory Systems, section 5.2). Units above
//! the order-up-to level outlast the cycle and pay until they are sold.
//!
//! Orders are chosen by what the position does not cover by the end of the cycle, which is convex in the order. What is
//! *shown* as lost counts every unit that meets an empty shelf, those before an order placed now can arrive included.

use super::costs::{Costs, ExpectedCost};
use super::distribution::Demand;
use schemars::JsonSchema;
use serde::Serialize;

/// Longest time on the shelf that a unit beyond the order-up-to level is charged for, in days.
const LONGEST_STAY_DAYS: f64 = 365.0;

/// Everything that the figures of an order depend on but its size.
#[derive(Debug, Clone)]
pub(super) struct Outlook {
    /// Demand until an order placed now arrives.
    pub(super) lead: Demand,
    /// Demand over lead time and review period.
    pub(super) protection: Demand,
    /// Demand over lead time and order cycle.
    pub(super) cycle: Demand,
    /// Demand until an order placed now would have spoiled.
    pub(super) shelf_life: Option<Demand>,
    pub(super) cycle_days: f64,
    /// Units per day.
    pub(super) daily_demand: f64,
    /// Inventory position without the order.
    pub(super) position: f64,
    /// The part of it that is there before the order arrives.
    pub(super) position_at_arrival: f64,
    pub(super) order_up_to_level: f64,
    pub(super) costs: Costs,
}

/// What an order leads to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "InventoryOutcome")]
pub struct Outcome {
    /// Units.
    pub order_quantity: u64,
    /// What the supplier is paid.
    pub order_value_minor: i64,
    /// P(demand of the protection interval exceeds the position), 0 to 1.
    pub stockout_probability: f64,
    /// The complement: the cycle service level that results.
    pub service_level: f64,
    /// Share of the protection interval's demand that is met.
    pub fill_rate: f64,
    /// Units of the protection interval's demand that are not met.
    pub expected_lost_units: f64,
    /// Units that spoil before they sell.
    pub expected_waste_units: f64,
    /// Over the order cycle.
    pub expected_cost: ExpectedCost,
}

impl Outlook {
    /// Units lost before an order placed now can arrive, whatever it holds.
    pub(super) fn unavoidable_lost_units(&self) -> f64 {
        self.lead.loss(self.position_at_arrival)
    }

    /// Units of demand that meet an empty shelf until the end of an interval: those before the order arrives, and what
    /// the interval is short of beyond what was short at the arrival already (Silver, Pyke and Peterson, 7.9.3).
    fn lost_units(&self, interval: &Demand, level: f64) -> f64 {
        let after_arrival = interval.loss(level) - self.lead.loss(level);
        self.unavoidable_lost_units() + after_arrival.max(0.0)
    }

    fn expected_waste_units(&self, level: f64) -> f64 {
        let spoils = self.shelf_life.as_ref();
        spoils.map_or(0.0, |demand| demand.complementary_loss(level))
    }

    /// Days on the shelf, times units, once the position is `level` and the cycle ends `missing` units short.
    fn unit_days(&self, level: f64, missing: f64) -> f64 {
        let at_arrival = self.lead.complementary_loss(level);
        let at_end = (level - self.cycle.mean() + missing).max(0.0);
        let above = (level - self.order_up_to_level).max(0.0);
        let stay_days = (above / (2.0 * self.daily_demand)).min(LONGEST_STAY_DAYS);
        let overstay = if above > 0.0 { above * stay_days } else { 0.0 };
        0.5 * (at_arrival + at_end) * self.cycle_days + overstay
    }

    /// What an order is chosen by, in minor units; convex but for the fixed cost of ordering.
    pub(super) fn cost(&self, quantity: u64) -> f64 {
        let level = self.position + quantity as f64;
        let ordering = if quantity > 0 {
            self.costs.ordering_minor as f64
        } else {
            0.0
        };
        let missing = self.cycle.loss(level);
        ordering
            + self.costs.holding_minor_per_unit_day * self.unit_days(level, missing)
            + self.costs.stockout_minor_per_unit * missing
            + self.costs.unit_cost_minor as f64 * self.expected_waste_units(level)
    }

    /// Whether one more unit above `level` costs at least what it saves; holds from the best level on.
    pub(super) fn is_enough(&self, demand: &Demand, level: f64) -> bool {
        let kept = 0.5 * (self.lead.cdf(level) + demand.cdf(level));
        let spoiled = self.shelf_life.as_ref().map_or(0.0, |life| life.cdf(level));
        let costs = &self.costs;
        costs.stockout_minor_per_unit * demand.sf(level)
            <= costs.holding_minor_per_unit_day * self.cycle_days * kept
                + costs.unit_cost_minor as f64 * spoiled
    }

    pub(super) fn outcome(&self, quantity: u64) -> Outcome {
        let level = self.position + quantity as f64;
        let lost = self
            .protection
            .loss(level)
            .max(self.unavoidable_lost_units());
        let mean = self.protection.mean();
        let stockout_probability = self.protection.sf(level);
        Outcome {
            order_quantity: quantity,
            order_value_minor: self.costs.value_minor(quantity),
            stockout_probability,
            service_level: 1.0 - stockout_probability,
            fill_rate: if mean > 0.0 {
                (1.0 - lost / mean).clamp(0.0, 1.0)
            } else {
                1.0
            },
            expected_lost_units: lost,
            expected_waste_units: self.expected_waste_units(level),
            expected_cost: self.expected_cost(quantity, level),
        }
    }

    fn expected_cost(&self, quantity: u64, level: f64) -> ExpectedCost {
        let minor = |cost_per_unit: f64, units: f64| (cost_per_unit * units).round() as i64;
        let lost = self.lost_units(&self.cycle, level);
        let unit_days = self.unit_days(level, self.cycle.loss(level));
        let costs = &self.costs;
        let ordering_minor = if quantity > 0 {
            costs.ordering_minor
        } else {
            0
        };
        let holding_minor = minor(costs.holding_minor_per_unit_day, unit_days);
        let stockout_minor = minor(costs.stockout_minor_per_unit, lost);
        let waste_minor = minor(
            costs.unit_cost_minor as f64,
            self.expected_waste_units(level),
        );
        let parts = [ordering_minor, holding_minor, stockout_minor, waste_minor];
        ExpectedCost {
            ordering_minor,
            holding_minor,
            stockout_minor,
            waste_minor,
            total_minor: parts.into_iter().fold(0, i64::saturating_add),
        }
    }
}
