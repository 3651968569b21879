//! Windows of demand: what everyone said of one SKU on one morning about the days to come, and what came.

use super::Failure;
use super::rivals::{FittedRivals, SimpleRates};
use crate::evaluate::EvaluationError;
use crate::evaluate::forecast::{CountScore, DemandClass, ForecastMethod, ForecastRows};
use features::demand::view::{DemandView, RECORD_DAYS, Window as Past, weekly_units};
use features::demand::{DemandHistory, SkuHistory};
use features::matrix::Matrix;
use features::time::LocalDay;
use inventory::features::{LEAST_AGE_DAYS, in_trained_population};
use inventory::forecast::{Counts, Said};
use inventory::policy::Demand;
use inventory::{Case, Inventory};
use serving::predictor::{Model, Predictor, Scored};
use std::sync::Arc;

/// Who gives a mean; the model comes first.
const METHODS: [&str; 8] = [
    "inventory",
    "naive",
    "mean_8",
    "ses",
    "sba",
    "tsb",
    "poisson",
    "negbin_ses",
];
/// Who gives a distribution, by place in [`METHODS`].
const LAWS: [usize; 3] = [0, 6, 7];

/// A SKU on the morning of an origin, with its answer.
pub(super) struct Asked {
    history: Arc<SkuHistory>,
    as_of: LocalDay,
    view: DemandView,
    weeks: Vec<Option<f64>>,
    /// Whether the model answers; a simpler forecaster where not.
    pub(super) is_modelled: bool,
    /// How its demand behaves.
    pub(super) class: Option<DemandClass>,
    /// As the function would answer.
    pub(super) said: Said,
}

/// One window.
pub(super) struct Window {
    actual: f64,
    naive_squared: f64,
    /// By [`METHODS`].
    means: [f64; METHODS.len()],
    /// By [`LAWS`].
    scores: [CountScore; LAWS.len()],
}

impl Asked {
    /// Asks about a SKU that is on sale: first sold eight weeks ago or earlier, and sold since within the record.
    pub(super) fn listed(
        history: &Arc<SkuHistory>,
        as_of: LocalDay,
        model: &Model<Inventory>,
    ) -> Result<Option<Self>, Failure> {
        let view = DemandView::new(history, as_of);
        let is_listed = view.age_days >= LEAST_AGE_DAYS && view.window(Past::D112).units > 0.0;
        if !is_listed {
            return Ok(None);
        }
        let case = Case::with_history(Arc::clone(history), as_of);
        let scored = score(&case, model)?;
        let Some(said) = Said::of(&case, &scored, model) else {
            return Ok(None);
        };
        let earliest = LocalDay(as_of.0.saturating_sub(RECORD_DAYS));
        let first = history.demand.first_sale().unwrap_or(as_of);
        let weeks = weekly_units(&history.demand, first.max(earliest), as_of);
        Ok(Some(Self {
            is_modelled: in_trained_population(&view),
            class: DemandClass::of(&weeks),
            history: Arc::clone(history),
            as_of,
            view,
            weeks,
            said,
        }))
    }

    /// Judges one horizon; `None` when nothing can be known of it, because nobody could buy.
    pub(super) fn window(
        &self,
        counts: &Counts,
        truth: Option<&DemandHistory>,
        rivals: &FittedRivals,
    ) -> Result<Option<Window>, Failure> {
        let until = LocalDay(self.as_of.0.saturating_add(i32::from(counts.horizon_days)));
        let seen = &self.history.demand;
        let horizon_days = f64::from(counts.horizon_days);
        let (actual, days) = demand_within(seen, truth, self.as_of, until);
        if days < 1.0 {
            return Ok(None);
        }
        let simple = SimpleRates::new(
            seen,
            &self.view,
            &self.weeks,
            self.as_of,
            counts.horizon_days,
        );
        let mean = counts.mean / horizon_days * days;
        let (ses_mean, ses_size) = rivals.negbin_ses(simple.ses * days, horizon_days);
        let laws = [
            Demand::negative_binomial(mean, counts.size)?,
            Demand::poisson(mean)?,
            Demand::negative_binomial(ses_mean, ses_size)?,
        ];
        let rates = [
            simple.naive,
            simple.mean_8,
            simple.ses,
            simple.sba,
            simple.tsb,
        ];
        let [naive, mean_8, ses, sba, tsb] = rates.map(|rate| rate * days);
        Ok(Some(Window {
            actual,
            naive_squared: self.naive_squared(days),
            means: [mean, naive, mean_8, ses, sba, tsb, mean, ses_mean],
            scores: laws.map(|law| {
                CountScore::of(actual, |units| law.cdf(units), |level| law.quantile(level))
            }),
        }))
    }

