//! What training needs of recommendations: who is asked about, what became true, and what is fitted first.

use crate::prepare::Question;
use crate::select::fnv1a;
use crate::{Case, Recommendations, artifacts::Artifacts, candidates::Task, fit};
use features::history::{CustomerHistory, Order};
use features::time::Timestamp;
use serde_json::json;
use serving::predictor::{Example, Outcome, Train, TrainingSettings};
use serving::wire::InlineHistory;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Distinct items of the order that a customer is judged by, at least.
pub const LEAST_ITEMS: usize = 3;
/// Items hidden from the cart, one at a time, per order in training.
const HIDDEN_PER_ORDER: usize = 2;
/// Of ten candidates that did not come true, how many training learns from.
const KEPT_OF_TEN: u64 = 3;

impl Train for Recommendations {
    type History = CustomerHistory;
    const EXTRAS: &'static [&'static str] = &["question"];
    // The neighbours and the counters that a row is made of are as fresh as they will be in service.
    const REFIT_PER_SNAPSHOT: bool = true;

    fn fit(
        histories: &mut dyn Iterator<Item = (String, CustomerHistory)>,
        cutoff: Timestamp,
        settings: &TrainingSettings,
    ) -> Result<Artifacts, String> {
        fit::fit(histories, cutoff, settings)
    }

    /// Questions none of whose candidates came true teach nothing and are left out.
    fn example(
        history: &Arc<CustomerHistory>,
        as_of: Timestamp,
        artifacts: &Artifacts,
    ) -> Option<Example<Case>> {
        let until = as_of.plus_days(artifacts.horizon_days);
        let judged = Judged::of(history, as_of, until)?;
        let mut case = Case::training(history, as_of, judged.questions());
        let prepared = case.prepared(artifacts)?;
        let mut outcomes = Vec::new();
        let mut taught = Vec::new();
        for (number, asked) in prepared.asked.iter().enumerate() {
            let id = |item: &u32| prepared.tables.catalogue.id(*item);
            let labels = asked.candidates.items.iter();
            let labels: Vec<bool> = labels
                .map(|item| judged.came_true(number, id(item)))
                .collect();
            let kept = |(item, label): (&u32, &bool)| {
                labels.contains(&true) && (*label || judged.is_kept(number, id(item)))
            };
            let kept: Vec<bool> = asked
                .candidates
                .items
                .iter()
                .zip(&labels)
                .map(kept)
                .collect();
            let rows = labels.iter().zip(&kept).filter(|(_, kept)| **kept);
            outcomes.extend(rows.map(|(label, _)| Outcome {
                label: f32::from(u8::from(*label)),
                extras: vec![number as f32],
            }));
            taught.push(kept);
        }
        case.teach(taught);
        if outcomes.is_empty() {
            return None;
        }
        Some(Example { case, outcomes })
    }

    fn golden_entity(history: &CustomerHistory, case: &Case, row: usize) -> serde_json::Value {
        let (question, item) = case.candidate(row).unzip();
        json!({
            "history": InlineHistory::from_history(history),
            "task": question.map(|question| question.task),
            "cart": question.map(|question| &question.cart),
            "item": item,
        })
    }

    fn warnings(artifacts: &Artifacts) -> Vec<String> {
        let few = artifacts.orders[0] < 10_000;
        let text = format!(
            "{} orders in all: which items go together is hardly known below some ten thousand",
            artifacts.orders[0]
        );
        few.then_some(text).into_iter().collect()
    }
}

/// What a customer bought after a snapshot.
#[derive(Debug)]
pub struct Judged {
    /// Of the order.
    order_id: String,
    /// Product ids of the first order with [`LEAST_ITEMS`] distinct items or more, rising.
    pub first_basket: Vec<String>,
    /// Product ids of all orders.
    bought: HashSet<String>,
    /// Product ids that are hidden from the cart, one at a time.
    pub hidden: Vec<String>,
}

impl Judged {
    /// `None` for a customer without such an order within `from..until`.
    pub fn of(history: &CustomerHistory, from: Timestamp, until: Timestamp) -> Option<Self> {
        let later = &history.orders()[history.before(from).len()..];
        let orders = later.iter().take_while(|order| order.placed_at < until);
        let baskets: Vec<(&Order, BTreeSet<&str>)> =
            orders.map(|order| (order, product_ids(order))).collect();
        let (order, first) = baskets.iter().find(|(_, ids)| ids.len() >= LEAST_ITEMS)?;
        let mut by_chance: Vec<&str> = first.iter().copied().collect();
        by_chance.sort_by_key(|id| (chance(&order.order_id, id), *id));
        let owned = |ids: &mut dyn Iterator<Item = &str>| ids.map(str::to_owned).collect();
        Some(Self {
            order_id: order.order_id.to_string(),
            first_basket: owned(&mut first.iter().copied()),
            hidden: owned(&mut by_chance.into_iter().take(HIDDEN_PER_ORDER)),
            bought: baskets
                .iter()
                .flat_map(|(_, ids)| ids.iter().map(|id| (*id).to_owned()))
                .collect(),
        })
    }

    /// The cart without one item.
    pub fn cart_without(&self, hidden: &str) -> Vec<String> {
        let rest = self.first_basket.iter().filter(|id| *id != hidden);
        rest.cloned().collect()
    }

    /// Whether training learns from an item that did not come true: three in ten say as much about ranks as all.
    fn is_kept(&self, question: usize, id: &str) -> bool {
        chance(&format!("{}/{question}", self.order_id), id) % 10 < KEPT_OF_TEN
    }

    fn questions(&self) -> Vec<Question> {
        let plain = [Task::Home, Task::Discover].map(|task| Question {
            task,
            cart: Vec::new(),
        });
        let carts = self.hidden.iter().map(|hidden| Question {
            task: Task::Cart,
            cart: self.cart_without(hidden),
        });
        plain.into_iter().chain(carts).collect()
    }

    /// Home and discover learn from everything that is bought within the horizon, a cart from the item hidden from it.
    fn came_true(&self, question: usize, id: &str) -> bool {
        match question.checked_sub(2) {
            None => self.bought.contains(id),
            Some(cart) => self.hidden.get(cart).is_some_and(|hidden| hidden == id),
        }
    }
}

/// Products of an order, each once; what was returned is not among them.
pub fn product_ids(order: &Order) -> BTreeSet<&str> {
    let ids = order.purchases().map(|line| line.product_id.as_str());
    ids.filter(|id| !id.is_empty()).collect()
}

/// Which items of an order are hidden depends on its ids only.
fn chance(order_id: &str, product_id: &str) -> u64 {
    let bytes = order_id.bytes().chain([0]).chain(product_id.bytes());
    fnv1a(bytes)
}
