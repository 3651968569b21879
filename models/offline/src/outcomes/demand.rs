//! Forecasts of demand, held against what was sold: coverage, pinball loss, bias and error by model version.
//!
//! A forecast is about the protection interval of its SKU, and counts once every day of it is known. What is judged is the demand
//! that was planned with for a lead time: where that is random, one is drawn by the probabilities that the plan had, by a hash of SKU
//! and day, so that it is the same whoever looks. Days that began without stock are masked by the code of `storecast evaluate`.

use super::apart::Apart;
use crate::assess::{Failure, demand_within, next_truth};
use crate::entity::Entity;
use crate::evaluate::forecast::{CountScore, ForecastMethod, ForecastRows, evaluate_part};
use crate::evaluate::{Bootstrap, EvaluationError, MetricLine};
use crate::histories::Histories;
use crate::replay::Names;
use features::demand::{DemandHistory, SkuHistory, day_of, day_start};
use features::time::LocalDay;
use inventory::answer::{Part, Told};
use inventory::policy::{Demand, PolicyError};
use serde::Serialize;
use serving::arms::position;
use serving::calendar::parse_date;
use serving::prediction_log::LoggedPrediction;
use std::collections::BTreeMap;

/// The metric of forecasts that needs the weeks before, which no line holds.
const NOT_KNOWN_HERE: &str = "rmsse";

/// What became of forecasts.
#[derive(Debug, Default, Serialize)]
pub struct Forecasts {
    /// Judged.
    pub joined: u64,
    /// Lines about days of another one that counts.
    pub repeated: u64,
    /// Lines whose interval is not known to its end yet.
    pub open: u64,
    /// Lines about an interval in which nobody could buy.
    pub out_of_stock: u64,
    /// Lines of SKUs that no file tells of.
    pub unknown: u64,
    /// Lines that do not hold what one of inventory holds.
    pub broken: u64,
    /// By model version, then by who forecast.
    pub versions: Vec<ForecastsOfVersion>,
}

/// How one forecaster of a version did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastsOfVersion {
    /// Version of the model.
    pub model_version: String,
    /// `model`, or what forecast in its place.
    pub forecaster: String,
    /// Intervals.
    pub forecasts: usize,
    /// The metrics of `storecast evaluate`, with intervals from a bootstrap over SKUs.
    pub metrics: Vec<MetricLine>,
}

/// A line that was read.
struct Asked<'a> {
    line: &'a LoggedPrediction,
    at: LocalDay,
    forecaster: String,
    part: Part,
}

/// What stands for the id of a SKU, and its location.
type Name = (String, Option<String>);
/// Model version and forecaster.
type Whose = (String, String);

/// Judged rows, by column.
#[derive(Default)]
struct Rows {
    skus: Vec<u32>,
    actual: Vec<f64>,
    means: Vec<f64>,
    scores: Vec<CountScore>,
}

/// Judges what lines say of SKUs by the shop's own sales.
pub fn forecasts(
    lines: &[LoggedPrediction],
    histories: &Histories,
    salt: Option<&str>,
    bootstrap: &Bootstrap,
) -> Result<Forecasts, Failure> {
    let mut judge = Judge::new(day_of(SkuHistory::known(histories).1));
    let mut by_sku: BTreeMap<Name, Vec<Asked<'_>>> = BTreeMap::new();
    for line in lines {
        match read(line) {
            Some(asked) => by_sku.entry(name_of(line)).or_default().push(asked),
            None => judge.found.broken += 1,
        }
    }
    let mut truths = histories.true_skus();
    for (number, sku) in (0..).zip(histories.skus()) {
        let (id, seen) = sku?;
        let truth = match &mut truths {
            Some(truths) => Some(next_truth(truths, &id)?),
            None => None,
        };
        for asked in taken(&mut by_sku, histories, &id, salt) {
            judge.judge(number, asked, &seen, truth.as_ref())?;
        }
    }
    judge.found.unknown = by_sku.values().map(|asked| asked.len() as u64).sum();
    Ok(judge.end(bootstrap)?)
}

fn read(line: &LoggedPrediction) -> Option<Asked<'_>> {
    let told: Told = serde_json::from_value(line.answered.clone()).ok()?;
    let part = drawn(line, &told.parts)?;
    let moments = [part.days, part.mean, part.variance];
    let are_moments = moments.iter().all(|one| one.is_finite() && *one >= 0.0);
    (are_moments && part.days > 0.0).then_some(Asked {
        line,
        at: parse_date(&line.as_of, "as_of").ok()?,
        part,
        forecaster: told.forecaster,
    })
}