    /// Mean squared change from week to week, as the squared error of so many days.
    fn naive_squared(&self, days: f64) -> f64 {
        let weeks: Vec<f64> = self.weeks.iter().flatten().copied().collect();
        let changes = weeks.windows(2).map(|pair| (pair[1] - pair[0]).powi(2));
        let count = weeks.len().saturating_sub(1).max(1) as f64;
        changes.sum::<f64>() / count * (days / 7.0).powi(2)
    }
}

/// Units of demand from a day until another one, and the days on which they could be bought: what was sold on days that began with
/// stock, or, where the stock is made up, the demand behind the sales.
pub(crate) fn demand_within(
    seen: &DemandHistory,
    truth: Option<&DemandHistory>,
    from: LocalDay,
    until: LocalDay,
) -> (f64, f64) {
    truth.map_or_else(
        || {
            let days = seen.exposed_days(from, until);
            (seen.units(from, until), days as f64)
        },
        |truth| {
            let days = i64::from(until.0) - i64::from(from.0);
            (truth.units(from, until), days as f64)
        },
    )
}

/// Columns and scores of a case as the function makes them, without the reasons.
fn score(case: &Case, model: &Model<Inventory>) -> Result<Scored, Failure> {
    let mut rows = Matrix::new(model.scorer.columns());
    Inventory::features(case, &model.artifacts, &mut rows);
    let mut raw = Vec::with_capacity(rows.row_count());
    if rows.row_count() > 0 {
        model.scorer.score(&rows, &mut raw)?;
    }
    Ok(Scored { raw, rows })
}

/// Windows of one horizon and one population, by column.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    products: Vec<u32>,
    origins: Vec<usize>,
    classes: Vec<Option<DemandClass>>,
    actual: Vec<f64>,
    naive_squared: Vec<f64>,
    means: [Vec<f64>; METHODS.len()],
    scores: [Vec<CountScore>; LAWS.len()],
}

impl Windows {
    pub(super) fn push(
        &mut self,
        product: u32,
        origin: usize,
        class: Option<DemandClass>,
        window: &Window,
    ) {
        self.products.push(product);
        self.origins.push(origin);
        self.classes.push(class);
        self.actual.push(window.actual);
        self.naive_squared.push(window.naive_squared);
        for (means, mean) in self.means.iter_mut().zip(window.means) {
            means.push(mean);
        }
        for (scores, score) in self.scores.iter_mut().zip(window.scores) {
            scores.push(score);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.actual.is_empty()
    }

    /// Lends the windows as rows, their origins by name.
    pub(super) fn read<T>(
        &self,
        origins: &[&str],
        read: impl FnOnce(&ForecastRows<'_>) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let named: Vec<&str> = self.origins.iter().map(|origin| origins[*origin]).collect();
        let methods: Vec<ForecastMethod<'_>> = METHODS
            .iter()
            .zip(&self.means)
            .enumerate()
            .map(|(place, (name, means))| {
                let law = LAWS.iter().position(|with_law| *with_law == place);
                ForecastMethod {
                    name,
                    means,
                    scores: law.map(|law| &self.scores[law][..]),
                }
            })
            .collect();
        read(&ForecastRows {
            products: &self.products,
            origins: &named,
            classes: &self.classes,
            actual: &self.actual,
            naive_squared: &self.naive_squared,
            methods: &methods,
        })
    }
}
