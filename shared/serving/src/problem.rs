//! RFC 9457 problem details: the only place that knows status codes.

use crate::error::{CallerError, Error};
use schemars::JsonSchema;
use serde::Serialize;

/// Content type of every problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What a caller is told of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Names the kind; stable.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind in words; the same for every occurrence.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// This occurrence: the place, the value and the limit. Never what a log should hold alone.
    pub detail: String,
    /// JSON pointer to the place in the body, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// To find the request in the log.
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
                Self::plain(
                    "urn:storecast:problem:unavailable",
                    "temporarily unavailable",
                    503,
                    detail,
                )
            }
            Error::Internal { what, .. } => Self::internal((*what).to_owned()),
        }
    }

    /// A fault of ours; `detail` must be safe to show.
    pub fn internal(detail: String) -> Self {
        Self::plain(
            "urn:storecast:problem:internal",
            "internal error",
            500,
            detail,
        )
    }

    /// After how many seconds the same request may succeed, for the `retry-after` header; `None` when it will not.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        (self.status == 503).then_some(1)
    }

    /// The same problem, with the request it belongs to.
    #[must_use]
    pub fn with_request_id(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }

    fn of_caller(error: &CallerError) -> Self {
        let (kind, title, status) = match error {
            CallerError::Malformed { .. } => (
                "urn:storecast:problem:malformed-body",
                "body is not JSON",
                400,
            ),
            CallerError::Shape { .. } => (
                "urn:storecast:problem:unexpected-shape",
                "body has another shape",
                422,
            ),
            CallerError::Value { .. } => (
                "urn:storecast:problem:invalid-value",
                "a value is not allowed",
                422,
            ),
            CallerError::NotFound { .. } => ("urn:storecast:problem:not-found", "not known", 404),
            CallerError::NoRoute { .. } => ("urn:storecast:problem:no-route", "no such route", 404),
            CallerError::Method { .. } => {
                ("urn:storecast:problem:method", "method not allowed", 405)
            }
            CallerError::TooLarge { .. } => {
                ("urn:storecast:problem:too-large", "body too large", 413)
            }
        };
        let mut problem = Self::plain(kind, title, status, error.to_string());
        match error {
            CallerError::Shape { pointer, .. } | CallerError::Value { pointer, .. } => {
                problem.pointer = Some(pointer.clone());
            }
            CallerError::Method { allowed, .. } => problem.allow = Some(allowed.clone()),
            _ => {}
        }
        problem
    }

    fn plain(kind: &'static str, title: &'static str, status: u16, detail: String) -> Self {
        Self {
            kind,
            title,
            status,
            detail,
            pointer: None,
            request_id: None,
            allow: None,
        }
    }
}
