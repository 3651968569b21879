//! At most 300 items worth ranking, by surface, with what the ranking will want to know of each.

use crate::artifacts::Tables;
use features::items::{CustomerItems, ItemIndex as _, ItemState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Candidates of one question.
pub const CANDIDATES_LIMIT: usize = 300;
/// Categories of a customer whose lists are looked at.
const TOP_CATEGORIES: usize = 15;
/// Items of the list of a category that become candidates.
const PER_CATEGORY: usize = 8;

/// What the model was trained to rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// What the customer buys next, new or not.
    Home = 0,
    /// What the customer buys next and never bought before.
    Discover = 1,
    /// What is missing in the cart.
    Cart = 2,
}

/// The list that brought a candidate first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RecommendationSource")]
pub enum Source {
    /// What the customer buys.
    OwnPurchases,
    /// What buyers of the customer's items buy.
    AlsoBought,
    /// What stands in orders with items of the cart.
    Cart,
    /// What sells in a category.
    Category,
    /// What sells in the shop.
    Trending,
    /// What the shop pins to a place.
    Pinned,
    /// What the shop shows when nothing else is known.
    Static,
}

/// A number per item; 0 for most.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    dense: Vec<f64>,
    touched: Vec<u32>,
}

impl Scores {
    /// Zero for every item.
    pub fn new(items: usize) -> Self {
        Self {
            dense: vec![0.0; items],
            touched: Vec::new(),
        }
    }

    /// Changes one score; what stays 0 is not touched.
    fn change(&mut self, item: u32, change: impl FnOnce(f64) -> f64) {
        if let Some(score) = self.dense.get_mut(item as usize) {
            let changed = change(*score);
            if *score == 0.0 && changed != 0.0 {
                self.touched.push(item);
            }
            *score = changed;
        }
    }

    /// The score of an item.
    pub fn of(&self, item: u32) -> f64 {
        self.dense.get(item as usize).copied().unwrap_or(0.0)
    }

    fn best(&self, tables: &Tables, most: usize, keep: impl Fn(u32) -> bool) -> Vec<u32> {
        let kept = self.touched.iter().filter(|item| keep(**item));
        let mut scored: Vec<(u32, f64)> = kept.map(|item| (*item, self.of(*item))).collect();
        crate::fit::best(&mut scored, |item| tables.catalogue.popularity(item), most);
        scored.into_iter().map(|(item, _)| item).collect()
    }
}

/// How much a purchase of an item counts when its neighbours are summed: one order of today is enough for the whole.
pub(crate) fn weight(state: &ItemState) -> f64 {
    state.long_memory.min(1.0)
}

/// EASE over everything the customer ever bought.
pub fn likes(customer: &CustomerItems, tables: &Tables) -> Scores {
    let mut scores = Scores::new(tables.catalogue.items());
    for state in &customer.items {
        let weight = weight(state);
        for (item, score) in tables.likes.of(state.item) {
            scores.change(item, |sum| sum + weight * score);
        }
    }
    scores
}

/// What the cart says of items.
#[derive(Debug, Clone, Default)]
pub struct CartScores {
    /// The cart's items, distinct and rising.
    pub items: Vec<u32>,
    /// Cosine to the items of the cart, summed.
    pub affinity: Scores,
    /// The largest of them.
    pub affinity_best: Scores,
    /// EASE from the items of the cart, summed.
    pub likes: Scores,
    /// Items of the cart in the customer's own orders with the item, summed.
    pub own_orders: Scores,
}

impl CartScores {
    /// `cart` is distinct and rising.
    pub fn new(cart: &[u32], customer: &CustomerItems, tables: &Tables) -> Self {
        let none = || Scores::new(tables.catalogue.items());
        let mut scores = Self {
            items: cart.to_vec(),
            affinity: none(),
            affinity_best: none(),
            likes: none(),
            own_orders: none(),
        };
        for item in cart {
            for (other, score) in tables.baskets.of(*item) {
                scores.affinity.change(other, |sum| sum + score);
                scores.affinity_best.change(other, |best| best.max(score));
            }
            for (other, score) in tables.likes.of(*item) {
                scores.likes.change(other, |sum| sum + score);
            }
        }
        for basket in &customer.baskets {
            let of_cart = basket
                .iter()
                .filter(|item| cart.binary_search(item).is_ok());
            let both = of_cart.count() as f64;
            if both > 0.0 {
                for item in basket {
                    scores.own_orders.change(*item, |sum| sum + both);
                }
            }
        }
        scores
    }
}

/// Distinct candidates in the order of the lists that brought them.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Numbers in the catalogue.
    pub items: Vec<u32>,
    /// Of each, the list that brought it first.
    pub sources: Vec<Source>,
}

/// What candidates are made of.
pub struct Retrieval<'a> {
    /// The tables of the model.
    pub tables: &'a Tables,
    /// Whom to recommend to.
    pub customer: &'a CustomerItems,
    /// [`likes`] of the customer.
    pub likes: &'a Scores,
}

