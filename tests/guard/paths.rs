//! The hot paths, over the committed models: a customer with 172 order lines, and the SKU of an event.

use bytes::Bytes;
use churn::{CUSTOMER, Case, Churn};
use features::codec;
use features::history::CustomerHistory;
use features::matrix::Matrix;
use features::time::Timestamp;
use inventory::Inventory;
use offline::model_folder;
use serde_json::{Value, json};
use serving::ports::{HistoryStore, MemoryStore};
use serving::predictor::{Predictor, Served};
use serving::registry::{verify_model, with_policy};
use serving::service::Service;
use serving::wire::InlineHistory;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// One thing that is done often.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnMut()>,
}

impl Path {
    fn new(name: &'static str, run: impl FnMut() + 'static) -> Self {
        let run = Box::new(run);
        Self { name, run }
    }
}

/// 2018-01-01T12:00:00Z, after everything in the histories.
const NOW: Timestamp = Timestamp(1_514_808_000);

pub(crate) fn paths() -> Vec<Path> {
    let mut found = scoring();
    found.push(columns());
    found.extend(answers());
    found
}

fn read(path: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read(root.join(path)).expect("a file of the project")
}

fn served<P: Predictor>() -> Served<P> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models");
    let folder = folder.join(P::NAME);
    let files = model_folder::read_model::<P>(&folder).expect("the committed model");
    let policy = model_folder::read_policy(&folder).expect("the committed policy");
    let model = verify_model::<P>(&files, None).expect("a good model");
    with_policy(model, &policy).expect("a good policy")
}

/// The first customer of the golden rows, as a request gives it, and the instant of the row.
fn customer() -> (Value, Value) {
    let golden: Value = serde_json::from_slice(&read("models/churn/golden.json")).expect("JSON");
    let row = &golden["rows"][0];
    (row["entity"].clone(), row["as_of"].clone())
}

fn history() -> Arc<CustomerHistory> {
    let inline: InlineHistory = serde_json::from_value(customer().0).expect("a history");
    Arc::new(inline.parse("/history").expect("a history"))
}

fn instant() -> Timestamp {
    let text = customer().1;
    let text = text.as_str().expect("an instant");
    serving::wire::parse_instant(text, "/as_of")
        .expect("an instant")
        .0
}

fn row_of(served: &Served<Churn>) -> Matrix {
    let mut rows = Matrix::new(served.model.scorer.columns());
    let case = Case::with_history("1", history(), instant());
    Churn::features(&case, &served.model.artifacts, &mut rows);
    assert_eq!(rows.row_count(), 1, "a customer of the trained population");
    rows
}

fn scoring() -> Vec<Path> {
    let (first, second) = (served::<Churn>(), served::<Churn>());
    let (row, same_row) = (row_of(&first), row_of(&second));
    let mut scores = Vec::with_capacity(1);
    let score = move || {
        scores.clear();
        let done = first.model.scorer.score(black_box(&row), &mut scores);
        done.expect("a score");
    };
    let explain = move || {
        let explained = second.model.scorer.explain(black_box(&same_row));
        black_box(explained.expect("a tree model").expect("contributions"));
    };
    vec![
        Path::new("churn: score a row", score),
        Path::new("churn: contributions of a row", explain),
    ]
}

fn columns() -> Path {
    let served = served::<Churn>();
    let (history, as_of) = (history(), instant());
    let mut rows = Matrix::new(served.model.scorer.columns());
    Path::new("churn: columns of a customer", move || {
        let case = Case::with_history("1", Arc::clone(&history), as_of);
        rows.clear();
        Churn::features(&case, &served.model.artifacts, &mut rows);
    })
}

fn answers() -> Vec<Path> {
    let (entity, as_of) = customer();
    let by_id = json!({ "customers": [{ "customer_id": "1" }], "as_of": as_of });
    let inline =
        json!({ "customers": [{ "customer_id": "1", "history": entity }], "as_of": as_of });
    let event: Value =
        serde_json::from_slice(&read("events/inventory/http-inline-history.json")).expect("JSON");
    let skus = event["body"].as_str().expect("a body").to_owned();
    vec![
        answer::<Churn>("churn: answer for a customer by id", by_id.to_string()),
        answer::<Churn>(
            "churn: answer for a customer with orders",
            inline.to_string(),
        ),
        answer::<Inventory>("inventory: answer for SKUs with sales", skus),
    ]
}

fn answer<P: Predictor>(name: &'static str, body: String) -> Path {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let service = service::<P>(&runtime);
    Path::new(name, move || {
        let answer = service.handle_direct(body.as_bytes(), "guard", NOW);
        black_box(runtime.block_on(answer).expect("an answer"));
    })
}

/// A service whose store knows one customer.
fn service<P: Predictor>(runtime: &Runtime) -> Service<P, MemoryStore> {
    let store = MemoryStore::default();
    let record = [("1".to_owned(), Bytes::from(codec::encode(&history())))];
    runtime
        .block_on(store.put_histories(CUSTOMER, &record))
        .expect("room");
    runtime
        .block_on(store.set_complete_through(CUSTOMER, NOW))
        .expect("room");
    Service::new(store, Ok(Arc::new(served::<P>())))
}
