//! From exact contributions to business reasons: summed by group, worded, with the values behind them.

use crate::api::Reason;
use crate::features::{Artifacts, COLUMNS};
use serving::explanation::{NamedRow, by_group, effect};
use serving::manifest::Platt;
use serving::model::Contributions;

/// Reasons strongest first, and the base: `base + sum(reasons) = calibrated log-odds`, because calibration is linear
/// in the raw score and scales each contribution alike.
pub fn reasons(
    explained: &Contributions,
    calibration: Platt,
    row: &[f32],
    artifacts: &Artifacts,
) -> (f64, Vec<Reason>) {
    let columns: Vec<_> = COLUMNS.infos().collect();
    let values = Values {
        row: NamedRow::new(&columns, row),
        artifacts,
    };
    let mut reasons: Vec<Reason> = by_group(&columns, explained)
        .into_iter()
        .map(|(group, raw)| Reason {
            group,
            log_odds: calibration.slope * raw,
            effect: effect(calibration.slope * raw),
            sentence: values.sentence(group),
            values: values.row.of_group(group),
        })
        .collect();
    reasons.sort_by(|a, b| {
        b.log_odds
            .abs()
            .total_cmp(&a.log_odds.abs())
            .then(a.group.cmp(b.group))
    });
    (calibration.log_odds(explained.base), reasons)
}

/// A row with what its sentences need to know of the shop.
struct Values<'a> {
    row: NamedRow<'a>,
    artifacts: &'a Artifacts,
}

impl Values<'_> {
    fn get(&self, name: &str) -> f32 {
        self.row.get(name)
    }

    /// A number with one decimal at most, or "unknown".
    fn number(&self, name: &str) -> String {
        number(self.get(name))
    }

    fn percent(&self, name: &str) -> String {
        let value = self.get(name);
        if value.is_finite() {
            format!("{:.0} %", value * 100.0)
        } else {
            "an unknown share".to_owned()
        }
    }

    /// Minor units as an amount, for example `12.50 EUR`.
    fn money(&self, name: &str) -> String {
        let value = f64::from(self.get(name));
        if value.is_finite() {
            amount(value, self.artifacts)
        } else {
            "an unknown amount".to_owned()
        }
    }

    fn sentence(&self, group: &str) -> String {
        let horizon = self.artifacts.horizon_days;
        let (two, four) = (2.0 * horizon, 4.0 * horizon);
        match group {
            "recency" if self.get("gap_mean_days").is_finite() => format!(
                "last bought {} days ago, on average every {} days before",
                self.number("recency_days"),
                self.number("gap_mean_days")
            ),
            "recency" => format!(
                "bought on one day only, {} days ago",
                self.number("recency_days")
            ),
            "rhythm" => format!(
                "by the rhythm of purchases alone, the chance to buy within {horizon} days is {}",
                self.percent("bgnbd_p_buy")
            ),
            "loyalty" => format!(
                "customer for {} days, came back on {} days",
                self.number("tenure_days"),
                self.number("repeat_purchase_days")
            ),
            "frequency" => format!(
                "{} purchase days in the last {horizon} days, {} in the last {four}",
                self.number("purchase_days_1h"),
                self.number("purchase_days_4h")
            ),
            "trend" => format!(
                "{} of the purchase days of the last {two} days fall into the second half (50 % is steady)",
                self.percent("frequency_trend_1h")
            ),
            "spend" => format!(
                "spent {} in the last {horizon} days, {} per order",
                self.money("spend_1h_minor"),
                self.money("spend_per_order_4h_minor")
            ),
            "basket" => format!(
                "{} different products per order, {} categories in the last {horizon} days",
                self.number("products_per_order_4h"),
                self.number("categories_1h")
            ),
            "discount" => format!(
                "discounts took {} off the price in the last {four} days",
                self.percent("discount_share_4h")
            ),
            "returns" => format!(
                "returned {} of what was spent in the last {four} days",
                self.percent("return_share_4h")
            ),
            other => other.to_owned(),
        }
    }
}

/// Minor units as an amount with the currency's digits.
fn amount(minor: f64, artifacts: &Artifacts) -> String {
    let digits = artifacts.minor_per_major.checked_ilog10().unwrap_or(0) as usize;
    format!(
        "{:.digits$} {}",
        minor / f64::from(artifacts.minor_per_major),
        artifacts.currency
    )
}

fn number(value: f32) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
