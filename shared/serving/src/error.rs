//! What can go wrong with a request, split by who must act: the caller, a retry, or us.

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller must change the request.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The same request may succeed later: a store is slow or away, no model is served yet.
    #[error("{what}: {reason}")]
    Retry {
        /// What was not available, safe to show.
        what: &'static str,
        /// Detail for the log only.
        reason: String,
    },
    /// A fault of ours.
    #[error("{what}: {reason}")]
    Internal {
        /// What was being done, safe to show.
        what: &'static str,
        /// Detail for the log only.
        reason: String,
    },
}

/// What is wrong with a request; each names the place, the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// The body is not JSON.
    #[error("body is not JSON: {reason} at line {line}, column {column}")]
    Malformed {
        /// What the parser met.
        reason: String,
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// The JSON does not have the expected shape: a field is unknown, missing or of another type.
    #[error("{reason}")]
    Shape {
        /// JSON pointer to the place.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// A value is outside what is allowed.
    #[error("{reason}")]
    Value {
        /// JSON pointer to the value, or the name of the path or query parameter.
        pointer: String,
        /// The value (cut short) and the limit.
        reason: String,
    },
    /// An entity is unknown.
    #[error("{what} is not known")]
    NotFound {
        /// For example `customer`.
        what: &'static str,
    },
    /// No such path.
    #[error("no route {path}")]
    NoRoute {
        /// The path asked for, cut short.
        path: String,
    },
    /// The path exists, the method does not.
    #[error("method {method} is not allowed, allowed: {allowed}")]
    Method {
        /// The method asked for.
        method: String,
        /// Comma-separated, as the `allow` header wants it.
        allowed: String,
    },
    /// The body is over the limit.
    #[error("body has {bytes} bytes, at most {limit} allowed")]
    TooLarge {
        /// Size found.
        bytes: usize,
        /// Size allowed.
        limit: usize,
    },
}

impl CallerError {
    /// The same error of a part, told from the whole: `pointer` is where the part stands.
    #[must_use]
    pub fn below(self, pointer: &str) -> Self {
        let whole = |part: String| format!("{pointer}{part}");
        match self {
            Self::Shape { pointer, reason } => Self::Shape {
                pointer: whole(pointer),
                reason,
            },
            Self::Value { pointer, reason } => Self::Value {
                pointer: whole(pointer),
                reason,
            },
            other => other,
        }
    }
}
