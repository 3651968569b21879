//! Following the pointers: which model an environment serves, from its start on.
//!
//! An environment looks at the pointers again with a request, at most every [`LOOK_EVERY`]: beside the request's own reads,
//! in a task of its own, so that the answer waits for nothing. What is new is fetched there, verified on another thread,
//! and taken up at once; requests that are under way end with what they began with. What is refused changes nothing but
//! the log: the last good model goes on. What was noted of a canary goes out with the look, beside it.
//!
//! Lambda stops an environment between its invocations, so the task goes on while requests are answered. One that still
//! has not ended after [`WAIT_AFTER`], because requests are few and short, is waited for by the next request: otherwise a
//! rarely asked environment would never see a release.

mod canary;
mod golden;

use crate::dynamo::DynamoStore;
use crate::s3::S3Artifacts;
use futures_util::future::{join, try_join3};
use serving::arms::{Arms, CanaryArm};
use serving::ports::StoreError;
use serving::prediction_log::PredictionLog;
use serving::predictor::{Predictor, Served};
use serving::registry::{
    GoldenRows, ModelRelease, ModelVersion, PinnedFiles, Pins, Refusal, Releases, fetch_pinned,
    read_releases,
};
use serving::service::Service;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tracing::Instrument;

/// How old what an environment knows of the pointers may be when a request comes.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long a look may go on beside requests before one waits for it.
pub(super) const WAIT_AFTER: Duration = Duration::from_mins(1);

/// How long a model may take to load: Lambda ends a start after 10 s and begins anew, where answering 503 and looking
/// again later does more good.
const LOAD_LIMIT: Duration = Duration::from_secs(8);

/// Where models and pointers are, and what was made of them.
pub(super) struct Follower<P: Predictor> {
    store: DynamoStore,
    artifacts: S3Artifacts,
    runtime_library: Option<PathBuf>,
    log: Option<Arc<PredictionLog>>,
    /// Whether golden rows of what is served are still to be replayed.
    replaying: Arc<AtomicBool>,
    state: Mutex<State<P>>,
}

struct State<P: Predictor> {
    service: Arc<Service<P, DynamoStore>>,
    /// What the service was made of.
    releases: Option<Releases>,
    /// What was refused since, so that it is told once.
    refused: Option<Releases>,
    /// When the last look began.
    looked_at: Instant,
    /// When the first look began that has brought nothing yet.
    unfinished_since: Option<Instant>,
    /// What was taken up by a sample of its golden rows, and has not replayed all of them.
    sampled: Vec<(Arc<Served<P>>, PinnedFiles)>,
    /// Whether a model that passed its sample failed another row: then no sample is trusted here any more.
    distrusts_samples: bool,
}

impl<P: Predictor> Follower<P> {
    /// Nothing is served before the first [`look`](Self::look).
    pub(super) fn new(
        store: DynamoStore,
        artifacts: S3Artifacts,
        runtime_library: Option<PathBuf>,
    ) -> Self {
        let nothing = Refusal::from(StoreError::unavailable(
            "load",
            "the served model",
            "not yet",
        ));
        let state = Mutex::new(State {
            service: Arc::new(Service::new(store.clone(), Err(nothing))),
            releases: None,
            refused: None,
            looked_at: Instant::now(),
            unfinished_since: None,
            sampled: Vec::new(),
            distrusts_samples: false,
        });
        Self {
            store,
            artifacts,
            runtime_library,
            log: None,
            replaying: Arc::default(),
            state,
        }
    }

    /// The same, and what is answered is kept.
    pub(super) fn keeping(self, log: Option<Arc<PredictionLog>>) -> Self {
        Self { log, ..self }
    }

    /// What is kept of what is answered, and where.
    pub(super) fn log(&self) -> Option<Arc<PredictionLog>> {
        self.log.clone()
    }

    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model of this moment.
    pub(super) fn service(&self) -> Arc<Service<P, DynamoStore>> {
        Arc::clone(&self.state().service)
    }

    /// The model of this moment with what it is; `None` when nothing is served.
    pub(super) fn current(&self) -> Option<(Pins, Arc<Service<P, DynamoStore>>)> {
        let state = self.state();
        let pins = state.releases.as_ref()?.pins();
        Some((pins, Arc::clone(&state.service)))
    }

