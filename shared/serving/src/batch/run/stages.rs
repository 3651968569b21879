//! Stages of a file that requests do not have, and the pause between its steps.

use crate::service::PATH;
use std::future::poll_fn;
use std::task::Poll;
use tracing::Span;

/// Unpacking bytes and splitting them into rows.
pub(super) fn split() -> Span {
    tracing::debug_span!(target: PATH, "split")
}

/// Writing answers and rejects, as far as parts are full.
pub(super) fn write() -> Span {
    tracing::debug_span!(target: PATH, "write")
}

/// Lets what else is under way go on, such as reading what comes next: a runtime of one thread does nothing else while rows are parsed and
/// scored.
pub(super) async fn pause() {
    let mut has_paused = false;
    poll_fn(|context| {
        if has_paused {
            return Poll::Ready(());
        }
        has_paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