impl Retrieval<'_> {
    /// The candidates for a task.
    pub fn candidates(&self, task: Task, cart: &CartScores) -> Candidates {
        match task {
            Task::Home => self.home(),
            Task::Discover => self.discover(),
            Task::Cart => self.cart(cart),
        }
    }

    fn home(&self) -> Candidates {
        let mut list = Packed::default();
        list.add(Source::OwnPurchases, self.own(|s| s.long_memory, 120));
        list.add(Source::OwnPurchases, self.own(|s| s.short_memory, 60));
        list.add(
            Source::AlsoBought,
            self.likes.best(self.tables, 80, |_| true),
        );
        list.add(
            Source::Trending,
            self.tables.catalogue.trending_28().take(30),
        );
        list.add(
            Source::Trending,
            self.tables.catalogue.trending_7().take(30),
        );
        for category in self.top_categories() {
            let best = self.tables.catalogue.best_of(category);
            list.add(Source::Category, best.take(PER_CATEGORY));
        }
        list.found
    }

    fn discover(&self) -> Candidates {
        let is_new = |item: &u32| self.customer.item(*item).is_none();
        let catalogue = &self.tables.catalogue;
        let mut list = Packed::default();
        let liked = self.likes.best(self.tables, 150, |item| is_new(&item));
        list.add(Source::AlsoBought, liked);
        list.add(
            Source::Trending,
            catalogue.trending_28().filter(is_new).take(40),
        );
        list.add(
            Source::Trending,
            catalogue.trending_7().filter(is_new).take(40),
        );
        for category in self.top_categories() {
            let best = catalogue.best_of(category).filter(is_new);
            list.add(Source::Category, best.take(PER_CATEGORY));
        }
        list.found
    }

    /// Items of the cart take up a place of their list and are left out after that: so it was trained.
    fn cart(&self, cart: &CartScores) -> Candidates {
        let tables = self.tables;
        let mut list = Packed {
            banned: cart.items.clone(),
            ..Packed::default()
        };
        list.add(Source::Cart, cart.affinity.best(tables, 90, |_| true));
        list.add(Source::OwnPurchases, self.own(|s| s.long_memory, 110));
        list.add(Source::OwnPurchases, self.own(|s| s.short_memory, 40));
        list.add(Source::Cart, cart.likes.best(tables, 40, |_| true));
        list.add(Source::AlsoBought, self.likes.best(tables, 30, |_| true));
        list.add(Source::Trending, tables.catalogue.trending_28().take(20));
        list.found
    }

    /// The customer's items with most of something.
    fn own(&self, by: impl Fn(&ItemState) -> f64, most: usize) -> Vec<u32> {
        let states = self.customer.items.iter();
        let mut scored: Vec<(u32, f64)> = states.map(|state| (state.item, by(state))).collect();
        let popularity = |item| self.tables.catalogue.popularity(item);
        crate::fit::best(&mut scored, popularity, most);
        scored.into_iter().map(|(item, _)| item).collect()
    }

    /// The customer's categories with most memory.
    pub fn top_categories(&self) -> Vec<u32> {
        let states = self.customer.categories.iter();
        let mut scored: Vec<(u32, f64)> = states
            .map(|state| (state.category, state.long_memory))
            .collect();
        crate::fit::best(&mut scored, |_| 0, TOP_CATEGORIES);
        scored.into_iter().map(|(category, _)| category).collect()
    }
}

/// Puts lists together without repeating an item.
#[derive(Default)]
struct Packed {
    /// Rising.
    banned: Vec<u32>,
    taken: std::collections::HashSet<u32>,
    found: Candidates,
}

impl Packed {
    fn add(&mut self, source: Source, items: impl IntoIterator<Item = u32>) {
        for item in items {
            if self.found.items.len() == CANDIDATES_LIMIT {
                return;
            }
            if self.banned.binary_search(&item).is_err() && self.taken.insert(item) {
                self.found.items.push(item);
                self.found.sources.push(source);
            }
        }
    }
}

/// The place of each candidate when they stand by a score, from 1.
pub(crate) fn ranks(items: &[u32], tables: &Tables, score: impl Fn(u32) -> f64) -> Vec<u32> {
    let mut scored: Vec<(usize, u32, f64, u32)> = items
        .iter()
        .enumerate()
        .map(|(at, item)| (at, *item, score(*item), tables.catalogue.popularity(*item)))
        .collect();
    scored.sort_unstable_by(|a, b| {
        let by_score = b.2.total_cmp(&a.2);
        by_score.then(b.3.cmp(&a.3)).then(a.1.cmp(&b.1))
    });
    let mut ranks = vec![0; items.len()];
    for (place, (at, ..)) in scored.iter().enumerate() {
        ranks[*at] = place as u32 + 1;
    }
    ranks
}

/// The distinct numbers of known products, rising.
pub(crate) fn numbers<'a>(ids: impl IntoIterator<Item = &'a str>, tables: &Tables) -> Vec<u32> {
    let known = ids.into_iter().filter_map(|id| tables.catalogue.item(id));
    let mut items: Vec<u32> = known.collect();
    items.sort_unstable();
    items.dedup();
    items
}
