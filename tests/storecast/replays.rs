//! What was answered is kept, and comes out the same from the files, bit for bit, until the files say something else.

use crate::orders::{Delivered, load};
use crate::shop::{NOW, registry_of, served};
use crate::shop::{model_files_of, policy_file_of};
use churn::Churn;
use features::time::Timestamp;
use inventory::Inventory;
use offline::entity::Entity;
use offline::histories::Histories;
use offline::replay::{Difference, Names, Replayed, replay};
use offline::shop::Shop;
use offline::store::write_all;
use proptest::prelude::*;
use recommendations::Recommendations;
use serde_json::{Value, json};
use serving::arms::position;
use serving::ports::MemoryStore;
use serving::prediction_log::{LoggedPrediction, PredictionLog, as_file};
use serving::predictor::{Predictor, Train};
use serving::service::Service;
use serving::wire::format_instant;
use std::fmt::Write as _;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const SALT: &str = "a secret of the made-up shop";
const AS_OF: &str = "2025-08-01T00:00:00Z";
/// Items that the committed model of recommendations knows.
pub(crate) const PRODUCTS: [&str; 5] = ["1029743", "1082185", "995785", "981760", "1127831"];
const CUSTOMERS: u32 = 12;
/// 2025-01-01.
const FIRST: Timestamp = Timestamp(1_735_689_600);

pub(crate) const SHOP: &str = r#"
format = 1
name = "till"
currency = "USD"
source = "made up"
licence = "none"
data_root = "."
[time]
naive_zone = "UTC"
[orders]
files = ["orders.csv"]
dates = ["%Y-%m-%d"]
[orders.columns]
order_id = "order"
customer_id = "customer"
placed_at = "day"
product_id = "product"
quantity = "quantity"
amount = "amount"
[products]
files = ["products.csv"]
[products.columns]
product_id = "product"
category = "category"
"#;

/// A line of the till.
#[derive(Debug, Clone)]
pub(crate) struct Sold {
    pub(crate) customer: u32,
    /// From the first day of 2025 on.
    pub(crate) day: u32,
    pub(crate) product: u32,
    pub(crate) cents: u32,
}

/// A year of orders: everybody has a rhythm.
pub(crate) fn year() -> Vec<Sold> {
    let of = |customer: u32| {
        let every = 2 + customer;
        (0..364 / every).map(move |visit| Sold {
            customer,
            day: visit * every + customer % 3,
            product: (visit * 7 + customer) % PRODUCTS.len() as u32,
            cents: 150 + 37 * (visit % 11) + 10 * customer,
        })
    };
    (0..CUSTOMERS).flat_map(of).collect()
}

/// Histories, and the folder they lie in.
pub(crate) struct Loaded {
    histories: Histories,
    _folder: TempDir,
}

impl Deref for Loaded {
    type Target = Histories;

    fn deref(&self) -> &Histories {
        &self.histories
    }
}

pub(crate) fn histories(sold: &[Sold]) -> Loaded {
    let mut orders = "order,customer,day,product,quantity,amount\n".to_owned();
    for (number, line) in sold.iter().enumerate() {
        let day = format_instant(FIRST.plus_days(f64::from(line.day)));
        let day = &day[..10];
        let (product, cents) = (
            PRODUCTS[line.product as usize],
            f64::from(line.cents) / 100.0,
        );
        let _ = writeln!(
            orders,
            "o{number},K{},{day},{product},2,{cents:.2}",
            line.customer
        );
    }
    let mut products = "product,category\n".to_owned();
    for product in PRODUCTS {
        let _ = writeln!(products, "{product},PRODUCE");
    }
    let file = |name: &str, text: String| Delivered {
        name: name.to_owned(),
        bytes: text.into_bytes(),
    };
    let files = [file("orders.csv", orders), file("products.csv", products)];
    let shop = till();
    let folder = tempfile::tempdir().expect("a folder");
    Loaded {
        histories: load(&shop, &files, folder.path()),
        _folder: folder,
    }
}

/// What the files of the till look like.
pub(crate) fn till() -> Shop {
    Shop::parse(SHOP, Path::new("shop.toml")).expect("a shop")
}

pub(crate) fn log(share: f64, with_ids: bool) -> PredictionLog {
    PredictionLog {
        bucket: "shop".to_owned(),
        share,
        salt: SALT.to_owned(),
        with_ids,
    }
}