/// One of the lead times, with the probability that the plan gave it.
fn drawn(line: &LoggedPrediction, parts: &[Part]) -> Option<Part> {
    let mut left = position(&format!("lead time\n{}", line.as_of), &line.entity);
    let found = parts.iter().find(|part| {
        left -= part.probability;
        left < 0.0
    });
    // What rounding leaves is the last one's.
    found.or(parts.last()).copied()
}

fn name_of(line: &LoggedPrediction) -> Name {
    let location = line.asked.get("location");
    let location = location.and_then(|location| location.as_str());
    (line.entity.clone(), location.map(str::to_owned))
}

/// Lines about a SKU, by time. Where the shop tells locations apart it is named by its record, or by product and location.
fn taken<'a>(
    by_sku: &mut BTreeMap<Name, Vec<Asked<'a>>>,
    histories: &Histories,
    record_id: &str,
    salt: Option<&str>,
) -> Vec<Asked<'a>> {
    let product_id = SkuHistory::asked_as(histories, record_id);
    let location = record_id.get(product_id.len() + 1..).map(str::to_owned);
    let mut taken = Vec::new();
    let names = [(record_id, None), (product_id, location)];
    for (id, location) in names {
        let name = (Names::name(id, salt), location);
        taken.extend(by_sku.remove(&name).unwrap_or_default());
    }
    // Lines about the same day stay in the order of the log.
    taken.sort_by_key(|asked| asked.at);
    taken
}

/// Everything that is known while lines are judged.
struct Judge {
    known_until: LocalDay,
    apart: Apart<u32>,
    rows: BTreeMap<Whose, Rows>,
    found: Forecasts,
}

impl Judge {
    fn new(known_until: LocalDay) -> Self {
        Self {
            known_until,
            apart: Apart::new(),
            rows: BTreeMap::new(),
            found: Forecasts::default(),
        }
    }

    fn judge(
        &mut self,
        sku: u32,
        asked: Asked<'_>,
        seen: &DemandHistory,
        truth: Option<&DemandHistory>,
    ) -> Result<(), PolicyError> {
        let (from, part) = (asked.at, asked.part);
        // A day is known as a whole or not at all.
        let length = part.days.round().max(1.0);
        let until = LocalDay(from.0.saturating_add(length as i32));
        if self.apart.overlaps(&sku, day_start(from)) {
            self.found.repeated += 1;
            return Ok(());
        }
        if until > self.known_until {
            self.found.open += 1;
            return Ok(());
        }
        let (actual, days) = demand_within(seen, truth, from, until);
        if days < 1.0 {
            self.found.out_of_stock += 1;
            return Ok(());
        }
        // The same size of the negative binomial, so that what is masked takes as much of the mean as of the days.
        let share = days / part.days;
        let (mean, excess) = (part.mean * share, (part.variance - part.mean).max(0.0));
        let law = Demand::from_moments(mean, mean + excess * share * share)?;
        let whose = (asked.line.model_version.clone(), asked.forecaster);
        let rows = self.rows.entry(whose).or_default();
        rows.skus.push(sku);
        rows.actual.push(actual);
        rows.means.push(mean);
        let (cdf, quantile) = (|units| law.cdf(units), |level| law.quantile(level));
        rows.scores.push(CountScore::of(actual, cdf, quantile));
        self.apart.take(sku, day_start(until));
        self.found.joined += 1;
        Ok(())
    }

    fn end(self, bootstrap: &Bootstrap) -> Result<Forecasts, EvaluationError> {
        let versions = self.rows.into_iter();
        let versions = versions.map(|(whose, rows)| rows.metrics(whose, bootstrap));
        Ok(Forecasts {
            versions: versions.collect::<Result<_, _>>()?,
            ..self.found
        })
    }
}

impl Rows {
    fn metrics(
        &self,
        (model_version, forecaster): Whose,
        bootstrap: &Bootstrap,
    ) -> Result<ForecastsOfVersion, EvaluationError> {
        let count = self.actual.len();
        let method = ForecastMethod {
            name: &forecaster,
            means: &self.means,
            scores: Some(&self.scores),
        };
        let rows = ForecastRows {
            products: &self.skus,
            origins: &vec![""; count],
            classes: &vec![None; count],
            actual: &self.actual,
            naive_squared: &vec![0.0; count],
            methods: &[method],
        };
        let mut metrics = evaluate_part(&model_version, "", &rows, bootstrap)?;
        metrics.retain(|line| line.metric != NOT_KNOWN_HERE);
        Ok(ForecastsOfVersion {
            model_version,
            forecaster,
            forecasts: count,
            metrics,
        })
    }
}
