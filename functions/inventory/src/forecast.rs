//! From a scored SKU to the distribution of its demand, and the simpler forecasters of SKUs that are not scored.

use crate::features::{Artifacts, COLUMNS, in_trained_population};
use crate::policy::{Demand, Forecast, PolicyError};
use crate::{Case, Inventory, KnownSku};
use features::demand::forecast::{sba_from_average, ses, tsb_from_average};
use features::demand::view::{DemandView, RECORD_DAYS, Window, weekly_units};
use features::time::LocalDay;
use serving::manifest::{Calibration, Manifest};
use serving::predictor::{Model, Scored};

/// Smoothing of the fallback forecasters, as in the baselines.
const ALPHA: f64 = 0.1;
/// Mean weeks between weeks with a sale above which demand is intermittent.
///
/// Source: Syntetos, Boylan and Croston (2005), On the categorization of demand patterns.
const INTERMITTENT_ABOVE_WEEKS: f64 = 1.32;
/// Without a fitted dispersion counts are taken as a little wider than Poisson.
const NO_DISPERSION: f64 = 2.0;

/// The demand of one SKU over growing horizons, and who said so.
#[derive(Debug, Clone)]
pub(crate) struct SkuForecast {
    /// `model`, or the name of the fallback.
    pub(crate) forecaster: &'static str,
    /// Why this one.
    pub(crate) because: String,
    /// Demand from the day answered for on.
    pub(crate) demand: Forecast,
}

/// The demand of one horizon, by mean and size of a negative binomial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    /// Days.
    pub horizon_days: u16,
    /// Expected units.
    pub mean: f64,
    /// Size of the negative binomial.
    pub size: f64,
}

/// The model's answer for every horizon it was asked about: mean by its raw score, size by the fitted dispersion.
fn model_counts(
    known: &KnownSku,
    horizons_days: &[u16],
    scored: &Scored,
    manifest: &Manifest,
) -> Vec<Counts> {
    let rows = horizons_days
        .iter()
        .zip(scored.raw.iter().zip(scored.rows.rows()));
    rows.map(|(&horizon_days, (raw, row))| {
        let mean = known.view().level_per_day * f64::from(horizon_days) * libm::exp(*raw);
        Counts {
            horizon_days,
            mean,
            size: size(manifest, mean, row),
        }
    })
    .collect()
}

/// The size that goes with a mean, by the columns of its row.
fn size(manifest: &Manifest, mean: f64, row: &[f32]) -> f64 {
    let column = |name: &str| {
        let index = COLUMNS.infos().position(|info| info.name == name);
        index.map_or(f64::NAN, |index| f64::from(row[index]))
    };
    match &manifest.calibration {
        Some(Calibration::Dispersion(dispersion)) => dispersion.size(mean, column),
        _ => NO_DISPERSION,
    }
}

/// Means and sizes for every horizon, and who gave them: the model where it was trained for such SKUs, a simpler
/// forecaster elsewhere.
fn said(known: &KnownSku, scored: &Scored, model: &Model<Inventory>) -> Said {
    let horizons_days = &model.artifacts.horizons_days;
    if in_trained_population(known.view()) && !scored.raw.is_empty() {
        return Said {
            forecaster: "model",
            because: "sold for eight weeks and often enough for the model".to_owned(),
            counts: model_counts(known, horizons_days, scored, &model.manifest),
        };
    }
    let fallback = Fallback::of(known, &model.artifacts);
    Said {
        forecaster: fallback.forecaster,
        counts: fallback.counts(known, horizons_days, &model.manifest),
        because: fallback.because,
    }
}

/// What a forecaster said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// `model`, or the name of the fallback.
    pub forecaster: &'static str,
    /// Why this one.
    pub because: String,
    /// One per horizon of the model.
    pub counts: Vec<Counts>,
}

impl Said {
    /// What is said of a case that was scored; `None` of a SKU that is not known.
    pub fn of(case: &Case, scored: &Scored, model: &Model<Inventory>) -> Option<Self> {
        Some(said(case.known.as_ref()?, scored, model))
    }

    /// The same as a forecast that orders are planned from.
    pub fn demand(&self) -> Result<Forecast, PolicyError> {
        let law = |counts: &Counts| {
            let demand = Demand::negative_binomial(counts.mean, counts.size)?;
            Ok((f64::from(counts.horizon_days), demand))
        };
        let laws = self.counts.iter().map(law);
        Forecast::new(laws.collect::<Result<_, PolicyError>>()?)
    }
}

