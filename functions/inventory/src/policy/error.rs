//! The one way a policy refuses its input, and the checks that lead there.

/// A number outside what a formula is defined for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field} is {value}, must be {limit}")]
pub struct PolicyError {
    /// The argument or field, as the caller names it.
    pub field: &'static str,
    /// What was given.
    pub value: f64,
    /// What is allowed.
    pub limit: &'static str,
}

/// Most units, per order or per period, that a policy counts: whole numbers far below where doubles have gaps.
pub const MOST_UNITS: f64 = 1e12;

/// Most days, ahead or back, that a policy counts: ten years.
pub const MOST_DAYS: f64 = 3650.0;

pub(super) fn check(
    holds: bool,
    field: &'static str,
    value: f64,
    limit: &'static str,
) -> Result<f64, PolicyError> {
    if holds {
        return Ok(value);
    }
    Err(PolicyError {
        field,
        value,
        limit,
    })
}

/// Above 0 and finite.
pub(super) fn positive(field: &'static str, value: f64) -> Result<f64, PolicyError> {
    let holds = value > 0.0 && value.is_finite();
    check(holds, field, value, "above 0 and finite")
}

/// 0 or more and finite.
pub(super) fn non_negative(field: &'static str, value: f64) -> Result<f64, PolicyError> {
    let holds = value >= 0.0 && value.is_finite();
    check(holds, field, value, "0 or more and finite")
}

/// A number of units that can be counted.
pub(super) fn units(field: &'static str, value: f64) -> Result<f64, PolicyError> {
    let holds = (0.0..=MOST_UNITS).contains(&value);
    check(holds, field, value, "from 0 to 1e12 units")
}

/// A number of days that can be counted.
pub(crate) fn days(field: &'static str, value: f64) -> Result<f64, PolicyError> {
    let holds = (0.0..=MOST_DAYS).contains(&value);
    check(holds, field, value, "from 0 to 3650 days")
}

/// A probability, 0 and 1 included.
pub(super) fn probability(field: &'static str, value: f64) -> Result<f64, PolicyError> {
    let holds = (0.0..=1.0).contains(&value);
    check(holds, field, value, "from 0 to 1")
}

/// A target that a finite stock can meet: 1 is not one, because demand has no upper end.
pub(super) fn target(field: &'static str, value: f64) -> Result<f64, PolicyError> {
    let holds = (0.0..1.0).contains(&value);
    check(
        holds,
        field,
        value,
        "0 or more and below 1, because no finite stock meets every demand",
    )
}
