//! Lines of JSON.

use super::columns::unknown;
use super::grouping::ORDER_ID;
use super::{BOM, Bookmark, Reject, Row};
use crate::batch::limits::{FileFault, Limits};
use crate::batch::shape::RowShape;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Splits JSON Lines and makes each line a request. Blank lines are no rows.
pub struct JsonRows {
    shape: &'static RowShape,
    limit: usize,
    line: Vec<u8>,
    is_too_long: bool,
    /// Lines that have ended.
    lines: u64,
    rows: u64,
    /// Whether lines are those of orders, which the first one tells that is not blank.
    is_lines: Option<bool>,
    /// Bytes of the file that were taken.
    offset: u64,
}

impl JsonRows {
    /// For one file.
    pub fn new(shape: &'static RowShape, limits: &Limits) -> Self {
        Self {
            shape,
            limit: limits.row_bytes,
            line: Vec::new(),
            is_too_long: false,
            lines: 0,
            rows: 0,
            is_lines: None,
            offset: 0,
        }
    }

    /// For a file whose first lines are done.
    pub fn resume(shape: &'static RowShape, limits: &Limits, from: &Bookmark) -> Self {
        Self {
            lines: from.number,
            rows: from.number,
            is_lines: Some(false),
            offset: from.offset,
            ..Self::new(shape, limits)
        }
    }

    /// Takes the next bytes and adds the rows that end in them.
    pub fn push(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), FileFault> {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = pieces.next() {
            self.extend(first);
        }
        for piece in pieces {
            self.offset += 1;
            self.end_line(rows)?;
            self.extend(piece);
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        if !self.line.is_empty() || self.is_too_long {
            self.end_line(rows)?;
        }
        if self.rows == 0 {
            return Err(FileFault::new("empty", "there is no row in the file"));
        }
        Ok(())
    }

    fn extend(&mut self, piece: &[u8]) {
        self.offset += piece.len() as u64;
        if self.is_too_long || self.line.len() + piece.len() > self.limit {
            self.is_too_long = true;
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(piece);
        }
    }

    fn end_line(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        let mut line = &line[..];
        if self.lines == 1 {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        let line = line.trim_ascii();
        if line.is_empty() && !self.is_too_long {
            return Ok(());
        }
        let is_line = self.tell(line)?;
        let body = if std::mem::take(&mut self.is_too_long) {
            let reason = format!("more than {} bytes", self.limit);
            Err(Reject::row("too long", reason))
        } else {
            body(line, self.shape)
        };
        self.rows += 1;
        rows.push(Row {
            number: self.lines,
            body,
            history: None,
            end: self.offset,
            is_line,
        });
        Ok(())
    }

    /// Whether lines are those of orders; a fault where they are and nobody groups them.
    fn tell(&mut self, line: &[u8]) -> Result<bool, FileFault> {
        if let Some(told) = self.is_lines {
            return Ok(told);
        }
        let members = serde_json::from_slice::<BTreeMap<String, &RawValue>>(line);
        let is_line = members.is_ok_and(|members| members.contains_key(ORDER_ID));
        if is_line {
            let Some(lines) = self.shape.order_lines else {
                let detail = unknown(ORDER_ID, self.shape);
                return Err(FileFault::new("wrong columns", detail));
            };
            self.shape = &lines.line;
        }
        Ok(*self.is_lines.insert(is_line))
    }
}

/// The request of a line.
fn body(line: &[u8], shape: &'static RowShape) -> Result<Vec<u8>, Reject> {
    let shown = || String::from_utf8_lossy(&line[..line.len().min(400)]).into_owned();
    let Ok(text) = std::str::from_utf8(line) else {
        let reject = Reject::row("not UTF-8", "JSON is UTF-8");
        return Err(reject.showing(&shown()));
    };
    // One value and nothing behind it: otherwise a line could bring a second entity along.
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        return Err(Reject::row("not JSON", error.to_string()).showing(&shown()));
    }
    if !text.starts_with('{') {
        let reject = Reject::row("not JSON", "a row is a JSON object");
        return Err(reject.showing(&shown()));
    }
    let Some(list) = shape.list else {
        return Ok(text.as_bytes().to_vec());
    };
    // Rarely is anything meant for the request around; then the object is taken apart.
    let is_around = |name: &str| shape.around.iter().any(|field| field.name == name);
    if !shape.around.iter().any(|field| text.contains(field.name)) {
        return Ok(format!("{{\"{list}\":[{text}]}}").into_bytes());
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)
        .map_err(|error| Reject::row("not JSON", error.to_string()).showing(&shown()))?;
    let joined = |around: bool| {
        let chosen = members.iter().filter(|(name, _)| is_around(name) == around);
        let member = |(name, value): (&String, &&RawValue)| {
            format!("{}:{}", serde_json::Value::from(name.as_str()), value.get())
        };
        chosen.map(member).collect::<Vec<_>>().join(",")
    };
    let (entity, around) = (joined(false), joined(true));
    let comma = if around.is_empty() { "" } else { "," };
    Ok(format!("{{\"{list}\":[{{{entity}}}]{comma}{around}}}").into_bytes())
}
