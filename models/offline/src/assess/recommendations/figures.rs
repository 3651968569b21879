//! From lists to metrics.

use super::{COVERED_ORDERS, Customer, K, List};
use crate::evaluate::lists::{hit, mean, ndcg, recall, reciprocal_rank, resampled};
use crate::evaluate::{Bar, Bootstrap, Measured, MetricLine};
use features::items::ItemIndex as _;
use recommendations::Recommendations;
use recommendations::stock::KnownStock;
use recommendations::tables::Catalogue;
use serving::predictor::Predictor as _;
use std::collections::{BTreeMap, HashSet};

#[derive(Default)]
pub(super) struct Figures {
    pub(super) customers: Vec<Customer>,
}

/// A figure of one list of a customer.
type Measure = fn(&[String], &HashSet<String>, usize) -> f64;

/// The model's and its rivals' figures of the same customers, one value each.
struct Compared {
    model: Vec<f64>,
    rivals: Vec<(&'static str, Vec<f64>)>,
}

impl Compared {
    fn rival(&self, name: &str) -> &[f64] {
        let found = self.rivals.iter().find(|(known, _)| *known == name);
        found.map_or(&[], |(_, values)| values)
    }
}

type Rivals = fn(&Customer) -> &[(&'static str, List)];

impl Figures {
    pub(super) fn lines(
        &self,
        catalogue: &Catalogue,
        stock: Option<&KnownStock>,
        bars: &[Bar],
    ) -> Vec<MetricLine> {
        let all: Vec<&Customer> = self.customers.iter().collect();
        let cold: Vec<&Customer> = self.customers.iter().filter(|c| c.is_cold).collect();
        let home: Rivals = |c| &c.rival_home;
        let of_home = |measure: Measure, customers: &[&Customer]| {
            compare(customers, |c| (&c.home, &c.bought), home, measure)
        };
        let ndcgs = of_home(ndcg, &all);
        let new = compare(
            &all,
            |c| (&c.discover, &c.new),
            |c| &c.rival_discover,
            recall,
        );
        let carts = compare(&all, |c| (&c.cart, &c.hidden), |c| &c.rival_cart, recall);
        let again = |measure: Measure| {
            compare(
                &all,
                |c| (&c.buy_again, &c.again),
                |c| &c.rival_again,
                measure,
            )
        };
        let ranks = compare(
            &all,
            |c| (&c.cart, &c.hidden),
            |c| &c.rival_cart,
            reciprocal_rank,
        );
        let mut lines = vec![
            averaged("ndcg_at_10", &ndcgs),
            averaged("recall_at_10", &of_home(recall, &all)),
            averaged("hit_rate_at_10", &of_home(hit, &all)),
            difference("ndcg_minus_decayed_frequency", &ndcgs, "decayed_frequency"),
            averaged("buy_again_recall_at_10", &again(recall)),
            averaged("buy_again_ndcg_at_10", &again(ndcg)),
            averaged("discover_recall_at_10", &new),
            ratio("discover_recall_ratio", &new, "popularity_28"),
            averaged("cart_recall_at_10", &carts),
            averaged("cart_mrr_at_10", &ranks),
            difference("cart_recall_minus_cosine", &carts, "cosine"),
            averaged("cold_recall_at_10", &of_home(recall, &cold)),
        ];
        let covered = |name, of: fn(&Customer) -> &List, rivals: Rivals| {
            coverage(name, &self.customers, of, rivals, catalogue)
        };
        lines.push(covered("coverage", |c| &c.home, home));
        lines.push(covered(
            "discover_coverage",
            |c| &c.discover,
            |c| &c.rival_discover,
        ));
        let percentile = percentile(catalogue);
        let of = |list: &[String], _: &HashSet<String>, _: usize| percentile(list);
        let shown = compare(&all, |c| (&c.home, &c.bought), home, of);
        lines.push(averaged("popularity_percentile", &shown));
        let shown = compare(
            &all,
            |c| (&c.discover, &c.bought),
            |c| &c.rival_discover,
            of,
        );
        lines.push(averaged("discover_popularity_percentile", &shown));
        if let Some(stock) = stock {
            lines.push(in_stock(&all, stock));
        }
        let violations: usize = self.customers.iter().map(|c| c.violations).sum();
        lines.push(line("rule_violations", Some(violations as f64)));
        lines.push(line("customers", Some(self.customers.len() as f64)));
        lines.push(line("cold_customers", Some(cold.len() as f64)));
        lines.into_iter().map(|line| judged(line, bars)).collect()
    }
}

/// Customers without anything relevant are left out, for every method.
fn compare(
    customers: &[&Customer],
    of: impl Fn(&Customer) -> (&List, &HashSet<String>),
    rivals: Rivals,
    measure: impl Fn(&[String], &HashSet<String>, usize) -> f64,
) -> Compared {
    let asked = customers
        .iter()
        .filter(|customer| !of(customer).1.is_empty());
    let asked: Vec<&&Customer> = asked.collect();
    let model = asked.iter().map(|customer| {
        let (list, relevant) = of(customer);
        measure(list, relevant, K)
    });
    let names = asked
        .first()
        .map(|customer| rivals(customer))
        .unwrap_or_default();
    let rival = |(place, (name, _)): (usize, &(&'static str, List))| {
        let values = asked.iter().map(|customer| {
            let list = &rivals(customer)[place].1;
            measure(list, of(customer).1, K)
        });
        (*name, values.collect())
    };
    Compared {
        model: model.collect(),
        rivals: names.iter().enumerate().map(rival).collect(),
    }
}

fn line(metric: &str, value: Option<f64>) -> MetricLine {
    MetricLine {
        model: Recommendations::NAME.to_owned(),
        metric: metric.to_owned(),
        value,
        interval: None,
        bar: None,
        baselines: BTreeMap::new(),
        pass: None,
    }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

fn at(values: &[f64], places: &[usize]) -> f64 {
    places.iter().map(|place| values[*place]).sum::<f64>() / places.len() as f64
}

fn averaged(metric: &str, compared: &Compared) -> MetricLine {
    let model = &compared.model;
    let rivals = compared.rivals.iter();
    MetricLine {
        interval: resampled(model.len(), &Bootstrap::default(), |places| {
            at(model, places)
        }),
        baselines: rivals
            .map(|(name, values)| ((*name).to_owned(), finite(mean(values))))
            .collect(),
        ..line(metric, finite(mean(model)))
    }
}

fn difference(metric: &str, compared: &Compared, rival: &str) -> MetricLine {
    let rival = compared.rival(rival);
    let paired: Vec<f64> = compared
        .model
        .iter()
        .zip(rival)
        .map(|(a, b)| a - b)
        .collect();
    MetricLine {
        interval: resampled(paired.len(), &Bootstrap::default(), |places| {
            at(&paired, places)
        }),
        ..line(metric, finite(mean(&paired)))
    }
}

fn ratio(metric: &str, compared: &Compared, rival: &str) -> MetricLine {
    let (model, rival) = (&compared.model, compared.rival(rival));
    let of = |places: &[usize]| at(model, places) / at(rival, places);
    MetricLine {
        interval: resampled(model.len(), &Bootstrap::default(), of),
        ..line(metric, finite(mean(model) / mean(rival)))
    }
}

/// Share of the items with enough orders before the cut that anybody was shown.
fn coverage(
    metric: &str,
    customers: &[Customer],
    of: impl Fn(&Customer) -> &List,
    rivals: Rivals,
    catalogue: &Catalogue,
) -> MetricLine {
    let counts = |id: &str| {
        let item = catalogue.item(id);
        item.is_some_and(|item| catalogue.popularity(item) >= COVERED_ORDERS)
    };
    let all =
        (0..catalogue.items() as u32).filter(|item| catalogue.popularity(*item) >= COVERED_ORDERS);
    let all = all.count() as f64;
    let share = |lists: &mut dyn Iterator<Item = &List>| {
        let shown: HashSet<&String> = lists.flatten().filter(|id| counts(id)).collect();
        finite(shown.len() as f64 / all)
    };
    let names = customers.first().map(rivals).unwrap_or_default();
    let of_rival = |(place, (name, _)): (usize, &(&'static str, List))| {
        let lists = &mut customers.iter().map(|customer| &rivals(customer)[place].1);
        ((*name).to_owned(), share(lists))
    };
    MetricLine {
        baselines: names.iter().enumerate().map(of_rival).collect(),
        ..line(metric, share(&mut customers.iter().map(&of)))
    }
}

/// Popularity bias: the mean share of the shop's items that sell less than one that is shown; 0 for an empty list.
fn percentile(catalogue: &Catalogue) -> impl Fn(&[String]) -> f64 + '_ {
    let mut orders: Vec<u32> = (0..catalogue.items() as u32)
        .map(|item| catalogue.popularity(item))
        .collect();
    orders.sort_unstable();
    move |list| {
        let below = |id: &String| {
            let own = catalogue
                .item(id)
                .map_or(0, |item| catalogue.popularity(item));
            orders.partition_point(|other| *other < own) as f64 / orders.len() as f64
        };
        let shares: Vec<f64> = list.iter().map(below).collect();
        if shares.is_empty() {
            0.0
        } else {
            mean(&shares)
        }
    }
}

/// Share of the items shown that were there, beside what it would have been had nobody looked.
fn in_stock(customers: &[&Customer], stock: &KnownStock) -> MetricLine {
    let is_there = |id: &String| stock.level(id).is_some_and(|level| level.on_hand_milli > 0);
    let share = |list: &List| {
        let there = list.iter().filter(|id| is_there(id)).count();
        there as f64 / list.len().max(1) as f64
    };
    let of = |list: fn(&Customer) -> &List| customers.iter().map(|c| share(list(c))).collect();
    let compared = Compared {
        model: of(|c| &c.home_in_stock),
        rivals: vec![("stock_not_looked_at", of(|c| &c.home))],
    };
    averaged("share_in_stock", &compared)
}

fn judged(line: MetricLine, bars: &[Bar]) -> MetricLine {
    let limit = bars.iter().find(|bar| bar.metric == line.metric);
    let measured = Measured {
        value: line.value,
        interval: line.interval,
    };
    let limit = limit.map(|bar| bar.limit);
    MetricLine::judged(&line.model, line.metric, measured, limit, line.baselines)
}
