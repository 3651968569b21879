//! `policy.json`: how the shop plans, apart from any model. What a request leaves out is taken from here.

use crate::policy::error::MOST_DAYS;
use crate::policy::{Constraints, LeadTime, PolicyError, Target};
use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serving::wire::within;
use std::collections::BTreeMap;
use std::fmt;

/// The shop's planning rules, with exceptions by category.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanningPolicy {
    /// Named in every answer.
    pub version: String,
    /// ISO 4217 code of the amounts below; must be the model's.
    pub currency: String,
    /// For every SKU.
    pub defaults: Rules,
    /// For the SKUs of a category, in place of the defaults.
    #[serde(default)]
    pub categories: BTreeMap<String, Rules>,
}

/// How SKUs are planned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// From placing an order to its arrival.
    pub lead_time: LeadTimeRule,
    /// Days from one chance to order to the next.
    pub review_period_days: f64,
    /// What the stock is for.
    pub target: Target,
    /// Costs that follow from the price.
    pub costs: CostRules,
    /// What limits an order.
    #[serde(default)]
    pub constraints: Constraints,
}

/// A fixed lead time, or its distribution.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "InventoryLeadTime")]
pub enum LeadTimeRule {
    /// Always as many days.
    Days(#[schemars(range(min = 0.0, max = MOST_DAYS))] f64),
    /// Days with their probabilities, which add up to one.
    Distribution(Vec<LeadTimeDays>),
}

/// One possible lead time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InventoryLeadTimeDays")]
pub struct LeadTimeDays {
    /// Days.
    #[schemars(range(min = 0.0, max = MOST_DAYS))]
    pub days: f64,
    /// 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
}

// Derived, it would be read into a value first, which loses the place of a fault and how objects are to be read.
impl<'de> Deserialize<'de> for LeadTimeRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherRule)
    }
}

struct EitherRule;

impl<'de> Visitor<'de> for EitherRule {
    type Value = LeadTimeRule;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of days, or a list of days with their probabilities")
    }

    fn visit_u64<E: de::Error>(self, days: u64) -> Result<LeadTimeRule, E> {
        Ok(LeadTimeRule::Days(days as f64))
    }

    fn visit_i64<E: de::Error>(self, days: i64) -> Result<LeadTimeRule, E> {
        Ok(LeadTimeRule::Days(days as f64))
    }

    fn visit_f64<E: de::Error>(self, days: f64) -> Result<LeadTimeRule, E> {
        Ok(LeadTimeRule::Days(days))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<LeadTimeRule, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(parts)).map(LeadTimeRule::Distribution)
    }
}

impl LeadTimeRule {
    /// As the formulas take it.
    pub fn lead_time(&self) -> Result<LeadTime, PolicyError> {
        match self {
            Self::Days(days) => LeadTime::fixed(*days),
            Self::Distribution(parts) => {
                let pmf: Vec<_> = parts.iter().map(|p| (p.days, p.probability)).collect();
                LeadTime::distribution(&pmf)
            }
        }
    }
}

/// Shares of the usual price from which costs follow where a request names none.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRules {
    /// What a unit costs the shop over what a customer pays, 0 to 1; the rest is margin, lost with every missed sale.
    pub unit_cost_share: f64,
    /// Capital, space and decay of a unit for a year, over what it costs, 0 to 10.
    pub holding_share_per_year: f64,
    /// Per order line, however much it holds, minor units.
    pub ordering_minor: i64,
}

impl PlanningPolicy {
    /// The rules of a category.
    pub fn rules(&self, category: &str) -> &Rules {
        self.categories.get(category).unwrap_or(&self.defaults)
    }

    /// Refuses values that make no sense, naming field, value and limit.
    pub fn check(&self, model_currency: &str) -> Result<(), String> {
        if self.currency != model_currency {
            return Err(format!(
                "currency is {}, the model's amounts are in {model_currency}",
                self.currency
            ));
        }
        if self.version.is_empty() {
            return Err("version is empty, answers name it".to_owned());
        }
        let named = self.categories.iter();
        let named = named.map(|(name, rules)| (format!("categories.{name}"), rules));
        std::iter::once(("defaults".to_owned(), &self.defaults))
            .chain(named)
            .try_for_each(|(place, rules)| {
                rules.check().map_err(|reason| format!("{place}.{reason}"))
            })
    }
}

impl Rules {
    fn check(&self) -> Result<(), String> {
        let text = |error: PolicyError| error.to_string();
        self.lead_time.lead_time().map_err(text)?;
        within("review_period_days", self.review_period_days, 0.0, 365.0)?;
        self.target.checked().map_err(text)?;
        self.constraints.checked().map_err(text)?;
        let costs = &self.costs;
        within("costs.unit_cost_share", costs.unit_cost_share, 0.0, 1.0)?;
        within(
            "costs.holding_share_per_year",
            costs.holding_share_per_year,
            0.0,
            10.0,
        )?;
        within(
            "costs.ordering_minor",
            costs.ordering_minor as f64,
            0.0,
            1e9,
        )
    }
}
