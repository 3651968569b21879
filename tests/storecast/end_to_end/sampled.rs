//! A start replays a sample of the golden rows, and all of them right after its first answer.

use super::*;
use crate::shop::renamed;
use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use serving::manifest::{ARTIFACTS_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, sha256_hex};
use serving::ports::{ArtifactStore, PointerStore};
use serving::registry::{ModelFiles, model_key, model_pointer};
use std::time::{Duration, Instant};

const VERSION: &str = "deceiving";

/// The committed model with one golden row that it does not answer, which no sample holds.
fn deceiving() -> ModelFiles {
    let mut files = renamed::<Churn>(VERSION);
    let mut golden: Value = serde_json::from_slice(&files.golden).expect("JSON");
    golden["rows"][1]["raw"] = json!(golden["rows"][1]["raw"].as_f64().expect("a score") + 1.0);
    files.golden = golden.to_string().into();
    let mut manifest: Value = serde_json::from_slice(&files.manifest).expect("JSON");
    manifest["files"][GOLDEN_FILE]["sha256"] = json!(sha256_hex(&files.golden));
    manifest["files"][GOLDEN_FILE]["size"] = json!(files.golden.len());
    files.manifest = manifest.to_string().into();
    files
}

/// Puts it where the served version is, past every check that a release makes.
async fn serve(stack: &Stack, files: &ModelFiles) {
    let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
    let artifacts = S3Artifacts::new(clients.s3, BUCKET, "");
    for (name, bytes) in [
        (MANIFEST_FILE, &files.manifest),
        (MODEL_FILE, &files.graph),
        (ARTIFACTS_FILE, &files.artifacts),
        (GOLDEN_FILE, &files.golden),
    ] {
        let key = model_key(Churn::NAME, VERSION, name);
        let put = artifacts.put_artifact(&key, bytes.clone()).await;
        assert!(put.expect("S3"), "{key} is new");
    }
    let pointers = DynamoStore::new(clients.dynamo, TABLE);
    let name = model_pointer(Churn::NAME, &Churn::schema().fingerprint);
    let before = pointers.get_pointers(&[&name]).await.expect("DynamoDB");
    let before = before[0].as_deref().expect("a served version");
    let mut release: Value = serde_json::from_str(before).expect("JSON");
    let pointer = &mut release["served"]["pointer"];
    assert!(pointer["version"].is_string(), "{release}");
    pointer["version"] = json!(VERSION);
    pointer["manifest_sha256"] = json!(sha256_hex(&files.manifest));
    let release = release.to_string();
    let set = pointers.set_pointer(&name, Some(before), &release).await;
    assert!(set.expect("DynamoDB"));
}

#[tokio::test]
async fn what_passes_its_sample_and_fails_another_row_stops_answering() {
    let stack = Stack::start().await;
    serve(&stack, &deceiving()).await;
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &stack.settings());
    let path = format!("/v1/customers/{FADING}/churn");
    let event = http("GET", &path, &Value::Null);
    let (first, body) = status(&lambda.invoke(&event).await);
    assert_eq!((first, &body["model_version"]), (200, &json!(VERSION)));
    let begun = Instant::now();
    while status(&lambda.invoke(&event).await).0 == 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The next look replays every row before it answers, so it is not taken up again.
    let (later, problem) = status(&lambda.invoke(&event).await);
    assert_eq!(later, 503, "{problem}");
    let log = process.log();
    let told = lines(&log, "ERROR");
    let refusals: Vec<_> = told
        .iter()
        .filter(|line| line["message"] == "model refused")
        .collect();
    assert!(!refusals.is_empty(), "{told:?}");
    for line in refusals {
        let text = line["refusal"].as_str().unwrap_or_default();
        assert!(text.contains("raw score"), "{line}");
    }
}
