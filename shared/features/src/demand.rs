//! What a product sold, day by day, in the form the inventory function reads.
//!
//! Sales are not demand: on a day that begins without stock nobody can buy, so such days are masked. They are neither
//! zero demand nor evidence of anything. Days are the shop's local days; an instant stands for the day it falls on in
//! UTC, because whoever makes one from a local day takes the UTC midnight of that day ([`day_start`]).

pub mod codec;
pub mod forecast;
pub mod view;

use crate::history::History;
use crate::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was sold on one local day. Returns are no negative demand: they come back as stock, not as fewer wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandDay {
    /// The shop-local day.
    pub day: LocalDay,
    /// Thousandths of a unit; positive.
    pub units_milli: i64,
    /// Paid for them after discounts, minor units.
    pub net_minor: i64,
    /// What discounts took off, minor units; not negative.
    pub discount_minor: i64,
}

/// Local days `from..until`, `until` not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DaySpan {
    /// The first day.
    pub from: LocalDay,
    /// The first day after it.
    pub until: LocalDay,
}

/// A promotion that is or was planned, with the day from which it was known: features see it from then on only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Promotion {
    /// When it runs.
    pub span: DaySpan,
    /// The first day on which it was known.
    pub known_since: LocalDay,
}

/// An order that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OnOrder {
    /// The day it arrives.
    pub arrives: LocalDay,
    /// Thousandths of a unit; positive.
    pub units_milli: i64,
}

/// What lies in the shelf at the opening of a day, and what is under way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stock {
    /// Thousandths of a unit; negative is owed to customers (backorders).
    pub on_hand_milli: i64,
    /// Open orders, by day of arrival.
    pub on_order: Vec<OnOrder>,
}

/// All that is known of the demand for one SKU (at one location, where the shop tells them apart).
///
/// ```
/// use features::demand::{DemandDay, DemandHistory};
/// use features::time::LocalDay;
/// let sold = |day, units_milli| DemandDay { day: LocalDay(day), units_milli, net_minor: 100, discount_minor: 0 };
/// let history = DemandHistory { days: vec![sold(9, 1000), sold(7, 500), sold(9, 2000)], ..DemandHistory::default() }.sorted();
/// assert_eq!(history.days.len(), 2);
/// assert_eq!(history.units(LocalDay(8), LocalDay(10)), 3.0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DemandHistory {
    /// The product's category; empty when unknown.
    pub category: String,
    /// Days with a sale, rising, one entry a day.
    pub days: Vec<DemandDay>,
    /// Days that began without stock, rising, not touching each other.
    pub stock_outs: Vec<DaySpan>,
    /// Planned and past promotions, rising.
    pub promotions: Vec<Promotion>,
    /// The stock at the opening of the first day that is not known yet; `None` where the shop does not say.
    pub stock: Option<Stock>,
}

/// The instant that stands for a local day: the UTC midnight of the same date.
///
/// ```
/// use features::demand::{day_of, day_start};
/// use features::time::LocalDay;
/// assert_eq!(day_of(day_start(LocalDay(-3))), LocalDay(-3));
/// ```
pub fn day_start(day: LocalDay) -> Timestamp {
    Timestamp(i64::from(day.0) * SECONDS_PER_DAY)
}

/// The local day an instant stands for.
pub fn day_of(at: Timestamp) -> LocalDay {
    LocalDay::at(at, 0)
}

impl DemandHistory {
    /// The same history in the one order every reader relies on: days rising and merged, spans rising and merged.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.days.sort_by_key(|day| day.day);
        self.days.dedup_by(|later, kept| {
            let same = later.day == kept.day;
            if same {
                kept.units_milli = kept.units_milli.saturating_add(later.units_milli);
                kept.net_minor = kept.net_minor.saturating_add(later.net_minor);
                kept.discount_minor = kept.discount_minor.saturating_add(later.discount_minor);
            }
            same
        });
        self.stock_outs.retain(|span| span.from < span.until);
        self.stock_outs.sort();
        self.stock_outs.dedup_by(|later, kept| {
            let touches = later.from <= kept.until;
            if touches {
                kept.until = kept.until.max(later.until);
            }
            touches
        });
        self.promotions.sort();
        self.promotions.dedup();
        if let Some(stock) = &mut self.stock {
            stock.on_order.sort();
        }
        self
    }

    /// The days with a sale within `from..until`.
    pub fn within(&self, from: LocalDay, until: LocalDay) -> &[DemandDay] {
        let first = self.days.partition_point(|day| day.day < from);
        let after = self.days.partition_point(|day| day.day < until);
        &self.days[first..after.max(first)]
    }

    /// Units sold within `from..until`.
    pub fn units(&self, from: LocalDay, until: LocalDay) -> f64 {
        let milli = self.within(from, until).iter().map(|day| day.units_milli);
        milli.fold(0, i64::saturating_add) as f64 / 1000.0
    }

    /// Days within `from..until` that began without stock.
    pub fn stock_out_days(&self, from: LocalDay, until: LocalDay) -> i64 {
        let first = self.stock_outs.partition_point(|span| span.until <= from);
        let overlapping = self.stock_outs[first..]
            .iter()
            .take_while(|span| span.from < until);
        let days =
            |span: &DaySpan| i64::from(span.until.min(until).0) - i64::from(span.from.max(from).0);
        overlapping.map(days).sum()
    }

    /// Days within `from..until` on which somebody could buy.
    pub fn exposed_days(&self, from: LocalDay, until: LocalDay) -> i64 {
        let days = (i64::from(until.0) - i64::from(from.0)).max(0);
        days - self.stock_out_days(from, until)
    }

    /// The day of the first sale.
    pub fn first_sale(&self) -> Option<LocalDay> {
        self.days.first().map(|day| day.day)
    }
}

/// A SKU with its surroundings: demand moves with its category's season.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SkuHistory {
    /// Its own.
    pub demand: DemandHistory,
    /// The sum over all SKUs of its category; `None` where the category is unknown.
    pub category: Option<Arc<DemandHistory>>,
}

impl History for SkuHistory {
    fn known_before(&self, cutoff: Timestamp) -> Self {
        let category = self.category.as_ref();
        Self {
            demand: self.demand.known_before(cutoff),
            category: category.map(|history| Arc::new(history.known_before(cutoff))),
        }
    }

    fn event_count(&self) -> usize {
        self.demand.event_count()
    }
}

impl History for DemandHistory {
    /// Sales, stock-outs and promotions that were known when the day of `cutoff` began. The stock is that of the end of
    /// the data, so it is left out.
    fn known_before(&self, cutoff: Timestamp) -> Self {
        let day = day_of(cutoff);
        let cut = |span: &DaySpan| DaySpan {
            until: span.until.min(day),
            ..*span
        };
        Self {
            category: self.category.clone(),
            days: self.within(LocalDay(i32::MIN), day).to_vec(),
            stock_outs: self
                .stock_outs
                .iter()
                .map(cut)
                .filter(|span| span.from < span.until)
                .collect(),
            promotions: self
                .promotions
                .iter()
                .filter(|promotion| promotion.known_since < day)
                .copied()
                .collect(),
            stock: None,
        }
    }

    fn event_count(&self) -> usize {
        self.days.len()
    }
}
