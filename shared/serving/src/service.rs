//! gather, features, score, respond over any predictor: the request path every trigger shares.

mod answer;
mod routing;
mod text;
mod together;

pub use together::{Brought, RowAnswers, Shared};

use crate::arms::{Arms, Shadowed};
use crate::drift::{Drift, Seen};
use crate::error::{CallerError, Error};
use crate::ports::{HistoryStore, PointerStore, StoreError};
use crate::prediction_log::{LoggedPrediction, PredictionLog};
use crate::predictor::{Model, Predictor, Scored, Served};
use crate::problem::{CONTENT_TYPE, Problem};
use crate::registry::Refusal;
use crate::status::{self, Asked};
use crate::wire::BODY_LIMIT_BYTES;
use features::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::Span;

/// Target of the spans and events that tell what becomes of a request: its stages `parse`, `gather`, `features`, `score` and `respond`, what
/// answered each case (`answered_by`), whether it is the canary's (`by_canary`), whether the caller was `refused`. Who listens may measure; nothing here does.
pub const PATH: &str = "serving::path";

/// A call as the service sees it, whatever brought it.
#[derive(Debug, Clone, Default)]
pub struct HttpRequest {
    /// Upper case.
    pub method: String,
    /// Percent-encoded, without the query.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Decoded from base64 where the gateway encoded it.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
    /// What the metrics need to know of it.
    pub observed: Observed,
}

/// What one call did: for metrics, which hold no id and no payload, and for the log of predictions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// Things asked about.
    pub cases: usize,
    /// Rows the model scored.
    pub rows: usize,
    /// Whether the canary answered.
    pub by_canary: bool,
    /// How far the shadow was from it, where there is one.
    pub shadowed: Option<Shadowed>,
    /// How far the rows of files are from those that a version was trained on.
    pub drifts: Vec<(String, Drift)>,
    /// What is to be kept of the answer.
    pub logged: Vec<LoggedPrediction>,
    /// Times that something could not be kept.
    pub log_failures: usize,
}

/// A predictor in service: its stores and its verified model.
pub struct Service<P: Predictor, S> {
    store: S,
    arms: Result<Arms<P>, Refusal>,
    log: Option<Arc<PredictionLog>>,
    replaying: Arc<AtomicBool>,
}

impl<P: Predictor, S: HistoryStore> Service<P, S> {
    /// A refused model still answers: with 503, and the reason in the log.
    pub fn new(store: S, served: Result<Arc<Served<P>>, Refusal>) -> Self {
        Self {
            store,
            arms: served.map(Arms::only),
            log: None,
            replaying: Arc::default(),
        }
    }

    /// With what is tried beside the served model.
    pub fn with_arms(store: S, arms: Arms<P>) -> Self {
        Self {
            store,
            arms: Ok(arms),
            log: None,
            replaying: Arc::default(),
        }
    }

    /// The same, and what is answered is kept.
    #[must_use]
    pub fn keeping(self, log: Option<Arc<PredictionLog>>) -> Self {
        Self { log, ..self }
    }

    /// The same, and whoever asks for its health is told whether golden rows are still to be replayed.
    #[must_use]
    pub fn replaying(self, replaying: Arc<AtomicBool>) -> Self {
        Self { replaying, ..self }
    }

    /// What is kept of what is answered, and where.
    pub fn log(&self) -> Option<&PredictionLog> {
        self.log.as_deref()
    }

    /// What is served, if anything is.
    pub fn arms(&self) -> Option<&Arms<P>> {
        self.arms.as_ref().ok()
    }

    /// Version of what answered, or `none`.
    pub fn version_of(&self, observed: &Observed) -> &str {
        let canary = self.arms().and_then(|arms| arms.canary.as_ref());
        match canary.filter(|_| observed.by_canary) {
            Some(canary) => &canary.served.model.manifest.version,
            None => self.model_version(),
        }
    }

    /// Version of the served model, or `none`.
    pub fn model_version(&self) -> &str {
        self.arms()
            .map_or("none", |arms| &arms.served.model.manifest.version)
    }

    /// Version of the shadow, or `none`.
    pub fn shadow_version(&self) -> &str {
        let shadow = self.arms().and_then(|arms| arms.shadow.as_ref());
        shadow.map_or("none", |shadow| &shadow.model.manifest.version)
    }

    /// Fingerprint of the served model's columns, or `none`.
    pub fn fingerprint(&self) -> &str {
        self.arms().map_or("none", |arms| {
            &arms.served.model.manifest.features.fingerprint
        })
    }

    /// How far rows are from those that the served model was trained on, if it knows and there are enough.
    pub fn drift(&self, seen: &Seen) -> Option<Drift> {
        let manifest = &self.arms()?.served.model.manifest;
        seen.drift(manifest.distribution.as_ref()?, &manifest.features)
    }

    /// Answers one call; every failure becomes a problem.
    pub async fn handle_http(
        &self,
        request: HttpRequest,
        request_id: &str,
        now: Timestamp,
    ) -> HttpResponse {
        let mut observed = Observed::default();
        match self.route(&request, now, &mut observed).await {
            Ok(body) => answered(body, observed),
            Err(error) => HttpResponse {
                observed,
                ..problem_response(&report(&error).with_request_id(request_id))
            },
        }
    }

