//! Lines of orders, as shops export them, grouped into rows: each customer, or each product, asked about with the history that
//! the lines make.
//!
//! Lines stand in any order, mostly that of time, so an entity is known when the last line was read: all of them are held, as
//! many as [`Limits`] allow. Entities become rows in the order of their first lines. One with a wrong line is rejected, not
//! asked about with a part of the history.

mod held;

use super::columns::{quoted, request, unknown};
use super::{Reject, Row};
use crate::batch::limits::{FileFault, Limits, cut_short};
use crate::batch::shape::{LineShape, RowShape};
use crate::wire::{LinesOf, PlacedLine, Said};
use held::{Held, Histories};
use serde_json::Value;
use serde_json::value::RawValue;
use smol_str::{SmolStr, SmolStrBuilder, ToSmolStr, format_smolstr};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// The column that tells a line of an order from a row.
pub(super) const ORDER_ID: &str = "order_id";
/// Columns beside the id without which a file of lines says nothing.
pub(super) const NEEDED: [&str; 3] = [ORDER_ID, "placed_at", "net_minor"];
/// Between values of JSON, which hold none as they are written here.
const BETWEEN: char = '\n';

/// Lines so far.
pub struct Grouping {
    shape: &'static RowShape,
    lines: &'static LineShape,
    limits: Limits,
    entities: Vec<Entity>,
    /// Places in `entities`, by what tells these apart.
    places: HashMap<SmolStr, usize>,
    held: Held,
    /// Lines that were taken, and those of them that name nobody.
    taken: u64,
    unnamed: u64,
    bytes: usize,
}

/// What becomes a row.
struct Entity {
    /// Of the first line.
    number: u64,
    id: SmolStr,
    /// What its lines say of it beside their positions: see [`said_around`].
    said: SmolStr,
    wrong: Option<Box<Reject>>,
}

impl Grouping {
    /// For one file, asked about as `shape` says; `None` where it says nothing of lines of orders.
    pub fn new(shape: &'static RowShape, limits: &Limits) -> Option<Self> {
        let lines = shape.order_lines?;
        Some(Self {
            shape,
            lines,
            limits: *limits,
            entities: Vec::new(),
            places: HashMap::new(),
            held: Held::new(lines.of),
            taken: 0,
            unnamed: 0,
            bytes: 0,
        })
    }

    /// Takes the next line. A fault where there are too many, or where nobody knows how many are lost.
    pub fn add(&mut self, row: Row) -> Result<(), FileFault> {
        let number = row.number;
        self.taken += 1;
        self.bytes += row.body.as_ref().map_or(0, Vec::len);
        self.check_room(number)?;
        let body = match row.body {
            Ok(body) => body,
            Err(reject) if matches!(reject.kind, "open quote" | "too long") => {
                let (reason, one) = (reject.reason, self.lines.of.one());
                let detail =
                    format!("row {number}: {reason}, and lines of other {one}s may be in it");
                return Err(FileFault::new(reject.kind, detail));
            }
            Err(reject) => {
                self.reject_unnamed(number, reject);
                return Ok(());
            }
        };
        if let Err(reject) = self.read(number, &body) {
            match named(&body, self.lines) {
                Some((id, key)) => self.entity(id, key, number).1.reject(number, reject),
                None => self.reject_unnamed(number, nobody(self.lines.of)),
            }
        }
        Ok(())
    }

    fn check_room(&self, number: u64) -> Result<(), FileFault> {
        let Limits {
            grouped_lines,
            grouped_bytes,
            ..
        } = self.limits;
        let beyond = if self.taken > grouped_lines {
            format!("more than {grouped_lines} order lines")
        } else if self.bytes > grouped_bytes {
            format!("order lines of more than {grouped_bytes} bytes as JSON")
        } else {
            return Ok(());
        };
        let one = self.lines.of.one();
        let advice =
            format!("split the file by {one}, or put it into uploads/orders/ and ask by id");
        let detail = format!("row {number}: {beyond}, which are grouped in memory; {advice}");
        Err(FileFault::new("too many order lines", detail))
    }

