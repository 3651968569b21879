//! From the lines of a partition to histories.

use super::RECORD_LIMIT_BYTES;
use super::records::store;
use super::sales::Sales;
use super::spill::{id_hash, records};
use crate::ingest::{Fact, LoadError, Record};
use features::codec;
use features::history::{CustomerHistory, Order, OrderLine};
use features::time::{LocalDay, Timestamp};
use serde::Deserialize;

/// A spilled line; the same fields in the same order as [`crate::ingest::Line`].
#[derive(Debug, Deserialize)]
struct Spilled<'a> {
    customer: &'a str,
    order: &'a str,
    placed_at: i64,
    local_day: i32,
    product: &'a str,
    location: &'a str,
    category: &'a str,
    quantity_milli: i64,
    net_minor: i64,
    discount_minor: i64,
    updated_at: i64,
    hash: u64,
    dropped: bool,
    guest: bool,
}

struct Entry<'a> {
    customer_hash: u64,
    rank: u32,
    line: Spilled<'a>,
}

/// What grouping saw.
#[derive(Debug, Default)]
pub(super) struct Grouped {
    pub(super) kept: u64,
    /// Lines of orders that were too old to fit.
    pub(super) too_old: u64,
    pub(super) replaced: u64,
    pub(super) duplicates: u64,
    pub(super) customers: u64,
    pub(super) orders: u64,
    /// Customers whose oldest orders did not fit, and how many orders those were.
    pub(super) shortened: u64,
    pub(super) orders_left_out: u64,
    /// Instants of the first and the last order.
    pub(super) range: Option<(Timestamp, Timestamp)>,
}

/// The histories of a partition as they are stored, and what was sold.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) sales: Sales,
    pub(super) grouped: Grouped,
}

impl Grouped {
    pub(super) fn add(&mut self, other: &Self) {
        self.kept += other.kept;
        self.too_old += other.too_old;
        self.replaced += other.replaced;
        self.duplicates += other.duplicates;
        self.customers += other.customers;
        self.orders += other.orders;
        self.shortened += other.shortened;
        self.orders_left_out += other.orders_left_out;
        if let Some((first, last)) = other.range {
            self.saw(first);
            self.saw(last);
        }
    }

    /// Counts a history whose oldest orders are left out: their lines were kept so far.
    fn shorten(&mut self, left_out: &[Order]) {
        let lines: usize = left_out.iter().map(|order| order.lines.len()).sum();
        self.kept -= lines as u64;
        self.too_old += lines as u64;
        self.orders_left_out += left_out.len() as u64;
        self.shortened += u64::from(!left_out.is_empty());
    }

    fn saw(&mut self, at: Timestamp) {
        let (first, last) = self.range.unwrap_or((at, at));
        self.range = Some((first.min(at), last.max(at)));
    }
}

/// Groups the bytes of a partition; customers come out in the order of their hash, then their id.
///
/// A guest's orders are weighed like those of a customer, and then count for demand only.
pub(super) fn partition(
    bytes: &[u8],
    drop_duplicates: bool,
    mut sales: Sales,
) -> Result<Block, LoadError> {
    let entries = decode(bytes)?;
    let mut sorted: Vec<&Entry<'_>> = entries.iter().collect();
    sorted.sort_unstable_by(|a, b| {
        let key = |e: &Entry<'_>| (e.customer_hash, e.rank, e.line.hash);
        let (a_key, b_key) = (key(a), key(b));
        (a_key.0.cmp(&b_key.0))
            .then_with(|| a.line.customer.cmp(b.line.customer))
            .then_with(|| a.line.guest.cmp(&b.line.guest))
            .then_with(|| a.line.order.cmp(b.line.order))
            .then_with(|| (a_key.1, a_key.2).cmp(&(b_key.1, b_key.2)))
    });
    let (mut bytes, mut grouped) = (Vec::new(), Grouped::default());
    let same = |a: &&Entry<'_>, b: &&Entry<'_>| {
        a.line.customer == b.line.customer && a.line.guest == b.line.guest
    };
    for customer in sorted.chunk_by(same) {
        let mut seen = Grouped::default();
        let orders: Vec<Order> = customer
            .chunk_by(|a, b| a.line.order == b.line.order)
            .filter_map(|order| order_of(order, drop_duplicates, &mut seen, &mut sales))
            .collect();
        let Entry { line, .. } = customer[0];
        if line.guest {
            continue;
        }
        let history = CustomerHistory::new(orders);
        // Here and not where the store is written: training then sees exactly what serving reads.
        let fitted = codec::encode_within(&history, RECORD_LIMIT_BYTES);
        let (left_out, kept) = history.orders().split_at(fitted.events_left_out);
        seen.shorten(left_out);
        if let (Some(first), Some(last)) = (kept.first(), kept.last()) {
            seen.saw(first.placed_at);
            seen.saw(last.placed_at);
            seen.customers = 1;
            seen.orders = kept.len() as u64;
            store(line.customer, &fitted.bytes, &mut bytes)?;
        }
        grouped.add(&seen);
    }
    Ok(Block {
        bytes,
        sales,
        grouped,
    })
}

fn decode(bytes: &[u8]) -> Result<Vec<Entry<'_>>, LoadError> {
    let mut entries = Vec::new();
    records(bytes, |(rank, line): (u32, Spilled<'_>)| {
        let customer_hash = id_hash(line.customer);
        entries.push(Entry {
            customer_hash,
            rank,
            line,
        });
    })?;
    Ok(entries)
}

/// One order from all its lines, sorted by file, then hash; none when its valid version has no line left.
fn order_of(
    entries: &[&Entry<'_>],
    drop_duplicates: bool,
    grouped: &mut Grouped,
    sales: &mut Sales,
) -> Option<Order> {
    let version =
        |file: &&[&Entry<'_>]| (file.iter().map(|e| e.line.updated_at).max(), file[0].rank);
    let valid = entries
        .chunk_by(|a, b| a.rank == b.rank)
        .max_by_key(version)?;
    let countable =
        |entries: &[&Entry<'_>]| entries.iter().filter(|e| !e.line.dropped).count() as u64;
    grouped.replaced += countable(entries) - countable(valid);
    let mut kept: Vec<&Spilled<'_>> = valid
        .iter()
        .map(|e| &e.line)
        .filter(|line| !line.dropped)
        .collect();
    if drop_duplicates {
        let before = kept.len();
        kept.dedup_by_key(|line| line.hash);
        grouped.duplicates += (before - kept.len()) as u64;
    }
    grouped.kept += kept.len() as u64;
    let first = kept.iter().min_by_key(|line| line.placed_at)?;
    let order = Order {
        order_id: first.order.into(),
        placed_at: Timestamp(first.placed_at),
        local_day: LocalDay(first.local_day),
        lines: kept.iter().map(|line| order_line(line)).collect(),
    };
    sales.saw(order.local_day);
    for line in kept {
        sales.add(&sold(line, order.local_day));
    }
    Some(order)
}

/// The line as demand on the day of its order.
fn sold<'a>(line: &Spilled<'a>, day: LocalDay) -> Record<'a> {
    Record {
        product: line.product,
        location: line.location,
        category: line.category,
        known: true,
        fact: Fact::Sale {
            day: day.0,
            units_milli: line.quantity_milli,
            net_minor: line.net_minor,
            discount_minor: line.discount_minor,
        },
    }
}

fn order_line(line: &Spilled<'_>) -> OrderLine {
    OrderLine {
        product_id: line.product.into(),
        category: line.category.into(),
        quantity_milli: line.quantity_milli,
        net_minor: line.net_minor,
        discount_minor: line.discount_minor,
    }
}
