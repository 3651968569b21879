//! A customer item by item, as seen at an instant: how often, how lately, at what distance, in which orders.
//!
//! Items are numbers of a catalogue; what the catalogue does not know counts as an order, and as nothing else.

use crate::history::{CustomerHistory, Order};
use crate::time::{LocalDay, Timestamp};

/// Half-life of the short memory, in days.
pub const SHORT_HALF_LIFE_DAYS: f64 = 28.0;
/// Half-life of the long memory, in days.
pub const LONG_HALF_LIFE_DAYS: f64 = 112.0;

/// What a catalogue must answer.
pub trait ItemIndex {
    /// The number of a product; `None` when the catalogue does not hold it.
    fn item(&self, product_id: &str) -> Option<u32>;

    /// The number of an item's category.
    fn category(&self, item: u32) -> u32;
}

/// Days on which something was bought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    /// The instant of the last order with it.
    pub last_at: Timestamp,
    /// The first local day.
    pub first_day: LocalDay,
    /// The last local day.
    pub last_day: LocalDay,
    /// Distinct local days.
    pub days: u32,
}

impl Rhythm {
    fn first(order: &Order) -> Self {
        Self {
            last_at: order.placed_at,
            first_day: order.local_day,
            last_day: order.local_day,
            days: 1,
        }
    }

    /// Orders come by time, so a day that was seen before is the last one.
    fn again(&mut self, order: &Order) {
        self.days += u32::from(order.local_day != self.last_day);
        self.last_day = order.local_day;
        self.last_at = order.placed_at;
    }

    /// Mean days between the days; NaN below two of them.
    pub fn gap_days(&self) -> f64 {
        if self.days < 2 {
            return f64::NAN;
        }
        let span = f64::from(self.last_day.0) - f64::from(self.first_day.0);
        span / f64::from(self.days - 1)
    }
}

/// One item of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemState {
    /// Number in the catalogue.
    pub item: u32,
    /// Orders with it.
    pub orders: u32,
    /// The same, each halved per [`SHORT_HALF_LIFE_DAYS`] since.
    pub short_memory: f64,
    /// The same, each halved per [`LONG_HALF_LIFE_DAYS`] since.
    pub long_memory: f64,
    /// When.
    pub rhythm: Rhythm,
    /// Place of the first order with it among the customer's orders, from 0.
    pub first_order: u32,
    /// Place of the last order with it.
    pub last_order: u32,
}

/// One category of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CategoryState {
    /// Number in the catalogue.
    pub category: u32,
    /// Pairs of order and item.
    pub pairs: u32,
    /// Distinct items.
    pub items: u32,
    /// Pairs, each halved per [`LONG_HALF_LIFE_DAYS`] since.
    pub long_memory: f64,
    /// When.
    pub rhythm: Rhythm,
}

/// All that recommending may know of a customer at an instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomerItems {
    /// Orders in which something was bought.
    pub orders: u32,
    /// By number.
    pub items: Vec<ItemState>,
    /// By number.
    pub categories: Vec<CategoryState>,
    /// The items of each order, distinct and rising.
    pub baskets: Vec<Vec<u32>>,
}

impl CustomerItems {
    /// Looks at the orders placed before `as_of`, and at nothing else.
    pub fn new(history: &CustomerHistory, as_of: Timestamp, catalogue: &impl ItemIndex) -> Self {
        let purchases = history.before(as_of).iter().filter(|o| o.is_purchase());
        let orders: Vec<&Order> = purchases.collect();
        let baskets: Vec<Vec<u32>> = orders
            .iter()
            .map(|order| basket_of(order, catalogue))
            .collect();
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (place, basket) in baskets.iter().enumerate() {
            pairs.extend(basket.iter().map(|item| (*item, place as u32)));
        }
        pairs.sort_unstable();
        let memory = |place: u32| Memory::at(as_of.days_since(orders[place as usize].placed_at));
        let memories: Vec<Memory> = (0..orders.len() as u32).map(memory).collect();
        let items: Vec<ItemState> = pairs
            .chunk_by(|a, b| a.0 == b.0)
            .map(|of_item| item_state(of_item, &orders, &memories))
            .collect();
        let categories = category_states(&pairs, &items, &orders, &memories, catalogue);
        Self {
            orders: orders.len() as u32,
            items,
            categories,
            baskets,
        }
    }

    /// What is known of an item; `None` when it was never bought.
    pub fn item(&self, item: u32) -> Option<&ItemState> {
        let at = self.items.binary_search_by_key(&item, |state| state.item);
        at.ok().map(|at| &self.items[at])
    }

    /// What is known of a category; `None` when nothing of it was bought.
    pub fn category(&self, category: u32) -> Option<&CategoryState> {
        let at = self
            .categories
            .binary_search_by_key(&category, |state| state.category);
        at.ok().map(|at| &self.categories[at])
    }
}

/// What an order counts for after some days.
#[derive(Clone, Copy)]
struct Memory {
    short: f64,
    long: f64,
}

impl Memory {
    fn at(age_days: f64) -> Self {
        Self {
            short: libm::exp2(-age_days / SHORT_HALF_LIFE_DAYS),
            long: libm::exp2(-age_days / LONG_HALF_LIFE_DAYS),
        }
    }
}

/// The items bought in an order, distinct and rising.
pub fn basket_of(order: &Order, catalogue: &impl ItemIndex) -> Vec<u32> {
    let mut items: Vec<u32> = order
        .purchases()
        .filter_map(|line| catalogue.item(&line.product_id))
        .collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// `pairs` are one item's, by place of the order.
fn item_state(pairs: &[(u32, u32)], orders: &[&Order], memories: &[Memory]) -> ItemState {
    let (item, first_order) = pairs[0];
    let mut state = ItemState {
        item,
        orders: 0,
        short_memory: 0.0,
        long_memory: 0.0,
        rhythm: Rhythm::first(orders[first_order as usize]),
        first_order,
        last_order: first_order,
    };
    for &(_, place) in pairs {
        let memory = memories[place as usize];
        state.orders += 1;
        state.short_memory += memory.short;
        state.long_memory += memory.long;
        state.rhythm.again(orders[place as usize]);
        state.last_order = place;
    }
    state
}

fn category_states(
    pairs: &[(u32, u32)],
    items: &[ItemState],
    orders: &[&Order],
    memories: &[Memory],
    catalogue: &impl ItemIndex,
) -> Vec<CategoryState> {
    let mut by_category: Vec<(u32, u32)> = pairs
        .iter()
        .map(|(item, place)| (catalogue.category(*item), *place))
        .collect();
    by_category.sort_unstable();
    let mut distinct: Vec<u32> = items
        .iter()
        .map(|state| catalogue.category(state.item))
        .collect();
    distinct.sort_unstable();
    let groups = by_category.chunk_by(|a, b| a.0 == b.0);
    let counts = distinct.chunk_by(|a, b| a == b);
    groups
        .zip(counts)
        .map(|(pairs, items)| {
            let (category, first) = pairs[0];
            let mut state = CategoryState {
                category,
                pairs: pairs.len() as u32,
                items: items.len() as u32,
                long_memory: 0.0,
                rhythm: Rhythm::first(orders[first as usize]),
            };
            for &(_, place) in pairs {
                state.long_memory += memories[place as usize].long;
                state.rhythm.again(orders[place as usize]);
            }
            state
        })
        .collect()
}
