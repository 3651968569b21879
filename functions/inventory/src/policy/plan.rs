//! One SKU: how much to order now, and why.

use super::constraints::{Change, Constraint, Constraints, Contradiction, Orderable, Room, apply};
use super::costs::{Costs, Target};
use super::distribution::Demand;
use super::error::{MOST_UNITS, PolicyError, days};
use super::horizon::{Forecast, LeadTime};
use super::levels::{Levels, cycle_days, levels};
use super::outlook::{Outcome, Outlook};
use super::position::Stock;
use super::run_out::{RunOut, run_out};
use schemars::JsonSchema;
use serde::Serialize;

/// Everything a plan is made from.
#[derive(Debug, Clone)]
pub struct Sku {
    /// Demand from now on.
    pub forecast: Forecast,
    /// Stock and open orders.
    pub stock: Stock,
    /// From placing an order to its arrival.
    pub lead_time: LeadTime,
    /// Days until the next chance to order; 0 when that is always.
    pub review_period_days: f64,
    /// Minor units of money.
    pub costs: Costs,
    /// What the stock is for.
    pub target: Target,
    /// What limits the order.
    pub constraints: Constraints,
}

/// How a constraint changed the order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "InventoryConstraintEffect")]
pub struct ConstraintEffect {
    /// Which.
    pub constraint: Constraint,
    /// Units before it.
    pub quantity_before: u64,
    /// Units after it.
    pub quantity_after: u64,
    /// Change of the expected cost; negative where the constraint happens to save money.
    pub cost_minor: i64,
    /// Change of the expected lost units.
    pub lost_units: f64,
}

/// An order with its reasons. Quantities in units, money in minor units.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "InventoryPlan")]
pub struct Plan {
    /// On hand, plus what arrives within the protection interval, less what is owed.
    pub inventory_position: i64,
    /// Units on order that arrive within the protection interval.
    pub on_order_inside: u64,
    /// Units on order that arrive too late for it and do not count.
    pub on_order_later: u64,
    /// Expected.
    pub lead_time_days: f64,
    /// As given.
    pub review_period_days: f64,
    /// Expected lead time and review period: what the order must last for. An open order counts when it arrives by then.
    pub protection_days: f64,
    /// Days that an order is meant to last from its arrival.
    pub cycle_days: f64,
    /// Expected demand of the protection interval.
    pub demand_mean: f64,
    /// Its standard deviation.
    pub demand_sd: f64,
    /// The position at or below which an order is due.
    pub reorder_point: i64,
    /// Reorder point less the expected demand of the protection interval.
    pub safety_stock: f64,
    /// The position that an order is meant to reach.
    pub order_up_to_level: i64,
    /// The order before any constraint.
    pub wanted_quantity: u64,
    /// The order.
    pub order_quantity: u64,
    /// What the order leads to.
    pub with_order: Outcome,
    /// What ordering nothing now leads to.
    pub without_order: Outcome,
    /// Units lost before an order placed now can arrive.
    pub unavoidable_lost_units: f64,
    /// Days until the next arrival: of the first open order, or of one placed now.
    pub next_arrival_days: f64,
    /// P(demand until then exceeds what is on hand).
    pub stockout_probability_before_next_arrival: f64,
    /// Weeks that the position lasts at the protection interval's rate of demand; none without demand.
    pub weeks_of_cover: Option<f64>,
    /// Units on hand and on order above the order-up-to level.
    pub overstock_units: u64,
    /// What they cost.
    pub overstock_value_minor: i64,
    /// When stock runs out without a new order.
    pub run_out: RunOut,
    /// Every change from the wanted order to the order, in the order applied.
    pub constraint_effects: Vec<ConstraintEffect>,
    /// The constraint that decided the order: the last that changed it.
    pub binding_constraint: Option<Constraint>,
    /// Why no order is possible, if the constraints contradict each other.
    pub contradiction: Option<Contradiction>,
    #[serde(skip)]
    pub(super) outlook: Outlook,
    #[serde(skip)]
    pub(super) orderable: Orderable,
}

impl Plan {
    /// Moves the order to another quantity and keeps the reason.
    pub(super) fn change_to(&mut self, constraint: Constraint, quantity: u64) {
        if quantity == self.order_quantity {
            return;
        }
        let after = self.outlook.outcome(quantity);
        let cost = |outcome: &Outcome| outcome.expected_cost.total_minor;
        self.constraint_effects.push(ConstraintEffect {
            constraint,
            quantity_before: self.order_quantity,
            quantity_after: quantity,
            cost_minor: cost(&after).saturating_sub(cost(&self.with_order)),
            lost_units: after.expected_lost_units - self.with_order.expected_lost_units,
        });
        self.binding_constraint = Some(constraint);
        self.order_quantity = quantity;
        self.with_order = after;
    }
}

/// Decides the order of one SKU; budgets and supplier minimums over several come after, see [`super::sharing`].
///
/// Errors name the field, its value and its limit.
pub fn plan(sku: &Sku) -> Result<Plan, PolicyError> {
    sku.target.checked()?;
    sku.costs.checked(sku.target)?;
    sku.stock.checked()?;
    sku.constraints.checked()?;
    days("review_period_days", sku.review_period_days)?;
    let mut outlook = outlook(sku)?;
    let levels = levels(&outlook, sku.target)?;
    outlook.order_up_to_level = levels.order_up_to_level;
    let due = outlook.position <= levels.reorder_point;
    let wanted = if due {
        levels.order_up_to_level - outlook.position
    } else {
        0.0
    };
    let wanted = count(wanted.min(MOST_UNITS));
    let room = room(sku, &outlook)?;
    let mut plan = unconstrained(sku, outlook, &levels, wanted)?;
    let (changes, contradiction) = apply(wanted, &sku.constraints, &room);
    for Change {
        constraint, after, ..
    } in changes
    {
        plan.change_to(constraint, after);
    }
    plan.contradiction = contradiction;
    plan.orderable = Orderable::new(&sku.constraints, &room);
    Ok(plan)
}

