//! What an order is planned with beside forecast and stock: as the request says, or as the shop's rules have it.

use crate::api::Sku;
use crate::planning::{CostRules, LeadTimeRule, PlanningPolicy, Rules};
use crate::policy::{self, Constraints, Costs, Forecast, Plan, PolicyError, Stock, Target, plan};
use crate::{Case, KnownSku};
use features::demand::view::Window;

const DAYS_PER_YEAR: f64 = 365.0;

/// All but forecast and stock.
pub(crate) struct Terms {
    pub(crate) lead_time: LeadTimeRule,
    pub(crate) review_period_days: f64,
    pub(crate) target: Target,
    pub(crate) costs: Costs,
    pub(crate) costs_from: &'static str,
    pub(crate) constraints: Constraints,
}

impl Terms {
    /// What the request leaves out comes from the rules.
    pub(crate) fn of(sku: &Sku, known: &KnownSku, rules: &Rules) -> Self {
        let (costs, costs_from) = costs(sku, known, rules);
        Self {
            lead_time: sku.lead_time.as_ref().unwrap_or(&rules.lead_time).clone(),
            review_period_days: sku.review_period_days.unwrap_or(rules.review_period_days),
            target: sku.target.unwrap_or(rules.target),
            costs,
            costs_from,
            constraints: sku.constraints.unwrap_or(rules.constraints),
        }
    }

    pub(crate) fn plan(&self, forecast: Forecast, stock: Stock) -> Result<Plan, PolicyError> {
        plan(&policy::Sku {
            forecast,
            stock,
            lead_time: self.lead_time.lead_time()?,
            review_period_days: self.review_period_days,
            costs: self.costs,
            target: self.target,
            constraints: self.constraints,
        })
    }
}

/// The plan that an answer holds for a SKU of which a request names the stock and nothing else, from any forecast of
/// its demand; `None` for a SKU that is not known.
///
/// Errors name the field, its value and its limit.
pub fn plan_by_rules(
    case: &Case,
    demand: Forecast,
    stock: Stock,
    policy: &PlanningPolicy,
) -> Result<Option<Plan>, PolicyError> {
    let Some(known) = &case.known else {
        return Ok(None);
    };
    let rules = policy.rules(&known.history.demand.category);
    let nothing_said = Sku::named(String::new(), None);
    let terms = Terms::of(&nothing_said, known, rules);
    terms.plan(demand, stock).map(Some)
}

/// Costs as the request says, or as shares of the usual price.
fn costs(sku: &Sku, known: &KnownSku, rules: &Rules) -> (Costs, &'static str) {
    if let Some(costs) = sku.costs {
        return (costs, "request");
    }
    let price_minor = known.view().window(Window::D112).price_minor();
    if price_minor.is_finite() {
        (costs_of_price(price_minor, &rules.costs), "price")
    } else {
        (costs_of_price(0.0, &rules.costs), "no price")
    }
}

/// The costs that a price and the shop's shares lead to; a missed sale costs its margin.
pub fn costs_of_price(price_minor: f64, rules: &CostRules) -> Costs {
    let unit_cost = price_minor * rules.unit_cost_share;
    Costs {
        unit_cost_minor: unit_cost.round() as i64,
        holding_minor_per_unit_day: unit_cost * rules.holding_share_per_year / DAYS_PER_YEAR,
        stockout_minor_per_unit: price_minor - unit_cost,
        ordering_minor: rules.ordering_minor,
    }
}
