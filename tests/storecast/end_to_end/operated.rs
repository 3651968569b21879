//! What people run beside the functions, by the real programs: what became of files, once more for those that need it, and a look back at
//! what was predicted.

use super::orders::{SHOP, orders, text as utf8};
use super::uploads::{notification, place, text};
use super::*;
use crate::shop::renamed;
use aws::claims::DynamoClaims;
use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use local::uploads::UPLOAD_BUCKET;
use serving::batch::claim::{State, claim_key};
use serving::batch::{ClaimStore, FileArchive, FileStore};
use serving::registry::{Registry, Use};

const KEY: &str = "uploads/churn/june.csv";
const MARKER: &str = "unfinished/churn/june.csv.continue";
const ADDRESS: &str = "s3://storecast-uploads/uploads/churn/june.csv";
const ALL: [&str; 4] = ["reconcile", "churn", "--bucket", UPLOAD_BUCKET];

/// Serves another version from now on.
async fn promote(stack: &Stack, version: &str) {
    let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
    let registry = Registry {
        artifacts: &S3Artifacts::new(clients.s3, BUCKET, ""),
        pointers: &DynamoStore::new(clients.dynamo, TABLE),
        runtime_library: None,
        now: shop::NOW,
    };
    let published = registry.publish::<Churn>(renamed::<Churn>(version)).await;
    published.expect("a good model");
    let promoted = registry.promote::<Churn>(version, Use::Served).await;
    promoted.expect("published");
}

/// What a function that starts now makes of an event about each key.
async fn delivered(stack: &Stack, keys: &[&str]) -> Vec<String> {
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &stack.settings());
    let mut kinds = Vec::new();
    for key in keys {
        let event = notification(key).to_string();
        let Reply::Response(reply) = lambda.invoke(&event).await else {
            panic!("expected an answer about {key}")
        };
        let kind = reply["outcomes"][0]["outcome"]["kind"].as_str();
        kinds.push(kind.expect("an outcome").to_owned());
    }
    drop(process);
    kinds
}

/// Runs the command line, which ends with this code and says this.
#[track_caller]
fn says(stack: &Stack, arguments: &[&str], expected: (i32, &str)) {
    let (code, said) = storecast(&stack.settings(), arguments);
    assert!(
        code == expected.0 && said.contains(expected.1),
        "{arguments:?}: {code}, {said}"
    );
}

