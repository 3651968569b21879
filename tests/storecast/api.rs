//! What a caller meets: limits, refusals, states.

use crate::shop::{
    self, Answer, COMPLETE_THROUGH, FADING, LAPSED, NOW, ODD_ID, RETURNS_ONLY, STEADY, call, post,
};
use churn::Churn;
use features::time::{SECONDS_PER_DAY, Timestamp};
use serde_json::{Value, json};
use serving::wire::{BODY_LIMIT_BYTES, format_instant};

pub(crate) fn refused(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/problem+json")),
        "{answer:?}"
    );
    assert_eq!(answer.body["type"], format!("urn:storecast:problem:{kind}"));
    assert_eq!(
        (&answer.body["status"], &answer.body["request_id"]),
        (&json!(status), &json!("request-1"))
    );
    assert!(answer.body["title"].is_string() && answer.body["detail"].is_string());
}

fn one(customer: &Value) -> String {
    json!({ "customers": [customer] }).to_string()
}

#[tokio::test]
async fn a_body_ends_at_five_megabytes() {
    let service = shop::service::<Churn>().await;
    let mut fits = one(&json!({ "customer_id": STEADY }));
    fits.push_str(&" ".repeat(BODY_LIMIT_BYTES - fits.len()));
    assert_eq!(post(&service, fits.clone()).await.status, 200);
    let answer = post(&service, format!("{fits} ")).await;
    refused(&answer, 413, "too-large");
    assert_eq!(
        answer.body["detail"],
        "body has 5242881 bytes, at most 5242880 allowed"
    );
    let direct = service
        .handle_direct(format!("{fits} ").as_bytes(), "request-1", NOW)
        .await;
    assert_eq!(direct.unwrap_err().status, 413);
}

