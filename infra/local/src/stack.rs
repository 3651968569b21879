//! The whole stack on one machine: S3, DynamoDB, the models and histories in them, and the functions.

use crate::orders::SHOP_KEY;
use crate::servers::{Server, start_dynamo, start_s3};
use crate::uploads::UPLOAD_BUCKET;
use crate::watch::Watch;
use aws::admin::{ensure_bucket, ensure_table};
use aws::clients::{Clients, LOCAL_ACCESS_KEY, LOCAL_REGION, LOCAL_SECRET_KEY};
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use features::time::Timestamp;
use offline::histories::Histories;
use offline::ingest::Options;
use offline::shop::Shop;
use offline::store::{Loaded, write_all};
use offline::{for_predictor, functions, model_folder};
use serving::predictor::Predictor;
use serving::registry::{ModelPointer, Registry};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whatever goes wrong, in words for people.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Table of the local stack.
pub const TABLE: &str = "storecast";
/// Bucket of the local stack.
pub const MODEL_BUCKET: &str = "storecast-models";

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Root of the project.
    pub root: PathBuf,
    /// The shop whose orders are loaded.
    pub shop: PathBuf,
    /// Folder of the models, one folder each.
    pub models: PathBuf,
    /// Where S3 files and histories are kept.
    pub work: PathBuf,
    /// Port of S3; 0 for any.
    pub s3_port: u16,
    /// Port of DynamoDB; 0 for any.
    pub dynamo_port: u16,
    /// Port of the functions.
    pub function_port: u16,
    /// A server to stop before the functions are asked: what they answer then can be seen.
    pub stop: Option<StoreName>,
}

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StoreName {
    /// Models and policies.
    S3,
    /// Histories and pointers.
    Dynamodb,
}

/// The stores and what is in them; ends with the value.
pub struct Stores {
    /// The S3 server.
    pub s3: Server,
    /// The DynamoDB server.
    pub dynamo: Server,
    /// The served models, by function.
    pub models: Vec<(&'static str, ModelPointer)>,
    /// What was loaded, by kind.
    pub loaded: Vec<Loaded>,
    /// The shop's histories.
    pub histories: Histories,
}

/// Reads the shop's files, or finds them read already.
pub fn read_shop(plan: &Plan) -> Result<(Shop, Histories), Failure> {
    let shop = Shop::read(&plan.shop)?;
    let work = plan.work.join(&shop.name);
    let histories = Histories::load(&shop, &Options::local(&work))?;
    Ok((shop, histories))
}

/// Starts both servers, makes bucket and table, publishes the models and loads the histories.
pub async fn start_stores(plan: &Plan, histories: Histories) -> Result<Stores, Failure> {
    let folder = plan.work.join("s3");
    // What an earlier run left is not this run's: every start is a first start.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let s3 = start_s3(plan.s3_port, &folder)?;
    let dynamo = start_dynamo(plan.dynamo_port, None)?;
    let clients = Clients::at(&s3.url(), &dynamo.url()).await;
    ensure_bucket(&clients, MODEL_BUCKET).await?;
    ensure_table(&clients, TABLE).await?;
    let store = DynamoStore::new(clients.dynamo.clone(), TABLE);
    let artifacts = S3Artifacts::new(clients.s3.clone(), MODEL_BUCKET, "");
    let mut models = Vec::new();
    for name in functions::NAMES {
        let published = for_predictor!(name, publish::<P>(plan, &artifacts, &store));
        models.push((name, published.await?));
    }
    let loaded = write_all(&store, &histories, &|_| ()).await?;
    Ok(Stores {
        s3,
        dynamo,
        models,
        loaded,
        histories,
    })
}

/// The future is boxed, because every predictor's is of another type.
fn publish<'a, P: Predictor>(
    plan: &Plan,
    artifacts: &'a S3Artifacts,
    pointers: &'a DynamoStore,
) -> Pin<Box<dyn Future<Output = Result<ModelPointer, Failure>> + 'a>> {
    let folder = plan.models.join(P::NAME);
    Box::pin(async move {
        let (files, policy) = (
            model_folder::read_model::<P>(&folder)?,
            model_folder::read_policy(&folder)?,
        );
        let registry = Registry {
            artifacts,
            pointers,
            runtime_library: None,
            now: now(),
        };
        Ok(registry.release::<P>(files, policy).await?.pointer)
    })
}

#[expect(clippy::disallowed_methods, reason = "a release is dated")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// The environment of a function, or of `storecast`, that talks to these stores.
pub fn environment(stores: &Stores) -> Vec<(&'static str, String)> {
    vec![
        ("STORECAST_TABLE", TABLE.to_owned()),
        ("STORECAST_MODEL_BUCKET", MODEL_BUCKET.to_owned()),
        ("STORECAST_DATA_BUCKET", UPLOAD_BUCKET.to_owned()),
        ("STORECAST_SHOP", format!("s3://{UPLOAD_BUCKET}/{SHOP_KEY}")),
        ("AWS_ENDPOINT_URL_S3", stores.s3.url()),
        ("AWS_ENDPOINT_URL_DYNAMODB", stores.dynamo.url()),
        ("AWS_REGION", LOCAL_REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", LOCAL_ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", LOCAL_SECRET_KEY.to_owned()),
        // The SDK would look for a machine's role where there is none.
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("ORT_DISABLE_TELEMETRY", "1".to_owned()),
    ]
}

/// Serves the functions from their release binaries; their log goes to `log`.
pub fn start_functions(plan: &Plan, stores: &Stores, log: &Path) -> Result<Watch, Failure> {
    let mut environment = environment(stores);
    let work = std::path::absolute(plan.work.join("orders"))?;
    environment.push(("STORECAST_WORK", work.to_string_lossy().into_owned()));
    Watch::start(&plan.root, plan.function_port, &environment, log)
}