    /// The same, and how the service is and what it serves.
    pub async fn handle_gateway(
        &self,
        request: HttpRequest,
        request_id: &str,
        now: Timestamp,
    ) -> HttpResponse
    where
        S: PointerStore,
    {
        if !status::ROUTES
            .iter()
            .any(|route| route.path == request.path)
        {
            return self.handle_http(request, request_id, now).await;
        }
        match self.status(&request).await {
            Ok(body) => answered(body, Observed::default()),
            Err(error) => problem_response(&report(&error).with_request_id(request_id)),
        }
    }

    /// Answers the JSON that `POST` takes, without HTTP around it: a direct invocation.
    pub async fn handle_direct(
        &self,
        body: &[u8],
        request_id: &str,
        now: Timestamp,
    ) -> Result<(String, Observed), Problem> {
        let mut observed = Observed::default();
        let answer = async {
            let request = Self::parse_within_limit(body)?;
            self.answer(&request, now, &mut observed).await
        };
        let answer = answer.await.map(|body| (body, observed));
        answer.map_err(|error| report(&error).with_request_id(request_id))
    }

    async fn status(&self, http: &HttpRequest) -> Result<String, Error>
    where
        S: PointerStore,
    {
        let (route, parameters) = routing::find(status::ROUTES, http)?;
        let text = match (route.request)(&parameters, &http.body)? {
            Asked::Health => {
                let arms = self.arms();
                let version = arms.map(|arms| &arms.served.model.manifest.version[..]);
                let replaying = self.replaying.load(Ordering::Acquire);
                serde_json::to_string(&status::health(&self.store, version, replaying).await?)
            }
            Asked::Models => serde_json::to_string(&status::models(&self.store).await?),
        };
        text.map_err(|error| Error::Internal {
            what: "write the answer",
            reason: error.to_string(),
        })
    }

    async fn route(
        &self,
        http: &HttpRequest,
        now: Timestamp,
        observed: &mut Observed,
    ) -> Result<String, Error> {
        let (route, parameters) = routing::find(P::routes(), http)?;
        if http.body.len() > BODY_LIMIT_BYTES {
            return Err(too_large(http.body.len()));
        }
        let request = parse().in_scope(|| (route.request)(&parameters, &http.body))?;
        self.answer(&request, now, observed).await
    }

    fn parse_within_limit(body: &[u8]) -> Result<P::Request, Error> {
        if body.len() > BODY_LIMIT_BYTES {
            return Err(too_large(body.len()));
        }
        parse().in_scope(|| P::parse(body))
    }

    fn served(&self) -> Result<&Served<P>, Error> {
        self.arms_or_refusal().map(|arms| &*arms.served)
    }

    fn arms_or_refusal(&self) -> Result<&Arms<P>, Error> {
        self.arms.as_ref().map_err(|_| self.refused())
    }

    fn refused(&self) -> Error {
        let reason = self
            .arms
            .as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default();
        Error::Retry {
            what: "no model is served",
            reason,
        }
    }
}

/// The failure of a store, as a request sees it.
pub fn store_failed(error: StoreError) -> Error {
    let reason = error.to_string();
    match error {
        StoreError::Unavailable { .. } => Error::Retry {
            what: "the feature store is not available",
            reason,
        },
        StoreError::Broken { .. } => Error::Internal {
            what: "read the feature store",
            reason,
        },
    }
}

/// Taking a request apart.
pub(crate) fn parse() -> Span {
    tracing::debug_span!(target: PATH, "parse")
}

fn gather() -> Span {
    tracing::debug_span!(target: PATH, "gather")
}

/// Columns, then scores.
fn score<P: Predictor>(model: &Model<P>, cases: &[P::Case]) -> Result<Vec<Scored>, Error> {
    let features = tracing::debug_span!(target: PATH, "features");
    let (rows, ranges) = features.in_scope(|| model.rows(cases));
    let score = tracing::debug_span!(target: PATH, "score");
    let scored = score.in_scope(|| model.score_rows(&rows, &ranges));
    scored.map_err(|error| Error::Internal {
        what: "score",
        reason: error.to_string(),
    })
}

fn respond() -> Span {
    tracing::debug_span!(target: PATH, "respond")
}

fn too_large(bytes: usize) -> Error {
    CallerError::TooLarge {
        bytes,
        limit: BODY_LIMIT_BYTES,
    }
    .into()
}

/// Logs what the caller must not see, once, and makes the problem. What callers did wrong is theirs to see, not ours
/// to log: it may quote their data.
fn report(error: &Error) -> Problem {
    let problem = Problem::new(error);
    match error {
        Error::Caller(_) => {
            tracing::debug!(target: PATH, refused = true);
            tracing::info!(
                status = problem.status,
                problem = problem.kind,
                "request refused"
            );
        }
        Error::Retry { what, reason } => {
            tracing::warn!(what, reason, "request failed, may be retried");
        }
        Error::Internal { what, reason } => tracing::error!(what, reason, "request failed"),
    }
    problem
}

fn answered(body: String, observed: Observed) -> HttpResponse {
    HttpResponse {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body,
        observed,
    }
}

/// A problem as HTTP answers it.
pub fn problem_response(problem: &Problem) -> HttpResponse {
    let mut headers = vec![("content-type", CONTENT_TYPE.to_owned())];
    if let Some(allow) = &problem.allow {
        headers.push(("allow", allow.clone()));
    }
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.push(("retry-after", seconds.to_string()));
    }
    let body = serde_json::to_string(problem).unwrap_or_default();
    HttpResponse {
        status: problem.status,
        headers,
        body,
        observed: Observed::default(),
    }
}