fn outlook(sku: &Sku) -> Result<Outlook, PolicyError> {
    let demand = |extra_days| sku.lead_time.demand(&sku.forecast, extra_days);
    let lead_time_days = sku.lead_time.mean_days();
    let protection_days = lead_time_days + sku.review_period_days;
    // A day ahead stands for an interval of no length.
    let rate_days = protection_days.max(1.0);
    let daily_demand = sku.forecast.over(rate_days)?.mean() / rate_days;
    let cycle_days = cycle_days(
        sku.review_period_days,
        daily_demand,
        sku.costs.ordering_minor as f64,
        sku.costs.holding_minor_per_unit_day,
    )?;
    let shelf_life = sku.constraints.shelf_life;
    Ok(Outlook {
        lead: demand(0.0)?,
        protection: demand(sku.review_period_days)?,
        cycle: demand(cycle_days)?,
        shelf_life: shelf_life.map(|life| demand(life.days)).transpose()?,
        cycle_days,
        daily_demand,
        position: sku.stock.inventory_position(protection_days) as f64,
        position_at_arrival: sku.stock.inventory_position(lead_time_days) as f64,
        order_up_to_level: 0.0,
        costs: sku.costs,
    })
}

/// What a sum of probabilities may be off by, in units.
const ROUNDING_UNITS: f64 = 1e-9;

fn room(sku: &Sku, outlook: &Outlook) -> Result<Room, PolicyError> {
    let on_shelf = outlook.lead.complementary_loss(outlook.position);
    // Room for a whole unit is not lost to the rounding of what is expected on the shelf.
    let left = |most: f64| count((most - on_shelf + ROUNDING_UNITS).floor());
    let weeks = sku.constraints.maximum_cover_weeks;
    let cover = weeks.map(|weeks| sku.lead_time.demand(&sku.forecast, weeks * 7.0));
    let cover = cover.transpose()?;
    let life = sku.constraints.shelf_life.zip(outlook.shelf_life.as_ref());
    Ok(Room {
        shelf_cap: sku.constraints.shelf_cap.map(|cap| left(cap as f64)),
        maximum_cover: cover.map(|cover| left(cover.mean() - outlook.lead.mean())),
        shelf_life: life.map(|(life, demand)| {
            // Unit `y` sells in time with P(D >= y), which is at least `q` for `y` up to the `1 - q` quantile.
            let last = demand.quantile(1.0 - life.least_sale_probability);
            count((last - outlook.position).floor())
        }),
    })
}

fn unconstrained(
    sku: &Sku,
    outlook: Outlook,
    levels: &Levels,
    wanted: u64,
) -> Result<Plan, PolicyError> {
    let lead_time_days = sku.lead_time.mean_days();
    let protection_days = lead_time_days + sku.review_period_days;
    let inside = sku.stock.arriving_within(protection_days);
    let all = sku.stock.arriving_within(f64::INFINITY);
    let everything = sku.stock.net() as f64 + all as f64;
    let overstock_units = count(everything - levels.order_up_to_level);
    let (next_arrival_days, until_then) = next_arrival(sku, &outlook)?;
    let weekly = 7.0 * outlook.daily_demand;
    let with_order = outlook.outcome(wanted);
    Ok(Plan {
        inventory_position: outlook.position as i64,
        on_order_inside: inside,
        on_order_later: all - inside,
        lead_time_days,
        review_period_days: sku.review_period_days,
        protection_days,
        cycle_days: outlook.cycle_days,
        demand_mean: outlook.protection.mean(),
        demand_sd: outlook.protection.sd(),
        reorder_point: levels.reorder_point as i64,
        safety_stock: levels.reorder_point - outlook.protection.mean(),
        order_up_to_level: levels.order_up_to_level as i64,
        wanted_quantity: wanted,
        order_quantity: wanted,
        with_order,
        without_order: outlook.outcome(0),
        unavoidable_lost_units: outlook.unavoidable_lost_units(),
        next_arrival_days,
        stockout_probability_before_next_arrival: until_then.sf(sku.stock.net() as f64),
        weeks_of_cover: (weekly > 0.0).then(|| outlook.position.max(0.0) / weekly),
        overstock_units,
        overstock_value_minor: sku.costs.value_minor(overstock_units),
        run_out: run_out(&sku.stock, &sku.forecast)?,
        constraint_effects: Vec::new(),
        binding_constraint: None,
        contradiction: None,
        outlook,
        orderable: Orderable::new(&sku.constraints, &Room::default()),
    })
}

/// When the next delivery comes, and the demand until then.
fn next_arrival(sku: &Sku, outlook: &Outlook) -> Result<(f64, Demand), PolicyError> {
    let lead_time_days = sku.lead_time.mean_days();
    match sku.stock.next_arrival_days() {
        Some(days) if days <= lead_time_days => Ok((days, sku.forecast.over(days)?)),
        _ => Ok((lead_time_days, outlook.lead.clone())),
    }
}

/// A number of units, none for what is below one.
#[expect(clippy::cast_sign_loss, reason = "clamped to 0 and more first")]
fn count(units: f64) -> u64 {
    units.clamp(0.0, MOST_UNITS) as u64
}
