//! One result, as every model reports it.

use super::Limit;
use serde::Serialize;
use std::collections::BTreeMap;

/// One line of `storecast evaluate --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricLine {
    /// The model's name.
    pub model: String,
    /// The metric's name; `name@part` for a part of the test rows.
    pub metric: String,
    /// On the test rows; `null` where it has none, such as the AUC of one class.
    pub value: Option<f64>,
    /// 95 %, by bootstrap over customers or products.
    pub interval: Option<[f64; 2]>,
    /// The limit in words, if there is one.
    pub bar: Option<String>,
    /// The same metric of each baseline that has it.
    pub baselines: BTreeMap<String, Option<f64>>,
    /// Is the bar met? `null` without a bar.
    pub pass: Option<bool>,
}

/// A value and how far it would move with other customers or products.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// On the test rows.
    pub value: Option<f64>,
    /// 95 %.
    pub interval: Option<[f64; 2]>,
}

impl MetricLine {
    /// Judges a metric by its limit, then rounds what is shown.
    pub fn judged(
        model: &str,
        metric: String,
        measured: Measured,
        limit: Option<Limit>,
        baselines: impl IntoIterator<Item = (String, Option<f64>)>,
    ) -> Self {
        let Measured { value, interval } = measured;
        let baselines = baselines.into_iter();
        Self {
            model: model.to_owned(),
            metric,
            value: value.map(round),
            interval: interval.map(|ends| ends.map(round)),
            bar: limit.map(|limit| limit.to_string()),
            baselines: baselines
                .map(|(name, value)| (name, value.map(round)))
                .collect(),
            pass: limit.map(|limit| limit.is_met(value, interval)),
        }
    }
}

/// Six decimals: more would only be noise of the last bits of another host.
pub(super) fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
