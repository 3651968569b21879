//! Which periods to order in when the demand of each is known: dynamic lot sizing.
//!
//! Wagner and Whitin (1958), Dynamic Version of the Economic Lot Size Model, Management Science 5(1);
//! Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., section 3.7, algorithm 3.1.

use super::error::{PolicyError, check, non_negative};
use serde::Serialize;

/// Orders of each period and what they cost together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schedule {
    /// Units ordered at the start of each period.
    pub order_quantities: Vec<f64>,
    /// Ordering and holding over all periods.
    pub cost: f64,
}

/// Most periods: the work grows with their square.
const MOST_PERIODS: usize = 5_000;

/// The cheapest schedule that meets every period's demand from stock.
///
/// `holding` is per unit and period, `fixed_cost` per order. A stretch without demand needs no order.
pub fn wagner_whitin(
    demand: &[f64],
    fixed_cost: f64,
    holding: f64,
) -> Result<Schedule, PolicyError> {
    let periods = demand.len();
    let limit = "5000 periods or fewer";
    check(periods <= MOST_PERIODS, "periods", periods as f64, limit)?;
    non_negative("fixed_cost", fixed_cost)?;
    non_negative("holding", holding)?;
    for units in demand {
        non_negative("demand", *units)?;
    }
    // From each period on: the least cost, and the period of the order after this one.
    let mut cost_from = vec![0.0; periods + 1];
    let mut next_order = vec![periods; periods];
    for start in (0..periods).rev() {
        (cost_from[start], next_order[start]) = best_stretch(&Stretch {
            demand: &demand[start..],
            cost_after: &cost_from[start + 1..],
            start,
            fixed_cost,
            holding,
        });
    }
    Ok(Schedule {
        order_quantities: orders(demand, &next_order),
        cost: cost_from[0],
    })
}

struct Stretch<'a> {
    demand: &'a [f64],
    cost_after: &'a [f64],
    start: usize,
    fixed_cost: f64,
    holding: f64,
}

fn best_stretch(from: &Stretch<'_>) -> (f64, usize) {
    let mut best = (f64::INFINITY, from.start + 1);
    let (mut ordered, mut held) = (0.0, 0.0);
    for (age, (units, after)) in from.demand.iter().zip(from.cost_after).enumerate() {
        ordered += units;
        held += from.holding * age as f64 * units;
        let order = if ordered > 0.0 { from.fixed_cost } else { 0.0 };
        let cost = order + held + after;
        if cost < best.0 {
            best = (cost, from.start + age + 1);
        }
    }
    best
}

fn orders(demand: &[f64], next_order: &[usize]) -> Vec<f64> {
    let mut orders = vec![0.0; demand.len()];
    let mut start = 0;
    while start < demand.len() {
        let end = next_order[start];
        orders[start] = demand[start..end].iter().sum();
        start = end;
    }
    orders
}
