//! A demand history as it stands in a request or a golden row.

use features::demand::{DaySpan, DemandDay, DemandHistory, Promotion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serving::calendar::{format_date, parse_date};
use serving::error::CallerError;
use serving::wire::{
    AMOUNT_LIMIT_MINOR, ID_LIMIT_BYTES, QUANTITY_LIMIT, check_text, each, value_error,
};

/// Days of one inline history: thirty years.
pub const DAYS_LIMIT: usize = 10_958;

/// What a SKU sold, given in the request instead of an id in the store.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineDemand {
    /// The product's category; may be left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = ID_LIMIT_BYTES))]
    pub category: String,
    /// Days with a sale, in any order; other days sold nothing. A day that stands twice is summed.
    #[schemars(length(max = DAYS_LIMIT))]
    pub days: Vec<InlineDay>,
    /// Days that began without stock: nobody could buy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = DAYS_LIMIT))]
    pub stock_outs: Vec<InlineSpan>,
    /// Promotions, past and planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = DAYS_LIMIT))]
    pub promotions: Vec<InlinePromotion>,
}

/// One day with a sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineDay {
    /// For example `2026-01-31`.
    #[schemars(extend("format" = "date"))]
    pub date: String,
    /// Units sold, above zero.
    #[schemars(range(max = QUANTITY_LIMIT), extend("exclusiveMinimum" = 0))]
    pub units: f64,
    /// Paid for them after discounts, minor units.
    #[serde(default)]
    #[schemars(range(min = 0, max = AMOUNT_LIMIT_MINOR))]
    pub net_minor: i64,
    /// What discounts took off, minor units.
    #[serde(default)]
    #[schemars(range(min = 0, max = AMOUNT_LIMIT_MINOR))]
    pub discount_minor: i64,
}

/// Days `from` to `until`, the latter not among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineSpan {
    /// The first day.
    #[schemars(extend("format" = "date"))]
    pub from: String,
    /// The first day after it.
    #[schemars(extend("format" = "date"))]
    pub until: String,
}

/// A promotion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlinePromotion {
    /// Its first day.
    #[schemars(extend("format" = "date"))]
    pub from: String,
    /// The first day after it.
    #[schemars(extend("format" = "date"))]
    pub until: String,
    /// The first day on which it was known; its first day when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub known_since: Option<String>,
}

impl InlineDemand {
    /// The history, or what is wrong with it; `pointer` is where it stands in the body.
    pub fn parse(self, pointer: &str) -> Result<DemandHistory, CallerError> {
        self.parsed().map_err(|error| error.below(pointer))
    }

    fn parsed(self) -> Result<DemandHistory, CallerError> {
        for (name, count) in [
            ("days", self.days.len()),
            ("stock_outs", self.stock_outs.len()),
            ("promotions", self.promotions.len()),
        ] {
            if count > DAYS_LIMIT {
                let reason = format!("{count} entries, at most {DAYS_LIMIT} allowed");
                return Err(value_error(format!("/{name}"), reason));
            }
        }
        check_text(&self.category, "/category")?;
        let history = DemandHistory {
            category: self.category,
            days: each(self.days, "days", |day| day.parse())?,
            stock_outs: each(self.stock_outs, "stock_outs", |span| {
                span_of(&span.from, &span.until)
            })?,
            promotions: each(self.promotions, "promotions", |promotion| promotion.parse())?,
            stock: None,
        };
        Ok(history.sorted())
    }

    /// A history as a request would give it.
    pub fn from_history(history: &DemandHistory) -> Self {
        Self {
            category: history.category.clone(),
            days: history.days.iter().map(InlineDay::from_day).collect(),
            stock_outs: history
                .stock_outs
                .iter()
                .map(|span| InlineSpan::from_span(*span))
                .collect(),
            promotions: history
                .promotions
                .iter()
                .map(InlinePromotion::from_promotion)
                .collect(),
        }
    }
}

impl InlineDay {
    fn parse(&self) -> Result<DemandDay, CallerError> {
        let refuse = |field: &str, reason: String| Err(value_error(format!("/{field}"), reason));
        if !(self.units > 0.0 && self.units <= QUANTITY_LIMIT) {
            let reason = format!(
                "{} is not above 0 and at most {QUANTITY_LIMIT} units",
                self.units
            );
            return refuse("units", reason);
        }
        for (field, amount) in [
            ("net_minor", self.net_minor),
            ("discount_minor", self.discount_minor),
        ] {
            if !(0..=AMOUNT_LIMIT_MINOR).contains(&amount) {
                let reason = format!("{amount} is not within 0 and {AMOUNT_LIMIT_MINOR}");
                return refuse(field, reason);
            }
        }
        Ok(DemandDay {
            day: parse_date(&self.date, "/date")?,
            units_milli: (self.units * 1000.0).round().max(1.0) as i64,
            net_minor: self.net_minor,
            discount_minor: self.discount_minor,
        })
    }

    fn from_day(day: &DemandDay) -> Self {
        Self {
            date: format_date(day.day),
            units: day.units_milli as f64 / 1000.0,
            net_minor: day.net_minor,
            discount_minor: day.discount_minor,
        }
    }
}

impl InlineSpan {
    fn from_span(span: DaySpan) -> Self {
        Self {
            from: format_date(span.from),
            until: format_date(span.until),
        }
    }
}

impl InlinePromotion {
    fn parse(&self) -> Result<Promotion, CallerError> {
        let span = span_of(&self.from, &self.until)?;
        let known_since = self.known_since.as_deref();
        let known_since =
            known_since.map_or(Ok(span.from), |text| parse_date(text, "/known_since"))?;
        Ok(Promotion { span, known_since })
    }

    fn from_promotion(promotion: &Promotion) -> Self {
        Self {
            from: format_date(promotion.span.from),
            until: format_date(promotion.span.until),
            known_since: Some(format_date(promotion.known_since)),
        }
    }
}

fn span_of(from: &str, until: &str) -> Result<DaySpan, CallerError> {
    let span = DaySpan {
        from: parse_date(from, "/from")?,
        until: parse_date(until, "/until")?,
    };
    if span.from >= span.until {
        let reason = format!("{until} is not after from, {from}");
        return Err(value_error("/until".to_owned(), reason));
    }
    Ok(span)
}
