//! Inventory: means and distributions of demand beside seven simpler methods, judged by the true demand.
//!
//! Forecasts see what the shop saw: sales on days with stock. What they are judged by is the demand itself where a
//! simulator made up the stock, and elsewhere what was sold on days in stock, the forecast being cut to those days.

mod rivals;
mod windows;

use super::{Assess, Assessed, BAR_SHOP, Failure, test_cutoffs};
use crate::entity::Entity;
use crate::evaluate::forecast::{ForecastBars, evaluate_forecast, evaluate_part, forecast_curves};
use crate::evaluate::{Bar, Bootstrap, INVENTORY_BARS, INVENTORY_ORIGIN_BARS, MetricLine};
use crate::gates::MainMetric;
use crate::histories::Histories;
use crate::model_folder;
use crate::shop::Shop;
use crate::simulation::{self, Settings};
use features::demand::{DemandHistory, SkuHistory, day_of};
use features::time::LocalDay;
use inventory::Inventory;
use rivals::FittedRivals;
use serving::predictor::{Model, Predictor};
use serving::registry::{verify_model, with_policy};
use std::path::Path;
use std::sync::Arc;
pub(crate) use windows::demand_within;
use windows::{Asked, Windows};

/// Metrics of every SKU on sale, whoever answers for it, end in this.
const ALL_LISTED: &str = "all_listed";

impl Assess for Inventory {
    const MAIN: MainMetric = MainMetric {
        name: "pinball",
        higher_is_better: false,
    };

    fn assess(
        shop: &Shop,
        histories: &Histories,
        folder: &Path,
        runtime: Option<&Path>,
    ) -> Result<Assessed, Failure> {
        let model = verify_model::<Self>(&model_folder::read_model::<Self>(folder)?, runtime)?;
        let judge = Judge {
            origins: origins(&model)?,
            known_until: day_of(SkuHistory::known(histories).1),
            rivals: model_folder::read_baseline(folder)?,
            main: main_horizon(&model)?,
            model,
        };
        let found = judge.collect(histories)?;
        let bars = if shop.name == BAR_SHOP {
            ForecastBars {
                pooled: &INVENTORY_BARS,
                each_origin: &INVENTORY_ORIGIN_BARS,
            }
        } else {
            ForecastBars::default()
        };
        let mut assessed = judge.report(&found, bars)?;
        match orders(judge.model, folder, shop, histories, bars.pooled) {
            Ok(lines) => assessed.lines.extend(lines),
            Err(failure) if shop.name == BAR_SHOP => return Err(failure),
            // The policy beside another shop's model may still be that of the default shop, in its currency.
            Err(failure) => assessed
                .notes
                .push(format!("no orders were replayed: {failure}")),
        }
        Ok(assessed)
    }
}

/// What the orders that follow from the forecasts would have cost, over all products that the model was trained for.
fn orders(
    model: Model<Inventory>,
    folder: &Path,
    shop: &Shop,
    histories: &Histories,
    bars: &[Bar],
) -> Result<Vec<MetricLine>, Failure> {
    let served = with_policy(model, &model_folder::read_policy(folder)?)?;
    let all = Settings {
        products: usize::MAX,
        ..Settings::default()
    };
    let replayed = simulation::run(shop, histories, &served, &all)?;
    Ok(replayed.lines(Inventory::NAME, bars, &Bootstrap::default()))
}

/// Local days on which forecasts are made, with their names.
fn origins(model: &Model<Inventory>) -> Result<Vec<(LocalDay, String)>, Failure> {
    let cutoffs = test_cutoffs(&model.manifest)?;
    let name = |at| serving::wire::format_instant(at).chars().take(10).collect();
    Ok(cutoffs
        .test
        .iter()
        .map(|at| (day_of(*at), name(*at)))
        .collect())
}

/// The index of the horizon that the bars are on.
fn main_horizon(model: &Model<Inventory>) -> Result<usize, Failure> {
    let days = model.manifest.training.pointer("/main_horizon_days");
    let days = days.and_then(serde_json::Value::as_f64);
    let mut horizons = model.artifacts.horizons_days.iter();
    let main = horizons.position(|horizon| Some(f64::from(*horizon)) == days);
    let named = "the manifest names no main horizon of the model (training.main_horizon_days)";
    main.ok_or_else(|| named.into())
}

