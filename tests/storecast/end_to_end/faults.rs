//! The real program between stores that are too busy, fail, and lose requests and answers.

use super::killed::end_lease;
use super::uploads::{notification, place};
use super::weather::{KINDS, Weather, expose};
use super::*;
use crate::batch::kills::gzip;
use crate::batch::tables::{Layout, texts, written};
use aws::admin::ensure_table;
use aws::claims::DynamoClaims;
use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use serving::batch::FileStore;
use serving::ports::PredictionStore;
use std::collections::BTreeMap;

/// Where last predictions are kept.
const LAST: &str = "storecast-test-last";
/// Environments of the function, which take messages beside each other.
const ENVIRONMENTS: usize = 3;
/// Copies of each message.
const COPIES: usize = 4;
const ROWS: usize = 600;
/// Deliveries of a message, after which something is wrong.
const MOST_ROUNDS: usize = 40;

/// Names and contents: good rows, bad rows, every format, and poison.
fn uploads() -> Vec<(&'static str, Vec<u8>)> {
    let row = |row: usize| match row % 100 {
        7 => format!("{STEADY},soon\n"),
        odd if odd % 2 == 1 => format!("{FADING},\n"),
        _ => format!("{STEADY},2017-{:02}-01T00:00:00Z\n", 3 + row % 9),
    };
    let rows: String = (0..ROWS).map(row).collect();
    let csv = format!("customer_id,as_of\n{rows}").into_bytes();
    let ids = [STEADY, PRIVATE_ID, FADING];
    let ids = (0..ROWS).map(|row| (row % 50 != 3).then_some(ids[row % 3]));
    let zstandard = zstd::encode_all(&csv[..], 3).expect("memory");
    vec![
        ("a.csv", csv.clone()),
        ("b.csv.gz", gzip(&csv)),
        ("c.csv.zst", zstandard),
        (
            "d.parquet",
            written(vec![texts("customer_id", ids)], &Layout::default()),
        ),
        ("wrong.csv", b"name\nK1\n".to_vec()),
        ("cut.csv.gz", gzip(&csv)[..200].to_vec()),
    ]
}

/// One message of a queue, as the function is given it.
fn message(key: &str, number: usize) -> Value {
    let body = notification(key).to_string();
    json!({ "messageId": number.to_string(), "eventSource": "aws:sqs", "body": body })
}

/// The function's queue: what fails comes again.
struct Queue {
    lambda: Lambda,
    waiting: Vec<Value>,
    deliveries: usize,
    failures: usize,
}

impl Queue {
    fn of(lambda: Lambda, keys: &[String]) -> Self {
        let keys = std::iter::repeat_n(keys, COPIES).flatten().enumerate();
        Self {
            lambda,
            waiting: keys.map(|(number, key)| message(key, number)).collect(),
            deliveries: 0,
            failures: 0,
        }
    }

    /// Every waiting message is delivered, two in a batch, many batches at once; those that fail wait again.
    async fn deliver(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.deliveries += waiting.len();
        let begin = |batch: &[Value]| {
            let id = self.lambda.send(&json!({ "Records": batch }).to_string());
            (id, batch.to_vec())
        };
        let mut sent: BTreeMap<String, Vec<Value>> = waiting.chunks(2).map(begin).collect();
        while !sent.is_empty() {
            let (id, reply) = self.lambda.any_reply().await;
            let batch = sent.remove(&id).expect("a batch that was sent");
            let failed = match reply {
                Reply::Error(_) => batch,
                Reply::Response(told) => {
                    let told = told["batchItemFailures"].to_string();
                    let is_named = |one: &Value| told.contains(&one["messageId"].to_string());
                    batch.into_iter().filter(is_named).collect()
                }
            };
            self.failures += failed.len();
            self.waiting.extend(failed);
        }
    }
}

/// What lies under `scored/` and `quarantine/` of an upload, by ending; of reports what all attempts have in common.
async fn outputs(files: &UploadedFiles, folder: &str, name: &str) -> BTreeMap<String, Bytes> {
    let mut found = BTreeMap::new();
    for prefix in ["scored", "quarantine"] {
        for ending in ["", ".rejects.csv", ".report.json"] {
            let key = place(&format!("{prefix}/churn/{folder}{name}{ending}"));
            let Some(head) = files.head_file(&key, None).await.expect("S3") else {
                continue;
            };
            let bytes = files
                .read_all(&key, &head)
                .await
                .expect("S3")
                .expect("it stays");
            let bytes = if ending == ".report.json" {
                common(&bytes)
            } else {
                bytes
            };
            found.insert(format!("{prefix} {ending}"), bytes);
        }
    }
    found
}

