//! The compact bytes a history is stored in.
//!
//! Layout, version 1: one version byte, then a postcard message of columns: distinct products and categories once,
//! per order and per line varints of differences. A version this code does not know is refused.

use crate::history::{CustomerHistory, Order, OrderLine};
use crate::time::{LocalDay, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The layout this code writes and reads.
pub const VERSION: u8 = 1;

/// Why bytes are not a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No bytes at all.
    #[error("decode history: no bytes")]
    Empty,
    /// A layout of another version of this code.
    #[error("decode history: layout version {found}, this code reads {reads}")]
    UnknownVersion {
        /// The version byte found.
        found: u8,
        /// The version of this code.
        reads: u8,
    },
    /// Cut short, damaged, or an index beyond its table.
    #[error("decode history: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

#[derive(Serialize, Deserialize, Default)]
struct Stored {
    products: Vec<(SmolStr, u32)>,
    categories: Vec<SmolStr>,
    orders: Vec<StoredOrder>,
}

#[derive(Serialize, Deserialize)]
struct StoredOrder {
    order_id: SmolStr,
    seconds_after_previous: i64,
    /// Shop-local seconds of the day boundary are not needed: the difference to the UTC day is -1, 0 or 1.
    local_day_minus_utc_day: i32,
    lines: Vec<StoredLine>,
}

#[derive(Serialize, Deserialize)]
struct StoredLine {
    product: u32,
    quantity_milli: i64,
    net_minor: i64,
    discount_minor: i64,
}

/// Encodes a history; equal histories give equal bytes.
///
/// ```
/// use features::{codec, history::CustomerHistory};
/// let empty = CustomerHistory::default();
/// assert_eq!(codec::decode(&codec::encode(&empty)), Ok(empty));
/// ```
pub fn encode(history: &CustomerHistory) -> Vec<u8> {
    let mut tables = Tables::default();
    let mut previous = 0i64;
    let orders = history
        .orders()
        .iter()
        .map(|order| {
            let seconds_after_previous = order.placed_at.0.wrapping_sub(previous);
            previous = order.placed_at.0;
            StoredOrder {
                order_id: order.order_id.clone(),
                seconds_after_previous,
                local_day_minus_utc_day: order.local_day.0.wrapping_sub(utc_day(order.placed_at)),
                lines: order.lines.iter().map(|line| tables.store(line)).collect(),
            }
        })
        .collect();
    let stored = Stored {
        products: tables.products,
        categories: tables.categories,
        orders,
    };
    postcard::to_extend(&stored, vec![VERSION]).expect("writing to memory cannot fail")
}

/// A history within a size limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// At most as many as asked for.
    pub bytes: Vec<u8>,
    /// How many of the oldest events (orders here, days of a demand history) did not fit.
    pub events_left_out: usize,
}

/// Encodes the newest orders that fit into `limit` bytes: the windows that features look at end at the present, so
/// the oldest orders are the ones to lose. One order more would not fit. An empty history is returned where not even one
/// order fits.
pub fn encode_within(history: &CustomerHistory, limit: usize) -> Fitted {
    let whole = encode(history);
    if whole.len() <= limit {
        return Fitted {
            bytes: whole,
            events_left_out: 0,
        };
    }
    let orders = history.orders();
    let newest = |skip: usize| encode(&CustomerHistory::new(orders[skip..].to_vec()));
    // `fits_not` never fits and `fits` always does, so what is kept fits, and with one order more it would not. More
    // orders can take fewer bytes, since products are numbered by first use: then a longer run of orders may fit as well,
    // and is not looked for.
    let (mut fits_not, mut fits) = (0, orders.len());
    while fits - fits_not > 1 {
        let middle = usize::midpoint(fits_not, fits);
        if newest(middle).len() <= limit {
            fits = middle;
        } else {
            fits_not = middle;
        }
    }
    Fitted {
        bytes: newest(fits),
        events_left_out: fits,
    }
}

/// Decodes what [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<CustomerHistory, CodecError> {
    let (&found, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    if found != VERSION {
        return Err(CodecError::UnknownVersion {
            found,
            reads: VERSION,
        });
    }
    let damaged = |reason: String| CodecError::Damaged { reason };
    let (mut stored, rest): (Stored, _) =
        postcard::take_from_bytes(body).map_err(|e| damaged(e.to_string()))?;
    if !rest.is_empty() {
        return Err(damaged(format!("{} bytes after the end", rest.len())));
    }
    let mut previous = 0i64;
    let mut orders = Vec::with_capacity(stored.orders.len());
    for order in std::mem::take(&mut stored.orders) {
        let placed_at = Timestamp(previous.wrapping_add(order.seconds_after_previous));
        previous = placed_at.0;
        let lines = order
            .lines
            .iter()
            .map(|line| stored.line(line))
            .collect::<Result<_, _>>()?;
        orders.push(Order {
            order_id: order.order_id,
            placed_at,
            local_day: LocalDay(utc_day(placed_at).wrapping_add(order.local_day_minus_utc_day)),
            lines,
        });
    }
    Ok(CustomerHistory::new(orders))
}

impl Stored {
    fn line(&self, line: &StoredLine) -> Result<OrderLine, CodecError> {
        let beyond = |what| CodecError::Damaged {
            reason: format!("{what} index beyond its table"),
        };
        let (product_id, category) = self
            .products
            .get(line.product as usize)
            .ok_or_else(|| beyond("product"))?;
        let category = self
            .categories
            .get(*category as usize)
            .ok_or_else(|| beyond("category"))?;
        Ok(OrderLine {
            product_id: product_id.clone(),
            category: category.clone(),
            quantity_milli: line.quantity_milli,
            net_minor: line.net_minor,
            discount_minor: line.discount_minor,
        })
    }
}

/// Distinct products (with their category) and categories, in order of first use.
#[derive(Default)]
struct Tables {
    products: Vec<(SmolStr, u32)>,
    categories: Vec<SmolStr>,
    product_index: BTreeMap<(SmolStr, u32), u32>,
    category_index: BTreeMap<SmolStr, u32>,
}

impl Tables {
    fn store(&mut self, line: &OrderLine) -> StoredLine {
        let category = intern(
            &mut self.categories,
            &mut self.category_index,
            line.category.clone(),
        );
        let product = intern(
            &mut self.products,
            &mut self.product_index,
            (line.product_id.clone(), category),
        );
        StoredLine {
            product,
            quantity_milli: line.quantity_milli,
            net_minor: line.net_minor,
            discount_minor: line.discount_minor,
        }
    }
}

fn intern<T: Ord + Clone>(table: &mut Vec<T>, index: &mut BTreeMap<T, u32>, value: T) -> u32 {
    if let Some(&at) = index.get(&value) {
        return at;
    }
    let at = table.len() as u32;
    table.push(value.clone());
    index.insert(value, at);
    at
}

fn utc_day(instant: Timestamp) -> i32 {
    LocalDay::at(instant, 0).0
}
