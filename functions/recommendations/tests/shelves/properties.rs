//! What must hold of every answer.

use crate::shop::{
    Bought, STALE_AFTER_DAYS, Shop, brand, category, history, id, margin_share, policy, shown,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

const ITEMS: usize = 24;

fn orders() -> impl Strategy<Value = Vec<Bought>> {
    prop::collection::vec((0..60i64, prop::collection::vec(0..ITEMS, 0..6)), 0..8)
}

fn shop() -> impl Strategy<Value = Shop> {
    let level = prop_oneof![Just(None), (-2..4i64).prop_map(Some)];
    (
        prop::collection::vec(orders(), 1..12),
        prop::collection::vec(level, 0..ITEMS + 1),
        0..4i64,
    )
        .prop_map(|(customers, stock, stock_age_days)| Shop {
            customers,
            stock,
            stock_age_days,
        })
}

fn ids(most: usize) -> impl Strategy<Value = Vec<String>> {
    // One beyond the end: a product that nobody knows.
    prop::collection::vec((0..=ITEMS).prop_map(id), 0..most)
}

fn categories() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((0..4usize).prop_map(category), 0..2)
}

fn surface() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "home",
        "buy_again",
        "discover",
        "cart",
        "abandoned_cart",
    ])
}

fn trust() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["offer", "withhold"])
}

fn rules() -> impl Strategy<Value = Value> {
    let most = prop_oneof![Just(Value::Null), (1..4u32).prop_map(|most| json!(most))];
    let pin = (ids(2), surface(), 1..6u32);
    let floor = prop_oneof![
        Just(Value::Null),
        (0.0..1.0f64).prop_map(|share| json!(share))
    ];
    let brands = prop::collection::vec((0..5usize).prop_map(brand), 0..2);
    let explore = prop_oneof![
        Just(Value::Null),
        (1..6u32, 0.0..1.0f64, 1..9u32).prop_map(
            |(place, share, pool)| json!({ "place": place, "share": share, "pool": pool })
        ),
    ];
    let overstock = prop_oneof![
        Just(Value::Null),
        (0.0..1.0f64).prop_map(|most| json!({
            "above_days": 90, "lift": 3, "most_margin_cost_share": most, "usual_margin_share": 0.3,
        })),
    ];
    let more = (floor, brands, explore, overstock, 0..4u32);
    (ids(4), categories(), categories(), most, pin, (trust(), trust()), ids(4), more).prop_map(
        |(excluded, no_categories, adult, most, (pinned, surface, place), (unknown, stale), fixed, more)| {
            let (floor, brands, explore, overstock, runs_out) = more;
            let pin = |id: &String| json!({ "product_id": id, "surface": surface, "place": place });
            let mut rules = policy();
            rules["excluded_product_ids"] = json!(excluded);
            rules["excluded_categories"] = json!(no_categories);
            rules["age_restricted_categories"] = json!(adult);
            rules["most_per_category"] = most;
            rules["pinned"] = pinned.iter().map(pin).collect();
            rules["stock"]["unknown"] = json!(unknown);
            rules["stock"]["stale"] = json!(stale);
            rules["least_margin_share"] = floor;
            rules["excluded_brands"] = json!(brands);
            rules["explore"] = explore;
            rules["cover"] = json!({ "runs_out_below_days": runs_out, "runs_out_penalty": 2, "overstock": overstock });
            rules["static_product_ids"] = json!(fixed);
            rules
        },
    )
}

fn request() -> impl Strategy<Value = Value> {
    let flags = (any::<bool>(), any::<bool>());
    let diversity = prop_oneof![Just(0.0), 0.0..=1.0f64];
    (0..14u32, ids(6), 0..12usize, surface(), ids(4), categories(), flags, diversity).prop_map(
        |(customer, cart, k, surface, exclude, include, (in_stock_only, age_verified), diversity)| {
            json!({
                "customer_id": customer.to_string(), "cart": cart, "k": k, "surface": surface, "exclude": exclude,
                "include_categories": include, "in_stock_only": in_stock_only, "age_verified": age_verified,
                "diversity": diversity,
            })
        },
    )
}

fn texts(value: &Value) -> HashSet<&str> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).collect()
}

