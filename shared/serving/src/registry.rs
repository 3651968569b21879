//! Finding, verifying and loading the served model; publishing a new one.
//!
//! A model is an immutable folder `models/<name>/<version>/`. Which version is served is a pointer per (model, feature
//! fingerprint) that holds the version and its manifest's SHA-256: the manifest holds the hash of every other file,
//! so a byte changed anywhere is seen. Policies lie apart, `policies/<name>/<sha256>.json`, with a pointer of their own.

mod golden;
mod refusal;
mod verify;

pub use refusal::Refusal;
pub use verify::{ModelFiles, verify_model, with_policy};

use crate::manifest::{
    ARTIFACTS_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, POLICY_FILE, sha256_hex,
};
use crate::ports::{ArtifactStore, PointerStore, StoreError};
use crate::predictor::{Predictor, Served};
use bytes::Bytes;
use futures_util::future::{try_join_all, try_join3, try_join4};
use serde::{Deserialize, Serialize};
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
    let pins = read_pins::<P>(pointers).await?;
    load_pinned(artifacts, &pins, runtime_library).await
}

/// What is served now, in one read.
pub async fn read_pins<P: Predictor>(pointers: &impl PointerStore) -> Result<Pins, Refusal> {
    let schema = P::schema();
    let names = [
        model_pointer(P::NAME, &schema.fingerprint),
        policy_pointer(P::NAME),
    ];
    let values = pointers.get_pointers(&[&names[0], &names[1]]).await?;
    let [model, policy] = <[_; 2]>::try_from(values)
        .map_err(|_| Refusal::unreadable("pointers", "not two answers"))?;
    Ok(Pins {
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
    let Pins { model, policy } = pins;
    let key = |file| model_key(P::NAME, &model.version, file);
    let (manifest, graph, fitted, golden) = (
        key(MANIFEST_FILE),
        key(MODEL_FILE),
        key(ARTIFACTS_FILE),
        key(GOLDEN_FILE),
    );
    let policy_key = policy_key(P::NAME, &policy.sha256);
    let files = try_join4(
        fetch(artifacts, &manifest),
        fetch(artifacts, &graph),
        fetch(artifacts, &fitted),
        fetch(artifacts, &golden),
    );
    let table_keys: Vec<String> = P::TABLES.iter().map(|file| key(file)).collect();
    let tables = try_join_all(table_keys.iter().map(|key| fetch(artifacts, key)));
    let ((manifest, graph, fitted, golden), tables, policy_file) =
        try_join3(files, tables, fetch(artifacts, &policy_key)).await?;
    same_hash(
        MANIFEST_FILE,
        &sha256_hex(&manifest),
        &model.manifest_sha256,
    )?;
    same_hash(POLICY_FILE, &sha256_hex(&policy_file), &policy.sha256)?;
    let files = ModelFiles {
        manifest,
        graph,
        artifacts: fitted,
        golden,
        tables,
    };
    with_policy(verify_model(&files, runtime_library)?, &policy_file)
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

/// Writes a verified version and its policy, then moves both pointers. Files go first, pointers last, so that nobody
/// ever follows a pointer to nothing.
pub async fn publish<P: Predictor>(
    artifacts: &impl ArtifactStore,
    pointers: &impl PointerStore,
    files: ModelFiles,
    policy: Bytes,
    runtime_library: Option<&Path>,
) -> Result<ModelPointer, Refusal> {
    let served = with_policy(verify_model::<P>(&files, runtime_library)?, &policy)?;
    let version = served.model.manifest.version;
    let manifest_sha256 = sha256_hex(&files.manifest);
    let policy_sha256 = sha256_hex(&policy);
    let policy_file = policy_key(P::NAME, &policy_sha256);
    let named = [
        (MODEL_FILE, files.graph),
        (ARTIFACTS_FILE, files.artifacts),
        (GOLDEN_FILE, files.golden),
    ];
    let tables = P::TABLES.iter().copied().zip(files.tables);
    let manifest = [(MANIFEST_FILE, files.manifest)];
    for (file, bytes) in named.into_iter().chain(tables).chain(manifest) {
        put_once(artifacts, &model_key(P::NAME, &version, file), bytes).await?;
    }
    put_once(artifacts, &policy_file, policy).await?;
    let pointer = ModelPointer {
        version,
        manifest_sha256,
    };
    move_pointer(
        pointers,
        &model_pointer(P::NAME, &P::schema().fingerprint),
        &pointer,
    )
    .await?;
    move_pointer(
        pointers,
        &policy_pointer(P::NAME),
        &PolicyPointer {
            sha256: policy_sha256,
        },
    )
    .await?;
    Ok(pointer)
}

/// A version is written once: the same bytes again are no change, other bytes are refused.
async fn put_once(artifacts: &impl ArtifactStore, key: &str, bytes: Bytes) -> Result<(), Refusal> {
    if artifacts.put_artifact(key, bytes.clone()).await? {
        return Ok(());
    }
    let present = fetch(artifacts, key).await?;
    if present == bytes {
        return Ok(());
    }
    Err(Refusal::Hash {
        file: key.to_owned(),
        expected: sha256_hex(&present),
        found: sha256_hex(&bytes),
    })
}

async fn move_pointer(
    pointers: &impl PointerStore,
    name: &str,
    value: &impl Serialize,
) -> Result<(), Refusal> {
    let value = serde_json::to_string(value).map_err(|error| Refusal::unreadable(name, error))?;
    let current = pointers.get_pointers(&[name]).await?.pop().flatten();
    if current.as_deref() == Some(&value) {
        return Ok(());
    }
    if pointers
        .set_pointer(name, current.as_deref(), &value)
        .await?
    {
        return Ok(());
    }
    let reason = "somebody else moved it at the same time".to_owned();
    Err(StoreError::Unavailable {
        operation: "set pointer",
        place: name.to_owned(),
        reason,
    }
    .into())
}
