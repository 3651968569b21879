//! When an order was placed, and on which local day.

use super::cell::Cell;
use super::rejects::Reject;
use crate::shop::Zones;
use features::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// 2100-01-01T00:00:00Z; an order outside 1970..2100 is a typo.
const LATEST: i64 = 4_102_444_800;

/// An instant and its local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) day: LocalDay,
}

/// Reads the dates of one file, all in the format chosen for it.
#[derive(Debug)]
pub(super) struct Dates<'s> {
    zones: &'s Zones,
    formats: &'s [String],
    chosen: usize,
    naive_is_utc: bool,
}

enum Read {
    Instant(i64),
    Naive(DateTime),
    Day(DateTime),
}

impl<'s> Dates<'s> {
    /// A reader that uses `formats[chosen]`.
    pub(super) fn new(zones: &'s Zones, formats: &'s [String], chosen: usize) -> Self {
        Self {
            zones,
            formats,
            chosen,
            naive_is_utc: zones.naive == TimeZone::UTC,
        }
    }

    /// The instant of a cell.
    pub(super) fn moment(&self, cell: Cell<'_>) -> Result<Moment, Reject> {
        let at = match cell {
            Cell::Instant(seconds) => Ok(seconds),
            Cell::Naive(seconds) if self.naive_is_utc => Ok(seconds),
            Cell::Naive(seconds) => wall(seconds).and_then(|wall| instant(&self.zones.naive, wall)),
            Cell::Day(day) => wall(i64::from(day) * SECONDS_PER_DAY)
                .and_then(|wall| instant(&self.zones.days, wall)),
            Cell::Text(text) => self.text(text.trim()),
            Cell::Int(value) => self.text(&value.to_string()),
            Cell::Missing => Err(Reject::of("missing value", "")),
            Cell::Float(_) | Cell::Decimal(..) => Err(Reject::of(
                "not a date",
                "a number with decimals cannot be one",
            )),
        }?;
        if !(0..LATEST).contains(&at) {
            return Err(Reject::of("date out of range", "1970 to 2099"));
        }
        let at = Timestamp(at);
        Ok(Moment {
            at,
            day: self.zones.local_day(at),
        })
    }

    fn text(&self, text: &str) -> Result<i64, Reject> {
        if text.is_empty() {
            return Err(Reject::of("missing value", ""));
        }
        let Some(format) = self.formats.get(self.chosen) else {
            return Err(Reject::of(
                "not a date",
                "orders.dates names no format for dates in text",
            ));
        };
        match read(format, text) {
            Some(Read::Instant(seconds)) => Ok(seconds),
            Some(Read::Naive(wall)) => instant(&self.zones.naive, wall),
            Some(Read::Day(midnight)) => instant(&self.zones.days, midnight),
            None => Err(
                match self
                    .formats
                    .iter()
                    .find(|other| read(other, text).is_some())
                {
                    Some(other) => Reject::of(
                        "mixed date formats",
                        format!("most of this file is {format}, this value is {other}"),
                    ),
                    None => Reject::of("not a date", format!("expected {format}")),
                },
            ),
        }
    }
}

/// Which of `formats` a text fits, as a bit each; at most 32 are told apart.
pub(super) fn fits(formats: &[String], text: &str) -> u32 {
    let fit =
        |(index, format): (usize, &String)| u32::from(read(format, text.trim()).is_some()) << index;
    formats
        .iter()
        .take(32)
        .enumerate()
        .map(fit)
        .fold(0, |bits, bit| bits | bit)
}

fn read(format: &str, text: &str) -> Option<Read> {
    if format == "rfc3339" {
        return text
            .parse::<jiff::Timestamp>()
            .ok()
            .map(|at| Read::Instant(at.as_second()));
    }
    let parsed = jiff::fmt::strtime::parse(format, text).ok()?;
    if parsed.offset().is_some() || parsed.timestamp().is_some() {
        return parsed
            .to_timestamp()
            .ok()
            .map(|at| Read::Instant(at.as_second()));
    }
    let wall = parsed.to_datetime().ok()?;
    Some(if parsed.hour().is_some() {
        Read::Naive(wall)
    } else {
        Read::Day(wall)
    })
}

