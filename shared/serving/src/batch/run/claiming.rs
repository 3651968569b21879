//! Taking, keeping and ending the claim of a file.

use super::{Asked, Batch, Clock, Job, Outcome, Pinned, Services, Stop};
use crate::batch::claim::{
    Claim, Earlier, LEASE_MARGIN_MS, Left, State, Verdict, claim_key, judge, later,
};
use crate::batch::limits::cut_short;
use crate::batch::ports::{ClaimStore, FilePlace, FileStore};
use crate::error::Error;
use crate::ports::StoreError;
use crate::predictor::Predictor;
use crate::service::store_failed;

/// How often a claim is tried for when others change it at the same moment.
pub(super) const CLAIM_TRIES: usize = 4;

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// Claims the file, or says why there is nothing to do.
    pub(super) async fn claim(
        &self,
        asked: &Asked<'_>,
        claimed: &FilePlace,
    ) -> Result<Result<(Claim, Pinned<M>), Outcome>, Error> {
        let (content, sequencer) = (asked.content, asked.sequencer);
        let key = claim_key(M::Predictor::NAME, claimed);
        for _ in 0..CLAIM_TRIES {
            let found = self.claims.get_claim(&key).await.map_err(claims_failed)?;
            let verdict = judge(found.as_ref(), content, sequencer, self.clock.now_ms());
            let before = match verdict {
                Verdict::Begin(before) => before,
                Verdict::Duplicate(state) => return Ok(Err(Outcome::Duplicate(state))),
                Verdict::Older => return Ok(Err(Outcome::Older)),
                Verdict::Busy => break,
            };
            let (earlier, service) = match asked.run {
                None => self.pin(before).await?,
                Some(run) => self.pin_to(run, before).await?,
            };
            let same = found.as_ref().filter(|c| c.version == content);
            let attempt = same.map_or(1, |c| c.attempt + 1);
            let greatest = found.as_ref().map_or("", |claim| &claim.sequencer);
            let claim = Claim {
                version: content.to_owned(),
                sequencer: later(sequencer, greatest).to_owned(),
                pins: earlier.pins,
                as_of_seconds: earlier.as_of_seconds,
                attempt,
                restarts: same.map_or(0, |c| c.restarts),
                state: self.in_progress(None, earlier.left),
                changed_ms: self.clock.now_ms(),
            };
            let swapped = self.claims.swap_claim(&key, found.as_ref(), &claim).await;
            if swapped.map_err(claims_failed)? {
                return Ok(Ok((claim, service)));
            }
        }
        Err(Error::Retry {
            what: "the file is being scored",
            reason: format!("claim of file {} is held", claimed.token()),
        })
    }

    /// What the file is scored with: as an earlier attempt began it, where this code still can.
    async fn pin(&self, before: Option<Earlier>) -> Result<(Earlier, Pinned<M>), Error> {
        let (current, service) = self.services.current()?;
        let anew = Earlier {
            pins: current,
            as_of_seconds: self.clock.now_ms().div_euclid(1000),
            left: None,
        };
        let Some(before) = before else {
            return Ok((anew, service));
        };
        if before.pins == anew.pins {
            return Ok((before, service));
        }
        // No output of the earlier attempt was completed beside another model's: each is one file, seen at once, and
        // all are written again.
        match self.services.pinned(&before.pins).await? {
            Some(pinned) => Ok((before, pinned)),
            None => Ok((anew, service)),
        }
    }

    fn in_progress(&self, last_failure: Option<String>, left: Option<Left>) -> State {
        let remaining_ms = self.clock.remaining_ms();
        State::InProgress {
            owner: self.owner.to_owned(),
            lease_until_ms: self
                .clock
                .now_ms()
                .saturating_add(remaining_ms.saturating_add(LEASE_MARGIN_MS)),
            last_failure,
            left,
        }
    }

    /// A state that nobody works in.
    pub(super) fn released(&self, last_failure: Option<String>, left: Option<Left>) -> State {
        let mut state = self.in_progress(last_failure, left);
        if let State::InProgress { lease_until_ms, .. } = &mut state {
            *lease_until_ms = 0;
        }
        state
    }

    /// Lets any invocation continue the file from what is left.
    pub(super) async fn leave_claim(&self, job: &Job<'_, M>, left: Left) -> Result<(), Stop> {
        self.end(job, self.released(None, Some(left))).await
    }

    pub(super) async fn end(&self, job: &Job<'_, M>, state: State) -> Result<(), Stop> {
        if self
            .swap(job, state)
            .await
            .map_err(claims_failed)
            .map_err(Stop::Failed)?
        {
            return Ok(());
        }
        Err(Stop::Failed(Error::Retry {
            what: "the file was taken over",
            reason: format!("claim of file {} has another owner", job.claimed.token()),
        }))
    }

    /// Lets the next attempt begin at once, where the last one was left or anew. When that fails too, the lease ends by
    /// itself.
    pub(super) async fn release(&self, job: &Job<'_, M>, reason: String, keeps_left: bool) {
        let left = job.claim.left().filter(|_| keeps_left).cloned();
        let state = self.released(Some(cut_short(&reason)), left);
        let _ = self.swap(job, state).await;
    }

    async fn swap(&self, job: &Job<'_, M>, state: State) -> Result<bool, StoreError> {
        let key = claim_key(M::Predictor::NAME, &job.claimed);
        let after = Claim {
            state,
            restarts: job.restarts,
            changed_ms: self.clock.now_ms(),
            ..job.claim.clone()
        };
        self.claims.swap_claim(&key, Some(&job.claim), &after).await
    }
}

pub(super) fn claims_failed(error: StoreError) -> Error {
    match store_failed(error) {
        Error::Internal { reason, .. } => Error::Internal {
            what: "claim a file",
            reason,
        },
        other => other,
    }
}
