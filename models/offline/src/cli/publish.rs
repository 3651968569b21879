//! `storecast publish`.

use super::{Failure, ModelFolder, Which};
use crate::{for_predictor, model_folder};
use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use clap::Args;
use serving::predictor::Predictor;
use serving::registry;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Files go first, the served pointer last; running functions that start afterwards load the new version. The bucket, the
table and their endpoints come from the environment, as for `load`.")]
pub(super) struct Publish {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    folder: ModelFolder,
}

impl Publish {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), publish::<P>(&self.folder))
    }
}

fn publish<P: Predictor>(given: &ModelFolder) -> Result<ExitCode, Failure> {
    let (folder, runtime_library) = (given.of::<P>(), given.onnxruntime.as_deref());
    let (files, policy) = (
        model_folder::read_model::<P>(&folder)?,
        model_folder::read_policy(&folder)?,
    );
    let settings = Settings::from_environment()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let pointer = runtime.block_on(async {
        let clients = Clients::from_environment().await;
        let artifacts = S3Artifacts::new(clients.s3, settings.model_bucket, "");
        let pointers = DynamoStore::new(clients.dynamo, settings.table);
        registry::publish::<P>(&artifacts, &pointers, files, policy, runtime_library).await
    })?;
    eprintln!(
        "{}: version {} is served from now on",
        P::NAME,
        pointer.version
    );
    Ok(ExitCode::SUCCESS)
}
