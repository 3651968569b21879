//! Changing what is served: every change is verified first, then one compare-and-set.
//!
//! Files go first, pointers last, so that nobody ever follows a pointer to nothing. Who loses a race is told, and nothing
//! of the change remains but files that nobody points to. Model and policy were checked with each other, so one changes only
//! while the other is what it was then.

mod beside;
mod policy;

use super::release::{Canary, Shadow};
use super::{
    INDEX_POINTER, ModelFiles, ModelIndex, ModelRelease, ModelVersion, PolicyPointer,
    PolicyRelease, Refusal, fetch, fetch_version, model_key, model_pointer, policy_key,
    policy_pointer, same_hash, verify_model, with_policy,
};
use crate::manifest::{
    ARTIFACTS_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, Manifest, POLICY_FILE, sha256_hex,
};
use crate::ports::{ArtifactStore, PointerChange, PointerStore, StoreError};
use crate::predictor::{Model, Predictor};
use bytes::Bytes;
use features::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// A model or policy is not one that the functions would take.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody else changed the same pointer in between.
    #[error("{pointers} was changed by somebody else at the same time; look at it, then try again")]
    Contested {
        /// The pointer, or both of which one was changed.
        pointers: String,
    },
    /// The change makes no sense as things are.
    #[error("{0}")]
    Pointless(String),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// As what a version is promoted.
#[derive(Debug, Clone, PartialEq)]
pub enum Use {
    /// It answers.
    Served,
    /// It answers about a share of the entities.
    Canary {
        /// The share, 1 to 99.
        percent: u8,
        /// The shift of its scores that stops it, a population stability index above 0; `None` is the usual one.
        stop_shift: Option<f64>,
    },
    /// It scores beside the served version, unseen.
    Shadow,
}

/// A pointer as it was read: what it says, and the text that a change expects to be there still.
#[derive(Debug, Clone)]
pub struct Read<T> {
    name: String,
    text: Option<String>,
    /// What it says; `None` when it was never set.
    pub record: Option<T>,
}

/// Both stores, and the instant of the change.
#[derive(Debug, Clone, Copy)]
pub struct Registry<'a, A, S> {
    /// Versions and policies.
    pub artifacts: &'a A,
    /// What is served.
    pub pointers: &'a S,
    /// For graphs that are no tree ensembles.
    pub runtime_library: Option<&'a Path>,
    /// The instant that histories will name.
    pub now: Timestamp,
}

