//! From what is known of the products of a partition to demand histories.

use super::RECORD_LIMIT_BYTES;
use super::counts::DemandCounts;
use super::records::store;
use super::spill::{Chunks, Spill, id_hash, records};
use crate::ingest::{Fact, LoadError, Record, sku_id};
use crate::simulate::Simulator;
use features::demand::{DaySpan, DemandDay, DemandHistory, OnOrder, Promotion, Stock, codec};
use features::time::LocalDay;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A SKU is active this many days after a sale, once this many have passed since its first.
const ACTIVE_DAYS: i32 = 112;
const SETTLED_DAYS: i32 = 56;

/// What decides how facts become histories.
#[derive(Debug)]
pub(super) struct Grouping<'s> {
    pub(super) has_locations: bool,
    /// Makes up the stock, where the shop says none.
    pub(super) simulator: Option<&'s Simulator>,
    /// The first day that is not known.
    pub(super) until: LocalDay,
}

/// The SKUs of a partition as they are stored, and what they add up to.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) skus: Vec<u8>,
    /// The same before a simulator took away what was not in stock; empty without one.
    pub(super) truth: Vec<u8>,
    pub(super) totals: Totals,
    pub(super) counts: DemandCounts,
    /// Rows of tables left out: table, reason, rows.
    pub(super) dropped: BTreeMap<(&'static str, &'static str), u64>,
}

/// What was sold of each category on each day.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<String, BTreeMap<LocalDay, DemandDay>>);

impl Totals {
    fn add<'d>(&mut self, category: &str, days: impl IntoIterator<Item = &'d DemandDay>) {
        let totals = entry(&mut self.0, category);
        for day in days {
            let none = DemandDay {
                units_milli: 0,
                net_minor: 0,
                discount_minor: 0,
                ..*day
            };
            let total = totals.entry(day.day).or_insert(none);
            total.units_milli = total.units_milli.saturating_add(day.units_milli);
            total.net_minor = total.net_minor.saturating_add(day.net_minor);
            total.discount_minor = total.discount_minor.saturating_add(day.discount_minor);
        }
    }

    /// Hands the sales of categories over to a spill by category.
    pub(super) fn spill(&self, spill: &mut Spill) -> Result<(), LoadError> {
        for (category, days) in &self.0 {
            let hash = id_hash(category);
            for day in days.values().filter(|_| !category.is_empty()) {
                spill.write(hash, &sale(category, day))?;
            }
        }
        Ok(())
    }
}

/// A category's sales, as if it were a product.
fn sale<'a>(category: &'a str, day: &DemandDay) -> Record<'a> {
    Record {
        product: category,
        location: "",
        category,
        known: true,
        fact: Fact::Sale {
            day: day.day.0,
            units_milli: day.units_milli,
            net_minor: day.net_minor,
            discount_minor: day.discount_minor,
        },
    }
}

/// Groups the records of a partition; SKUs come out in the order of their product's hash, then their id.
///
/// Sales are added up as they are read, so what is held grows with the days on which a SKU was sold and not with how often.
pub(super) fn partition(chunks: &Chunks<'_>, grouping: &Grouping<'_>) -> Result<Block, LoadError> {
    let mut products: BTreeMap<String, Product> = BTreeMap::new();
    chunks.each(|bytes| {
        records(bytes, |record: Record<'_>| {
            entry(&mut products, record.product).add(&record);
        })
    })?;
    let mut products: Vec<(String, Product)> = products.into_iter().collect();
    // Equal hashes stay in the order of the ids.
    products.sort_by_cached_key(|(id, _)| id_hash(id));
    let mut block = Block::default();
    for (id, product) in products {
        grouping.product(&id, product, &mut block)?;
    }
    Ok(block)
}

/// The value of a text, which is copied the first time only.
fn entry<'m, V: Default>(values: &'m mut BTreeMap<String, V>, text: &str) -> &'m mut V {
    if !values.contains_key(text) {
        values.insert(text.to_owned(), V::default());
    }
    values.get_mut(text).expect("it was just put there")
}