    /// Begins a look when one is due, and waits for it only where there is nothing to answer with, or nothing new was had
    /// for long.
    pub(super) async fn keep_up(self: &Arc<Self>) {
        let Some((look, must_wait)) = self.begin() else {
            return;
        };
        if must_wait {
            // It cannot be cancelled, and a panic in it has been told.
            let _ = look.await;
        }
    }

    /// The look that is due, and whether a request has to wait for it.
    fn begin(self: &Arc<Self>) -> Option<(JoinHandle<()>, bool)> {
        let must_wait = {
            let mut state = self.state();
            if state.looked_at.elapsed() < LOOK_EVERY {
                return None;
            }
            // Others do not begin a second one.
            state.looked_at = Instant::now();
            let since = *state.unfinished_since.get_or_insert_with(Instant::now);
            state.releases.is_none() || since.elapsed() >= WAIT_AFTER
        };
        let follower = Arc::clone(self);
        let look = async move { follower.look().await };
        Some((tokio::spawn(look.in_current_span()), must_wait))
    }

    /// Reads the pointers, and takes up what they say.
    pub(super) async fn look(&self) {
        let before = self.state().releases.clone();
        // On the heap: it is 40 kB that a request has no use for.
        let looked = tokio::time::timeout(LOAD_LIMIT, Box::pin(self.looked(before.as_ref())));
        let looked = looked
            .await
            .unwrap_or_else(|_| Err((None, Refusal::from(too_slow()))));
        match looked {
            Ok(None) => self.state().unfinished_since = None,
            Ok(Some((releases, arms))) => self.take_up(releases, arms),
            Err((releases, refusal)) => self.keep_on(releases, refusal),
        }
    }

    /// What is new, loaded; `None` when nothing is.
    async fn looked(&self, before: Option<&Releases>) -> Result<Option<Loaded<P>>, NotLoaded> {
        let read = || read_releases::<P>(&self.store);
        let (mut releases, is_stopped) = join(read(), Box::pin(self.watch_canary())).await;
        if is_stopped {
            releases = read().await;
        }
        let releases = releases.map_err(|refusal| (None, refusal))?;
        let known = self.state().refused.as_ref() == Some(&releases);
        if before == Some(&releases) || (before.is_some() && known) {
            return Ok(None);
        }
        match self.load_arms(&releases).await {
            Ok(arms) => Ok(Some((releases, arms))),
            Err(refusal) => Err((Some(Box::new(releases)), refusal)),
        }
    }

    /// Everything that a release uses, side by side.
    async fn load_arms(&self, releases: &Releases) -> Result<Arms<P>, Refusal> {
        let ModelRelease { canary, shadow, .. } = &releases.model;
        let canary_model = canary.as_ref().map(|canary| &canary.model);
        let shadow_model = shadow.as_ref().map(|shadow| &shadow.model);
        let (served, canary_model, shadow) = try_join3(
            // On the heap, as what it fetches is.
            Box::pin(self.load(&releases.pins())),
            Box::pin(self.load_beside(releases, canary_model, "canary")),
            Box::pin(self.load_beside(releases, shadow_model, "shadow")),
        )
        .await?;
        let canary = canary
            .as_ref()
            .zip(canary_model)
            .map(|(canary, served)| CanaryArm {
                served,
                percent: canary.percent,
                salt: canary.salt.clone(),
                trials: self.trials_of(canary),
            });
        Ok(Arms {
            served,
            canary,
            shadow,
        })
    }

    /// What is tried beside the served version. When it is refused, the served version goes on without it.
    async fn load_beside(
        &self,
        releases: &Releases,
        version: Option<&ModelVersion>,
        role: &'static str,
    ) -> Result<Option<Arc<Served<P>>>, Refusal> {
        let Some(version) = version else {
            return Ok(None);
        };
        match self.load(&releases.pins_with(version)).await {
            Ok(served) => Ok(Some(served)),
            Err(Refusal::Store(error)) => Err(error.into()),
            Err(refusal) => {
                tracing::error!(%refusal, role, "model refused");
                Ok(None)
            }
        }
    }

