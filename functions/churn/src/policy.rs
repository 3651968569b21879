//! The decision: what each offer is worth for one customer, and which to make. Pure.
//!
//! Expected value of an offer for a customer who leaves with probability `p` (Verbraken, Verbeke and Baesens (2013),
//! A novel profit maximizing metric for measuring classification performance of customer churn prediction models,
//! with a redemption rate for either kind of customer):
//!
//! `EV = p u V - contact - offer (p g1 + (1 - p) g0)`
//!
//! `u` uplift (a leaver stays because of it), `V` margin on what a customer who stays buys, `g1` and `g0` redemption
//! by would-be leavers and by those who stay anyway. Doing nothing is worth 0 and is always an option.

use crate::api::{Alternative, Decision};
use crate::budget;
use serde::Deserialize;
use serving::arms::position;
use serving::wire::within;

/// Id of the option that is always there.
pub const DO_NOTHING: &str = "do_nothing";

/// `policy.json`: what the shop decides, apart from any model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChurnPolicy {
    /// Named in every answer.
    pub version: String,
    /// ISO 4217 code of the amounts below; must be the model's.
    pub currency: String,
    /// Margin over spend, 0 to 1.
    pub margin_share: f64,
    /// Over how many horizons a customer who stays is counted.
    pub value_horizons: f64,
    /// By rising `from`; the first starts at 0.
    pub risk_bands: Vec<RiskBand>,
    /// Who is left alone.
    pub control_group: ControlGroup,
    /// What can be done.
    pub offers: Vec<Offer>,
}

/// A named range of probabilities.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskBand {
    /// For example `high`.
    pub name: String,
    /// Lowest probability in the band.
    pub from: f64,
}

/// Customers who get no intervention, chosen by a stable hash, so that effects can be measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlGroup {
    /// 0 to 1.
    pub share: f64,
    /// Changing it draws another group.
    pub salt: String,
}

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Stable id.
    pub id: String,
    /// For people.
    pub title: String,
    /// Paid for every contact, minor units.
    pub contact_minor: i64,
    /// Paid when redeemed, minor units.
    pub offer_minor: i64,
    /// Redemption by those who would have left.
    pub redeemed_by_leavers: f64,
    /// Redemption by those who would have stayed.
    pub redeemed_by_stayers: f64,
    /// How many would-be leavers stay because of it.
    pub uplift: Uplift,
}

/// A beta distribution over the uplift, and where it comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uplift {
    /// First shape.
    pub alpha: f64,
    /// Second shape.
    pub beta: f64,
    /// `assumed`, or the experiment that measured it.
    pub source: String,
}

impl Uplift {
    /// Its expectation.
    pub fn mean(&self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }
}

/// What a decision needs to know of a customer.
#[derive(Debug, Clone, Copy)]
pub struct Stakes<'a> {
    /// The shop's id.
    pub customer_id: &'a str,
    /// Probability to leave.
    pub p: f64,
    /// Spend within one horizon if the customer stays, minor units.
    pub spend_minor: f64,
}

impl ChurnPolicy {
    /// The band of a probability.
    pub fn risk_band(&self, probability: f64) -> &str {
        let band = self
            .risk_bands
            .iter()
            .rev()
            .find(|band| probability >= band.from);
        band.map_or("", |band| &band.name)
    }

    /// Whether a customer is left alone; the same for the same id and salt, everywhere and always.
    pub fn in_control_group(&self, customer_id: &str) -> bool {
        position(&self.control_group.salt, customer_id) < self.control_group.share
    }

    /// Every option for one customer, best first; ties go to doing nothing, then to the policy's order.
    pub fn options(&self, stakes: Stakes<'_>) -> Vec<Alternative> {
        let nothing = Alternative {
            intervention: DO_NOTHING.to_owned(),
            expected_value_minor: 0,
            expected_cost_minor: 0,
            uplift: 0.0,
            uplift_source: "by definition".to_owned(),
            break_even_uplift: None,
        };
        let mut options = vec![nothing];
        options.extend(self.offers.iter().map(|offer| self.option(offer, stakes)));
        options.sort_by_key(|option| std::cmp::Reverse(option.expected_value_minor));
        options
    }

    fn option(&self, offer: &Offer, stakes: Stakes<'_>) -> Alternative {
        let p = stakes.p;
        let value = self.margin_share * self.value_horizons * stakes.spend_minor;
        let redeemed = p * offer.redeemed_by_leavers + (1.0 - p) * offer.redeemed_by_stayers;
        let cost = offer.contact_minor as f64 + offer.offer_minor as f64 * redeemed;
        let break_even = cost / (p * value);
        Alternative {
            intervention: offer.id.clone(),
            expected_value_minor: (p * offer.uplift.mean() * value - cost).round() as i64,
            expected_cost_minor: cost.round() as i64,
            uplift: offer.uplift.mean(),
            uplift_source: offer.uplift.source.clone(),
            break_even_uplift: break_even.is_finite().then_some(break_even),
        }
    }

