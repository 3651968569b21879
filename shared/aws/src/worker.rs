//! A function that takes up everything that is there, whatever tells it to: one piece of work for all messages of an event.
//!
//! A message may be taken off the queue only when work that began after it came has ended well. Work looks at what is there once
//! it has begun, and S3 shows a file before it tells of it, so nothing that was told before can be missed. Work of others that is
//! under way may have looked before the file came: that it ends well says nothing, and messages that meet it come again.

use crate::clients::Clients;
use crate::config::MergeSettings;
use crate::dispatch::Event;
use crate::function::{InvocationClock, live};
use crate::telemetry::REQUEST;
use crate::uploads::{self, BatchFailures};
use futures_util::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use serving::batch::Arrival;
use serving::batch::ports::FilePlace;
use serving::batch::run::Clock;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;
use tracing::Instrument;
use tracing_subscriber::filter::LevelFilter;

/// How often work is tried again while others are at it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What such a function does.
pub trait Worker: Sized {
    /// The function's name.
    const NAME: &'static str;

    /// Once for each environment.
    fn start(settings: MergeSettings, clients: &Clients) -> Self;

    /// Whether a file is one that the work takes up.
    fn is_about(&self, arrival: &Arrival) -> bool;

    /// Takes up everything that is there now. `owner` is the name of this work, unlike any other's; the error is fit for a log:
    /// it holds nothing of what is in a file, and no name of one.
    fn work(&self, owner: &str, clock: &impl Clock) -> impl Future<Output = Result<Work, String>>;

    /// Leaves what work of this owner holds that ended without a word.
    fn leave(&self, owner: &str) -> impl Future<Output = ()>;
}

/// What came of a piece of work.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// All that was there is taken up; what is said of it, without names and values.
    Done(Value),
    /// Others are at it, and may not have seen everything.
    Busy,
}

/// Runs such a function on Lambda until the environment ends: all that its `main` does.
pub fn run<W: Worker>() -> ExitCode {
    let settings = MergeSettings::from_environment();
    let level = settings.as_ref().map_or(LevelFilter::INFO, |s| s.log_level);
    live(level, W::NAME, settings, serve::<W>)
}

async fn serve<W: Worker>(settings: MergeSettings) -> Result<(), lambda_runtime::Error> {
    let desk = &Desk(W::start(settings, &Clients::from_environment().await));
    tracing::info!("ready");
    let answer = |event: LambdaEvent<Box<RawValue>>| async move {
        let request_id = event.context.request_id.as_str();
        let clock = InvocationClock::until(event.context.deadline);
        let span = tracing::error_span!(REQUEST, request_id, function = W::NAME);
        // On the heap, as are its parts: the compiler gives up where it has to lay out all of it in one piece.
        let answered = Box::pin(desk.answer(event.payload.get(), request_id, &clock));
        answered.instrument(span).await
    };
    Runtime::new(service_fn(answer)).run().await
}

struct Desk<W>(W);

impl<W: Worker> Desk<W> {
    async fn answer(
        &self,
        payload: &str,
        request_id: &str,
        clock: &InvocationClock,
    ) -> Result<Box<RawValue>, Diagnostic> {
        let answer = match Event::read(payload) {
            Event::Records { source } if source == "aws:sqs" => {
                self.queued(payload, request_id, clock).await?
            }
            Event::Records { source } if source == "aws:s3" => {
                self.bare(payload, request_id, clock).await?
            }
            _ => {
                return Err(unsupported(
                    "neither a notification of S3 nor messages of a queue",
                ));
            }
        };
        to_raw_value(&answer).map_err(|error| diagnostic("internal", error.to_string()))
    }

    /// A notification without a queue: whoever sent it is told of a failure, and sends it again.
    async fn bare(
        &self,
        payload: &str,
        request_id: &str,
        clock: &InvocationClock,
    ) -> Result<Value, Diagnostic> {
        let files = self.understood(uploads::arrivals(payload));
        if files.map_err(unsupported)? == 0 {
            return Ok(json!({ "outcome": null }));
        }
        let outcome = self.take_up(request_id, clock).await;
        let outcome = outcome.map_err(|reason| diagnostic("unavailable", reason))?;
        Ok(json!({ "outcome": outcome }))
    }

    /// Messages of a queue: each is read by itself, so that one which nobody understands costs no other; one piece of work is
    /// for all that are understood.
    async fn queued(
        &self,
        payload: &str,
        request_id: &str,
        clock: &InvocationClock,
    ) -> Result<Value, Diagnostic> {
        let messages = uploads::messages(payload).map_err(unsupported)?;
        let (mut failed, mut waiting) = (Vec::new(), Vec::new());
        for message in messages {
            match self.understood(message.arrivals) {
                Ok(0) => {}
                Ok(_) => waiting.push(message.id),
                Err(reason) => {
                    tracing::error!(message_id = message.id, reason, "message not understood");
                    failed.push(message.id);
                }
            }
        }
        if !waiting.is_empty() && self.take_up(request_id, clock).await.is_err() {
            failed.append(&mut waiting);
        }
        Ok(json!(BatchFailures::of(failed)))
    }

    /// How many files of ours a notification is about; one of another file is no notification for this function.
    fn understood(&self, arrivals: Result<Vec<Arrival>, String>) -> Result<usize, String> {
        let arrivals = arrivals?;
        match arrivals.iter().find(|arrival| !self.0.is_about(arrival)) {
            None => Ok(arrivals.len()),
            Some(Arrival { bucket, key, .. }) => {
                let (bucket, key) = (bucket.clone(), key.clone());
                // The key may hold a name.
                let file = FilePlace { bucket, key }.token();
                Err(format!("file {file} is none of those that are taken up"))
            }
        }
    }

    /// Logs what came of the work, once.
    async fn take_up(&self, request_id: &str, clock: &InvocationClock) -> Result<Value, String> {
        // Invocations that are tried again have the same id.
        let owner = format!("{request_id} at {}", clock.now_ms());
        let began_ms = clock.now_ms();
        let worked = AssertUnwindSafe(self.in_turn(&owner, clock)).catch_unwind();
        let worked = if let Ok(worked) = worked.await {
            worked
        } else {
            // The place is in the log already.
            Box::pin(self.0.leave(&owner)).await;
            Err("it panicked".to_owned())
        };
        let took_ms = clock.now_ms() - began_ms;
        match &worked {
            Ok(outcome) => tracing::info!(%outcome, took_ms, "work done"),
            Err(reason) => tracing::error!(reason, took_ms, "work failed, must be done again"),
        }
        worked
    }

    /// Waits while others are at it, so that files which come during a merge are merged after it and not when their message is
    /// seen again. Not for longer than half of the time there is: the other half is for the work.
    async fn in_turn(&self, owner: &str, clock: &InvocationClock) -> Result<Value, String> {
        let enough_ms = clock.remaining_ms() / 2;
        let mut waits = false;
        loop {
            if let Work::Done(outcome) = Box::pin(self.0.work(owner, clock)).await? {
                return Ok(outcome);
            }
            if clock.remaining_ms() < enough_ms {
                return Err("others were at it all the time, and may not have seen it".to_owned());
            }
            if !waits {
                tracing::info!("others are at it, waiting");
                waits = true;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn unsupported(reason: impl Into<String>) -> Diagnostic {
    diagnostic("unsupported-event", reason)
}

fn diagnostic(kind: &str, reason: impl Into<String>) -> Diagnostic {
    Diagnostic {
        error_type: format!("urn:storecast:problem:{kind}"),
        error_message: reason.into(),
    }
}

#[cfg(test)]
mod tests;
