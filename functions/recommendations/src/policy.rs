//! What the shop decides: what is never shown, what is pinned, how much of a category, and what unknown stock means.

use crate::api::Surface;
use serde::Deserialize;
use std::collections::HashSet;

/// Entries of any list of a policy.
const LIST_LIMIT: usize = 10_000;
/// Places that items can be pinned to.
const PLACES: std::ops::RangeInclusive<usize> = 1..=crate::api::ITEMS_LIMIT;
/// Largest change of a score; raw scores of one request hardly differ by more than ten.
const LOG_ODDS_LIMIT: f64 = 10.0;
/// Longest time that days may stand for.
const DAYS_LIMIT: f64 = 10_000.0;
/// Longest time for which stock levels are kept.
const KEPT_SECONDS_LIMIT: f64 = 3600.0;
/// Items that exploration may draw from.
const POOL: std::ops::RangeInclusive<usize> = 1..=200;

/// `policy.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShelfPolicy {
    /// Of the policy, for answers and logs.
    pub version: String,
    /// Never shown.
    pub excluded_product_ids: HashSet<String>,
    /// Never shown.
    pub excluded_categories: HashSet<String>,
    /// Never shown.
    pub excluded_brands: HashSet<String>,
    /// Items of which less than this share of the usual price is left are not shown; what an item costs must be known to
    /// leave it out.
    pub least_margin_share: Option<f64>,
    /// Shown only where the request says that the age was verified.
    pub age_restricted_categories: HashSet<String>,
    /// Items of one category in an answer at most; no limit when left out. Categories that a request asks for are not
    /// limited.
    pub most_per_category: Option<usize>,
    /// Items with a place of their own.
    pub pinned: Vec<Pin>,
    /// What is made of stock.
    pub stock: StockPolicy,
    /// What the days that the stock lasts do to the order.
    pub cover: CoverPolicy,
    /// A place at which something the model would not have shown is tried now and then, so that one can learn from it.
    pub explore: Option<Explore>,
    /// What a popular item loses when something new is looked for, per unit of ln(1 + orders of the last 28 days): without it everybody
    /// discovers the same.
    pub discover_popularity_penalty: f64,
    /// Shown where nothing else can be.
    pub static_product_ids: Vec<String>,
}

/// An item that the shop puts to a place of a surface, if it may be shown and is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Which.
    pub product_id: String,
    /// Where.
    pub surface: Surface,
    /// From 1.
    pub place: usize,
}

/// What is made of stock.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockPolicy {
    /// Of an item whose stock nobody told.
    pub unknown: Trust,
    /// Days after which a level counts as stale.
    pub stale_after_days: f64,
    /// Of an item whose stock is stale.
    pub stale: Trust,
    /// Seconds for which levels that were read are used again.
    pub kept_seconds: u32,
}

/// What the days that the stock lasts do to the order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverPolicy {
    /// Days that a delivery takes: what sells out sooner may be gone by then.
    pub runs_out_below_days: f64,
    /// What such an item loses, in log-odds.
    pub runs_out_penalty: f64,
    /// Whether and how far overstock is lifted.
    pub overstock: Option<Overstock>,
}

/// Lifting what lies for too long.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overstock {
    /// Days of stock above which an item lies for too long.
    pub above_days: f64,
    /// What it gains, in log-odds.
    pub lift: f64,
    /// Share of a list's expected margin that lifting may cost; where it would cost more, nothing is lifted.
    pub most_margin_cost_share: f64,
    /// Margin, as a share of the price, of items whose cost is not known.
    pub usual_margin_share: f64,
}

/// The exploration slot.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explore {
    /// The place, from 1.
    pub place: usize,
    /// Share of the requests in which it is used for trying.
    pub share: f64,
    /// How many of the next best items one is drawn from, all alike.
    pub pool: usize,
}

/// Whether something is shown although it may not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Show it as if it were known to be there; what is known to be out stays out.
    Offer,
    /// Leave it out.
    Withhold,
}

