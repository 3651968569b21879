//! Lines of orders, as shops export them, grouped into rows: each customer asked about with the history that the lines make.
//!
//! Lines stand in any order, mostly that of time, so a customer is known when the last line was read: all of them are held, as
//! many as [`Limits`] allow. Customers become rows in the order of their first lines. One with a wrong line is rejected, not
//! asked about with a part of the history.

use super::columns::{quoted, request};
use super::{Reject, Row};
use crate::batch::limits::{FileFault, Limits, cut_short};
use crate::batch::shape::{Field, RowShape};
use crate::wire::{InlineHistory, InlineLine, InlineOrder, PlacedLine};
use serde::Deserialize;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::iter::Peekable;
use std::vec::IntoIter;

/// The column that tells a line of an order from a row.
pub(super) const ORDER_ID: &str = "order_id";
/// Columns beside the id without which a file of lines says nothing.
pub(super) const NEEDED: [&str; 3] = [ORDER_ID, "placed_at", "net_minor"];

/// What a line is: the fields of [`PlacedLine`].
pub(super) static ORDER_LINE: RowShape = RowShape {
    list: None,
    id: "customer_id",
    kind: "",
    whole: &[],
    fields: &[
        Field::text("customer_id"),
        Field::text(ORDER_ID),
        Field::text("placed_at"),
        Field::text("product_id"),
        Field::text("category"),
        Field::json("quantity"),
        Field::json("net_minor"),
        Field::json("discount_minor"),
        Field::text("as_of"),
    ],
    around: &[],
    takes_order_lines: false,
    answer: "",
    columns: &[],
    key: |_| None,
};

/// Lines so far.
pub struct Grouping {
    shape: &'static RowShape,
    limits: Limits,
    customers: Vec<Customer>,
    /// Places in `customers`.
    places: HashMap<SmolStr, usize>,
    lines: Vec<Line>,
    /// Lines that were taken, and those of them that name nobody.
    taken: u64,
    unnamed: u64,
    bytes: usize,
}

/// What becomes a row.
struct Customer {
    /// Of the first line.
    number: u64,
    id: SmolStr,
    as_of: Option<SmolStr>,
    wrong: Option<Box<Reject>>,
}

/// A line of a customer.
struct Line {
    customer: usize,
    number: u64,
    order_id: SmolStr,
    placed_at: SmolStr,
    inline: InlineLine,
}

impl Grouping {
    /// For one file, asked about as `shape` says.
    pub fn new(shape: &'static RowShape, limits: &Limits) -> Self {
        Self {
            shape,
            limits: *limits,
            customers: Vec::new(),
            places: HashMap::new(),
            lines: Vec::new(),
            taken: 0,
            unnamed: 0,
            bytes: 0,
        }
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
                let detail = format!(
                    "row {number}: {}, and lines of other customers may be in it",
                    reject.reason
                );
                return Err(FileFault::new(reject.kind, detail));
            }
            Err(reject) => {
                self.reject_unnamed(number, reject);
                return Ok(());
            }
        };
        match PlacedLine::parse(&body) {
            Ok(line) => self.keep(number, &line),
            Err(error) => {
                let reject = Reject::of(&error, &body, &ORDER_LINE);
                match customer_of(&body) {
                    Some(id) => self.customer(id, number).1.reject(number, reject),
                    None => self.reject_unnamed(number, nobody()),
                }
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
        let advice = "split the file by customer, or put it into uploads/orders/ and ask by id";
        let detail = format!("row {number}: {beyond}, which are grouped in memory; {advice}");
        Err(FileFault::new("too many order lines", detail))
    }

    fn keep(&mut self, number: u64, line: &PlacedLine) {
        let (place, customer) = self.customer(line.customer_id.clone(), number);
        if customer.number == number {
            customer.as_of.clone_from(&line.as_of);
        } else if customer.as_of != line.as_of {
            let reason = format!("not as in row {}", customer.number);
            let as_of = line.as_of.as_deref().unwrap_or_default();
            customer.reject(number, invalid("as_of", as_of, reason));
        }
        if customer.wrong.is_none() {
            self.lines.push(Line {
                customer: place,
                number,
                order_id: line.order_id.clone(),
                placed_at: line.placed_at.clone(),
                inline: line.inline(),
            });
        }
    }

    /// The customer of this id, who is new with this line where there is none.
    fn customer(&mut self, id: SmolStr, number: u64) -> (usize, &mut Customer) {
        let place = match self.places.entry(id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.customers
                    .push(Customer::new(number, new.key().clone()));
                *new.insert(self.customers.len() - 1)
            }
        };
        (place, &mut self.customers[place])
    }

    /// A line of which nobody knows whose it is becomes a row of its own.
    fn reject_unnamed(&mut self, number: u64, reject: Reject) {
        self.unnamed += 1;
        let mut row = Customer::new(number, SmolStr::default());
        row.wrong = Some(Box::new(reject));
        self.customers.push(row);
    }

    /// The rows, once all lines are there, without the first `skip` ones.
    pub fn grouped(mut self, skip: u64) -> Grouped {
        self.lines.sort_unstable_by(|a, b| {
            let [a, b] = [a, b].map(|line| (line.customer, &line.order_id, line.number));
            a.cmp(&b)
        });
        let mut lines = self.lines.into_iter().peekable();
        while lines
            .next_if(|line| (line.customer as u64) < skip)
            .is_some()
        {}
        Grouped {
            shape: self.shape,
            row_bytes: self.limits.row_bytes,
            order_lines: self.taken - self.unnamed,
            customers: self.customers,
            next: skip as usize,
            lines,
        }
    }
}

