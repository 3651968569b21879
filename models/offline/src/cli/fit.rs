//! `storecast fit`.

use super::shop_data::ShopData;
use super::{Failure, Which};
use crate::entity::Entity;
use crate::{for_predictor, matrix};
use clap::Args;
use serde_json::Value;
use serving::manifest::{ARTIFACTS_FILE, MANIFEST_FILE, Manifest, sha256_hex};
use serving::predictor::Train;
use serving::wire::parse_instant;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Fit {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    /// Use orders before this instant only (RFC 3339); all of them when left out
    #[arg(long, value_name = "INSTANT")]
    cutoff: Option<String>,
    /// Write the tables of the model in this folder anew, fitted before the same instant as its artifacts, and refuse
    /// any byte that its manifest does not name
    #[arg(long, value_name = "FOLDER", conflicts_with = "cutoff")]
    tables: Option<PathBuf>,
}

impl Fit {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), fit::<P>(self))
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the answer of a command for people and pipes"
)]
fn fit<P: Train<History: Entity>>(command: &Fit) -> Result<ExitCode, Failure> {
    if let Some(folder) = &command.tables {
        return tables::<P>(command, folder);
    }
    let (shop, histories) = command.data.load()?;
    let cutoff = match &command.cutoff {
        Some(text) => parse_instant(text, "--cutoff")?.0,
        None => P::History::known(&histories).1,
    };
    let artifacts = matrix::fit::<P>(&shop, &histories, cutoff)?;
    println!("{}", serde_json::to_string_pretty(&artifacts)?);
    Ok(ExitCode::SUCCESS)
}

/// Tables are too large to be kept with the code, and the same on every host.
fn tables<P: Train<History: Entity>>(command: &Fit, folder: &Path) -> Result<ExitCode, Failure> {
    let manifest: Manifest = serde_json::from_slice(&read(folder, MANIFEST_FILE)?)?;
    let is_there = |name: &str| {
        let found = read(folder, name).map(|bytes| sha256_hex(&bytes)).ok();
        found.is_some() && found.as_ref() == manifest.files.get(name).map(|entry| &entry.sha256)
    };
    if P::TABLES.iter().all(|name| is_there(name)) {
        return Ok(ExitCode::SUCCESS);
    }
    let artifacts: Value = serde_json::from_slice(&read(folder, ARTIFACTS_FILE)?)?;
    let place = format!("{}/fitted_before", folder.join(ARTIFACTS_FILE).display());
    let cutoff = artifacts["fitted_before"].as_str().unwrap_or_default();
    let cutoff = parse_instant(cutoff, &place)?.0;
    let (shop, histories) = command.data.load()?;
    let fitted = matrix::fit::<P>(&shop, &histories, cutoff)?;
    for (name, bytes) in P::TABLES.iter().zip(P::tables(&fitted)) {
        let named = manifest.files.get(*name);
        let named = named.map_or("none", |entry| entry.sha256.as_str());
        let found = sha256_hex(&bytes);
        if found != named {
            return Err(format!(
                "{name} has SHA-256 {found}, the manifest names {named}: the shop's data is not what the model was \
                 fitted on, or the fit has changed; train again"
            )
            .into());
        }
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>, Failure> {
    let path = folder.join(file);
    std::fs::read(&path).map_err(|error| format!("read {}: {error}", path.display()).into())
}
