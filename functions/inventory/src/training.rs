//! What training needs of inventory: the population, the labels, and what is fitted first.

use crate::features::{Artifacts, in_trained_population};
use crate::inline::InlineDemand;
use crate::{Case, Inventory, KnownSku};
use features::demand::view::RECORD_DAYS;
use features::demand::{DemandHistory, SkuHistory, day_of};
use features::time::{LocalDay, Timestamp};
use serde_json::json;
use serving::predictor::{Example, Outcome, Train, TrainingSettings};
use serving::wire::format_instant;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days ahead that the model learns: from a short lead time to a long one with its review period.
pub const HORIZONS_DAYS: [u16; 4] = [7, 14, 28, 42];
/// Days from the first sale that make the launch of a SKU.
const LAUNCH_DAYS: i32 = 56;
/// Launches of a category below which its own prior says nothing.
const LEAST_LAUNCHES: usize = 20;

impl Train for Inventory {
    type History = SkuHistory;
    const EXTRAS: &'static [&'static str] = &["horizon_days", "exposed_days", "log_offset"];

    fn fit(
        histories: &mut dyn Iterator<Item = (String, SkuHistory)>,
        cutoff: Timestamp,
        settings: &TrainingSettings,
    ) -> Result<Artifacts, String> {
        let until = day_of(cutoff);
        let launches = histories.filter_map(|(_, sku)| Launch::of(&sku.demand, until));
        Ok(Artifacts {
            horizons_days: HORIZONS_DAYS.to_vec(),
            currency: settings.currency.clone(),
            minor_per_major: settings.minor_per_major,
            fitted_before: format_instant(cutoff),
            launch_units_per_day: launch_rates(&launches.collect::<Vec<_>>()),
        })
    }

    fn example(
        history: &Arc<SkuHistory>,
        as_of: Timestamp,
        artifacts: &Artifacts,
    ) -> Option<Example<Case>> {
        let as_of = day_of(as_of);
        let known = KnownSku::new(Arc::clone(history), as_of);
        if !in_trained_population(known.view()) {
            return None;
        }
        let level_per_day = known.view().level_per_day;
        let demand = &history.demand;
        let outcome = |horizon_days: &u16| {
            let until = LocalDay(as_of.0.saturating_add(i32::from(*horizon_days)));
            let exposed_days = demand.exposed_days(as_of, until) as f64;
            Outcome {
                label: demand.units(as_of, until) as f32,
                extras: vec![
                    f32::from(*horizon_days),
                    exposed_days as f32,
                    libm::log(level_per_day * exposed_days) as f32,
                ],
            }
        };
        let outcomes = artifacts.horizons_days.iter().map(outcome).collect();
        Some(Example {
            case: Case::of(known),
            outcomes,
        })
    }

    fn golden_entity(history: &SkuHistory, case: &Case, row: usize) -> serde_json::Value {
        let category = history.category.as_ref();
        let category = category.map(|c| InlineDemand::from_history(&record(c, case.as_of())));
        json!({
            "history": InlineDemand::from_history(&history.demand),
            "category": category,
            "horizon_days": HORIZONS_DAYS[row],
        })
    }

    fn warnings(artifacts: &Artifacts) -> Vec<String> {
        let none = artifacts.launch_units_per_day.is_empty();
        let text = format!(
            "fewer than {LEAST_LAUNCHES} SKUs were launched before the first snapshot: a new SKU has no prior"
        );
        none.then_some(text).into_iter().collect()
    }
}

/// The part of a category's history that features look at, and one day more: its age must not change.
fn record(category: &DemandHistory, as_of: LocalDay) -> DemandHistory {
    let from = LocalDay(as_of.0.saturating_sub(RECORD_DAYS + 1));
    DemandHistory {
        days: category.within(from, as_of).to_vec(),
        ..DemandHistory::default()
    }
}

/// The first weeks of a SKU.
struct Launch {
    category: String,
    first_sale: LocalDay,
    units: f64,
    exposed_days: f64,
}

impl Launch {
    /// `None` for a launch that is not over by `until`.
    fn of(history: &DemandHistory, until: LocalDay) -> Option<Self> {
        let first_sale = history.first_sale()?;
        let end = LocalDay(first_sale.0.saturating_add(LAUNCH_DAYS));
        (end <= until).then(|| Self {
            category: history.category.clone(),
            first_sale,
            units: history.units(first_sale, end),
            exposed_days: history.exposed_days(first_sale, end) as f64,
        })
    }
}

/// Units per exposed day by category, and under the empty name of all. What was sold from the first weeks of the data on
/// may have been sold long before; it is no launch.
fn launch_rates(seen: &[Launch]) -> BTreeMap<String, f64> {
    let data_begins = seen.iter().map(|launch| launch.first_sale).min();
    let data_begins = data_begins.map_or(i32::MAX, |day| day.0.saturating_add(LAUNCH_DAYS));
    let mut totals: BTreeMap<&str, (usize, f64, f64)> = BTreeMap::new();
    for launch in seen
        .iter()
        .filter(|launch| launch.first_sale.0 >= data_begins)
    {
        let names = [launch.category.as_str(), ""];
        let distinct = if launch.category.is_empty() {
            1..2
        } else {
            0..2
        };
        for name in &names[distinct] {
            let (count, units, days) = totals.entry(name).or_default();
            (*count, *units, *days) = (
                *count + 1,
                *units + launch.units,
                *days + launch.exposed_days,
            );
        }
    }
    let enough = totals
        .into_iter()
        .filter(|(_, (count, ..))| *count >= LEAST_LAUNCHES);
    enough
        .map(|(name, (_, units, days))| (name.to_owned(), units / days.max(1.0)))
        .collect()
}