/// What is kept of answers to these requests, as it comes out of a file.
pub(crate) async fn logged<P: Predictor>(
    histories: &Histories,
    log: PredictionLog,
    bodies: &[Value],
) -> Vec<LoggedPrediction> {
    let store = MemoryStore::default();
    write_all(&store, histories, &|_| ()).await.expect("memory");
    let service = Service::new(store, Ok(Arc::new(served::<P>().await)));
    let service = service.keeping(Some(Arc::new(log)));
    let mut lines = Vec::new();
    for body in bodies {
        let body = body.to_string();
        let (_, observed) = service
            .handle_direct(body.as_bytes(), "request-1", NOW)
            .await
            .expect("an answer");
        lines.extend(observed.logged);
    }
    let file = String::from_utf8(as_file(&lines).expect("JSON")).expect("UTF-8");
    let read = file.lines().map(serde_json::from_str);
    read.collect::<Result<_, _>>().expect("lines")
}

async fn replayed<P: Train<History: Entity>>(
    lines: &[LoggedPrediction],
    histories: &Histories,
    salt: Option<&str>,
) -> Replayed {
    let registry = MemoryStore::default();
    let (files, policy) = (model_files_of::<P>(), policy_file_of::<P>());
    let released = registry_of(&registry).release::<P>(files, policy).await;
    released.expect("a good model");
    let names = Names::of::<P::History>(histories, salt).expect("histories");
    let replayed = replay::<P>(lines, histories, &names, &registry, None).await;
    replayed.expect("memory")
}

/// Everybody, by id.
fn everybody() -> Value {
    let customer = |id| json!({ "customer_id": format!("K{id}") });
    let customers: Vec<Value> = (0..CUSTOMERS).map(customer).collect();
    json!({ "customers": customers, "as_of": AS_OF })
}

#[tokio::test]
async fn what_every_function_answered_comes_out_the_same() {
    let histories = histories(&year());
    let churn = logged::<Churn>(&histories, log(1.0, false), &[everybody()]).await;
    let skus: Vec<Value> = PRODUCTS.iter().map(|id| json!({ "sku_id": id })).collect();
    let asked = [json!({ "skus": skus, "as_of": &AS_OF[..10] })];
    let inventory = logged::<Inventory>(&histories, log(1.0, false), &asked).await;
    let asked = [
        json!({ "customer_id": "K1", "as_of": AS_OF }),
        json!({ "customer_id": "K2", "surface": "cart", "cart": ["1082185"], "as_of": AS_OF }),
        json!({ "cart": ["1082185"] }),
        // Forgotten, or never there: what the store does not know is not kept.
        json!({ "customer_id": "nobody", "cart": ["1082185"] }),
    ];
    let recommended = logged::<Recommendations>(&histories, log(1.0, true), &asked).await;
    assert_eq!(
        (churn.len(), inventory.len(), recommended.len()),
        (12, 5, 2)
    );
    for line in churn.iter().chain(&inventory) {
        assert_eq!(line.entity.len(), 64, "{line:?}");
        assert!(!line.entity.contains('K'), "{line:?}");
    }
    let same = [
        replayed::<Churn>(&churn, &histories, Some(SALT)).await,
        replayed::<Inventory>(&inventory, &histories, Some(SALT)).await,
        replayed::<Recommendations>(&recommended, &histories, None).await,
    ];
    let counts = same.map(|replayed| (replayed.same, replayed.holds()));
    assert_eq!(counts, [(12, true), (5, true), (2, true)]);
}

