//! The orders of all customers as numbers: items in the order of their ids, orders by customer and time.

use features::history::{CustomerHistory, Order};
use features::time::{LocalDay, Timestamp};
use std::collections::HashMap;

/// One item of one order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) item: u32,
    pub(super) quantity_milli: i64,
    pub(super) net_minor: i64,
}

/// One order; its lines are those after the lines of the order before.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenOrder {
    pub(super) age_days: f64,
    pub(super) day: LocalDay,
    pub(super) line_end: usize,
}

/// All that is fitted on.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Product ids, rising.
    pub(super) ids: Vec<String>,
    /// Number of each item's category.
    pub(super) categories: Vec<u32>,
    /// Rising.
    pub(super) category_names: Vec<String>,
    /// By customer, then time.
    pub(super) orders: Vec<SeenOrder>,
    /// Distinct and rising within an order.
    pub(super) lines: Vec<Line>,
    /// Where the orders of each customer end.
    pub(super) customer_ends: Vec<usize>,
}

impl Seen {
    /// Reads what was bought before `cutoff`.
    pub(super) fn read(
        histories: &mut dyn Iterator<Item = (String, CustomerHistory)>,
        cutoff: Timestamp,
    ) -> Self {
        let mut seen = Self::default();
        let mut met = Met::default();
        for (_, history) in histories {
            let purchases = history.before(cutoff).iter().filter(|o| o.is_purchase());
            for order in purchases {
                met.add_lines(order, &mut seen.lines);
                seen.orders.push(SeenOrder {
                    age_days: cutoff.days_since(order.placed_at),
                    day: order.local_day,
                    line_end: seen.lines.len(),
                });
            }
            seen.customer_ends.push(seen.orders.len());
        }
        met.number(&mut seen);
        seen
    }

    /// The lines of the order at `place`.
    pub(super) fn lines_of(&self, place: usize) -> &[Line] {
        let from = place
            .checked_sub(1)
            .map_or(0, |before| self.orders[before].line_end);
        &self.lines[from..self.orders[place].line_end]
    }

    /// The places of each customer's orders.
    pub(super) fn customers(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let mut from = 0;
        self.customer_ends.iter().map(move |end| {
            let orders = from..*end;
            from = *end;
            orders
        })
    }
}

/// Products in the order they were met.
#[derive(Default)]
struct Met {
    numbers: HashMap<String, u32>,
    categories: Vec<String>,
}

impl Met {
    /// Adds one line per product, distinct and rising by number.
    fn add_lines(&mut self, order: &Order, lines: &mut Vec<Line>) {
        let before = lines.len();
        for line in order.purchases().filter(|line| !line.product_id.is_empty()) {
            let item = self.number_of(&line.product_id, &line.category);
            lines.push(Line {
                item,
                quantity_milli: line.quantity_milli,
                net_minor: line.net_minor,
            });
        }
        lines[before..].sort_by_key(|line| line.item);
        let mut kept = before;
        for at in before..lines.len() {
            let line = lines[at];
            if kept > before && lines[kept - 1].item == line.item {
                let same = &mut lines[kept - 1];
                same.quantity_milli = same.quantity_milli.saturating_add(line.quantity_milli);
                same.net_minor = same.net_minor.saturating_add(line.net_minor);
            } else {
                lines[kept] = line;
                kept += 1;
            }
        }
        lines.truncate(kept);
    }

    /// Where orders contradict each other about a product's category, the first name counts.
    fn number_of(&mut self, product_id: &str, category: &str) -> u32 {
        if let Some(number) = self.numbers.get(product_id) {
            let known = &mut self.categories[*number as usize];
            if known.as_str() > category {
                category.clone_into(known);
            }
            return *number;
        }
        let number = self.categories.len() as u32;
        self.numbers.insert(product_id.to_owned(), number);
        self.categories.push(category.to_owned());
        number
    }

    /// Numbers items and categories in the order of their names.
    fn number(self, seen: &mut Seen) {
        let mut by_id: Vec<(String, u32)> = self.numbers.into_iter().collect();
        by_id.sort_unstable();
        let mut names = self.categories.clone();
        names.sort_unstable();
        names.dedup();
        let mut number = vec![0; by_id.len()];
        for (place, (_, met)) in by_id.iter().enumerate() {
            number[*met as usize] = place as u32;
        }
        let category = |met: u32| {
            let name = &self.categories[met as usize];
            names.partition_point(|other| other < name) as u32
        };
        seen.categories = by_id.iter().map(|(_, met)| category(*met)).collect();
        seen.ids = by_id.into_iter().map(|(id, _)| id).collect();
        seen.category_names = names;
        for line in &mut seen.lines {
            line.item = number[line.item as usize];
        }
        let mut from = 0;
        for order in &seen.orders {
            seen.lines[from..order.line_end].sort_unstable_by_key(|line| line.item);
            from = order.line_end;
        }
    }
}