/// What is known of a product.
#[derive(Debug, Default)]
struct Product {
    known: bool,
    /// Of those that are named, the first of the alphabet.
    category: String,
    places: BTreeMap<String, Place>,
    promotions: Vec<Fact>,
}

/// What is known of it at a location.
#[derive(Debug, Default)]
struct Place {
    sold: Vec<DemandDay>,
    /// All but sales.
    facts: Vec<Fact>,
}

/// Sales that are gathered before those of a day are added up for the first time.
const SALES_AT_ONCE: usize = 1024;

impl Product {
    fn add(&mut self, record: &Record<'_>) {
        self.known |= record.known;
        let named = !record.category.is_empty();
        if named && (self.category.is_empty() || record.category < self.category.as_str()) {
            record.category.clone_into(&mut self.category);
        }
        // A promotion runs everywhere, so it makes no SKU where SKUs are told apart by their location.
        if matches!(record.fact, Fact::Promotion { .. }) {
            return self.promotions.push(record.fact);
        }
        let place = entry(&mut self.places, record.location);
        match sold(&record.fact) {
            Some(day) => place.sell(day),
            None => place.facts.push(record.fact),
        }
    }
}

impl Place {
    fn sell(&mut self, day: DemandDay) {
        let gathered = self.sold.len();
        if gathered >= SALES_AT_ONCE && gathered == self.sold.capacity() {
            let days = std::mem::take(&mut self.sold);
            let history = DemandHistory {
                days,
                ..DemandHistory::default()
            };
            self.sold = history.sorted().days;
            // Room for as many again, or the next sale would have them added up anew.
            self.sold.reserve(self.sold.len());
        }
        self.sold.push(day);
    }
}

impl Grouping<'_> {
    fn product(&self, id: &str, product: Product, block: &mut Block) -> Result<(), LoadError> {
        let Product {
            known,
            category,
            mut places,
            promotions,
        } = product;
        if !known {
            let facts = places.values().flat_map(|place| &place.facts);
            for fact in facts.chain(&promotions) {
                block.left_out(fact, "never sold, and in no product file");
            }
            return Ok(());
        }
        if places.is_empty() && self.has_locations {
            for fact in &promotions {
                block.left_out(fact, "at no location");
            }
        } else if places.is_empty() {
            places.insert(String::new(), Place::default());
        }
        let promotions = block.promotions(promotions);
        for (location, Place { sold, facts }) in places {
            let history = DemandHistory {
                category: category.clone(),
                days: sold,
                promotions: promotions.clone(),
                ..block.supply(&facts)
            };
            let id = sku_id(id, &location, self.has_locations);
            self.store(&id, history.sorted(), block)?;
        }
        Ok(())
    }

    /// Stores what is seen of a SKU and, where stock is made up, the demand behind it.
    fn store(&self, id: &str, truth: DemandHistory, block: &mut Block) -> Result<(), LoadError> {
        let seen = match self.simulator {
            Some(simulator) => {
                store(id, &codec::encode(&truth), &mut block.truth)?;
                simulator.censored(id, &truth, self.until)
            }
            None => truth,
        };
        // A day takes about 8 bytes: only a SKU with a century of sales would lose its oldest days here.
        let fitted = codec::encode_within(&seen, RECORD_LIMIT_BYTES);
        store(id, &fitted.bytes, &mut block.skus)?;
        block.counts.skus += 1;
        block.counts.sale_days += seen.days.len() as u64;
        let (active, out) = active_days(&seen, self.until);
        block.counts.active_days += active;
        block.counts.stock_out_days += out;
        block.totals.add(&seen.category, &seen.days);
        Ok(())
    }
}

impl Block {
    fn left_out(&mut self, fact: &Fact, reason: &'static str) {
        let table = match fact {
            // Sold products are known, so no sale is ever left out.
            Fact::Sale { .. } => return,
            Fact::Level { .. } => "stock",
            Fact::OnOrder { .. } => "on_order",
            Fact::Promotion { .. } => "promotions",
        };
        self.drop_row(table, reason);
    }

