//! Finding, verifying and loading the served model; publishing a new one.
//!
//! A model is an immutable folder `models/<name>/<version>/`. What is served is a pointer per (model, feature fingerprint)
//! that holds a [`ModelRelease`]: the version and its manifest's SHA-256, which in turn holds the hash of every other file,
//! so a byte changed anywhere is seen. Policies lie apart, `policies/<name>/<sha256>.json`, with a pointer of their own.

mod change;
mod golden;
mod refusal;
pub mod release;
mod verify;

pub use change::{ChangeError, Registry, Use};
pub use golden::GoldenRows;
pub use refusal::Refusal;
pub use release::{ModelRelease, ModelVersion, PolicyRelease};
pub use verify::{ModelFiles, verify_model, with_policy};

use crate::manifest::{
    ARTIFACTS_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, POLICY_FILE, sha256_hex,
};
use crate::ports::{ArtifactStore, PointerStore};
use crate::predictor::{Model, Predictor, Served};
use bytes::Bytes;
use futures_util::future::{try_join, try_join_all, try_join4};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which model version is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPointer {
    /// Folder of the version.
    pub version: String,
    /// Of its manifest.
    pub manifest_sha256: String,
}

/// Which policy is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyPointer {
    /// Of the policy file; also its name.
    pub sha256: String,
}

/// What a function serves, pinned: the same bytes whatever the pointers say later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The model.
    pub model: ModelPointer,
    /// The policy.
    pub policy: PolicyPointer,
}

/// What the pointers of a function say.
#[derive(Debug, Clone, PartialEq)]
pub struct Releases {
    /// Of the model.
    pub model: ModelRelease,
    /// Of the policy.
    pub policy: PolicyRelease,
}

impl Releases {
    /// What answers.
    pub fn pins(&self) -> Pins {
        self.pins_with(&self.model.served)
    }

    /// A version of the model with the policy in force.
    pub fn pins_with(&self, version: &ModelVersion) -> Pins {
        Pins {
            model: version.pointer.clone(),
            policy: self.policy.served.clone(),
        }
    }
}

/// Name of the pointer to the list of what was ever promoted.
pub const INDEX_POINTER: &str = "index";

/// The value of the index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelIndex {
    /// Feature fingerprints that a version was promoted for, by function.
    pub models: BTreeMap<String, BTreeSet<String>>,
}

/// Name of the pointer to the served version for code that knows this fingerprint.
pub fn model_pointer(model: &str, fingerprint: &str) -> String {
    format!("model/{model}/{fingerprint}")
}

/// Name of the pointer to the policy in force.
pub fn policy_pointer(model: &str) -> String {
    format!("policy/{model}")
}

/// Key of a file of a model version.
pub fn model_key(model: &str, version: &str, file: &str) -> String {
    format!("models/{model}/{version}/{file}")
}

/// Key of a policy.
pub fn policy_key(model: &str, sha256: &str) -> String {
    format!("policies/{model}/{sha256}.json")
}

/// Loads the served model and policy: pointers in one read, then all files side by side, then every check.
pub async fn load_served<P: Predictor>(
    artifacts: &impl ArtifactStore,
    pointers: &impl PointerStore,
    runtime_library: Option<&Path>,
) -> Result<Served<P>, Refusal> {
    let pins = read_releases::<P>(pointers).await?.pins();
    load_pinned(artifacts, &pins, runtime_library).await
}

/// What the pointers say now, in one read.
pub async fn read_releases<P: Predictor>(
    pointers: &impl PointerStore,
) -> Result<Releases, Refusal> {
    let schema = P::schema();
    let names = [
        model_pointer(P::NAME, &schema.fingerprint),
        policy_pointer(P::NAME),
    ];
    let values = pointers.get_pointers(&[&names[0], &names[1]]).await?;
    let [model, policy] = <[_; 2]>::try_from(values)
        .map_err(|_| Refusal::unreadable("pointers", "not two answers"))?;
    Ok(Releases {
        model: parse_pointer(&names[0], model)?,
        policy: parse_pointer(&names[1], policy)?,
    })
}

