//! Releases that running environments take up: the real binary, asked all the while.

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
use serving::registry::release::{Past, Role};
use serving::registry::{ModelFiles, ModelPointer, ModelRelease, Registry, Use};
use std::collections::BTreeMap;
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

/// What answered, how often, and how long the slowest took.
#[derive(Default)]
struct Asked {
    answers: BTreeMap<String, usize>,
    slowest: Duration,
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
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &released.stack.settings());
    ask_until(&mut lambda, &committed).await;
    registry
        .publish::<Churn>(renamed::<Churn>("next"))
        .await
        .expect("a good model");
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

/// Somebody with orders, who is in no store.
fn stranger(number: usize) -> Value {
    let orders: Vec<_> = (1..=number % 9 + 2)
        .map(|order| {
            let day = 1 + order * 3;
            json!({ "order_id": order.to_string(), "placed_at": format!("2017-12-{day:02}T10:00:00Z"),
                "lines": [{ "product_id": "1029743", "category": "GROCERY", "net_minor": 1_000 + 77 * (number % 31) }] })
        })
        .collect();
    json!({ "customers": [{ "customer_id": format!("stranger {number}"), "history": { "orders": orders } }],
        "as_of": "2018-01-01T00:00:00Z" })
}

/// Asks about one stranger after the other until the canary has stopped: its end, and who answered how often.
async fn ask_until_stopped(
    lambda: &mut Lambda,
    registry: &Registry<'_, S3Artifacts, DynamoStore>,
) -> (Past<ModelPointer>, BTreeMap<String, usize>) {
    let (begun, mut answers) = (Instant::now(), BTreeMap::<String, usize>::new());
    for number in 0.. {
        let event = http("POST", "/v1/churn", &stranger(number));
        let (status, body) = status(&lambda.invoke(&event).await);
        assert_eq!(status, 200, "{body}");
        let version = body["model_version"].as_str().expect("a version");
        *answers.entry(version.to_owned()).or_default() += 1;
        if number % 50 == 0 {
            let release = registry.model::<Churn>().await.expect("DynamoDB").record;
            if let Some(past) = release.as_ref().and_then(ModelRelease::stopped) {
                return (past.clone(), answers);
            }
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{answers:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("it ends with the time")
}

#[tokio::test]
async fn a_canary_with_shifted_scores_stops_by_itself_and_no_request_fails() {
    let released = Released::start().await;
    let registry = released.registry();
    let committed = shop::served::<Churn>().await.model.manifest.version;
    let published = registry.publish::<Churn>(overconfident("next")).await;
    published.expect("right in itself");
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &released.stack.settings());
    ask_until(&mut lambda, &committed).await;
    let canary = Use::Canary {
        percent: 50,
        stop_shift: None,
    };
    let promoted = registry.promote::<Churn>("next", canary).await;
    promoted.expect("published");
    let (past, answers) = ask_until_stopped(&mut lambda, &registry).await;
    assert_eq!(
        (&past.target.version[..], past.role),
        ("next", Role::Canary)
    );
    let reason = past.reason.expect("a reason");
    assert!(reason.contains("population stability index"), "{reason}");
    assert!(
        answers["next"] >= 100 && answers[&committed] >= 100,
        "{answers:?}"
    );
    let (_, models) = status(
        &lambda
            .invoke(&http("GET", "/v1/models", &Value::Null))
            .await,
    );
    let churn = &models["models"][0];
    assert_eq!(churn["stopped_canary"]["reason"], json!(reason), "{churn}");
    // Within the time of a look, and well before the next one is due.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for number in 0..20 {
        let event = http("POST", "/v1/churn", &stranger(number));
        let (_, body) = status(&lambda.invoke(&event).await);
        assert_eq!(body["model_version"], json!(committed));
    }
    let log = process.log();
    let told = lines(&log, "ERROR");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["message"], &told[0]["reason"]),
        (&json!("canary stopped"), &json!(reason))
    );
    let failed = log.iter().filter(|line| line["errors"] == 1);
    assert_eq!(failed.count(), 0);
}