impl<A: ArtifactStore, S: PointerStore> Registry<'_, A, S> {
    /// Verifies a version and writes it. Nothing is served by that.
    pub async fn publish<P: Predictor>(
        &self,
        files: ModelFiles,
    ) -> Result<ModelVersion, ChangeError> {
        let model = verify_model::<P>(&files, self.runtime_library)?;
        let version = ModelVersion::of(&model.manifest, sha256_hex(&files.manifest));
        let named = [
            (MODEL_FILE, files.graph),
            (ARTIFACTS_FILE, files.artifacts),
            (GOLDEN_FILE, files.golden),
        ];
        let tables = P::TABLES.iter().copied().zip(files.tables);
        let manifest = [(MANIFEST_FILE, files.manifest)];
        for (file, bytes) in named.into_iter().chain(tables).chain(manifest) {
            let key = model_key(P::NAME, &version.pointer.version, file);
            self.put_once(&key, bytes).await?;
        }
        Ok(version)
    }

    /// Publishes a version with its policy, and serves both.
    pub async fn release<P: Predictor>(
        &self,
        files: ModelFiles,
        policy: Bytes,
    ) -> Result<ModelVersion, ChangeError> {
        // Together, before anything is written of either.
        with_policy(verify_model::<P>(&files, self.runtime_library)?, &policy)?;
        let (model, in_force) = (self.model::<P>().await?, self.policy::<P>().await?);
        let version = self.publish::<P>(files).await?;
        let policy = self.put_policy::<P>(policy).await?;
        self.index::<P>().await?;
        let served = self.serving(model.record.as_ref(), version.clone());
        let policy = self.in_force(in_force.record.as_ref(), policy);
        self.set_all(&[model.to(&served)?, in_force.to(&policy)?])
            .await?;
        Ok(version)
    }

    /// Verifies a published version with the policy in force, and uses it from now on.
    pub async fn promote<P: Predictor>(
        &self,
        version: &str,
        how: Use,
    ) -> Result<ModelRelease, ChangeError> {
        let read = self.model::<P>().await?;
        let (version, policy) = self.verified::<P>(version).await?;
        let now_seconds = self.now.0;
        let after = match (how, read.record.as_ref()) {
            (Use::Served, before) => self.serving(before, version),
            (_, None) => {
                return Err(pointless(
                    "nothing is served beside which it could be tried",
                ));
            }
            (_, Some(before)) if before.served.pointer == version.pointer => {
                return Err(pointless("this version is the one that is served"));
            }
            (
                Use::Canary {
                    percent,
                    stop_shift,
                },
                Some(before),
            ) => {
                let same = before.canary_of(&version);
                before.with_canary(Canary {
                    salt: same.map_or_else(|| salt(&version, now_seconds), |c| c.salt.clone()),
                    stop_shift: stop_shift.or_else(|| same.and_then(|c| c.stop_shift)),
                    model: version,
                    percent,
                    since_seconds: now_seconds,
                })
            }
            (Use::Shadow, Some(before)) => before.with_shadow(Shadow {
                model: version,
                since_seconds: now_seconds,
            }),
        };
        self.index::<P>().await?;
        self.set_all(&[read.to(&after)?, policy.kept()]).await?;
        Ok(after)
    }

    /// Serves the version before the served one again, after verifying it with the policy in force.
    pub async fn roll_back<P: Predictor>(&self) -> Result<ModelRelease, ChangeError> {
        let read = self.model::<P>().await?;
        let served = read.record.as_ref().ok_or_else(nothing_served)?;
        let before = served.before().ok_or_else(nothing_before)?;
        let (version, policy) = self.verified::<P>(&before.version).await?;
        // What was served, and not what may lie there instead.
        let found = &version.pointer.manifest_sha256;
        same_hash(MANIFEST_FILE, found, &before.manifest_sha256)?;
        let after = served.rolled_back(version, self.now.0);
        self.set_all(&[read.to(&after)?, policy.kept()]).await?;
        Ok(after)
    }

    /// The model's pointer.
    pub async fn model<P: Predictor>(&self) -> Result<Read<ModelRelease>, ChangeError> {
        self.read(model_pointer(P::NAME, &P::schema().fingerprint))
            .await
    }

    /// The policy's pointer.
    pub async fn policy<P: Predictor>(&self) -> Result<Read<PolicyRelease>, ChangeError> {
        self.read(policy_pointer(P::NAME)).await
    }

    /// The manifest of a published version, as it lies there.
    pub async fn manifest<P: Predictor>(&self, version: &str) -> Result<Manifest, ChangeError> {
        let key = model_key(P::NAME, version, MANIFEST_FILE);
        let bytes = fetch(self.artifacts, &key).await?;
        let manifest = serde_json::from_slice(&bytes);
        Ok(manifest.map_err(|error| Refusal::unreadable(&key, error))?)
    }

    async fn loaded<P: Predictor>(&self, version: &str) -> Result<(Model<P>, String), ChangeError> {
        // On the heap: every fetch is in it.
        let files = Box::pin(fetch_version::<P>(self.artifacts, version)).await?;
        let model = verify_model(&files, self.runtime_library)?;
        Ok((model, sha256_hex(&files.manifest)))
    }

    /// A published version that the functions will take, and the policy in force, with which it was checked.
    async fn verified<P: Predictor>(
        &self,
        version: &str,
    ) -> Result<(ModelVersion, Read<PolicyRelease>), ChangeError> {
        let (model, manifest_sha256) = self.loaded::<P>(version).await?;
        let known = ModelVersion::of(&model.manifest, manifest_sha256);
        let read = self.policy::<P>().await?;
        let policy = read.record.as_ref();
        let policy = policy.ok_or_else(|| pointless("no policy is in force: give one first"))?;
        with_policy(model, &self.policy_of::<P>(&policy.served).await?)?;
        Ok((known, read))
    }

    /// A policy as it was put there.
    async fn policy_of<P: Predictor>(&self, policy: &PolicyPointer) -> Result<Bytes, ChangeError> {
        let bytes = fetch(self.artifacts, &policy_key(P::NAME, &policy.sha256)).await?;
        same_hash(POLICY_FILE, &sha256_hex(&bytes), &policy.sha256)?;
        Ok(bytes)
    }

    fn serving(&self, before: Option<&ModelRelease>, version: ModelVersion) -> ModelRelease {
        match before {
            None => ModelRelease::first(version, self.now.0),
            Some(before) => before.promoted(version, self.now.0),
        }
    }

    fn in_force(&self, before: Option<&PolicyRelease>, policy: PolicyPointer) -> PolicyRelease {
        match before {
            None => PolicyRelease::first(policy, self.now.0),
            Some(before) => before.promoted(policy, self.now.0),
        }
    }

    async fn put_policy<P: Predictor>(&self, policy: Bytes) -> Result<PolicyPointer, ChangeError> {
        let sha256 = sha256_hex(&policy);
        self.put_once(&policy_key(P::NAME, &sha256), policy).await?;
        Ok(PolicyPointer { sha256 })
    }

    /// A version is written once: the same bytes again are no change, other bytes are refused.
    async fn put_once(&self, key: &str, bytes: Bytes) -> Result<(), ChangeError> {
        if self.artifacts.put_artifact(key, bytes.clone()).await? {
            return Ok(());
        }
        let present = fetch(self.artifacts, key).await?;
        if present == bytes {
            return Ok(());
        }
        Err(Refusal::Hash {
            file: key.to_owned(),
            expected: sha256_hex(&present),
            found: sha256_hex(&bytes),
        }
        .into())
    }

    /// Notes that there is a pointer, before it is set.
    async fn index<P: Predictor>(&self) -> Result<(), ChangeError> {
        let read = self.read::<ModelIndex>(INDEX_POINTER.to_owned()).await?;
        let mut index = read.record.clone().unwrap_or_default();
        let prints = index.models.entry(P::NAME.to_owned()).or_default();
        if prints.insert(P::schema().fingerprint) {
            self.set(&read, &index).await?;
        }
        Ok(())
    }

    async fn read<T: DeserializeOwned>(&self, name: String) -> Result<Read<T>, ChangeError> {
        let text = self.pointers.get_pointers(&[&name]).await?.pop().flatten();
        let record = text.as_deref().map(serde_json::from_str).transpose();
        let record = record.map_err(|error| Refusal::unreadable(&name, error))?;
        Ok(Read { name, text, record })
    }

    /// Changes the pointer if it still is what was read.
    async fn set<T: Serialize>(&self, read: &Read<T>, after: &T) -> Result<(), ChangeError> {
        self.set_all(&[read.to(after)?]).await
    }

    /// Makes all changes if every pointer still is what was read.
    async fn set_all(&self, changes: &[Change<'_>]) -> Result<(), ChangeError> {
        let changes: Vec<PointerChange<'_>> = changes.iter().map(Change::of_pointer).collect();
        let is_change = changes.iter().any(|change| change.value.is_some());
        if !is_change || self.pointers.set_pointers(&changes).await? {
            return Ok(());
        }
        let names: Vec<&str> = changes.iter().map(|change| change.name).collect();
        Err(ChangeError::Contested {
            pointers: names.join(" or "),
        })
    }
}

