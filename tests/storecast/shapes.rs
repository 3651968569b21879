//! A list is no object: bodies are read by the names of their fields, at every depth.

use crate::api::refused;
use crate::shop;
use churn::Churn;
use inventory::Inventory;
use recommendations::Recommendations;
use serde_json::{Value, json};
use serving::ports::MemoryStore;
use serving::predictor::Predictor;
use serving::service::Service;

#[tokio::test]
async fn no_object_of_a_churn_request_may_be_a_list() {
    no_object_may_be_a_list::<Churn>("/v1/churn", &[]).await;
}

#[tokio::test]
async fn no_object_of_an_inventory_request_may_be_a_list() {
    no_object_may_be_a_list::<Inventory>("/v1/inventory", &[everything_of_a_sku()]).await;
}

#[tokio::test]
async fn no_object_of_a_recommendations_request_may_be_a_list() {
    no_object_may_be_a_list::<Recommendations>("/v1/recommendations", &[]).await;
}

/// Every kind of object that a SKU can hold.
fn everything_of_a_sku() -> Value {
    json!({ "as_of": "2017-12-31", "skus": [{
        "sku_id": "x",
        "on_hand": 3,
        "history": {
            "days": [{ "date": "2017-12-01", "units": 3, "net_minor": 900 }],
            "stock_outs": [{ "from": "2017-12-02", "until": "2017-12-05" }],
            "promotions": [{ "from": "2017-12-02", "until": "2017-12-05" }],
        },
        "on_order": [{ "arrives": "2018-01-02", "quantity": 5 }],
        "lead_time_days": [{ "days": 2, "probability": 0.5 }, { "days": 3, "probability": 0.5 }],
        "costs": { "unit_cost_minor": 100, "holding_minor_per_unit_day": 0.1, "stockout_minor_per_unit": 50,
                   "ordering_minor": 10 },
        "target": { "service_level": 0.9 },
        "constraints": { "pack_size": 2, "shelf_life": { "days": 9, "least_sale_probability": 0.8 } },
    }] })
}

/// Takes the bodies of the events that are answered, and more; puts lists in place of each object of each.
async fn no_object_may_be_a_list<P: Predictor>(path: &str, more: &[Value]) {
    let service = shop::service::<P>().await;
    let mut tried = 0;
    for body in bodies::<P>().iter().chain(more) {
        let status = post(&service, path, body).await.status;
        if more.contains(body) {
            assert_eq!(status, 200, "{:?}", post(&service, path, body).await.body);
        }
        if status == 200 {
            for pointer in objects(body) {
                for list in lists_for(body.pointer(&pointer).expect("an object")) {
                    let mut changed = body.clone();
                    *changed.pointer_mut(&pointer).expect("an object") = list;
                    let answer = post(&service, path, &changed).await;
                    refused(&answer, 422, "unexpected-shape");
                    assert_eq!(answer.body["pointer"], pointer, "{}", answer.body);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 20, "only {tried} lists were tried");
}

async fn post<P: Predictor>(
    service: &Service<P, MemoryStore>,
    path: &str,
    body: &Value,
) -> shop::Answer {
    shop::call(service, "POST", path, body.to_string()).await
}

fn bodies<P: Predictor>() -> Vec<Value> {
    let text = |event: Value| Some(event.get("body")?.as_str()?.to_owned());
    shop::events::<P>()
        .into_iter()
        .filter_map(|(_, event)| text(serde_json::from_str(&event).expect("JSON")))
        .filter_map(|body| serde_json::from_str(&body).ok())
        .collect()
}

/// Pointers to all objects of a body, itself among them.
fn objects(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    let below = inner.into_iter().flat_map(|(step, value)| {
        objects(value)
            .into_iter()
            .map(move |rest| format!("/{step}{rest}"))
    });
    value
        .is_object()
        .then(String::new)
        .into_iter()
        .chain(below)
        .collect()
}

/// Nothing, the object's own values, and as many nulls as any struct has fields.
fn lists_for(object: &Value) -> [Value; 3] {
    let values = object.as_object().expect("an object").values().cloned();
    [
        json!([]),
        values.collect(),
        Value::Array(vec![Value::Null; 12]),
    ]
}
