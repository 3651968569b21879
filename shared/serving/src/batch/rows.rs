//! Rows of CSV and of JSON Lines, split from bytes that come in pieces, each made the body of a request.
//!
//! The row is asked about as the API would be asked about its entity alone, so the request's own parser says what is
//! wrong with it, and a row means in a file what it means in a call. Memory is bounded by one row, but
//! for lines of orders, which are held until the last one is there: see [`Grouping`].

mod columns;
mod csv;
mod grouping;
mod jsonl;

pub use columns::Columns;
pub use csv::CsvRows;
pub use grouping::{Grouped, Grouping};
pub use jsonl::JsonRows;

use super::limits::{FileFault, Limits, cut_short};
use super::name::Text;
use super::shape::RowShape;
use crate::error::{CallerError, Error};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Not;

/// Byte order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As a spreadsheet or an editor counts: the header of a CSV file is row 1, and so is the first line of JSON Lines.
    pub number: u64,
    /// The body of its request, or why there is none.
    pub body: Result<Vec<u8>, Reject>,
    /// The entity's history, where the file brings it: see [`super::whole`].
    pub history: Option<StoredHistory>,
    /// Where it ends: unpacked bytes of the file up to there, or rows where a file is no stream of bytes or is grouped.
    pub end: u64,
    /// Whether it is a line of an order, of which [`Grouping`] makes rows. All of a file are, or none.
    pub is_line: bool,
}

/// A history as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHistory {
    /// Whose it is.
    pub id: String,
    /// Of its codec.
    pub bytes: Bytes,
}

/// Where a row begins, and what must be known to read on from there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bookmark {
    /// The end of the row before, as [`Row::end`].
    pub offset: u64,
    /// The number of the row before.
    pub number: u64,
    /// Names of the columns, where a header said them.
    pub header: Vec<String>,
    /// Whether rows are grouped lines: of these there is no place to read on from.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub is_grouped: bool,
}

impl Bookmark {
    /// Where the file is read on from: grouped lines are read and grouped again, and rows that are done are left out.
    #[must_use]
    pub fn reading(&self) -> Self {
        if self.is_grouped {
            return Self::default();
        }
        self.clone()
    }
}

/// Why a row is not scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Stable, for counting.
    pub kind: &'static str,
    /// The column; empty for the row as a whole.
    pub column: String,
    /// The value, cut short; empty where it is no text.
    pub value: String,
    /// The reason, in words.
    pub reason: String,
}

impl Reject {
    /// A row that is wrong as a whole.
    pub fn row(kind: &'static str, reason: impl Into<String>) -> Self {
        Self {
            kind,
            column: String::new(),
            value: String::new(),
            reason: reason.into(),
        }
    }

    /// A refused request, as a reject of its row.
    pub(super) fn of(error: &Error, body: &[u8], shape: &RowShape) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let at = |kind, pointer: &str, reason: &str| {
            let value = match body.pointer(pointer) {
                Some(Value::String(text)) => cut_short(text),
                Some(value) => cut_short(&value.to_string()),
                None => String::new(),
            };
            Self {
                kind,
                column: shape.column_at(pointer).to_owned(),
                value,
                reason: reason.to_owned(),
            }
        };
        match error {
            Error::Caller(CallerError::Shape { pointer, reason }) => {
                at("unexpected shape", pointer, reason)
            }
            Error::Caller(CallerError::Value { pointer, reason }) => {
                at("invalid value", pointer, reason)
            }
            Error::Caller(other) => at("refused", "", &other.to_string()),
            // Detail is for the log, which says it once.
            Error::Retry { what, reason } | Error::Internal { what, reason } => {
                tracing::error!(what, reason, "a row failed");
                at("failed", "", what)
            }
        }
    }

    /// The same with what stands in the row.
    #[must_use]
    pub fn showing(mut self, text: &str) -> Self {
        self.value = cut_short(text);
        self
    }
}

/// Splits a file into rows.
pub enum Rows {
    /// A header, then records.
    Csv(Box<CsvRows>),
    /// One object per line.
    Json(JsonRows),
}

impl Rows {
    /// For one file.
    pub fn new(text: Text, shape: &'static RowShape, limits: &Limits) -> Self {
        match text {
            Text::Csv => Self::Csv(Box::new(CsvRows::new(shape, limits))),
            Text::JsonLines => Self::Json(JsonRows::new(shape, limits)),
        }
    }

    /// For a file whose first rows are done: the next bytes are those behind the bookmark. A fault when its columns are
    /// not known here.
    pub fn resume(
        text: Text,
        shape: &'static RowShape,
        limits: &Limits,
        from: &Bookmark,
    ) -> Result<Self, FileFault> {
        Ok(match text {
            Text::Csv => Self::Csv(Box::new(CsvRows::resume(shape, limits, from)?)),
            Text::JsonLines => Self::Json(JsonRows::resume(shape, limits, from)),
        })
    }

    /// Names of the columns, where a header said them.
    pub fn header(&self) -> Vec<String> {
        match self {
            Self::Csv(csv) => csv.header(),
            Self::Json(_) => Vec::new(),
        }
    }

    /// Takes the next bytes and adds the rows that end in them.
    pub fn push(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), FileFault> {
        match self {
            Self::Csv(csv) => csv.push(bytes, rows),
            Self::Json(json) => json.push(bytes, rows),
        }
    }

    /// Ends the file: its last row may have no line end. A file without anything to score is a fault.
    pub fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        match self {
            Self::Csv(csv) => csv.finish(rows),
            Self::Json(json) => json.finish(rows),
        }
    }
}

#[cfg(test)]
mod tests;
