//! Dates as they stand in requests and answers: `2026-01-31`.

use crate::error::CallerError;
use crate::wire::{shown, value_error};
use features::time::LocalDay;
use jiff::civil::Date;

/// 1970-01-01.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Parses a date; `pointer` is where it stands in the body.
///
/// ```
/// use features::time::LocalDay;
/// use serving::calendar::{format_date, parse_date};
/// assert_eq!(parse_date("1970-01-03", "/as_of").unwrap(), LocalDay(2));
/// assert_eq!(format_date(LocalDay(-1)), "1969-12-31");
/// assert!(parse_date("31.01.2026", "/as_of").is_err());
/// ```
pub fn parse_date(text: &str, pointer: &str) -> Result<LocalDay, CallerError> {
    // jiff also reads instants and takes their date; here that would hide which day was meant.
    let date = (text.len() == 10).then(|| text.parse::<Date>().ok());
    let date = date.flatten().ok_or_else(|| {
        let reason = format!("{} is not a date such as 2026-01-31", shown(text));
        value_error(pointer.to_owned(), reason)
    })?;
    Ok(LocalDay((date - EPOCH).get_days()))
}

/// A day as a date; days outside the years -9999 to 9999 are held at the ends.
pub fn format_date(day: LocalDay) -> String {
    let days = jiff::Span::new().try_days(day.0).unwrap_or_default();
    EPOCH.saturating_add(days).to_string()
}