/// Rows of a file of order lines.
pub struct Grouped {
    shape: &'static RowShape,
    row_bytes: usize,
    /// Lines that name a customer.
    pub order_lines: u64,
    customers: Vec<Customer>,
    next: usize,
    lines: Peekable<IntoIter<Line>>,
}

impl Iterator for Grouped {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let place = self.next;
        let customer = self.customers.get_mut(place)?;
        self.next += 1;
        let mut history = InlineHistory { orders: Vec::new() };
        while let Some(line) = self.lines.next_if(|line| line.customer == place) {
            let number = line.number;
            if let Err(reject) = add(&mut history.orders, line) {
                customer.reject(number, reject);
            }
        }
        let body = match customer.wrong.take() {
            Some(reject) => Err(*reject),
            None => body(customer, &history, self.shape, self.row_bytes),
        };
        Some(Row {
            number: customer.number,
            body,
            history: None,
            end: self.next as u64,
            is_line: false,
        })
    }
}

impl Customer {
    fn new(number: u64, id: SmolStr) -> Self {
        Self {
            number,
            id,
            as_of: None,
            wrong: None,
        }
    }

    /// Rejects the customer for a line, unless one before was wrong already.
    fn reject(&mut self, number: u64, reject: Reject) {
        let reason = format!("row {number}: {}", reject.reason);
        self.wrong
            .get_or_insert_with(|| Box::new(Reject { reason, ..reject }));
    }
}

/// Adds a line to its order, which is the last one or a new one.
fn add(orders: &mut Vec<InlineOrder>, line: Line) -> Result<(), Reject> {
    let Line {
        order_id,
        placed_at,
        inline,
        ..
    } = line;
    match orders.last_mut().filter(|order| order.order_id == order_id) {
        Some(order) if order.placed_at != placed_at => {
            let reason = format!("the order was placed at {} before", order.placed_at);
            return Err(invalid("placed_at", &placed_at, reason));
        }
        Some(order) => order.lines.push(inline),
        None => orders.push(InlineOrder {
            order_id,
            placed_at: placed_at.into(),
            lines: vec![inline],
        }),
    }
    Ok(())
}

/// The request of a customer.
fn body(
    customer: &Customer,
    history: &InlineHistory,
    shape: &RowShape,
    limit: usize,
) -> Result<Vec<u8>, Reject> {
    let history =
        serde_json::to_string(history).map_err(|error| Reject::row("failed", error.to_string()))?;
    let (name, id) = (quoted(shape.id), quoted(&customer.id));
    let entity = format!("{{{name}:{id},\"history\":{history}");
    let as_of = customer.as_of.as_deref().map(quoted);
    let around = as_of.map_or_else(String::new, |as_of| format!("\"as_of\":{as_of}"));
    let body = request(entity, &around, shape);
    if body.len() > limit {
        let reason = format!("a history of more than {limit} bytes");
        return Err(Reject::row("too long", reason).showing(&customer.id));
    }
    Ok(body)
}

/// Whose line it is that is wrong; `None` where it names nobody.
fn customer_of(body: &[u8]) -> Option<SmolStr> {
    #[derive(Deserialize)]
    struct Owned {
        customer_id: Value,
    }
    let owned: Owned = serde_json::from_slice(body).ok()?;
    match owned.customer_id {
        Value::String(id) if !id.is_empty() => Some(id.into()),
        // The line is wrong for it, and so is what a text of the same digits has without it.
        Value::Number(id) => Some(id.to_string().into()),
        _ => None,
    }
}

/// A guest's line, counted by itself.
fn nobody() -> Reject {
    Reject {
        kind: "no customer",
        ..invalid("customer_id", "", "the line names nobody".to_owned())
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