    fn read(&mut self, number: u64, body: &[u8]) -> Result<(), Reject> {
        let line = PlacedLine::parse(body, self.lines.of)
            .map_err(|error| Reject::of(&error, body, &self.lines.line))?;
        let said = said_around(&line.said, self.lines)?;
        let around = self.lines.line.around;
        let key = key(&line.id, self.lines.apart, |name| {
            line.said.get(name).cloned()
        });
        let (place, entity) = self.entity(line.id.clone(), key, number);
        if entity.number == number {
            entity.said = said;
        } else if entity.said != said {
            let before = &entity.said;
            let differs = |column: &usize| value_at(before, *column) != value_at(&said, *column);
            let column = (0..around.len()).find(differs).unwrap_or_default();
            let reason = format!("not as in row {}", entity.number);
            let reject = invalid(around[column].name, &shown(value_at(&said, column)), reason);
            entity.reject(number, reject);
        }
        if entity.wrong.is_none() {
            self.held.keep(place, number, line);
        }
        Ok(())
    }

    /// The entity of this key, which is new with this line where there is none.
    fn entity(&mut self, id: SmolStr, key: SmolStr, number: u64) -> (usize, &mut Entity) {
        let place = match self.places.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.entities.push(Entity::new(number, id));
                *new.insert(self.entities.len() - 1)
            }
        };
        (place, &mut self.entities[place])
    }

    /// A line of which nobody knows whose it is becomes a row of its own.
    fn reject_unnamed(&mut self, number: u64, reject: Reject) {
        self.unnamed += 1;
        let mut row = Entity::new(number, SmolStr::default());
        row.wrong = Some(Box::new(reject));
        self.entities.push(row);
    }

    /// The rows, once all lines are there, without the first `skip` ones.
    pub fn grouped(self, skip: u64) -> Grouped {
        let next = skip as usize;
        Grouped {
            shape: self.shape,
            lines: self.lines,
            row_bytes: self.limits.row_bytes,
            order_lines: self.taken - self.unnamed,
            entities: self.entities,
            next,
            histories: self.held.sorted(next),
        }
    }
}

/// Rows of a file of order lines.
pub struct Grouped {
    shape: &'static RowShape,
    lines: &'static LineShape,
    row_bytes: usize,
    /// Lines that say whose they are.
    pub order_lines: u64,
    entities: Vec<Entity>,
    next: usize,
    histories: Histories,
}

impl Iterator for Grouped {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let place = self.next;
        let entity = self.entities.get_mut(place)?;
        self.next += 1;
        let (number, wrong) = (entity.number, entity.wrong.take());
        let history = self.histories.of(place, &entity.id);
        let body = match wrong {
            Some(reject) => Err(*reject),
            None => history.and_then(|history| self.body(place, &history)),
        };
        Some(Row {
            number,
            body,
            history: None,
            end: self.next as u64,
            is_line: false,
        })
    }
}

impl Grouped {
    /// The request of an entity.
    fn body(&self, place: usize, history: &str) -> Result<Vec<u8>, Reject> {
        let Entity { id, said, .. } = &self.entities[place];
        let (name, own_id) = (quoted(self.shape.id), quoted(id));
        let mut entity = format!("{{{name}:{own_id},\"history\":{history}");
        let mut around = String::new();
        for (field, value) in self.lines.line.around.iter().zip(said.split(BETWEEN)) {
            if value.is_empty() {
                continue;
            }
            let member = format!("{}:{value}", quoted(field.name));
            match self.shape.field(field.name) {
                Some((_, true)) if around.is_empty() => around = member,
                Some((_, true)) => around.extend([",", &member]),
                _ => entity.extend([",", &member]),
            }
        }
        let body = request(entity, &around, self.shape);
        if body.len() > self.row_bytes {
            let reason = format!("a history of more than {} bytes", self.row_bytes);
            return Err(Reject::row("too long", reason).showing(id));
        }
        Ok(body)
    }
}