fn common(report: &Bytes) -> Bytes {
    let report: Value = serde_json::from_slice(report).expect("JSON");
    let fields = [
        "outcome",
        "fault",
        "rows",
        "scored",
        "rejected",
        "rejected_by_reason",
        "model_version",
    ];
    let kept = fields.map(|field| report[field].clone());
    Bytes::from(Value::from(kept.to_vec()).to_string())
}

#[tokio::test]
async fn between_bad_stores_every_row_ends_in_one_place_as_between_good_ones() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
    ensure_table(&clients, LAST).await.expect("a table");
    let claims = DynamoClaims::new(clients.dynamo.clone(), TABLE);
    let last = DynamoStore::new(clients.dynamo, LAST);
    let uploads = uploads();
    for (name, bytes) in &uploads {
        for folder in ["good/", "bad/"] {
            let key = place(&format!("uploads/churn/{folder}{name}"));
            files
                .put_file(&key, Bytes::from(bytes.clone()))
                .await
                .expect("S3");
        }
    }
    let keys = |folder: &str| -> Vec<String> {
        let key = |(name, _): &(&str, Vec<u8>)| format!("uploads/churn/{folder}{name}");
        uploads.iter().map(key).collect()
    };
    let mut settings = stack.settings();
    settings.retain(|(name, _)| *name != "STORECAST_LOG_LEVEL");
    settings.push(("STORECAST_PREDICTIONS_TABLE", LAST.to_owned()));
    let mut good = Queue::of(Lambda::start().await, &keys("good/"));
    let process = Process::start(Churn::NAME, &good.lambda, &settings);
    good.deliver().await;
    drop(process);
    assert_eq!((good.failures, good.waiting.len()), (0, 0));

    let weather = Weather::fair(0x9e37_79b9_7f4a_7c15);
    for (name, value) in &mut settings {
        match *name {
            "AWS_ENDPOINT_URL_S3" => *value = expose(&weather, &stack.s3).await,
            "AWS_ENDPOINT_URL_DYNAMODB" => *value = expose(&weather, &stack.dynamo).await,
            _ => {}
        }
    }
    let mut bad = Queue::of(Lambda::start().await, &keys("bad/"));
    let start = |_| Process::start(Churn::NAME, &bad.lambda, &settings);
    let processes: Vec<_> = (0..ENVIRONMENTS).map(start).collect();
    weather.lock().expect("no panic").turns(false);
    for _ in 0..MOST_ROUNDS {
        bad.deliver().await;
        if bad.waiting.is_empty() {
            break;
        }
        // Nobody works on anything now: a claim whose release was lost waits for its lease.
        for key in keys("bad/") {
            end_lease(&claims, &key).await;
        }
    }
    drop(processes);
    let (passed, met) = {
        let weather = weather.lock().expect("no panic");
        (weather.passed, weather.met.clone())
    };
    println!(
        "{} messages, {} deliveries, {} failed; {} requests passed, {:?}",
        keys("bad/").len() * COPIES,
        bad.deliveries,
        bad.failures,
        passed,
        met
    );
    assert_eq!(bad.waiting.len(), 0, "messages that never end");
    assert_eq!(met.len(), KINDS.len(), "{met:?}");
    for (name, _) in &uploads {
        let good = outputs(&files, "good/", name).await;
        assert!(good.len() >= 2, "{name}: {:?}", good.keys());
        let bad = outputs(&files, "bad/", name).await;
        assert!(good == bad, "{name}: {bad:?}, expected {good:?}");
        let key = place(&format!("uploads/churn/bad/{name}"));
        let fate = offline::uploads::fate(&files, &claims, Churn::NAME, &key, i64::MAX).await;
        assert!(fate.expect("both stores").is_settled(), "{name}");
    }
    let ids = [STEADY, FADING, PRIVATE_ID];
    let found = last
        .get_predictions(Churn::NAME, &ids)
        .await
        .expect("DynamoDB");
    assert!(found.iter().all(Option::is_some), "{found:?}");
}
