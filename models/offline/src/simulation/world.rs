//! What every rule meets: products with their true demand, and deliveries.

use super::rules::CurrentRule;
use crate::evaluate::forecast::DemandClass;
use crate::simulate::{fnv1a, mix, uniform};
use features::demand::view::{DemandView, RECORD_DAYS, Window, weekly_units};
use features::demand::{DemandDay, DemandHistory, SkuHistory, day_start};
use features::history::History;
use features::time::LocalDay;
use inventory::costs_of_price;
use inventory::features::in_trained_population;
use inventory::planning::{LeadTimeRule, PlanningPolicy, Rules};
use inventory::policy::{Costs, Target};
use std::collections::BTreeMap;

/// Days of a simulation; each begins where the one before ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first simulated day.
    pub warm_up_from: LocalDay,
    /// The first day that counts.
    pub counted_from: LocalDay,
    /// The first day that is not simulated.
    pub until: LocalDay,
}

impl Period {
    /// How many days count.
    pub fn counted_days(&self) -> f64 {
        f64::from(self.until.0 - self.counted_from.0)
    }
}

/// How long deliveries take.
#[derive(Debug, Clone, PartialEq)]
pub struct Deliveries {
    /// Whole days, with the probability of these or fewer.
    cumulated: Vec<(i32, f64)>,
}

impl Deliveries {
    /// Part days count as whole ones: a shelf is filled in the morning.
    pub fn of(rule: &LeadTimeRule) -> Self {
        let whole = |days: f64| days.ceil() as i32;
        let cumulated = match rule {
            LeadTimeRule::Days(days) => vec![(whole(*days), 1.0)],
            LeadTimeRule::Distribution(parts) => {
                let sums = parts.iter().scan(0.0, |sum, part| {
                    *sum += part.probability;
                    Some((whole(part.days), *sum))
                });
                sums.collect()
            }
        };
        Self { cumulated }
    }

    /// The days that go with a number from 0 to 1.
    fn days(&self, uniform: f64) -> i32 {
        let drawn = self.cumulated.iter().find(|(_, sum)| uniform < *sum);
        drawn.or(self.cumulated.last()).map_or(0, |(days, _)| *days)
    }
}

/// One product. Rules see `before` only.
#[derive(Debug, Clone)]
pub struct Product {
    /// The shop's id.
    pub id: String,
    /// As the record showed it on the first counted day; `None` without a sale in it.
    pub class: Option<DemandClass>,
    /// The shop's record up to the simulation, with the category's over all days.
    pub before: SkuHistory,
    /// Stock at the first opening, thousandths of a unit.
    pub opening_milli: i64,
    /// What its stock, missed sales and orders cost, for every rule.
    pub costs: Costs,
    /// Where the target is one.
    pub fill_rate_target: Option<f64>,
    /// Mean true demand of the counted days.
    pub units_per_day: f64,
    /// Days from one review to the next.
    pub review_days: i32,
    /// How long orders take.
    pub deliveries: Deliveries,
    seed: u64,
    truth: DemandHistory,
}

impl Product {
    /// Whether orders can be placed on a day.
    pub fn is_reviewed(&self, today: LocalDay) -> bool {
        let phase = self.seed % u64::from(self.review_days.unsigned_abs());
        i64::from(today.0).rem_euclid(i64::from(self.review_days)) == phase.cast_signed()
    }

    /// When an order of a day arrives, whoever placed it.
    pub fn arrival(&self, today: LocalDay) -> LocalDay {
        let days = self.deliveries.days(uniform(self.seed, today));
        LocalDay(today.0.saturating_add(days))
    }

    /// The true demand of a day.
    pub fn wanted(&self, today: LocalDay) -> Option<&DemandDay> {
        self.truth.within(today, LocalDay(today.0 + 1)).first()
    }
}

/// What products are planned with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planning<'a> {
    /// Lead times, review periods, targets and costs.
    pub policy: &'a PlanningPolicy,
    /// Fills the shelves for the first day.
    pub current: &'a CurrentRule,
}

/// Products and days.
#[derive(Debug, Clone)]
pub struct World {
    /// In the order of a hash of their ids.
    pub products: Vec<Product>,
    /// The days.
    pub period: Period,
    /// ISO 4217.
    pub currency: String,
    /// Minor units in one unit of the currency.
    pub minor_per_major: u32,
}

