//! `storecast check`.

use super::{Failure, ModelFolder, Which};
use crate::{for_predictor, model_folder};
use clap::Args;
use serving::predictor::Predictor;
use serving::registry::{verify_model, with_policy};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    folder: ModelFolder,
}

impl Check {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), check::<P>(&self.folder))
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a command for people")]
fn check<P: Predictor>(given: &ModelFolder) -> Result<ExitCode, Failure> {
    let (folder, runtime) = (given.of::<P>(), given.onnxruntime.as_deref());
    let model = verify_model::<P>(&model_folder::read_model::<P>(&folder)?, runtime)?;
    let served = with_policy(model, &model_folder::read_policy(&folder)?)?;
    let manifest = &served.model.manifest;
    println!("{} {}: accepted", P::NAME, manifest.version);
    println!(
        "  {} columns, fingerprint {}",
        manifest.features.names.len(),
        &manifest.features.fingerprint[..12]
    );
    println!(
        "  trained on {} ({})",
        manifest.data_set.shop, manifest.data_set.currency
    );
    Ok(ExitCode::SUCCESS)
}
