//! The columns of the ranking model: one row per candidate.

use crate::artifacts::{Artifacts, Tables};
use crate::candidates::{Candidates, CartScores, Retrieval, Task, ranks};
use features::feature_set;
use features::items::{CategoryState, ItemIndex as _, ItemState, Rhythm};
use features::time::Timestamp;

/// Gaps shorter than this, in days, are taken as this long when something is overdue.
const LEAST_GAP_DAYS: f64 = 0.5;

/// A candidate for a customer.
#[derive(Debug, Clone)]
pub struct Pair {
    task: Task,
    as_of: Timestamp,
    own: Option<ItemState>,
    category: Option<CategoryState>,
    customer_orders: f64,
    /// Of all categories of the customer.
    category_memory: f64,
    item: Item,
    likes: f64,
    likes_rank: f64,
    own_rank: f64,
    cart: Option<InCart>,
}

/// What the catalogue says of an item.
#[derive(Debug, Clone, Copy)]
struct Item {
    orders: [f64; 3],
    shop_orders: [f64; 3],
    gap_days: f64,
    repeat_rate: f64,
    price_ratio: f64,
    category_orders_28: f64,
}

/// What the cart says of an item.
#[derive(Debug, Clone, Copy)]
struct InCart {
    items: f64,
    affinity: f64,
    affinity_best: f64,
    likes: f64,
    same_category: f64,
    own_orders: f64,
    rank: f64,
}

/// Makes the rows of the candidates of one question.
pub(crate) struct Pairs<'a> {
    pub(crate) artifacts: &'a Artifacts,
    pub(crate) retrieval: &'a Retrieval<'a>,
    pub(crate) as_of: Timestamp,
}

impl Pairs<'_> {
    /// One per candidate, in order.
    pub(crate) fn of(&self, task: Task, found: &Candidates, cart: &CartScores) -> Vec<Pair> {
        let (tables, customer) = (self.retrieval.tables, self.retrieval.customer);
        let likes = |item: u32| self.retrieval.likes.of(item);
        let memory = |item: u32| customer.item(item).map_or(0.0, |own| own.long_memory);
        let likes_ranks = ranks(&found.items, tables, likes);
        let own_ranks = ranks(&found.items, tables, memory);
        let cart_ranks = ranks(&found.items, tables, |item| cart.affinity.of(item));
        let category_memory = customer.categories.iter().map(|c| c.long_memory).sum();
        let pair = |at: usize| {
            let item = found.items[at];
            Pair {
                task,
                as_of: self.as_of,
                own: customer.item(item).copied(),
                category: customer.category(tables.catalogue.category(item)).copied(),
                customer_orders: f64::from(customer.orders),
                category_memory,
                item: self.item(item),
                likes: likes(item),
                likes_rank: f64::from(likes_ranks[at]),
                own_rank: f64::from(own_ranks[at]),
                cart: (task == Task::Cart).then(|| in_cart(item, cart, cart_ranks[at], tables)),
            }
        };
        (0..found.items.len()).map(pair).collect()
    }

    fn item(&self, item: u32) -> Item {
        let tables = self.retrieval.tables;
        let [gap_days, repeat_rate, price_ratio] = tables.catalogue.figures(item);
        let category = tables.catalogue.category(item) as usize;
        Item {
            orders: tables.catalogue.orders(item).map(f64::from),
            shop_orders: self.artifacts.orders.map(f64::from),
            gap_days,
            repeat_rate,
            price_ratio,
            category_orders_28: f64::from(tables.category_orders_28[category]),
        }
    }
}

fn in_cart(item: u32, cart: &CartScores, rank: u32, tables: &Tables) -> InCart {
    let category = tables.catalogue.category(item);
    let same = |other: &&u32| tables.catalogue.category(**other) == category;
    let items = cart.items.len() as f64;
    InCart {
        items,
        affinity: cart.affinity.of(item),
        affinity_best: cart.affinity_best.of(item),
        likes: cart.likes.of(item),
        same_category: cart.items.iter().filter(same).count() as f64,
        own_orders: cart.own_orders.of(item) / items,
        rank: f64::from(rank),
    }
}

impl Pair {
    /// What is known from the customer's own purchases of the item. NaN where the task is to find new ones.
    fn own(&self, of: impl Fn(&ItemState) -> f64, never: f64) -> f64 {
        match (self.task, &self.own) {
            (Task::Discover, _) => f64::NAN,
            (_, Some(own)) => of(own),
            (_, None) => never,
        }
    }

    fn since(&self, rhythm: &Rhythm) -> f64 {
        self.as_of.days_since(rhythm.last_at)
    }

    fn days_since_last(&self) -> f64 {
        self.own(|own| self.since(&own.rhythm), f64::NAN)
    }

    fn overdue(&self, gap_days: f64) -> f64 {
        // `max` would take the limit for a gap that is not known.
        if gap_days.is_nan() {
            return f64::NAN;
        }
        self.days_since_last() / gap_days.max(LEAST_GAP_DAYS)
    }

    fn category(&self, of: impl Fn(&CategoryState) -> f64, never: f64) -> f64 {
        self.category.as_ref().map_or(never, of)
    }

    fn cart(&self, of: impl Fn(&InCart) -> f64) -> f64 {
        self.cart.as_ref().map_or(f64::NAN, of)
    }

