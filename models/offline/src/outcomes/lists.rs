//! Lists that were shown, held against what the customers bought then: hit rate, recall and NDCG by model version and surface.
//!
//! Of a customer and a surface, lists count whose windows do not overlap. What counts as bought is what the surface is about, as in
//! `storecast evaluate`: for `buy_again` what the customer had bought before, for `discover` what not, and in a cart what was not
//! there yet. A list is judged where anything of that was bought within the window; the others are counted.

use super::apart::Apart;
use crate::assess::Failure;
use crate::evaluate::lists::{hit, ndcg, recall, resampled};
use crate::evaluate::{Bootstrap, Measured, MetricLine};
use crate::histories::Histories;
use crate::replay::Names;
use features::history::CustomerHistory;
use features::time::Timestamp;
use recommendations::answer::Told;
use recommendations::api::Surface;
use recommendations::product_ids;
use serde::Serialize;
use serving::prediction_log::LoggedPrediction;
use serving::wire::parse_instant;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What became of lists.
#[derive(Debug, Default, Serialize)]
pub struct Lists {
    /// Judged.
    pub joined: u64,
    /// Lists whose customers bought nothing of what the surface is about within the window.
    pub nothing_bought: u64,
    /// Lists without an item.
    pub empty: u64,
    /// Lines about the window of another one that counts.
    pub repeated: u64,
    /// Lines whose window is not known to its end yet.
    pub open: u64,
    /// Lines of customers that no file tells of.
    pub unknown: u64,
    /// Lines that do not hold what one of recommendations holds.
    pub broken: u64,
    /// By model version, then by surface.
    pub versions: Vec<ListsOfVersion>,
}

/// How a version did on a surface.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListsOfVersion {
    /// Version of the model.
    pub model_version: String,
    /// Where the items were shown.
    pub surface: String,
    /// Lists that were judged.
    pub lists: usize,
    /// Different customers of them.
    pub customers: usize,
    /// Lists whose customers bought nothing of what the surface is about.
    pub nothing_bought: u64,
    /// With intervals from a bootstrap over customers.
    pub metrics: Vec<MetricLine>,
}

/// How lists are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Days from a list on within which a purchase counts.
    pub days: f64,
    /// Items at the front of a list that count.
    pub k: usize,
}

/// A line that was read.
struct Asked<'a> {
    line: &'a LoggedPrediction,
    at: Timestamp,
    surface: Surface,
    /// The same as the line has it.
    surface_name: &'a str,
    cart: HashSet<String>,
    shown: Vec<String>,
}

/// A figure of one list.
type Measure = fn(&[String], &HashSet<String>, usize) -> f64;
const MEASURES: [(&str, Measure); 3] = [("hit_rate", hit), ("recall", recall), ("ndcg", ndcg)];

/// The judged lists of a version on a surface.
#[derive(Default)]
struct Rows {
    lists: usize,
    nothing_bought: u64,
    customers: BTreeMap<u32, OfCustomer>,
}

/// The judged lists of one customer.
#[derive(Default)]
struct OfCustomer {
    lists: f64,
    /// By [`MEASURES`].
    sums: [f64; MEASURES.len()],
}

/// Judges what lines say of customers by the shop's own orders.
pub fn lists(
    lines: &[LoggedPrediction],
    histories: &Histories,
    salt: Option<&str>,
    window: Window,
    bootstrap: &Bootstrap,
) -> Result<Lists, Failure> {
    let mut judge = Judge {
        window,
        known: histories.complete_through(),
        apart: Apart::new(),
        rows: BTreeMap::new(),
        found: Lists::default(),
    };
    let mut by_customer: HashMap<String, Vec<Asked<'_>>> = HashMap::new();
    for line in lines {
        match read(line) {
            Some(asked) => by_customer
                .entry(line.entity.clone())
                .or_default()
                .push(asked),
            None => judge.found.broken += 1,
        }
    }
    for (number, customer) in (0..).zip(histories.customers()) {
        let (id, history) = customer?;
        let mut asked = by_customer
            .remove(&Names::name(&id, salt))
            .unwrap_or_default();
        // Lines about the same instant stay in the order of the log.
        asked.sort_by_key(|asked| asked.at);
        for asked in asked {
            judge.judge(number, &asked, &history);
        }
    }
    judge.found.unknown = by_customer.values().map(|asked| asked.len() as u64).sum();
    Ok(judge.end(bootstrap))
}