/// What the rules and the stock say of an item, worked out anew.
fn may_be_shown(item: usize, shop: &Shop, rules: &Value, asked: &Value) -> bool {
    let (own, of) = (id(item), category(item));
    let is_sold = shop
        .customers
        .iter()
        .flatten()
        .any(|(_, items)| items.contains(&item))
        || item == 0;
    let named = |list: &Value, text: &str| texts(list).contains(text);
    let restricted =
        named(&rules["age_restricted_categories"], &of) && asked["age_verified"] == false;
    let by_category = is_sold && (named(&rules["excluded_categories"], &of) || restricted);
    let least = rules["least_margin_share"].as_f64().unwrap_or(0.0);
    let is_too_cheap = is_sold && margin_share(item).is_some_and(|share| share < least - 1e-6);
    let by_brand = is_sold && named(&rules["excluded_brands"], &brand(item));
    let include = texts(&asked["include_categories"]);
    let is_wanted = include.is_empty() || (is_sold && include.contains(of.as_str()));
    is_wanted
        && !by_category
        && !by_brand
        && !is_too_cheap
        && !named(&rules["excluded_product_ids"], &own)
        && !named(&asked["exclude"], &own)
        && !named(&asked["cart"], &own)
        && (asked["in_stock_only"] == false || is_there(item, shop, rules))
}

fn is_there(item: usize, shop: &Shop, rules: &Value) -> bool {
    let is_stale = shop.stock_age_days as f64 > STALE_AFTER_DAYS;
    match shop.stock.get(item).copied().flatten() {
        None => rules["stock"]["unknown"] == "offer",
        Some(units) if units <= 0 => false,
        Some(_) => !is_stale || rules["stock"]["stale"] == "offer",
    }
}

fn number(id: &str) -> usize {
    id.trim_start_matches("item-").parse().expect("a number")
}

/// A customer with many candidates, all of them there.
fn rich() -> Shop {
    let orders = (0..8).map(|week| (7 * week, (0..20).collect())).collect();
    Shop {
        customers: vec![orders],
        stock: vec![Some(5); 20],
        stock_age_days: 0,
    }
}

