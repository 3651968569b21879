//! Policy simulation: how ordering rules would have done over weeks whose true demand is known.
//!
//! Every rule gets the same products, the same stock on the first day and the same deliveries: how long one takes
//! depends on product and day only, so what differs between rules is what they order (common random numbers). The loop
//! is closed: a rule sees the shop's record of the days before, then only what it sold itself and on which days its own
//! shelf was empty, never the demand it missed. The order of a day: deliveries, the review with its order, opening of the
//! shop, sales; what cannot be served is lost.
//!
//! The first [`WARM_UP_DAYS`] days are simulated and not counted, so that no rule is judged by the stock it was given.

mod clock;
mod compare;
mod figures;
pub mod rules;
mod shelf;
mod table;
#[cfg(test)]
mod tests;
mod world;

pub use clock::{Placed, Replayed, replay};
pub use compare::{Outcome, RuleOutcome};
pub use figures::{MEASURES, Measure, Tally};
pub use shelf::Shelf;
pub use world::{Deliveries, Period, Product, World};

use crate::assess::{Failure, test_cutoffs};
use crate::entity::Entity;
use crate::histories::Histories;
use crate::shop::{Shop, Stock};
use crate::simulate::{LeadTime, Simulator};
use features::demand::{SkuHistory, day_of};
use features::time::LocalDay;
use inventory::Inventory;
use inventory::planning::{LeadTimeRule, PlanningPolicy};
use rules::{CurrentRule, Rule, SesNormal, Storecast};
use serving::predictor::Served;
use world::{Planning, choose, products};

/// Days before the first counted day: four reviews, and twice the longest lead time.
pub const WARM_UP_DAYS: i32 = 28;
/// Products that are replayed unless told otherwise: enough for narrow intervals within a minute.
pub const PRODUCTS: usize = 3000;

/// What to replay.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Products at most, chosen by a hash of their ids.
    pub products: usize,
    /// The first day that is not replayed; the end of the data when left out.
    pub until: Option<LocalDay>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            products: PRODUCTS,
            until: None,
        }
    }
}

/// Replays a shop's held-out weeks, from the first test snapshot of the model on, under the shop's current rule, SES with
/// normal errors, and the model in service.
pub fn run(
    shop: &Shop,
    histories: &Histories,
    served: &Served<Inventory>,
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let tested = test_cutoffs(&served.model.manifest)?;
    let first = tested.test.iter().min();
    let counted_from = day_of(*first.ok_or("the manifest names no test snapshot")?);
    let period = Period {
        warm_up_from: LocalDay(counted_from.0 - WARM_UP_DAYS),
        counted_from,
        until: settings.until.unwrap_or(day_of(histories.known_days().1)),
    };
    let current = CurrentRule::new(current_policy(shop, &served.policy));
    let planning = Planning {
        policy: &served.policy,
        current: &current,
    };
    let world = World {
        products: load(histories, &period, planning, settings.products)?,
        period,
        currency: served.policy.currency.clone(),
        minor_per_major: served.model.artifacts.minor_per_major,
    };
    if world.products.is_empty() || period.until <= counted_from {
        return Err("simulate: no product or no day to replay".into());
    }
    let ses_normal = SesNormal::new(&served.policy);
    compare(&world, &[&current, &ses_normal, &Storecast::new(served)])
}

/// The policy that made up the shop's stock, or for a shop that knows its stock the same textbook rule.
fn current_policy(shop: &Shop, policy: &PlanningPolicy) -> Simulator {
    if let Some(Stock::Simulated(simulator)) = &shop.stock {
        return simulator.clone();
    }
    let lead_times = match &policy.defaults.lead_time {
        LeadTimeRule::Days(days) => vec![(*days, 1.0)],
        LeadTimeRule::Distribution(parts) => parts
            .iter()
            .map(|part| (part.days, part.probability))
            .collect(),
    };
    let lead_time = |(days, share): (f64, f64)| LeadTime {
        days: whole_days(days),
        share,
    };
    Simulator {
        seed: 0,
        launch_days: 28,
        review_days: whole_days(policy.defaults.review_period_days),
        window_days: 56,
        cover_days: 14.0,
        safety_factor: 2.0,
        slow_safety_factor: 0.0,
        slow_below_per_day: 0.15,
        lead_times: lead_times.into_iter().map(lead_time).collect(),
    }
}

/// At least one, as shelves are looked at in the morning.
#[expect(clippy::cast_sign_loss, reason = "held at 1 or more first")]
fn whole_days(days: f64) -> u32 {
    days.ceil().max(1.0) as u32
}

/// The products with what the shop recorded and what was really wanted: where the stock is not made up, what the shop
/// recorded is all that is known of either.
fn load(
    histories: &Histories,
    period: &Period,
    planning: Planning<'_>,
    count: usize,
) -> Result<Vec<Product>, Failure> {
    let chosen = choose(SkuHistory::all(histories), period, count)?;
    let truths = histories.true_skus().unwrap_or_else(|| histories.skus());
    Ok(products(chosen, truths, period, planning)?)
}

/// Replays the same days under every rule.
pub fn compare(world: &World, rules: &[&dyn Rule]) -> Result<Outcome, Failure> {
    let outcomes = rules.iter().map(|rule| {
        let replayed = replay(world, *rule)?;
        Ok(RuleOutcome {
            name: rule.name(),
            tallies: replayed.tallies,
        })
    });
    Ok(Outcome {
        rules: outcomes.collect::<Result<_, Failure>>()?,
        classes: world.products.iter().map(|product| product.class).collect(),
        counted_days: world.period.counted_days(),
        currency: world.currency.clone(),
        minor_per_major: world.minor_per_major,
    })
}
