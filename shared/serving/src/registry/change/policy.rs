//! Changes which policy is in force.

use super::{ChangeError, Read, Registry, nothing_before, pointless};
use crate::manifest::POLICY_FILE;
use crate::ports::{ArtifactStore, PointerStore};
use crate::predictor::Predictor;
use crate::registry::{ModelRelease, PolicyRelease, Refusal, with_policy};
use bytes::Bytes;

impl<A: ArtifactStore, S: PointerStore> Registry<'_, A, S> {
    /// Verifies a policy, with everything that is in use, and puts it in force.
    pub async fn promote_policy<P: Predictor>(
        &self,
        policy: Bytes,
    ) -> Result<PolicyRelease, ChangeError> {
        let read = self.policy::<P>().await?;
        let model = self.fits_what_is_used::<P>(&policy).await?;
        let pointer = self.put_policy::<P>(policy).await?;
        let after = self.in_force(read.record.as_ref(), pointer);
        self.set_all(&[read.to(&after)?, model.kept()]).await?;
        Ok(after)
    }

    /// Puts the policy before the one in force in force again, after verifying it.
    pub async fn roll_back_policy<P: Predictor>(&self) -> Result<PolicyRelease, ChangeError> {
        let read = self.policy::<P>().await?;
        let in_force = read.record.as_ref();
        let in_force = in_force.ok_or_else(|| pointless("no policy is in force"))?;
        let after = in_force
            .rolled_back(self.now.0)
            .ok_or_else(nothing_before)?;
        let bytes = self.policy_of::<P>(&after.served).await?;
        let model = self.fits_what_is_used::<P>(&bytes).await?;
        self.set_all(&[read.to(&after)?, model.kept()]).await?;
        Ok(after)
    }

    /// What is used, with which the policy was checked.
    async fn fits_what_is_used<P: Predictor>(
        &self,
        policy: &[u8],
    ) -> Result<Read<ModelRelease>, ChangeError> {
        let read = self.model::<P>().await?;
        let Some(release) = &read.record else {
            // Nothing to hold it against yet; whatever is promoted first is held against it.
            let parsed = serde_json::from_slice::<P::Policy>(policy);
            parsed.map_err(|error| Refusal::unreadable(POLICY_FILE, error))?;
            return Ok(read);
        };
        let canary = release.canary.as_ref().map(|canary| &canary.model);
        let shadow = release.shadow.as_ref().map(|shadow| &shadow.model);
        for used in [Some(&release.served), canary, shadow]
            .into_iter()
            .flatten()
        {
            let (model, _) = self.loaded::<P>(&used.pointer.version).await?;
            with_policy(model, policy)?;
        }
        Ok(read)
    }
}
