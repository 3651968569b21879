//! The shop's own rule: the (s,S) policy that its stock was made up with.

use super::{Rule, Shelf};
use crate::assess::Failure;
use crate::simulate::Simulator;
use features::demand::DemandHistory;
use features::time::LocalDay;

/// Name of the rule.
pub const CURRENT_RULE: &str = "current_rule";

/// Levels by mean and standard deviation of the last weeks' sales.
#[derive(Debug, Clone)]
pub struct CurrentRule {
    policy: Simulator,
}

impl CurrentRule {
    /// The rule of a shop whose stock this makes up.
    pub fn new(policy: Simulator) -> Self {
        Self { policy }
    }

    /// `(s, S)` in thousandths of a unit, as the record shows them on the morning of `today`.
    pub fn levels(&self, history: &DemandHistory, today: LocalDay) -> (i64, i64) {
        self.policy.levels(self.moments(history, today))
    }

    /// Mean and population variance of units a day, over the days of the window on which somebody could buy.
    fn moments(&self, history: &DemandHistory, today: LocalDay) -> (f64, f64) {
        let window = today.0.saturating_sub_unsigned(self.policy.window_days);
        let from = history
            .first_sale()
            .map_or(today, |first| first.max(LocalDay(window)));
        let days = history.exposed_days(from, today) as f64;
        if days <= 0.0 {
            return (0.0, 0.0);
        }
        let sales = history.within(from, today).iter();
        let (sum, squares) = sales.fold((0i128, 0i128), |(sum, squares), day| {
            let units = i128::from(day.units_milli);
            (sum + units, squares + units * units)
        });
        let mean = sum as f64 / 1e3 / days;
        (mean, (squares as f64 / 1e6 / days - mean * mean).max(0.0))
    }
}

impl Rule for CurrentRule {
    fn name(&self) -> &'static str {
        CURRENT_RULE
    }

    fn orders(&self, today: LocalDay, shelves: &[&Shelf]) -> Result<Vec<u64>, Failure> {
        let order = |shelf: &&Shelf| {
            let (reorder_at, fill_to) = self.levels(&shelf.history().demand, today);
            let position = shelf.position_milli();
            if position > reorder_at {
                return 0;
            }
            // Whole units, as every rule orders them.
            u64::try_from((fill_to - position) / 1000).unwrap_or(0)
        };
        Ok(shelves.iter().map(order).collect())
    }
}