impl Entity {
    fn new(number: u64, id: SmolStr) -> Self {
        Self {
            number,
            id,
            said: SmolStr::default(),
            wrong: None,
        }
    }

    /// Rejects it for a line, unless one before was wrong already.
    fn reject(&mut self, number: u64, reject: Reject) {
        self.wrong
            .get_or_insert_with(|| Box::new(reject.of_line(number)));
    }
}

/// What a line says in the columns around, in their order, an empty text where it says nothing. One text, because most lines of a
/// customer say at most one short thing, which then takes no memory of its own.
fn said_around(said: &Said, lines: &LineShape) -> Result<SmolStr, Reject> {
    let around = lines.line.around;
    let is_known = |name: &str| around.iter().any(|field| field.name == name);
    if let Some((name, value)) = said.iter().find(|(name, _)| !is_known(name)) {
        let reject = invalid(name, &shown(value), unknown(name, &lines.line));
        let kind = "unexpected shape";
        return Err(Reject { kind, ..reject });
    }
    let mut text = SmolStrBuilder::new();
    for (column, field) in around.iter().enumerate() {
        if column > 0 {
            text.push(BETWEEN);
        }
        if let Some(value) = said.get(field.name) {
            text.push_str(value);
        }
    }
    Ok(text.finish())
}

fn value_at(said: &str, column: usize) -> &str {
    said.split(BETWEEN).nth(column).unwrap_or_default()
}

/// A value of JSON as people read it.
fn shown(value: &str) -> String {
    match serde_json::from_str(value) {
        Ok(Value::String(text)) => text,
        _ => value.to_owned(),
    }
}

/// What tells an entity from all others: its id, and the value of the column that tells those of one id apart.
fn key(
    id: &SmolStr,
    apart: Option<&'static str>,
    value: impl FnOnce(&'static str) -> Option<SmolStr>,
) -> SmolStr {
    let Some(column) = apart else {
        return id.clone();
    };
    // The mark is in no value, so that no id can be taken for another id with a value.
    let value = value(column).unwrap_or_default();
    format_smolstr!("{id}{BETWEEN}{value}")
}

/// Id and key of whose line it is that is wrong; `None` where it names nobody.
fn named(body: &[u8], lines: &LineShape) -> Option<(SmolStr, SmolStr)> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let value = |name: &str| serde_json::from_str::<Value>(members.get(name)?.get()).ok();
    let id: SmolStr = match value(lines.of.id())? {
        Value::String(id) if !id.is_empty() => id.into(),
        // The line is wrong for it, and so is what a text of the same digits has without it.
        Value::Number(id) => id.to_smolstr(),
        _ => return None,
    };
    let said = |name: &str| value(name).filter(|value| !value.is_null());
    let key = key(&id, lines.apart, |name| Some(said(name)?.to_smolstr()));
    Some((id, key))
}

/// A line that says of nobody whose it is, counted by itself.
fn nobody(of: LinesOf) -> Reject {
    let (kind, reason) = match of {
        LinesOf::Customers => ("no customer", "the line names nobody"),
        LinesOf::Products => ("no product", "the line names no product"),
    };
    Reject {
        kind,
        ..invalid(of.id(), "", reason.to_owned())
    }
}

impl Reject {
    /// Of a row, because of one of its lines.
    fn of_line(self, number: u64) -> Self {
        let reason = format!("row {number}: {}", self.reason);
        Self { reason, ..self }
    }
}

fn invalid(column: &str, value: &str, reason: String) -> Reject {
    Reject {
        kind: "invalid value",
        column: column.to_owned(),
        value: cut_short(value),
        reason,
    }
}

#[cfg(test)]
mod tests;
