//! Releases that running environments take up: the real binary, asked all the while.

mod stopped;

use super::*;
use crate::shop::renamed;
use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use serving::arms::position;
use serving::batch::FileStore;
use serving::batch::ports::FilePlace;
use serving::ports::MemoryStore;
use serving::registry::{ModelFiles, Registry, Use, load_served};
use serving::service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The stated time until a release answers, with what a busy machine may need to load it.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(15);

/// The stack, and what a release is made with.
struct Released {
    stack: Stack,
    files: UploadedFiles,
    artifacts: S3Artifacts,
    pointers: DynamoStore,
}

impl Released {
    async fn start() -> Self {
        let stack = Stack::start().await;
        let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
        Self {
            files: UploadedFiles::new(&clients),
            artifacts: S3Artifacts::new(clients.s3, BUCKET, ""),
            pointers: DynamoStore::new(clients.dynamo, TABLE),
            stack,
        }
    }

    fn registry(&self) -> Registry<'_, S3Artifacts, DynamoStore> {
        Registry {
            artifacts: &self.artifacts,
            pointers: &self.pointers,
            runtime_library: None,
            now: shop::NOW,
        }
    }
}

/// What answered, how often and with which probabilities, by their bits, and how long the slowest took.
#[derive(Default)]
struct Asked {
    answers: BTreeMap<String, usize>,
    probabilities: BTreeSet<(String, u64)>,
    slowest: Duration,
}

fn probability(body: &Value) -> f64 {
    let told = body["results"][0]["churn_probability"].as_f64();
    told.unwrap_or_else(|| panic!("no probability in {body}"))
}

/// What the library says of the same customer with this model.
async fn expected(files: ModelFiles) -> f64 {
    let store = MemoryStore::default();
    shop::fill(&store).await;
    let registry = shop::registry_of(&store);
    let released = registry.release::<Churn>(files, shop::policy_file()).await;
    released.expect("right in itself");
    let served = load_served::<Churn>(&store, &store, None).await;
    let service = Service::new(store, Ok(Arc::new(served.expect("what was released"))));
    let path = format!("/v1/customers/{FADING}/churn");
    probability(&shop::call(&service, "GET", &path, "").await.body)
}

