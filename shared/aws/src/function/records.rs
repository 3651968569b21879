//! Files that landed in a bucket: bare notifications of S3, and those that a queue brings.

use super::clock::InvocationClock;
use super::{Answer, Function, Outcome as Invoked, unsupported};
use crate::claims::DynamoClaims;
use crate::dynamo::DynamoStore;
use crate::uploaded_files::UploadedFiles;
use crate::uploads::{self, BatchFailures};
use futures_util::FutureExt;
use lambda_runtime::Diagnostic;
use serde_json::json;
use serde_json::value::to_raw_value;
use serving::batch::limits::Limits;
use serving::batch::ports::FilePlace;
use serving::batch::run::{LastPredictions, Pinned, Services};
use serving::batch::{Arrival, Batch, Outcome};
use serving::error::Error;
use serving::predictor::Predictor;
use serving::registry::{Pins, Refusal};
use serving::service::{Observed, Service};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What came of the uploads of one notification.
#[derive(Default)]
struct Told {
    outcomes: Vec<serde_json::Value>,
    observed: Observed,
    failures: usize,
}

impl<P: Predictor> Function<P> {
    /// Scores what the records are about.
    pub(super) async fn records(
        &self,
        source: &str,
        payload: &str,
        request_id: &str,
        deadline_ms: u64,
    ) -> Invoked {
        let clock = InvocationClock::until(deadline_ms);
        match source {
            "aws:s3" => self.bare(payload, request_id, &clock).await,
            "aws:sqs" => self.queued(payload, request_id, &clock).await,
            other => unsupported(other),
        }
    }

    /// A notification without a queue: whoever sent it is told of a failure, and sends it again.
    async fn bare(&self, payload: &str, request_id: &str, clock: &InvocationClock) -> Invoked {
        let arrivals = match uploads::arrivals(payload) {
            Ok(arrivals) => arrivals,
            Err(reason) => return refused("urn:storecast:problem:unsupported-event", reason),
        };
        let told = self.score_all(&arrivals, request_id, clock).await;
        if told.failures > 0 {
            let failures = format!("{} of {} uploads", told.failures, arrivals.len());
            let mut refused = refused(
                "urn:storecast:problem:unavailable",
                format!("{failures} are not scored yet; the same event may succeed later"),
            );
            refused.observed = told.observed;
            return refused;
        }
        answered(&json!({ "outcomes": told.outcomes }), told.observed, false)
    }

    /// Messages of a queue, each by itself: only those that failed come again.
    async fn queued(&self, payload: &str, request_id: &str, clock: &InvocationClock) -> Invoked {
        let messages = match uploads::messages(payload) {
            Ok(messages) => messages,
            Err(reason) => return refused("urn:storecast:problem:unsupported-event", reason),
        };
        let mut observed = Observed::default();
        let mut failed = Vec::new();
        for message in messages {
            let is_done = match message.arrivals {
                Ok(arrivals) => {
                    let told = self.score_all(&arrivals, request_id, clock).await;
                    observed.cases += told.observed.cases;
                    observed.rows += told.observed.rows;
                    observed.drifts.extend(told.observed.drifts);
                    observed.log_failures += told.observed.log_failures;
                    told.failures == 0
                }
                Err(reason) => {
                    tracing::error!(message_id = message.id, reason, "message not understood");
                    false
                }
            };
            if !is_done {
                failed.push(message.id);
            }
        }
        let any_failed = !failed.is_empty();
        answered(&BatchFailures::of(failed), observed, any_failed)
    }

