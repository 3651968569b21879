//! The real binary, over the wire: Lambda's runtime API on one side, S3 and DynamoDB on the other.

mod faults;
mod killed;
mod lambda;
mod observed;
mod operated;
mod orders;
mod private;
mod releases;
mod sampled;
mod settings;
mod stack;
mod uploads;
mod weather;

use crate::events;
use crate::shop::{self, FADING, PRIVATE_ID, STEADY};
use crate::workspace;
use aws::dispatch::{Event, GatewayResponse};
use churn::Churn;
use features::time::Timestamp;
use inventory::Inventory;
use lambda::{Lambda, Process, Reply};
use recommendations::Recommendations;
use serde_json::{Value, json};
use serving::predictor::Predictor;
use stack::{BUCKET, Stack, TABLE, storecast};
use std::time::{SystemTime, UNIX_EPOCH};

fn http(method: &str, path: &str, body: &Value) -> String {
    let context = json!({ "stage": "$default", "http": { "method": method, "path": path } });
    let body = if body.is_null() {
        Value::Null
    } else {
        body.to_string().into()
    };
    json!({ "version": "2.0", "rawPath": path, "requestContext": context, "body": body, "isBase64Encoded": false }).to_string()
}

/// What differs from call to call: ids of requests, and the clock.
fn settled(value: Value) -> Value {
    const VOLATILE: [&str; 3] = ["request_id", "data_age_days", "requestId"];
    match value {
        Value::Array(items) => items.into_iter().map(settled).collect(),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, value)| {
                !VOLATILE.contains(&name.as_str()) && !is_clock(name, value)
            });
            kept.map(|(name, value)| (name, settled(value))).collect()
        }
        // A body, or a problem, as text inside the answer.
        Value::String(text) if text.starts_with('{') => {
            serde_json::from_str(&text).map_or(Value::String(text), settled)
        }
        other => other,
    }
}

/// Of somebody of whom nothing is stored the answer is for the instant of the call.
fn is_clock(name: &str, value: &Value) -> bool {
    name == "as_of" && value.as_str() > Some("2019")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real binary reads the clock, so what it is compared with must"
)]
fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.expect("after 1970").as_secs();
    Timestamp(i64::try_from(seconds).expect("a date"))
}

fn status(reply: &Reply) -> (u64, Value) {
    let Reply::Response(response) = reply else {
        panic!("expected a gateway response, found {reply:?}")
    };
    let body = response["body"].as_str().expect("a body");
    (
        response["statusCode"].as_u64().expect("a status"),
        serde_json::from_str(body).expect("JSON"),
    )
}

fn lines<'a>(log: &'a [Value], level: &str) -> Vec<&'a Value> {
    log.iter().filter(|line| line["level"] == level).collect()
}

#[tokio::test]
async fn the_churn_binary_answers_every_event_as_the_library_does() {
    the_binary_answers_as_the_library::<Churn>().await;
}

#[tokio::test]
async fn the_inventory_binary_answers_every_event_as_the_library_does() {
    the_binary_answers_as_the_library::<Inventory>().await;
}

#[tokio::test]
async fn the_recommendations_binary_answers_every_event_as_the_library_does() {
    the_binary_answers_as_the_library::<Recommendations>().await;
}

async fn the_binary_answers_as_the_library<P: Predictor>() {
    let stack = Stack::start().await;
    stack.put_uploads().await;
    let library = shop::service::<P>().await;
    let mut lambda = Lambda::start().await;
    let process = Process::start(P::NAME, &lambda, &stack.settings());
    for (name, payload) in shop::events::<P>() {
        let reply = lambda.invoke(&payload).await;
        let now = clock();
        let expected = match Event::read(&payload) {
            Event::Http(request) => {
                let response = library.handle_gateway(request, "r", now).await;
                Reply::Response(settled(
                    serde_json::to_value(GatewayResponse::from(response)).expect("JSON"),
                ))
            }
            _ => match events::answer(&library, &payload, now).await {
                answer if answer.get("direct").is_some() => {
                    Reply::Response(settled(answer["direct"].clone()))
                }
                answer if answer.get("uploads").is_some() => Reply::Response(answer),
                answer => Reply::Error(answer),
            },
        };
        match (reply, expected) {
            (Reply::Response(found), Reply::Response(expected)) if name == "s3-upload" => {
                assert_eq!(expected["source"], "aws:s3");
                assert_eq!(found["outcomes"][0]["outcome"]["kind"], "scored", "{found}");
            }
            (Reply::Response(found), Reply::Response(expected)) if name == "http-models" => {
                serves_all_and_ours_alike(&found, &expected);
            }
            (Reply::Response(found), Reply::Response(expected)) => {
                let mut found = settled(found);
                // The rest of the golden rows is replayed after the first answer, which may have been the one before.
                if let Some(rows) = found.pointer_mut("/body/checks/1/golden_rows") {
                    assert!(rows == "sample" || rows == "all", "{name}: {rows}");
                    *rows = "all".into();
                }
                assert_eq!(found, expected, "{name}");
            }
            (found, expected) => panic!("{name}: {found:?}, the library has {expected:?}"),
        }
    }
    let log = process.log();
    assert!(log.iter().any(|line| line["message"] == "ready"), "{log:?}");
}

