//! What a new version must show before it is published: its bars met, and no worse than what is served.
//!
//! A bar that is missed may be accepted by name, so that a known weakness is stated and a new one is noticed.

use serde_json::Value;
use serving::manifest::Manifest;
use std::collections::BTreeSet;

/// The metric by which versions of a model are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MainMetric {
    /// Its name in the manifest.
    pub name: &'static str,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// How the bars of a manifest stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bars {
    /// How many there are.
    pub count: usize,
    /// Names of those that are missed.
    pub missed: BTreeSet<String>,
}

impl Bars {
    /// Of a manifest's metrics; those without a bar do not count.
    pub fn of(manifest: &Manifest) -> Self {
        let mut bars = Self::default();
        for line in &manifest.metrics {
            let Some(pass) = line.get("pass").and_then(Value::as_bool) else {
                continue;
            };
            bars.count += 1;
            if !pass {
                let name = line.get("metric").and_then(Value::as_str);
                bars.missed.insert(name.unwrap_or("?").to_owned());
            }
        }
        bars
    }

    /// Refuses missed bars that are not accepted, and accepted ones that are not missed.
    pub fn check(&self, accepted: &[String]) -> Result<(), String> {
        let accepted: BTreeSet<String> = accepted.iter().cloned().collect();
        let unnamed: Vec<&str> = self
            .missed
            .difference(&accepted)
            .map(String::as_str)
            .collect();
        if !unnamed.is_empty() {
            let options: Vec<String> = unnamed
                .iter()
                .map(|name| format!("--accept-miss {name}"))
                .collect();
            return Err(format!(
                "{} of {} bars missed: {}; to publish it nevertheless: {}",
                unnamed.len(),
                self.count,
                unnamed.join(", "),
                options.join(" ")
            ));
        }
        let met: Vec<&str> = accepted
            .difference(&self.missed)
            .map(String::as_str)
            .collect();
        if met.is_empty() {
            return Ok(());
        }
        Err(format!("--accept-miss {}: no such bar is missed", met[0]))
    }
}

/// How two versions compare on the main metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Within the margin, or better; by this share of the served value, negative when worse.
    Fits(f64),
    /// Worse by more than the margin; by this share of the served value.
    Worse(f64),
    /// One of them has no such metric.
    Unknown,
}

/// Compares `new` with `served`; `margin` is the share of the served value by which it may be worse.
pub fn compare(main: MainMetric, new: Option<f64>, served: Option<f64>, margin: f64) -> Comparison {
    let (Some(new), Some(served)) = (new, served) else {
        return Comparison::Unknown;
    };
    let gain = if main.higher_is_better {
        new - served
    } else {
        served - new
    };
    let share = gain / served.abs().max(f64::MIN_POSITIVE);
    // A NaN is no gain.
    if share >= -margin {
        Comparison::Fits(share)
    } else {
        Comparison::Worse(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUC: MainMetric = MainMetric {
        name: "auc",
        higher_is_better: true,
    };

    #[test]
    fn every_missed_bar_is_named_and_no_other() {
        let bars = Bars {
            count: 3,
            missed: ["bias", "recall"].map(str::to_owned).into(),
        };
        let check = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            bars.check(&names)
        };
        assert_eq!(
            check(&["bias"]).unwrap_err(),
            "1 of 3 bars missed: recall; to publish it nevertheless: --accept-miss recall"
        );
        assert_eq!(check(&["recall", "bias"]), Ok(()));
        assert_eq!(
            check(&["recall", "bias", "auc"]).unwrap_err(),
            "--accept-miss auc: no such bar is missed"
        );
    }

    #[test]
    fn worse_is_what_the_metric_says() {
        let loss = MainMetric {
            higher_is_better: false,
            ..AUC
        };
        let fits = |main, new| {
            matches!(
                compare(main, Some(new), Some(0.8), 0.01),
                Comparison::Fits(_)
            )
        };
        for (new, auc, as_loss) in [
            (0.81, true, false),
            (0.793, true, true),
            (0.79, false, true),
        ] {
            assert_eq!((fits(AUC, new), fits(loss, new)), (auc, as_loss), "{new}");
        }
        assert!(!fits(AUC, f64::NAN) && !fits(loss, f64::NAN));
        assert_eq!(compare(AUC, None, Some(0.8), 0.01), Comparison::Unknown);
    }
}