/// A pointer as it was read, and what it shall be; `None` if it shall stay.
struct Change<'a> {
    name: &'a str,
    expected: Option<&'a str>,
    value: Option<String>,
}

impl Change<'_> {
    fn of_pointer(&self) -> PointerChange<'_> {
        PointerChange {
            name: self.name,
            expected: self.expected,
            value: self.value.as_deref(),
        }
    }
}

impl<T> Read<T> {
    fn kept(&self) -> Change<'_> {
        Change {
            name: &self.name,
            expected: self.text.as_deref(),
            value: None,
        }
    }
}

impl<T: Serialize> Read<T> {
    fn to(&self, after: &T) -> Result<Change<'_>, ChangeError> {
        let value = serde_json::to_string(after);
        let value = value.map_err(|error| Refusal::unreadable(&self.name, error))?;
        let is_new = self.text.as_deref() != Some(&value);
        Ok(Change {
            value: is_new.then_some(value),
            ..self.kept()
        })
    }
}

/// Another for each canary, so that it is not always the same entities that try what is new.
fn salt(version: &ModelVersion, now_seconds: i64) -> String {
    let text = format!("canary {} {now_seconds}", version.pointer.version);
    sha256_hex(text.as_bytes())[..16].to_owned()
}

fn pointless(reason: &str) -> ChangeError {
    ChangeError::Pointless(reason.to_owned())
}

fn nothing_served() -> ChangeError {
    pointless("nothing is served")
}

fn nothing_before() -> ChangeError {
    pointless("nothing was served before")
}
