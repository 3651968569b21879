//! The whole `main` of a function: cold start, then invocations.

use crate::claims::DynamoClaims;
use crate::clients::Clients;
use crate::config::{self, Settings, SettingsError};
use crate::dispatch::{Event, GatewayResponse};
use crate::dynamo::DynamoStore;
use crate::s3::S3Artifacts;
use crate::telemetry::{self, Origin, REQUEST, RequestMetrics, Times, Trail};
use crate::uploaded_files::UploadedFiles;
pub(crate) use clock::InvocationClock;
use features::time::Timestamp;
use follow::Follower;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use invocation::Invocation;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;
use serving::batch::run::LastPredictions;
use serving::error::Error;
use serving::predictor::Predictor;
use serving::problem::Problem;
use serving::service::{HttpResponse, Observed, Service, problem_response};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tracing::Instrument;
use tracing_subscriber::filter::LevelFilter;

/// Runs a function on Lambda until the environment ends: all that its `main` does.
///
/// Settings are read once ([`Settings`]); a wrong one ends the process with a log line that names all wrong ones. A
/// model that cannot be loaded does not: requests are answered with problems, and the function looks again after 10 s, as it
/// does for another model while one is served.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # fn main_of<P: serving::predictor::Predictor>() -> ExitCode {
/// aws::run::<P>()
/// # }
/// ```
pub fn run<P: Predictor>() -> ExitCode {
    let settings = Settings::from_environment();
    let level = settings.as_ref().map_or(LevelFilter::INFO, |s| s.log_level);
    live(level, P::NAME, settings, serve::<P>)
}

/// From the settings to the end of the environment, with `serve` in between; `target` are log lines of the function's crate.
pub(crate) fn live<S>(
    level: LevelFilter,
    target: &'static str,
    settings: Result<S, SettingsError>,
    serve: impl AsyncFnOnce(S) -> Result<(), lambda_runtime::Error>,
) -> ExitCode {
    telemetry::start(level, target);
    if !config::is_inside_lambda() {
        tracing::error!(
            "this program answers Lambda's runtime: start it with `cargo lambda watch`, or deploy it"
        );
        return ExitCode::FAILURE;
    }
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(%error, "not started");
            return ExitCode::FAILURE;
        }
    };
    // One request at a time and less than one core: more threads would only cost their start.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(serve(settings)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "ended");
            ExitCode::FAILURE
        }
    }
}

async fn serve<P: Predictor>(settings: Settings) -> Result<(), lambda_runtime::Error> {
    let started = Instant::now();
    let function = Arc::new(Box::pin(Function::<P>::start(settings)).await);
    let start_ms = started.elapsed().as_secs_f64() * 1000.0;
    tracing::info!(
        start_ms,
        function = P::NAME,
        model_version = function.registry.service().model_version(),
        "ready"
    );
    let answer = |event: LambdaEvent<Box<RawValue>>| {
        let function = Arc::clone(&function);
        async move {
            let invocation = Invocation::of(&event.context);
            function.answer(event.payload.get(), &invocation).await
        }
    };
    Runtime::new(service_fn(answer)).run().await
}

/// A function with its stores.
struct Function<P: Predictor> {
    store: DynamoStore,
    files: UploadedFiles,
    claims: DynamoClaims,
    last: Option<LastPredictions<DynamoStore>>,
    registry: Arc<Follower<P>>,
    answered_before: AtomicBool,
}

/// What Lambda is given back.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Gateway(GatewayResponse),
    Direct(Box<RawValue>),
}

/// What the metrics are told of an answer.
struct Outcome {
    answer: Result<Answer, Diagnostic>,
    observed: Observed,
    failed: bool,
}

impl<P: Predictor> Function<P> {
    async fn start(settings: Settings) -> Self {
        let clients = Clients::from_environment().await;
        let files = UploadedFiles::new(&clients);
        let claims = DynamoClaims::new(clients.dynamo.clone(), &settings.table);
        let last = settings.predictions.map(|kept| LastPredictions {
            store: DynamoStore::new(clients.dynamo.clone(), kept.table),
            kept_days: kept.days,
        });
        let store = DynamoStore::new(clients.dynamo, settings.table);
        let artifacts = S3Artifacts::new(clients.s3, settings.model_bucket, "");
        let library = settings.runtime_library;
        let log = settings.prediction_log.map(Arc::new);
        let follower = Follower::new(store.clone(), artifacts.clone(), library);
        let registry = Arc::new(follower.keeping(log));
        let load = Box::pin(registry.look());
        // The pointers come from DynamoDB; meanwhile the connection to S3, with its handshakes, is opened.
        if let Either::Right(((), load)) = select(load, pin!(artifacts.warm_up())).await {
            load.await;
        }
        Self {
            store,
            files,
            claims,
            last,
            registry,
            answered_before: AtomicBool::new(false),
        }
    }

