//! Cells under the names of columns, made the body of a request.

use super::Reject;
use crate::batch::limits::{FileFault, cut_short};
use crate::batch::shape::{Field, Kind, RowShape};
use serde_json::value::RawValue;

/// What each column is.
#[derive(Debug)]
pub struct Columns {
    shape: &'static RowShape,
    /// The field, and whether it stands around the entity.
    fields: Vec<(Field, bool)>,
}

impl Columns {
    /// By their names; wrong ones are a fault of the file.
    pub fn new<'n>(
        names: impl Iterator<Item = &'n str>,
        shape: &'static RowShape,
    ) -> Result<Self, FileFault> {
        let fault = |detail: String| FileFault::new("wrong columns", detail);
        let mut fields: Vec<(Field, bool)> = Vec::new();
        for name in names {
            let name = name.trim();
            let Some(column) = shape.field(name) else {
                let allowed = shape.allowed();
                let shown = crate::wire::shown(name);
                return Err(fault(format!("{shown} is no column, allowed: {allowed}")));
            };
            if fields.contains(&column) {
                return Err(fault(format!("{name} stands there twice")));
            }
            fields.push(column);
        }
        if !fields.iter().any(|(field, _)| field.name == shape.id) {
            return Err(fault(format!("{} is missing", shape.id)));
        }
        Ok(Self { shape, fields })
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

/// Puts an entity (an object without its closing brace) and what stands around it together.
fn request(mut entity: String, around: &str, shape: &RowShape) -> Vec<u8> {
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
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
