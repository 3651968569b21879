//! What inventory answers to good, odd and bad questions, by its own code over the committed model.

use crate::shop::{self, Answer, DEMAND_THROUGH, FAST, NEW, SLOW, call};
use inventory::Inventory;
use serde_json::{Value, json};
use serving::calendar::format_date;
use serving::ports::MemoryStore;
use serving::service::Service;

async fn post(service: &Service<Inventory, MemoryStore>, body: &Value) -> Answer {
    call(service, "POST", "/v1/inventory", body.to_string()).await
}

/// The only result of a request for one SKU.
async fn one(sku: Value) -> Value {
    let service = shop::service::<Inventory>().await;
    let answer = post(&service, &json!({ "as_of": "2018-01-01", "skus": [sku] })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["results"][0].clone()
}

/// An inline history of `units` on each of these days before 2018-01-01.
fn history(days: &[(i64, f64)]) -> Value {
    let day = |(ago, units): &(i64, f64)| {
        let date = format_date(features::time::LocalDay(17_532 - *ago as i32));
        json!({ "date": date, "units": units, "net_minor": 300 })
    };
    json!({ "category": "TEAS", "days": days.iter().map(day).collect::<Vec<_>>() })
}

fn weekly(weeks: i64, units: f64) -> Value {
    history(
        &(1..=weeks)
            .map(|week| (7 * week, units))
            .collect::<Vec<_>>(),
    )
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn each_kind_of_sku_has_its_forecaster() {
    let service = shop::service::<Inventory>().await;
    for (sku, forecaster) in [(FAST, "model"), (SLOW, "tsb"), (NEW, "ses")] {
        let answer = call(&service, "GET", &format!("/v1/skus/{sku}/inventory"), "").await;
        let forecast = &answer.body["results"][0]["forecast"];
        assert_eq!(forecast["forecaster"], forecaster, "{sku}: {}", answer.body);
        assert_eq!(forecast["explained"].is_object(), forecaster == "model");
    }
    let unseen = one(json!({ "sku_id": "new", "on_hand": 0, "history": history(&[]) })).await;
    assert_eq!(unseen["forecast"]["forecaster"], "shop_prior");
    assert!(number(&unseen["forecast"]["mean"]) > 0.0);
}

#[tokio::test]
async fn reasons_add_up_to_the_forecast() {
    let service = shop::service::<Inventory>().await;
    let answer = call(&service, "GET", &format!("/v1/skus/{FAST}/inventory"), "").await;
    let explained = &answer.body["results"][0]["forecast"]["explained"];
    let reasons = explained["reasons"].as_array().expect("reasons");
    let sum: f64 = reasons
        .iter()
        .map(|reason| number(&reason["log_factor"]))
        .sum();
    let difference = number(&explained["base_log_mean"]) + sum - number(&explained["log_mean"]);
    assert!(difference.abs() < 1e-6, "{difference}");
    for reason in reasons {
        let factor = number(&reason["log_factor"]).exp();
        assert!(
            (number(&reason["factor"]) - factor).abs() < 1e-9,
            "{reason}"
        );
    }
}

#[tokio::test]
async fn quantiles_and_weeks_rise() {
    let service = shop::service::<Inventory>().await;
    for (sku, _) in shop::skus() {
        let path = format!("/v1/skus/{sku}/inventory");
        let answer = call(&service, "GET", &path, "").await;
        let forecast = &answer.body["results"][0]["forecast"];
        let quantiles = ["p10", "p50", "p80", "p90", "p95", "p975"];
        let quantiles = quantiles.map(|name| number(&forecast["quantiles"][name]));
        assert!(quantiles.is_sorted(), "{sku}: {quantiles:?}");
        let weeks = forecast["weeks"].as_array().expect("weeks");
        let ends = weeks
            .iter()
            .map(|week| number(&week["until_its_end"]["p90"]));
        assert!(ends.is_sorted(), "{sku}");
        assert!(
            weeks.iter().all(|week| number(&week["mean"]) >= 0.0),
            "{sku}"
        );
    }
}

#[tokio::test]
async fn stock_of_the_store_is_that_of_the_end_of_its_data() {
    let service = shop::service::<Inventory>().await;
    let known = call(&service, "GET", &format!("/v1/skus/{FAST}/inventory"), "").await;
    let result = &known.body["results"][0];
    assert_eq!(result["as_of"], format_date(DEMAND_THROUGH));
    assert_eq!(result["data_age_days"], 1, "asked on the first of January");
    assert_eq!(result["assumptions"]["stock_from"], "store");
    assert_eq!(result["plan"]["on_order_inside"], 120);
    assert_eq!(
        result["plan"]["on_order_later"], 300,
        "what comes in forty days covers nothing now"
    );
    let path = format!("/v1/skus/{FAST}/inventory?as_of=2017-10-01");
    let past = call(&service, "GET", &path, "").await;
    assert_eq!(
        past.body["results"][0]["state"], "forecast_only",
        "{}",
        past.body
    );
}

#[tokio::test]
async fn days_without_stock_are_no_days_without_demand() {
    let sold = weekly(20, 7.0);
    let mut out = history(&(5..=20).map(|week| (7 * week, 7.0)).collect::<Vec<_>>());
    let zeros = one(json!({ "sku_id": "a", "on_hand": 0, "history": out.clone() })).await;
    out["stock_outs"] = json!([{ "from": "2017-12-01", "until": "2018-01-01" }]);
    let masked = one(json!({ "sku_id": "a", "on_hand": 0, "history": out })).await;
    let whole = one(json!({ "sku_id": "a", "on_hand": 0, "history": sold })).await;
    let mean = |result: &Value| number(&result["forecast"]["mean"]);
    assert!(
        mean(&masked) > 1.5 * mean(&zeros) && mean(&masked) > 0.6 * mean(&whole),
        "masked {}, as zeros {}, never out {}",
        mean(&masked),
        mean(&zeros),
        mean(&whole)
    );
}

#[tokio::test]
async fn a_service_level_is_not_a_fill_rate() {
    let ordered = async |target: Value| {
        let sku =
            json!({ "sku_id": "a", "on_hand": 0, "history": weekly(30, 20.0), "target": target });
        number(&one(sku).await["plan"]["order_up_to_level"])
    };
    let service_level = ordered(json!({ "service_level": 0.95 })).await;
    let fill_rate = ordered(json!({ "fill_rate": 0.95 })).await;
    assert!(service_level > fill_rate, "{service_level} and {fill_rate}");
}

#[tokio::test]
async fn odd_histories_have_defined_answers() {
    let year_apart = history(&[(400, 3.0), (5, 2.0)]);
    let twice = history(&[(5, 1.0), (5, 2.0), (12, 3.0)]);
    for (name, sku) in [
        (
            "no sale at all",
            json!({ "history": { "days": [] }, "on_hand": 5 }),
        ),
        (
            "one observation",
            json!({ "history": history(&[(3, 1.0)]), "on_hand": 0 }),
        ),
        (
            "a gap of a year",
            json!({ "history": year_apart, "on_hand": 0 }),
        ),
        ("a date twice", json!({ "history": twice, "on_hand": 0 })),
        (
            "demand of 1e9",
            json!({ "history": weekly(20, 1e9), "on_hand": 0 }),
        ),
        (
            "owed units",
            json!({ "history": weekly(20, 5.0), "on_hand": -40, "backorders": 3 }),
        ),
        (
            "no lead time",
            json!({ "history": weekly(20, 5.0), "on_hand": 0, "lead_time_days": 0 }),
        ),
        (
            "no review",
            json!({ "history": weekly(20, 5.0), "on_hand": 0, "review_period_days": 0 }),
        ),
        (
            "neither",
            json!({ "history": weekly(20, 5.0), "on_hand": 0, "lead_time_days": 0, "review_period_days": 0 }),
        ),
        (
            "always out of stock",
            json!({ "history": { "days": [], "stock_outs": [{ "from": "2017-01-01", "until": "2018-01-01" }] }, "on_hand": 0 }),
        ),
        (
            "a target of zero",
            json!({ "history": weekly(20, 5.0), "on_hand": 0, "target": { "fill_rate": 0.0 } }),
        ),
    ] {
        let mut sku = sku;
        sku["sku_id"] = json!(name);
        let result = one(sku).await;
        assert_eq!(result["state"], "planned", "{name}: {result}");
        let mean = number(&result["forecast"]["mean"]);
        assert!(mean.is_finite() && mean >= 0.0, "{name}: {mean}");
    }
    let owed = json!({ "sku_id": "owed", "history": weekly(20, 5.0), "on_hand": -40 });
    let owed = one(owed).await;
    assert!(
        number(&owed["plan"]["order_quantity"]) >= 40.0,
        "what is owed is ordered: {owed}"
    );
}

#[tokio::test]
async fn bad_values_are_refused_at_their_place() {
    let service = shop::service::<Inventory>().await;
    let sku = |field: &str, value: Value| {
        let mut sku = json!({ "sku_id": FAST, "on_hand": 1 });
        sku[field] = value;
        json!({ "skus": [sku] })
    };
    for (body, pointer) in [
        (
            sku("target", json!({ "service_level": 1.0 })),
            "/skus/0/service_level",
        ),
        (
            sku("target", json!({ "fill_rate": -0.1 })),
            "/skus/0/fill_rate",
        ),
        (sku("lead_time_days", json!(-1)), "/skus/0/lead_time_days"),
        (
            sku("lead_time_days", json!([{ "days": 2, "probability": 0.4 }])),
            "/skus/0/lead_time_probability",
        ),
        (
            sku("review_period_days", json!(-1)),
            "/skus/0/review_period_days",
        ),
        (
            // Nobody knows the SKU, so that nothing is planned: refused all the same.
            json!({ "skus": [{ "sku_id": "nobody's", "review_period_days": -1 }] }),
            "/skus/0/review_period_days",
        ),
        (
            sku("constraints", json!({ "pack_size": 0 })),
            "/skus/0/pack_size",
        ),
        (
            sku("on_hand", json!(4_000_000_000_000_i64)),
            "/skus/0/on_hand",
        ),
        (
            sku(
                "history",
                json!({ "days": [{ "date": "2017-12-01", "units": -1 }] }),
            ),
            "/skus/0/history/days/0/units",
        ),
        (
            sku(
                "history",
                json!({ "days": [{ "date": "2017-13-01", "units": 1 }] }),
            ),
            "/skus/0/history/days/0/date",
        ),
        (
            sku(
                "history",
                json!({ "days": [], "stock_outs": [{ "from": "2017-12-02", "until": "2017-12-01" }] }),
            ),
            "/skus/0/history/stock_outs/0/until",
        ),
        (
            json!({ "skus": [{ "sku_id": FAST }], "budget_minor": -1 }),
            "/budget_minor",
        ),
        (
            json!({ "skus": [{ "sku_id": FAST }, { "sku_id": FAST }] }),
            "/skus/1/sku_id",
        ),
        (json!({ "skus": [] }), "/skus"),
        (json!({ "skus": [{ "sku_id": "" }] }), "/skus/0/sku_id"),
    ] {
        let answer = post(&service, &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.body);
        assert_eq!(answer.body["pointer"], pointer, "{}", answer.body);
    }
}

#[tokio::test]
async fn contradictions_and_budgets_are_reported() {
    let service = shop::service::<Inventory>().await;
    let contradiction = json!({ "minimum_order_quantity": 500, "shelf_cap": 100 });
    let sku = json!({ "sku_id": "a", "on_hand": 0, "history": weekly(20, 20.0), "constraints": contradiction });
    let result = one(sku).await;
    assert_eq!(result["plan"]["order_quantity"], 0);
    assert_eq!(
        result["plan"]["contradiction"]["constraint"], "shelf_cap",
        "{result}"
    );
    let skus = json!([{ "sku_id": FAST, "on_hand": 0 }, { "sku_id": "995242", "on_hand": 0 }]);
    for budget in [0, 700, 5_000] {
        let answer = post(&service, &json!({ "skus": skus, "budget_minor": budget })).await;
        let spent = number(&answer.body["order_value_minor"]);
        assert!(spent <= f64::from(budget), "{spent} of {budget}");
        assert_eq!(answer.body["budget"]["limit_minor"], budget);
    }
}
