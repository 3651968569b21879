//! Orders of many SKUs that share a budget or a supplier's minimum order value.
//!
//! Both are greedy by marginal profit: the next packs go where a unit of money saves most expected cost. With convex
//! costs that is optimal up to the size of one step; the fixed cost of a first pack is met by looking ahead to the
//! first order with the best saving per money.

use super::constraints::{Constraint, Contradiction};
use super::error::{PolicyError, check};
use super::plan::Plan;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::{Borrow, BorrowMut};

/// Most steps that an order is built up in; larger ones take several packs at a time.
const MOST_STEPS: u64 = 32;

/// What a limit over several orders did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "InventorySharedLimit")]
pub struct Shared {
    /// The limit.
    pub limit_minor: i64,
    /// Value of all orders before it.
    pub wanted_minor: i64,
    /// Value of all orders after it.
    pub spent_minor: i64,
    /// Change of the expected cost of all SKUs together.
    pub cost_minor: i64,
    /// Why the limit could not be met.
    pub contradiction: Option<Contradiction>,
}

/// Cuts orders until their value is within the budget, the least useful packs first.
///
/// Orders that cost nothing stay. Every order remains nothing, or whole packs from its minimum up; nothing is raised.
pub fn share_budget(
    plans: &mut [impl BorrowMut<Plan>],
    budget_minor: i64,
) -> Result<Shared, PolicyError> {
    let limit = "0 or more";
    check(
        budget_minor >= 0,
        "budget_minor",
        budget_minor as f64,
        limit,
    )?;
    let wanted_minor = value(plans);
    let before = cost(plans);
    if wanted_minor > budget_minor {
        let orders = cut(plans, budget_minor);
        for (plan, quantity) in plans.iter_mut().zip(orders) {
            plan.borrow_mut().change_to(Constraint::Budget, quantity);
        }
    }
    Ok(Shared {
        limit_minor: budget_minor,
        wanted_minor,
        spent_minor: value(plans),
        cost_minor: cost(plans).saturating_sub(before),
        contradiction: None,
    })
}

/// Orders built up from nothing, but for what is free, as far as the budget goes.
fn cut(plans: &[impl Borrow<Plan>], budget_minor: i64) -> Vec<u64> {
    let plans: Vec<&Plan> = plans.iter().map(Borrow::borrow).collect();
    let free = |plan: &&Plan| plan.outlook.costs.unit_cost_minor == 0;
    let start = |plan| if free(plan) { plan.order_quantity } else { 0 };
    let mut orders: Vec<u64> = plans.iter().map(start).collect();
    let mut left = budget_minor;
    let mut steps: Vec<_> = plans
        .iter()
        .zip(&orders)
        .map(|(plan, now)| best_step(plan, *now, left))
        .collect();
    while let Some((sku, step)) = best(&steps) {
        // What others spent since this step was found may have made it too dear; then a smaller one is looked for.
        if step.value_minor <= left {
            orders[sku] = step.quantity;
            left -= step.value_minor;
        }
        steps[sku] = best_step(plans[sku], orders[sku], left);
    }
    orders
}

/// Raises the orders of one supplier until their value reaches its minimum, by the packs that cost least.
///
/// No order at all is fine. Caps are kept, and `budget_minor`, if any, limits the value of these orders. Where the
/// minimum is out of reach nothing is ordered, and the contradiction says how far the orders could go.
pub fn meet_supplier_minimum(
    plans: &mut [impl BorrowMut<Plan>],
    minimum_minor: i64,
    budget_minor: Option<i64>,
) -> Result<Shared, PolicyError> {
    let limit = "0 or more";
    check(
        minimum_minor >= 0,
        "supplier_minimum_minor",
        minimum_minor as f64,
        limit,
    )?;
    let budget_minor = budget_minor.unwrap_or(i64::MAX);
    check(
        budget_minor >= 0,
        "budget_minor",
        budget_minor as f64,
        limit,
    )?;
    let wanted_minor = value(plans);
    let before = cost(plans);
    let mut contradiction = None;
    if wanted_minor > 0 && wanted_minor < minimum_minor {
        let (orders, reached) = raised(plans, minimum_minor, budget_minor);
        let enough = reached >= minimum_minor;
        contradiction = (!enough).then(|| Contradiction {
            constraint: Constraint::SupplierMinimum,
            smallest: minimum_minor.unsigned_abs(),
            largest: reached.unsigned_abs(),
        });
        for (plan, quantity) in plans.iter_mut().zip(orders) {
            let plan: &mut Plan = plan.borrow_mut();
            let quantity = if enough { quantity } else { 0 };
            plan.change_to(Constraint::SupplierMinimum, quantity);
            plan.contradiction = plan.contradiction.or(contradiction);
        }
    }
    Ok(Shared {
        limit_minor: minimum_minor,
        wanted_minor,
        spent_minor: value(plans),
        cost_minor: cost(plans).saturating_sub(before),
        contradiction,
    })
}

