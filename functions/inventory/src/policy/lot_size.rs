//! How much to order at a time when demand is steady: EOQ, with backorders, with a production rate.
//!
//! Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., sections 3.2, 3.5 and 3.6.

use super::error::{PolicyError, check, non_negative, positive};
use libm::sqrt;
use serde::Serialize;

/// Steady demand and what ordering and holding cost. Any one unit of time and of money.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steady {
    /// Per order, `K`.
    pub fixed_cost: f64,
    /// Per unit and time, `h`.
    pub holding: f64,
    /// Units per time, `λ`.
    pub demand_rate: f64,
}

impl Steady {
    pub(crate) fn checked(self) -> Result<Self, PolicyError> {
        non_negative("fixed_cost", self.fixed_cost)?;
        positive("holding", self.holding)?;
        non_negative("demand_rate", self.demand_rate)?;
        Ok(self)
    }
}

/// A lot and what it costs per time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lot {
    /// Units per order.
    pub order_quantity: f64,
    /// Ordering and holding, per time.
    pub cost: f64,
}

/// Economic order quantity `√(2 K λ / h)` (3.4); 0 when an order costs nothing or nothing sells.
pub fn economic_order_quantity(steady: Steady) -> Result<Lot, PolicyError> {
    let Steady {
        fixed_cost,
        holding,
        demand_rate,
    } = steady.checked()?;
    let order_quantity = sqrt(2.0 * fixed_cost * demand_rate / holding);
    Ok(Lot {
        order_quantity,
        cost: order_quantity * holding,
    })
}

/// A lot of which a part is sold before it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BackorderedLot {
    /// Units per order.
    pub order_quantity: f64,
    /// Share of demand that waits.
    pub backordered_share: f64,
    /// Ordering, holding and waiting, per time.
    pub cost: f64,
}

/// EOQ with planned backorders that cost `stockout` per unit and time: `√(2 K λ (h + p) / (h p))` (3.27).
pub fn economic_order_quantity_with_backorders(
    steady: Steady,
    stockout: f64,
) -> Result<BackorderedLot, PolicyError> {
    let Steady {
        fixed_cost,
        holding,
        demand_rate,
    } = steady.checked()?;
    positive("stockout", stockout)?;
    let both = holding * stockout / (holding + stockout);
    let order_quantity = sqrt(2.0 * fixed_cost * demand_rate / both);
    Ok(BackorderedLot {
        order_quantity,
        backordered_share: holding / (holding + stockout),
        cost: order_quantity * both,
    })
}

/// Economic production quantity: a lot that arrives at `production_rate` units per time (3.31).
pub fn economic_production_quantity(
    steady: Steady,
    production_rate: f64,
) -> Result<Lot, PolicyError> {
    let steady = steady.checked()?;
    let keeps_up = production_rate > steady.demand_rate && production_rate.is_finite();
    let limit = "finite and above the demand rate";
    check(keeps_up, "production_rate", production_rate, limit)?;
    // Stock never rises to a whole lot, because it sells while it arrives.
    let share_kept = 1.0 - steady.demand_rate / production_rate;
    economic_order_quantity(Steady {
        holding: steady.holding * share_kept,
        ..steady
    })
}

/// The unit price from a quantity on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceBreak {
    /// Smallest quantity at this price; the first break starts at 0.
    pub from_quantity: f64,
    /// Per unit.
    pub unit_cost: f64,
}

/// The best lot under quantity discounts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DiscountedLot {
    /// Units per order.
    pub order_quantity: f64,
    /// Which price break it uses, from 0.
    pub region: usize,
    /// Purchase, ordering and holding, per time.
    pub cost: f64,
}

/// Demand and ordering where holding costs a share of what a unit cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discounted<'a> {
    /// Per order, `K`.
    pub fixed_cost: f64,
    /// Per money tied up and time, `i`.
    pub holding_rate: f64,
    /// Units per time, `λ`.
    pub demand_rate: f64,
    /// By rising quantity, from 0.
    pub breaks: &'a [PriceBreak],
}

/// All-units discounts: the whole order gets the price of its quantity (Snyder and Shen, section 3.4.1).
pub fn all_units_discount(terms: Discounted<'_>) -> Result<DiscountedLot, PolicyError> {
    let terms = terms.checked()?;
    // Within a region the cost is convex, so that its best lot is the EOQ pushed inside.
    terms.best(|region| terms.lot_in(region, terms.fixed_cost, 0.0))
}

/// Incremental discounts: each price holds for the units beyond its quantity only (section 3.4.2).
///
/// Units below the break cost more than those above, which acts as a fixed cost of the region:
/// `c̄_j = Σ_{i<j} c_i (b_{i+1} - b_i) - c_j b_j`.
pub fn incremental_discount(terms: Discounted<'_>) -> Result<DiscountedLot, PolicyError> {
    let terms = terms.checked()?;
    terms.best(|region| {
        let extra = terms.paid_above_price(region);
        terms.lot_in(region, terms.fixed_cost + extra, extra)
    })
}

impl Discounted<'_> {
    fn checked(self) -> Result<Self, PolicyError> {
        non_negative("fixed_cost", self.fixed_cost)?;
        positive("holding_rate", self.holding_rate)?;
        positive("demand_rate", self.demand_rate)?;
        let first = self.breaks.first().map_or(f64::NAN, |b| b.from_quantity);
        check(first == 0.0, "from_quantity", first, "0 in the first break")?;
        for price in self.breaks {
            positive("unit_cost", price.unit_cost)?;
        }
        for pair in self.breaks.windows(2) {
            let next = pair[1].from_quantity;
            let rises = next > pair[0].from_quantity && next.is_finite();
            check(rises, "from_quantity", next, "above the break before")?;
        }
        Ok(self)
    }

    /// The region's EOQ with this fixed cost, pushed inside the region, and its cost.
    fn lot_in(&self, region: usize, fixed_cost: f64, extra: f64) -> Option<DiscountedLot> {
        let PriceBreak {
            from_quantity,
            unit_cost,
        } = self.breaks[region];
        let holding = self.holding_rate * unit_cost;
        let free = sqrt(2.0 * fixed_cost * self.demand_rate / holding);
        let end = self.breaks.get(region + 1);
        // A lot at the end of a region is the next region's, where it costs no more.
        let inside = end.is_none_or(|end| free < end.from_quantity);
        let order_quantity = free.max(from_quantity);
        let ordering = if fixed_cost > 0.0 {
            fixed_cost * self.demand_rate / order_quantity
        } else {
            0.0
        };
        let cost = unit_cost * self.demand_rate
            + self.holding_rate * extra / 2.0
            + ordering
            + holding * order_quantity / 2.0;
        inside.then_some(DiscountedLot {
            order_quantity,
            region,
            cost,
        })
    }

    fn paid_above_price(&self, region: usize) -> f64 {
        let below = self.breaks[..=region].windows(2);
        let paid: f64 = below
            .map(|pair| pair[0].unit_cost * (pair[1].from_quantity - pair[0].from_quantity))
            .sum();
        paid - self.breaks[region].unit_cost * self.breaks[region].from_quantity
    }

    fn best(
        &self,
        lot: impl Fn(usize) -> Option<DiscountedLot>,
    ) -> Result<DiscountedLot, PolicyError> {
        let lots = (0..self.breaks.len()).filter_map(lot);
        let best = lots.min_by(|a, b| a.cost.total_cmp(&b.cost));
        let none = || PolicyError {
            field: "breaks",
            value: self.breaks.len() as f64,
            limit: "prices that fall with the quantity: no lot is best",
        };
        best.ok_or_else(none)
    }
}