    /// Answers one event, writes its metrics, and survives its panics.
    async fn answer(
        &self,
        payload: &str,
        invocation: &Invocation<'_>,
    ) -> Result<Answer, Diagnostic> {
        let (began, began_since_1970) = (Instant::now(), since_1970());
        let request_id = invocation.request_id;
        // Of the gravest level, so that lines of every level have it.
        let span = tracing::error_span!(REQUEST, request_id, function = P::NAME);
        self.registry.keep_up().instrument(span.clone()).await;
        let service = self.registry.service();
        let event = Event::read(payload);
        let (over_http, trigger) = (matches!(event, Event::Http(_)), event.trigger());
        let work = async {
            match &event {
                Event::Records { source } => {
                    // On the heap: a call that asks for an answer has no use for its size.
                    Box::pin(self.records(source, payload, request_id, invocation.deadline_ms))
                        .await
                }
                Event::Whole => {
                    Box::pin(self.whole(payload, request_id, invocation.deadline_ms)).await
                }
                _ => outcome(&service, event, payload, request_id).await,
            }
        };
        let work = work.instrument(span.clone());
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        let mut outcome = outcome.unwrap_or_else(|_| panicked(over_http, request_id));
        let trail = Trail::of(&span);
        // What panics, or fails without HTTP around it, brings no observation of its own.
        outcome.observed.by_canary |= trail.by_canary;
        let keep = self.keep(&service, &mut outcome.observed, request_id);
        keep.instrument(span.clone()).await;
        let metrics = RequestMetrics {
            service: invocation.service,
            function: P::NAME,
            model_version: service.version_of(&outcome.observed),
            trigger,
            request_id,
            times: Times {
                began,
                began_since_1970,
                took: began.elapsed(),
            },
            trail: &trail,
            rows_scored: outcome.observed.rows,
            failed: outcome.failed,
            log_failures: outcome.observed.log_failures,
            cold_start: !self.answered_before.swap(true, Ordering::Relaxed),
        };
        metrics.emit(invocation.traced);
        let about = |model_version| Origin {
            service: invocation.service,
            function: P::NAME,
            model_version,
            request_id,
        };
        for (model_version, drift) in &outcome.observed.drifts {
            about(model_version.as_str()).emit_drift(drift, since_1970().as_millis() as u64);
        }
        if let Some(shadowed) = &outcome.observed.shadowed {
            let shadow = about(service.shadow_version());
            shadow.emit_shadow(shadowed, since_1970().as_millis() as u64);
        }
        self.registry.check_rest();
        outcome.answer
    }
}

async fn outcome<P: Predictor>(
    service: &Service<P, DynamoStore>,
    event: Event,
    payload: &str,
    request_id: &str,
) -> Outcome {
    let now = now();
    match event {
        Event::Http(request) => over_http(service.handle_gateway(request, request_id, now).await),
        Event::Undecodable(error) => {
            let problem = Problem::new(&Error::Caller(error)).with_request_id(request_id);
            over_http(problem_response(&problem))
        }
        Event::Records { source } => unsupported(&source),
        Event::Whole => unsupported("whole"),
        Event::Direct => match service
            .handle_direct(payload.as_bytes(), request_id, now)
            .await
        {
            Ok((body, observed)) => Outcome {
                answer: direct(body),
                observed,
                failed: false,
            },
            Err(problem) => refused_directly(&problem),
        },
    }
}

fn over_http(mut response: HttpResponse) -> Outcome {
    let observed = std::mem::take(&mut response.observed);
    let failed = response.status >= 500;
    Outcome {
        answer: Ok(Answer::Gateway(response.into())),
        observed,
        failed,
    }
}

fn direct(body: String) -> Result<Answer, Diagnostic> {
    RawValue::from_string(body)
        .map(Answer::Direct)
        .map_err(|error| Diagnostic {
            error_type: "urn:storecast:problem:internal".to_owned(),
            error_message: error.to_string(),
        })
}

/// A direct caller gets the problem as a function error, so that Step Functions and the like can catch it by type.
fn refused_directly(problem: &Problem) -> Outcome {
    let diagnostic = Diagnostic {
        error_type: problem.kind.to_owned(),
        error_message: serde_json::to_string(problem).unwrap_or_default(),
    };
    Outcome {
        answer: Err(diagnostic),
        observed: Observed::default(),
        failed: problem.status >= 500,
    }
}

fn unsupported(source: &str) -> Outcome {
    let source: String = source.chars().take(40).collect();
    tracing::error!(
        source,
        "events of this source are not scored by this version"
    );
    let diagnostic = Diagnostic {
        error_type: "urn:storecast:problem:unsupported-event".to_owned(),
        error_message: format!("{source} events are not scored by this version"),
    };
    Outcome {
        answer: Err(diagnostic),
        observed: Observed::default(),
        failed: true,
    }
}

/// The panic's place is in the log already; the environment is sound, since no state changes while answering.
fn panicked(is_http: bool, request_id: &str) -> Outcome {
    let problem = Problem::internal("answer the request".to_owned()).with_request_id(request_id);
    if is_http {
        over_http(problem_response(&problem))
    } else {
        refused_directly(&problem)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the handler is where the clock is read; all below it are told"
)]
fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn now() -> Timestamp {
    Timestamp(i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX))
}

mod clock;
mod follow;
mod invocation;
mod keep;
mod records;
#[cfg(test)]
mod tests;
mod whole;
