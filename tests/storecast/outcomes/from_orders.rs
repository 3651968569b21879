//! Lists that were shown and forecasts, held against the shop's own orders: small cases that a person can work out.

use crate::orders::{Delivered, load};
use crate::replays::{self, PRODUCTS, Sold, histories, logged, till, year};
use features::time::Timestamp;
use inventory::Inventory;
use inventory::answer::{Part, Told};
use offline::evaluate::{Bootstrap, MetricLine};
use offline::outcomes::demand::forecasts;
use offline::outcomes::lists::{Lists, Window, lists};
use offline::shop::Shop;
use recommendations::Recommendations;
use serde_json::{Value, json};
use serving::prediction_log::LoggedPrediction;
use serving::predictor::Predictor;
use serving::wire::format_instant;
use std::path::Path;

/// The first day of 2025 and so many more.
fn day(days: u32) -> String {
    let at = Timestamp(1_735_689_600).plus_days(f64::from(days));
    format_instant(at)
}

fn line(
    function: &str,
    entity: &str,
    asked: &Value,
    as_of: String,
    answered: Value,
) -> LoggedPrediction {
    LoggedPrediction {
        function: function.to_owned(),
        entity: entity.to_owned(),
        asked: asked.as_object().cloned().unwrap_or_default(),
        as_of,
        complete_through: None,
        model_version: "a".to_owned(),
        by_canary: false,
        fingerprint: String::new(),
        policy_version: String::new(),
        rows: String::new(),
        raw: String::new(),
        answered,
    }
}

fn sold(customer: u32, day: u32, product: u32) -> Sold {
    Sold {
        customer,
        day,
        product,
        cents: 100,
    }
}

/// A list of products that a customer was shown.
fn shown(
    customer: &str,
    surface: &str,
    at: u32,
    cart: &[usize],
    products: &[usize],
) -> LoggedPrediction {
    let ids = |places: &[usize]| places.iter().map(|at| PRODUCTS[*at]).collect::<Vec<_>>();
    let item = |id: &str| json!({ "product_id": id, "propensity": null });
    let items: Vec<Value> = ids(products).into_iter().map(item).collect();
    let asked = json!({ "surface": surface, "cart": ids(cart) });
    let answered = json!({ "items": items });
    line(Recommendations::NAME, customer, &asked, day(at), answered)
}

fn value(metrics: &[MetricLine], name: &str) -> f64 {
    let line = metrics.iter().find(|line| line.metric == name);
    let line = line.unwrap_or_else(|| panic!("{name}: {metrics:?}"));
    line.value.unwrap_or_else(|| panic!("{name} has no value"))
}

fn is_close(found: f64, expected: f64) -> bool {
    // Reports have six decimals.
    (found - expected).abs() < 1e-6
}

/// K1 and K3 come back within a week of the list, K2 does not.
fn judged(k: usize) -> Lists {
    let shop = histories(&[
        sold(1, 10, 0),
        sold(1, 11, 1),
        sold(1, 21, 0),
        sold(1, 22, 2),
        sold(1, 40, 3),
        sold(2, 5, 0),
        sold(2, 50, 0),
        sold(3, 21, 0),
        sold(3, 21, 1),
    ]);
    let mut of_another = shown("K1", "discover", 20, &[], &[2]);
    "b".clone_into(&mut of_another.model_version);
    let mut broken = shown("K1", "home", 20, &[], &[0]);
    broken.answered = json!({ "items": 3 });
    let lines = [
        shown("K1", "home", 20, &[], &[3, 0]),
        shown("K3", "home", 20, &[], &[0]),
        shown("K2", "home", 20, &[], &[0]),
        of_another,
        shown("K1", "buy_again", 20, &[], &[1]),
        shown("K3", "cart", 20, &[0], &[1]),
        shown("K1", "home", 22, &[], &[2]),
        shown("K1", "home", 48, &[], &[2]),
        shown("K1", "home", 30, &[], &[]),
        shown("nobody", "home", 20, &[], &[0]),
        broken,
    ];
    let window = Window { days: 7.0, k };
    let found = lists(&lines, &shop, None, window, &Bootstrap::default());
    found.expect("histories")
}

