//! Every check between a folder of files and a model in service.

use super::golden::check_golden;
use super::{Refusal, same_hash};
use crate::manifest::{
    ARTIFACTS_FILE, FORMAT, GOLDEN_FILE, Golden, MANIFEST_FILE, MODEL_FILE, Manifest,
};
use crate::model::{self, FINGERPRINT_KEY, LoadedModel};
use crate::predictor::{Policy, Predictor, Served};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::path::Path;

/// The files of one model version, and the policy it is used with.
#[derive(Debug, Clone)]
pub struct Files {
    /// `manifest.json`.
    pub manifest: Bytes,
    /// `model.onnx`.
    pub model: Bytes,
    /// `artifacts.json`.
    pub artifacts: Bytes,
    /// `golden.json`.
    pub golden: Bytes,
    /// `policy.json`.
    pub policy: Bytes,
}

/// Checks everything and puts the model into service: hashes and sizes, name, columns, order, fingerprint, shapes,
/// policy, and golden rows from raw history to contributions.
pub fn verify<P: Predictor>(
    files: Files,
    runtime_library: Option<&Path>,
) -> Result<Served<P>, Refusal> {
    let manifest: Manifest = parse(MANIFEST_FILE, &files.manifest)?;
    check_manifest::<P>(&manifest)?;
    for (name, bytes) in [
        (MODEL_FILE, &files.model),
        (ARTIFACTS_FILE, &files.artifacts),
        (GOLDEN_FILE, &files.golden),
    ] {
        check_file(&manifest, name, bytes)?;
    }
    let artifacts: P::Artifacts = parse(ARTIFACTS_FILE, &files.artifacts)?;
    let policy: P::Policy = parse("policy", &files.policy)?;
    policy
        .check()
        .map_err(|reason| Refusal::Policy { reason })?;
    let loaded = model::load(&files.model, runtime_library)?;
    check_graph(&manifest, &loaded)?;
    let served = Served {
        manifest,
        artifacts,
        scorer: loaded.scorer,
        policy,
    };
    let golden: Golden = parse(GOLDEN_FILE, &files.golden)?;
    check_golden(&served, &golden)?;
    Ok(served)
}

fn parse<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::unreadable(file, error))
}

fn check_manifest<P: Predictor>(manifest: &Manifest) -> Result<(), Refusal> {
    same("manifest format", FORMAT, manifest.format)?;
    same("model name", P::NAME, &manifest.model)?;
    let schema = P::schema();
    same(
        "number of columns",
        schema.columns.len(),
        manifest.features.names.len(),
    )?;
    for (index, (column, name)) in schema
        .columns
        .iter()
        .zip(&manifest.features.names)
        .enumerate()
    {
        same(&format!("column {index}"), column.name, name)?;
    }
    same(
        "feature fingerprint",
        &schema.fingerprint,
        &manifest.features.fingerprint,
    )
}

fn check_file(manifest: &Manifest, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let entry = manifest.files.get(name).ok_or_else(|| Refusal::Missing {
        file: format!("{name} (in the manifest)"),
    })?;
    if entry.size != bytes.len() as u64 {
        return Err(Refusal::Size {
            file: name.to_owned(),
            expected: entry.size,
            found: bytes.len() as u64,
        });
    }
    same_hash(name, bytes, &entry.sha256)
}

fn check_graph(manifest: &Manifest, loaded: &LoadedModel) -> Result<(), Refusal> {
    let expected = &manifest.features;
    let found = loaded
        .metadata
        .get(FINGERPRINT_KEY)
        .map_or("none", String::as_str);
    same(
        "fingerprint inside the graph",
        expected.fingerprint.as_str(),
        found,
    )?;
    same(
        "columns of the graph",
        expected.names.len(),
        loaded.scorer.columns(),
    )?;
    same(
        "name of the graph's input",
        &manifest.input.name,
        &loaded.input.name,
    )?;
    same(
        "name of the graph's output",
        &manifest.output.name,
        &loaded.output.name,
    )?;
    let shape = ["rows".to_owned(), expected.names.len().to_string()];
    same(
        "shape of the input",
        shape.join(" x "),
        manifest.input.shape.join(" x "),
    )
}

fn same<T: PartialEq<U> + ToString, U: ToString>(
    what: &str,
    expected: T,
    found: U,
) -> Result<(), Refusal> {
    if expected == found {
        return Ok(());
    }
    Err(Refusal::mismatch(what, expected, found))
}
