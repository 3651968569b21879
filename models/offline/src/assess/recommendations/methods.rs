//! Simpler methods: what sells, what the customer buys, EASE, cosine. Ties go by popularity, then id.

use super::{K, List};
use features::items::{CustomerItems, ItemIndex as _, ItemState};
use recommendations::artifacts::Tables;
use recommendations::best;
use recommendations::candidates::likes;
use recommendations::tables::{Catalogue, Neighbours};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Methods {
    tables: Arc<Tables>,
    cosine: Neighbours,
    /// All items by orders ever and by orders of 28 days.
    popular: [Vec<u32>; 2],
}

type Named = Vec<(&'static str, List)>;

impl Methods {
    pub(super) fn new(tables: &Arc<Tables>, cosine: Neighbours) -> Self {
        let catalogue = &tables.catalogue;
        let by = |window: usize| {
            let items = 0..catalogue.items() as u32;
            let orders = |item| f64::from(catalogue.orders(item)[window]);
            let mut scored: Vec<(u32, f64)> = items.map(|item| (item, orders(item))).collect();
            best(&mut scored, |item| catalogue.popularity(item), usize::MAX);
            scored.into_iter().map(|(item, _)| item).collect()
        };
        Self {
            popular: [by(0), by(1)],
            tables: Arc::clone(tables),
            cosine,
        }
    }

    fn catalogue(&self) -> &Catalogue {
        &self.tables.catalogue
    }

    fn named(&self, items: impl Iterator<Item = u32>) -> List {
        let ids = items.map(|item| self.catalogue().id(item).to_owned());
        ids.take(K).collect()
    }

    fn top(&self, mut scored: Vec<(u32, f64)>) -> Vec<u32> {
        best(&mut scored, |item| self.catalogue().popularity(item), K);
        scored.into_iter().map(|(item, _)| item).collect()
    }

    fn own(&self, customer: &CustomerItems, by: impl Fn(&ItemState) -> f64) -> Vec<u32> {
        let states = customer.items.iter();
        self.top(states.map(|state| (state.item, by(state))).collect())
    }

    /// The list, and what sells where it is too short.
    fn filled(&self, own: &[u32]) -> List {
        let others = self.popular[0].iter().filter(|item| !own.contains(item));
        self.named(own.iter().chain(others).copied())
    }

    fn ease(&self, customer: &CustomerItems, keep: impl Fn(u32) -> bool) -> List {
        let liked = likes(customer, &self.tables);
        let items = 0..self.catalogue().items() as u32;
        let scored = items.map(|item| (item, liked.of(item)));
        let scored = scored.filter(|(item, score)| *score > 0.0 && keep(*item));
        self.named(self.top(scored.collect()).into_iter())
    }

    pub(super) fn home(&self, customer: &CustomerItems) -> Named {
        let popular = |window: usize| self.named(self.popular[window].iter().copied());
        vec![
            ("popularity", popular(0)),
            ("popularity_28", popular(1)),
            (
                "personal_frequency",
                self.filled(&self.own(customer, |s| f64::from(s.orders))),
            ),
            (
                "decayed_frequency",
                self.filled(&self.own(customer, |s| s.long_memory)),
            ),
            ("ease", self.ease(customer, |_| true)),
        ]
    }

    pub(super) fn buy_again(&self, customer: &CustomerItems) -> Named {
        let own = self.own(customer, |s| s.long_memory);
        vec![("decayed_frequency", self.named(own.into_iter()))]
    }

    pub(super) fn discover(&self, customer: &CustomerItems) -> Named {
        let is_new = |item: u32| customer.item(item).is_none();
        let popular = |window: usize| {
            let items = self.popular[window].iter().copied();
            self.named(items.filter(|item| is_new(*item)))
        };
        vec![
            ("popularity", popular(0)),
            ("popularity_28", popular(1)),
            ("ease", self.ease(customer, is_new)),
        ]
    }

    pub(super) fn cart(&self, customer: &CustomerItems, cart: &[String]) -> Named {
        let cart: Vec<u32> = cart
            .iter()
            .filter_map(|id| self.catalogue().item(id))
            .collect();
        let mut sums: HashMap<u32, f64> = HashMap::new();
        for item in &cart {
            for (other, weight) in self.cosine.of(*item) {
                *sums.entry(other).or_default() += weight;
            }
        }
        let scored = sums.into_iter().filter(|(item, _)| !cart.contains(item));
        let cosine = self.named(self.top(scored.collect()).into_iter());
        let own = customer.items.iter().filter(|s| !cart.contains(&s.item));
        let own = self.top(own.map(|state| (state.item, state.long_memory)).collect());
        vec![
            ("cosine", cosine),
            ("decayed_frequency", self.named(own.into_iter())),
        ]
    }
}