async fn report(files: &UploadedFiles) -> Value {
    let report = text(files, "scored/churn/june.csv.report.json").await;
    serde_json::from_str(&report).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_followed_sent_again_and_scored_anew_with_another_version() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let ids = format!("customer_id\n{STEADY}\n{FADING}\n");
    let june = place(KEY);
    let put = files.put_file(&june, Bytes::from(ids));
    put.await.expect("S3");
    says(&stack, &["status", ADDRESS], (0, "not begun"));
    says(&stack, &ALL, (1, "0 scored, 0 quarantined, 2 open"));
    let redrive = ["redrive", "churn", "--bucket", UPLOAD_BUCKET];
    says(&stack, &redrive, (0, "2 of 2 uploads of churn sent again"));
    let sample = "unfinished/churn/customers+of+monday.csv.continue";
    let kinds = delivered(&stack, &[MARKER, sample]).await;
    assert_eq!(kinds, ["scored", "scored"]);
    says(&stack, &["status", ADDRESS], (0, "2 rows = 2 scored"));
    says(&stack, &ALL, (0, "2 scored, 0 quarantined, 0 open"));
    says(&stack, &redrive, (0, "0 of 2 uploads of churn sent again"));
    let first = report(&files).await;

    promote(&stack, "next").await;
    says(
        &stack,
        &["rescore", ADDRESS],
        (0, "1 uploads of churn sent"),
    );
    // Its old answers are there, and it waits all the same.
    assert_eq!(report(&files).await, first);
    says(&stack, &["status", ADDRESS], (0, "not begun"));
    says(&stack, &ALL, (1, "1 open"));
    let kinds = delivered(&stack, &[MARKER, MARKER, KEY]).await;
    assert_eq!(kinds, ["scored", "duplicate", "duplicate"]);
    let second = report(&files).await;
    let told = |report: &Value| [report["model_version"].clone(), report["attempt"].clone()];
    assert_eq!(told(&second), [json!("next"), json!(2)]);
    assert_ne!(told(&first)[0], "next");

    // What has lost its answers is found, and gets them by the same way; the other file is of another version.
    let answers = place("scored/churn/june.csv");
    let head = files.head_file(&answers, None).await.expect("S3");
    let version = head.expect("answers").version;
    let gone = files.remove_file(&answers, &version);
    gone.await.expect("S3");
    says(
        &stack,
        &["status", ADDRESS],
        (1, "broken: scored/churn/june.csv is missing"),
    );
    let folder = "s3://storecast-uploads/uploads/churn/";
    let of_next = ["rescore", folder, "--scored-with", "next"];
    says(&stack, &of_next, (0, "1 uploads of churn sent"));
    assert_eq!(delivered(&stack, &[MARKER]).await, ["scored"]);
    says(&stack, &ALL, (0, "2 scored, 0 quarantined, 0 open"));

    let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
    let claims = DynamoClaims::new(clients.dynamo, TABLE);
    let key = claim_key(Churn::NAME, &june);
    let done = claims.get_claim(&key).await.expect("DynamoDB");
    let mut working = done.clone().expect("a claim");
    working.state = State::InProgress {
        owner: "somebody".to_owned(),
        lease_until_ms: 4_102_444_800_000,
        last_failure: None,
        left: None,
    };
    let swapped = claims.swap_claim(&key, done.as_ref(), &working).await;
    assert!(swapped.expect("DynamoDB"));
    says(
        &stack,
        &["rescore", ADDRESS],
        (1, "not sent: it is being scored, at the latest until 2100"),
    );
    let order = "s3://storecast-uploads/uploads/orders/a.csv";
    says(&stack, &["rescore", order], (1, "merged, not scored"));
    says(
        &stack,
        &["rescore", "s3://storecast-uploads/uploads/shoes/"],
        (1, "is no upload"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_predicted_is_asked_again_and_held_against_what_happened() {
    let stack = Stack::start().await;
    stack.put_uploads().await;
    let folder = tempfile::tempdir().expect("a folder");
    let shop = folder.path().join("shop.toml");
    let put = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("shop.toml", SHOP.to_owned());
    put("orders-1.csv", orders(1..=8));
    let settings = stack.keeping(UPLOAD_BUCKET);
    let run = |command: &[&str]| {
        let work = folder.path().join("work");
        let data = ["--shop", utf8(&shop), "--work", utf8(&work)];
        storecast(&settings, &[command, &data].concat())
    };
    assert_eq!(run(&["load"]).0, 0);
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &settings);
    let body = json!({ "customers": [{ "customer_id": "anna" }, { "customer_id": "bert" }] });
    let reply = lambda.invoke(&http("POST", "/v1/churn", &body)).await;
    assert_eq!(status(&reply).0, 200);
    drop(process);

    let again = ["replay", "churn", "--bucket", UPLOAD_BUCKET];
    let (code, said) = run(&again);
    assert!(
        code == 0 && said.contains("2 the same in every bit, 0 differ"),
        "{code}, {said}"
    );
    // Both bought in the window.
    put("orders-2.csv", orders(9..=9).replace("-09-01", "-08-20"));
    put("orders-3.csv", orders(10..=10));
    let outcomes = [
        "outcomes",
        "churn",
        "--from-orders",
        "--bucket",
        UPLOAD_BUCKET,
    ];
    let (code, said) = run(&outcomes);
    assert!(
        code == 0 && said.contains("2 predictions: 2 with an outcome"),
        "{code}, {said}"
    );
    let (code, said) = run(&again);
    assert_eq!(code, 0, "orders that came later change nothing: {said}");
    put("orders-1.csv", orders(1..=8).replace("9.90", "9.80"));
    let (code, said) = run(&again);
    assert!(
        code == 1 && said.contains("0 the same in every bit, 2 differ"),
        "{code}, {said}"
    );
    let nothing = [
        "replay",
        "churn",
        "--bucket",
        UPLOAD_BUCKET,
        "--to",
        "2000-01-01",
    ];
    let (code, said) = run(&nothing);
    assert!(
        code == 1 && said.contains("no prediction is logged"),
        "{code}, {said}"
    );
}
