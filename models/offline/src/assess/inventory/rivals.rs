//! What simpler methods say of a SKU.

use features::demand::DemandHistory;
use features::demand::forecast::{sba_from_average, tsb_from_average};
use features::demand::view::{DemandView, Window};
use features::time::LocalDay;
use serde::Deserialize;
use serving::manifest::Dispersion;

/// Smoothing of the baselines, as in the model's own columns.
const ALPHA: f64 = 0.1;
/// The column that the spread around smoothed means depends on.
const HORIZON_COLUMN: &str = "log_horizon_days";

/// `baseline.json`: the spread of baselines, which training fits as the model's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FittedRivals {
    negbin_ses: NegbinSes,
}

/// A negative binomial around exponential smoothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NegbinSes {
    /// Smaller means are taken as this: a product that smoothing gave up would get no law at all.
    least_mean: f64,
    dispersion: Dispersion,
}

impl FittedRivals {
    /// Mean and size around the smoothed units of some days.
    pub(super) fn negbin_ses(&self, smoothed_units: f64, days: f64) -> (f64, f64) {
        let mean = smoothed_units.max(self.negbin_ses.least_mean);
        let column = |name: &str| {
            if name == HORIZON_COLUMN {
                libm::log(days)
            } else {
                f64::NAN
            }
        };
        (mean, self.negbin_ses.dispersion.size(mean, column))
    }
}

/// Means of methods that need no training, units a day; 0 where a method has nothing to go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct SimpleRates {
    /// Of the days just before, as many as are asked about.
    pub(super) naive: f64,
    /// Of the last eight weeks.
    pub(super) mean_8: f64,
    /// Smoothed weeks.
    pub(super) ses: f64,
    /// Croston with the correction of Syntetos and Boylan.
    pub(super) sba: f64,
    /// Teunter, Syntetos and Babai.
    pub(super) tsb: f64,
}

impl SimpleRates {
    /// From the same masked record that the model's columns come from.
    pub(super) fn new(
        history: &DemandHistory,
        view: &DemandView,
        weeks: &[Option<f64>],
        as_of: LocalDay,
        days: u16,
    ) -> Self {
        let from = LocalDay(as_of.0.saturating_sub(i32::from(days)));
        let from = history.first_sale().map_or(from, |first| first.max(from));
        let exposed_days = history.exposed_days(from, as_of) as f64;
        Self {
            naive: or_zero(history.units(from, as_of) / exposed_days),
            mean_8: or_zero(view.window(Window::D56).rate_per_day()),
            ses: or_zero(view.weeks.smoothed_units / 7.0),
            sba: or_zero(sba_from_average(weeks, ALPHA) / 7.0),
            tsb: or_zero(tsb_from_average(weeks, ALPHA, ALPHA) / 7.0),
        }
    }
}

fn or_zero(rate: f64) -> f64 {
    if rate.is_finite() { rate } else { 0.0 }
}
