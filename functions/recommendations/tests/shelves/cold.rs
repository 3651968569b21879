//! Nobody is known, nothing is there, nothing is asked for: each case has its answer.

use crate::shop::{Bought, Shop, policy, shown};
use serde_json::{Value, json};

/// Four customers who buy the same, two of them often; everything is there.
fn shop() -> Shop {
    let often: Vec<Bought> = (0..8)
        .zip(4..)
        .map(|(week, other)| (7 * week, vec![1, 2, 3, other]))
        .collect();
    let once = vec![(30, vec![1, 2, 5])];
    Shop {
        customers: vec![often.clone(), often, once.clone(), once, Vec::new()],
        stock: vec![Some(5); 30],
        stock_age_days: 0,
    }
}

fn ask(body: &Value) -> Value {
    shop().ask(&policy(), body).expect("an answer")
}

fn first_kind(answer: &Value) -> &str {
    answer["items"][0]["reason"]["kind"]
        .as_str()
        .expect("a reason")
}

#[test]
fn a_known_customer_gets_what_comes_next() {
    let answer = ask(&json!({ "customer_id": "0", "k": 3 }));
    assert_eq!(answer["fallback"], Value::Null);
    assert_eq!(answer["items"][0]["level"], "personal");
    assert_eq!(shown(&answer).len(), 3);
    let again = ask(&json!({ "customer_id": "0", "surface": "buy_again", "k": 20 }));
    let text = |item: &Value| item["reason"]["text"].as_str().expect("text").to_owned();
    let texts: Vec<String> = again["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(text)
        .collect();
    assert!(
        texts.contains(&"you buy it about every 7 days, last 11 days ago".to_owned()),
        "{texts:?}"
    );
}

#[test]
fn a_customer_with_one_order_is_no_stranger() {
    let answer = ask(&json!({ "customer_id": "2", "k": 3 }));
    assert_eq!(answer["items"][0]["level"], "personal");
    assert_eq!(answer["fallback"], Value::Null);
}

#[test]
fn strangers_get_what_sells_and_are_told_so() {
    for body in [
        json!({ "customer_id": "unknown", "k": 3 }),
        json!({ "k": 3 }),
        json!({ "customer_id": "4", "k": 3 }),
    ] {
        let answer = ask(&body);
        assert_eq!(answer["fallback"], "trending", "{answer}");
        assert_eq!(first_kind(&answer), "sells");
        assert_eq!(shown(&answer), ["item-01", "item-02", "item-03"]);
    }
}

#[test]
fn a_stranger_with_a_category_gets_what_sells_in_it() {
    let answer = ask(&json!({ "include_categories": ["category-1"], "k": 2 }));
    assert_eq!(answer["fallback"], "category");
    assert_eq!(first_kind(&answer), "sells_in_category");
    assert!(
        answer["items"]
            .as_array()
            .expect("items")
            .iter()
            .all(|i| i["category"] == "category-1")
    );
}

#[test]
fn a_category_that_nobody_knows_is_empty() {
    let answer = ask(&json!({ "include_categories": ["no such"], "k": 2 }));
    assert_eq!(shown(&answer).len(), 0);
    assert_eq!(answer["fallback"], Value::Null);
}

#[test]
fn a_strangers_cart_is_completed() {
    let answer = ask(&json!({ "cart": ["item-01"], "k": 2 }));
    assert_eq!(answer["surface"], "cart");
    assert_eq!(answer["items"][0]["level"], "cart");
    assert_eq!(answer["fallback"], Value::Null);
}

#[test]
fn an_empty_cart_falls_back_to_the_customer_then_to_what_sells() {
    let known = ask(&json!({ "customer_id": "0", "surface": "cart", "k": 2 }));
    assert_eq!(known["fallback"], "personal");
    let stranger = ask(&json!({ "surface": "cart", "k": 2 }));
    assert_eq!(stranger["fallback"], "trending");
    let unseen = ask(&json!({ "surface": "cart", "cart": ["never seen"], "k": 2 }));
    assert_eq!(unseen["fallback"], "trending");
}

#[test]
fn nobody_buys_again_what_he_never_bought() {
    let answer = ask(&json!({ "customer_id": "unknown", "surface": "buy_again" }));
    assert_eq!(shown(&answer).len(), 0);
}

#[test]
fn none_and_too_many() {
    assert_eq!(shown(&ask(&json!({ "customer_id": "0", "k": 0 }))).len(), 0);
    assert_eq!(
        shop().ask(&policy(), &json!({ "customer_id": "0", "k": 1000 })),
        Err(422)
    );
    let all = shown(&ask(&json!({ "customer_id": "0", "k": 100 })));
    // Everything that was ever sold.
    assert_eq!(all.len(), 12);
}

#[test]
fn an_empty_shelf_is_an_empty_answer() {
    let mut empty = shop();
    empty.stock = vec![Some(0); 30];
    let answer = empty
        .ask(&policy(), &json!({ "customer_id": "0", "k": 3 }))
        .expect("an answer");
    assert_eq!(shown(&answer).len(), 0);
    assert!(answer["left_out"]["not_in_stock"].as_u64() >= Some(12));
    let anyhow = json!({ "customer_id": "0", "k": 3, "in_stock_only": false });
    let answer = empty.ask(&policy(), &anyhow).expect("an answer");
    assert_eq!(shown(&answer).len(), 3);
    assert_eq!(answer["items"][0]["stock"]["state"], "out_of_stock");
}

#[test]
fn stock_that_is_not_known_is_the_shops_decision() {
    let mut silent = shop();
    silent.stock = Vec::new();
    let body = json!({ "customer_id": "0", "k": 3 });
    assert_eq!(
        shown(&silent.ask(&policy(), &body).expect("an answer")).len(),
        0
    );
    let mut trusting = policy();
    trusting["stock"]["unknown"] = json!("offer");
    let answer = silent.ask(&trusting, &body).expect("an answer");
    assert_eq!(shown(&answer).len(), 3);
    assert_eq!(answer["items"][0]["stock"]["state"], "unknown");
}

#[test]
fn an_abandoned_cart_tells_what_is_left_of_it() {
    let mut shop = shop();
    shop.stock[1] = Some(0);
    let body = json!({ "customer_id": "0", "surface": "abandoned_cart", "cart": ["item-01", "item-02"], "k": 2 });
    let answer = shop.ask(&policy(), &body).expect("an answer");
    let cart = answer["cart"].as_array().expect("a cart");
    assert_eq!(cart[0]["stock"]["state"], "out_of_stock");
    // Of the same category, and there.
    let replacement = cart[0]["replacements"][0]["product_id"].as_str();
    assert!(
        ["item-04", "item-07", "item-10"]
            .map(Some)
            .contains(&replacement),
        "{answer}"
    );
    assert_eq!(cart[1]["stock"]["state"], "in_stock");
    assert_eq!(cart[1].get("replacements"), None);
    assert!(!shown(&answer).contains(&"item-01".to_owned()));
}
