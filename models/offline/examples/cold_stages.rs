//! A cold start, stage by stage: `cold_stages FUNCTION REQUEST.json SPAWNED_AT`. `make bench` starts it anew for every line.
//!
//! Does what the function does between its start and its first answer, with the same code in the same order, and takes the time in
//! between; but it fetches one file after the other, and replays all golden rows, where a start replays a sample. `SPAWNED_AT` is when the process was asked for, in seconds since 1970. Prints one line of JSON, milliseconds by stage; what
//! follows `again_` is a part of the checks, done a second time with everything in the caches.

#![expect(clippy::print_stdout, reason = "a tool for programs")]

use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use bytes::Bytes;
use features::time::Timestamp;
use offline::for_predictor;
use serde_json::{Map, Value};
use serving::manifest::{ARTIFACTS_FILE, GOLDEN_FILE, Golden, Hashed, MANIFEST_FILE, MODEL_FILE};
use serving::ports::ArtifactStore;
use serving::predictor::Predictor;
use serving::registry::{
    ModelFiles, Pins, model_key, policy_key, read_releases, verify_model, with_policy,
};
use serving::service::Service;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

type Failure = Box<dyn std::error::Error>;

#[expect(
    clippy::disallowed_methods,
    reason = "the start of the process is told in the clock's time"
)]
fn main() -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [function, request, spawned_at] = arguments.as_slice() else {
        return Err("usage: cold_stages FUNCTION REQUEST.json SPAWNED_AT".into());
    };
    let mut stages = Stages::begin();
    stages.set("spawn", (now - spawned_at.parse::<f64>()?) * 1e3);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let request = std::fs::read(request)?;
    let Some(name) = offline::functions::NAMES
        .into_iter()
        .find(|name| name == function)
    else {
        return Err(format!("{function} is no function").into());
    };
    let work = for_predictor!(name, start::<P>(&request, &mut stages));
    runtime.block_on(work)?;
    println!("{}", Value::Object(stages.found));
    Ok(())
}

/// Milliseconds by stage.
struct Stages {
    found: Map<String, Value>,
    last: Instant,
}

impl Stages {
    fn begin() -> Self {
        Self {
            found: Map::new(),
            last: Instant::now(),
        }
    }

    fn set(&mut self, name: &str, milliseconds: f64) {
        self.found.insert(name.to_owned(), milliseconds.into());
    }

    /// What was done since the last one.
    fn lap(&mut self, name: &str) {
        let spent = self.last.elapsed().as_secs_f64() * 1e3;
        self.set(name, spent);
        self.last = Instant::now();
    }
}

/// Boxed, because every predictor's future is of another type.
fn start<'a, P: Predictor>(
    request: &'a [u8],
    stages: &'a mut Stages,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
    Box::pin(async move {
        stages.lap("runtime");
        let clients = Clients::from_environment().await;
        let store = DynamoStore::new(clients.dynamo, variable("STORECAST_TABLE")?);
        let artifacts = S3Artifacts::new(clients.s3, variable("STORECAST_MODEL_BUCKET")?, "");
        stages.lap("clients");
        let pins = read_releases::<P>(&store).await?.pins();
        stages.lap("pointers");
        let (files, policy) = fetch::<P>(&artifacts, &pins).await?;
        stages.lap("files");
        let model = verify_model::<P>(&files, None)?;
        stages.lap("parse_and_check");
        let service =
            Service::<P, DynamoStore>::new(store, Ok(Arc::new(with_policy(model, &policy)?)));
        stages.lap("policy");
        let answer = service
            .handle_direct(request, "cold", Timestamp(1_507_348_800))
            .await;
        let (body, _) = answer.map_err(|problem| format!("{problem:?}"))?;
        stages.lap("first_answer");
        assert!(body.len() > 2, "an answer");
        again::<P>(&files, stages)
    })
}

/// One file after the other of those that the function asks for side by side: the first pays for the connection.
async fn fetch<P: Predictor>(
    store: &S3Artifacts,
    pins: &Pins,
) -> Result<(ModelFiles, Bytes), Failure> {
    let get = async |key: String| -> Result<Bytes, Failure> {
        let found = store.get_artifact(&key).await?;
        found.ok_or_else(|| format!("{key} is missing").into())
    };
    let file = |name: &str| get(model_key(P::NAME, &pins.model.version, name));
    let mut tables = Vec::new();
    for name in P::TABLES {
        tables.push(file(name).await?);
    }
    let files = ModelFiles {
        manifest: file(MANIFEST_FILE).await?,
        graph: file(MODEL_FILE).await?,
        artifacts: file(ARTIFACTS_FILE).await?,
        golden: file(GOLDEN_FILE).await?,
        tables,
    };
    Ok((files, get(policy_key(P::NAME, &pins.policy.sha256)).await?))
}

/// Parts of the checks on their own.
fn again<P: Predictor>(files: &ModelFiles, stages: &mut Stages) -> Result<(), Failure> {
    stages.lap("between");
    let hashed = [
        &files.manifest,
        &files.graph,
        &files.artifacts,
        &files.golden,
    ];
    for file in hashed.into_iter().chain(&files.tables) {
        black_box(Hashed::new(file.clone()));
    }
    stages.lap("again_hashes");
    black_box(serving::model::load(&files.graph, None)?);
    stages.lap("again_trees");
    black_box(serde_json::from_slice::<Golden>(&files.golden)?);
    stages.lap("again_golden_json");
    black_box(verify_model::<P>(files, None)?);
    stages.lap("again_parse_and_check");
    stages.found.remove("between");
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "an example has no settings of its own"
)]
fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is missing").into())
}
