//! Every check between a folder of files and a model in service.

use super::golden::{GoldenRows, check_golden};
use super::{Refusal, same_hash};
use crate::manifest::{
    ARTIFACTS_FILE, FORMAT, GOLDEN_FILE, Hashed, MANIFEST_FILE, MODEL_FILE, Manifest, POLICY_FILE,
};
use crate::model::{self, FEATURES_KEY, FINGERPRINT_KEY, LoadedModel};
use crate::predictor::{Model, Predictor, Served};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::path::Path;

/// The files of one model version that serving reads.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// `manifest.json`.
    pub manifest: Bytes,
    /// `model.onnx`.
    pub graph: Bytes,
    /// `artifacts.json`.
    pub artifacts: Bytes,
    /// `golden.json`.
    pub golden: Bytes,
    /// The predictor's own binary files, in the order of [`Predictor::TABLES`].
    pub tables: Vec<Bytes>,
}

/// Checks a model on its own: hashes and sizes, name, columns, order, fingerprint, shapes, and golden rows from raw
/// history to contributions.
pub fn verify_model<P: Predictor>(
    files: &ModelFiles,
    runtime_library: Option<&Path>,
) -> Result<Model<P>, Refusal> {
    verify_model_by(files, runtime_library, GoldenRows::All)
}

/// The same by these golden rows.
pub(super) fn verify_model_by<P: Predictor>(
    files: &ModelFiles,
    runtime_library: Option<&Path>,
    rows: GoldenRows,
) -> Result<Model<P>, Refusal> {
    let manifest: Manifest = parse(MANIFEST_FILE, &files.manifest)?;
    check_manifest::<P>(&manifest)?;
    let named = [
        (MODEL_FILE, &files.graph),
        (ARTIFACTS_FILE, &files.artifacts),
        (GOLDEN_FILE, &files.golden),
    ];
    for (name, bytes) in named {
        check_file(&manifest, name, &Hashed::new(bytes.clone()))?;
    }
    let tables: Vec<Hashed> = files.tables.iter().cloned().map(Hashed::new).collect();
    for (name, table) in P::TABLES.iter().zip(&tables) {
        check_file(&manifest, name, table)?;
    }
    let mut artifacts: P::Artifacts = parse(ARTIFACTS_FILE, &files.artifacts)?;
    P::attach_tables(&mut artifacts, &tables)
        .map_err(|reason| Refusal::unreadable("tables", reason))?;
    let loaded = model::load(&files.graph, runtime_library)?;
    check_graph(&manifest, &loaded)?;
    let model = Model {
        manifest,
        artifacts,
        scorer: loaded.scorer,
    };
    check_golden(&model, &files.golden, rows)?;
    Ok(model)
}

/// Puts a verified model into service with a policy, if the policy makes sense for it.
pub fn with_policy<P: Predictor>(model: Model<P>, policy: &[u8]) -> Result<Served<P>, Refusal> {
    let policy: P::Policy = parse(POLICY_FILE, policy)?;
    P::check_policy(&policy, &model.artifacts).map_err(|reason| Refusal::Policy { reason })?;
    Ok(Served {
        model,
        policy,
        memory: P::Memory::default(),
    })
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
    let columns = schema.columns.iter().map(|column| column.name);
    same_columns("", columns, &manifest.features.names)?;
    same(
        "feature fingerprint",
        &schema.fingerprint,
        &manifest.features.fingerprint,
    )?;
    let distribution = manifest.distribution.as_ref();
    distribution
        .map_or(Ok(()), |distribution| {
            distribution.check(&manifest.features)
        })
        .map_err(|reason| Refusal::unreadable(MANIFEST_FILE, format!("distribution: {reason}")))
}

fn check_file(manifest: &Manifest, name: &str, file: &Hashed) -> Result<(), Refusal> {
    let entry = manifest.files.get(name).ok_or_else(|| Refusal::Missing {
        file: format!("{name} (in the manifest)"),
    })?;
    let found = file.bytes().len() as u64;
    if entry.size != found {
        return Err(Refusal::Size {
            file: name.to_owned(),
            expected: entry.size,
            found,
        });
    }
    same_hash(name, file.sha256(), &entry.sha256)
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
    let named: Vec<String> = match loaded.metadata.get(FEATURES_KEY) {
        Some(names) => parse(
            &format!("{FEATURES_KEY} inside the graph"),
            names.as_bytes(),
        )?,
        None => Vec::new(),
    };
    same(
        "number of columns named inside the graph",
        expected.names.len(),
        named.len(),
    )?;
    let columns = expected.names.iter().map(String::as_str);
    same_columns(" inside the graph", columns, &named)?;
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

/// The first name that differs, by its place.
fn same_columns<'a>(
    place: &str,
    expected: impl Iterator<Item = &'a str>,
    found: &[String],
) -> Result<(), Refusal> {
    expected
        .zip(found)
        .enumerate()
        .try_for_each(|(index, (expected, found))| {
            same(&format!("column {index}{place}"), expected, found)
        })
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
