//! What is there and what is coming, counted once.

use super::error::{MOST_UNITS, PolicyError, check, days};
use serde::{Deserialize, Serialize};

/// An open purchase order, or the part of it that is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// Units.
    pub quantity: u64,
    /// Days from now; 0 is today.
    pub arrives_in_days: f64,
}

/// Stock, open orders and customers who wait.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stock {
    /// Units on the shelf. Negative is allowed and means units owed to customers, as many systems book them.
    pub on_hand: i64,
    /// Units owed to customers beside a negative `on_hand`.
    pub backorders: u64,
    /// In any order.
    pub on_order: Vec<Arrival>,
}

impl Stock {
    pub(crate) fn checked(&self) -> Result<&Self, PolicyError> {
        let countable = |units: f64| units.abs() <= MOST_UNITS;
        let limit = "from -1e12 to 1e12 units";
        check(
            countable(self.on_hand as f64),
            "on_hand",
            self.on_hand as f64,
            limit,
        )?;
        check(
            countable(self.backorders as f64),
            "backorders",
            self.backorders as f64,
            limit,
        )?;
        for arrival in &self.on_order {
            let quantity = arrival.quantity as f64;
            check(countable(quantity), "quantity", quantity, limit)?;
            days("arrives_in_days", arrival.arrives_in_days)?;
        }
        let all = self.on_order.iter().map(|a| a.quantity as f64).sum();
        check(countable(all), "on_order", all, limit)?;
        Ok(self)
    }

    /// Units on the shelf less units owed.
    pub fn net(&self) -> i64 {
        self.on_hand.saturating_sub_unsigned(self.backorders)
    }

    /// Units on order that arrive by then.
    pub fn arriving_within(&self, within_days: f64) -> u64 {
        let inside = self
            .on_order
            .iter()
            .filter(|a| a.arrives_in_days <= within_days);
        inside.fold(0, |sum, arrival| sum.saturating_add(arrival.quantity))
    }

    /// Inventory position: on hand, plus what arrives within the protection interval, less what is owed.
    ///
    /// What arrives later cannot serve the interval's demand and does not count; each order counts once.
    pub fn inventory_position(&self, protection_days: f64) -> i64 {
        self.net()
            .saturating_add_unsigned(self.arriving_within(protection_days))
    }

    /// Days until the first open order arrives.
    pub fn next_arrival_days(&self) -> Option<f64> {
        let open = self.on_order.iter().filter(|a| a.quantity > 0);
        open.map(|a| a.arrives_in_days).min_by(f64::total_cmp)
    }
}