    /// Decides for a batch: the best option of each customer or, under a budget, what brings most together by
    /// [the rule](crate::budget) of most added value per added cost.
    pub fn decide(&self, batch: &[Stakes<'_>], budget_minor: Option<i64>) -> Vec<Decision> {
        let mut decisions: Vec<Decision> = batch.iter().map(|stakes| self.best(*stakes)).collect();
        let Some(budget_minor) = budget_minor else {
            return decisions;
        };
        let options: Vec<&[Alternative]> = decisions
            .iter()
            .map(|d| {
                if d.control_group {
                    &[]
                } else {
                    &d.alternatives[..]
                }
            })
            .collect();
        let chosen = budget::choose(&options, budget_minor);
        for (decision, at) in decisions.iter_mut().zip(chosen) {
            match at {
                Some(0) => {}
                Some(at) => self.settle_for(decision, at),
                None if decision.intervention == DO_NOTHING => {}
                None => leave_alone(decision, "budget"),
            }
        }
        decisions
    }

    /// Takes another option than the best.
    fn settle_for(&self, decision: &mut Decision, at: usize) {
        let option = &decision.alternatives[at];
        decision.title = self.title(&option.intervention);
        decision.expected_value_minor = option.expected_value_minor;
        decision.expected_cost_minor = option.expected_cost_minor;
        option.intervention.clone_into(&mut decision.intervention);
        decision.because = "best within the budget";
    }

    fn best(&self, stakes: Stakes<'_>) -> Decision {
        let alternatives = self.options(stakes);
        let best = &alternatives[0];
        let control_group = self.in_control_group(stakes.customer_id);
        let mut decision = Decision {
            intervention: best.intervention.clone(),
            title: self.title(&best.intervention),
            because: "best expected value",
            control_group,
            expected_value_minor: best.expected_value_minor,
            expected_cost_minor: best.expected_cost_minor,
            alternatives,
        };
        if control_group {
            leave_alone(&mut decision, "control group");
        }
        decision
    }

    fn title(&self, id: &str) -> String {
        let offer = self.offers.iter().find(|offer| offer.id == id);
        offer.map_or_else(|| "do nothing".to_owned(), |offer| offer.title.clone())
    }
}

fn leave_alone(decision: &mut Decision, because: &'static str) {
    DO_NOTHING.clone_into(&mut decision.intervention);
    "do nothing".clone_into(&mut decision.title);
    decision.because = because;
    decision.expected_value_minor = 0;
    decision.expected_cost_minor = 0;
}

impl ChurnPolicy {
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
        within("margin_share", self.margin_share, 0.0, 1.0)?;
        within("value_horizons", self.value_horizons, 0.0, 1_000.0)?;
        within("control_group.share", self.control_group.share, 0.0, 1.0)?;
        if self.risk_bands.first().is_none_or(|band| band.from != 0.0) {
            return Err("risk_bands: the first must start at 0".to_owned());
        }
        if self
            .risk_bands
            .windows(2)
            .any(|pair| !(pair[0].from < pair[1].from))
        {
            return Err("risk_bands: from must rise".to_owned());
        }
        for (index, band) in self.risk_bands.iter().enumerate() {
            within(&format!("risk_bands[{index}].from"), band.from, 0.0, 1.0)?;
        }
        self.offers
            .iter()
            .enumerate()
            .try_for_each(|(index, offer)| offer.check(&format!("offers[{index}]")))?;
        let mut ids: Vec<_> = self
            .offers
            .iter()
            .map(|offer| offer.id.as_str())
            .chain([DO_NOTHING])
            .collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!(
                "offers: id {} stands there twice ({DO_NOTHING} is always there)",
                pair[0]
            )),
            None => Ok(()),
        }
    }
}

impl Offer {
    fn check(&self, place: &str) -> Result<(), String> {
        const MOST_MINOR: f64 = 1e9;
        if self.id.is_empty() {
            return Err(format!("{place}.id is empty, decisions name it"));
        }
        within(
            &format!("{place}.contact_minor"),
            self.contact_minor as f64,
            0.0,
            MOST_MINOR,
        )?;
        within(
            &format!("{place}.offer_minor"),
            self.offer_minor as f64,
            0.0,
            MOST_MINOR,
        )?;
        within(
            &format!("{place}.redeemed_by_leavers"),
            self.redeemed_by_leavers,
            0.0,
            1.0,
        )?;
        within(
            &format!("{place}.redeemed_by_stayers"),
            self.redeemed_by_stayers,
            0.0,
            1.0,
        )?;
        within(
            &format!("{place}.uplift.alpha"),
            self.uplift.alpha,
            1e-6,
            1e9,
        )?;
        within(&format!("{place}.uplift.beta"), self.uplift.beta, 1e-6, 1e9)
    }
}
