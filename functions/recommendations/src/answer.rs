//! What recommendations answer.

use crate::api::Surface;
use crate::candidates::Source;
use crate::cover::OverstockCost;
use crate::plan::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ranked items with their reasons.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationsAnswer")]
pub struct Response {
    /// Version of the model that ranked.
    pub model_version: String,
    /// Version of the policy whose rules were kept.
    pub policy_version: String,
    /// As asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// As asked.
    pub surface: Surface,
    /// The instant answered for: what was asked, but not later than the customer's orders are complete.
    pub as_of: String,
    /// Days between the instant asked for and the one answered for.
    pub data_age_days: f64,
    /// The customer's orders before this instant are known; absent where no store was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_through: Option<String>,
    /// What items were chosen on where the surface's own ground (the customer's history, or the cart) was not enough.
    pub fallback: Option<Level>,
    /// Best first.
    pub items: Vec<Recommended>,
    /// What became of the items of an abandoned cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cart: Option<Vec<CartItem>>,
    /// What lifting overstock costs; absent where the policy lifts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overstock: Option<OverstockCost>,
    /// What is not among the items, and why.
    pub left_out: LeftOut,
}

/// What the log of predictions keeps of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Best first.
    pub items: Vec<Shown>,
}

/// An item of a list that was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The shop's id.
    pub product_id: String,
    /// At the exploration slot: how likely this item was to stand there.
    pub propensity: Option<f64>,
}

/// Counts of what was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationsLeftOut")]
pub struct LeftOut {
    /// By the rules of the shop and of the request, the cart among them.
    pub by_rules: usize,
    /// Better than the last item shown, and not known to be there.
    pub not_in_stock: usize,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Recommendation")]
pub struct Recommended {
    /// From 1.
    pub rank: usize,
    /// The shop's id.
    pub product_id: String,
    /// Its category; absent where the model does not know the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What the model ranks by: higher is better, comparable within one answer only, and no probability. Absent where the
    /// model was not asked.
    pub relevance: Option<f64>,
    /// What stock changed of it in the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjustment: Option<Adjustment>,
    /// At the exploration slot: how likely this item was to stand there. Absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
    /// The list that brought it.
    pub source: Source,
    /// What it was chosen on.
    pub level: Level,
    /// Why.
    pub reason: Reason,
    /// Whether it is there.
    pub stock: StockState,
}

/// A change of an item's relevance for the order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationAdjustment")]
pub struct Adjustment {
    /// `runs_out` or `overstock`.
    pub why: &'static str,
    /// Added to the relevance.
    pub log_odds: f64,
}

/// Why an item is shown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationReason")]
pub struct Reason {
    /// What kind of reason.
    pub kind: ReasonKind,
    /// In plain words.
    pub text: String,
    /// The items that brought it, strongest first, each with its exact share of the score that did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because_of: Vec<Because>,
    /// What the items that are not named add: all shares add up to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_share: Option<f64>,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RecommendationReasonKind")]
pub enum ReasonKind {
    /// The customer buys it.
    BuysIt,
    /// It goes with the cart.
    GoesWithCart,
    /// It goes with what the customer buys.
    GoesWithPurchases,
    /// It sells in a category.
    SellsInCategory,
    /// It sells in the shop.
    Sells,
    /// The shop wants it shown.
    ShopsChoice,
}

/// An item with its share of a sum.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationBecause")]
pub struct Because {
    /// The shop's id.
    pub product_id: String,
    /// From 0 to 1.
    pub share: f64,
}

/// Whether an item is there.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationStock")]
pub struct StockState {
    /// `in_stock`, `out_of_stock` or `unknown`.
    pub state: &'static str,
    /// Units; absent where nobody told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_hand: Option<f64>,
    /// Days until that is sold at the rate expected; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover_days: Option<f64>,
    /// The instant the level is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Whether the level is older than the shop's policy trusts.
    pub stale: bool,
}

/// An item of an abandoned cart.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationCartItem")]
pub struct CartItem {
    /// The shop's id.
    pub product_id: String,
    /// Whether it is still there.
    pub stock: StockState,
    /// Where it is not: items of its category that are there, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<Replacement>,
}

/// What could stand for an item.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationReplacement")]
pub struct Replacement {
    /// The shop's id.
    pub product_id: String,
    /// Whether it is there.
    pub stock: StockState,
}
