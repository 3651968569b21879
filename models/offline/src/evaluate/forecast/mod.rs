//! Evaluation of demand forecasts: means and whole distributions of counts, beside their baselines, by rolling origin
//! and by demand class.
//!
//! Pure functions over slices. A row is one product at one origin; what every method says of it is made elsewhere, by
//! the code that serves.

mod class;
mod curves;
mod score;
#[cfg(test)]
mod tests;
mod totals;

pub use class::DemandClass;
pub use curves::{CoverageCurve, CoveragePoint, ForecastCurves, PinballBar};
pub use score::{COVERAGE_LEVELS, CountScore, PINBALL_LEVELS};

use super::bootstrap::{Bootstrap, SplitMix64, draw, interval};
use super::{Bar, EvaluationError, Measured, MetricLine, dense};
use std::collections::BTreeSet;
use totals::{METRICS, Totals, by_product};

/// Baselines that the model is compared with row by row.
const PAIRS: [(&str, &str, Compare); 3] = [
    ("pinball_vs_poisson", "poisson", Totals::pinball_saved),
    ("pinball_vs_negbin_ses", "negbin_ses", Totals::pinball_below),
    ("mae_vs_ses", "ses", Totals::error_below),
];

/// The model's sums and a rival's; `None` where they cannot be compared.
type Compare = fn(&Totals, &Totals) -> Option<f64>;

/// The test rows with what everyone says of them. All slices have one value per row.
#[derive(Debug, Clone, Copy)]
pub struct ForecastRows<'a> {
    /// Number of the row's product; any numbering.
    pub products: &'a [u32],
    /// When the forecast was made, as metrics name it: `2017-10-08`.
    pub origins: &'a [&'a str],
    /// How the product's demand behaves; `None` where that is not known.
    pub classes: &'a [Option<DemandClass>],
    /// True demand, units.
    pub actual: &'a [f64],
    /// Mean squared error of the naive forecast before the origin (every week as the week before), as the squared error
    /// that a forecast for the row's horizon would have at that weekly error; 0 where the product never changed.
    pub naive_squared: &'a [f64],
    /// What everyone says; the model is the first.
    pub methods: &'a [ForecastMethod<'a>],
}

/// What one method says.
#[derive(Debug, Clone, Copy)]
pub struct ForecastMethod<'a> {
    /// Name in the output.
    pub name: &'a str,
    /// Expected units.
    pub means: &'a [f64],
    /// Of its distributions, if it gives any.
    pub scores: Option<&'a [CountScore]>,
}

/// What must be reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct ForecastBars<'a> {
    /// On all rows.
    pub pooled: &'a [Bar],
    /// On the rows of each origin.
    pub each_origin: &'a [Bar],
}

/// Computes every metric on all rows, then by origin (`mae@2017-10-08`) and by demand class (`mae@smooth`).
///
/// Metrics: `mae`, `rmsse`, `wape`, `bias`, `pinball`, `coverage_80`, `coverage_90`, `coverage_95`, and paired with the
/// baselines of that name `pinball_vs_poisson` (share of loss saved), `pinball_vs_negbin_ses` and `mae_vs_ses` (loss
/// saved, units a row). Intervals are from a bootstrap over products.
pub fn evaluate_forecast(
    model: &str,
    rows: &ForecastRows<'_>,
    bars: ForecastBars<'_>,
    bootstrap: &Bootstrap,
) -> Result<Vec<MetricLine>, EvaluationError> {
    rows.check()?;
    let mut lines = part_lines(model, "", rows, &rows.all(), bars.pooled, bootstrap);
    for origin in rows.origins.iter().collect::<BTreeSet<_>>() {
        let kept = rows.where_row(|row| rows.origins[row] == *origin);
        let own = part_lines(model, origin, rows, &kept, bars.each_origin, bootstrap);
        lines.extend(own);
    }
    for class in DemandClass::ALL {
        let kept = rows.where_row(|row| rows.classes[row] == Some(class));
        lines.extend(part_lines(model, class.name(), rows, &kept, &[], bootstrap));
    }
    Ok(lines)
}

/// The same metrics on all rows as a part of its own (`mae@7d`): another horizon, another population. No bars.
pub fn evaluate_part(
    model: &str,
    part: &str,
    rows: &ForecastRows<'_>,
    bootstrap: &Bootstrap,
) -> Result<Vec<MetricLine>, EvaluationError> {
    rows.check()?;
    Ok(part_lines(model, part, rows, &rows.all(), &[], bootstrap))
}

/// Coverage over all levels, and pinball loss by method, as data for plots.
pub fn forecast_curves(
    rows: &ForecastRows<'_>,
    bootstrap: &Bootstrap,
) -> Result<ForecastCurves, EvaluationError> {
    rows.check()?;
    Ok(curves::curves(rows, bootstrap))
}

