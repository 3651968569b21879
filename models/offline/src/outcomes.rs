//! `storecast outcomes`: what was predicted, held against what happened. Here for churn, in [`lists`] for recommendations, in
//! [`demand`] for inventory.
//!
//! Of each customer, predictions count that do not overlap: the first, and then the first that begins when the window of the one
//! before is over. Others about the same window are the same question asked again, and would count one outcome twice.

mod apart;
pub mod demand;
pub mod lists;
pub mod truth;
pub mod uplift;

use crate::evaluate::{Bootstrap, EvaluationError, EvaluationRows, MetricLine, evaluate};
use crate::replay::Names;
use apart::Apart;
use churn::Churn;
use churn::kept::Told;
use churn::policy::{ChurnPolicy, DO_NOTHING};
use features::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use serving::prediction_log::LoggedPrediction;
use serving::predictor::Predictor;
use serving::wire::parse_instant;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use truth::{Fate, Truth};
use uplift::{Group, Measured, TooLittle, by_chance, measure};

/// A prediction with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// What stands for the customer in the log.
    pub customer: String,
    /// The instant answered for.
    pub at: Timestamp,
    /// The same as text.
    pub as_of: String,
    /// Version of the model.
    pub model_version: String,
    /// Raw score.
    pub raw: f64,
    /// What was answered and decided.
    pub told: Told,
    /// Whether the customer left; the window is over.
    pub left: bool,
}

/// Predictions that were joined, and why others were not.
#[derive(Debug, Default)]
pub struct Join {
    /// By instant, then by customer.
    pub joined: Vec<Joined>,
    /// Lines about the window of another one that counts.
    pub repeated: u64,
    /// Lines of which nobody knows yet what became of them.
    pub open: u64,
    /// Lines that do not hold what one of churn holds.
    pub broken: u64,
}

/// Joins lines with what became of the customers.
pub fn join(lines: &[LoggedPrediction], truth: &Truth, horizon_days: f64) -> Join {
    let mut found = Join::default();
    let mut read: Vec<Joined> = lines.iter().filter_map(|line| found.read(line)).collect();
    // Lines about the same come in the order of the log.
    read.sort_by(|a, b| (a.at, &a.customer).cmp(&(b.at, &b.customer)));
    let mut apart = Apart::new();
    for mut one in read {
        if apart.overlaps(&one.customer, one.at) {
            found.repeated += 1;
            continue;
        }
        match truth.fate(&one.customer, &one.as_of, one.at) {
            Fate::Open => found.open += 1,
            fate => {
                apart.take(one.customer.clone(), one.at.plus_days(horizon_days));
                one.left = fate == Fate::Left;
                found.joined.push(one);
            }
        }
    }
    found
}

impl Join {
    fn read(&mut self, line: &LoggedPrediction) -> Option<Joined> {
        let read = || {
            let scored = line.scored(Churn::schema().columns.len())?;
            Some(Joined {
                customer: line.entity.clone(),
                at: parse_instant(&line.as_of, "as_of").ok()?.0,
                as_of: line.as_of.clone(),
                model_version: line.model_version.clone(),
                raw: *scored.raw.first()?,
                told: serde_json::from_value(line.answered.clone()).ok()?,
                left: false,
            })
        };
        let read = read();
        self.broken += u64::from(read.is_none());
        read
    }
}

/// The metrics of each model version, with intervals from a bootstrap over customers.
pub fn by_version(
    joined: &[Joined],
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, VersionOutcome>, EvaluationError> {
    let mut versions: BTreeMap<&str, Vec<&Joined>> = BTreeMap::new();
    for one in joined {
        versions.entry(&one.model_version).or_default().push(one);
    }
    let judged = versions.into_iter().map(|(version, rows)| {
        let outcome = VersionOutcome::of(version, &rows, bootstrap)?;
        Ok((version.to_owned(), outcome))
    });
    judged.collect()
}

/// How a version did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionOutcome {
    /// Predictions with an outcome.
    pub predictions: usize,
    /// Customers who left.
    pub left: usize,
    /// The metrics of `storecast evaluate` without baselines and bars.
    pub metrics: Vec<MetricLine>,
}

impl VersionOutcome {
    fn of(version: &str, rows: &[&Joined], bootstrap: &Bootstrap) -> Result<Self, EvaluationError> {
        let mut numbers = HashMap::new();
        let mut customers = Vec::with_capacity(rows.len());
        for row in rows {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            customers.push(*numbers.entry(&row.customer).or_insert(next));
        }
        let labels: Vec<bool> = rows.iter().map(|row| row.left).collect();
        let raw: Vec<f64> = rows.iter().map(|row| row.raw).collect();
        let probabilities = rows.iter().map(|row| row.told.churn_probability);
        let judged = EvaluationRows {
            customers: &customers,
            labels: &labels,
            raw: &raw,
            probabilities: &probabilities.collect::<Vec<_>>(),
            baselines: &[],
        };
        Ok(Self {
            predictions: rows.len(),
            left: labels.iter().filter(|left| **left).count(),
            metrics: evaluate(version, &judged, &[], bootstrap)?,
        })
    }
}

