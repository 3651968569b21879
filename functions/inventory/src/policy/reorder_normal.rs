//! (r, Q) under normal lead-time demand: the exact optimum and the four classic approximations.
//!
//! Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., sections 5.2 and 5.3; Hadley and Whitin (1963),
//! Analysis of Inventory Systems; Zheng (1992), On Properties of Stochastic Inventory Systems, Management Science 38(1).

use super::distribution::Demand;
use super::error::{PolicyError, check};
use super::lot_size::{Steady, economic_order_quantity, economic_order_quantity_with_backorders};
use super::reorder_point::{ReorderPolicy, ReorderTerms};
use super::search::first_real;
use libm::sqrt;

/// Rounds of a fixed-point iteration before it is called divergent; the classic ones need about ten.
const MOST_ROUNDS: u32 = 10_000;

/// Expected-inventory-level approximation of Whitin and of Hadley and Whitin: (5.17) and (5.18) in turn.
///
/// Here `stockout` is per unit missing, however long. Its cost is the approximate one, (5.16).
pub fn expected_inventory_level(terms: &ReorderTerms<'_>) -> Result<ReorderPolicy, PolicyError> {
    let (terms, demand) = continuous(terms)?;
    let (h, p, rate) = (
        terms.unit_costs.holding,
        terms.unit_costs.stockout,
        terms.demand_rate,
    );
    let mut order_quantity = lot(&terms)?;
    let mut reorder_point = f64::NEG_INFINITY;
    for _ in 0..MOST_ROUNDS {
        let risk = order_quantity * h / (p * rate);
        let limit = "below 1: a lot must cost less to hold than a shortage in each of its cycles";
        check(
            risk < 1.0,
            "holding cost of a lot over stock-out cost",
            risk,
            limit,
        )?;
        let next_point = demand.quantile(1.0 - risk);
        let next = sqrt(2.0 * rate * (terms.fixed_cost + p * demand.loss(next_point)) / h);
        let settled = close(next, order_quantity) && close(next_point, reorder_point);
        (order_quantity, reorder_point) = (next, next_point);
        if settled {
            break;
        }
    }
    let ordering = terms.fixed_cost + p * demand.loss(reorder_point);
    Ok(ReorderPolicy {
        reorder_point,
        order_quantity,
        cost: h * (reorder_point - demand.mean() + order_quantity / 2.0)
            + ordering * rate / order_quantity,
    })
}

/// The lot of EOQ with backorders, with the best reorder point for it: `g(r) = g(r + Q)`, (3.27) and (5.9).
pub fn backordered_lot(terms: &ReorderTerms<'_>) -> Result<ReorderPolicy, PolicyError> {
    let (terms, _) = continuous(terms)?;
    let stockout = terms.unit_costs.stockout;
    let order_quantity =
        economic_order_quantity_with_backorders(steady(&terms), stockout)?.order_quantity;
    with_cost(&terms, best_point(&terms, order_quantity), order_quantity)
}

/// EOQ for the lot, a newsvendor for the reorder point: (3.4) and (5.21).
pub fn lot_with_safety_stock(terms: &ReorderTerms<'_>) -> Result<ReorderPolicy, PolicyError> {
    let (terms, demand) = continuous(terms)?;
    let order_quantity = lot(&terms)?;
    let reorder_point = demand.quantile(terms.unit_costs.critical_ratio());
    with_cost(&terms, reorder_point, order_quantity)
}

/// Hadley and Whitin's loss-function approximation: (5.28) and (5.29) in turn.
pub fn loss_function(terms: &ReorderTerms<'_>) -> Result<ReorderPolicy, PolicyError> {
    let (terms, demand) = continuous(terms)?;
    let h = terms.unit_costs.holding;
    let both = h + terms.unit_costs.stockout;
    let mut order_quantity = lot(&terms)?;
    let mut reorder_point = f64::NEG_INFINITY;
    for _ in 0..MOST_ROUNDS {
        let next_point = loss_inverse(demand, h * order_quantity / both);
        let ordering = terms.fixed_cost * terms.demand_rate;
        let next = sqrt(2.0 * (ordering + both * demand.second_loss(next_point)) / h);
        let settled = close(next, order_quantity) && close(next_point, reorder_point);
        (order_quantity, reorder_point) = (next, next_point);
        if settled {
            break;
        }
    }
    with_cost(&terms, reorder_point, order_quantity)
}

/// The best (r, Q): at the best lot the average cost equals the cost of either end, `g(r) = g(r + Q) = g(r, Q)`
/// (Zheng 1992), and the difference changes sign once.
pub fn reorder_continuous(terms: &ReorderTerms<'_>) -> Result<ReorderPolicy, PolicyError> {
    let (terms, demand) = continuous(terms)?;
    let too_small = |q: f64| {
        let r = best_point(&terms, q);
        let end = terms.unit_costs.expected(demand, r);
        terms.cost(r, q).is_ok_and(|average| average > end)
    };
    let (mut low, mut high) = (0.0, lot(&terms)?.max(demand.sd()));
    while too_small(high) {
        low = high;
        high *= 2.0;
    }
    let order_quantity = first_real(low, high, |q| !too_small(q));
    with_cost(&terms, best_point(&terms, order_quantity), order_quantity)
}

/// The reorder point that is best for a lot: `g(r) = g(r + Q)` with `g` convex (5.9).
fn best_point(terms: &ReorderTerms<'_>, order_quantity: f64) -> f64 {
    let cost = |y: f64| terms.unit_costs.expected(terms.lead_time_demand, y);
    let top = terms
        .lead_time_demand
        .quantile(terms.unit_costs.critical_ratio());
    first_real(top - order_quantity, top, |r| {
        cost(r) <= cost(r + order_quantity)
    })
}

/// The `x` at which the loss has fallen to `missing`.
fn loss_inverse(demand: &Demand, missing: f64) -> f64 {
    let mut reach = demand.sd().max(missing);
    while demand.loss(demand.mean() + reach) > missing {
        reach *= 2.0;
    }
    first_real(
        demand.mean() - missing - reach,
        demand.mean() + reach,
        |x| demand.loss(x) <= missing,
    )
}

fn continuous<'a>(terms: &ReorderTerms<'a>) -> Result<(ReorderTerms<'a>, &'a Demand), PolicyError> {
    let terms = terms.checked()?;
    let (demand, rate) = (terms.lead_time_demand, terms.demand_rate);
    let sd = demand.sd();
    check(
        !demand.is_discrete(),
        "lead_time_demand",
        demand.mean(),
        "a continuous law",
    )?;
    check(sd > 0.0, "demand_sd", sd, "above 0")?;
    check(rate > 0.0, "demand_rate", rate, "above 0")?;
    check(
        terms.fixed_cost > 0.0,
        "fixed_cost",
        terms.fixed_cost,
        "above 0: a lot must be worth making",
    )?;
    Ok((terms, demand))
}

fn steady(terms: &ReorderTerms<'_>) -> Steady {
    Steady {
        fixed_cost: terms.fixed_cost,
        holding: terms.unit_costs.holding,
        demand_rate: terms.demand_rate,
    }
}

fn lot(terms: &ReorderTerms<'_>) -> Result<f64, PolicyError> {
    Ok(economic_order_quantity(steady(terms))?.order_quantity)
}

fn with_cost(
    terms: &ReorderTerms<'_>,
    reorder_point: f64,
    order_quantity: f64,
) -> Result<ReorderPolicy, PolicyError> {
    Ok(ReorderPolicy {
        reorder_point,
        order_quantity,
        cost: terms.cost(reorder_point, order_quantity)?,
    })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + a.abs())
}