#[test]
fn lists_are_held_against_what_was_bought_within_the_window() {
    let found = judged(2);
    let counts = [
        found.joined,
        found.nothing_bought,
        found.repeated,
        found.open,
    ];
    assert_eq!(counts, [5, 1, 1, 1]);
    assert_eq!([found.empty, found.unknown, found.broken], [1, 1, 1]);
    let of = |found: &Lists, version: &str, surface: &str| {
        let mut all = found.versions.iter();
        let one = all.find(|one| one.model_version == version && one.surface == surface);
        one.cloned().unwrap_or_else(|| panic!("{found:?}"))
    };
    let home = of(&found, "a", "home");
    assert_eq!((home.lists, home.customers, home.nothing_bought), (2, 2, 1));
    // K1 bought two products, of which one was shown at the second place; K3 two, one of them at the first.
    assert!(is_close(value(&home.metrics, "hit_rate_at_2"), 1.0));
    assert!(is_close(value(&home.metrics, "recall_at_2"), 0.5));
    let second = 1.0 / 3f64.log2();
    let ndcg = f64::midpoint(second, 1.0) / (1.0 + second);
    assert!(is_close(value(&home.metrics, "ndcg_at_2"), ndcg));
    // What the surface is about: only p2 was new to K1, only p0 was not; p0 was in the cart of K3.
    for (version, surface, recall) in [
        ("b", "discover", 1.0),
        ("a", "buy_again", 0.0),
        ("a", "cart", 1.0),
    ] {
        let one = of(&found, version, surface);
        assert!(
            is_close(value(&one.metrics, "recall_at_2"), recall),
            "{one:?}"
        );
    }
    let first = of(&judged(1), "a", "home");
    assert!(is_close(value(&first.metrics, "hit_rate_at_1"), 0.5));
    assert!(is_close(value(&first.metrics, "recall_at_1"), 0.25));
    let interval = first.metrics[0].interval;
    assert_eq!(interval, Some([0.0, 1.0]), "one of two customers");
}

/// Demand for a product from a day on, told as a law of counts for each lead time.
fn forecast(version: &str, product: usize, at: u32, parts: &[(f64, f64, f64)]) -> LoggedPrediction {
    let part = |(probability, days, mean): &(f64, f64, f64)| Part {
        probability: *probability,
        days: *days,
        mean: *mean,
        // Poisson.
        variance: *mean,
    };
    let parts: Vec<Part> = parts.iter().map(part).collect();
    let quantiles =
        json!({ "p10": 0.0, "p50": 0.0, "p80": 0.0, "p90": 0.0, "p95": 0.0, "p975": 0.0 });
    let answered = json!({ "forecaster": "model", "interval_days": 2.0, "mean": 0.0, "quantiles": quantiles, "parts": parts });
    let as_of = day(at)[..10].to_owned();
    LoggedPrediction {
        model_version: version.to_owned(),
        ..line(
            Inventory::NAME,
            PRODUCTS[product],
            &Value::Null,
            as_of,
            answered,
        )
    }
}

const STOCK: &str = r#"
[stock]
files = ["stock.csv"]
[stock.columns]
product_id = "product"
date = "day"
on_hand = "on_hand"
"#;

/// Two units each of p0 on days 30 and 31 and of p2 on day 30; on day 31 p2, on both days p3 began without stock.
fn shop_with_stock(folder: &Path) -> offline::histories::Histories {
    let text = format!("{}{STOCK}", replays::SHOP);
    let shop = Shop::parse(&text, Path::new("shop.toml")).expect("a shop");
    let file = |name: &str, text: String| Delivered {
        name: name.to_owned(),
        bytes: text.into_bytes(),
    };
    let orders = [
        (10, 1),
        (20, 2),
        (21, 3),
        (30, 0),
        (30, 2),
        (31, 0),
        (60, 4),
    ];
    let rows = orders.iter().enumerate().map(|(number, (at, product))| {
        let product = PRODUCTS[*product];
        format!("o{number},K1,{},{product},2,1.00\n", &day(*at)[..10])
    });
    let orders = format!(
        "order,customer,day,product,quantity,amount\n{}",
        rows.collect::<String>()
    );
    let levels = [
        (2, 30, 5),
        (2, 31, 0),
        (2, 32, 5),
        (3, 30, 0),
        (3, 31, 0),
        (3, 32, 5),
    ];
    let rows = levels.map(|(product, at, on_hand)| {
        let product = PRODUCTS[product];
        format!("{product},{},{on_hand}\n", &day(at)[..10])
    });
    let stock = format!("product,day,on_hand\n{}", rows.concat());
    let products = PRODUCTS.map(|product| format!("{product},PRODUCE\n"));
    let products = format!("product,category\n{}", products.concat());
    let files = [
        file("orders.csv", orders),
        file("products.csv", products),
        file("stock.csv", stock),
    ];
    load(&shop, &files, folder)
}

