//! Time for commands, which have more of it than an invocation.

use features::time::Timestamp;
use serving::batch::run::Clock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds that a command may write to the table.
const LIMIT_MS: i64 = 6 * 3_600_000;

/// Time from the start of a command on.
#[derive(Debug)]
pub(super) struct CommandClock {
    until_ms: i64,
}

impl CommandClock {
    pub(super) fn started() -> Self {
        Self {
            until_ms: now_ms() + LIMIT_MS,
        }
    }

    /// Tells this process from any other.
    pub(super) fn owner(&self) -> String {
        format!("process {} until {}", std::process::id(), self.until_ms)
    }
}

impl Clock for CommandClock {
    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn remaining_ms(&self) -> i64 {
        self.until_ms - now_ms()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is one of the two places that read a clock"
)]
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// The instant of the command.
pub(super) fn now() -> Timestamp {
    Timestamp(now_ms() / 1000)
}