    fn drop_row(&mut self, table: &'static str, reason: &'static str) {
        *self.dropped.entry((table, reason)).or_default() += 1;
    }

    /// Promotions, each once.
    fn promotions(&mut self, mut facts: Vec<Fact>) -> Vec<Promotion> {
        facts.sort_unstable();
        facts.dedup_by(|again, fact| {
            let same = again == fact;
            if same {
                self.left_out(again, "duplicate row");
            }
            same
        });
        facts.iter().filter_map(planned).collect()
    }

    /// Stock-outs and stock of a SKU, and nothing else.
    fn supply(&mut self, facts: &[Fact]) -> DemandHistory {
        let mut levels: Vec<(i32, Reverse<u32>, i64)> = facts.iter().filter_map(level).collect();
        levels.sort_unstable();
        let rows = levels.len();
        // Of several levels of a day the last file's counts, and in it the lowest: the order of rows must not matter.
        levels.dedup_by_key(|(day, ..)| *day);
        for _ in levels.len()..rows {
            self.drop_row("stock", "another level of the same day");
        }
        let on_order: Vec<OnOrder> = facts.iter().filter_map(open).collect();
        let last = levels.last().map(|(_, _, milli)| *milli);
        let empty = levels.iter().filter(|(_, _, milli)| *milli <= 0);
        DemandHistory {
            stock_outs: empty.map(|(day, ..)| one_day(*day)).collect(),
            // What is on order comes on top of nothing where no level is named.
            stock: last
                .or((!on_order.is_empty()).then_some(0))
                .map(|on_hand_milli| Stock {
                    on_hand_milli,
                    on_order,
                }),
            ..DemandHistory::default()
        }
    }
}

fn one_day(day: i32) -> DaySpan {
    DaySpan {
        from: LocalDay(day),
        until: LocalDay(day + 1),
    }
}

fn sold(fact: &Fact) -> Option<DemandDay> {
    match *fact {
        Fact::Sale {
            day,
            units_milli,
            net_minor,
            discount_minor,
        } => Some(DemandDay {
            day: LocalDay(day),
            units_milli,
            net_minor,
            discount_minor,
        }),
        _ => None,
    }
}

fn level(fact: &Fact) -> Option<(i32, Reverse<u32>, i64)> {
    match *fact {
        Fact::Level {
            day,
            rank,
            units_milli,
        } => Some((day, Reverse(rank), units_milli)),
        _ => None,
    }
}

fn open(fact: &Fact) -> Option<OnOrder> {
    match *fact {
        Fact::OnOrder {
            arrives,
            units_milli,
        } => Some(OnOrder {
            arrives: LocalDay(arrives),
            units_milli,
        }),
        _ => None,
    }
}

fn planned(fact: &Fact) -> Option<Promotion> {
    match *fact {
        Fact::Promotion {
            from,
            until,
            known_since,
        } => Some(Promotion {
            span: DaySpan {
                from: LocalDay(from),
                until: LocalDay(until),
            },
            known_since: LocalDay(known_since),
        }),
        _ => None,
    }
}

/// Days before `until` on which a SKU was active, and those of them that began without stock.
fn active_days(history: &DemandHistory, until: LocalDay) -> (u64, u64) {
    let Some(first) = history.first_sale() else {
        return (0, 0);
    };
    let settled = first.0.saturating_add(SETTLED_DAYS);
    let next = history.days.iter().skip(1).map(|day| day.day.0);
    let (mut active, mut out) = (0, 0);
    for (sale, next) in history.days.iter().zip(next.chain([i32::MAX])) {
        let from = LocalDay(settled.max(sale.day.0.saturating_add(1)));
        let end = next.saturating_add(1);
        let end = end.min(sale.day.0.saturating_add(ACTIVE_DAYS + 1));
        let end = LocalDay(end.min(until.0));
        active += i64::from((end.0 - from.0).max(0));
        out += history.stock_out_days(from, end.max(from));
    }
    (active.unsigned_abs(), out.unsigned_abs())
}
