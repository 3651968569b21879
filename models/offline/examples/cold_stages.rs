//! A cold start, stage by stage: `cold_stages FUNCTION REQUEST.json SPAWNED_AT`. `make bench` starts it anew for every line.
//!
//! Does what the function does between its start and its first answer, with the same code in the same order, and takes the time in
//! between; but it opens the connection to S3 for the files, where a start does so while it waits for the pointers. `SPAWNED_AT` is when the process was asked for, in seconds since 1970. Prints one line of JSON, milliseconds by stage; what
//! follows `again_` is a part of the checks, done a second time with everything in the caches.

#![expect(clippy::print_stdout, reason = "a tool for programs")]

use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use features::time::Timestamp;
use offline::for_predictor;
use serde_json::{Map, Value};
use serving::manifest::{ARTIFACTS_FILE, GOLDEN_FILE, Hashed, MANIFEST_FILE, MODEL_FILE};
use serving::ports::ArtifactStore;
use serving::predictor::Predictor;
use serving::registry::{GoldenRows, PinnedFiles, Pins, fetch_pinned, model_key, read_releases};
use serving::service::Service;
use std::future::Future;
use std::hint::black_box;
use std::path::Path;
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

    /// Leaves out what was done since the last one.
    fn begin_anew(&mut self) {
        self.last = Instant::now();
    }

    /// What was done since the last one.
    fn lap(&mut self, name: &str) {
        let spent = self.last.elapsed().as_secs_f64() * 1e3;
        self.set(name, spent);
        self.begin_anew();
    }
}

/// Boxed, because every predictor's future is of another type.
fn start<'a, P: Predictor>(
    request: &'a [u8],
    stages: &'a mut Stages,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
    Box::pin(async move {
        stages.lap("runtime");
        let settings = Settings::from_environment()?;
        let library = settings.runtime_library.as_deref();
        stages.lap("settings");
        let clients = Clients::from_environment().await;
        let store = DynamoStore::new(clients.dynamo, settings.table);
        let artifacts = S3Artifacts::new(clients.s3, settings.model_bucket, "");
        stages.lap("clients");
        let pins = read_releases::<P>(&store).await?.pins();
        stages.lap("pointers");
        let files = fetch_pinned::<P>(&artifacts, &pins).await?;
        stages.lap("files");
        let served = files.verified::<P>(&pins, library, GoldenRows::Sample)?;
        stages.lap("parse_and_check");
        let service = Service::<P, DynamoStore>::new(store, Ok(Arc::new(served)));
        let answer = service
            .handle_direct(request, "cold", Timestamp(1_507_348_800))
            .await;
        let (body, _) = answer.map_err(|problem| format!("{problem:?}"))?;
        stages.lap("first_answer");
        assert!(body.len() > 2, "an answer");
        again_by_file::<P>(&artifacts, &pins, library, stages).await?;
        again::<P>(&files, &pins, library, stages)
    })
}

/// Of the checks, what is done to files on their own.
async fn again_by_file<P: Predictor>(
    store: &S3Artifacts,
    pins: &Pins,
    library: Option<&Path>,
    stages: &mut Stages,
) -> Result<(), Failure> {
    let names = [MODEL_FILE, MANIFEST_FILE, ARTIFACTS_FILE, GOLDEN_FILE];
    let mut files = Vec::new();
    for name in names.iter().chain(P::TABLES) {
        let key = model_key(P::NAME, &pins.model.version, name);
        let found = store.get_artifact(&key).await?;
        files.push(found.ok_or_else(|| format!("{key} is missing"))?);
    }
    stages.begin_anew();
    for file in &files {
        black_box(Hashed::new(file.clone()));
    }
    stages.lap("again_hashes");
    black_box(serving::model::load(&files[0], library)?);
    stages.lap("again_model");
    Ok(())
}

/// All checks, and of them the golden rows: those that a start replays are some of all.
fn again<P: Predictor>(
    files: &PinnedFiles,
    pins: &Pins,
    library: Option<&Path>,
    stages: &mut Stages,
) -> Result<(), Failure> {
    let served = files.verified::<P>(pins, library, GoldenRows::Sample)?;
    stages.lap("again_parse_and_check");
    files.check_golden(&served.model, GoldenRows::Sample)?;
    stages.lap("again_golden_sample");
    files.check_golden(&served.model, GoldenRows::All)?;
    stages.lap("again_golden_all");
    Ok(())
}