/// Loads a pinned model and policy: all files side by side, then every check.
pub async fn load_pinned<P: Predictor>(
    artifacts: &impl ArtifactStore,
    pins: &Pins,
    runtime_library: Option<&Path>,
) -> Result<Served<P>, Refusal> {
    fetch_pinned::<P>(artifacts, pins)
        .await?
        .verified(pins, runtime_library, GoldenRows::All)
}

/// The files of a pinned model and policy, as they came.
#[derive(Debug, Clone)]
pub struct PinnedFiles {
    files: ModelFiles,
    policy: Bytes,
}

impl PinnedFiles {
    /// Every check, by these golden rows, which is all work and no waiting.
    pub fn verified<P: Predictor>(
        &self,
        pins: &Pins,
        runtime_library: Option<&Path>,
        rows: GoldenRows,
    ) -> Result<Served<P>, Refusal> {
        let Pins { model, policy } = pins;
        same_hash(
            MANIFEST_FILE,
            &sha256_hex(&self.files.manifest),
            &model.manifest_sha256,
        )?;
        same_hash(POLICY_FILE, &sha256_hex(&self.policy), &policy.sha256)?;
        let model = verify::verify_model_by(&self.files, runtime_library, rows)?;
        with_policy(model, &self.policy)
    }

    /// Replays these golden rows with the model made of these files.
    pub fn check_golden<P: Predictor>(
        &self,
        model: &Model<P>,
        rows: GoldenRows,
    ) -> Result<(), Refusal> {
        golden::check_golden(model, &self.files.golden, rows)
    }
}

/// Fetches all files of a pinned model and policy, side by side.
pub async fn fetch_pinned<P: Predictor>(
    artifacts: &impl ArtifactStore,
    pins: &Pins,
) -> Result<PinnedFiles, Refusal> {
    let policy_key = policy_key(P::NAME, &pins.policy.sha256);
    let (files, policy) = try_join(
        // On the heap: every fetch is in it.
        Box::pin(fetch_version::<P>(artifacts, &pins.model.version)),
        fetch(artifacts, &policy_key),
    )
    .await?;
    Ok(PinnedFiles { files, policy })
}

/// Loads a published version of a model, whatever is served: all files side by side, then every check.
pub async fn load_version<P: Predictor>(
    artifacts: &impl ArtifactStore,
    version: &str,
    runtime_library: Option<&Path>,
) -> Result<Model<P>, Refusal> {
    let files = fetch_version::<P>(artifacts, version).await?;
    verify_model(&files, runtime_library)
}

/// All files of a version, side by side.
async fn fetch_version<P: Predictor>(
    artifacts: &impl ArtifactStore,
    version: &str,
) -> Result<ModelFiles, Refusal> {
    let key = |file| model_key(P::NAME, version, file);
    let (manifest, graph, fitted, golden) = (
        key(MANIFEST_FILE),
        key(MODEL_FILE),
        key(ARTIFACTS_FILE),
        key(GOLDEN_FILE),
    );
    let files = try_join4(
        fetch(artifacts, &manifest),
        fetch(artifacts, &graph),
        fetch(artifacts, &fitted),
        fetch(artifacts, &golden),
    );
    let table_keys: Vec<String> = P::TABLES.iter().map(|file| key(file)).collect();
    let tables = try_join_all(table_keys.iter().map(|key| fetch(artifacts, key)));
    let ((manifest, graph, artifacts, golden), tables) = try_join(files, tables).await?;
    Ok(ModelFiles {
        manifest,
        graph,
        artifacts,
        golden,
        tables,
    })
}

async fn fetch(artifacts: &impl ArtifactStore, key: &str) -> Result<Bytes, Refusal> {
    artifacts
        .get_artifact(key)
        .await?
        .ok_or_else(|| Refusal::Missing {
            file: key.to_owned(),
        })
}

fn same_hash(file: &str, found: &str, expected: &str) -> Result<(), Refusal> {
    if found == expected {
        return Ok(());
    }
    Err(Refusal::Hash {
        file: file.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

fn parse_pointer<T: serde::de::DeserializeOwned>(
    name: &str,
    value: Option<String>,
) -> Result<T, Refusal> {
    let text = value.ok_or_else(|| Refusal::NotServed {
        pointer: name.to_owned(),
    })?;
    serde_json::from_str(&text).map_err(|error| Refusal::unreadable(name, error))
}
