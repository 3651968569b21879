//! Instants and days. No clock: whoever needs "now" is given it.

use serde::{Deserialize, Serialize};

/// Seconds in a day of exactly 24 hours; durations in features are multiples of it.
pub const SECONDS_PER_DAY: i64 = 86_400;

/// An instant, in whole seconds since 1970-01-01T00:00:00Z.
///
/// Any `i64` is allowed, so differences are computed in `f64` and cannot overflow.
///
/// ```
/// use features::time::Timestamp;
/// let (a, b) = (Timestamp(0), Timestamp(36 * 3600));
/// assert_eq!(b.days_since(a), 1.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Days of 24 hours from `earlier` to `self`; negative when `self` comes first.
    pub fn days_since(self, earlier: Self) -> f64 {
        (self.0 as f64 - earlier.0 as f64) / SECONDS_PER_DAY as f64
    }

    /// The instant `days` days of 24 hours before this one, held at the ends of the range.
    #[must_use]
    pub fn minus_days(self, days: f64) -> Self {
        // `as` saturates, and NaN becomes 0 days: total by construction.
        Self(
            self.0
                .saturating_sub((days * SECONDS_PER_DAY as f64) as i64),
        )
    }

    /// The instant `days` days of 24 hours after this one, held at the ends of the range.
    #[must_use]
    pub fn plus_days(self, days: f64) -> Self {
        self.minus_days(-days)
    }
}

/// A calendar day in the shop's time zone, counted from 1970-01-01.
///
/// Two orders on one local day are one purchase occasion, whatever the hour in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LocalDay(pub i32);

impl LocalDay {
    /// The local day of an instant at a UTC offset in seconds.
    ///
    /// ```
    /// use features::time::{LocalDay, Timestamp};
    /// // 1970-01-02T03:00:00Z is still the first of January in New York.
    /// assert_eq!(LocalDay::at(Timestamp(27 * 3600), -5 * 3600), LocalDay(0));
    /// ```
    pub fn at(instant: Timestamp, utc_offset_seconds: i32) -> Self {
        let local = instant.0.saturating_add(i64::from(utc_offset_seconds));
        let day = local.div_euclid(SECONDS_PER_DAY);
        Self(day.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
    }
}
