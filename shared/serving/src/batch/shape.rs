//! Which columns a predictor takes and gives, written once, beside its types.

use crate::wire::LinesOf;
use serde_json::Value;

/// How one row becomes a request, and its answer a row.
#[derive(Debug)]
pub struct RowShape {
    /// Name of the list in a request that the row is an entry of; `None` when the row is the request itself.
    pub list: Option<&'static str>,
    /// The column that names the entity: required, and first in the answers.
    pub id: &'static str,
    /// Kind of the stored histories that the id names, as [`crate::ports::HistoryStore`] has it.
    pub kind: &'static str,
    /// What is asked of every entity when all of them are asked about: values of columns beside the id.
    pub whole: &'static [(&'static str, &'static str)],
    /// What a row may hold of the entity, the id included.
    pub fields: &'static [Field],
    /// What a row may hold beside the entity, in the request around it: `as_of`.
    pub around: &'static [Field],
    /// What lines of orders a file may hold instead of rows; `None` where it may hold none.
    pub order_lines: Option<&'static LineShape>,
    /// JSON pointer from an answer to what a line of JSON Lines holds of it.
    pub answer: &'static str,
    /// Columns of the answers in a CSV or Parquet file, after the id.
    pub columns: &'static [Column],
    /// What the last prediction of an answer is looked up by: the entity, and what else tells questions apart that an entity has at
    /// the same time; `None` for an answer about nobody.
    pub key: fn(&Value) -> Option<String>,
}

/// Lines of orders, of which rows are made: see [`super::rows::Grouping`].
#[derive(Debug)]
pub struct LineShape {
    /// Whose lines are one row.
    pub of: LinesOf,
    /// What a line may hold. What stands around the position is a column of the row, of which all lines say the same.
    pub line: RowShape,
    /// A column around that tells rows of one id apart, which lines are then grouped by as well.
    pub apart: Option<&'static str>,
}

/// Columns of a line, whosever it is.
const POSITION: &[Field] = &[
    Field::text("customer_id"),
    Field::text("order_id"),
    Field::text("placed_at"),
    Field::text("product_id"),
    Field::text("category"),
    Field::json("quantity"),
    Field::json("net_minor"),
    Field::json("discount_minor"),
];

impl LineShape {
    /// Lines of customers.
    pub const fn of_customers(around: &'static [Field]) -> Self {
        Self::new(LinesOf::Customers, around, None)
    }

    /// Lines of products, told apart by a column around where it is there.
    pub const fn of_products(around: &'static [Field], apart: &'static str) -> Self {
        Self::new(LinesOf::Products, around, Some(apart))
    }

    const fn new(of: LinesOf, around: &'static [Field], apart: Option<&'static str>) -> Self {
        let line = RowShape {
            list: None,
            id: of.id(),
            kind: "",
            whole: &[],
            fields: POSITION,
            around,
            order_lines: None,
            answer: "",
            columns: &[],
            key: |_| None,
        };
        Self { of, line, apart }
    }
}

/// A text of an answer, by its JSON pointer.
pub fn text_at<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer)?.as_str()
}

/// A column of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// JSON pointer to its value, from the whole answer.
    pub pointer: &'static str,
    /// Its values.
    pub holds: Holds,
}

/// What the values of a column are; each may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text, or JSON as text.
    Text,
    /// Whole numbers.
    Whole,
    /// Numbers.
    Number,
    /// Truth values.
    Truth,
    /// Bytes that are no text: of chunks of the whole base, never of answers.
    Bytes,
}

impl Column {
    /// A column of text, or of JSON as text.
    pub const fn text(name: &'static str, pointer: &'static str) -> Self {
        Self::new(name, pointer, Holds::Text)
    }

    /// A column of whole numbers.
    pub const fn whole(name: &'static str, pointer: &'static str) -> Self {
        Self::new(name, pointer, Holds::Whole)
    }

    /// A column of numbers.
    pub const fn number(name: &'static str, pointer: &'static str) -> Self {
        Self::new(name, pointer, Holds::Number)
    }

    /// A column of truth values.
    pub const fn truth(name: &'static str, pointer: &'static str) -> Self {
        Self::new(name, pointer, Holds::Truth)
    }

    const fn new(name: &'static str, pointer: &'static str, holds: Holds) -> Self {
        Self {
            name,
            pointer,
            holds,
        }
    }
}

/// A column of a CSV file, by the name the API has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name of the field in the request.
    pub name: &'static str,
    /// How a cell becomes JSON.
    pub kind: Kind,
}

/// How a cell becomes JSON; an empty one is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text as it stands, whatever it looks like.
    Text,
    /// JSON where it is JSON (numbers, lists, objects), text otherwise.
    Json,
}

impl Field {
    /// A field whose cells are text.
    pub const fn text(name: &'static str) -> Self {
        let kind = Kind::Text;
        Self { name, kind }
    }

    /// A field whose cells are JSON.
    pub const fn json(name: &'static str) -> Self {
        let kind = Kind::Json;
        Self { name, kind }
    }
}

impl RowShape {
    /// The field of a column, and whether it stands around the entity.
    pub fn field(&self, name: &str) -> Option<(Field, bool)> {
        let of = |fields: &'static [Field], around| {
            let found = fields.iter().find(|field| field.name == name);
            found.map(|field| (*field, around))
        };
        of(self.fields, false).or_else(|| of(self.around, true))
    }

    /// The column that a JSON pointer into a request of one row points at; empty for the row as a whole.
    pub fn column_at<'a>(&self, pointer: &'a str) -> &'a str {
        let mut steps = pointer.split('/').skip(1);
        let first = steps.next().unwrap_or_default();
        if Some(first) != self.list {
            return first;
        }
        // The index of the only entry, then the field.
        steps.nth(1).unwrap_or_default()
    }

    /// Names of all columns that a file may have, for people.
    pub fn allowed(&self) -> String {
        let fields = self.fields.iter().chain(self.around);
        fields
            .map(|field| field.name)
            .collect::<Vec<_>>()
            .join(", ")
    }
}
