//! A small shop with the committed models: what the request path is tested on.

mod skus;

pub(crate) use skus::{DEMAND_THROUGH, FAST, NEW, SELLING_WELL, SLOW, skus};

use crate::workspace::root;
use bytes::Bytes;
use churn::{CUSTOMER, Churn};
use features::codec;
use features::history::{CustomerHistory, Order, OrderLine};
use features::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use offline::model_folder;
use serde_json::Value;
use serving::ports::{ArtifactStore, HistoryStore, MemoryStore, PointerStore};
use serving::predictor::{Predictor, Served};
use serving::registry::{ModelFiles, Registry, load_served};
use serving::service::{HttpRequest, HttpResponse, Service};
use std::sync::Arc;

/// Orders before 2018-01-01T04:01:21Z are known, as in the default shop.
pub(crate) const COMPLETE_THROUGH: Timestamp = Timestamp(1_514_779_281);
/// The clock of every test: 2018-01-01T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_514_808_000);
/// Bought every fourth day until two days ago.
pub(crate) const STEADY: &str = "1";
/// Bought every week until six weeks ago.
pub(crate) const FADING: &str = "208";
/// Last bought half a year ago.
pub(crate) const LAPSED: &str = "lapsed";
/// Brought something back, bought nothing that is known.
pub(crate) const RETURNS_ONLY: &str = "returns only";
/// An id that must be encoded in a path.
pub(crate) const ODD_ID: &str = "ünï/½ 100%";
/// An id that is long enough to be looked for in a log.
pub(crate) const PRIVATE_ID: &str = "customer-jane-doe-4711";

pub(crate) fn model_files() -> ModelFiles {
    model_files_of::<Churn>()
}

pub(crate) fn policy_file() -> Bytes {
    policy_file_of::<Churn>()
}

pub(crate) fn model_files_of<P: Predictor>() -> ModelFiles {
    model_folder::read_model::<P>(&root().join("models").join(P::NAME))
        .expect("the committed model")
}

pub(crate) fn policy_file_of<P: Predictor>() -> Bytes {
    model_folder::read_policy(&root().join("models").join(P::NAME)).expect("the committed policy")
}

/// The committed model and policy, published and loaded as a function does.
pub(crate) async fn served<P: Predictor>() -> Served<P> {
    released(&MemoryStore::default()).await
}

/// The same, and the store is the registry.
async fn released<P: Predictor>(registry: &MemoryStore) -> Served<P> {
    let (files, policy) = (model_files_of::<P>(), policy_file_of::<P>());
    registry_of(registry)
        .release::<P>(files, policy)
        .await
        .expect("a good model");
    load_served(registry, registry, None)
        .await
        .expect("what was published")
}

/// A registry on one store that changes everything at the clock of every test.
pub(crate) fn registry_of<S: ArtifactStore + PointerStore>(store: &S) -> Registry<'_, S, S> {
    Registry {
        artifacts: store,
        pointers: store,
        runtime_library: None,
        now: NOW,
    }
}

/// The committed model under another version's name.
pub(crate) fn renamed<P: Predictor>(version: &str) -> ModelFiles {
    let mut files = model_files_of::<P>();
    let mut manifest: Value = serde_json::from_slice(&files.manifest).expect("JSON");
    manifest["version"] = version.into();
    files.manifest = manifest.to_string().into();
    files
}

/// A function over the small shop.
pub(crate) async fn service<P: Predictor>() -> Service<P, MemoryStore> {
    let store = MemoryStore::default();
    fill(&store).await;
    let served = Arc::new(released(&store).await);
    Service::new(store, Ok(served))
}

/// Puts the histories of the small shop into a store.
pub(crate) async fn fill(store: &impl HistoryStore) {
    let records: Vec<_> = histories()
        .into_iter()
        .map(|(id, history)| (id.to_owned(), Bytes::from(codec::encode(&history))))
        .collect();
    store.put_histories(CUSTOMER, &records).await.expect("room");
    store
        .set_complete_through(CUSTOMER, COMPLETE_THROUGH)
        .await
        .expect("room");
    skus::fill(store).await;
}

fn histories() -> Vec<(&'static str, CustomerHistory)> {
    vec![
        (STEADY, bought(2, 4, 80, 2_450)),
        (FADING, bought(43, 7, 40, 6_120)),
        ("7", bought(30, 15, 9, 18_900)),
        ("16", bought(61, 30, 6, 4_400)),
        ("18", bought(20, 5, 12, 9_900)),
        ("31", bought(75, 1, 1, 32_000)),
        (LAPSED, bought(180, 10, 15, 3_000)),
        (
            RETURNS_ONLY,
            CustomerHistory::new(vec![order("r-1", 9, -1_000, -1_250)]),
        ),
        (ODD_ID, bought(5, 6, 30, 1_999)),
        (PRIVATE_ID, bought(25, 9, 14, 5_050)),
    ]
}

/// `count` orders, one every `every` days, the last one `last` days before the shop's data ends.
fn bought(last: i64, every: i64, count: i64, net_minor: i64) -> CustomerHistory {
    let one = |i: i64| {
        order(
            &format!("o-{i}"),
            last + i * every,
            1_000 * (1 + i % 3),
            net_minor + 37 * (i % 11),
        )
    };
    CustomerHistory::new((0..count).map(one).collect())
}

fn order(id: &str, days_ago: i64, quantity_milli: i64, net_minor: i64) -> Order {
    let placed_at = Timestamp(COMPLETE_THROUGH.0 - days_ago * SECONDS_PER_DAY - 3_600);
    let line = |product: &str, category: &str, net_minor, discount_minor| OrderLine {
        product_id: product.into(),
        category: category.into(),
        quantity_milli,
        net_minor,
        discount_minor,
    };
    Order {
        order_id: id.into(),
        placed_at,
        local_day: LocalDay::at(placed_at, -5 * 3_600),
        lines: vec![
            line("1029743", "GROCERY", net_minor - net_minor / 3, 0),
            line("1082185", "PRODUCE", net_minor / 3, days_ago % 40),
        ],
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value.as_str())
    }
}

impl From<HttpResponse> for Answer {
    fn from(response: HttpResponse) -> Self {
        let body = serde_json::from_str(&response.body).expect("every answer is JSON");
        Self {
            status: response.status,
            headers: response.headers,
            body,
        }
    }
}

pub(crate) async fn call<P: Predictor, S: HistoryStore>(
    service: &Service<P, S>,
    method: &str,
    path: &str,
    body: impl Into<Vec<u8>>,
) -> Answer {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let request = HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.into(),
    };
    service.handle_http(request, "request-1", NOW).await.into()
}

pub(crate) async fn post<S: HistoryStore>(
    service: &Service<Churn, S>,
    body: impl Into<Vec<u8>>,
) -> Answer {
    call(service, "POST", "/v1/churn", body).await
}

/// Every event file of a function: its name without `.json`, and its text.
pub(crate) fn events<P: Predictor>() -> Vec<(String, String)> {
    let folder = root().join("events").join(P::NAME);
    let mut events: Vec<_> = std::fs::read_dir(folder)
        .expect("events of the function")
        .map(|entry| entry.expect("a readable folder").path())
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read_to_string(&path).expect("text"))
        })
        .collect();
    events.sort();
    events
}