fn wall(seconds: i64) -> Result<DateTime, Reject> {
    jiff::Timestamp::from_second(seconds)
        .map(|at| TimeZone::UTC.to_datetime(at))
        .map_err(|_| Reject::of("date out of range", "1970 to 2099"))
}

/// The first instant a wall clock shows this time; when it skips it, as many minutes after the change.
fn instant(zone: &TimeZone, wall: DateTime) -> Result<i64, Reject> {
    zone.to_ambiguous_timestamp(wall)
        .compatible()
        .map(jiff::Timestamp::as_second)
        .map_err(|_| Reject::of("date out of range", "1970 to 2099"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(naive: &str, days: &str) -> Zones {
        Zones {
            naive: TimeZone::get(naive).unwrap(),
            days: TimeZone::get(days).unwrap(),
        }
    }

    fn utc(dates: &Dates<'_>, text: &str) -> Result<String, &'static str> {
        match dates.moment(Cell::Text(text)) {
            Ok(moment) => Ok(jiff::Timestamp::from_second(moment.at.0)
                .unwrap()
                .to_string()),
            Err(reject) => Err(reject.kind),
        }
    }

    #[test]
    fn clock_changes_follow_the_stated_rule() {
        let (zones, formats) = (
            zones("Europe/Berlin", "Europe/Berlin"),
            ["%d.%m.%Y %H:%M".to_owned()],
        );
        let dates = Dates::new(&zones, &formats, 0);
        assert_eq!(
            utc(&dates, "31.03.2024 01:59").as_deref(),
            Ok("2024-03-31T00:59:00Z")
        );
        assert_eq!(
            utc(&dates, "31.03.2024 02:30").as_deref(),
            Ok("2024-03-31T01:30:00Z")
        );
        assert_eq!(
            utc(&dates, "27.10.2024 02:30").as_deref(),
            Ok("2024-10-27T00:30:00Z")
        );
        assert_eq!(
            utc(&dates, "27.10.2024 03:00").as_deref(),
            Ok("2024-10-27T02:00:00Z")
        );
    }

    #[test]
    fn a_day_is_counted_where_the_customers_live() {
        let (zones, formats) = (
            zones("UTC", "America/New_York"),
            ["%Y-%m-%d %H:%M:%S".to_owned(), "%Y%m%d".to_owned()],
        );
        let stamp = Dates::new(&zones, &formats, 0)
            .moment(Cell::Text("1970-01-02 03:00:00"))
            .unwrap();
        assert_eq!((stamp.at, stamp.day), (Timestamp(27 * 3600), LocalDay(0)));
        assert_eq!(
            Dates::new(&zones, &formats, 0)
                .moment(Cell::Naive(27 * 3600))
                .unwrap(),
            stamp
        );
        let date = Dates::new(&zones, &formats, 1)
            .moment(Cell::Int(19_700_102))
            .unwrap();
        assert_eq!((date.at, date.day), (Timestamp(29 * 3600), LocalDay(1)));
    }

    #[test]
    fn what_is_no_date_says_why() {
        let (zones, formats) = (
            zones("UTC", "UTC"),
            [
                "%d.%m.%Y".to_owned(),
                "%Y-%m-%d".to_owned(),
                "rfc3339".to_owned(),
            ],
        );
        let dates = Dates::new(&zones, &formats, 0);
        assert_eq!(utc(&dates, "2024-02-01"), Err("mixed date formats"));
        assert_eq!(utc(&dates, "30.02.2024"), Err("not a date"));
        assert_eq!(utc(&dates, "01.01.2100"), Err("date out of range"));
        assert_eq!(utc(&dates, "31.12.1969"), Err("date out of range"));
        assert_eq!(utc(&dates, ""), Err("missing value"));
        let offset = Dates::new(&zones, &formats, 2);
        assert_eq!(
            utc(&offset, "2024-02-01T12:00:00+02:00").as_deref(),
            Ok("2024-02-01T10:00:00Z")
        );
    }
}
