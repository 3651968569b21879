//! Steps of a run over the whole base, as a state machine asks for them.
//!
//! | event | answer |
//! |---|---|
//! | `{"whole": {"begin": {"bucket": ..., "as_of": ...}}}` | the run |
//! | `{"whole": {"score": {"run": ..., "chunk": ...}}}` | where the rows of the chunk are |
//! | `{"whole": {"reconcile": {"run": ...}}}` | the report of the run, without what does not balance |
//!
//! What goes wrong is a function error whose type says what to do: see [`UNFINISHED`] and its neighbours.

use super::clock::InvocationClock;
use super::records::{answered, refused};
use super::{Function, Outcome as Invoked, refused_directly};
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use serde_json::json;
use serving::batch::Outcome;
use serving::batch::claim::{Counts, State};
use serving::batch::run::RunReport;
use serving::batch::whole::{Chunk, Run};
use serving::error::Error;
use serving::predictor::Predictor;
use serving::problem::Problem;
use serving::service::Observed;
use serving::wire::parse_instant;

/// The chunk does not fit into one invocation: the same event goes on with it.
const UNFINISHED: &str = "urn:storecast:problem:unfinished";
/// The chunk is not what it was when the run began, or cannot be read: the same event changes nothing.
const SPOILED: &str = "urn:storecast:problem:spoiled-chunk";
/// Rows are missing: the run, begun again for the same instant, does what is not done.
const UNBALANCED: &str = "urn:storecast:problem:unbalanced";

#[derive(Deserialize)]
struct Event {
    whole: Step,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Begin {
        bucket: String,
        #[serde(default)]
        as_of: Option<String>,
    },
    Score {
        run: Box<Run>,
        chunk: Chunk,
    },
    Reconcile {
        run: Box<Run>,
    },
}

impl<P: Predictor> Function<P> {
    /// Does one step.
    pub(super) async fn whole(&self, payload: &str, request_id: &str, deadline_ms: u64) -> Invoked {
        let clock = InvocationClock::until(deadline_ms);
        let step = match serde_json::from_str::<Event>(payload) {
            Ok(event) => event.whole,
            Err(error) => {
                let kind = "urn:storecast:problem:unsupported-event";
                return refused(kind, error.to_string());
            }
        };
        let done = match step {
            Step::Begin { bucket, as_of } => {
                self.begin(&bucket, as_of.as_deref(), request_id, &clock)
                    .await
            }
            Step::Score { run, chunk } => self.score(&run, &chunk, request_id, &clock).await,
            Step::Reconcile { run } => self.reconcile(&run, request_id, &clock).await,
        };
        done.unwrap_or_else(|error| {
            let reason = error.to_string();
            tracing::error!(reason, "step of the whole base failed");
            refused_directly(&Problem::new(&error).with_request_id(request_id))
        })
    }

    async fn begin(
        &self,
        bucket: &str,
        as_of: Option<&str>,
        request_id: &str,
        clock: &InvocationClock,
    ) -> Result<Invoked, Error> {
        let as_of = as_of.map(|text| parse_instant(text, "/whole/begin/as_of"));
        let as_of = as_of.transpose()?.map(|(at, _)| at);
        let batch = self.batch(request_id, clock);
        let run = batch.begin_whole(bucket, as_of).await?;
        tracing::info!(run = run.name, chunks = run.base.chunk_count, "run begun");
        Ok(answered(&run, Observed::default(), false))
    }

    async fn score(
        &self,
        run: &Run,
        chunk: &Chunk,
        request_id: &str,
        clock: &InvocationClock,
    ) -> Result<Invoked, Error> {
        let batch = self.batch(request_id, clock);
        let (outcome, observed) = batch.score_chunk(run, chunk).await?;
        let counts = match outcome {
            Outcome::Scored(counts) | Outcome::Duplicate(State::Completed { result: counts }) => {
                counts
            }
            Outcome::Continued(counts) => {
                let reason = format!("{} of {} rows are done", counts.rows, chunk.rows);
                return Ok(failed(UNFINISHED, reason, observed));
            }
            Outcome::Quarantined(fault) => return Ok(failed(SPOILED, fault.to_string(), observed)),
            Outcome::Duplicate(State::Failed { reason }) => {
                return Ok(failed(SPOILED, reason, observed));
            }
            other => {
                let reason = format!("the chunk changed since the run began ({other:?})");
                return Ok(failed(SPOILED, reason, observed));
            }
        };
        tracing::info!(
            run = run.name,
            chunk = chunk.number,
            rows = counts.rows,
            "chunk done"
        );
        let Counts {
            rows,
            scored,
            rejected,
        } = counts;
        let told =
            json!({ "number": chunk.number, "rows": rows, "scored": scored, "rejected": rejected });
        Ok(answered(&told, observed, false))
    }

    async fn reconcile(
        &self,
        run: &Run,
        request_id: &str,
        clock: &InvocationClock,
    ) -> Result<Invoked, Error> {
        let batch = self.batch(request_id, clock);
        let report = batch.reconcile_whole(run).await?;
        let drift = report.drift.clone();
        let drift = drift.map(|drift| (report.model_version.clone(), drift));
        let observed = Observed {
            drifts: drift.into_iter().collect(),
            ..Observed::default()
        };
        if report.is_balanced() {
            tracing::info!(run = run.name, rows = report.counts.rows, "run done");
            return Ok(answered(&report, observed, false));
        }
        Ok(failed(UNBALANCED, missing(&report), observed))
    }
}

fn missing(report: &RunReport) -> String {
    format!(
        "run {}: {} of {} chunks, {} of {} rows are in place; first: {}",
        report.run,
        report.balanced_chunks,
        report.chunks,
        report.counts.rows,
        report.rows_expected,
        report.faults.first().map_or("nothing", String::as_str)
    )
}

/// A step that ended otherwise than it should, which is logged here once.
fn failed(kind: &str, reason: String, observed: Observed) -> Invoked {
    tracing::warn!(problem = kind, reason, "step of the whole base not done");
    Invoked {
        answer: Err(Diagnostic {
            error_type: kind.to_owned(),
            error_message: reason,
        }),
        observed,
        failed: kind != UNFINISHED,
    }
}
