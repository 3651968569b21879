//! A DynamoDB under load: it does part of each batch, refuses, or loses an answer.

use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use bytes::Bytes;
use features::time::Timestamp;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use serving::ports::{HistoryStore, LastPrediction, PointerStore, PredictionStore, StoreError};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy)]
enum Mood {
    /// Processes this many keys or requests of a batch.
    Partly(usize),
    /// Answers every call with a throttling error.
    Refusing,
    /// Writes, and answers the first write with a failure.
    Forgetful,
    /// Answers so many calls with a throttling error, then writes.
    Awaited(usize),
}

struct Busy {
    mood: Mood,
    items: BTreeMap<String, Value>,
    /// Keys or requests of each call.
    calls: Vec<usize>,
}

type Answer = (u16, Value);

impl Busy {
    async fn start(mood: Mood) -> (Arc<Mutex<Self>>, DynamoStore) {
        let busy = Arc::new(Mutex::new(Self {
            mood,
            items: BTreeMap::new(),
            calls: Vec::new(),
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a call of the store");
        let url = format!(
            "http://{}",
            listener.local_addr().expect("a call of the store")
        );
        let state = busy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        let clients = Clients::at("http://127.0.0.1:9", &url).await;
        (busy, DynamoStore::new(clients.dynamo, "storecast"))
    }

    fn answer(&mut self, operation: &str, body: &Value) -> Answer {
        match (operation, self.mood) {
            (_, Mood::Refusing) => {
                self.calls.push(1);
                (
                    400,
                    json!({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "too fast"}),
                )
            }
            (_, Mood::Awaited(more)) if more > 0 => {
                self.mood = Mood::Awaited(more - 1);
                self.calls.push(1);
                (
                    400,
                    json!({"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "too fast"}),
                )
            }
            ("PutItem", Mood::Awaited(_)) => {
                self.calls.push(1);
                let item = &body["Item"];
                self.items.insert(item["pk"]["S"].to_string(), item.clone());
                (200, json!({}))
            }
            ("BatchGetItem", Mood::Partly(some)) => {
                self.get(&body["RequestItems"]["storecast"]["Keys"], some)
            }
            ("BatchWriteItem", Mood::Partly(some)) => {
                self.write(&body["RequestItems"]["storecast"], some)
            }
            ("PutItem", Mood::Forgetful) => self.put(&body["Item"]),
            _ => (
                400,
                json!({"__type": "ValidationException", "message": operation}),
            ),
        }
    }

    fn get(&mut self, keys: &Value, some: usize) -> Answer {
        let keys = keys.as_array().expect("a call of the store");
        self.calls.push(keys.len());
        let (done, left) = keys.split_at(some.min(keys.len()));
        let found: Vec<&Value> = done
            .iter()
            .filter_map(|key| self.items.get(&key["pk"]["S"].to_string()))
            .collect();
        let left = if left.is_empty() {
            json!({})
        } else {
            json!({"storecast": {"Keys": left}})
        };
        (
            200,
            json!({"Responses": {"storecast": found}, "UnprocessedKeys": left}),
        )
    }

    fn write(&mut self, requests: &Value, some: usize) -> Answer {
        let requests = requests.as_array().expect("a call of the store");
        self.calls.push(requests.len());
        let (done, left) = requests.split_at(some.min(requests.len()));
        for request in done {
            let item = &request["PutRequest"]["Item"];
            self.items.insert(item["pk"]["S"].to_string(), item.clone());
        }
        let left = if left.is_empty() {
            json!({})
        } else {
            json!({"storecast": left})
        };
        (200, json!({"UnprocessedItems": left}))
    }

    fn put(&mut self, item: &Value) -> Answer {
        self.calls.push(1);
        let key = item["pk"]["S"].to_string();
        match self.items.get(&key) {
            None => {
                self.items.insert(key, item.clone());
                (
                    500,
                    json!({"__type": "InternalServerError", "message": "answer lost"}),
                )
            }
            Some(there) => (
                400,
                json!({"__type": "ConditionalCheckFailedException", "message": "no", "Item": there}),
            ),
        }
    }
}

async fn answer(
    busy: Arc<Mutex<Busy>>,
    request: Request<Incoming>,
) -> Result<Response<String>, hyper::Error> {
    let target = request.headers()["x-amz-target"]
        .to_str()
        .unwrap_or_default()
        .to_owned();
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(frame?.data_ref().unwrap_or(&Bytes::new()));
    }
    let operation = target.rsplit('.').next().unwrap_or_default();
    let (status, answer) = busy.lock().expect("a call of the store").answer(
        operation,
        &serde_json::from_slice(&bytes).expect("a call of the store"),
    );
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0");
    Ok(response
        .body(answer.to_string())
        .expect("a call of the store"))
}

#[tokio::test]
async fn unprocessed_parts_of_a_batch_are_asked_for_again() {
    let (busy, store) = Busy::start(Mood::Partly(40)).await;
    let ids: Vec<String> = (0..130).map(|i| format!("c{i}")).collect();
    let records: Vec<_> = ids
        .iter()
        .map(|id| (id.clone(), Bytes::from(id.clone())))
        .collect();
    busy.lock().unwrap().mood = Mood::Partly(10);
    store.put_histories("customer", &records).await.unwrap();
    let mut calls = std::mem::take(&mut busy.lock().unwrap().calls);
    calls.sort_unstable();
    // Five batches of 25 go as 25, 15 and 5; the last one of 5 at once.
    assert_eq!(calls, [[5; 6].as_slice(), &[15; 5], &[25; 5]].concat());

    busy.lock().unwrap().mood = Mood::Partly(40);
    let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
    let found = store
        .get_histories("customer", &asked)
        .await
        .unwrap()
        .records;
    let expected: Vec<_> = ids.iter().map(|id| Some(Bytes::from(id.clone()))).collect();
    assert_eq!(found, expected);
    let mut calls = std::mem::take(&mut busy.lock().unwrap().calls);
    calls.sort_unstable();
    // 130 ids and the stamp: batches of 100 (then 60, then 20) and 31.
    assert_eq!(calls, [20, 31, 60, 100]);

    store
        .get_histories("customer", &["c1", "c1"])
        .await
        .unwrap();
    assert_eq!(
        busy.lock().unwrap().calls,
        [2],
        "one customer and the stamp are one call of two keys"
    );
}

#[tokio::test]
async fn a_table_that_processes_nothing_is_unavailable_in_the_end() {
    let (busy, store) = Busy::start(Mood::Partly(0)).await;
    let error = store
        .get_histories("customer", &["secret-id"])
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "get DynamoDB table storecast: 2 items still unprocessed after 8 calls that processed none"
    );
    assert!(matches!(error, StoreError::Unavailable { .. }));
    assert_eq!(busy.lock().unwrap().calls.len(), 8);
}

#[tokio::test]
async fn throttling_is_tried_again_and_then_unavailable() {
    let (busy, store) = Busy::start(Mood::Refusing).await;
    let error = store.get_histories("customer", &["a"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "get DynamoDB table storecast: ThrottlingException: too fast"
    );
    assert!(matches!(error, StoreError::Unavailable { .. }));
    assert_eq!(
        busy.lock().unwrap().calls.len(),
        3,
        "the SDK's three attempts"
    );
}

#[tokio::test]
async fn a_pointer_write_whose_answer_was_lost_is_still_won() {
    let (busy, store) = Busy::start(Mood::Forgetful).await;
    assert_eq!(store.set_pointer("churn", None, "v1").await, Ok(true));
    assert_eq!(
        busy.lock().unwrap().calls.len(),
        2,
        "the second attempt met the first one's write"
    );
    assert_eq!(
        store.set_pointer("churn", None, "v1").await,
        Ok(false),
        "an equal write of somebody else is not ours"
    );
}

#[tokio::test]
async fn predictions_wait_for_a_throttled_table_and_then_give_up() {
    let one = LastPrediction {
        key: "secret-id".to_owned(),
        answer: "{}".to_owned(),
        model_version: "v1".to_owned(),
        as_of: Timestamp(0),
        computed_at: Timestamp(0),
        expires_at: Timestamp(1),
    };
    let (busy, store) = Busy::start(Mood::Awaited(7)).await;
    let put = store.put_predictions("churn", std::slice::from_ref(&one));
    let written = put.await.unwrap().written;
    assert_eq!((written, busy.lock().unwrap().items.len()), (1, 1));
    assert_eq!(
        busy.lock().unwrap().calls.len(),
        8,
        "two times the SDK's three attempts, then the second of the next"
    );
    let (busy, store) = Busy::start(Mood::Refusing).await;
    let put = store.put_predictions("churn", &[one]).await;
    let error = put.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(!error.to_string().contains("secret-id"), "{error}");
    assert_eq!(busy.lock().unwrap().calls.len(), 24, "eight times three");
}
