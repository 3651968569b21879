//! Horizon and snapshots.

use super::Training;
use super::check::{Wrong, beside, wrong};
use super::sections::TrainingFile;
use crate::cutoffs::Cutoffs;
use features::time::{SECONDS_PER_DAY, Timestamp};
use jiff::tz::TimeZone;
use std::path::Path;

const MAX_HORIZON_DAYS: u32 = 3650;

pub(super) fn training(
    file: TrainingFile,
    days: &TimeZone,
    shop: &Path,
) -> Result<Training, Wrong> {
    let horizon_days = file.horizon_days.unwrap_or(28);
    let spacing_days = file.spacing_days.unwrap_or(horizon_days.div_ceil(2));
    for (key, value) in [
        ("training.horizon_days", horizon_days),
        ("training.spacing_days", spacing_days),
    ] {
        if !(1..=MAX_HORIZON_DAYS).contains(&value) {
            return Err(wrong(key, value, format!("1 to {MAX_HORIZON_DAYS}")));
        }
    }
    let cutoffs = match (
        file.train_cutoffs,
        file.calibration_cutoffs,
        file.test_cutoffs,
    ) {
        (None, None, None) => None,
        (Some(train), Some(calibration), Some(test)) => Some(Cutoffs {
            train: instants("training.train_cutoffs", &train, days)?,
            calibration: instants("training.calibration_cutoffs", &calibration, days)?,
            test: instants("training.test_cutoffs", &test, days)?,
        }),
        _ => {
            let allowed =
                "all of train_cutoffs, calibration_cutoffs and test_cutoffs, or none of them";
            return Err(wrong("training", "some lists of cut-offs", allowed));
        }
    };
    if let Some(cutoffs) = &cutoffs {
        closed(
            "training.calibration_cutoffs",
            &cutoffs.train,
            &cutoffs.calibration,
            horizon_days,
        )?;
        closed(
            "training.test_cutoffs",
            &cutoffs.calibration,
            &cutoffs.test,
            horizon_days,
        )?;
    }
    Ok(Training {
        horizon_days,
        spacing_days,
        cutoffs,
        treated: file.treated.map(|treated| beside(shop, treated)),
    })
}

/// A label window that reaches into the next list would let training see what it is tested on.
fn closed(
    key: &str,
    before: &[Timestamp],
    after: &[Timestamp],
    horizon_days: u32,
) -> Result<(), Wrong> {
    let horizon = i64::from(horizon_days) * SECONDS_PER_DAY;
    match (before.last(), after.first()) {
        (Some(last), Some(first)) if last.0 + horizon > first.0 => {
            let iso = |at: &Timestamp| {
                jiff::Timestamp::from_second(at.0)
                    .map_or_else(|_| at.0.to_string(), |t| t.to_string())
            };
            let allowed = format!(
                "{horizon_days} days or more after {}, the last one before",
                iso(last)
            );
            Err(wrong(key, iso(first), allowed))
        }
        _ => Ok(()),
    }
}

fn instants(key: &str, values: &[toml::Value], days: &TimeZone) -> Result<Vec<Timestamp>, Wrong> {
    let instants = values
        .iter()
        .map(|value| instant(key, value, days))
        .collect::<Result<Vec<_>, _>>()?;
    if instants.is_empty() || !instants.is_sorted_by(|a, b| a < b) {
        let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
        return Err(wrong(key, shown, "at least one, ascending"));
    }
    Ok(instants)
}

fn instant(key: &str, value: &toml::Value, days: &TimeZone) -> Result<Timestamp, Wrong> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // A date has ten characters; a longer text that jiff reads as one has a time of day that would be lost.
    let date = || {
        text.parse::<jiff::civil::Date>()
            .ok()
            .filter(|_| text.len() == "2024-01-31".len())
    };
    let midnight = || {
        date()?
            .to_zoned(days.clone())
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let at = text.parse::<jiff::Timestamp>().ok().or_else(midnight);
    at.map(|at| Timestamp(at.as_second()))
        .ok_or_else(|| wrong(key, &text, "RFC 3339, or a date in the day zone"))
}
