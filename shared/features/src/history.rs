//! What a customer bought, in the form every function reads.

use crate::time::{LocalDay, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What is known of one entity, whatever its kind.
pub trait History: Clone + Send + Sync + 'static {
    /// What was known before `cutoff`: all that may be fitted on there.
    #[must_use]
    fn known_before(&self, cutoff: Timestamp) -> Self;

    /// How many events it holds: a measure of its size.
    fn event_count(&self) -> usize;
}

/// One position of an order. Amounts are signed: a return or a cancellation has negative quantity and amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The shop's product id; empty where the shop has no products.
    pub product_id: SmolStr,
    /// The product's category; empty when unknown.
    pub category: SmolStr,
    /// Thousandths of a unit, so that 0.5 kg is 500; negative for a return.
    pub quantity_milli: i64,
    /// What the customer paid for the position after discounts, in minor units (cents); negative for a return.
    pub net_minor: i64,
    /// What discounts took off, in minor units; never negative.
    pub discount_minor: i64,
}

impl OrderLine {
    /// Whether the position is a purchase, not a return.
    pub fn is_purchase(&self) -> bool {
        self.quantity_milli > 0
    }
}

/// One order of one customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The shop's order id; unique within the customer.
    pub order_id: SmolStr,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// The shop-local calendar day of `placed_at`.
    pub local_day: LocalDay,
    /// Its positions; order does not matter.
    pub lines: Vec<OrderLine>,
}

impl Order {
    /// Whether anything was bought; an order of returns only is not a purchase.
    pub fn is_purchase(&self) -> bool {
        self.lines.iter().any(OrderLine::is_purchase)
    }

    /// What was paid for the positions bought, in minor units.
    pub fn purchased_minor(&self) -> i64 {
        sum(self.purchases().map(|l| l.net_minor))
    }

    /// What was given back for returned positions, in minor units, not negative.
    pub fn returned_minor(&self) -> i64 {
        sum(self
            .lines
            .iter()
            .filter(|l| !l.is_purchase())
            .map(|l| l.net_minor.saturating_neg().max(0)))
    }

    /// What discounts took off the positions bought, in minor units.
    pub fn discount_minor(&self) -> i64 {
        sum(self.purchases().map(|l| l.discount_minor))
    }

    /// The positions bought.
    pub fn purchases(&self) -> impl Iterator<Item = &OrderLine> {
        self.lines.iter().filter(|l| l.is_purchase())
    }
}

fn sum(amounts: impl Iterator<Item = i64>) -> i64 {
    amounts.fold(0, i64::saturating_add)
}

/// All orders of one customer that are known, sorted by time, then id.
///
/// ```
/// use features::history::{CustomerHistory, Order};
/// use features::time::{LocalDay, Timestamp};
/// let order = |id: &str, at| Order { order_id: id.into(), placed_at: Timestamp(at), local_day: LocalDay(0), lines: vec![] };
/// let history = CustomerHistory::new(vec![order("b", 7), order("a", 7), order("c", 5)]);
/// let ids: Vec<_> = history.orders().iter().map(|o| o.order_id.as_str()).collect();
/// assert_eq!(ids, ["c", "a", "b"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomerHistory {
    orders: Vec<Order>,
}

impl CustomerHistory {
    /// Sorts `orders` (by time, then id, then positions) so that the order of input never matters.
    pub fn new(mut orders: Vec<Order>) -> Self {
        for order in &mut orders {
            order.lines.sort_by(|a, b| line_key(a).cmp(&line_key(b)));
        }
        orders.sort_by(|a, b| (a.placed_at, &a.order_id).cmp(&(b.placed_at, &b.order_id)));
        Self { orders }
    }

    /// The orders, oldest first.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The orders placed before `as_of`, oldest first: all that a feature may see.
    pub fn before(&self, as_of: Timestamp) -> &[Order] {
        &self.orders[..self.orders.partition_point(|o| o.placed_at < as_of)]
    }

    /// Whether a purchase falls into the half-open interval `[from, until)`.
    ///
    /// Features see what was placed before `as_of`; a label therefore starts at `as_of` itself.
    pub fn purchased_within(&self, from: Timestamp, until: Timestamp) -> bool {
        let first = self.orders.partition_point(|o| o.placed_at < from);
        self.orders[first..]
            .iter()
            .take_while(|o| o.placed_at < until)
            .any(Order::is_purchase)
    }
}

impl History for CustomerHistory {
    fn known_before(&self, cutoff: Timestamp) -> Self {
        Self {
            orders: self.before(cutoff).to_vec(),
        }
    }

    fn event_count(&self) -> usize {
        self.orders.iter().map(|order| order.lines.len()).sum()
    }
}

fn line_key(line: &OrderLine) -> (&str, &str, i64, i64, i64) {
    (
        &line.product_id,
        &line.category,
        line.quantity_milli,
        line.net_minor,
        line.discount_minor,
    )
}
