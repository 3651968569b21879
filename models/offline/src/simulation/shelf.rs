//! One product's stock under one rule, and all that the rule may see of it.

use crate::simulate::part_of;
use features::demand::{DaySpan, DemandDay, OnOrder, SkuHistory};
use features::time::LocalDay;
use inventory::api::days_until;
use inventory::policy;
use std::sync::Arc;

const MILLI: i64 = 1000;

/// A shelf with its open orders and its own record. Nothing in it tells of demand that was not served.
#[derive(Debug, Clone)]
pub struct Shelf {
    history: Arc<SkuHistory>,
    on_hand_milli: i64,
    /// By day of arrival.
    on_order: Vec<OnOrder>,
}

/// What a day was like, in thousandths of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lived {
    pub(super) opening: i64,
    pub(super) closing: i64,
    pub(super) wanted: i64,
    pub(super) sold: i64,
}

impl Shelf {
    /// A record that ends where the simulation begins, and the stock at that opening.
    pub fn new(before: SkuHistory, on_hand_milli: i64) -> Self {
        Self {
            history: Arc::new(before),
            on_hand_milli,
            on_order: Vec::new(),
        }
    }

    /// Sales and stock-outs up to the day before.
    pub fn history(&self) -> &Arc<SkuHistory> {
        &self.history
    }

    /// On hand and on order, thousandths of a unit.
    pub fn position_milli(&self) -> i64 {
        let ordered = self.on_order.iter().map(|order| order.units_milli);
        ordered.fold(self.on_hand_milli, i64::saturating_add)
    }

    /// The stock as the function is told it: whole units, with days until the arrivals.
    pub fn stock(&self, today: LocalDay) -> policy::Stock {
        let arrivals = self.on_order.iter().map(|order| policy::Arrival {
            quantity: order.units_milli.div_euclid(MILLI).unsigned_abs(),
            arrives_in_days: days_until(order.arrives, today),
        });
        policy::Stock {
            on_hand: self.on_hand_milli.div_euclid(MILLI),
            backorders: 0,
            on_order: arrivals.collect(),
        }
    }

    pub(super) fn receive(&mut self, today: LocalDay) {
        let arrived = self.on_order.partition_point(|o| o.arrives <= today);
        for order in self.on_order.drain(..arrived) {
            self.on_hand_milli = self.on_hand_milli.saturating_add(order.units_milli);
        }
    }

    pub(super) fn expect(&mut self, arrives: LocalDay, units: u64) {
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        let at = self.on_order.partition_point(|o| o.arrives <= arrives);
        let units_milli = units.saturating_mul(MILLI);
        let order = OnOrder {
            arrives,
            units_milli,
        };
        self.on_order.insert(at, order);
    }

    /// Serves what is wanted and there. A day that begins with an empty shelf goes down as a stock-out day.
    pub(super) fn sell(&mut self, today: LocalDay, wanted: Option<&DemandDay>) -> Lived {
        let opening_milli = self.on_hand_milli;
        let wanted_milli = wanted.map_or(0, |day| day.units_milli);
        let sold_milli = wanted_milli.min(opening_milli).max(0);
        let demand = &mut Arc::make_mut(&mut self.history).demand;
        if opening_milli <= 0 {
            close(&mut demand.stock_outs, today);
        }
        let sold = wanted.and_then(|day| part_of(day, sold_milli));
        demand.days.extend(sold);
        self.on_hand_milli -= sold_milli;
        Lived {
            opening: opening_milli,
            closing: self.on_hand_milli,
            wanted: wanted_milli,
            sold: sold_milli,
        }
    }
}

/// Adds a day at the end of rising spans that do not touch each other.
fn close(spans: &mut Vec<DaySpan>, today: LocalDay) {
    let until = LocalDay(today.0 + 1);
    match spans.last_mut() {
        Some(last) if last.until == today => last.until = until,
        _ => spans.push(DaySpan { from: today, until }),
    }
}
