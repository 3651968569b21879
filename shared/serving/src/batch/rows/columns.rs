//! Cells under the names of columns, made the body of a request.

use super::Reject;
use super::grouping::{NEEDED, ORDER_ID};
use crate::batch::limits::{FileFault, cut_short};
use crate::batch::shape::{Field, Kind, RowShape};
use serde_json::value::RawValue;

/// What each column is.
#[derive(Debug)]
pub struct Columns {
    shape: &'static RowShape,
    /// The field, and whether it stands around the entity.
    fields: Vec<(Field, bool)>,
    are_of_lines: bool,
}

impl Columns {
    /// By their names; wrong ones are a fault of the file.
    pub fn new<'n>(
        names: impl Iterator<Item = &'n str>,
        shape: &'static RowShape,
    ) -> Result<Self, FileFault> {
        let fault = |detail: String| FileFault::new("wrong columns", detail);
        let names: Vec<&str> = names.map(str::trim).collect();
        let of_lines = shape.order_lines.filter(|_| names.contains(&ORDER_ID));
        let shape = of_lines.map_or(shape, |lines| &lines.line);
        let mut fields: Vec<(Field, bool)> = Vec::new();
        for name in names {
            let Some(column) = shape.field(name) else {
                return Err(fault(unknown(name, shape)));
            };
            if fields.contains(&column) {
                return Err(fault(format!("{name} stands there twice")));
            }
            fields.push(column);
        }
        let is_there = |name: &str| fields.iter().any(|(field, _)| field.name == name);
        let more = of_lines.map_or(&[][..], |_| &NEEDED);
        let mut needed = [shape.id].into_iter().chain(more.iter().copied());
        if let Some(missing) = needed.find(|name| !is_there(name)) {
            return Err(fault(format!("{missing} is missing")));
        }
        Ok(Self {
            shape,
            fields,
            are_of_lines: of_lines.is_some(),
        })
    }

    /// Whether rows are lines of orders.
    pub fn are_of_lines(&self) -> bool {
        self.are_of_lines
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        let names = self.fields.iter();
        names.map(|(field, _)| field.name.to_owned()).collect()
    }

    /// The request of a record.
    pub fn body(&self, cells: &[&str]) -> Result<Vec<u8>, Reject> {
        if cells.len() != self.fields.len() {
            let reason = format!("{} columns instead of {}", cells.len(), self.fields.len());
            let shown = cut_short(&cells.join(","));
            return Err(Reject::row("wrong number of columns", reason).showing(&shown));
        }
        let (mut entity, mut around) = (String::from("{"), String::new());
        for (cell, (field, is_around)) in cells.iter().zip(&self.fields) {
            if cell.is_empty() {
                continue;
            }
            let object = if *is_around { &mut around } else { &mut entity };
            if !object.is_empty() && !object.ends_with('{') {
                object.push(',');
            }
            object.push_str(&quoted(field.name));
            object.push(':');
            object.push_str(&value(cell, field.kind));
        }
        Ok(request(entity, &around, self.shape))
    }
}

/// What is wrong with a column that is none.
pub(super) fn unknown(name: &str, shape: &RowShape) -> String {
    let (shown, allowed) = (crate::wire::shown(name), shape.allowed());
    format!("{shown} is no column, allowed: {allowed}")
}

/// Puts an entity (an object without its closing brace) and what stands around it together.
pub(super) fn request(mut entity: String, around: &str, shape: &RowShape) -> Vec<u8> {
    let text = if let Some(list) = shape.list {
        let comma = if around.is_empty() { "" } else { "," };
        format!("{{{}:[{entity}}}]{comma}{around}}}", quoted(list))
    } else {
        if !around.is_empty() && !entity.ends_with('{') {
            entity.push(',');
        }
        format!("{entity}{around}}}")
    };
    text.into_bytes()
}

fn value(cell: &str, kind: Kind) -> String {
    match kind {
        Kind::Json if serde_json::from_str::<&RawValue>(cell).is_ok() => cell.to_owned(),
        _ => quoted(cell),
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
