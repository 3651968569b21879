//! A comparison for people: a table with one column per rule, bars, and the finding in one sentence.

use super::compare::{Outcome, Report};
use super::figures::{MEASURES, Measure, Unit};
use super::rules::{CURRENT_RULE, SES_NORMAL, STORECAST};
use crate::evaluate::forecast::DemandClass;
use crate::evaluate::{Bootstrap, Measured};
use std::fmt::Write;

/// Figures that are drawn.
const DRAWN: [&str; 4] = ["lost_units", "stockout_days", "overstock_units", "cost"];
/// Characters of the longest bar.
const BAR_WIDTH: u32 = 40;

impl Outcome {
    /// Table, bars, classes of demand, and what was found.
    pub fn table(&self, bootstrap: &Bootstrap) -> String {
        let mut text = self.figures();
        text.push_str(&self.by_class());
        for name in DRAWN {
            text.push_str(&self.bars(name));
        }
        if let Some(finding) = self.finding(bootstrap) {
            let _ = writeln!(text, "\n{finding}");
        }
        text
    }

    fn heading(&self, first: &str) -> String {
        let names = self.rules.iter().map(|rule| label(rule.name));
        names.fold(format!("{first:<22}"), |line, name| {
            format!("{line}{name:>16}")
        }) + "\n"
    }

    fn figures(&self) -> String {
        let totals = self.totals(None);
        let mut text = format!(
            "{} products over {} days; money in {}\n\n",
            grouped(self.classes.len() as f64),
            self.counted_days,
            self.currency
        );
        text.push_str(&self.heading(""));
        for measure in &MEASURES {
            let _ = write!(text, "{:<22}", measure.label);
            for total in &totals {
                let value = (measure.of)(total, self.counted_days);
                let _ = write!(text, "{:>16}", self.written(measure, value));
            }
            text.push('\n');
        }
        text
    }

    /// Fill rates by class: whole units weigh most where little sells.
    fn by_class(&self) -> String {
        let mut text = format!("\n{}", self.heading("fill rate of demand"));
        for class in DemandClass::ALL {
            let count = self.classes.iter().filter(|of| **of == Some(class)).count();
            let row = format!("{} ({})", class.name(), grouped(count as f64));
            let _ = write!(text, "{row:<22}");
            for total in self.totals(Some(class)) {
                let value = (MEASURES[0].of)(&total, self.counted_days);
                let _ = write!(text, "{:>16}", self.written(&MEASURES[0], value));
            }
            text.push('\n');
        }
        text
    }

    fn bars(&self, name: &str) -> String {
        let Some(measure) = MEASURES.iter().find(|measure| measure.name == name) else {
            return String::new();
        };
        let totals = self.totals(None);
        let value = |index: usize| (measure.of)(&totals[index], self.counted_days);
        let most = (0..totals.len()).filter_map(value).fold(0.0, f64::max);
        let mut text = format!("\n{}\n", measure.label);
        for (index, rule) in self.rules.iter().enumerate() {
            let part = value(index).unwrap_or(0.0) / most.max(f64::MIN_POSITIVE);
            let bar: String = (0..BAR_WIDTH)
                .filter(|step| f64::from(*step) + 0.5 <= part * f64::from(BAR_WIDTH))
                .map(|_| '█')
                .collect();
            let written = self.written(measure, value(index));
            let _ = writeln!(text, "  {:<14}{bar} {written}", label(rule.name));
        }
        text
    }

    fn written(&self, measure: &Measure, value: Option<f64>) -> String {
        let Some(value) = value else {
            return "-".to_owned();
        };
        match measure.unit {
            Unit::Share | Unit::SmallShare => percent(value),
            Unit::Number => format!("{value:.2}"),
            Unit::Count => grouped(value),
            Unit::Money => grouped(value / f64::from(self.minor_per_major)),
        }
    }

    /// The result in one sentence, with intervals.
    fn finding(&self, bootstrap: &Bootstrap) -> Option<String> {
        let report = Report {
            outcome: self,
            own: self.index_of(STORECAST)?,
            totals: self.totals(None),
            resamples: self.resamples(bootstrap),
        };
        let own = &report.totals[report.own];
        let against = |name: &str| {
            let rival = self.index_of(name)?;
            let changes = ["stockout_days", "overstock_units", "cost"].map(|measure| {
                let measure = MEASURES.iter().find(|m| m.name == measure)?;
                let Measured { value, interval } = report.change(measure, rival);
                let [low, high] = interval?;
                let range = format!("{} to {}", signed(low), signed(high));
                Some(format!("{} {} ({range})", measure.label, signed(value?)))
            });
            let changes = changes.into_iter().collect::<Option<Vec<_>>>()?;
            Some(format!("against {}: {}", label(name), changes.join(", ")))
        };
        let target = own.target_units / own.wanted_units;
        let target = target
            .is_finite()
            .then(|| format!(" (target {})", percent(target)));
        let rivals: Vec<String> = [CURRENT_RULE, SES_NORMAL]
            .into_iter()
            .filter_map(against)
            .collect();
        Some(format!(
            "Storecast serves {} of the units wanted{}; {}.",
            percent(own.sold_units / own.wanted_units),
            target.unwrap_or_default(),
            rivals.join("; ")
        ))
    }
}

fn label(rule: &str) -> &str {
    match rule {
        CURRENT_RULE => "current rule",
        SES_NORMAL => "SES + Normal",
        STORECAST => "Storecast",
        other => other,
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn signed(change: f64) -> String {
    format!("{:+.1} %", 100.0 * change)
}

/// A whole number with a mark between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let negative = value < 0.0 && digits != "0";
    if negative { format!("-{text}") } else { text }
}