/// The forecast of one SKU.
pub(crate) fn forecast(
    known: &KnownSku,
    scored: &Scored,
    model: &Model<Inventory>,
) -> Result<SkuForecast, PolicyError> {
    let said = said(known, scored, model);
    Ok(SkuForecast {
        forecaster: said.forecaster,
        demand: said.demand()?,
        because: said.because,
    })
}

/// A steady rate from a simple method.
#[derive(Debug, Clone, PartialEq)]
struct Fallback {
    /// Name of the method.
    forecaster: &'static str,
    /// Why this one.
    because: String,
    /// Expected units a day.
    rate_per_day: f64,
}

impl Fallback {
    /// Chooses by what is known: nothing (the prior of new SKUs), a few weeks, or rare sales.
    fn of(known: &KnownSku, artifacts: &Artifacts) -> Self {
        let view = known.view();
        let weeks = weeks(known);
        let observed = weeks.iter().flatten().count() as f64;
        let sold = weeks.iter().flatten().filter(|units| **units > 0.0).count() as f64;
        if view.window(Window::D112).sale_days < 1.0 {
            return Self::prior(known, artifacts);
        }
        if sold < 1.0 {
            return Self {
                forecaster: "level",
                because: "no whole week with a sale is known yet; its sales are drawn to the rate of a rare seller"
                    .to_owned(),
                rate_per_day: view.level_per_day,
            };
        }
        if view.age_days >= crate::features::LEAST_AGE_DAYS {
            return Self::weekly(
                "tsb",
                tsb_from_average(&weeks, ALPHA, ALPHA),
                format!(
                    "sold on {} days of the last {RECORD_DAYS}, too rarely for the model",
                    known.view().window(Window::D112).sale_days
                ),
            );
        }
        let because = format!("sold for {} days only, the model needs 56", view.age_days);
        if observed / sold > INTERMITTENT_ABOVE_WEEKS {
            return Self::weekly("sba", sba_from_average(&weeks, ALPHA), because);
        }
        Self::weekly("ses", ses(&weeks, ALPHA), because)
    }

    fn weekly(forecaster: &'static str, units_per_week: f64, because: String) -> Self {
        Self {
            forecaster,
            because,
            rate_per_day: units_per_week / 7.0,
        }
    }

    /// What new SKUs of the category sold, of the shop where the category has too few, or next to nothing.
    fn prior(known: &KnownSku, artifacts: &Artifacts) -> Self {
        let category = &known.history.demand.category;
        let rates = &artifacts.launch_units_per_day;
        let of = |name: &str| rates.get(name).copied();
        let named = of(category).filter(|_| !category.is_empty());
        let (forecaster, rate, whose) = match (named, of("")) {
            (Some(rate), _) => ("category_prior", rate, "its category"),
            (None, Some(rate)) => ("shop_prior", rate, "the shop"),
            (None, None) => ("no_prior", DemandView::EMPTY_LEVEL_PER_DAY, "nobody"),
        };
        Self {
            forecaster,
            because: format!(
                "nothing sold in the last {RECORD_DAYS} days; the rate is that of new SKUs of {whose}"
            ),
            rate_per_day: rate,
        }
    }

    /// Means grow with the days; sizes as the model's.
    fn counts(&self, known: &KnownSku, horizons_days: &[u16], manifest: &Manifest) -> Vec<Counts> {
        let of = |&horizon_days: &u16| {
            let row: Vec<f32> = COLUMNS
                .row(&known.row(horizon_days))
                .map(|value| value as f32)
                .collect();
            let mean = self.rate_per_day * f64::from(horizon_days);
            Counts {
                horizon_days,
                mean,
                size: size(manifest, mean, &row),
            }
        };
        horizons_days.iter().map(of).collect()
    }
}

/// Units a week within the record.
fn weeks(known: &KnownSku) -> Vec<Option<f64>> {
    let demand = &known.history.demand;
    let earliest = LocalDay(known.as_of.0.saturating_sub(RECORD_DAYS));
    let from = demand.first_sale().unwrap_or(known.as_of).max(earliest);
    weekly_units(demand, from, known.as_of)
}