#[test]
fn what_is_tried_is_tried_as_often_as_the_propensity_says() {
    let mut rules = policy();
    rules["explore"] = json!({ "place": 3, "share": 0.5, "pool": 4 });
    let usual = shown(
        &rich()
            .ask(&policy(), &json!({ "customer_id": "0", "k": 5 }))
            .expect("an answer"),
    );
    let mut tried = [0u32; 2];
    let requests = 600;
    for second in 0..requests {
        let as_of = format!("1970-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
        let mut shop = rich();
        // Nobody bought anything in 1970, so that only the draw differs: what sells fills the answer.
        shop.customers.push(Vec::new());
        let body = json!({ "customer_id": "1", "k": 5, "as_of": as_of });
        let answer = shop.ask(&rules, &body).expect("an answer");
        let item = &answer["items"][2];
        let propensity = item["propensity"].as_f64().expect("a propensity");
        let is_tried = (propensity - 0.125).abs() < 1e-12;
        assert!(is_tried || (propensity - 0.5).abs() < 1e-12, "{answer}");
        tried[usize::from(is_tried)] += 1;
        assert!(answer["items"][0].get("propensity").is_none());
    }
    assert_eq!(usual.len(), 5);
    // Five standard deviations of a fair coin.
    let off = (f64::from(tried[1]) - f64::from(requests) / 2.0).abs();
    assert!(off < 5.0 * (f64::from(requests) / 4.0).sqrt(), "{tried:?}");
}

#[test]
fn overstock_is_lifted_within_the_margin_that_it_may_cost() {
    let mut rules = policy();
    let body = json!({ "customer_id": "0", "k": 5 });
    let mut lifted_with = |most: f64| {
        rules["cover"]["overstock"] = json!({
            "above_days": 90, "lift": 9, "most_margin_cost_share": most, "usual_margin_share": 0.3,
        });
        rich().ask(&rules, &body).expect("an answer")
    };
    let free = lifted_with(1.0);
    // Odd items sell next to nothing a day, so five of them last for years.
    assert!(
        shown(&free).iter().all(|id| !number(id).is_multiple_of(2)),
        "{free}"
    );
    let cost = free["overstock"]["margin_cost_share"]
        .as_f64()
        .expect("a cost");
    assert!(cost > 0.0, "{free}");
    let strict = lifted_with(cost / 2.0);
    assert_eq!(strict["overstock"]["lifted"], 0);
    assert_eq!(
        shown(&strict),
        shown(&rich().ask(&policy(), &body).expect("an answer"))
    );
}

#[test]
fn what_runs_out_before_it_is_delivered_stands_lower() {
    let body = json!({ "customer_id": "0", "k": 20 });
    let mut rules = policy();
    rules["cover"]["runs_out_below_days"] = json!(7);
    rules["cover"]["runs_out_penalty"] = json!(9);
    let ids = shown(&rich().ask(&rules, &body).expect("an answer"));
    // Five of an even item last five days.
    let first_even = ids
        .iter()
        .position(|id| number(id).is_multiple_of(2))
        .expect("an even item");
    assert!(
        ids[..first_even].len() == 10
            && ids[first_even..]
                .iter()
                .all(|id| number(id).is_multiple_of(2)),
        "{ids:?}"
    );
}

#[test]
fn diversity_brings_every_category_to_the_front() {
    let mixed = json!({ "customer_id": "0", "k": 3, "diversity": 1 });
    let answer = rich().ask(&policy(), &mixed).expect("an answer");
    let items = answer["items"].as_array().expect("items");
    let categories: HashSet<&str> = items
        .iter()
        .map(|item| item["category"].as_str().expect("a category"))
        .collect();
    assert_eq!(categories.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_is_shown_that_must_not_be(shop in shop(), rules in rules(), asked in request()) {
        let answer = shop.ask(&rules, &asked).expect("an answer");
        let shown = shown(&answer);
        let distinct: HashSet<&String> = shown.iter().collect();
        prop_assert_eq!(distinct.len(), shown.len(), "twice: {:?}", &shown);
        prop_assert!(shown.len() <= asked["k"].as_u64().expect("a number") as usize);
        for id in &shown {
            prop_assert!(may_be_shown(number(id), &shop, &rules, &asked), "{}: {}", id, &answer);
        }
        for item in answer["items"].as_array().expect("items") {
            let because = item["reason"]["because_of"].as_array();
            if let Some(because) = because.filter(|because| !because.is_empty()) {
                let shares: f64 = because.iter().map(|b| b["share"].as_f64().expect("a share")).sum();
                let others = item["reason"]["others_share"].as_f64().expect("a share");
                prop_assert!((shares + others - 1.0).abs() < 1e-9, "{}", item);
            }
        }
    }

    #[test]
    fn answers_are_the_same_every_time_and_by_relevance(shop in shop(), rules in rules(), asked in request()) {
        let answer = shop.ask(&rules, &asked).expect("an answer");
        prop_assert_eq!(&answer, &shop.ask(&rules, &asked).expect("an answer"));
        if asked["diversity"] != 0.0 || !rules["explore"].is_null() {
            return Ok(());
        }
        let items = answer["items"].as_array().expect("items");
        let own = items.iter().filter(|item| item["level"] != "pinned");
        let change = |item: &Value| item["adjustment"]["log_odds"].as_f64().unwrap_or(0.0);
        let value = |item: &Value| item["relevance"].as_f64().map(|relevance| relevance + change(item));
        let relevances: Vec<Option<f64>> = own.map(value).collect();
        let ranked: Vec<f64> = relevances.iter().map_while(|r| *r).collect();
        // What an adjustment is added to is rounded here once more than where the answer was ranked.
        prop_assert!(ranked.is_sorted_by(|a, b| a + 1e-9 >= *b), "{}", &answer);
        prop_assert!(relevances[ranked.len()..].iter().all(Option::is_none), "{}", &answer);
    }

    #[test]
    fn surfaces_keep_their_word(shop in shop(), asked in request()) {
        let customer: usize = asked["customer_id"].as_str().expect("text").parse().expect("a number");
        let orders = shop.customers.get(customer).cloned().unwrap_or_default();
        let bought: HashSet<String> = orders.iter().flat_map(|(_, items)| items).map(|i| id(*i)).collect();
        for id in shown(&shop.ask(&policy(), &asked).expect("an answer")) {
            match asked["surface"].as_str() {
                Some("buy_again") => prop_assert!(bought.contains(&id)),
                Some("discover") => prop_assert!(!bought.contains(&id)),
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_bought_later_changes_nothing(shop in shop(), later in orders(), asked in request()) {
        let before = shop.ask(&policy(), &asked).expect("an answer");
        let mut knowing = shop.clone();
        for (number, orders) in (0..).zip(&mut knowing.customers) {
            // On or after the day that is answered for.
            orders.extend(later.iter().map(|(day, items)| (60 + day + number, items.clone())));
        }
        prop_assert_eq!(before, knowing.ask(&policy(), &asked).expect("an answer"));
    }

    #[test]
    fn the_fit_does_not_depend_on_the_order_of_lines(shop in shop()) {
        let mut turned = shop.clone();
        for orders in &mut turned.customers {
            for (_, items) in orders {
                items.reverse();
            }
        }
        let hashes = |shop: &Shop| shop.served(&policy()).model.artifacts.tables_sha256;
        prop_assert_eq!(hashes(&shop), hashes(&turned));
        prop_assert_eq!(history(&[(1, vec![2, 3])]), history(&[(1, vec![3, 2])]));
    }
}