/// Everything a forecast is judged with.
struct Judge {
    model: Model<Inventory>,
    rivals: FittedRivals,
    origins: Vec<(LocalDay, String)>,
    known_until: LocalDay,
    /// Index into the model's horizons.
    main: usize,
}

/// The windows of all origins.
struct Found {
    /// Of the trained population, one per horizon of the model.
    modelled: Vec<Windows>,
    /// Of every SKU on sale, at the main horizon.
    listed: Windows,
}

impl Judge {
    fn collect(&self, histories: &Histories) -> Result<Found, Failure> {
        let mut found = Found {
            modelled: vec![Windows::default(); self.model.artifacts.horizons_days.len()],
            listed: Windows::default(),
        };
        let mut truths = histories.true_skus();
        for (product, seen) in (0..).zip(SkuHistory::all(histories)) {
            let (id, history) = seen?;
            let truth = match &mut truths {
                Some(truths) => Some(next_truth(truths, &id)?),
                None => None,
            };
            self.add(product, &Arc::new(history), truth.as_ref(), &mut found)?;
        }
        Ok(found)
    }

    fn add(
        &self,
        product: u32,
        history: &Arc<SkuHistory>,
        truth: Option<&DemandHistory>,
        found: &mut Found,
    ) -> Result<(), Failure> {
        for (origin, (as_of, _)) in self.origins.iter().enumerate() {
            let Some(asked) = Asked::listed(history, *as_of, &self.model)? else {
                continue;
            };
            let counts = asked
                .said
                .counts
                .iter()
                .zip(&mut found.modelled)
                .enumerate();
            for (index, (counts, windows)) in counts {
                let until = LocalDay(as_of.0.saturating_add(i32::from(counts.horizon_days)));
                if until > self.known_until {
                    continue;
                }
                let Some(window) = asked.window(counts, truth, &self.rivals)? else {
                    continue;
                };
                if asked.is_modelled {
                    windows.push(product, origin, asked.class, &window);
                }
                if index == self.main {
                    found.listed.push(product, origin, asked.class, &window);
                }
            }
        }
        Ok(())
    }

    fn report(&self, found: &Found, bars: ForecastBars<'_>) -> Result<Assessed, Failure> {
        let names: Vec<&str> = self.origins.iter().map(|(_, name)| name.as_str()).collect();
        let bootstrap = Bootstrap::default();
        let main = &found.modelled[self.main];
        let mut lines = main.read(&names, |rows| {
            evaluate_forecast(Inventory::NAME, rows, bars, &bootstrap)
        })?;
        let others = self
            .model
            .artifacts
            .horizons_days
            .iter()
            .zip(&found.modelled);
        let others = others.enumerate().filter(|(index, _)| *index != self.main);
        let parts = others
            .map(|(_, (days, windows))| (format!("{days}d"), windows))
            .chain([(ALL_LISTED.to_owned(), &found.listed)]);
        for (part, windows) in parts.filter(|(_, windows)| !windows.is_empty()) {
            lines.extend(windows.read(&names, |rows| {
                evaluate_part(Inventory::NAME, &part, rows, &bootstrap)
            })?);
        }
        let curves = main.read(&names, |rows| forecast_curves(rows, &bootstrap))?;
        Ok(Assessed {
            lines,
            curves: serde_json::to_value(curves)?,
            notes: Vec::new(),
        })
    }
}

/// The demand behind a SKU's sales; both are stored in the same order.
pub(crate) fn next_truth(
    truths: &mut impl Iterator<Item = Result<(String, DemandHistory), crate::ingest::LoadError>>,
    id: &str,
) -> Result<DemandHistory, Failure> {
    let (other, truth) = truths
        .next()
        .ok_or_else(|| format!("{id}: its demand is missing beside its sales"))??;
    if other == id {
        Ok(truth)
    } else {
        Err(format!("{id}: its demand is missing beside its sales, {other} is there").into())
    }
}
