//! A model's folder on disk, as training writes it.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serving::manifest::{ARTIFACTS_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, POLICY_FILE};
use serving::predictor::Predictor;
use serving::registry::ModelFiles;
use std::path::Path;

/// Name of the fitted baselines in a model's folder.
pub const BASELINE_FILE: &str = "baseline.json";

/// Why a file of the folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Missing or unreadable.
    #[error("read {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not what it should be.
    #[error("read {path}: {source}")]
    Parse {
        /// Which file.
        path: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// The files of a model version.
pub fn read_model<P: Predictor>(folder: &Path) -> Result<ModelFiles, FolderError> {
    let tables = P::TABLES.iter().map(|file| read(folder, file));
    Ok(ModelFiles {
        tables: tables.collect::<Result<_, _>>()?,
        manifest: read(folder, MANIFEST_FILE)?,
        graph: read(folder, MODEL_FILE)?,
        artifacts: read(folder, ARTIFACTS_FILE)?,
        golden: read(folder, GOLDEN_FILE)?,
    })
}

/// The policy beside the model.
pub fn read_policy(folder: &Path) -> Result<Bytes, FolderError> {
    read(folder, POLICY_FILE)
}

/// The fitted baselines beside the model.
pub fn read_baseline<B: DeserializeOwned>(folder: &Path) -> Result<B, FolderError> {
    let bytes = read(folder, BASELINE_FILE)?;
    let path = folder.join(BASELINE_FILE).display().to_string();
    serde_json::from_slice(&bytes).map_err(|source| FolderError::Parse { path, source })
}

fn read(folder: &Path, file: &str) -> Result<Bytes, FolderError> {
    let path = folder.join(file);
    let bytes = std::fs::read(&path).map_err(|source| FolderError::Read {
        path: path.display().to_string(),
        source,
    })?;
    Ok(bytes.into())
}
