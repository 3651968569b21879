//! Runs over the whole base: beginning one, and scoring its chunks.

use super::claiming::{CLAIM_TRIES, claims_failed};
use super::{Asked, Batch, Clock, Job, Outcome, Pinned, Services, Stop, files_failed, read_whole};
use crate::batch::claim::{Claim, Earlier, Verdict, claim_key, judge};
use crate::batch::ports::{ClaimStore, FilePlace, FileStore, Piece};
use crate::batch::whole::{Base, Chunk, Run};
use crate::error::Error;
use crate::manifest::Sha256Hex;
use crate::predictor::Predictor;
use crate::service::Observed;
use features::time::Timestamp;
use futures_util::stream::{self, StreamExt};
use serde::de::DeserializeOwned;

/// Bytes of a manifest and of a list of chunks at most: a chunk takes about 200.
const LIST_BYTES: u64 = 64 * 1024 * 1024;
/// Pieces of a chunk that are read beside each other to hash it.
const BESIDE: usize = 4;

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// Begins a run over the base that lies in the bucket; `as_of` is now unless it is said.
    ///
    /// What it is scored with is pinned in a claim of the run. Begun again with the same base and instant, it is the same run
    /// with the same model and policy, whatever is served by then.
    pub async fn begin_whole(&self, bucket: &str, as_of: Option<Timestamp>) -> Result<Run, Error> {
        let base: Base = self
            .read_json(bucket, Base::key(M::Predictor::NAME))
            .await?;
        let as_of_seconds = as_of.map_or_else(|| self.clock.now_ms().div_euclid(1000), |at| at.0);
        let name = base.run_name(as_of_seconds);
        let place = FilePlace {
            bucket: bucket.to_owned(),
            key: Run::report_key(M::Predictor::NAME, &name),
        };
        let key = claim_key(M::Predictor::NAME, &place);
        for _ in 0..CLAIM_TRIES {
            let found = self.claims.get_claim(&key).await.map_err(claims_failed)?;
            let begun = found.as_ref().filter(|claim| claim.version == base.content);
            let pins = match begun {
                Some(claim) => claim.pins.clone(),
                None => self.services.current()?.0,
            };
            let run = Run {
                bucket: bucket.to_owned(),
                name: name.clone(),
                base: base.clone(),
                pins,
                as_of_seconds,
            };
            if begun.is_some() {
                return Ok(run);
            }
            let claim = Claim {
                version: base.content.clone(),
                sequencer: String::new(),
                pins: run.pins.clone(),
                as_of_seconds,
                attempt: 1,
                restarts: 0,
                state: self.released(None, None),
                changed_ms: self.clock.now_ms(),
            };
            let swapped = self.claims.swap_claim(&key, found.as_ref(), &claim).await;
            if swapped.map_err(claims_failed)? {
                return Ok(run);
            }
        }
        Err(Error::Retry {
            what: "the run is being begun",
            reason: format!("claim of run {name} changes"),
        })
    }

    /// Scores a chunk of a run, as an upload with its rows would be scored: claimed, continued, exactly once in effect.
    ///
    /// [`Outcome::Continued`] asks for the same call again, [`Outcome::Superseded`] and [`Outcome::Gone`] say that the chunk
    /// is no longer what the run began with.
    pub async fn score_chunk(
        &self,
        run: &Run,
        chunk: &Chunk,
    ) -> Result<(Outcome, Observed), Error> {
        let name = run.name_of(M::Predictor::NAME, chunk);
        let place = FilePlace {
            bucket: run.bucket.clone(),
            key: chunk.key.clone(),
        };
        let head = self.files.head_file(&place, None).await;
        let Some(head) = head.map_err(files_failed)? else {
            // What was done before the chunk went away is done.
            return self.done_before(run, chunk).await;
        };
        self.score_asked(Asked {
            place: &place,
            name: &name,
            head: &head,
            content: &chunk.sha256,
            sequencer: "",
            misnamed: None,
            run: Some(run),
        })
        .await
    }

    async fn done_before(&self, run: &Run, chunk: &Chunk) -> Result<(Outcome, Observed), Error> {
        let name = run.name_of(M::Predictor::NAME, chunk);
        let claimed = FilePlace {
            bucket: run.bucket.clone(),
            key: name.scored(),
        };
        let key = claim_key(M::Predictor::NAME, &claimed);
        let found = self.claims.get_claim(&key).await.map_err(claims_failed)?;
        let verdict = judge(found.as_ref(), &chunk.sha256, "", self.clock.now_ms());
        let outcome = match verdict {
            Verdict::Duplicate(state) => Outcome::Duplicate(state),
            _ => Outcome::Gone,
        };
        Ok((outcome, Observed::default()))
    }

    /// Whether a chunk holds what its run began with, by the hash of all of it; an upload is what it is.
    pub(super) async fn is_of_its_run(&self, job: &Job<'_, M>) -> Result<bool, Stop> {
        if job.run.is_none() {
            return Ok(true);
        }
        let (size, step) = (job.head.size, self.limits.read_bytes);
        let ranges =
            (0..size.div_ceil(step)).map(|index| index * step..size.min((index + 1) * step));
        let read = |range| self.files.read_file(job.place, &job.head.version, range);
        let mut pieces = stream::iter(ranges.map(read)).buffered(BESIDE);
        let mut hash = Sha256Hex::default();
        while let Some(piece) = pieces.next().await {
            match piece? {
                Piece::Bytes(bytes) => hash.update(&bytes),
                Piece::Changed => return Err(written_meanwhile(job.place)),
            }
        }
        Ok(hash.finish() == job.claim.version)
    }

    /// What a chunk is scored with: what its run was begun with, and nothing else.
    pub(super) async fn pin_to(
        &self,
        run: &Run,
        before: Option<Earlier>,
    ) -> Result<(Earlier, Pinned<M>), Error> {
        let current = self.services.current().ok();
        let served = current.filter(|(pins, _)| *pins == run.pins);
        let service = match served {
            Some((_, service)) => Some(service),
            None => self.services.pinned(&run.pins).await?,
        };
        let service = service.ok_or_else(|| Error::Internal {
            what: "score with the model of the run",
            reason: "this code refuses the model that the run was begun with; begin another run"
                .to_owned(),
        })?;
        let left = before.filter(|before| before.pins == run.pins);
        let pinned = Earlier {
            pins: run.pins.clone(),
            as_of_seconds: run.as_of_seconds,
            left: left.and_then(|before| before.left),
        };
        Ok((pinned, service))
    }

    /// A file of the base that must be there.
    pub(super) async fn read_json<T: DeserializeOwned>(
        &self,
        bucket: &str,
        key: String,
    ) -> Result<T, Error> {
        let place = FilePlace {
            bucket: bucket.to_owned(),
            key,
        };
        let read = read_whole(self.files, &place, LIST_BYTES).await;
        let bytes = read.map_err(files_failed)?;
        let wrong = |reason: String| Error::Internal {
            what: "read the chunks of the whole base",
            reason,
        };
        let key = &place.key;
        let bytes = bytes
            .ok_or_else(|| wrong(format!("{key} is not there; `storecast chunk` writes it")))?;
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("{key}: {error}")))
    }
}

/// A chunk that was written, or taken away, while it was read: the next attempt finds out whether it is still the same.
pub(super) fn written_meanwhile(place: &FilePlace) -> Stop {
    Stop::Failed(Error::Retry {
        what: "the chunk was written while it was read",
        reason: format!("file {}", place.token()),
    })
}
