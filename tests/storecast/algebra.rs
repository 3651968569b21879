//! What holds for every body and every answer, whatever is asked.

use crate::shop::{self, post};
use aws::dispatch::Event;
use churn::Churn;
use features::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use serving::ports::MemoryStore;
use serving::service::Service;
use serving::wire::format_instant;

fn with_service(
    check: impl AsyncFnOnce(&Service<Churn, MemoryStore>) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        static SERVICE: Service<Churn, MemoryStore> = RUNTIME.with(|runtime| runtime.block_on(shop::service::<Churn>()));
    }
    SERVICE.with(|service| RUNTIME.with(|runtime| runtime.block_on(check(service))))
}

/// Text that looks like a request here and there, so that every parser is reached.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\u12",
        "1e999",
        "-",
        "null",
        "\u{0}",
        "\"customers\"",
        "\"customer_id\"",
        "\"history\"",
        "\"as_of\"",
        "{\"customers\":[{\"customer_id\":1",
        "\"requestContext\":{\"http\":{",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

fn orders() -> impl Strategy<Value = Value> {
    let line = (1..5_000_000i64, 0..100_000i64, 0..2_000_000i64, 0..4u8, any::<bool>()).prop_map(
        |(milli, discount, net, product, back)| {
            let sign = if back { -1 } else { 1 };
            json!({ "product_id": format!("p{product}"), "category": format!("c{}", product / 2),
                    "quantity": (sign * milli) as f64 / 1000.0, "net_minor": sign * net, "discount_minor": discount })
        },
    );
    // From 2014 to 2018, so that the instant asked for lies among the orders.
    let order = (
        1_388_534_400..1_530_000_000i64,
        prop::collection::vec(line, 0..4),
    );
    prop::collection::vec(order, 0..40).prop_map(|orders| {
        let order = |(index, (at, lines)): (usize, (i64, Vec<Value>))| {
            json!({ "order_id": index.to_string(), "placed_at": format_instant(Timestamp(at)), "lines": lines })
        };
        orders.into_iter().enumerate().map(order).collect()
    })
}

fn check_algebra(result: &Value) -> Result<(), TestCaseError> {
    let number = |field: &str| result[field].as_f64().expect("a finite number");
    let (probability, log_odds) = (number("churn_probability"), number("log_odds"));
    prop_assert!((0.0..=1.0).contains(&probability));
    prop_assert!((probability - 1.0 / (1.0 + (-log_odds).exp())).abs() <= 1e-12);
    let reasons = result["reasons"].as_array().expect("reasons");
    let parts = reasons
        .iter()
        .map(|reason| reason["log_odds"].as_f64().expect("a finite number"));
    let sum = number("base_log_odds") + parts.clone().sum::<f64>();
    prop_assert!(
        (sum - log_odds).abs() <= 1e-6,
        "{} against {}",
        sum,
        log_odds
    );
    prop_assert!(
        parts.map(f64::abs).is_sorted_by(|a, b| a >= b),
        "strongest first"
    );
    for reason in reasons {
        let effect = match reason["log_odds"].as_f64().expect("a number") {
            raises if raises > 0.0 => "raises",
            lowers if lowers < 0.0 => "lowers",
            _ => "leaves",
        };
        prop_assert_eq!(&reason["effect"], effect);
    }
    let options = result["decision"]["alternatives"]
        .as_array()
        .expect("options");
    prop_assert!(
        options
            .iter()
            .any(|option| option["intervention"] == "do_nothing")
    );
    prop_assert!(
        options
            .iter()
            .map(|o| o["expected_value_minor"].as_i64())
            .is_sorted_by(|a, b| a >= b),
        "best first"
    );
    prop_assert!(
        result["decision"]["expected_value_minor"].as_i64() >= Some(0),
        "never worse than doing nothing"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_makes_it_panic(body in noise()) {
        let _ = Event::read(&String::from_utf8_lossy(&body));
        with_service(async |service| {
            let answer = post(service, body).await;
            prop_assert!((400..500).contains(&answer.status), "{:?}", answer);
            prop_assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            Ok(())
        })?;
    }

    #[test]
    fn every_answer_adds_up(
        customers in prop::collection::vec(orders(), 1..6),
        as_of in 1_420_000_000..1_540_000_000i64,
        budget in prop::option::of(0..100_000i64),
    ) {
        let customers: Vec<_> = customers.into_iter().enumerate()
            .map(|(index, orders)| json!({ "customer_id": index.to_string(), "history": { "orders": orders } })).collect();
        let mut body = json!({ "customers": customers, "as_of": format_instant(Timestamp(as_of)) });
        if let Some(budget) = budget {
            body["budget_minor"] = budget.into();
        }
        with_service(async |service| {
            let answer = post(service, body.to_string()).await;
            prop_assert_eq!(answer.status, 200, "{}", answer.body);
            let results = answer.body["results"].as_array().expect("results");
            prop_assert_eq!(results.len(), customers.len());
            let scored = results.iter().filter(|result| result["state"] == "scored");
            scored.clone().try_for_each(check_algebra)?;
            for field in ["expected_cost_minor", "expected_value_minor"] {
                let sum: i64 = scored.clone().map(|r| r["decision"][field].as_i64().expect("an amount")).sum();
                prop_assert_eq!(&answer.body[field], &json!(sum));
            }
            prop_assert!(budget.is_none_or(|budget| answer.body["expected_cost_minor"].as_i64() <= Some(budget)));
            Ok(())
        })?;
    }
}
