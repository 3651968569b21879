//! One upload, from its event to its claim's end.

mod claiming;
mod continuing;
mod ending;
mod last;
mod reconcile;
mod score;
mod source;
mod splitter;
mod stages;
mod whole;
mod work;

use super::claim::{Claim, Counts, State};
use super::limits::{FileFault, Limits};
use super::name::{Key, UploadName};
use super::ports::{ClaimStore, FileHead, FilePlace, FileStore};
use super::shape::RowShape;
use super::whole::Run;
use crate::error::Error;
use crate::ports::{HistoryStore, PredictionStore, StoreError};
use crate::predictor::Predictor;
use crate::registry::Pins;
use crate::service::{Brought, Observed, Service, Shared, store_failed};
use bytes::Bytes;
pub use continuing::{put_marker, read_whole};
use features::time::Timestamp;
pub use reconcile::RunReport;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::sync::Arc;
use work::Worked;

/// Time that must be left to begin another chunk, beside what chunks take: enough to write the outputs of what is done, to
/// leave the file for the next invocation, or to give up cleanly.
const DEADLINE_MARGIN_MS: i64 = 5_000;

/// What an event says of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// The bucket.
    pub bucket: String,
    /// The decoded key.
    pub key: String,
    /// The content's `ETag`, without quotes.
    pub etag: Option<String>,
    /// The content's version, where the bucket keeps versions.
    pub version_id: Option<String>,
    /// Orders events of one key; may be empty.
    pub sequencer: String,
}

/// What became of an event. Each of them ends it: nothing is left to do, and nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The file was scored.
    Scored(Counts),
    /// The file does not fit into one invocation. These rows are done; the event of its marker brings the others.
    Continued(Counts),
    /// The file cannot be scored; its report says why.
    Quarantined(FileFault),
    /// The same content was done before; this is what came of it.
    Duplicate(State),
    /// A later content of the key was claimed already.
    Older,
    /// The key holds another content by now, whose own event will come, or came.
    Superseded,
    /// The file is not there any more.
    Gone,
    /// A folder marker.
    Folder,
    /// One of our own outputs.
    Output,
}

/// What the outside tells of the invocation.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// Milliseconds until the invocation ends.
    fn remaining_ms(&self) -> i64;
    /// Megabytes of memory that it is billed by, where that is known.
    fn memory_megabytes(&self) -> Option<u32> {
        None
    }
}

/// Where the last prediction of each entity is kept, and for how long.
#[derive(Debug, Clone)]
pub struct LastPredictions<S> {
    /// The store.
    pub store: S,
    /// Days after the instant that a file or run asks about.
    pub kept_days: u32,
}

/// The models that files are scored with, and where predictions are kept besides.
pub trait Services: Send + Sync {
    /// The predictor.
    type Predictor: Predictor;
    /// Where histories are read.
    type Store: HistoryStore;
    /// Where last predictions are kept.
    type Predictions: PredictionStore;

    /// Where the last prediction of each entity is kept; `None` where nobody asked for it.
    fn last_predictions(&self) -> Option<&LastPredictions<Self::Predictions>>;

    /// What is served now.
    fn current(&self) -> Result<(Pins, Pinned<Self>), Error>;

    /// What was served when a file was first begun; `None` when this code can no longer serve it.
    fn pinned(
        &self,
        pins: &Pins,
    ) -> impl Future<Output = Result<Option<Pinned<Self>>, Error>> + Send;
}

/// A service with a model that does not change.
pub type Pinned<M> = Arc<Service<<M as Services>::Predictor, <M as Services>::Store>>;

/// Everything a run needs of the outside.
#[derive(Debug)]
pub struct Batch<'a, F, C, M, K> {
    /// Uploads and outputs.
    pub files: &'a F,
    /// Claims.
    pub claims: &'a C,
    /// Models.
    pub services: &'a M,
    /// Time.
    pub clock: &'a K,
    /// This invocation, unlike any other.
    pub owner: &'a str,
    /// Caps.
    pub limits: Limits,
}

/// A file to score.
struct Asked<'a> {
    place: &'a FilePlace,
    name: &'a UploadName,
    head: &'a FileHead,
    /// What claims call its content.
    content: &'a str,
    sequencer: &'a str,
    /// Why its name says that it cannot be scored.
    misnamed: Option<FileFault>,
    /// The run that it is a chunk of; none for an upload.
    run: Option<&'a Run>,
}

impl Asked<'_> {
    /// What is claimed: the upload, or what a run makes of its chunk.
    fn claimed(&self) -> FilePlace {
        match self.run {
            None => self.place.clone(),
            Some(_) => self.place.beside(self.name.scored()),
        }
    }
}

/// A claimed file.
struct Job<'a, M: Services> {
    place: &'a FilePlace,
    claimed: FilePlace,
    run: Option<&'a Run>,
    name: &'a UploadName,
    head: &'a FileHead,
    shape: &'static RowShape,
    service: Pinned<M>,
    claim: Claim,
    /// Of the claim, and this one.
    restarts: u32,
    begun_ms: i64,
}

/// Why a run ends early.
enum Stop {
    /// The file cannot be scored, now or ever.
    Fault(FileFault),
    /// The key holds another content.
    Changed,
    /// Something else failed; the event must come again.
    Failed(Error),
    /// What earlier invocations left cannot be continued; the event must come again, and the file begins anew.
    Lost(Error),
}