/// Asks about one customer until `version` answers; every answer on the way is one.
async fn ask_until(lambda: &mut Lambda, version: &str) -> Asked {
    let event = http(
        "GET",
        &format!("/v1/customers/{FADING}/churn"),
        &Value::Null,
    );
    let (begun, mut asked) = (Instant::now(), Asked::default());
    loop {
        let sent = Instant::now();
        let (status, body) = status(&lambda.invoke(&event).await);
        asked.slowest = asked.slowest.max(sent.elapsed());
        assert_eq!(status, 200, "{body}");
        let answered = body["model_version"]
            .as_str()
            .expect("a version")
            .to_owned();
        *asked.answers.entry(answered.clone()).or_default() += 1;
        let told = (answered.clone(), probability(&body).to_bits());
        asked.probabilities.insert(told);
        if answered == version {
            return asked;
        }
        assert!(
            begun.elapsed() < TAKEN_UP_WITHIN,
            "{version} is not taken up"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_release_and_its_rollback_are_taken_up_while_every_request_is_answered() {
    let released = Released::start().await;
    let registry = released.registry();
    let committed = shop::served::<Churn>().await.model.manifest.version;
    let [before, after] = [
        expected(shop::model_files()).await,
        expected(overconfident("next")).await,
    ];
    assert!(
        after > before + 0.1,
        "{before} and {after} can be told apart"
    );
    let told = [
        (committed.clone(), before.to_bits()),
        ("next".to_owned(), after.to_bits()),
    ];
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &released.stack.settings());
    ask_until(&mut lambda, &committed).await;
    registry
        .publish::<Churn>(overconfident("next"))
        .await
        .expect("right in itself");
    registry
        .promote::<Churn>("next", Use::Served)
        .await
        .expect("published");
    let promoted = ask_until(&mut lambda, "next").await;
    registry.roll_back::<Churn>().await.expect("one before");
    let rolled_back = ask_until(&mut lambda, &committed).await;
    for (asked, from) in [(&promoted, &committed[..]), (&rolled_back, "next")] {
        assert!(
            asked.answers.len() == 2 && asked.answers[from] > 100,
            "{:?}",
            asked.answers
        );
        // Each answer's score is that of the version that it names.
        assert_eq!(asked.probabilities, told.clone().into());
        // A cold start takes longer than this; a request beside a load does not wait for it.
        assert!(
            asked.slowest < Duration::from_secs(1),
            "{:?}",
            asked.slowest
        );
    }
    let log = process.log();
    let lines: Vec<_> = log.iter().filter(|line| line["_aws"].is_object()).collect();
    let told = |version: &str| {
        lines
            .iter()
            .filter(|line| line["model_version"] == version)
            .count()
    };
    assert_eq!(told(&committed) + told("next"), lines.len());
    assert_eq!(
        told("next"),
        1 + rolled_back.answers["next"],
        "metrics name the version as well"
    );
    assert!(lines.iter().all(|line| line["errors"] == 0));
}

#[tokio::test]
async fn a_version_that_is_refused_leaves_the_last_good_one_and_is_told_once() {
    let released = Released::start().await;
    let registry = released.registry();
    let committed = shop::served::<Churn>().await.model.manifest.version;
    registry
        .publish::<Churn>(renamed::<Churn>("damaged"))
        .await
        .expect("a good model");
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &released.stack.settings());
    ask_until(&mut lambda, &committed).await;
    registry
        .promote::<Churn>("damaged", Use::Served)
        .await
        .expect("published");
    // As the policies of the bucket let nobody do.
    let graph = FilePlace {
        bucket: BUCKET.to_owned(),
        key: "models/churn/damaged/model.onnx".to_owned(),
    };
    let put = released
        .files
        .put_file(&graph, Bytes::from_static(b"no graph"));
    put.await.expect("S3");
    let event = http(
        "GET",
        &format!("/v1/customers/{FADING}/churn"),
        &Value::Null,
    );
    let begun = Instant::now();
    // Three looks: one that refuses, and two that find what was refused already.
    while begun.elapsed() < Duration::from_secs(32) {
        let (status, body) = status(&lambda.invoke(&event).await);
        assert_eq!((status, &body["model_version"]), (200, &json!(committed)));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let log = process.log();
    let refused: Vec<_> = lines(&log, "ERROR");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["message"], "model refused");
    assert!(
        refused[0]["refusal"]
            .as_str()
            .is_some_and(|text| text.contains("model.onnx"))
    );
    assert!(
        log.iter()
            .all(|line| line["_aws"].is_null() || line["errors"] == 0)
    );
}

#[tokio::test]
async fn a_canary_and_a_shadow_are_taken_up_and_end_with_a_promotion() {
    let released = Released::start().await;
    let registry = released.registry();
    let committed = shop::served::<Churn>().await.model.manifest.version;
    for version in ["next", "unseen"] {
        let published = registry.publish::<Churn>(renamed::<Churn>(version)).await;
        published.expect("a good model");
    }
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &released.stack.settings());
    ask_until(&mut lambda, &committed).await;
    let canary = Use::Canary {
        percent: 99,
        stop_shift: None,
    };
    registry
        .promote::<Churn>("unseen", Use::Shadow)
        .await
        .expect("published");
    let release = registry
        .promote::<Churn>("next", canary)
        .await
        .expect("published");
    assert!(release.shadow.is_some(), "a canary leaves the shadow");
    ask_until(&mut lambda, "next").await;
    let several = json!({ "customers": [{ "customer_id": STEADY }, { "customer_id": FADING }] });
    let (_, body) = status(&lambda.invoke(&http("POST", "/v1/churn", &several)).await);
    assert_eq!(body["model_version"], committed);
    registry
        .promote::<Churn>(&committed, Use::Served)
        .await
        .expect("published");
    ask_until(&mut lambda, &committed).await;
    let log = process.log();
    let shadowed: Vec<_> = log
        .iter()
        .filter(|line| line["shadow_rows"].is_u64())
        .collect();
    assert!(!shadowed.is_empty());
    for line in shadowed {
        let told = [
            "model_version",
            "shadow_failures",
            "shadow_beyond_tolerance",
        ]
        .map(|name| line[name].clone());
        assert_eq!(told, [json!("unseen"), json!(0), json!(0)]);
    }
    assert!(log.iter().all(|line| line["message"] != "model refused"));
}

#[tokio::test]
async fn a_canary_that_panics_or_fails_a_direct_call_is_named_where_its_errors_are_counted() {
    let released = Released::start().await;
    let registry = released.registry();
    let published = registry.publish::<Churn>(renamed::<Churn>("next")).await;
    published.expect("a good model");
    let canary = Use::Canary {
        percent: 99,
        stop_shift: None,
    };
    let promoted = registry.promote::<Churn>("next", canary).await;
    let drawn = promoted.expect("published").canary.expect("a canary");
    assert!(position(&drawn.salt, "panics") < 0.99);
    let mut lambda = Lambda::start().await;
    let program = workspace::example("fragile");
    let settings = released.stack.settings();
    let process = Process::start_program(Churn::NAME, &program, &lambda, &settings);
    let get = http("GET", "/v1/customers/panics/churn", &Value::Null);
    let (code, _) = status(&lambda.invoke(&get).await);
    assert_eq!(code, 500);
    let event = json!({ "customers": [{ "customer_id": "panics" }] });
    let Reply::Error(_) = lambda.invoke(&event.to_string()).await else {
        panic!("expected an error")
    };
    let log = process.log();
    let counted: Vec<_> = log.iter().filter(|line| line["errors"] == 1).collect();
    let told = counted.iter().map(|line| &line["model_version"]);
    assert!(counted.len() == 2 && told.eq(["next"; 2]), "{counted:?}");
}

/// A version whose probabilities are far too high, and whose files are right in themselves.
fn overconfident(version: &str) -> ModelFiles {
    let mut files = renamed::<Churn>(version);
    let mut manifest: Value = serde_json::from_slice(&files.manifest).expect("JSON");
    let intercept = manifest["calibration"]["intercept"].as_f64();
    manifest["calibration"]["intercept"] = json!(intercept.expect("Platt's") + 3.0);
    files.manifest = manifest.to_string().into();
    files
}
