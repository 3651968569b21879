//! A made-up shop: a model that is fitted on its orders, a scorer that likes items at random, and stock.

use bytes::Bytes;
use features::codec;
use features::history::{CustomerHistory, Order, OrderLine};
use features::levels::{Level, encode, shard_of};
use features::matrix::Matrix;
use features::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use recommendations::stock::{LEVELS, ShelfMemory};
use recommendations::{CUSTOMER, Recommendations};
use serde_json::{Value, json};
use serving::manifest::Manifest;
use serving::model::{Contributions, ModelError, Scorer};
use serving::ports::{HistoryStore, MemoryStore};
use serving::predictor::{Model, Predictor, ProductFacts, Served, Train, TrainingSettings};
use serving::service::Service;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The first day of all orders.
const FIRST: i64 = 17_000;
/// The day that answers are for.
pub(crate) const TODAY: i64 = FIRST + 60;
/// Days after which the stock is stale.
pub(crate) const STALE_AFTER_DAYS: f64 = 2.0;

pub(crate) fn instant(day: i64) -> Timestamp {
    Timestamp(day * SECONDS_PER_DAY)
}

pub(crate) fn id(item: usize) -> String {
    format!("item-{item:02}")
}

/// Every third item is of one category.
pub(crate) fn category(item: usize) -> String {
    format!("category-{}", item % 3)
}

/// Every fourth item is of one brand.
pub(crate) fn brand(item: usize) -> String {
    format!("brand-{}", item % 4)
}

/// Every item sells at 100 a unit; every fifth costs 90, the next 50, and the others nobody knows what.
pub(crate) fn margin_share(item: usize) -> Option<f64> {
    [Some(0.1), Some(0.5), None, None, None][item % 5]
}

fn products() -> BTreeMap<String, ProductFacts> {
    let facts = |item: usize| ProductFacts {
        brand: brand(item),
        unit_cost_minor: margin_share(item).map(|share| (100.0 * (1.0 - share)) as i64),
    };
    (0..100).map(|item| (id(item), facts(item))).collect()
}

/// Units that sell a day: 1 for even items, next to nothing for odd ones.
pub(crate) fn units_per_day(item: usize) -> f32 {
    if item.is_multiple_of(2) { 1.0 } else { 0.001 }
}

