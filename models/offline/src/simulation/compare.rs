//! Rules beside each other, with how far chance among products could move the differences.

use super::figures::{GAP, MEASURES, Measure, Tally};
use super::rules::STORECAST;
use crate::evaluate::forecast::DemandClass;
use crate::evaluate::{Bar, Bootstrap, Measured, MetricLine, SplitMix64, draw, interval};
use std::collections::BTreeMap;

/// One rule's days.
#[derive(Debug, Clone)]
pub struct RuleOutcome {
    /// The rule.
    pub name: &'static str,
    /// One per product.
    pub tallies: Vec<Tally>,
}

/// What became of every rule over the same days.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Rivals first.
    pub rules: Vec<RuleOutcome>,
    /// Of each product.
    pub classes: Vec<Option<DemandClass>>,
    /// Days that count.
    pub counted_days: f64,
    /// ISO 4217.
    pub currency: String,
    /// Minor units in one unit of the currency.
    pub minor_per_major: u32,
}

impl Outcome {
    /// A rule's sums over products, each as often as its weight says.
    fn total(rule: &RuleOutcome, weights: &[u32]) -> Tally {
        let mut sum = Tally::default();
        for (tally, weight) in rule.tallies.iter().zip(weights) {
            sum.add(tally, f64::from(*weight));
        }
        sum
    }

    /// Every rule's sums, products of one class only where one is named.
    pub(super) fn totals(&self, class: Option<DemandClass>) -> Vec<Tally> {
        let member = |of: &Option<DemandClass>| u32::from(class.is_none() || class == *of);
        let weights: Vec<u32> = self.classes.iter().map(member).collect();
        let total = |rule| Self::total(rule, &weights);
        self.rules.iter().map(total).collect()
    }

    /// Every rule's sums over products drawn with replacement, the same draw for all rules.
    pub(super) fn resamples(&self, bootstrap: &Bootstrap) -> Vec<Vec<Tally>> {
        let count = self.classes.len();
        let products: Vec<u32> = (0..count as u32).collect();
        let mut random = SplitMix64::new(bootstrap.seed);
        let mut weights = vec![0; count];
        let mut resample = |_| {
            draw(&mut random, &products, count, &mut weights);
            let totals = self.rules.iter().map(|rule| Self::total(rule, &weights));
            totals.collect()
        };
        (0..bootstrap.resamples).map(&mut resample).collect()
    }

    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.name == name)
    }

    /// A metric of the rule `storecast` and its changes against every other rule, one line each: `cost`,
    /// `cost_vs_ses_normal`, ...; shares are compared by difference, everything else as part of the rival's. The fill
    /// rate of each class of demand follows. No lines where that rule was not replayed.
    pub fn lines(&self, model: &str, bars: &[Bar], bootstrap: &Bootstrap) -> Vec<MetricLine> {
        let Some(own) = self.index_of(STORECAST) else {
            return Vec::new();
        };
        let report = Report {
            outcome: self,
            own,
            totals: self.totals(None),
            resamples: self.resamples(bootstrap),
        };
        let lines = MEASURES.iter().flat_map(|measure| report.lines(measure));
        let classes = DemandClass::ALL
            .iter()
            .map(|class| report.class_line(*class));
        let judged = lines.chain(classes).map(|(metric, measured, baselines)| {
            let bar = bars.iter().find(|bar| bar.metric == metric);
            let limit = bar.map(|bar| bar.limit);
            MetricLine::judged(model, metric, measured, limit, baselines)
        });
        judged.collect()
    }
}

type Line = (String, Measured, BTreeMap<String, Option<f64>>);

/// The storecast rule among its rivals.
pub(super) struct Report<'o> {
    pub(super) outcome: &'o Outcome,
    pub(super) own: usize,
    pub(super) totals: Vec<Tally>,
    pub(super) resamples: Vec<Vec<Tally>>,
}

impl Report<'_> {
    fn estimate(&self, of: impl Fn(&[Tally]) -> Option<f64>) -> Measured {
        let resampled: Vec<Option<f64>> = self.resamples.iter().map(|t| of(t)).collect();
        Measured {
            value: of(&self.totals),
            interval: interval(&resampled),
        }
    }

    fn value(&self, measure: &Measure, tally: &Tally) -> Option<f64> {
        (measure.of)(tally, self.outcome.counted_days)
    }

    /// How the storecast rule differs from a rival.
    pub(super) fn change(&self, measure: &Measure, rival: usize) -> Measured {
        self.estimate(|totals| {
            let own = self.value(measure, &totals[self.own])?;
            measure.change(own, self.value(measure, &totals[rival])?)
        })
    }

    fn rivals(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let rules = self.outcome.rules.iter().enumerate();
        let named = rules.map(|(index, rule)| (index, rule.name));
        named.filter(|(index, _)| *index != self.own)
    }

    fn lines(&self, measure: &Measure) -> Vec<Line> {
        let baseline = |(index, name): (usize, &str)| {
            (name.to_owned(), self.value(measure, &self.totals[index]))
        };
        let own = self.estimate(|totals| self.value(measure, &totals[self.own]));
        let baselines = self.rivals().map(baseline).collect();
        let mut lines = vec![(measure.name.to_owned(), own, baselines)];
        if measure.name != GAP {
            lines.extend(self.rivals().map(|(rival, name)| {
                let metric = format!("{}_vs_{name}", measure.name);
                (metric, self.change(measure, rival), BTreeMap::new())
            }));
        }
        lines
    }

    /// The fill rate of the products of one class.
    fn class_line(&self, class: DemandClass) -> Line {
        let totals = self.outcome.totals(Some(class));
        let value = |index: usize| self.value(&MEASURES[0], &totals[index]);
        let baselines = self
            .rivals()
            .map(|(index, name)| (name.to_owned(), value(index)));
        let metric = format!("{}@{}", MEASURES[0].name, class.name());
        let measured = Measured {
            value: value(self.own),
            interval: None,
        };
        (metric, measured, baselines.collect())
    }
}
