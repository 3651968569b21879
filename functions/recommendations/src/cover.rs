//! What stock does to the order of the choices: what would be gone before it is delivered stands lower, and what lies
//! for too long may stand higher, at a cost in margin that is stated and limited.

use crate::plan::{Choice, Plan};
use crate::policy::{Overstock, ShelfPolicy};
use crate::stock::KnownStock;
use crate::tables::Catalogue;
use crate::{answer::Adjustment, api::Request};
use schemars::JsonSchema;
use serde::Serialize;

/// What lifting overstock costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RecommendationsOverstock")]
pub struct OverstockCost {
    /// Items shown that were lifted; 0 where lifting would have cost too much and was left.
    pub lifted: usize,
    /// Share of the expected margin of the list that lifting gives up, or would have given up.
    pub margin_cost_share: f64,
    /// The largest share that the shop's policy accepts.
    pub limit: f64,
}

impl Plan {
    /// Lets the stock speak on the order of what the model ranked.
    pub(crate) fn weigh(
        &mut self,
        stock: &KnownStock,
        request: &Request,
        policy: &ShelfPolicy,
        catalogue: &Catalogue,
    ) {
        for choice in &mut self.choices {
            choice.adjustment = scarce(choice, stock, policy);
        }
        sort(&mut self.choices, catalogue);
        let Some(overstock) = &policy.cover.overstock else {
            return;
        };
        let mut lifted = self.choices.clone();
        for choice in lifted
            .iter_mut()
            .filter(|choice| choice.adjustment.is_none())
        {
            choice.adjustment = lying(choice, stock, policy, overstock);
        }
        sort(&mut lifted, catalogue);
        let shown =
            |choices: &[Choice]| margin(choices, stock, request, policy, overstock, catalogue);
        let (before, _) = shown(&self.choices);
        let (after, count) = shown(&lifted);
        let margin_cost_share = if before > 0.0 {
            1.0 - after / before
        } else {
            0.0
        };
        let is_accepted = margin_cost_share <= overstock.most_margin_cost_share;
        self.overstock = Some(OverstockCost {
            lifted: if is_accepted { count } else { 0 },
            margin_cost_share,
            limit: overstock.most_margin_cost_share,
        });
        if is_accepted {
            self.choices = lifted;
        }
    }
}

fn scarce(choice: &Choice, stock: &KnownStock, policy: &ShelfPolicy) -> Option<Adjustment> {
    choice.relevance?;
    let cover_days = stock.cover_days(&choice.product_id, policy)?;
    (cover_days < policy.cover.runs_out_below_days).then_some(Adjustment {
        why: "runs_out",
        log_odds: -policy.cover.runs_out_penalty,
    })
}

fn lying(
    choice: &Choice,
    stock: &KnownStock,
    policy: &ShelfPolicy,
    overstock: &Overstock,
) -> Option<Adjustment> {
    choice.relevance?;
    let cover_days = stock.cover_days(&choice.product_id, policy)?;
    (cover_days > overstock.above_days).then_some(Adjustment {
        why: "overstock",
        log_odds: overstock.lift,
    })
}

/// What the model ranked stands together, behind what is pinned and before the lists of what sells.
fn sort(choices: &mut [Choice], catalogue: &Catalogue) {
    let is_ranked = |choice: &Choice| choice.relevance.is_some();
    let Some(from) = choices.iter().position(is_ranked) else {
        return;
    };
    let count = choices[from..]
        .iter()
        .take_while(|choice| is_ranked(choice))
        .count();
    let popularity = |choice: &Choice| choice.item.map_or(0, |item| catalogue.popularity(item));
    choices[from..from + count].sort_by(|a, b| {
        let by_popularity = || popularity(b).cmp(&popularity(a));
        b.value()
            .total_cmp(&a.value())
            .then_with(by_popularity)
            .then(a.item.cmp(&b.item))
    });
}

/// The expected margin of the first `k` that are there, on a scale that all lists of a request share, and how many of
/// them overstock lifted.
///
/// The model's scores are log-odds up to a constant, so their exponentials weigh the margins of one request alike.
fn margin(
    choices: &[Choice],
    stock: &KnownStock,
    request: &Request,
    policy: &ShelfPolicy,
    overstock: &Overstock,
    catalogue: &Catalogue,
) -> (f64, usize) {
    let is_there = |choice: &&Choice| {
        !request.in_stock_only
            || stock.shelf(&choice.product_id, policy) == crate::stock::Shelf::Offered
    };
    let ranked = choices.iter().filter(|choice| choice.relevance.is_some());
    let shown: Vec<&Choice> = ranked.filter(is_there).take(request.k).collect();
    let one = |choice: &&Choice| {
        let item = choice.item?;
        let price = catalogue.usual_price_minor(item)?;
        let share = catalogue
            .margin_share(item)
            .unwrap_or(overstock.usual_margin_share);
        Some(libm::exp(choice.relevance?) * price * share)
    };
    let is_lifted = |choice: &&&Choice| choice.adjustment.is_some_and(|by| by.log_odds > 0.0);
    (
        shown.iter().filter_map(one).sum(),
        shown.iter().filter(is_lifted).count(),
    )
}
