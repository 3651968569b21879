//! From exact contributions to business reasons: summed by group, worded, with the values behind them.

use crate::answer::Reason;
use crate::features::COLUMNS;
use serving::explanation::{NamedRow, by_group, effect};
use serving::model::Contributions;

/// Reasons strongest first: `base + sum of all log factors = raw score`, the logarithm of mean over level times days.
pub(crate) fn reasons(explained: &Contributions, row: &[f32]) -> Vec<Reason> {
    let columns: Vec<_> = COLUMNS.infos().collect();
    let values = Values(NamedRow::new(&columns, row));
    let mut reasons: Vec<Reason> = by_group(&columns, explained)
        .into_iter()
        .map(|(group, log_factor)| Reason {
            group,
            log_factor,
            factor: log_factor.exp(),
            effect: effect(log_factor),
            sentence: values.sentence(group),
            values: values.0.of_group(group),
        })
        .collect();
    reasons.sort_by(|a, b| {
        let strength = b.log_factor.abs().total_cmp(&a.log_factor.abs());
        strength.then(a.group.cmp(b.group))
    });
    reasons
}

/// A row that sentences are made of.
struct Values<'a>(NamedRow<'a>);

impl Values<'_> {
    fn get(&self, name: &str) -> f64 {
        f64::from(self.0.get(name))
    }

    /// A number with two digits at most, or "unknown".
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

    fn sentence(&self, group: &str) -> String {
        match group {
            "level" => format!("sells {} units a day", number(self.get("log_level").exp())),
            "recent sales" => format!(
                "sold {} of its level in the last 7 days, {} in the last 28",
                self.percent("rate_7_over_level"),
                self.percent("rate_28_over_level")
            ),
            "trend" => format!(
                "the last 28 days sold {} of the 28 before",
                percent(self.get("trend_28").exp())
            ),
            "rhythm" => format!(
                "last sold {} days ago, on average every {} days, on {} of the last 28",
                self.number("recency_days"),
                self.number("gap_mean_days"),
                self.number("sale_days_28")
            ),
            "size of sales" => format!(
                "{} units on a day with a sale",
                number(self.get("log_sale_size").exp())
            ),
            "season" => format!(
                "its category sells {} of its rate of the last 112 days",
                self.percent("category_rate_28_over_112")
            ),
            "category" => format!(
                "makes {} of its category's units",
                self.percent("category_share")
            ),
            "price" => format!(
                "the price of the last 28 days is {} of that of the last 112",
                self.percent("price_28_over_112")
            ),
            "promotion" if self.get("promoted_ahead_share") > 0.0 => format!(
                "a promotion is planned for {} of the coming days",
                self.percent("promoted_ahead_share")
            ),
            "promotion" => format!(
                "discounts took {} off in the last 7 days, {} in the last 112",
                self.percent("discount_share_7"),
                self.percent("discount_share_112")
            ),
            "stock-outs" => format!(
                "out of stock on {} of the last 28 days",
                self.percent("out_of_stock_share_28")
            ),
            "horizon" => format!(
                "asked for {} days",
                number(self.get("log_horizon_days").exp())
            ),
            other => other.to_owned(),
        }
    }
}

fn percent(value: f64) -> String {
    if value.is_finite() {
        format!("{:.0} %", value * 100.0)
    } else {
        "an unknown share".to_owned()
    }
}

fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
