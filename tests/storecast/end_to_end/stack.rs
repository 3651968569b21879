//! Both stores, with the committed models and the small shop in them.

use crate::shop;
use crate::workspace;
use aws::admin::{ensure_bucket, ensure_table};
use aws::clients::{Clients, LOCAL_ACCESS_KEY, LOCAL_REGION, LOCAL_SECRET_KEY};
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use aws::uploaded_files::UploadedFiles;
use churn::Churn;
use inventory::Inventory;
use local::servers::{Server, start_dynamo, start_s3};
use recommendations::Recommendations;
use serving::predictor::Predictor;
use serving::registry::Registry;
use std::process::Command;
use tempfile::TempDir;

pub(super) const TABLE: &str = "storecast-test";
pub(super) const BUCKET: &str = "storecast-test-models";
/// Of the log of predictions.
pub(super) const SALT: &str = "a secret of the small shop";

/// Both stores with the committed model and the small shop in them.
pub(super) struct Stack {
    pub(super) s3: Server,
    pub(super) dynamo: Server,
    pub(super) files: TempDir,
}

impl Stack {
    pub(super) async fn start() -> Self {
        let files = tempfile::tempdir().expect("a folder");
        let s3 = start_s3(0, files.path()).expect("S3");
        let dynamo = start_dynamo(0, None).expect("DynamoDB");
        let clients = Clients::at(&s3.url(), &dynamo.url()).await;
        ensure_bucket(&clients, BUCKET).await.expect("a bucket");
        ensure_table(&clients, TABLE).await.expect("a table");
        let store = DynamoStore::new(clients.dynamo, TABLE);
        let artifacts = S3Artifacts::new(clients.s3, BUCKET, "");
        release::<Churn>(&artifacts, &store).await;
        release::<Inventory>(&artifacts, &store).await;
        release::<Recommendations>(&artifacts, &store).await;
        shop::fill(&store).await;
        Self { s3, dynamo, files }
    }

    /// Bucket and files of the events.
    pub(super) async fn put_uploads(&self) -> UploadedFiles {
        let clients = Clients::at(&self.s3.url(), &self.dynamo.url()).await;
        local::uploads::put_samples(&clients, workspace::root())
            .await
            .expect("a bucket");
        UploadedFiles::new(&clients)
    }

    /// The settings of a function that keeps every prediction in a bucket.
    pub(super) fn keeping(&self, bucket: &str) -> Vec<(&'static str, String)> {
        let mut settings = self.settings();
        settings.extend([
            ("STORECAST_PREDICTION_LOG", bucket.to_owned()),
            ("STORECAST_PREDICTION_LOG_SHARE", "1".to_owned()),
            ("STORECAST_PREDICTION_LOG_SALT", SALT.to_owned()),
        ]);
        settings
    }

    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("STORECAST_TABLE", TABLE.to_owned()),
            ("STORECAST_MODEL_BUCKET", BUCKET.to_owned()),
            // Every line that could hold a payload is asked for.
            ("STORECAST_LOG_LEVEL", "trace".to_owned()),
            ("AWS_ENDPOINT_URL_S3", self.s3.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamo.url()),
            ("AWS_REGION", LOCAL_REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", LOCAL_ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", LOCAL_SECRET_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }
}

/// Runs the command line; its exit code, and what it said.
pub(super) fn storecast(settings: &[(&str, String)], arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(workspace::program("storecast"));
    command.args(arguments);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    let output = command.current_dir(workspace::root()).output();
    let output = output.expect("the program starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code().expect("an exit code"), said)
}

async fn release<P: Predictor>(artifacts: &S3Artifacts, pointers: &DynamoStore) {
    let (files, policy) = (shop::model_files_of::<P>(), shop::policy_file_of::<P>());
    let registry = Registry {
        artifacts,
        pointers,
        runtime_library: None,
        now: shop::NOW,
    };
    let released = registry.release::<P>(files, policy).await;
    released.expect("a good model");
}