#[tokio::test]
async fn what_is_not_json_is_told_the_place() {
    let service = shop::service::<Churn>().await;
    for (body, place) in [
        (
            "{\"customers\": [\n  {\"customer_id\": }\n]}",
            "line 2, column 19",
        ),
        ("", "line 1, column 0"),
        ("{\"customers\": []} x", "line 1, column 19"),
        (
            r#"{"customers": [], "budget_minor": NaN}"#,
            "line 1, column 35",
        ),
    ] {
        let answer = post(&service, body).await;
        refused(&answer, 400, "malformed-body");
        assert!(
            answer.body["detail"].as_str().unwrap().ends_with(place),
            "{place}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn what_no_number_or_text_can_hold_is_a_value_at_its_place() {
    let service = shop::service().await;
    let line = |fields: &str| {
        let lines = format!(r#"[{{"net_minor": 1}}, {{{fields}}}]"#);
        format!(
            r#"{{"customers": [{{"customer_id": "x", "history": {{"orders": [
               {{"order_id": "a", "placed_at": "2017-12-01T00:00:00Z", "lines": {lines}}}]}}}}]}}"#
        )
    };
    let of_line = |field: &str| format!("/customers/0/history/orders/0/lines/1/{field}");
    for (body, pointer) in [
        (
            r#"{"customers": [], "budget_minor": 1e999}"#.to_owned(),
            "/budget_minor".to_owned(),
        ),
        (
            line(r#""net_minor": 1, "quantity": -1e999"#),
            of_line("quantity"),
        ),
        (
            line(&format!(r#""net_minor": {}.0"#, "9".repeat(400))),
            of_line("net_minor"),
        ),
        // Half a surrogate pair is JSON, and no text.
        (
            line(r#""net_minor": 1, "category": "\ud800""#),
            of_line("category"),
        ),
    ] {
        let answer = post(&service, body).await;
        refused(&answer, 422, "invalid-value");
        assert_eq!(answer.body["pointer"], pointer, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().len() < 60);
    }
    // Behind it the body must still be JSON.
    let answer = post(&service, r#"{"customers": [], "budget_minor": 1e999"#).await;
    refused(&answer, 400, "malformed-body");
}

#[tokio::test]
async fn another_shape_or_value_is_named_by_its_pointer() {
    let service = shop::service::<Churn>().await;
    for (pointer, kind, value) in [
        ("/colour", "unexpected-shape", json!(1)),
        ("/customers/0/colour", "unexpected-shape", json!("blue")),
        (
            "/customers/0/history/orders/1/lines/0/prize",
            "unexpected-shape",
            json!(1),
        ),
        ("/customers", "unexpected-shape", json!("1")),
        ("/customers/0/customer_id", "unexpected-shape", json!(1)),
        ("/budget_minor", "unexpected-shape", json!(12.5)),
        (
            "/customers/0/history/orders/0/lines/0/quantity",
            "unexpected-shape",
            json!("NaN"),
        ),
        (
            "/customers/0/history/orders/0/lines/0/net_minor",
            "unexpected-shape",
            json!(null),
        ),
        ("/budget_minor", "invalid-value", json!(-1)),
        ("/as_of", "invalid-value", json!("2018-01-01")),
        ("/customers/0/customer_id", "invalid-value", json!("")),
        (
            "/customers/0/customer_id",
            "invalid-value",
            json!("x".repeat(257)),
        ),
        (
            "/customers/0/history/orders/0/placed_at",
            "invalid-value",
            json!("yesterday"),
        ),
        (
            "/customers/0/history/orders/1/order_id",
            "invalid-value",
            json!("a"),
        ),
        (
            "/customers/0/history/orders/0/lines/0/quantity",
            "invalid-value",
            // The double next to the limit: read less exactly it would be the limit.
            json!(1_000_000_000.000_000_1),
        ),
        (
            "/customers/0/history/orders/1/lines/0/net_minor",
            "invalid-value",
            json!(-500),
        ),
        (
            "/customers/0/history/orders/1/lines/0/net_minor",
            "invalid-value",
            json!(i64::MIN),
        ),
        (
            "/customers/0/history/orders/1/lines/0/net_minor",
            "invalid-value",
            json!(9_000_000_000_000_000_000i64),
        ),
        (
            "/customers/0/history/orders/1/lines/0/discount_minor",
            "invalid-value",
            json!(-1),
        ),
    ] {
        let line = |net: i64| json!([{ "product_id": "p", "quantity": 1, "net_minor": net, "discount_minor": 0 }]);
        let order =
            |id: &str, at: &str| json!({ "order_id": id, "placed_at": at, "lines": line(900) });
        let orders = [
            order("a", "2017-12-01T00:00:00Z"),
            order("b", "2017-12-09T00:00:00+01:00"),
        ];
        let mut body =
            json!({ "customers": [{ "customer_id": "x", "history": { "orders": orders } }] });
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value;
        let answer = post(&service, body.to_string()).await;
        refused(&answer, 422, kind);
        assert_eq!(answer.body["pointer"], pointer, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_request_has_one_to_a_hundred_different_customers() {
    let service = shop::service::<Churn>().await;
    let of = |count: usize| {
        let customers: Vec<_> = (0..count)
            .map(|i| json!({ "customer_id": i.to_string() }))
            .collect();
        json!({ "customers": customers }).to_string()
    };
    for (count, detail) in [
        (0, "0 customers, 1 to 100 allowed"),
        (101, "101 customers, 1 to 100 allowed"),
    ] {
        let answer = post(&service, of(count)).await;
        refused(&answer, 422, "invalid-value");
        assert_eq!(
            (&answer.body["pointer"], &answer.body["detail"]),
            (&json!("/customers"), &json!(detail))
        );
    }
    let answer = post(&service, of(100)).await;
    assert_eq!(
        (
            answer.status,
            answer.body["results"].as_array().unwrap().len()
        ),
        (200, 100)
    );
    let twice = json!({ "customers": [{ "customer_id": "1" }, { "customer_id": "2" }, { "customer_id": "1" }] });
    let answer = post(&service, twice.to_string()).await;
    refused(&answer, 422, "invalid-value");
    assert_eq!(answer.body["pointer"], "/customers/2/customer_id");
}

#[tokio::test]
async fn paths_methods_and_query_are_checked() {
    let service = shop::service::<Churn>().await;
    for (method, path, allow) in [
        ("GET", "/v1/churn", "POST"),
        ("POST", "/v1/customers/1/churn", "GET"),
    ] {
        let answer = call(&service, method, path, "").await;
        refused(&answer, 405, "method");
        assert_eq!(answer.header("allow"), Some(allow));
    }
    for path in [
        "/",
        "",
        "/v1/churn/",
        "/v2/churn",
        "/v1/customers//churn",
        "/v1/customers/a/b/churn",
    ] {
        refused(&call(&service, "GET", path, "").await, 404, "no-route");
    }
    for (path, pointer) in [
        (
            "/v1/customers/1/churn?as_off=2018-01-01T00:00:00Z",
            "as_off",
        ),
        ("/v1/customers/1/churn?as_of=monday", "as_of"),
        ("/v1/customers/%ff/churn", "customer_id"),
    ] {
        let answer = call(&service, "GET", path, "").await;
        refused(&answer, 422, "invalid-value");
        assert_eq!(answer.body["pointer"], pointer);
    }
}

#[tokio::test]
async fn an_id_may_hold_anything_that_a_path_can_encode() {
    let service = shop::service::<Churn>().await;
    let answer = call(
        &service,
        "GET",
        "/v1/customers/%C3%BCn%C3%AF%2F%C2%BD%20100%25/churn",
        "",
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let result = &answer.body["results"][0];
    assert_eq!(
        (&result["customer_id"], &result["state"]),
        (&json!(ODD_ID), &json!("scored"))
    );
}

#[tokio::test]
async fn one_unknown_customer_does_not_fail_the_others() {
    let service = shop::service::<Churn>().await;
    let ids = [STEADY, "nobody", LAPSED, RETURNS_ONLY, FADING];
    let customers: Vec<_> = ids.iter().map(|id| json!({ "customer_id": id })).collect();
    let answer = post(&service, json!({ "customers": customers }).to_string()).await;
    let of = |field: &str| -> Vec<Value> {
        answer.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| result[field].clone())
            .collect()
    };
    assert_eq!(of("customer_id"), ids);
    assert_eq!(
        of("state"),
        ["scored", "unknown", "lapsed", "no_purchases", "scored"]
    );
    for (index, probability) in of("churn_probability").iter().enumerate() {
        assert_eq!(
            probability.is_number(),
            index == 0 || index == 4,
            "a state has no probability"
        );
    }
    assert!(
        of("churn_probability")[0].as_f64() < of("churn_probability")[4].as_f64(),
        "six silent weeks raise the risk"
    );
    let recency = of("recency_days")[2].as_f64().unwrap();
    assert!((recency - (180.0 + 1.0 / 24.0)).abs() < 1e-9, "{recency}");
    refused(
        &call(&service, "GET", "/v1/customers/nobody/churn", "").await,
        404,
        "not-found",
    );
}

#[tokio::test]
async fn an_answer_speaks_for_no_later_instant_than_the_data() {
    let service = shop::service::<Churn>().await;
    let at = |days: i64| format_instant(Timestamp(COMPLETE_THROUGH.0 + days * SECONDS_PER_DAY));
    for (asked, answered, age) in [(30, 0, 30.0), (0, 0, 0.0), (-30, -30, 0.0)] {
        let body = json!({ "customers": [{ "customer_id": STEADY }], "as_of": at(asked) });
        let answer = post(&service, body.to_string()).await;
        let result = &answer.body["results"][0];
        assert_eq!(
            (&result["as_of"], &result["data_age_days"]),
            (&json!(at(answered)), &json!(age))
        );
        assert_eq!(answer.body["complete_through"], at(0));
    }
    // Without an instant the handler's clock asks; an inline history is all there is to know, so nothing is capped.
    let now = &post(&service, one(&json!({ "customer_id": STEADY })))
        .await
        .body;
    let age = (NOW.0 - COMPLETE_THROUGH.0) as f64 / SECONDS_PER_DAY as f64;
    assert_eq!(
        (
            &now["results"][0]["as_of"],
            &now["results"][0]["data_age_days"]
        ),
        (&json!(at(0)), &json!(age))
    );
    let inline = post(
        &service,
        one(&json!({ "customer_id": "x", "history": { "orders": [] } })),
    )
    .await;
    let result = &inline.body["results"][0];
    assert_eq!(
        (&result["as_of"], &result["data_age_days"]),
        (&json!(format_instant(NOW)), &json!(0.0))
    );
    assert_eq!(
        (&result["state"], &inline.body["complete_through"]),
        (&json!("no_purchases"), &Value::Null)
    );
}

#[tokio::test]
async fn a_batch_of_requests_has_the_answers_of_each_alone() {
    use serving::predictor::Predictor;
    let service = shop::service::<Churn>().await;
    let bodies = [[STEADY, FADING].as_slice(), &["nobody", LAPSED], &[ODD_ID]].map(|ids| {
        let customers: Vec<_> = ids.iter().map(|id| json!({ "customer_id": id })).collect();
        json!({ "customers": customers }).to_string()
    });
    let requests: Vec<_> = bodies
        .iter()
        .map(|body| Churn::parse(body.as_bytes()).unwrap())
        .collect();
    let together = service.answer_rows(&requests, NOW).await.unwrap();
    for (body, text) in bodies.into_iter().zip(together.answers) {
        assert_eq!(
            serde_json::from_str::<Value>(&text.unwrap()).unwrap(),
            post(&service, body).await.body
        );
    }
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused() {
    let service = shop::service::<Churn>().await;
    let answer = post(
        &service,
        &b"{\"customers\": [{\"customer_id\": \"\xff\"}]}"[..],
    )
    .await;
    refused(&answer, 400, "malformed-body");
}
