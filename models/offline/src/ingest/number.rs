//! Exact decimal numbers.

use crate::shop::DecimalStyle;

/// Digits a number may have; more are no amount and no quantity.
const MAX_DIGITS: usize = 18;

/// `unscaled / 10^scale`, exactly; at most 18 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) unscaled: i128,
    pub(super) scale: u32,
}

/// Why a text is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberError {
    Empty,
    NotANumber,
    OutOfRange,
}

impl Decimal {
    /// Reads a number of a style. Thousands marks are optional, and then complete: `1.234,50` but not `12.34,50`.
    pub(super) fn parse(text: &str, style: DecimalStyle) -> Result<Self, NumberError> {
        let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if digits.is_empty() {
            return Err(if text.is_empty() {
                NumberError::Empty
            } else {
                NumberError::NotANumber
            });
        }
        let (mark, thousands) = match style {
            DecimalStyle::Point => ('.', ','),
            DecimalStyle::Comma => (',', '.'),
        };
        let (whole, decimals) = digits.split_once(mark).unwrap_or((digits, ""));
        let grouped = whole.contains(thousands);
        let mut groups = whole.split(thousands);
        let first = groups.next().unwrap_or("");
        if grouped && !((1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3)) {
            return Err(NumberError::NotANumber);
        }
        let mut unscaled = 0i128;
        let mut count = 0;
        for byte in whole
            .bytes()
            .filter(|&byte| byte != thousands as u8)
            .chain(decimals.bytes())
        {
            if !byte.is_ascii_digit() {
                return Err(NumberError::NotANumber);
            }
            // Beyond the limit only the form of the text matters any more.
            if count < MAX_DIGITS {
                unscaled = unscaled * 10 + i128::from(byte - b'0');
            }
            count += usize::from(count > 0 || byte != b'0');
        }
        if count > MAX_DIGITS || decimals.len() > MAX_DIGITS {
            return Err(NumberError::OutOfRange);
        }
        if whole.len() + decimals.len() == 0 {
            return Err(NumberError::NotANumber);
        }
        Ok(Self {
            unscaled: if negative { -unscaled } else { unscaled },
            scale: decimals.len() as u32,
        })
    }

    /// A double, rounded to `digits` decimals, half away from zero.
    pub(super) fn from_double(value: f64, digits: u32) -> Result<Self, NumberError> {
        let scaled = (value * 10f64.powi(digits.cast_signed())).round();
        if !scaled.is_finite() {
            return Err(if value.is_finite() {
                NumberError::OutOfRange
            } else {
                NumberError::NotANumber
            });
        }
        if scaled.abs() >= 1e18 {
            return Err(NumberError::OutOfRange);
        }
        Ok(Self {
            unscaled: scaled as i128,
            scale: digits,
        })
    }

    /// A number of a columnar file: `unscaled / 10^scale`, the scale of either sign.
    pub(super) fn from_parts(unscaled: i128, scale: i8) -> Result<Self, NumberError> {
        let limit = 10i128.pow(MAX_DIGITS as u32);
        let shift = u32::from(scale.unsigned_abs());
        let (unscaled, scale) = if scale < 0 {
            let factor = 10i128.checked_pow(shift).ok_or(NumberError::OutOfRange)?;
            (
                unscaled
                    .checked_mul(factor)
                    .ok_or(NumberError::OutOfRange)?,
                0,
            )
        } else {
            (unscaled, shift)
        };
        if unscaled.abs() >= limit || scale > MAX_DIGITS as u32 {
            return Err(NumberError::OutOfRange);
        }
        Ok(Self { unscaled, scale })
    }

    /// In units of `10^-digits`, rounded half away from zero.
    pub(super) fn to_units(self, digits: u32) -> i128 {
        if digits >= self.scale {
            return self.unscaled * 10i128.pow(digits - self.scale);
        }
        let divisor = 10i128.pow(self.scale - digits);
        let half = if self.unscaled < 0 {
            -(divisor / 2)
        } else {
            divisor / 2
        };
        (self.unscaled + half) / divisor
    }

    /// The product, exactly.
    pub(super) fn times(self, other: Self) -> Self {
        Self {
            unscaled: self.unscaled * other.unscaled,
            scale: self.scale + other.scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(text: &str, style: DecimalStyle) -> Result<i128, NumberError> {
        Decimal::parse(text, style).map(|number| number.to_units(2))
    }

    #[test]
    fn each_style_reads_its_own_marks_and_refuses_the_others() {
        use DecimalStyle::{Comma, Point};
        let bad = Err(NumberError::NotANumber);
        assert_eq!(cents("1.234,50", Comma), Ok(123_450));
        assert_eq!(cents("1.234,50", Point), bad);
        assert_eq!(cents("1,234.50", Point), Ok(123_450));
        assert_eq!(cents("1,234.50", Comma), bad);
        assert_eq!(cents("12,50", Point), bad);
        assert_eq!(cents("12.5", Comma), bad);
        assert_eq!(cents("-0.005", Point), Ok(-1));
        assert_eq!(cents("\u{2212}.5", Point), Ok(-50));
        assert_eq!(cents("2.675", Point), Ok(268));
        for text in [
            "1e30", "NaN", "inf", "12-", "€ 5", "1..2", "--1", ".", "1,,234", ",123",
        ] {
            assert_eq!(cents(text, Point), bad, "{text}");
        }
        assert_eq!(cents("", Point), Err(NumberError::Empty));
        assert_eq!(cents(&"9".repeat(40), Point), Err(NumberError::OutOfRange));
    }

    #[test]
    fn doubles_and_decimals_of_columnar_files_end_in_the_same_cents() {
        assert_eq!(
            Decimal::from_double(1.29, 2).map(|d| d.to_units(2)),
            Ok(129)
        );
        assert_eq!(
            Decimal::from_double(-0.125, 2).map(|d| d.to_units(2)),
            Ok(-13)
        );
        assert_eq!(
            Decimal::from_double(f64::NAN, 2),
            Err(NumberError::NotANumber)
        );
        assert_eq!(Decimal::from_double(1e30, 2), Err(NumberError::OutOfRange));
        assert_eq!(
            Decimal::from_parts(12_345, 3).map(|d| d.to_units(2)),
            Ok(1235)
        );
        assert_eq!(
            Decimal::from_parts(12, -2).map(|d| d.to_units(2)),
            Ok(120_000)
        );
        assert_eq!(
            Decimal::from_parts(i128::MAX, 0),
            Err(NumberError::OutOfRange)
        );
    }
}
