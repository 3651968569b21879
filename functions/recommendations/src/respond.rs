//! The answer: the planned items that are there, with their reasons.

use crate::answer::{CartItem, LeftOut, Recommended, Replacement, Response, StockState};
use crate::api::{Request, Surface};
use crate::plan::{Choice, Level, Plan, plan};
use crate::reasons::reason;
use crate::select::{Selection, Shown, draw_of};
use crate::stock::Shelf;
use crate::{Case, Recommendations};
use features::items::ItemIndex as _;
use serving::predictor::{Scored, Served};
use serving::wire::format_instant;

/// Replacements shown of an item.
const REPLACEMENTS_SHOWN: usize = 3;

pub(crate) fn respond(
    request: &Request,
    case: &Case,
    scored: &Scored,
    served: &Served<Recommendations>,
) -> Response {
    let made;
    let plan = if let Some(plan) = &case.plan {
        plan
    } else {
        made = plan(request, case, scored, served);
        &made
    };
    let answer = Answer {
        request,
        case,
        served,
    };
    let shown = answer.selection(plan);
    let items = answer.items(plan, &shown);
    let expected = match request.surface {
        Surface::Cart | Surface::AbandonedCart => Level::Cart,
        Surface::Home | Surface::BuyAgain | Surface::Discover => Level::Personal,
    };
    let others = items.iter().map(|item| item.level);
    let others = others.filter(|level| *level != expected && *level != Level::Pinned);
    Response {
        model_version: served.model.manifest.version.clone(),
        policy_version: served.policy.version.clone(),
        customer_id: request.customer_id.clone(),
        surface: request.surface,
        as_of: format_instant(case.as_of),
        data_age_days: case.asked.days_since(case.as_of),
        complete_through: case.complete_through.map(format_instant),
        fallback: others.max(),
        items,
        cart: (request.surface == Surface::AbandonedCart).then(|| answer.cart(plan)),
        overstock: plan.overstock,
        left_out: LeftOut {
            by_rules: plan.ruled_out,
            not_in_stock: answer.held_back(plan, &shown),
        },
    }
}

struct Answer<'a> {
    request: &'a Request,
    case: &'a Case,
    served: &'a Served<Recommendations>,
}

impl Answer<'_> {
    fn selection(&self, plan: &Plan) -> Vec<Shown> {
        let Some(prepared) = self.case.prepared(&self.served.model.artifacts) else {
            return Vec::new();
        };
        let catalogue = &prepared.tables.catalogue;
        let category_of = |item: u32| {
            let category = catalogue.category(item);
            (!catalogue.category_name(category).is_empty()).then_some(category)
        };
        let cart = self.request.cart.iter().map(String::as_str);
        let who = self.request.customer_id.as_deref();
        let selection = Selection {
            choices: &plan.choices,
            request: self.request,
            policy: &self.served.policy,
            stock: &self.case.stock,
            category_of: &category_of,
            draw: draw_of(who.into_iter().chain(cart), self.case.asked.0),
        };
        selection.shown()
    }

    fn items(&self, plan: &Plan, shown: &[Shown]) -> Vec<Recommended> {
        let artifacts = &self.served.model.artifacts;
        let Some(prepared) = self.case.prepared(artifacts) else {
            return Vec::new();
        };
        let catalogue = &prepared.tables.catalogue;
        let one = |(place, shown): (usize, &Shown)| {
            let choice: &Choice = &plan.choices[shown.at];
            let category = choice.item.map(|item| catalogue.category(item));
            Recommended {
                rank: place + 1,
                product_id: choice.product_id.to_string(),
                category: category.map(|number| catalogue.category_name(number).to_owned()),
                relevance: choice.relevance,
                adjustment: choice.adjustment,
                propensity: shown.propensity,
                source: choice.source,
                level: choice.level,
                reason: reason(choice, prepared, self.case.as_of, artifacts),
                stock: self.stock(&choice.product_id),
            }
        };
        shown.iter().enumerate().map(one).collect()
    }

    /// What stands before the last item shown and is not known to be there; all of it where the answer is short.
    fn held_back(&self, plan: &Plan, shown: &[Shown]) -> usize {
        if self.request.k == 0 {
            return 0;
        }
        let last = shown.iter().map(|shown| shown.at).max();
        let is_full = shown.len() >= self.request.k;
        let until = last.filter(|_| is_full).unwrap_or(plan.choices.len());
        let ids = plan.choices[..until]
            .iter()
            .map(|choice| &choice.product_id);
        ids.filter(|id| self.shelf(id) != Shelf::Offered).count()
    }

    fn cart(&self, plan: &Plan) -> Vec<CartItem> {
        let of = |(product_id, others): &(String, Vec<String>)| {
            let is_there = |id: &&String| self.shelf(id) == Shelf::Offered;
            let others = others.iter().filter(is_there).take(REPLACEMENTS_SHOWN);
            let replacement = |id: &String| Replacement {
                product_id: id.clone(),
                stock: self.stock(id),
            };
            CartItem {
                product_id: product_id.clone(),
                stock: self.stock(product_id),
                replacements: if self.shelf(product_id) == Shelf::Offered {
                    Vec::new()
                } else {
                    others.map(replacement).collect()
                },
            }
        };
        plan.replacements.iter().map(of).collect()
    }

    fn shelf(&self, product_id: &str) -> Shelf {
        self.case.stock.shelf(product_id, &self.served.policy)
    }

    fn stock(&self, product_id: &str) -> StockState {
        let stock = &self.case.stock;
        let level = stock.level(product_id);
        StockState {
            state: match level {
                None => "unknown",
                Some(level) if level.on_hand_milli > 0 => "in_stock",
                Some(_) => "out_of_stock",
            },
            on_hand: level.map(|level| level.on_hand_milli as f64 / 1000.0),
            cover_days: level.and_then(|level| level.cover_days()),
            as_of: level.and(stock.known_at()).map(format_instant),
            stale: level.is_some() && stock.is_stale(&self.served.policy),
        }
    }
}