impl ShelfPolicy {
    /// Nothing is excluded, pinned, lifted or tried; stock must be known to be there.
    pub fn without_rules() -> Self {
        Self {
            version: "none".to_owned(),
            excluded_product_ids: HashSet::new(),
            excluded_categories: HashSet::new(),
            excluded_brands: HashSet::new(),
            least_margin_share: None,
            age_restricted_categories: HashSet::new(),
            most_per_category: None,
            pinned: Vec::new(),
            stock: StockPolicy {
                unknown: Trust::Withhold,
                stale_after_days: 2.0,
                stale: Trust::Offer,
                kept_seconds: 10,
            },
            cover: CoverPolicy {
                runs_out_below_days: 0.0,
                runs_out_penalty: 0.0,
                overstock: None,
            },
            explore: None,
            discover_popularity_penalty: 0.1,
            static_product_ids: Vec::new(),
        }
    }

    /// Every number with its name and its upper limit; the lower one is 0.
    fn numbers(&self) -> Vec<(&'static str, f64, f64)> {
        let cover = &self.cover;
        let mut numbers = vec![
            (
                "discover_popularity_penalty",
                self.discover_popularity_penalty,
                LOG_ODDS_LIMIT,
            ),
            (
                "least_margin_share",
                self.least_margin_share.unwrap_or(0.0),
                1.0,
            ),
            (
                "stock.stale_after_days",
                self.stock.stale_after_days,
                DAYS_LIMIT,
            ),
            (
                "stock.kept_seconds",
                f64::from(self.stock.kept_seconds),
                KEPT_SECONDS_LIMIT,
            ),
            (
                "cover.runs_out_below_days",
                cover.runs_out_below_days,
                DAYS_LIMIT,
            ),
            (
                "cover.runs_out_penalty",
                cover.runs_out_penalty,
                LOG_ODDS_LIMIT,
            ),
            (
                "explore.share",
                self.explore.as_ref().map_or(0.0, |e| e.share),
                1.0,
            ),
        ];
        if let Some(overstock) = &cover.overstock {
            numbers.extend([
                (
                    "cover.overstock.above_days",
                    overstock.above_days,
                    DAYS_LIMIT,
                ),
                ("cover.overstock.lift", overstock.lift, LOG_ODDS_LIMIT),
                (
                    "cover.overstock.most_margin_cost_share",
                    overstock.most_margin_cost_share,
                    1.0,
                ),
                (
                    "cover.overstock.usual_margin_share",
                    overstock.usual_margin_share,
                    1.0,
                ),
            ]);
        }
        numbers
    }

    /// Refuses what makes no sense, naming field, value and limit.
    pub fn check(&self) -> Result<(), String> {
        let lists = [
            ("excluded_product_ids", self.excluded_product_ids.len()),
            ("excluded_categories", self.excluded_categories.len()),
            ("excluded_brands", self.excluded_brands.len()),
            (
                "age_restricted_categories",
                self.age_restricted_categories.len(),
            ),
            ("pinned", self.pinned.len()),
            ("static_product_ids", self.static_product_ids.len()),
        ];
        if let Some((name, length)) = lists.iter().find(|(_, length)| *length > LIST_LIMIT) {
            return Err(format!(
                "{name}: {length} entries, at most {LIST_LIMIT} allowed"
            ));
        }
        if self.most_per_category == Some(0) {
            return Err("most_per_category: 0 would show nothing, at least 1 expected".to_owned());
        }
        for (name, value, most) in self.numbers() {
            if !(0.0..=most).contains(&value) {
                return Err(format!("{name}: {value} is not within 0 and {most}"));
            }
        }
        let is_odd =
            |explore: &&Explore| !PLACES.contains(&explore.place) || !POOL.contains(&explore.pool);
        if let Some(explore) = self.explore.as_ref().filter(is_odd) {
            return Err(format!(
                "explore: place {} must be within {PLACES:?} and pool {} within {POOL:?}",
                explore.place, explore.pool
            ));
        }
        match self.pinned.iter().find(|pin| !PLACES.contains(&pin.place)) {
            None => Ok(()),
            Some(pin) => Err(format!(
                "pinned: place {} of {:?} is not within {} and {}",
                pin.place,
                pin.product_id,
                PLACES.start(),
                PLACES.end()
            )),
        }
    }
}