/// Orders raised as far as the minimum needs, and their value.
fn raised(plans: &[impl Borrow<Plan>], minimum_minor: i64, budget_minor: i64) -> (Vec<u64>, i64) {
    let mut orders: Vec<u64> = plans
        .iter()
        .map(|plan| plan.borrow().order_quantity)
        .collect();
    let mut reached = value(plans);
    while reached < minimum_minor {
        let missing = minimum_minor - reached;
        let left = budget_minor.saturating_sub(reached);
        let steps: Vec<_> = plans
            .iter()
            .zip(&orders)
            .map(|(plan, now)| raise(plan.borrow(), *now, missing, left))
            .collect();
        let Some((sku, step)) = best(&steps) else {
            break;
        };
        orders[sku] = step.quantity;
        reached = reached.saturating_add(step.value_minor);
    }
    (orders, reached)
}

/// The next larger order of one SKU.
#[derive(Debug, Clone, Copy)]
struct Step {
    quantity: u64,
    value_minor: i64,
    /// Expected cost saved per money spent.
    gain: f64,
}

/// The SKU whose step saves most per money; the first of equals.
fn best(steps: &[Option<Step>]) -> Option<(usize, Step)> {
    let open = steps
        .iter()
        .enumerate()
        .filter_map(|(sku, step)| Some((sku, (*step)?)));
    open.reduce(|best, next| {
        if next.1.gain > best.1.gain {
            next
        } else {
            best
        }
    })
}

fn step(plan: &Plan, now: u64, quantity: u64) -> Step {
    let value_minor = plan.outlook.costs.value_minor(quantity - now);
    let saved = plan.outlook.cost(now) - plan.outlook.cost(quantity);
    Step {
        quantity,
        value_minor,
        gain: saved / value_minor as f64,
    }
}

/// The most useful affordable way on from `now` towards the order that was wanted.
fn best_step(plan: &Plan, now: u64, left_minor: i64) -> Option<Step> {
    let pack = plan.orderable.pack;
    let most = plan
        .order_quantity
        .min(now.saturating_add(affordable(plan, left_minor)));
    let from = if now == 0 {
        plan.orderable.smallest
    } else {
        now + pack
    };
    if from > most {
        return None;
    }
    let stride = most.div_ceil(pack * MOST_STEPS).max(1) * pack;
    if now > 0 {
        return Some(step(plan, now, (now + stride).min(most)));
    }
    // The fixed cost of ordering at all is spread over the whole first order.
    let sizes = (from..most).step_by(stride as usize).chain([most]);
    sizes
        .map(|quantity| step(plan, now, quantity))
        .reduce(|best, next| if next.gain > best.gain { next } else { best })
}

/// The next step up for the supplier's minimum: no further than what is missing needs.
fn raise(plan: &Plan, now: u64, missing_minor: i64, left_minor: i64) -> Option<Step> {
    let unit_cost = u64::try_from(plan.outlook.costs.unit_cost_minor)
        .ok()
        .filter(|cost| *cost > 0)?;
    let pack = plan.orderable.pack;
    let needed = missing_minor.unsigned_abs().div_ceil(unit_cost);
    let units = needed.div_ceil(MOST_STEPS).next_multiple_of(pack);
    let quantity = if now == 0 {
        units.max(plan.orderable.smallest)
    } else {
        now.saturating_add(units)
    };
    let most = now.saturating_add(affordable(plan, left_minor));
    let quantity = quantity.min(plan.orderable.largest).min(most);
    let possible = quantity > now && quantity >= plan.orderable.smallest;
    possible.then(|| step(plan, now, quantity))
}

fn value(plans: &[impl Borrow<Plan>]) -> i64 {
    let values = plans
        .iter()
        .map(|plan| plan.borrow().with_order.order_value_minor);
    values.fold(0, i64::saturating_add)
}

fn cost(plans: &[impl Borrow<Plan>]) -> i64 {
    let costs = plans
        .iter()
        .map(|plan| plan.borrow().with_order.expected_cost.total_minor);
    costs.fold(0, i64::saturating_add)
}

/// Whole packs that the money still buys, in units.
fn affordable(plan: &Plan, left_minor: i64) -> u64 {
    let units = left_minor / plan.outlook.costs.unit_cost_minor.max(1);
    let pack = plan.orderable.pack;
    u64::try_from(units).unwrap_or(0) / pack * pack
}