    /// A model and a policy, fetched and verified, or those that are there already.
    pub(super) async fn load(&self, pins: &Pins) -> Result<Arc<Served<P>>, Refusal> {
        if let Some(known) = self.known(pins) {
            return Ok(known);
        }
        let files = fetch_pinned::<P>(&self.artifacts, pins).await?;
        if self.may_sample() {
            return self.by_sample(pins, files);
        }
        let (pins, library) = (pins.clone(), self.runtime_library.clone());
        // Hashes and golden rows are all work: on this thread they would hold up every answer.
        let verify = move || files.verified::<P>(&pins, library.as_deref(), GoldenRows::All);
        let verified = tokio::task::spawn_blocking(verify).await;
        let verified = verified.unwrap_or_else(|_| {
            let reason = "the verification panicked";
            Err(Refusal::unreadable("the model", reason))
        });
        verified.map(Arc::new)
    }

    fn known(&self, pins: &Pins) -> Option<Arc<Served<P>>> {
        let state = self.state();
        let (releases, arms) = (state.releases.as_ref()?, state.service.arms()?);
        let model = &releases.model;
        let canary = model.canary.as_ref().zip(arms.canary.as_ref());
        let canary = canary.map(|(canary, arm)| (&canary.model, &arm.served));
        let shadow = model.shadow.as_ref().zip(arms.shadow.as_ref());
        let shadow = shadow.map(|(shadow, served)| (&shadow.model, served));
        let mut loaded = [Some((&model.served, &arms.served)), canary, shadow].into_iter();
        let found = loaded
            .find_map(|known| known.filter(|(version, _)| releases.pins_with(version) == *pins));
        found.map(|(_, served)| Arc::clone(served))
    }

    fn take_up(&self, releases: Releases, arms: Arms<P>) {
        let service = Service::with_arms(self.store.clone(), arms);
        let service = service.keeping(self.log.clone());
        let service = Arc::new(service.replaying(Arc::clone(&self.replaying)));
        let beside = |version: Option<&str>| version.unwrap_or("none").to_owned();
        let model = &releases.model;
        let canary = model.canary.as_ref().map(|c| &c.model.pointer.version[..]);
        let shadow = model.shadow.as_ref().map(|s| &s.model.pointer.version[..]);
        tracing::info!(
            model_version = service.model_version(),
            canary = beside(canary),
            shadow = beside(shadow),
            policy = releases.policy.served.sha256,
            "model taken up"
        );
        let mut state = self.state();
        let before = state.releases.as_ref();
        let had_canary = before.is_some_and(|before| before.model.canary.is_some());
        if let Some(stopped) = model.stopped().filter(|_| had_canary) {
            let reason = stopped.reason.as_deref().unwrap_or_default();
            tracing::error!(
                model_version = stopped.target.version,
                reason,
                "canary stopped"
            );
        }
        state.service = service;
        state.releases = Some(releases);
        state.refused = None;
        state.unfinished_since = None;
    }

    /// The last good model goes on; without one, the refusal answers.
    fn keep_on(&self, releases: Option<Box<Releases>>, refusal: Refusal) {
        let mut state = self.state();
        let is_serving = state.releases.is_some();
        if is_serving && matches!(refusal, Refusal::Store(StoreError::Unavailable { .. })) {
            tracing::warn!(%refusal, "the release could not be looked at, the model before goes on");
            return;
        }
        tracing::error!(%refusal, is_serving, "model refused");
        state.unfinished_since = None;
        state.refused = releases.map(|releases| *releases);
        if !is_serving {
            state.service = Arc::new(Service::new(self.store.clone(), Err(refusal)));
        }
    }
}

/// What the pointers say, and the models of it.
type Loaded<P> = (Releases, Arms<P>);
/// What the pointers say, if they could be read, and why there is no model of it.
type NotLoaded = (Option<Box<Releases>>, Refusal);

fn too_slow() -> StoreError {
    let reason = format!("not there after {} s", LOAD_LIMIT.as_secs());
    StoreError::unavailable("load", "the served model", reason)
}

#[cfg(test)]
impl<P: Predictor> Follower<P> {
    /// As if the last look had begun that much earlier.
    pub(super) fn age(&self, by: Duration) {
        let mut state = self.state();
        if let Some(earlier) = state.looked_at.checked_sub(by) {
            state.looked_at = earlier;
        }
    }

    /// How long ago the last look began.
    pub(super) fn since_look(&self) -> Duration {
        self.state().looked_at.elapsed()
    }
}
