//! Every event file goes through the function's own code; its whole answer is a snapshot.
//!
//! After a new model, or a change that is meant: `INSTA_UPDATE=always cargo test --release --workspace --test storecast
//! events`, and read the difference before it is committed.

use crate::shop::{self, Answer, NOW};
use crate::workspace::root;
use aws::dispatch::Event;
use churn::Churn;
use features::time::Timestamp;
use inventory::Inventory;
use recommendations::Recommendations;
use serde_json::{Value, json};
use serving::error::Error;
use serving::ports::MemoryStore;
use serving::predictor::Predictor;
use serving::problem::Problem;
use serving::service::{Service, problem_response};
use std::collections::BTreeSet;

/// The id of every request here.
const REQUEST_ID: &str = "request-1";

async fn every_event_of<P: Predictor>() {
    let service = shop::service::<P>().await;
    for (name, payload) in shop::events::<P>() {
        let answer = rounded(answer(&service, &payload, NOW).await);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_json_snapshot!(snapshot::<P>(&name), answer);
        });
    }
}

fn snapshot<P: Predictor>(event: &str) -> String {
    format!("{}-{event}", P::NAME)
}

#[tokio::test]
async fn every_churn_event_has_the_answer_of_its_snapshot() {
    every_event_of::<Churn>().await;
}

#[tokio::test]
async fn every_inventory_event_has_the_answer_of_its_snapshot() {
    every_event_of::<Inventory>().await;
}

#[tokio::test]
async fn every_recommendations_event_has_the_answer_of_its_snapshot() {
    every_event_of::<Recommendations>().await;
}

#[test]
fn no_snapshot_is_left_of_an_event_that_is_gone() {
    let of = |(name, _): (String, String)| name;
    let churn = shop::events::<Churn>().into_iter().map(of);
    let inventory = shop::events::<Inventory>().into_iter().map(of);
    let recommendations = shop::events::<Recommendations>().into_iter().map(of);
    let events: BTreeSet<String> = churn
        .map(|name| snapshot::<Churn>(&name))
        .chain(inventory.map(|name| snapshot::<Inventory>(&name)))
        .chain(recommendations.map(|name| snapshot::<Recommendations>(&name)))
        .map(|name| format!("{name}.snap"))
        .collect();
    let folder = root().join("tests/storecast/snapshots");
    let snapshots = std::fs::read_dir(folder)
        .expect("snapshots")
        .map(|e| e.expect("a readable folder").file_name());
    let snapshots: BTreeSet<String> = snapshots
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    assert_eq!(snapshots, events);
}

/// What the function answers, as its binary would but for the clock.
pub(crate) async fn answer<P: Predictor>(
    service: &Service<P, MemoryStore>,
    payload: &str,
    now: Timestamp,
) -> Value {
    match Event::read(payload) {
        Event::Http(request) => over_http(
            service
                .handle_gateway(request, REQUEST_ID, now)
                .await
                .into(),
        ),
        Event::Undecodable(error) => {
            over_http(problem_response(&Problem::new(&Error::Caller(error))).into())
        }
        Event::Records { source } => json!({ "source": source, "uploads": uploads(payload) }),
        Event::Whole => panic!("steps of the whole base are asked in `end_to_end`"),
        Event::Direct => match service
            .handle_direct(payload.as_bytes(), REQUEST_ID, now)
            .await
        {
            Ok((body, _)) => {
                json!({ "direct": serde_json::from_str::<Value>(&body).expect("JSON") })
            }
            Err(problem) => json!({ "problem": problem }),
        },
    }
}

/// What a notification is about; the files themselves are scored in `batch` and, by the binary, in `end_to_end`.
fn uploads(payload: &str) -> Vec<Value> {
    let arrivals = aws::uploads::arrivals(payload).expect("a notification");
    let told = |arrival: serving::batch::Arrival| {
        json!({ "bucket": arrival.bucket, "key": arrival.key, "etag": arrival.etag,
            "version_id": arrival.version_id, "sequencer": arrival.sequencer })
    };
    arrivals.into_iter().map(told).collect()
}

fn over_http(answer: Answer) -> Value {
    let headers: serde_json::Map<String, Value> = answer
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    json!({ "status": answer.status, "headers": headers, "body": answer.body })
}

/// Numbers to nine digits: `exp` of another C library may differ in the last.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.8e}", number.as_f64().expect("a double"));
            json!(text.parse::<f64>().expect("a number"))
        }
        Value::Array(items) => items.into_iter().map(rounded).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, rounded(value)))
            .collect(),
        other => other,
    }
}
