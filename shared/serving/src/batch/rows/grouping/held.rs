//! What is held of lines until all of them are there, and the histories that are made of it.

use super::{Reject, invalid};
use crate::calendar::format_date;
use crate::wire::{InlineHistory, InlineLine, InlineOrder, LinesOf, PlacedLine};
use features::demand::{DemandDay, DemandHistory};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::iter::Peekable;
use std::vec::IntoIter;

/// Of each line no more than its history needs.
pub(super) enum Held {
    /// Lines of customers.
    Orders(Vec<Line>),
    /// What was sold of products, and the first of each product's categories, as it is when orders are loaded.
    Demand(Vec<Sale>, HashMap<SmolStr, SmolStr>),
}

/// A line of the customer at a place.
pub(super) struct Line {
    place: usize,
    number: u64,
    order_id: SmolStr,
    placed_at: SmolStr,
    inline: InlineLine,
}

/// A line of the product at a place, as far as it is demand.
pub(super) struct Sale {
    place: usize,
    sold: DemandDay,
}

impl Held {
    pub(super) fn new(of: LinesOf) -> Self {
        match of {
            LinesOf::Customers => Self::Orders(Vec::new()),
            LinesOf::Products => Self::Demand(Vec::new(), HashMap::new()),
        }
    }

    /// Takes a line of what stands at a place.
    pub(super) fn keep(&mut self, place: usize, number: u64, line: PlacedLine) {
        match self {
            Self::Orders(lines) => lines.push(Line {
                place,
                number,
                order_id: line.order_id,
                placed_at: line.placed_at,
                inline: line.inline,
            }),
            Self::Demand(sales, categories) => {
                let Some(sold) = line.sold() else { return };
                sales.push(Sale { place, sold });
                keep_category(categories, line);
            }
        }
    }

    /// Ready to be made histories of, in the order of places from one on.
    pub(super) fn sorted(self, from: usize) -> Histories {
        match self {
            Self::Orders(mut lines) => {
                lines.sort_unstable_by(|a, b| {
                    let [a, b] = [a, b].map(|line| (line.place, &line.order_id, line.number));
                    a.cmp(&b)
                });
                let mut lines = lines.into_iter().peekable();
                while lines.next_if(|line| line.place < from).is_some() {}
                Histories::Orders(lines)
            }
            Self::Demand(mut sales, categories) => {
                sales.sort_unstable_by_key(|sale| sale.place);
                let mut sales = sales.into_iter().peekable();
                while sales.next_if(|sale| sale.place < from).is_some() {}
                Histories::Demand(sales, categories)
            }
        }
    }
}

fn keep_category(categories: &mut HashMap<SmolStr, SmolStr>, line: PlacedLine) {
    let category = line.inline.category;
    match categories.get_mut(&line.id) {
        _ if category.is_empty() => {}
        Some(first) if *first <= category => {}
        Some(first) => *first = category,
        None => drop(categories.insert(line.id, category)),
    }
}

/// Histories, to be taken in the order of places.
pub(super) enum Histories {
    Orders(Peekable<IntoIter<Line>>),
    Demand(Peekable<IntoIter<Sale>>, HashMap<SmolStr, SmolStr>),
}

impl Histories {
    /// The history of what stands at the next place, as JSON; or the first line in it that is wrong.
    pub(super) fn of(&mut self, place: usize, id: &str) -> Result<String, Reject> {
        let written = match self {
            Self::Orders(lines) => serde_json::to_string(&orders(lines, place)?),
            Self::Demand(sales, categories) => {
                let of_place = |sale: &Sale| sale.place == place;
                let sales = std::iter::from_fn(|| sales.next_if(of_place));
                let category = categories.get(id).map_or("", SmolStr::as_str);
                serde_json::to_string(&Demand::of(category, sales.map(|sale| sale.sold)))
            }
        };
        written.map_err(|error| Reject::row("failed", error.to_string()))
    }
}

/// Takes the lines of a place.
fn orders(lines: &mut Peekable<IntoIter<Line>>, place: usize) -> Result<InlineHistory, Reject> {
    let (mut orders, mut wrong) = (Vec::new(), None);
    while let Some(line) = lines.next_if(|line| line.place == place) {
        let number = line.number;
        if let Err(reject) = add(&mut orders, line) {
            wrong.get_or_insert(reject.of_line(number));
        }
    }
    wrong.map_or(Ok(InlineHistory { orders }), Err)
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

/// A demand history as a request has it.
#[derive(Serialize)]
struct Demand<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    category: &'a str,
    days: Vec<Day>,
}

/// A day of one.
#[derive(Serialize)]
struct Day {
    date: String,
    units: f64,
    net_minor: i64,
    discount_minor: i64,
}

impl<'a> Demand<'a> {
    /// What was sold on one day is one entry.
    fn of(category: &'a str, sold: impl Iterator<Item = DemandDay>) -> Self {
        let history = DemandHistory {
            days: sold.collect(),
            ..DemandHistory::default()
        };
        let day = |day: DemandDay| Day {
            date: format_date(day.day),
            units: day.units_milli as f64 / 1000.0,
            net_minor: day.net_minor,
            discount_minor: day.discount_minor,
        };
        let days = history.sorted().days.into_iter().map(day).collect();
        Self { category, days }
    }
}