    pub(super) fn batch<'a>(
        &'a self,
        owner: &'a str,
        clock: &'a InvocationClock,
    ) -> Batch<'a, UploadedFiles, DynamoClaims, Self, InvocationClock> {
        Batch {
            files: &self.files,
            claims: &self.claims,
            services: self,
            clock,
            owner,
            limits: Limits::default(),
        }
    }

    async fn score_all(&self, arrivals: &[Arrival], owner: &str, clock: &InvocationClock) -> Told {
        let batch = self.batch(owner, clock);
        let mut told = Told::default();
        for arrival in arrivals {
            let scored = AssertUnwindSafe(batch.score(arrival)).catch_unwind().await;
            let scored = scored.unwrap_or(Err(Error::Internal {
                what: "score a file",
                reason: "it panicked".to_owned(),
            }));
            told.add(arrival, scored);
        }
        told
    }
}

impl Told {
    /// Logs what came of one upload; its key may hold a name, so a hash stands for it.
    fn add(&mut self, arrival: &Arrival, scored: Result<(Outcome, Observed), Error>) {
        let place = FilePlace {
            bucket: arrival.bucket.clone(),
            key: arrival.key.clone(),
        };
        let file = place.token();
        match scored {
            Ok((outcome, observed)) => {
                let told = described(&outcome);
                tracing::info!(file, outcome = %told, "upload done");
                self.outcomes.push(json!({ "file": file, "outcome": told }));
                self.observed.cases += observed.cases;
                self.observed.rows += observed.rows;
                self.observed.drifts.extend(observed.drifts);
                self.observed.log_failures += observed.log_failures;
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(file, reason, "upload failed, must come again");
                self.failures += 1;
            }
        }
    }
}

/// An outcome as answers and logs hold it: no key, no value of a row.
fn described(outcome: &Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Scored(counts) => json!({ "kind": "scored", "counts": counts }),
        Outcome::Continued(counts) => json!({ "kind": "continued", "counts": counts }),
        Outcome::Quarantined(fault) => json!({ "kind": "quarantined", "fault": fault.kind }),
        Outcome::Duplicate(state) => json!({ "kind": "duplicate", "first": state }),
        Outcome::Older => json!({ "kind": "older" }),
        Outcome::Superseded => json!({ "kind": "superseded" }),
        Outcome::Gone => json!({ "kind": "gone" }),
        Outcome::Folder => json!({ "kind": "folder" }),
        Outcome::Output => json!({ "kind": "output" }),
    }
}

pub(super) fn answered(
    answer: &impl serde::Serialize,
    observed: Observed,
    failed: bool,
) -> Invoked {
    let answer = to_raw_value(answer).map(Answer::Direct);
    Invoked {
        answer: answer.map_err(|error| Diagnostic {
            error_type: "urn:storecast:problem:internal".to_owned(),
            error_message: error.to_string(),
        }),
        observed,
        failed,
    }
}

pub(super) fn refused(kind: &str, message: String) -> Invoked {
    Invoked {
        answer: Err(Diagnostic {
            error_type: kind.to_owned(),
            error_message: message,
        }),
        observed: Observed::default(),
        failed: true,
    }
}

impl<P: Predictor> Services for Function<P> {
    type Predictor = P;
    type Store = DynamoStore;
    type Predictions = DynamoStore;

    fn last_predictions(&self) -> Option<&LastPredictions<DynamoStore>> {
        self.last.as_ref()
    }

    fn current(&self) -> Result<(Pins, Pinned<Self>), Error> {
        self.registry.current().ok_or_else(|| Error::Retry {
            what: "no model is served",
            reason: "it was refused, see above".to_owned(),
        })
    }

    async fn pinned(&self, pins: &Pins) -> Result<Option<Pinned<Self>>, Error> {
        // On the heap: as large as a cold start.
        match Box::pin(self.registry.load(pins)).await {
            Ok(served) => {
                let service = Service::new(self.store.clone(), Ok(served));
                Ok(Some(Arc::new(service.keeping(self.registry.log()))))
            }
            Err(Refusal::Store(error)) => Err(serving::service::store_failed(error)),
            Err(refusal) => {
                tracing::warn!(%refusal, "the model that a file was begun with is refused");
                Ok(None)
            }
        }
    }
}
