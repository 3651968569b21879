//! Runs over the whole base: beginning one, and scoring its chunks.

use super::claiming::{CLAIM_TRIES, claims_failed};
use super::{Asked, Batch, Clock, Outcome, Pinned, Services, files_failed, read_whole};
use crate::batch::claim::{Claim, Earlier, Verdict, claim_key, judge};
use crate::batch::ports::{ClaimStore, FilePlace, FileStore, FileVersion};
use crate::batch::whole::{Base, Chunk, Run};
use crate::error::Error;
use crate::predictor::Predictor;
use crate::service::Observed;
use features::time::Timestamp;
use serde::de::DeserializeOwned;

/// Bytes of a manifest and of a list of chunks at most: a chunk takes about 200.
const LIST_BYTES: u64 = 64 * 1024 * 1024;

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
            return self.done_before(run, chunk, Outcome::Gone).await;
        };
        if head.version.etag != chunk.etag {
            return self.done_before(run, chunk, Outcome::Superseded).await;
        }
        // Without its version: a chunk is named by its content, so written again it is the same one.
        let version = FileVersion {
            version_id: None,
            ..head.version
        };
        let head = super::FileHead { version, ..head };
        self.score_asked(Asked {
            place: &place,
            name: &name,
            head: &head,
            sequencer: "",
            misnamed: None,
            run: Some(run),
        })
        .await
    }

    async fn done_before(
        &self,
        run: &Run,
        chunk: &Chunk,
        otherwise: Outcome,
    ) -> Result<(Outcome, Observed), Error> {
        let name = run.name_of(M::Predictor::NAME, chunk);
        let claimed = FilePlace {
            bucket: run.bucket.clone(),
            key: name.scored(),
        };
        let key = claim_key(M::Predictor::NAME, &claimed);
        let found = self.claims.get_claim(&key).await.map_err(claims_failed)?;
        let version = FileVersion {
            etag: chunk.etag.clone(),
            version_id: None,
        };
        let verdict = judge(found.as_ref(), &version, "", self.clock.now_ms());
        let outcome = match verdict {
            Verdict::Duplicate(state) => Outcome::Duplicate(state),
            _ => otherwise,
        };
        Ok((outcome, Observed::default()))
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
