//! What a request leaves behind: a line of metrics, a part of its trace, and nothing of who asked or what.

use super::*;
use crate::shop::{FAST, NEW};
use offline::predictions::{Days, read};
use serving::prediction_log::hashed;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

/// Metrics that every request has.
const ALWAYS: [&str; 7] = [
    "latency_ms",
    "rows_scored",
    "errors",
    "refusals",
    "model_refusals",
    "cold_start",
    "log_failures",
];
const STAGES: [&str; 5] = [
    "parse_ms",
    "gather_ms",
    "features_ms",
    "score_ms",
    "respond_ms",
];

/// The lines of metrics of a log.
pub(super) fn metrics(log: &[Value]) -> Vec<&Value> {
    log.iter().filter(|line| line["_aws"].is_object()).collect()
}

/// Names of what a line declares of metrics, by the dimensions they have.
fn declared<'a>(line: &'a Value, dimensions: &Value) -> BTreeSet<&'a str> {
    let directives = line["_aws"]["CloudWatchMetrics"]
        .as_array()
        .expect("directives");
    let ours = directives
        .iter()
        .filter(|d| &d["Dimensions"][0] == dimensions);
    let names = ours.flat_map(|directive| directive["Metrics"].as_array().expect("metrics"));
    names
        .map(|metric| metric["Name"].as_str().expect("a name"))
        .collect()
}

pub(super) fn count(line: &Value, name: &str) -> u64 {
    line[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {line}"))
}

fn number(line: &Value, name: &str) -> f64 {
    line[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {line}"))
}

#[tokio::test]
async fn a_request_leaves_its_stages_and_what_answered() {
    let stack = Stack::start().await;
    let mut lambda = Lambda::start().await;
    // Whatever the level of the log.
    let mut settings = stack.settings();
    settings.retain(|(name, _)| *name != "STORECAST_LOG_LEVEL");
    settings.push(("STORECAST_LOG_LEVEL", "error".to_owned()));
    let process = Process::start(Inventory::NAME, &lambda, &settings);
    let skus =
        json!({ "skus": [{ "sku_id": FAST }, { "sku_id": NEW }, { "sku_id": "nobody-sold-it" }] });
    assert_eq!(
        status(&lambda.invoke(&http("POST", "/v1/inventory", &skus)).await).0,
        200
    );
    assert_eq!(
        status(
            &lambda
                .invoke(&http("POST", "/v1/inventory", &json!([])))
                .await
        )
        .0,
        422
    );
    let log = process.log();
    let [answered, refused] = metrics(&log)[..] else {
        panic!("expected two lines, found {log:?}")
    };
    let by_service = declared(answered, &json!(["service"]));
    let expected: BTreeSet<_> = ALWAYS.into_iter().chain(STAGES).collect();
    assert!(by_service.is_superset(&expected), "{by_service:?}");
    let of_answers: u64 = by_service
        .iter()
        .filter(|name| name.starts_with("answered_by_"))
        .map(|name| count(answered, name))
        .sum();
    assert_eq!(of_answers, 3, "{answered}");
    assert_eq!(count(answered, "answered_by_unknown"), 1);
    assert_eq!(count(answered, "answered_by_model"), 1);
    let stages: f64 = STAGES.iter().map(|name| number(answered, name)).sum();
    assert!(
        0.0 < stages && stages <= number(answered, "latency_ms"),
        "{answered}"
    );
    let few = declared(answered, &json!(["service", "model_version"]));
    assert_eq!(few, ["cold_start", "errors", "rows_scored"].into());
    // What the function is called on AWS: the stack's name is in it, and files have another.
    assert_eq!(answered["service"], Inventory::NAME);
    assert_eq!(
        (count(refused, "refusals"), count(refused, "errors")),
        (1, 0)
    );
    assert_eq!(count(answered, "refusals"), 0);
    assert_eq!(
        declared(refused, &json!(["service"])),
        ALWAYS.into_iter().chain(["parse_ms"]).collect(),
        "it came to no other stage"
    );
}

#[tokio::test]
async fn a_traced_request_sends_its_stages_to_the_daemon_and_nothing_of_the_caller() {
    let daemon = UdpSocket::bind("127.0.0.1:0").expect("a port");
    daemon
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a limit");
    let stack = Stack::start().await;
    let mut lambda = Lambda::start().await;
    let mut settings = stack.settings();
    let address = daemon.local_addr().expect("an address").to_string();
    settings.push(("AWS_XRAY_DAEMON_ADDRESS", address));
    let process = Process::start(Churn::NAME, &lambda, &settings);
    let event = http(
        "GET",
        &format!("/v1/customers/{PRIVATE_ID}/churn"),
        &Value::Null,
    );
    assert_eq!(status(&lambda.invoke(&event).await).0, 200);
    let mut packet = vec![0; 64 * 1024];
    let length = daemon.recv(&mut packet).expect("a packet");
    drop(process);
    let text = std::str::from_utf8(&packet[..length]).expect("text");
    assert!(!text.contains(PRIVATE_ID), "{text}");
    let (header, part) = text.split_once('\n').expect("two lines");
    assert_eq!(header, r#"{"format": "json", "version": 1}"#);
    let part: Value = serde_json::from_str(part).expect("JSON");
    assert!(lambda::TRACE.contains(part["trace_id"].as_str().expect("an id")));
    assert!(lambda::TRACE.contains(part["parent_id"].as_str().expect("an id")));
    assert_eq!(part["annotations"]["rows_scored"], 1);
    let stages = part["subsegments"].as_array().expect("stages");
    let names: Vec<_> = stages.iter().map(|stage| stage["name"].as_str()).collect();
    let expected = ["features", "gather", "parse", "respond", "score"];
    assert_eq!(names, expected.map(Some));
    for stage in stages {
        assert!(
            number(&part, "start_time") <= number(stage, "start_time"),
            "{part}"
        );
        assert!(
            number(stage, "end_time") <= number(&part, "end_time"),
            "{part}"
        );
    }
}

#[tokio::test]
async fn an_answer_is_kept_and_one_that_cannot_be_is_answered_all_the_same() {
    let stack = Stack::start().await;
    // The local S3 makes folders of buckets, and nothing can be put below a file.
    std::fs::write(stack.files.path().join("no-bucket"), "").expect("a file");
    let path = format!("/v1/customers/{PRIVATE_ID}/churn");
    let event = http("GET", &path, &Value::Null);
    for (bucket, failures) in [(stack::BUCKET, 0), ("no-bucket", 1)] {
        let mut lambda = Lambda::start().await;
        let process = Process::start(Churn::NAME, &lambda, &stack.keeping(bucket));
        assert_eq!(status(&lambda.invoke(&event).await).0, 200);
        let log = process.log();
        let [line] = metrics(&log)[..] else {
            panic!("expected a line, found {log:?}")
        };
        assert_eq!(
            (count(line, "log_failures"), count(line, "errors")),
            (failures, 0)
        );
    }
    let files = stack.put_uploads().await;
    let every = Days::default();
    let kept = read(&files, stack::BUCKET, Churn::NAME, &every);
    let kept = kept.await.expect("S3").lines;
    let [kept] = &kept[..] else {
        panic!("expected a line, found {kept:?}")
    };
    assert_eq!(kept.entity, hashed(stack::SALT, PRIVATE_ID));
    assert!(kept.scored(Churn::schema().columns.len()).is_some());
}