/// What is known of an offer.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferOutcome {
    /// Its id.
    pub offer: String,
    /// Customers it was chosen for.
    pub treated: Group,
    /// Customers of the control group it would have been chosen for.
    pub control: Group,
    /// What it changed, or why that cannot be said.
    pub measured: Result<Measured, TooLittle>,
    /// The first and the last day that was predicted for.
    pub days: [String; 2],
}

impl OfferOutcome {
    /// As the report has it.
    pub fn report(&self) -> Value {
        let group = |group: Group| json!({ "customers": group.people, "left": group.left });
        let mut report = json!({
            "offer": self.offer,
            "treated": group(self.treated),
            "control": group(self.control),
        });
        match &self.measured {
            Ok(measured) => {
                report["retention_difference"] = measured.difference.into();
                report["retention_difference_interval"] = json!(measured.difference_interval);
                report["by_chance"] = by_chance(self.treated, self.control).into();
                report["uplift"] = measured.uplift.into();
                report["uplift_interval"] = json!(measured.uplift_interval);
                report["beta"] = json!([measured.alpha, measured.beta]);
            }
            Err(reason) => report["stays_assumed_because"] = reason.to_string().into(),
        }
        report
    }

    /// Where the uplift comes from, as the policy names it.
    fn source(&self) -> String {
        let [from, to] = &self.days;
        let (n, m) = (self.treated.people, self.control.people);
        format!("measured {from}..{to}, {n} treated, {m} control")
    }
}

/// Compares, for each offer, whom it was chosen for with whom it would have been chosen for. A customer counts once, in the first
/// window that an offer was meant for: later ones depend on whether it worked. Left out are decisions that a budget took
/// part in: there, who got something differs from who did not.
pub fn offers(joined: &[Joined], policy: &ChurnPolicy) -> Vec<OfferOutcome> {
    let mut seen = BTreeSet::new();
    let meant = joined.iter().filter(|one| one.told.best != DO_NOTHING);
    let first: Vec<_> = meant.filter(|one| seen.insert(&one.customer)).collect();
    let ids = policy.offers.iter().map(|offer| offer.id.as_str());
    ids.map(|id| offer(&first, id)).collect()
}

fn offer(first: &[&Joined], id: &str) -> OfferOutcome {
    let (mut treated, mut control) = (Group::default(), Group::default());
    let mut days: Option<[&str; 2]> = None;
    let meant = first
        .iter()
        .filter(|one| !one.told.is_budgeted && one.told.best == id);
    for one in meant {
        let day = one.as_of.get(..10).unwrap_or(&one.as_of);
        // By instant, so the last is the latest.
        days = Some([days.map_or(day, |[first, _]| first), day]);
        if one.told.control_group {
            control.add(one.left);
        } else if one.told.intervention == id {
            treated.add(one.left);
        }
    }
    OfferOutcome {
        offer: id.to_owned(),
        treated,
        control,
        measured: measure(treated, control),
        days: days.unwrap_or_default().map(str::to_owned),
    }
}

/// The policy with what was measured in the place of what was assumed, under a version of its own; `None` where nothing was
/// measured.
pub fn with_measured(policy: &Value, offers: &[OfferOutcome]) -> Option<Value> {
    let mut changed = policy.clone();
    let mut last = "";
    for offer in offers {
        let Ok(measured) = &offer.measured else {
            continue;
        };
        let mut own = changed["offers"].as_array_mut()?.iter_mut();
        let own = own.find(|own| own["id"] == *offer.offer)?;
        own["uplift"] = json!({
            "alpha": rounded(measured.alpha),
            "beta": rounded(measured.beta),
            "source": offer.source(),
        });
        last = last.max(&offer.days[1]);
    }
    if last.is_empty() {
        return None;
    }
    let version = policy["version"].as_str().unwrap_or_default();
    // Measured again, the day is replaced.
    let version = version.split(", measured ").next().unwrap_or_default();
    changed["version"] = format!("{version}, measured {last}").into();
    Some(changed)
}

/// Four decimals say all that a shape does.
fn rounded(shape: f64) -> f64 {
    (shape * 1e4).round() / 1e4
}

/// Customers who got an offer, with the instants, as training takes them; without those whose id nobody knows.
pub fn treated(lines: &[LoggedPrediction], names: &Names) -> Vec<(String, String)> {
    let got = |line: &LoggedPrediction| {
        let told: Told = serde_json::from_value(line.answered.clone()).ok()?;
        let id = names.id(&line.entity)?;
        (told.intervention != DO_NOTHING).then(|| (id.to_owned(), line.as_of.clone()))
    };
    let treated: BTreeSet<_> = lines.iter().filter_map(got).collect();
    treated.into_iter().collect()
}