    fn trend(&self) -> f64 {
        let [ever, _, week] = self.item.orders;
        let [shop_ever, _, shop_week] = self.item.shop_orders;
        ((week + 1.0) / (shop_week + 1.0)) / ((ever + 1.0) / (shop_ever + 1.0))
    }
}

/// `part / whole`, NaN where there is no whole.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}

feature_set! {
    /// What the ranking model reads, in order.
    pub static COLUMNS: Pair = "recommendations", revision 1;

    /// The customer's orders with the item.
    own_orders: "your purchases" => |v| v.own(|own| f64::from(own.orders), 0.0);
    /// The same, each halved per 28 days since.
    own_short_memory: "your purchases" => |v| v.own(|own| own.short_memory, 0.0);
    /// The same, each halved per 112 days since.
    own_long_memory: "your purchases" => |v| v.own(|own| own.long_memory, 0.0);
    /// Days since the customer's last order with the item.
    days_since_last: "replenishment" => |v| v.days_since_last();
    /// Mean days between the customer's days with the item.
    own_gap_days: "replenishment" => |v| v.own(|own| own.rhythm.gap_days(), f64::NAN);
    /// Days since the last order with it over that mean.
    own_overdue_gaps: "replenishment" => |v| v.overdue(v.own(|own| own.rhythm.gap_days(), f64::NAN));
    /// The customer's orders since the last one with it.
    orders_since_last: "replenishment" => |v| v.own(|own| v.customer_orders - 1.0 - f64::from(own.last_order), f64::NAN);
    /// Share of the customer's orders with it, from the first one with it on.
    own_rate_since_first: "your purchases" => |v| v.own(|own| f64::from(own.orders) / (v.customer_orders - f64::from(own.first_order)), 0.0);
    /// Share of the shop's orders of the last 7 days with it.
    order_share_7: "popularity" => |v| v.item.orders[2] / v.item.shop_orders[2].max(1.0);
    /// Share of the shop's orders of the last 28 days with it.
    order_share_28: "popularity" => |v| v.item.orders[1] / v.item.shop_orders[1].max(1.0);
    /// Share of all the shop's orders with it.
    order_share: "popularity" => |v| v.item.orders[0] / v.item.shop_orders[0].max(1.0);
    /// Its share of the last 7 days over its share of all days, each with one order more.
    trend: "popularity" => |v| v.trend();
    /// Share of its customers who bought it on two days or more.
    repeat_rate: "replenishment" => |v| v.item.repeat_rate;
    /// Mean days between a customer's days with it, over all customers.
    item_gap_days: "replenishment" => |v| v.item.gap_days;
    /// Days since the customer's last order with it over that mean.
    item_overdue_gaps: "replenishment" => |v| v.overdue(v.item.gap_days);
    /// Paid per unit in the last 14 days over paid per unit ever.
    price_ratio: "price" => |v| v.item.price_ratio;
    /// What buyers of the customer's items also buy (EASE), summed over them.
    likes: "goes with your purchases" => |v| v.likes;
    /// Place of the candidate by that.
    likes_rank: "goes with your purchases" => |v| v.likes_rank;
    /// How often it stands in one order with an item of the cart (shrunken cosine), summed over them.
    cart_affinity: "goes with your cart" => |v| v.cart(|cart| cart.affinity);
    /// The largest of them.
    cart_affinity_best: "goes with your cart" => |v| v.cart(|cart| cart.affinity_best);
    /// What buyers of the cart's items also buy (EASE), summed over them.
    cart_likes: "goes with your cart" => |v| v.cart(|cart| cart.likes);
    /// Share of its category in the customer's purchases, halved per 112 days since.
    category_share: "your categories" => |v| v.category(|c| share(c.long_memory, v.category_memory), 0.0);
    /// Days since the customer's last order of its category over the mean days between them.
    category_overdue_gaps: "your categories" => |v| v.category(|c| v.since(&c.rhythm) / c.rhythm.gap_days(), f64::NAN);
    /// Its share of the orders of its category, last 28 days.
    share_of_category: "popularity" => |v| share(v.item.orders[1], v.item.category_orders_28);
    /// Items of the cart of the same category.
    cart_same_category: "goes with your cart" => |v| v.cart(|cart| cart.same_category);
    /// Items of the cart in the customer's own orders with it, summed, over the items of the cart.
    own_orders_with_cart: "goes with your cart" => |v| v.cart(|cart| cart.own_orders);
    /// Items of the cart.
    cart_items: "task" => |v| v.cart(|cart| cart.items);
    /// Place of the candidate by the customer's long memory of it.
    own_rank: "your purchases" => |v| if v.task == Task::Discover { f64::NAN } else { v.own_rank };
    /// Place of the candidate by the sum of its affinities to the cart.
    cart_rank: "goes with your cart" => |v| v.cart(|cart| cart.rank);
    /// Distinct items over purchases of its category: how much the customer varies there.
    category_novelty: "your categories" => |v| v.category(|c| f64::from(c.items) / f64::from(c.pairs), f64::NAN);
    /// What is asked for: 0 anything, 1 something new, 2 what completes the cart.
    task: "task" => |v| f64::from(v.task as u8);
}