/// A product and its record, by the hash of its id.
pub(super) type Chosen = BTreeMap<(u64, String), SkuHistory>;

/// The products that the model was trained for as the first counted day began and that had a price, or `count` of them by a hash of
/// their ids: the same ones on every host.
pub(super) fn choose<E>(
    records: impl Iterator<Item = Result<(String, SkuHistory), E>>,
    period: &Period,
    count: usize,
) -> Result<Chosen, E> {
    let mut chosen = Chosen::new();
    for record in records {
        let (id, sku) = record?;
        let hash = mix(fnv1a(&id));
        let far = chosen.len() >= count && chosen.last_key_value().is_some_and(|(k, _)| hash > k.0);
        if far {
            continue;
        }
        let view = DemandView::new(&sku, period.counted_from);
        if !in_trained_population(&view) || !has_price(&view) {
            continue;
        }
        chosen.insert((hash, id), sku);
        if chosen.len() > count {
            chosen.pop_last();
        }
    }
    Ok(chosen)
}

/// Chosen products with their true demand, in the order chosen; one without any true demand is left out.
pub(super) fn products<E>(
    chosen: Chosen,
    truths: impl Iterator<Item = Result<(String, DemandHistory), E>>,
    period: &Period,
    planning: Planning<'_>,
) -> Result<Vec<Product>, E> {
    let mut left: BTreeMap<String, (u64, SkuHistory)> = chosen
        .into_iter()
        .map(|((hash, id), sku)| (id, (hash, sku)))
        .collect();
    let mut found = BTreeMap::new();
    for truth in truths {
        let (id, truth) = truth?;
        if let Some((hash, record)) = left.remove(&id) {
            let product = Product::new(id.clone(), &record, truth, period, planning);
            found.insert((hash, id), product);
        }
    }
    Ok(found.into_values().collect())
}

impl Product {
    /// A product whose shop recorded `record` and whose customers wanted `truth`.
    pub(super) fn new(
        id: String,
        record: &SkuHistory,
        truth: DemandHistory,
        period: &Period,
        planning: Planning<'_>,
    ) -> Self {
        let rules = planning.policy.rules(&record.demand.category);
        let before = before(record, period.warm_up_from);
        let counted = truth.units(period.counted_from, period.until);
        let (_, opening_milli) = planning.current.levels(&before.demand, period.warm_up_from);
        Self {
            class: class(&record.demand, period.counted_from),
            opening_milli,
            costs: costs(record, rules, period.counted_from),
            fill_rate_target: match rules.target {
                Target::FillRate(rate) => Some(rate),
                _ => None,
            },
            units_per_day: counted / period.counted_days().max(1.0),
            review_days: (rules.review_period_days.ceil() as i32).max(1),
            deliveries: Deliveries::of(&rules.lead_time),
            seed: mix(fnv1a(&id)),
            before,
            truth,
            id,
        }
    }
}

/// By the weeks of the record before a day.
fn class(history: &DemandHistory, today: LocalDay) -> Option<DemandClass> {
    let earliest = LocalDay(today.0.saturating_sub(RECORD_DAYS));
    let first = history.first_sale()?;
    DemandClass::of(&weekly_units(history, first.max(earliest), today))
}

/// The part of a record that is known as a day begins. Promotions stay: each says itself from when it is known.
fn before(record: &SkuHistory, today: LocalDay) -> SkuHistory {
    SkuHistory {
        demand: DemandHistory {
            promotions: record.demand.promotions.clone(),
            ..record.demand.known_before(day_start(today))
        },
        category: record.category.clone(),
    }
}

/// Costs by the price that the shop's record shows, the same for every rule.
fn costs(record: &SkuHistory, rules: &Rules, today: LocalDay) -> Costs {
    let view = DemandView::new(record, today);
    costs_of_price(view.window(Window::D112).price_minor(), &rules.costs)
}

/// What is given away costs nothing to miss, so that no rule can be better than another.
fn has_price(view: &DemandView) -> bool {
    view.window(Window::D112).price_minor() > 0.0
}
