//! The clock of an invocation.

use super::since_1970;
use crate::config;
use serving::batch::run::Clock;
use std::time::Duration;

/// Source: AWS Lambda developer guide, quotas.
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);

/// The clock of an invocation.
pub(crate) struct InvocationClock {
    deadline_ms: i64,
}

impl InvocationClock {
    /// The emulator of `cargo lambda watch` sends a constant near 1970; it ends nothing, so Lambda's longest time counts.
    pub(crate) fn until(deadline_ms: u64) -> Self {
        let now_ms = since_1970().as_millis() as u64;
        let ends_ms = if deadline_ms < now_ms / 2 {
            now_ms + LONGEST_INVOCATION.as_millis() as u64
        } else {
            deadline_ms
        };
        Self {
            deadline_ms: i64::try_from(ends_ms).unwrap_or(i64::MAX),
        }
    }
}

impl Clock for InvocationClock {
    fn now_ms(&self) -> i64 {
        i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
    }

    fn remaining_ms(&self) -> i64 {
        self.deadline_ms.saturating_sub(self.now_ms())
    }

    fn memory_megabytes(&self) -> Option<u32> {
        config::memory_megabytes()
    }
}
