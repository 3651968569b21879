//! What Lambda says of one invocation.

use crate::telemetry::Traced;
use lambda_runtime::Context;

/// What Lambda says of one invocation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Invocation<'a> {
    /// Its id, in every log line and every problem.
    pub(super) request_id: &'a str,
    /// Milliseconds since 1970.
    pub(super) deadline_ms: u64,
    /// The function's name on AWS.
    pub(super) service: &'a str,
    /// Of X-Ray, when the request is sampled.
    pub(super) traced: Option<Traced<'a>>,
}

impl<'a> Invocation<'a> {
    pub(super) fn of(context: &'a Context) -> Self {
        Self {
            request_id: &context.request_id,
            deadline_ms: context.deadline,
            service: &context.env_config.function_name,
            traced: context.xray_trace_id.as_deref().and_then(Traced::read),
        }
    }
}
