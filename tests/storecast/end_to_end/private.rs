//! What a function's log says of whom it was asked about: nothing, whatever became of the call.

use super::observed::{count, metrics};
use super::uploads::{failed, messages, notification, place, text};
use super::*;
use crate::shop::FAST;
use aws::clients::{Clients, LOCAL_SECRET_KEY};
use aws::dynamo::DynamoStore;
use bytes::Bytes;
use inventory::SKU;
use serving::batch::FileStore;
use serving::ports::HistoryStore;

/// A SKU that is stored, and can be looked for in a log.
const PRIVATE_SKU: &str = "sku-of-jane-doe";
/// What every private text of the questions has in it, and a private amount.
const SECRETS: [&str; 4] = ["jane", "private-", "98765432", LOCAL_SECRET_KEY];
/// What [`PRIVATE_ID`] bought, which is as long as numbers of a log are.
const BOUGHT: [&str; 2] = ["1029743", "1082185"];

/// How a call ends: its status, and whether a model scored anything.
type Ending = (u64, bool);
const SCORED: Ending = (200, true);
const FALLEN_BACK: Ending = (200, false);
const REFUSED: Ending = (422, false);
const UNKNOWN: Ending = (404, false);

/// How a function is asked about somebody of whom every value can be looked for.
struct Questions {
    /// Bodies, and how each call ends.
    bodies: Vec<(Value, Ending)>,
    /// The path of one that is asked for by its id.
    path: fn(&str) -> String,
    /// Ids of such, and how each call ends.
    ids: [(&'static str, Ending); 2],
    /// An event of a caller without HTTP, which is refused.
    direct: Value,
    /// A file with a row that is scored and one that is not.
    file: String,
}

impl Questions {
    /// Every call over HTTP, and how it ends.
    fn calls(&self, function: &str) -> Vec<(String, Ending)> {
        let posted = format!("/v1/{function}");
        let posts = self.bodies.iter();
        let posts = posts.map(|(body, end)| (http("POST", &posted, body), *end));
        let gets = self.ids.iter();
        let gets = gets.map(|(id, end)| (http("GET", &(self.path)(id), &Value::Null), *end));
        posts.chain(gets).collect()
    }
}

/// Orders of nobody in the store.
fn inline() -> Value {
    json!({ "orders": [{ "order_id": "private-order-17", "placed_at": "2017-12-24T10:00:00Z",
        "lines": [{ "product_id": "private-product-23", "category": "private-category", "net_minor": 98_765_432 }] }] })
}

fn of_churn() -> Questions {
    let known = json!({ "customer_id": PRIVATE_ID });
    let unknown =
        |field: &str, value: Value| json!({ "customer_id": "private-unknown", field: value });
    Questions {
        bodies: vec![
            (
                json!({ "customers": [known, unknown("history", inline())] }),
                SCORED,
            ),
            (
                json!({ "customers": [unknown("private-field", json!(1))] }),
                REFUSED,
            ),
            (json!({ "customers": [known, known] }), REFUSED),
            (
                json!({ "customers": [known], "as_of": "private-as-of" }),
                REFUSED,
            ),
        ],
        path: |id| format!("/v1/customers/{id}/churn"),
        ids: [(PRIVATE_ID, SCORED), ("private-unknown", UNKNOWN)],
        direct: json!({ "customers": PRIVATE_ID }),
        file: format!("customer_id,as_of\n{PRIVATE_ID},\nprivate-unknown,private-as-of\n"),
    }
}

fn of_recommendations() -> Questions {
    let asked = |field: &str, value: Value| json!({ "customer_id": PRIVATE_ID, field: value });
    let mut late = inline();
    late["orders"][0]["placed_at"] = json!("private-date");
    Questions {
        bodies: vec![
            (asked("cart", json!(["private-cart", BOUGHT[0]])), SCORED),
            (
                json!({ "history": inline(), "exclude": ["private-exclude"], "as_of": "2018-01-01T00:00:00Z" }),
                FALLEN_BACK,
            ),
            (asked("private-field", json!(1)), REFUSED),
            (asked("surface", json!("private-surface")), REFUSED),
            (json!({ "history": late }), REFUSED),
        ],
        path: |id| format!("/v1/customers/{id}/recommendations"),
        ids: [(PRIVATE_ID, SCORED), ("private-unknown", FALLEN_BACK)],
        direct: json!({ "customer_id": [PRIVATE_ID] }),
        file: format!(
            "customer_id,cart,as_of\n{PRIVATE_ID},\"[\"\"private-cart\"\"]\",\n{PRIVATE_ID},,private-as-of\n"
        ),
    }
}

fn of_inventory() -> Questions {
    let known = json!({ "sku_id": PRIVATE_SKU });
    let day = json!({ "date": "2017-12-24", "units": 3, "net_minor": 98_765_432 });
    let history = json!({ "category": "private-category", "days": [day] });
    let unknown = |field: &str, value: Value| json!({ "sku_id": "private-unknown", field: value });
    Questions {
        bodies: vec![
            (
                json!({ "skus": [known, unknown("history", history)] }),
                SCORED,
            ),
            (
                json!({ "skus": [unknown("private-field", json!(1))] }),
                REFUSED,
            ),
            (json!({ "skus": [known, known] }), REFUSED),
            (
                json!({ "skus": [known], "as_of": "private-as-of" }),
                REFUSED,
            ),
        ],
        path: |id| format!("/v1/skus/{id}/inventory"),
        ids: [(PRIVATE_SKU, SCORED), ("private-unknown", UNKNOWN)],
        direct: json!({ "skus": PRIVATE_SKU }),
        file: format!(
            "sku_id,location,as_of\n{PRIVATE_SKU},,\n{PRIVATE_SKU},private-location,private-as-of\n"
        ),
    }
}

/// Puts the private SKU beside the small shop's: it sells as its fastest does.
async fn put_sku(stack: &Stack) {
    let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
    let store = DynamoStore::new(clients.dynamo, TABLE);
    let found = store.get_histories(SKU, &[FAST]).await.expect("DynamoDB");
    let record = found.records[0].clone().expect("a record");
    let records = [(PRIVATE_SKU.to_owned(), record)];
    store.put_histories(SKU, &records).await.expect("room");
}

/// The log of a function that is asked all of it, scores the file, and is asked once more when its table is away.
async fn log_of<P: Predictor>(questions: &Questions) -> Vec<Value> {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    put_sku(&stack).await;
    let key = format!("uploads/{}/jane doe.csv", P::NAME);
    let file = Bytes::from(questions.file.clone());
    files.put_file(&place(&key), file).await.expect("S3");
    // A message about the file, and one that is none.
    let told = notification(&key.replace(' ', "+")).to_string();
    let event = messages(&[told, "private-nonsense".to_owned()]);
    let mut lambda = Lambda::start().await;
    let process = Process::start(P::NAME, &lambda, &stack.settings());
    for (call, (expected, _)) in questions.calls(P::NAME) {
        let (status, body) = status(&lambda.invoke(&call).await);
        assert_eq!(status, expected, "{call}: {body}");
    }
    let direct = lambda.invoke(&questions.direct.to_string()).await;
    assert!(matches!(direct, Reply::Error(_)), "{direct:?}");
    assert_eq!(lambda.invoke(&event).await, failed(&["1"]));
    let report = format!("scored/{}/jane doe.csv.report.json", P::NAME);
    let report: Value = serde_json::from_str(&text(&files, &report).await).expect("JSON");
    assert_eq!(
        (&report["scored"], &report["rejected"]),
        (&json!(1), &json!(1))
    );
    stack.dynamo.stop().await;
    let mut calls = questions.calls(P::NAME).into_iter();
    let asked = calls.rfind(|(_, end)| *end == SCORED);
    let (call, _) = asked.expect("one by its id");
    assert_eq!(status(&lambda.invoke(&call).await).0, 503);
    assert_eq!(lambda.invoke(&event).await, failed(&["0", "1"]));
    process.log()
}

fn holds_no_secret(line: &str) {
    for secret in SECRETS {
        assert!(!line.contains(secret), "{secret} stands in {line}");
    }
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    assert!(!words.any(|word| BOUGHT.contains(&word)), "{line}");
}

/// Nothing of the questions may be in the log; what is returned are its lines of metrics, one of each event.
async fn says_nothing_of<P: Predictor>(questions: Questions) -> Vec<Value> {
    let log = log_of::<P>(&questions).await;
    for line in &log {
        holds_no_secret(&line.to_string());
    }
    let warned = lines(&log, "WARN").len() + lines(&log, "ERROR").len();
    assert!(warned >= 4, "a log of nothing hides nothing: {log:?}");
    let metrics: Vec<Value> = metrics(&log).into_iter().cloned().collect();
    let version = shop::served::<P>().await.model.manifest.version;
    let calls = questions.calls(P::NAME);
    assert_eq!(metrics.len(), calls.len() + 4, "one line per event");
    for line in &metrics {
        assert_eq!(
            (&line["model_version"], &line["function"]),
            (&json!(version), &json!(P::NAME))
        );
    }
    let of = |name: &str| -> Vec<_> { metrics.iter().map(|line| count(line, name)).collect() };
    let expected = calls.iter().map(|(_, (_, is_scored))| *is_scored);
    let expected: Vec<_> = expected.chain([false, true, false, false]).collect();
    let scored: Vec<_> = of("rows_scored").iter().map(|rows| *rows > 0).collect();
    assert_eq!(scored, expected);
    // What callers do wrong is no error of ours; a message that nobody understands is, and a table that is away.
    let errors = [vec![0; calls.len() + 1], vec![1; 3]].concat();
    assert_eq!(of("errors"), errors);
    let starts = [vec![1], vec![0; calls.len() + 3]].concat();
    assert_eq!(of("cold_start"), starts);
    assert_eq!(metrics[0]["request_id"], "invocation-1");
    metrics
}

#[tokio::test]
async fn logs_and_metrics_of_churn_hold_no_id_and_no_payload() {
    let metrics = says_nothing_of::<Churn>(of_churn()).await;
    let rows: Vec<_> = metrics
        .iter()
        .map(|line| count(line, "rows_scored"))
        .collect();
    assert_eq!(rows, [1, 0, 0, 0, 1, 0, 0, 1, 0, 0], "one order is too few");
}

#[tokio::test]
async fn logs_and_metrics_of_recommendations_hold_no_id_and_no_payload() {
    says_nothing_of::<Recommendations>(of_recommendations()).await;
}

#[tokio::test]
async fn logs_and_metrics_of_inventory_hold_no_id_and_no_payload() {
    says_nothing_of::<Inventory>(of_inventory()).await;
}
