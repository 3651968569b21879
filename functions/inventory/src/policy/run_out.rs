//! When stock runs out if nothing more is ordered.

use super::error::PolicyError;
use super::horizon::Forecast;
use super::position::Stock;
use schemars::JsonSchema;
use serde::Serialize;

/// Days until stock and open orders are sold out; none where that is beyond the forecast (or a year).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "InventoryRunOut")]
pub struct RunOut {
    /// First day by whose end demand has used everything up with a probability of one half or more.
    pub median_days: Option<f64>,
    /// The same with one tenth.
    pub p10_days: Option<f64>,
    /// The last day looked at.
    pub looked_ahead_days: f64,
}

const LONGEST_DAYS: u32 = 365;

/// Goes through the days, because an arrival may end a stock-out; the first day of one counts.
pub(super) fn run_out(stock: &Stock, forecast: &Forecast) -> Result<RunOut, PolicyError> {
    let mut found = RunOut {
        median_days: None,
        p10_days: None,
        looked_ahead_days: forecast
            .last_days()
            .floor()
            .clamp(1.0, f64::from(LONGEST_DAYS)),
    };
    for day in 0..=LONGEST_DAYS {
        let day = f64::from(day);
        if day > found.looked_ahead_days || found.median_days.is_some() {
            break;
        }
        let there = stock.inventory_position(day) as f64;
        // Sold out means the last unit is gone, one unit before the first demand is missed.
        let gone = forecast.over(day)?.sf(there - 1.0);
        if gone >= 0.1 {
            found.p10_days.get_or_insert(day);
        }
        if gone >= 0.5 {
            found.median_days = Some(day);
        }
    }
    Ok(found)
}
