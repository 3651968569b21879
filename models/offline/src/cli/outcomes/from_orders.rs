//! Outcomes that the shop's own orders tell: of lists that were shown, and of forecasts.

use super::super::Failure;
use super::super::prediction_log::salt;
use super::{Outcomes, metric};
use crate::evaluate::{Bootstrap, MetricLine};
use crate::outcomes::demand::forecasts;
use crate::outcomes::lists::{Window, lists};
use serde::Serialize;
use std::process::ExitCode;

/// Items of a list that are judged where nobody says, as in `storecast evaluate`.
const ITEMS: u16 = 10;

impl Outcomes {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn of_lists(&self) -> Result<ExitCode, Failure> {
        let lines = self.log.read(&self.function)?.lines;
        let (shop, histories) = self.data.load()?;
        let days = self.window_days.map(f64::from);
        let window = Window {
            days: days.unwrap_or_else(|| f64::from(shop.training.horizon_days)),
            k: usize::from(self.k.unwrap_or(ITEMS)),
        };
        let bootstrap = Bootstrap::default();
        let found = lists(&lines, &histories, salt().as_deref(), window, &bootstrap)?;
        println!(
            "{} lists: {} judged by what was bought within {} days, {} of customers who bought nothing of the kind, {} about a window \
             that counts already, {} still open, {} without an item, {} of customers nobody knows, {} broken",
            lines.len(),
            found.joined,
            window.days,
            found.nothing_bought,
            found.repeated,
            found.open,
            found.empty,
            found.unknown,
            found.broken
        );
        for one in &found.versions {
            println!(
                "\n{}, {}: {} lists of {} customers, {} more who bought nothing of the kind",
                one.model_version, one.surface, one.lists, one.customers, one.nothing_bought
            );
            show(&one.metrics);
        }
        self.write_report(&found)
    }

    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn of_forecasts(&self) -> Result<ExitCode, Failure> {
        let lines = self.log.read(&self.function)?.lines;
        let (_, histories) = self.data.load()?;
        let bootstrap = Bootstrap::default();
        let found = forecasts(&lines, &histories, salt().as_deref(), &bootstrap)?;
        println!(
            "{} forecasts: {} judged, {} about days that count already, {} still open, {} of days out of stock, {} of SKUs nobody \
             knows, {} broken",
            lines.len(),
            found.joined,
            found.repeated,
            found.open,
            found.out_of_stock,
            found.unknown,
            found.broken
        );
        for one in &found.versions {
            println!(
                "\n{}, by {}: {} intervals",
                one.model_version, one.forecaster, one.forecasts
            );
            show(&one.metrics);
        }
        self.write_report(&found)
    }

    fn write_report(&self, found: &impl Serialize) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.report {
            std::fs::write(path, serde_json::to_string_pretty(found)? + "\n")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the answer of a command for people and pipes"
)]
fn show(metrics: &[MetricLine]) {
    for line in metrics {
        println!("  {}", metric(line));
    }
}