/// One order: days after the first one, and its items.
pub(crate) type Bought = (i64, Vec<usize>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Shop {
    /// Of each customer, by its number.
    pub(crate) customers: Vec<Vec<Bought>>,
    /// Units on hand; `None` where nobody tells. Items beyond the end have no record at all.
    pub(crate) stock: Vec<Option<i64>>,
    /// Days since the stock was known.
    pub(crate) stock_age_days: i64,
}

pub(crate) fn history(orders: &[Bought]) -> CustomerHistory {
    let line = |item: &usize| OrderLine {
        product_id: id(*item).into(),
        category: category(*item).into(),
        quantity_milli: 1_000,
        net_minor: 100,
        discount_minor: 0,
    };
    let order = |(number, (day, items)): (usize, &Bought)| Order {
        order_id: format!("order-{number}").into(),
        placed_at: Timestamp(instant(FIRST + day).0 + 3_600),
        local_day: LocalDay((FIRST + day) as i32),
        lines: items.iter().map(line).collect(),
    };
    CustomerHistory::new(orders.iter().enumerate().map(order).collect())
}

/// Scores that depend on the row only, and say nothing.
struct AnyScorer;

impl Scorer for AnyScorer {
    fn columns(&self) -> usize {
        Recommendations::schema().columns.len()
    }

    fn score(&self, rows: &Matrix, scores: &mut Vec<f64>) -> Result<(), ModelError> {
        let one = |row: &[f32]| {
            let bits = row.iter().fold(17u32, |hash, value| {
                hash.wrapping_mul(31).wrapping_add(value.to_bits())
            });
            // Few values, so that there are ties.
            f64::from(bits % 7)
        };
        scores.extend(rows.rows().map(one));
        Ok(())
    }

    fn explain(&self, _: &Matrix) -> Option<Result<Vec<Contributions>, ModelError>> {
        None
    }
}

fn manifest() -> Manifest {
    let tensor = json!({ "name": "x", "dtype": "float32", "shape": [], "meaning": "none" });
    let manifest = json!({
        "format": 1, "model": "recommendations", "version": "made-up", "created_at": "2018-01-01T00:00:00Z",
        "data_set": { "shop": "made-up", "currency": "EUR", "source": "none" },
        "files": {}, "features": { "fingerprint": "", "names": [] }, "input": tensor, "output": tensor,
        "calibration": null, "training": {}, "metrics": [], "runtime": {},
    });
    serde_json::from_value(manifest).expect("a manifest")
}

/// A policy without rules.
pub(crate) fn policy() -> Value {
    json!({
        "version": "1", "excluded_product_ids": [], "excluded_categories": [], "age_restricted_categories": [],
        "most_per_category": null, "pinned": [],
        "excluded_brands": [], "least_margin_share": null,
        "stock": { "unknown": "withhold", "stale_after_days": STALE_AFTER_DAYS, "stale": "withhold", "kept_seconds": 10 },
        "cover": { "runs_out_below_days": 0, "runs_out_penalty": 0, "overstock": null }, "explore": null,
        "discover_popularity_penalty": 0.1, "static_product_ids": [],
    })
}

impl Shop {
    pub(crate) fn served(&self, policy: &Value) -> Served<Recommendations> {
        let settings = TrainingSettings {
            horizon_days: 28.0,
            currency: "EUR".to_owned(),
            minor_per_major: 100,
            products: products(),
        };
        let customers = self.customers.iter().enumerate();
        let mut histories = customers.map(|(number, orders)| (number.to_string(), history(orders)));
        // A shop needs one order for a fit; nobody of the tests made it.
        let one = ("nobody".to_owned(), history(&[(0, vec![0])]));
        let mut all = histories.by_ref().chain([one]);
        let artifacts = Recommendations::fit(&mut all, instant(TODAY), &settings);
        let policy = serde_json::from_value(policy.clone()).expect("a policy");
        let artifacts = artifacts.expect("orders with products");
        Recommendations::check_policy(&policy, &artifacts).expect("a good policy");
        Served {
            model: Model {
                manifest: manifest(),
                artifacts,
                scorer: Box::new(AnyScorer),
            },
            policy,
            memory: ShelfMemory::default(),
        }
    }

    pub(crate) async fn store(&self) -> MemoryStore {
        let store = MemoryStore::default();
        let customers = self.customers.iter().enumerate().map(|(number, orders)| {
            let bytes = codec::encode(&history(orders));
            (number.to_string(), Bytes::from(bytes))
        });
        let customers: Vec<_> = customers.collect();
        store
            .put_histories(CUSTOMER, &customers)
            .await
            .expect("room");
        let mut shards: BTreeMap<u32, Vec<(String, Level)>> = BTreeMap::new();
        for (item, units) in self.stock.iter().enumerate() {
            if let Some(units) = units {
                let level = Level {
                    on_hand_milli: units * 1_000,
                    units_per_day: units_per_day(item),
                };
                shards
                    .entry(shard_of(&id(item)))
                    .or_default()
                    .push((id(item), level));
            }
        }
        let shards = shards.into_iter();
        let shards: Vec<_> = shards
            .map(|(shard, levels)| (shard.to_string(), Bytes::from(encode(&levels))))
            .collect();
        store.put_histories(LEVELS, &shards).await.expect("room");
        let today = instant(TODAY);
        let stock_known = instant(TODAY - self.stock_age_days);
        for (kind, through) in [(CUSTOMER, today), (LEVELS, stock_known)] {
            store
                .set_complete_through(kind, through)
                .await
                .expect("room");
        }
        store
    }

    /// The answer to a body, or the status of the problem.
    pub(crate) fn ask(&self, policy: &Value, body: &Value) -> Result<Value, u16> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let service = Service::new(self.store().await, Ok(Arc::new(self.served(policy))));
            let text = body.to_string();
            let answer = service
                .handle_direct(text.as_bytes(), "request-1", instant(TODAY))
                .await;
            match answer {
                Ok((body, _)) => Ok(serde_json::from_str(&body).expect("JSON")),
                Err(problem) => Err(problem.status),
            }
        })
    }
}

/// The product ids of an answer, in order.
pub(crate) fn shown(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    let ids = items.iter().map(|item| item["product_id"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}
