//! What a careful planner does with a spreadsheet: exponential smoothing, and a normal law around it.
//!
//! Everything but the forecast is the function's: lead times are mixed exactly, the level meets the same target by the
//! normal loss function, the lot weighs the same ordering cost. What remains different is the forecast.

use super::{Rule, Shelf};
use crate::assess::Failure;
use features::demand::DemandHistory;
use features::demand::forecast::ses;
use features::demand::view::{RECORD_DAYS, weekly_units};
use features::time::LocalDay;
use inventory::planning::PlanningPolicy;
use inventory::policy::{Demand, Forecast, PolicyError};
use inventory::{Case, plan_by_rules};
use std::sync::Arc;

/// Name of the rule.
pub const SES_NORMAL: &str = "ses_normal";
/// Smoothing of the weekly series.
const ALPHA: f64 = 0.1;
/// Weeks whose mean starts the smoothing.
const START_WEEKS: usize = 4;
/// Forecast errors below which their deviation says less than that of the weeks themselves.
const LEAST_ERRORS: usize = 4;
const WEEK_DAYS: f64 = 7.0;

/// Weekly smoothing with normal errors.
#[derive(Debug, Clone, Copy)]
pub struct SesNormal<'p> {
    policy: &'p PlanningPolicy,
}

impl<'p> SesNormal<'p> {
    /// Plans by the same policy as the function.
    pub fn new(policy: &'p PlanningPolicy) -> Self {
        Self { policy }
    }

    fn order(self, seen: &Shelf, today: LocalDay) -> Result<u64, PolicyError> {
        let demand = forecast(&seen.history().demand, today)?;
        let case = Case::with_history(Arc::clone(seen.history()), today);
        let plan = plan_by_rules(&case, demand, seen.stock(today), self.policy)?;
        Ok(plan.map_or(0, |plan| plan.order_quantity))
    }
}

impl Rule for SesNormal<'_> {
    fn name(&self) -> &'static str {
        SES_NORMAL
    }

    fn orders(&self, today: LocalDay, shelves: &[&Shelf]) -> Result<Vec<u64>, Failure> {
        let orders = shelves.iter().map(|shelf| self.order(shelf, today));
        Ok(orders.collect::<Result<_, _>>()?)
    }
}

/// A week's demand; the mean of other horizons grows with their days, and so does the variance.
fn forecast(history: &DemandHistory, today: LocalDay) -> Result<Forecast, PolicyError> {
    let weeks = weeks(history, today);
    let observed: Vec<Option<f64>> = weeks.iter().copied().map(Some).collect();
    let mean = if weeks.is_empty() {
        0.0
    } else {
        ses(&observed, ALPHA)
    };
    let week = Demand::normal(mean, error_deviation(&weeks))?;
    Forecast::new(vec![(WEEK_DAYS, week)])
}

/// Whole weeks of the record on which somebody could buy, oldest first: the first part week would count from a sale on.
fn weeks(history: &DemandHistory, today: LocalDay) -> Vec<f64> {
    let age_days = history.first_sale().map_or(0, |first| today.0 - first.0);
    let whole = (age_days.min(RECORD_DAYS) / 7 * 7).max(age_days.min(7));
    let weeks = weekly_units(history, LocalDay(today.0 - whole), today);
    weeks.into_iter().flatten().collect()
}

/// Root mean square of the errors one week ahead, or the deviation of the weeks where there are too few errors.
fn error_deviation(weeks: &[f64]) -> f64 {
    let count = weeks.len() as f64;
    let Some((start, later)) = weeks.split_at_checked(START_WEEKS) else {
        return deviation(weeks, weeks.iter().sum::<f64>() / count.max(1.0));
    };
    if later.len() < LEAST_ERRORS {
        return deviation(weeks, weeks.iter().sum::<f64>() / count);
    }
    let mut level = start.iter().sum::<f64>() / START_WEEKS as f64;
    let errors = later.iter().map(|units| {
        let error = units - level;
        level += ALPHA * error;
        error
    });
    deviation(&errors.collect::<Vec<_>>(), 0.0)
}

/// Root mean square distance from a centre; 0 of nothing.
fn deviation(values: &[f64], centre: f64) -> f64 {
    let squares = values
        .iter()
        .map(|value| (value - centre) * (value - centre));
    (squares.sum::<f64>() / (values.len() as f64).max(1.0)).sqrt()
}
