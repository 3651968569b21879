//! Routes of the HTTP API as facts: what a call may hold, read by the door that checks it and by the document that
//! tells clients of it.

use crate::calendar::parse_date;
use crate::error::{CallerError, Error};
use crate::wire::{check_id, parse_instant, shown, value_error};

/// A route of the HTTP API: a method, a path template such as `/v1/customers/{customer_id}/churn`, and how its
/// parameters become a request.
#[derive(Debug)]
pub struct Route<R: 'static> {
    /// Upper case. `POST` takes a body, others take none.
    pub method: &'static str,
    /// Segments in braces are parameters; each is an id.
    pub path: &'static str,
    /// Name for generated clients, in snake case; stable.
    pub operation: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// What the query may hold; any other name is refused.
    pub query: &'static [QueryParameter],
    /// Makes the request from parameters and body.
    pub request: fn(&Parameters<'_>, &[u8]) -> Result<R, Error>,
}

/// A parameter of the query; may always be left out.
#[derive(Debug)]
pub struct QueryParameter {
    /// As it stands in the query.
    pub name: &'static str,
    /// In words, what holds when it is left out among them.
    pub meaning: &'static str,
    /// What its text must be.
    pub kind: ParameterKind,
}

/// What the text of a parameter must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// RFC 3339 with an offset.
    Instant,
    /// For example `2026-01-31`.
    Date,
    /// An id of the shop's.
    Id,
    /// A whole number from 0 to this.
    UpTo(usize),
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// Decoded path and query parameters of one call.
#[derive(Debug, Default)]
pub struct Parameters<'a> {
    /// From the path, in the order of the template.
    pub path: Vec<(&'a str, String)>,
    /// From the query, in the order given; each is one that the route knows, and of its kind.
    pub query: Vec<(String, String)>,
}

impl Parameters<'_> {
    /// A parameter of the query; the last one where several stand there.
    pub fn query(&self, name: &str) -> Option<&str> {
        let mut given = self.query.iter().rev();
        given.find(|(n, _)| n == name).map(|(_, text)| &text[..])
    }
}

impl<R> Route<R> {
    /// Whether a call brings a body.
    pub fn takes_body(&self) -> bool {
        self.method == "POST"
    }

    /// Names of the path's parameters, in order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(parameter)
    }

    /// Refuses parameters that the route does not know, or that are not what they must be.
    pub(crate) fn check(&self, parameters: &Parameters<'_>) -> Result<(), CallerError> {
        for (name, id) in &parameters.path {
            check_id(id, name)?;
        }
        for (name, text) in &parameters.query {
            let known = self.query.iter().find(|known| known.name == name);
            let known = known.ok_or_else(|| self.unknown(name))?;
            known.kind.check(text, name)?;
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> CallerError {
        let known: Vec<_> = self.query.iter().map(|known| known.name).collect();
        let expected = match &known[..] {
            [] => "none is expected".to_owned(),
            known => format!("expected are {}", known.join(", ")),
        };
        let reason = format!("unknown query parameter {}, {expected}", shown(name));
        value_error(name.to_owned(), reason)
    }
}

/// The name in a segment of a template such as `{customer_id}`.
pub(crate) fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl ParameterKind {
    fn check(self, text: &str, name: &str) -> Result<(), CallerError> {
        let refuse = |expected: String| {
            let reason = format!("{} is not {expected}", shown(text));
            Err(value_error(name.to_owned(), reason))
        };
        match self {
            Self::Instant => parse_instant(text, name).map(|_| ()),
            Self::Date => parse_date(text, name).map(|_| ()),
            Self::Id => check_id(text, name),
            Self::UpTo(most) if text.parse().is_ok_and(|number: usize| number <= most) => Ok(()),
            Self::UpTo(most) => refuse(format!("a whole number from 0 to {most}")),
            Self::OneOf(names) if names.contains(&text) => Ok(()),
            Self::OneOf(names) => refuse(format!("one of {}", names.join(", "))),
        }
    }
}