#[test]
fn forecasts_are_held_against_what_was_sold_while_it_could_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let shop = shop_with_stock(folder.path());
    // P(0) is a little above one half.
    let half = 0.69;
    let mut broken = forecast("a", 0, 30, &[]);
    broken.answered["parts"] = json!([]);
    let lines = [
        // Nothing was expected, whichever lead time has a probability, and four units were sold.
        forecast("a", 0, 30, &[(0.0, 9.0, 99.0), (1.0, 2.0, 0.0)]),
        // With a probability of one half nothing was expected, and nothing was sold.
        forecast("a", 1, 30, &[(1.0, 2.0, half)]),
        // Two in two days, on one of which they could be bought.
        forecast("masked", 2, 30, &[(1.0, 2.0, 2.0)]),
        forecast("masked", 3, 30, &[(1.0, 2.0, 2.0)]),
        forecast("a", 0, 31, &[(1.0, 2.0, 2.0)]),
        forecast("a", 0, 59, &[(1.0, 2.0, 2.0)]),
        LoggedPrediction {
            entity: "nothing".to_owned(),
            ..forecast("a", 0, 30, &[(1.0, 2.0, 2.0)])
        },
        broken,
    ];
    let found = forecasts(&lines, &shop, None, &Bootstrap::default());
    let found = found.expect("histories");
    let counts = [found.joined, found.repeated, found.open, found.out_of_stock];
    assert_eq!(counts, [3, 1, 1, 1], "{found:?}");
    assert_eq!((found.unknown, found.broken), (1, 1));
    let [a, masked] = &found.versions[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (&a.model_version[..], &a.forecaster[..], a.forecasts),
        ("a", "model", 2)
    );
    // Of the first no quantile held, of the second each did.
    for level in ["coverage_80", "coverage_90", "coverage_95"] {
        assert!(is_close(value(&a.metrics, level), 0.5), "{a:?}");
    }
    // Quantiles of a Poisson law of mean .69 at .5, .8, .9, .95, .975: 0, 1, 2, 2, 3.
    let (first, second) = (
        4.0 * 0.825,
        (0.2 + 0.1 * 2.0 + 0.05 * 2.0 + 0.025 * 3.0) / 5.0,
    );
    assert!(
        is_close(value(&a.metrics, "pinball"), f64::midpoint(first, second)),
        "{a:?}"
    );
    assert!(
        is_close(value(&a.metrics, "wape"), (4.0 + half) / 4.0),
        "{a:?}"
    );
    assert!(
        is_close(value(&a.metrics, "bias"), (half - 4.0) / 4.0),
        "{a:?}"
    );
    assert!(a.metrics.iter().all(|line| line.metric != "rmsse"));
    assert!(is_close(value(&masked.metrics, "mae"), 1.0), "{masked:?}");
    assert!(is_close(value(&masked.metrics, "bias"), -0.5), "{masked:?}");
}

#[tokio::test]
async fn what_functions_keep_is_enough_to_judge_it_by() {
    let histories = histories(&year());
    assert_eq!(till().training.horizon_days, 28);
    let skus: Vec<Value> = PRODUCTS.iter().map(|id| json!({ "sku_id": id })).collect();
    let asked = [json!({ "skus": skus, "as_of": "2025-08-01" })];
    let salt = Some(replays::SALT);
    let lines = logged::<Inventory>(&histories, replays::log(1.0, false), &asked).await;
    for line in &lines {
        let told: Told = serde_json::from_value(line.answered.clone()).expect("what is told");
        let sum = |of: fn(&Part) -> f64| told.parts.iter().map(of).sum::<f64>();
        assert!(
            told.parts.len() > 1,
            "the committed policy's lead time is random"
        );
        assert!((sum(|part| part.probability) - 1.0).abs() < 1e-9);
        assert!((sum(|part| part.probability * part.days) - told.interval_days).abs() < 1e-9);
        assert!((sum(|part| part.probability * part.mean) / told.mean - 1.0).abs() < 1e-9);
    }
    let found = forecasts(&lines, &histories, salt, &Bootstrap::default());
    assert_eq!(found.expect("histories").joined, 5);
    let asked =
        [json!({ "customer_id": "K1", "as_of": "2025-08-01T00:00:00Z", "in_stock_only": false })];
    let lines = logged::<Recommendations>(&histories, replays::log(1.0, false), &asked).await;
    let window = Window { days: 28.0, k: 10 };
    let found = lists(&lines, &histories, salt, window, &Bootstrap::default());
    let found = found.expect("histories");
    assert_eq!((found.joined, &found.versions[0].surface[..]), (1, "home"));
}