/// One function answers for all; of itself it says what the library says.
fn serves_all_and_ours_alike(found: &Value, expected: &Value) {
    let body: Value = serde_json::from_str(found["body"].as_str().expect("a body")).expect("JSON");
    let models = body["models"].as_array().expect("a list");
    let names: Vec<_> = models
        .iter()
        .map(|model| model["function"].as_str())
        .collect();
    assert_eq!(names, offline::functions::NAMES.map(Some));
    assert_eq!(models[0], expected["body"]["models"][0]);
}

#[tokio::test]
async fn a_direct_call_gets_its_problem_as_a_function_error() {
    let stack = Stack::start().await;
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &stack.settings());
    let Reply::Error(error) = lambda.invoke(r#"{"customers": []}"#).await else {
        panic!("expected an error")
    };
    assert_eq!(error["errorType"], "urn:storecast:problem:invalid-value");
    let problem: Value = serde_json::from_str(error["errorMessage"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&problem["status"], &problem["pointer"]),
        (&json!(422), &json!("/customers"))
    );
    // The environment is sound after it.
    let answer = lambda
        .invoke(&json!({ "customers": [{ "customer_id": STEADY }] }).to_string())
        .await;
    assert!(
        matches!(&answer, Reply::Response(answer) if answer["results"][0]["state"] == "scored"),
        "{answer:?}"
    );
    drop(process);
}

#[tokio::test]
async fn without_dynamodb_it_answers_503_and_the_log_names_the_table() {
    let stack = Stack::start().await;
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &stack.settings());
    let event = http(
        "GET",
        &format!("/v1/customers/{FADING}/churn"),
        &Value::Null,
    );
    assert_eq!(status(&lambda.invoke(&event).await).0, 200);
    stack.dynamo.stop().await;
    let reply = lambda.invoke(&event).await;
    let (code, problem) = status(&reply);
    assert_eq!(
        (code, &problem["type"]),
        (503, &json!("urn:storecast:problem:unavailable"))
    );
    assert!(
        matches!(&reply, Reply::Response(response) if response["headers"]["retry-after"] == "1"),
        "{reply:?}"
    );
    assert!(!problem.to_string().contains(TABLE), "{problem}");
    // An inline history needs no store.
    let body = json!({ "customers": [{ "customer_id": "x", "history": { "orders": [] } }] });
    assert_eq!(
        status(&lambda.invoke(&http("POST", "/v1/churn", &body)).await).0,
        200
    );
    let log = process.log();
    let warnings = lines(&log, "WARN");
    let named = |line: &&&Value| {
        line["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(TABLE))
    };
    let told = warnings.iter().filter(named).count();
    assert_eq!(told, 1, "a failure is logged once: {warnings:?}");
    let errors: u64 = log.iter().filter_map(|line| line["errors"].as_u64()).sum();
    assert_eq!(errors, 1);
}

#[tokio::test]
async fn without_its_files_the_model_is_refused_and_the_log_says_what_is_missing() {
    let stack = Stack::start().await;
    let bucket = stack.files.path().join(BUCKET);
    std::fs::remove_dir_all(bucket.join("models")).expect("models in the bucket");
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &stack.settings());
    let (code, problem) = status(
        &lambda
            .invoke(&http("GET", "/v1/customers/1/churn", &Value::Null))
            .await,
    );
    assert_eq!(
        (code, &problem["type"]),
        (503, &json!("urn:storecast:problem:unavailable"))
    );
    assert!(!problem.to_string().contains("models/"), "{problem}");
    let log = process.log();
    let errors = lines(&log, "ERROR");
    let refusal = errors
        .iter()
        .find_map(|line| line["refusal"].as_str())
        .expect("the reason of the refusal");
    assert!(
        refusal.starts_with("models/churn/") && refusal.ends_with("is missing"),
        "{refusal}"
    );
    let metrics = log
        .iter()
        .find(|line| line["_aws"].is_object())
        .expect("metrics");
    assert_eq!(
        (&metrics["model_version"], &metrics["errors"]),
        (&json!("none"), &json!(1))
    );
}

#[tokio::test]
async fn a_panic_costs_one_request_and_not_the_process() {
    let stack = Stack::start().await;
    let mut lambda = Lambda::start().await;
    let program = workspace::example("fragile");
    let mut process = Process::start_program(Churn::NAME, &program, &lambda, &stack.settings());
    let get = |id: &str| http("GET", &format!("/v1/customers/{id}/churn"), &Value::Null);
    let (code, problem) = status(&lambda.invoke(&get("panics")).await);
    assert_eq!(code, 500);
    let expected = json!({ "type": "urn:storecast:problem:internal", "title": "internal error", "status": 500,
        "detail": "answer the request", "request_id": "invocation-1" });
    assert_eq!(problem, expected);
    // A direct call gets it as a function error.
    let event = json!({ "customers": [{ "customer_id": "panics" }] });
    let Reply::Error(error) = lambda.invoke(&event.to_string()).await else {
        panic!("expected an error")
    };
    assert_eq!(error["errorType"], "urn:storecast:problem:internal");
    let (code, scores) = status(&lambda.invoke(&get(STEADY)).await);
    assert_eq!((code, scores.as_array().map(Vec::len)), (200, Some(1)));
    assert!(process.is_running());
    let log = process.log();
    let starts = log.iter().filter(|line| line["message"] == "ready");
    assert_eq!(starts.count(), 1, "one process answered all three");
    let of = |name: &str| -> Vec<_> { log.iter().filter_map(|l| l[name].as_u64()).collect() };
    assert_eq!(of("errors"), [1, 1, 0]);
}