impl From<FileFault> for Stop {
    fn from(fault: FileFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(files_failed(error))
    }
}

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// Scores one upload. An error means that the event must come again; what was done so far does no harm.
    pub async fn score(&self, arrival: &Arrival) -> Result<(Outcome, Observed), Error> {
        if let Key::Unfinished(key) = Key::read(&arrival.key, M::Predictor::NAME) {
            return match self.marked(arrival, key).await? {
                Some(upload) => self.score_upload(&upload).await,
                None => Ok((Outcome::Gone, Observed::default())),
            };
        }
        self.score_upload(arrival).await
    }

    async fn score_upload(&self, arrival: &Arrival) -> Result<(Outcome, Observed), Error> {
        let ended = |outcome| Ok((outcome, Observed::default()));
        let (name, misnamed) = match Key::read(&arrival.key, M::Predictor::NAME) {
            Key::Folder => return ended(Outcome::Folder),
            Key::Output => return ended(Outcome::Output),
            Key::Unfinished(_) => return Err(refuse("continue a marker")),
            Key::Foreign => return Err(refuse("score an upload outside the function's prefix")),
            Key::Upload(name) => (name, None),
            Key::Unreadable(name, reason) => (name, Some(FileFault::new("wrong name", reason))),
        };
        let place = FilePlace {
            bucket: arrival.bucket.clone(),
            key: arrival.key.clone(),
        };
        let version_id = arrival.version_id.as_deref();
        let head = self.files.head_file(&place, version_id).await;
        let Some(head) = head.map_err(files_failed)? else {
            return ended(Outcome::Gone);
        };
        let is_other = |etag: &String| *etag != head.version.etag;
        if version_id.is_none() && arrival.etag.as_ref().is_some_and(is_other) {
            return ended(Outcome::Superseded);
        }
        self.score_asked(Asked {
            place: &place,
            name: &name,
            head: &head,
            content: head.version.name(),
            sequencer: &arrival.sequencer,
            misnamed,
            run: None,
        })
        .await
    }

    async fn score_asked(&self, asked: Asked<'_>) -> Result<(Outcome, Observed), Error> {
        let shape = M::Predictor::rows();
        let shape = shape.ok_or_else(|| refuse("score files with this function"))?;
        let claimed = asked.claimed();
        let (claim, service) = match self.claim(&asked, &claimed).await? {
            Ok(claimed) => claimed,
            Err(outcome) => return Ok((outcome, Observed::default())),
        };
        let mut job = Job {
            restarts: claim.restarts,
            place: asked.place,
            claimed,
            run: asked.run,
            name: asked.name,
            head: asked.head,
            shape,
            service,
            claim,
            begun_ms: self.clock.now_ms(),
        };
        self.work(&mut job, asked.misnamed).await
    }

    /// Scores a claimed file and ends its claim.
    async fn work(
        &self,
        job: &mut Job<'_, M>,
        misnamed: Option<FileFault>,
    ) -> Result<(Outcome, Observed), Error> {
        let worked = match misnamed {
            Some(fault) => Err(Stop::Fault(fault)),
            None => self.continue_or_begin(job).await,
        };
        let ended = match worked {
            Ok(Worked::Whole(tally)) => self.finish(job, tally).await,
            Ok(Worked::Partly(progress, observed)) => self.leave(job, &progress, observed).await,
            Err(Stop::Fault(fault)) => self.quarantine(job, fault).await,
            Err(stop) => Err(stop),
        };
        match ended {
            Ok(ended) => Ok(ended),
            Err(Stop::Failed(error)) => {
                self.release(job, error.to_string(), true).await;
                Err(error)
            }
            Err(Stop::Lost(error)) => {
                job.restarts += 1;
                self.release(job, error.to_string(), false).await;
                Err(error)
            }
            Err(Stop::Changed | Stop::Fault(_)) => {
                let reason = "the content changed".to_owned();
                self.release(job, reason, false).await;
                Ok((Outcome::Superseded, Observed::default()))
            }
        }
    }

    /// Scores the file from where it was left. One that loses what was left again and again ends: each time costs a whole
    /// file, and each continuation is a message of its own, so no queue would ever put it aside.
    async fn continue_or_begin(&self, job: &mut Job<'_, M>) -> Result<Worked, Stop> {
        if !self.is_of_its_run(job).await? {
            return Err(Stop::Changed);
        }
        let progress = self.progress(job).await?;
        if progress.is_none() && job.claim.left().is_some() {
            job.restarts += 1;
        }
        let limit = self.limits.restarts;
        if job.restarts > limit {
            let detail = format!(
                "what was left of it was lost {} times, at most {limit}",
                job.restarts
            );
            return Err(FileFault::new("cannot be continued", detail).into());
        }
        self.score_file(job, progress).await
    }
}

impl<M: Services> Job<'_, M> {
    fn as_of(&self) -> Timestamp {
        Timestamp(self.claim.as_of_seconds)
    }

    /// Histories of a chunk's rows, which stand for what the store has of the kind; `shared` is what was read for rows before.
    fn brought<'s>(
        &self,
        records: Vec<(String, Bytes)>,
        shared: &'s mut Shared,
    ) -> Option<Brought<'s>> {
        self.run.map(|run| Brought {
            kind: self.shape.kind,
            records,
            complete_through: Timestamp(run.base.complete_through_seconds),
            shared,
        })
    }
}

fn refuse(what: &'static str) -> Error {
    Error::Internal {
        what,
        reason: "see where the bucket's notifications go".to_owned(),
    }
}

fn files_failed(error: StoreError) -> Error {
    match store_failed(error) {
        Error::Retry { reason, .. } => Error::Retry {
            what: "the bucket is not available",
            reason,
        },
        Error::Internal { reason, .. } => Error::Internal {
            what: "read or write a file",
            reason,
        },
        other @ Error::Caller(_) => other,
    }
}