#[tokio::test]
async fn one_spoiled_order_is_exactly_one_difference_named() {
    let mut sold = year();
    let lines = logged::<Churn>(&histories(&sold), log(1.0, false), &[everybody()]).await;
    // The day before the last visit of a customer who comes every five days.
    let spoiled = sold
        .iter_mut()
        .filter(|line| line.customer == 3 && line.day < 200);
    spoiled.last().expect("an order").cents += 1;
    let spoiled = histories(&sold);
    let Replayed {
        same, different, ..
    } = replayed::<Churn>(&lines, &spoiled, Some(SALT)).await;
    assert_eq!(same, 11);
    let [(at, differences)] = &different[..] else {
        panic!("{different:?}")
    };
    assert_eq!(lines[*at].entity, log(1.0, false).name("K3"));
    for difference in differences {
        match difference {
            Difference::Column {
                name,
                logged,
                recomputed,
                ..
            } => {
                assert!(name.contains("spend"), "{name}: {logged} and {recomputed}");
            }
            Difference::Score { .. } => {}
            Difference::Rows { .. } => panic!("{differences:?}"),
        }
    }
    let of_column = |wanted| {
        differences.iter().any(|difference| {
            matches!(difference, Difference::Column { name, logged, recomputed, .. }
                if *name == wanted && (recomputed - logged - 1.0).abs() < 1e-3)
        })
    };
    assert!(
        of_column("spend_4h_minor"),
        "one cent more: {differences:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_replayed_is_counted() {
    let histories = histories(&year());
    let mut lines = logged::<Churn>(&histories, log(1.0, false), &[everybody()]).await;
    lines[0].model_version = "gone".to_owned();
    lines[1].rows.truncate(4);
    lines[2].entity = log(1.0, false).name("somebody else");
    let found = replayed::<Churn>(&lines, &histories, Some(SALT)).await;
    let counts = (
        found.same,
        found.model_gone,
        found.broken,
        found.entity_unknown,
    );
    assert_eq!(counts, (9, 1, 1, 1));
    let foreign = replayed::<Churn>(&lines[3..], &histories, Some("another secret of it")).await;
    assert_eq!((foreign.same, foreign.entity_unknown), (0, 9));
    assert!(!foreign.holds(), "nothing was compared");
}

#[tokio::test]
async fn a_share_keeps_some_customers_as_a_whole_and_shows_nobody() {
    let histories = histories(&year());
    let some = log(0.5, false);
    let asked = [everybody(), everybody()];
    let lines = logged::<Churn>(&histories, some.clone(), &asked).await;
    let taken = (0..CUSTOMERS).map(|id| format!("K{id}"));
    let taken: Vec<String> = taken.filter(|id| some.takes(id)).collect();
    assert!(!taken.is_empty() && taken.len() < CUSTOMERS as usize);
    let names: Vec<&str> = lines.iter().map(|line| &line.entity[..]).collect();
    let twice = taken.iter().map(|id| some.name(id));
    let twice: Vec<String> = twice.clone().chain(twice).collect();
    assert_eq!(names, twice);
    let none = logged::<Churn>(&histories, log(0.0, false), &asked).await;
    assert_eq!(none, []);
    let inline = json!({ "customers": [{ "customer_id": "K1", "history": { "orders": [] } }] });
    assert_eq!(
        logged::<Churn>(&histories, log(1.0, false), &[inline]).await,
        []
    );
}

/// Counts of who is in which of control group, canary and log, held against what independence would give.
#[test]
fn control_group_canary_and_log_are_drawn_independently() {
    let policy: churn::policy::ChurnPolicy =
        serde_json::from_slice(&policy_file_of::<Churn>()).expect("the committed policy");
    let kept = log(0.3, false);
    // The same text for all: what one is called by its own salt must not follow from another's.
    let canary = |id: &str| position(SALT, id) < 0.2;
    let people = 40_000;
    let mut cells = [0_u32; 8];
    for id in (0..people).map(|id| id.to_string()) {
        let [a, b, c] = [policy.in_control_group(&id), canary(&id), kept.takes(&id)];
        cells[usize::from(a) * 4 + usize::from(b) * 2 + usize::from(c)] += 1;
    }
    let shares = [policy.control_group.share, 0.2, 0.3];
    for (cell, count) in cells.into_iter().enumerate() {
        let part = |bit: usize, share: f64| {
            if cell >> bit & 1 == 1 {
                share
            } else {
                1.0 - share
            }
        };
        let expected = part(2, shares[0]) * part(1, shares[1]) * part(0, shares[2]);
        // Five standard deviations of a binomial.
        let spread = 5.0 * (expected * (1.0 - expected) / f64::from(people)).sqrt();
        let found = f64::from(count) / f64::from(people);
        assert!(
            (found - expected).abs() <= spread,
            "cell {cell}: {found}, expected {expected}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn an_order_at_or_after_the_instant_changes_nothing(
        late in proptest::collection::vec((0..CUSTOMERS, 212..364_u32, 0..PRODUCTS.len() as u32, 1..90_000_u32), 1..6),
    ) {
        let sold = year();
        let late = late.into_iter().map(|(customer, day, product, cents)| Sold { customer, day, product, cents });
        let more: Vec<Sold> = sold.iter().cloned().chain(late).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let found = runtime.block_on(async {
            let lines = logged::<Churn>(&histories(&sold), log(1.0, false), &[everybody()]).await;
            replayed::<Churn>(&lines, &histories(&more), Some(SALT)).await
        });
        prop_assert_eq!((found.same, found.different.len()), (12, 0));
    }
}