fn read(line: &LoggedPrediction) -> Option<Asked<'_>> {
    let told: Told = serde_json::from_value(line.answered.clone()).ok()?;
    let of = |name: &str| line.asked.get(name).cloned();
    Some(Asked {
        line,
        at: parse_instant(&line.as_of, "as_of").ok()?.0,
        surface: serde_json::from_value(of("surface")?).ok()?,
        surface_name: line.asked.get("surface")?.as_str()?,
        cart: serde_json::from_value(of("cart")?).ok()?,
        shown: told.items.into_iter().map(|item| item.product_id).collect(),
    })
}

/// Everything that is known while lines are judged.
struct Judge {
    window: Window,
    /// Orders before it are known.
    known: Timestamp,
    apart: Apart<(u32, String)>,
    /// By version and surface.
    rows: BTreeMap<(String, String), Rows>,
    found: Lists,
}

impl Judge {
    fn judge(&mut self, customer: u32, asked: &Asked<'_>, history: &CustomerHistory) {
        let until = asked.at.plus_days(self.window.days);
        let surface = asked.surface_name.to_owned();
        let about = (customer, surface.clone());
        if asked.shown.is_empty() {
            self.found.empty += 1;
        } else if self.apart.overlaps(&about, asked.at) {
            self.found.repeated += 1;
        } else if until > self.known {
            self.found.open += 1;
        } else {
            self.apart.take(about, until);
            let whose = (asked.line.model_version.clone(), surface);
            let rows = self.rows.entry(whose).or_default();
            let relevant = asked.relevant(history, until);
            if relevant.is_empty() {
                rows.nothing_bought += 1;
                self.found.nothing_bought += 1;
                return;
            }
            self.found.joined += 1;
            rows.lists += 1;
            let own = rows.customers.entry(customer).or_default();
            own.lists += 1.0;
            for (sum, (_, measure)) in own.sums.iter_mut().zip(MEASURES) {
                *sum += measure(&asked.shown, &relevant, self.window.k);
            }
        }
    }

    fn end(self, bootstrap: &Bootstrap) -> Lists {
        let k = self.window.k;
        let versions = self.rows.into_iter();
        let versions = versions.map(|((version, surface), rows)| ListsOfVersion {
            metrics: rows.metrics(&version, k, bootstrap),
            model_version: version,
            surface,
            lists: rows.lists,
            customers: rows.customers.len(),
            nothing_bought: rows.nothing_bought,
        });
        Lists {
            versions: versions.collect(),
            ..self.found
        }
    }
}

impl Asked<'_> {
    /// What was bought within the window, of what the surface is about.
    fn relevant(&self, history: &CustomerHistory, until: Timestamp) -> HashSet<String> {
        let (before, later) = history.orders().split_at(history.before(self.at).len());
        let known: HashSet<&str> = before.iter().flat_map(product_ids).collect();
        let bought = later.iter().take_while(|order| order.placed_at < until);
        let is_asked_for = |id: &&str| match self.surface {
            Surface::Home => true,
            Surface::BuyAgain => known.contains(id),
            Surface::Discover => !known.contains(id),
            Surface::Cart | Surface::AbandonedCart => !self.cart.contains(*id),
        };
        let bought = bought.flat_map(product_ids).filter(is_asked_for);
        bought.map(str::to_owned).collect()
    }
}

impl Rows {
    /// Means over lists. A customer is drawn with all lists.
    fn metrics(&self, version: &str, k: usize, bootstrap: &Bootstrap) -> Vec<MetricLine> {
        let customers: Vec<&OfCustomer> = self.customers.values().collect();
        let everybody: Vec<usize> = (0..customers.len()).collect();
        let metric = |(place, (name, _)): (usize, &(&str, Measure))| {
            let mean = |drawn: &[usize]| {
                let of = drawn.iter().map(|at| customers[*at]);
                let (lists, sum) = of.fold((0.0, 0.0), |(lists, sum), one| {
                    (lists + one.lists, sum + one.sums[place])
                });
                sum / lists
            };
            let measured = Measured {
                value: Some(mean(&everybody)).filter(|value| value.is_finite()),
                interval: resampled(customers.len(), bootstrap, mean),
            };
            MetricLine::judged(version, format!("{name}_at_{k}"), measured, None, [])
        };
        MEASURES.iter().enumerate().map(metric).collect()
    }
}
