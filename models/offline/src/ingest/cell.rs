//! One value of one row, whatever the file format.

use super::number::{Decimal, NumberError};
use super::rejects::Reject;
use crate::shop::DecimalStyle;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

/// Longest id or category; longer ones are a wrong column or a broken quote.
const MAX_TEXT_BYTES: usize = 256;

/// One value, borrowed from its record or batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    /// Null.
    Missing,
    /// As it stands in the file.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A double.
    Float(f64),
    /// `unscaled / 10^scale`.
    Decimal(i128, i8),
    /// Seconds since 1970 in UTC.
    Instant(i64),
    /// Seconds since 1970 on the wall clock of the naive zone.
    Naive(i64),
    /// Days since 1970.
    Day(i32),
}

impl Cell<'_> {
    /// Null, or nothing but blanks.
    pub(super) fn is_missing(self) -> bool {
        match self {
            Self::Missing => true,
            Self::Text(text) => text.trim_ascii().is_empty(),
            _ => false,
        }
    }

    /// An id or a name: trimmed, without control characters, at most [`MAX_TEXT_BYTES`] long.
    ///
    /// A double that is a whole number is one, because exports through spreadsheets write 17850 as 17850.0.
    pub(super) fn id(self, into: &mut String) -> Result<(), Reject> {
        into.clear();
        match self {
            Self::Text(text) => into.push_str(text.trim()),
            Self::Int(value) => write!(into, "{value}").unwrap_or(()),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                write!(into, "{value:.0}").unwrap_or(());
            }
            Self::Float(_) => {
                return Err(Reject::of(
                    "not an id",
                    "a number with decimals cannot be one",
                ));
            }
            Self::Decimal(..) => write!(into, "{self}").unwrap_or(()),
            Self::Missing => {}
            Self::Instant(_) | Self::Naive(_) | Self::Day(_) => {
                return Err(Reject::of("not an id", "a date cannot be one"));
            }
        }
        if into.is_empty() {
            return Err(Reject::of("missing value", ""));
        }
        if into.len() > MAX_TEXT_BYTES {
            return Err(Reject::of(
                "text too long",
                format!("{} bytes, at most {MAX_TEXT_BYTES}", into.len()),
            ));
        }
        match into.chars().find(|c| c.is_control()) {
            Some(c) => Err(Reject::of(
                "control character",
                format!("U+{:04X} in an id", c as u32),
            )),
            None => Ok(()),
        }
    }

    /// An exact number. A double is taken to `digits` decimals, half away from zero.
    pub(super) fn number(self, style: DecimalStyle, digits: u32) -> Result<Decimal, Reject> {
        let number = match self {
            Self::Text(text) => Decimal::parse(text.trim(), style),
            Self::Int(value) => Ok(Decimal {
                unscaled: i128::from(value),
                scale: 0,
            }),
            Self::Float(value) => Decimal::from_double(value, digits),
            Self::Decimal(unscaled, scale) => Decimal::from_parts(unscaled, scale),
            Self::Missing => return Err(Reject::of("missing value", "")),
            Self::Instant(_) | Self::Naive(_) | Self::Day(_) => Err(NumberError::NotANumber),
        };
        number.map_err(|error| match error {
            NumberError::Empty => Reject::of("missing value", ""),
            NumberError::NotANumber => Reject::of(
                "not a number",
                format!("expected {} as in shop.toml", example(style)),
            ),
            NumberError::OutOfRange => Reject::of("number out of range", "at most 18 digits"),
        })
    }
}

fn example(style: DecimalStyle) -> &'static str {
    match style {
        DecimalStyle::Point => "1,234.50",
        DecimalStyle::Comma => "1.234,50",
    }
}

/// By bits, so that equal rows are equal also where a double is NaN.
impl Hash for Cell<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        std::mem::discriminant(self).hash(hasher);
        match *self {
            Self::Missing => {}
            Self::Text(text) => text.hash(hasher),
            Self::Int(value) | Self::Instant(value) | Self::Naive(value) => value.hash(hasher),
            Self::Float(value) => value.to_bits().hash(hasher),
            Self::Decimal(unscaled, scale) => (unscaled, scale).hash(hasher),
            Self::Day(value) => value.hash(hasher),
        }
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = |seconds: i64| {
            jiff::Timestamp::from_second(seconds).map_or(seconds.to_string(), |t| t.to_string())
        };
        match *self {
            Self::Missing => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Decimal(unscaled, scale) if scale <= 0 => write!(
                f,
                "{unscaled}{}",
                "0".repeat(usize::from(scale.unsigned_abs()))
            ),
            Self::Decimal(unscaled, scale) => {
                let width = usize::from(scale.unsigned_abs()) + 1;
                let digits = format!("{:0width$}", unscaled.unsigned_abs());
                let (whole, decimals) = digits.split_at(digits.len() - width + 1);
                write!(
                    f,
                    "{}{whole}.{decimals}",
                    if unscaled < 0 { "-" } else { "" }
                )
            }
            Self::Instant(seconds) => f.write_str(&instant(seconds)),
            Self::Naive(seconds) => f.write_str(instant(seconds).trim_end_matches('Z')),
            Self::Day(day) => f.write_str(
                instant(i64::from(day) * 86_400)
                    .split('T')
                    .next()
                    .unwrap_or(""),
            ),
        }
    }
}
