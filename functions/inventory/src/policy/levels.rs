//! Reorder point and order-up-to level of one SKU, from its target.

use super::costs::Target;
use super::error::PolicyError;
use super::lot_size::{Steady, economic_order_quantity};
use super::outlook::Outlook;
use super::service::{Cycle, for_fill_rate, for_service_level, smallest};

/// The longest cycle that a lot is bought for: beyond a year demand is not forecast.
const LONGEST_CYCLE_DAYS: f64 = 365.0;

/// The shortest: stock is counted by the day.
const SHORTEST_CYCLE_DAYS: f64 = 1.0;

/// Days that an order lasts: as long as the economic lot, but at least until the next review.
///
/// Without a fixed cost, or where holding costs nothing and no lot is economic, every review orders.
pub(super) fn cycle_days(
    review_period_days: f64,
    daily_demand: f64,
    ordering_minor: f64,
    holding_minor_per_unit_day: f64,
) -> Result<f64, PolicyError> {
    let shortest = review_period_days.max(SHORTEST_CYCLE_DAYS);
    if !(daily_demand > 0.0 && holding_minor_per_unit_day > 0.0) {
        return Ok(shortest);
    }
    let lot = economic_order_quantity(Steady {
        fixed_cost: ordering_minor,
        holding: holding_minor_per_unit_day,
        demand_rate: daily_demand,
    })?;
    let lot_days = lot.order_quantity / daily_demand;
    Ok(lot_days.min(LONGEST_CYCLE_DAYS).max(shortest))
}

/// The position at or below which an order is due, and the one it is ordered up to; whole units, 0 or more.
pub(super) struct Levels {
    pub(super) reorder_point: f64,
    pub(super) order_up_to_level: f64,
}

/// Levels of the (R, s, S) system (Silver, Pyke and Peterson, section 7.9.4): `s` protects lead time and review
/// period as the target asks, and `S` is above it by what a cycle sells beyond one review period, so that orders
/// hold a cycle's demand on average.
///
/// For a cost target each level is where one more unit costs what it saves: over the protection interval for `s` (the
/// EIL condition of Hadley and Whitin, Snyder and Shen (5.17)), over the cycle for `S`; without a fixed cost both are
/// the same.
pub(super) fn levels(outlook: &Outlook, target: Target) -> Result<Levels, PolicyError> {
    let protection = &outlook.protection;
    let lift = (outlook.cycle.mean() - protection.mean()).max(0.0);
    let cycle = Cycle {
        protection,
        lead_time_demand: &outlook.lead,
        lift,
        cycle_demand: outlook.cycle.mean() - outlook.lead.mean(),
    };
    let whole = |level: f64| level.max(0.0).ceil();
    let reorder_point = whole(match target {
        Target::ServiceLevel(level) => for_service_level(protection, level)?.level,
        Target::FillRate(_) if cycle.cycle_demand <= 0.0 => 0.0,
        Target::FillRate(rate) => for_fill_rate(&cycle, rate)?.level,
        Target::Costs => smallest(protection, protection.mean(), |level| {
            outlook.is_enough(protection, level)
        }),
    });
    let order_up_to_level = match target {
        Target::Costs => whole(smallest(&outlook.cycle, outlook.cycle.mean(), |level| {
            outlook.is_enough(&outlook.cycle, level)
        })),
        _ => whole(reorder_point + lift),
    };
    Ok(Levels {
        reorder_point,
        order_up_to_level: order_up_to_level.max(reorder_point),
    })
}