impl ForecastRows<'_> {
    fn check(&self) -> Result<(), EvaluationError> {
        let rows = self.actual.len();
        if rows == 0 || self.methods.is_empty() {
            return Err(EvaluationError::Empty);
        }
        let length = |what: &str, found: usize| {
            (found == rows)
                .then_some(())
                .ok_or_else(|| EvaluationError::Length {
                    what: what.to_owned(),
                    found,
                    expected: rows,
                })
        };
        length("products", self.products.len())?;
        length("origins", self.origins.len())?;
        length("classes", self.classes.len())?;
        length("naive squared error", self.naive_squared.len())?;
        check_units("demand", self.actual)?;
        check_units("naive squared error", self.naive_squared)?;
        for method in self.methods {
            length(method.name, method.means.len())?;
            check_units(method.name, method.means)?;
            if let Some(scores) = method.scores {
                length(method.name, scores.len())?;
            }
        }
        Ok(())
    }

    fn all(&self) -> Vec<usize> {
        self.where_row(|_| true)
    }

    fn where_row(&self, keep: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.actual.len()).filter(|row| keep(*row)).collect()
    }
}

fn check_units(what: &str, values: &[f64]) -> Result<(), EvaluationError> {
    let wrong = values.iter().position(|v| !(v.is_finite() && *v >= 0.0));
    wrong.map_or(Ok(()), |row| {
        Err(EvaluationError::Value {
            what: what.to_owned(),
            row,
            value: values[row].to_string(),
            expected: "a finite number from 0",
        })
    })
}

/// Every metric on some rows; none when there are no rows.
fn part_lines(
    model: &str,
    part: &str,
    rows: &ForecastRows<'_>,
    kept: &[usize],
    bars: &[Bar],
    bootstrap: &Bootstrap,
) -> Vec<MetricLine> {
    if kept.is_empty() {
        return Vec::new();
    }
    let judged = Part::new(rows, kept);
    let measured = judged.measure(bootstrap);
    let names = METRICS
        .iter()
        .chain(judged.pairs.iter().map(|(name, ..)| name));
    let lines = names
        .zip(measured)
        .enumerate()
        .map(|(index, (name, measured))| {
            let limit = bars.iter().find(|bar| bar.metric == *name);
            let metric = if part.is_empty() {
                (*name).to_owned()
            } else {
                format!("{name}@{part}")
            };
            let limit = limit.map(|bar| bar.limit);
            MetricLine::judged(model, metric, measured, limit, judged.beside(index))
        });
    lines.collect()
}

/// The sums of some rows by product, for the model and everyone else.
struct Part<'a> {
    methods: &'a [ForecastMethod<'a>],
    /// By method, then product.
    sums: Vec<Vec<Totals>>,
    /// Name, index of the rival, comparison.
    pairs: Vec<(&'static str, usize, Compare)>,
}

impl<'a> Part<'a> {
    fn new(rows: &ForecastRows<'a>, kept: &[usize]) -> Self {
        let products: Vec<u32> = kept.iter().map(|row| rows.products[*row]).collect();
        let products = dense(&products);
        let of = |method| by_product(rows, method, kept, &products);
        let pairs = PAIRS.iter().filter_map(|(name, rival, compare)| {
            let index = rows
                .methods
                .iter()
                .position(|method| method.name == *rival)?;
            Some((*name, index, *compare))
        });
        Self {
            methods: rows.methods,
            sums: rows.methods.iter().map(of).collect(),
            pairs: pairs.collect(),
        }
    }

    /// The sums of one method with a weight per product; `None` weighs all alike.
    fn total(&self, method: usize, weights: Option<&[u32]>) -> Totals {
        let mut total = Totals::default();
        for (product, sums) in self.sums[method].iter().enumerate() {
            let weight = weights.map_or(1, |weights| weights[product]);
            if weight > 0 {
                total.add(f64::from(weight), sums);
            }
        }
        total
    }

    /// The model's metrics, then the pairs.
    fn values(&self, weights: Option<&[u32]>) -> Vec<Option<f64>> {
        let own = self.total(0, weights);
        let metrics = own.metrics(self.methods[0].scores.is_some());
        let pairs = self
            .pairs
            .iter()
            .map(|(_, rival, compare)| compare(&own, &self.total(*rival, weights)));
        metrics.into_iter().chain(pairs).collect()
    }

    fn measure(&self, bootstrap: &Bootstrap) -> Vec<Measured> {
        let resampled = self.resample(bootstrap);
        let values = self.values(None).into_iter().enumerate();
        let measured = values.map(|(index, value)| {
            let column: Vec<_> = resampled.iter().map(|values| values[index]).collect();
            Measured {
                value,
                interval: interval(&column),
            }
        });
        measured.collect()
    }

    fn resample(&self, bootstrap: &Bootstrap) -> Vec<Vec<Option<f64>>> {
        let count = self.sums[0].len();
        let numbers: Vec<u32> = (0..count as u32).collect();
        let mut random = SplitMix64::new(bootstrap.seed);
        let mut weights = vec![0; count];
        let mut resample = || {
            draw(&mut random, &numbers, count, &mut weights);
            self.values(Some(&weights))
        };
        (0..bootstrap.resamples).map(|_| resample()).collect()
    }

    /// A metric of everyone else; the pairs have none.
    fn beside(&self, metric: usize) -> Vec<(String, Option<f64>)> {
        let others = self.methods.iter().enumerate().skip(1);
        let values = others.filter_map(|(index, method)| {
            let metrics = self.total(index, None).metrics(method.scores.is_some());
            let value = *metrics.get(metric)?;
            value.map(|value| (method.name.to_owned(), Some(value)))
        });
        values.collect()
    }
}
