//! Ends what is tried beside the served version.

use super::{ChangeError, Registry, nothing_served, pointless};
use crate::ports::{ArtifactStore, PointerStore};
use crate::predictor::Predictor;
use crate::registry::ModelRelease;
use crate::registry::release::Canary;

impl<A: ArtifactStore, S: PointerStore> Registry<'_, A, S> {
    /// Ends the canary, and gives what goes on; an error without one.
    pub async fn end_canary<P: Predictor>(&self) -> Result<ModelRelease, ChangeError> {
        let read = self.model::<P>().await?;
        let release = read.record.as_ref().ok_or_else(nothing_served)?;
        if release.canary.is_none() {
            return Err(pointless("there is no canary"));
        }
        let after = release.without_canary(self.now.0);
        self.set(&read, &after).await?;
        Ok(after)
    }

    /// Ends the shadow, and gives what goes on; an error without one.
    pub async fn end_shadow<P: Predictor>(&self) -> Result<ModelRelease, ChangeError> {
        let read = self.model::<P>().await?;
        let release = read.record.as_ref().ok_or_else(nothing_served)?;
        if release.shadow.is_none() {
            return Err(pointless("there is no shadow"));
        }
        let after = release.without_shadow(self.now.0);
        self.set(&read, &after).await?;
        Ok(after)
    }

    /// Stops this canary for a reason that people read; `false` when it is not there any more, or somebody else changed the pointer.
    pub async fn stop_canary<P: Predictor>(
        &self,
        canary: &Canary,
        reason: String,
    ) -> Result<bool, ChangeError> {
        let read = self.model::<P>().await?;
        let release = read.record.as_ref().ok_or_else(nothing_served)?;
        if release.canary.as_ref() != Some(canary) {
            return Ok(false);
        }
        let after = release.canary_stopped(reason, self.now.0);
        match self.set(&read, &after).await {
            Ok(()) => Ok(true),
            Err(ChangeError::Contested { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
