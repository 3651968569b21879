//! RFC 9457 problem details: the only place that knows status codes.

use crate::error::{CallerError, Error};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// Content type of every problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A kind of problem; this list is what the service can answer beside 200.
#[derive(Debug)]
pub struct Kind {
    /// Names it; stable.
    pub urn: &'static str,
    /// In words; the same for every occurrence.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Which calls may end in it.
    pub of: Calls,
}

/// Calls that may end in a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Any.
    All,
    /// Those that bring a body.
    WithBody,
    /// Those whose path names an entity.
    OfEntity,
    /// Those that fit no route.
    Astray,
}

const MALFORMED: Kind = kind(
    "urn:storecast:problem:malformed-body",
    "body is not JSON",
    400,
    Calls::WithBody,
);
const SHAPE: Kind = kind(
    "urn:storecast:problem:unexpected-shape",
    "body has another shape",
    422,
    Calls::WithBody,
);
const VALUE: Kind = kind(
    "urn:storecast:problem:invalid-value",
    "a value is not allowed",
    422,
    Calls::All,
);
const NOT_FOUND: Kind = kind(
    "urn:storecast:problem:not-found",
    "not known",
    404,
    Calls::OfEntity,
);
const NO_ROUTE: Kind = kind(
    "urn:storecast:problem:no-route",
    "no such route",
    404,
    Calls::Astray,
);
const METHOD: Kind = kind(
    "urn:storecast:problem:method",
    "method not allowed",
    405,
    Calls::Astray,
);
const TOO_LARGE: Kind = kind(
    "urn:storecast:problem:too-large",
    "body too large",
    413,
    Calls::All,
);
const INTERNAL: Kind = kind(
    "urn:storecast:problem:internal",
    "internal error",
    500,
    Calls::All,
);
const UNAVAILABLE: Kind = kind(
    "urn:storecast:problem:unavailable",
    "temporarily unavailable",
    503,
    Calls::All,
);

const fn kind(urn: &'static str, title: &'static str, status: u16, of: Calls) -> Kind {
    Kind {
        urn,
        title,
        status,
        of,
    }
}

/// Every kind.
pub const KINDS: [&Kind; 9] = [
    &MALFORMED,
    &SHAPE,
    &VALUE,
    &NOT_FOUND,
    &NO_ROUTE,
    &METHOD,
    &TOO_LARGE,
    &INTERNAL,
    &UNAVAILABLE,
];

/// What the gateway in front answers by itself, with the status and its text: calls without a token, with a wrong one, or
/// too many of them.
pub const GATEWAY_REFUSALS: [(u16, &str); 3] = [
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (429, "Too Many Requests"),
];

/// What a caller is told of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Names the kind; stable.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = KINDS.map(|kind| kind.urn)))]
    pub kind: &'static str,
    /// The kind in words; the same for every occurrence.
    pub title: &'static str,
    /// HTTP status.
    #[schemars(extend("enum" = statuses()))]
    pub status: u16,
    /// This occurrence: the place, the value and the limit.
    // Never what a log should hold alone.
    pub detail: String,
    /// JSON pointer to the place in the body, or the name of the parameter, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Names the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Methods of the path, for the `allow` header.
    #[serde(skip)]
    pub allow: Option<String>,
}

impl Problem {
    /// The problem of an error: what the caller may know of it.
    pub fn new(error: &Error) -> Self {
        match error {
            Error::Caller(caller) => Self::of_caller(caller),
            Error::Retry { what, .. } => {
                let detail = format!("{what}; the same request may succeed in a moment");
                Self::plain(&UNAVAILABLE, detail)
            }
            Error::Internal { what, .. } => Self::internal((*what).to_owned()),
        }
    }

    /// A fault of ours; `detail` must be safe to show.
    pub fn internal(detail: String) -> Self {
        Self::plain(&INTERNAL, detail)
    }

    /// After how many seconds the same request may succeed, for the `retry-after` header; `None` when it will not.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        Self::is_worth_a_retry(self.status).then_some(1)
    }

    /// Whether the same request may succeed later.
    pub fn is_worth_a_retry(status: u16) -> bool {
        status == UNAVAILABLE.status
    }

    /// The same problem, with the request it belongs to.
    #[must_use]
    pub fn with_request_id(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }

    fn of_caller(error: &CallerError) -> Self {
        let kind = match error {
            CallerError::Malformed { .. } => &MALFORMED,
            CallerError::Shape { .. } => &SHAPE,
            CallerError::Value { .. } => &VALUE,
            CallerError::NotFound { .. } => &NOT_FOUND,
            CallerError::NoRoute { .. } => &NO_ROUTE,
            CallerError::Method { .. } => &METHOD,
            CallerError::TooLarge { .. } => &TOO_LARGE,
        };
        let mut problem = Self::plain(kind, error.to_string());
        match error {
            CallerError::Shape { pointer, .. } | CallerError::Value { pointer, .. } => {
                problem.pointer = Some(pointer.clone());
            }
            CallerError::Method { allowed, .. } => problem.allow = Some(allowed.clone()),
            _ => {}
        }
        problem
    }

    fn plain(kind: &Kind, detail: String) -> Self {
        Self {
            kind: kind.urn,
            title: kind.title,
            status: kind.status,
            detail,
            pointer: None,
            request_id: None,
            allow: None,
        }
    }
}

fn statuses() -> BTreeSet<u16> {
    KINDS.iter().map(|kind| kind.status).collect()
}
