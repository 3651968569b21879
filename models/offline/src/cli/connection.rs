//! The stores of models and pointers, as the environment names them.

use super::Failure;
use super::clock::now;
use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use features::time::Timestamp;
use serving::registry::Registry;
use std::path::Path;

/// Both stores, and the instant of the command.
pub(super) struct Connection {
    artifacts: S3Artifacts,
    pointers: DynamoStore,
    now: Timestamp,
}

impl Connection {
    pub(super) async fn open() -> Result<Self, Failure> {
        let settings = Settings::from_environment()?;
        let clients = Clients::from_environment().await;
        Ok(Self {
            artifacts: S3Artifacts::new(clients.s3, settings.model_bucket, ""),
            pointers: DynamoStore::new(clients.dynamo, settings.table),
            now: now(),
        })
    }

    pub(super) fn artifacts(&self) -> &S3Artifacts {
        &self.artifacts
    }

    pub(super) fn registry<'a>(
        &'a self,
        runtime_library: Option<&'a Path>,
    ) -> Registry<'a, S3Artifacts, DynamoStore> {
        Registry {
            artifacts: &self.artifacts,
            pointers: &self.pointers,
            runtime_library,
            now: self.now,
        }
    }
}

/// Runs a command's calls.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
