//! Which columns a predictor takes and gives, written once, beside its types.

/// How one row becomes a request, and its answer a row.
#[derive(Debug)]
pub struct RowShape {
    /// Name of the list in a request that the row is an entry of; `None` when the row is the request itself.
    pub list: Option<&'static str>,
    /// The column that names the entity: required, and first in the answers.
    pub id: &'static str,
    /// What a row may hold of the entity, the id included.
    pub fields: &'static [Field],
    /// What a row may hold beside the entity, in the request around it: `as_of`.
    pub around: &'static [Field],
    /// JSON pointer from an answer to what a line of JSON Lines holds of it.
    pub answer: &'static str,
    /// Columns of the answers in a CSV file, after the id: name, and JSON pointer from the whole answer.
    pub columns: &'static [(&'static str, &'static str)],
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
