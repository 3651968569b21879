//! What this environment noted of the canary is added to what all have noted, and that stops the canary or not.

use super::Follower;
use crate::function::now;
use features::time::Timestamp;
use serving::canary::{Sample, Stop, Trials};
use serving::ports::{SetStore, StoreError};
use serving::predictor::Predictor;
use serving::registry::release::Canary;
use serving::registry::{Registry, model_pointer};
use std::sync::Arc;
use std::time::Duration;

/// How long it may take: what is new must be fetched and verified in the same look.
const LIMIT: Duration = Duration::from_secs(3);

/// How long a sample is kept: of use for a day, and for looking at it some days later.
const KEPT: Duration = Duration::from_hours(7 * 24);

impl<P: Predictor> Follower<P> {
    /// Whether the canary was stopped just now, by whichever environment. Whatever fails here changes no answer: what could not be
    /// added is added with the next look.
    pub(super) async fn watch_canary(&self) -> bool {
        let Some((canary, trials)) = self.on_trial() else {
            return false;
        };
        let now = now();
        let exchanged = tokio::time::timeout(LIMIT, self.exchange(&canary, &trials, now)).await;
        if let Ok(Err(error)) = exchanged {
            tracing::warn!(%error, "what was noted of the canary could not be added yet");
        }
        match trials.judged(canary.stop_shift()) {
            Some(stop) => self.stop(&canary, stop, now).await,
            None => false,
        }
    }

    /// Adds what is new here, and learns what is new elsewhere.
    async fn exchange(
        &self,
        canary: &Canary,
        trials: &Trials,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let day = canary.day_of(now.0);
        let Some(pending) = trials.pending(day) else {
            return Ok(());
        };
        let pointer = model_pointer(P::NAME, &P::schema().fingerprint);
        let owner = canary.sample_of(&pointer, day);
        let kept_until = Timestamp(now.0.saturating_add(KEPT.as_secs().cast_signed()));
        let sets = pending.to_sets();
        let found = self.store.add_members(&owner, &sets, kept_until).await?;
        trials.learn(day, &pending, Sample::of_sets(found));
        Ok(())
    }

    /// Who takes up what goes on tells of it: the pointer may be written and the answer lost.
    async fn stop(&self, canary: &Canary, stop: Stop, now: Timestamp) -> bool {
        let registry = Registry {
            artifacts: &self.artifacts,
            pointers: &self.store,
            runtime_library: None,
            now,
        };
        let (reason, version) = (stop.to_string(), &canary.model.pointer.version);
        match registry.stop_canary::<P>(canary, reason.clone()).await {
            // Or another environment did it, or somebody ended it.
            Ok(_) => true,
            Err(error) => {
                tracing::error!(
                    model_version = version,
                    reason,
                    %error,
                    "canary not stopped, though it should be"
                );
                false
            }
        }
    }

    fn on_trial(&self) -> Option<(Canary, Arc<Trials>)> {
        let state = self.state();
        let canary = state.releases.as_ref()?.model.canary.clone()?;
        let arm = state.service.arms()?.canary.as_ref()?;
        Some((canary, Arc::clone(&arm.trials)))
    }

    /// What was noted of this canary already, or nothing.
    pub(super) fn trials_of(&self, canary: &Canary) -> Arc<Trials> {
        let on_trial = self.on_trial().filter(|(known, _)| known == canary);
        on_trial.map_or_else(Arc::default, |(_, trials)| trials)
    }
}
