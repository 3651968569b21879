//! What holds for every history, not only for the likely ones.

use features::bgnbd::{self, FitError, Parameters, Summary};
use features::codec::{self, CodecError};
use features::customer::{CustomerView, WINDOW_HORIZONS, WindowTotals};
use features::history::{CustomerHistory, Order, OrderLine};
use features::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn any_line() -> impl Strategy<Value = OrderLine> {
    let product = prop_oneof!["[a-c]{0,2}", any::<String>()];
    (product, "[x-z]?", any::<i64>(), any::<i64>(), any::<i64>()).prop_map(
        |(product_id, category, quantity_milli, net_minor, discount_minor)| OrderLine {
            product_id: product_id.into(),
            category: category.into(),
            quantity_milli,
            net_minor,
            discount_minor,
        },
    )
}

/// Histories without regard to sense: any instant, any day, any amount, ids that repeat.
fn any_history() -> impl Strategy<Value = CustomerHistory> {
    let instant = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 0i64..1000];
    let order = ("[a-z]{0,3}", instant, any::<i32>(), vec(any_line(), 0..4));
    let order = order.prop_map(|(order_id, at, day, lines)| Order {
        order_id: order_id.into(),
        placed_at: Timestamp(at),
        local_day: LocalDay(day),
        lines,
    });
    vec(order, 0..8).prop_map(CustomerHistory::new)
}

/// A history that could be, around day 0: quantities of -2 to 3 units, cents that follow their sign.
fn likely_history() -> impl Strategy<Value = CustomerHistory> {
    let line = (0u8..4, 0u8..3, -2i64..4, 0i64..5_000, 0i64..500);
    let line = line.prop_map(
        |(product, category, units, cents, discount_minor)| OrderLine {
            product_id: format!("p{product}").into(),
            category: ["", "tea", "milk"][usize::from(category)].into(),
            quantity_milli: units * 1000,
            net_minor: units.signum() * cents,
            discount_minor,
        },
    );
    // Whole days too, so that orders lie exactly on the limits of windows.
    let at = prop_oneof![
        -200 * SECONDS_PER_DAY..SECONDS_PER_DAY,
        (-200i64..2).prop_map(|day| day * SECONDS_PER_DAY),
    ];
    let order = (at, vec(line, 1..5));
    vec(order, 0..20).prop_map(|orders| {
        let order = |(id, (at, lines)): (usize, (i64, Vec<OrderLine>))| Order {
            order_id: id.to_string().into(),
            placed_at: Timestamp(at),
            local_day: LocalDay::at(Timestamp(at), -5 * 3600),
            lines,
        };
        CustomerHistory::new(orders.into_iter().enumerate().map(order).collect())
    })
}

/// The totals of the last `days` days once more, in the plainest way.
fn plain_totals(history: &CustomerHistory, as_of: Timestamp, days: f64) -> WindowTotals {
    let age = |order: &Order| as_of.days_since(order.placed_at);
    let inside: Vec<&Order> = (history.orders().iter())
        .filter(|order| age(order) > 0.0 && age(order) <= days)
        .collect();
    let bought = || {
        inside
            .iter()
            .flat_map(|o| o.lines.iter().map(move |l| (*o, l)))
    };
    let purchases = || bought().filter(|(_, line)| line.quantity_milli > 0);
    let sum =
        |amount: fn(&OrderLine) -> i64| purchases().map(|(_, l)| amount(l)).sum::<i64>() as f64;
    let returns = bought().filter(|(_, line)| line.quantity_milli <= 0);
    let distinct = |keys: BTreeSet<(&str, &str)>| keys.len() as f64;
    WindowTotals {
        purchase_days: purchases()
            .map(|(o, _)| o.local_day)
            .collect::<BTreeSet<_>>()
            .len() as f64,
        orders: distinct(
            purchases()
                .map(|(o, _)| (o.order_id.as_str(), ""))
                .collect(),
        ),
        spend_minor: sum(|line| line.net_minor),
        discount_minor: sum(|line| line.discount_minor),
        returned_minor: returns.map(|(_, line)| line.net_minor.abs()).sum::<i64>() as f64,
        units: sum(|line| line.quantity_milli) / 1000.0,
        products: distinct(
            purchases()
                .map(|(o, l)| (o.order_id.as_str(), l.product_id.as_str()))
                .collect(),
        ),
        categories: distinct(
            purchases()
                .filter(|(_, l)| !l.category.is_empty())
                .map(|(_, l)| (l.category.as_str(), ""))
                .collect(),
        ),
    }
}

proptest! {
    #[test]
    fn stored_history_comes_back(history in any_history()) {
        let bytes = codec::encode(&history);
        prop_assert_eq!(codec::decode(&bytes), Ok(history));
    }

    /// Bytes of every kind are a history or an error: noise, noise behind the right version, and damaged histories.
    #[test]
    fn no_bytes_panic(
        noise in vec(any::<u8>(), 0..64),
        history in any_history(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut damaged = codec::encode(&history);
        let at = at.index(damaged.len());
        prop_assert!(codec::decode(&damaged[..at]).is_err(), "cut at {}", at);
        damaged[at] = value;
        let versioned = [&[codec::VERSION][..], &noise].concat();
        for bytes in [noise, versioned, damaged] {
            if let Ok(history) = codec::decode(&bytes) {
                prop_assert_eq!(codec::decode(&codec::encode(&history)), Ok(history));
            }
        }
    }

    #[test]
    fn newest_orders_are_kept_up_to_the_limit(history in any_history(), limit in 4usize..600) {
        let fitted = codec::encode_within(&history, limit);
        let newest = |skip: usize| CustomerHistory::new(history.orders()[skip..].to_vec());
        let skip = fitted.events_left_out;
        prop_assert!(fitted.bytes.len() <= limit);
        prop_assert_eq!(codec::decode(&fitted.bytes), Ok(newest(skip)));
        if skip > 0 {
            prop_assert!(codec::encode(&newest(skip - 1)).len() > limit, "one more order fits");
        }
    }

    #[test]
    fn windows_add_up_what_lies_in_them(history in likely_history(), quarter_days in 1u32..15) {
        let as_of = Timestamp(0);
        let horizon_days = f64::from(4 * quarter_days);
        let view = CustomerView::new(&history, as_of, horizon_days);
        for (window, horizons) in view.windows.iter().zip(WINDOW_HORIZONS) {
            prop_assert_eq!(*window, plain_totals(&history, as_of, horizons * horizon_days));
        }
        let ever = plain_totals(&history, as_of, f64::INFINITY);
        prop_assert_eq!(view.occasions.to_bits(), ever.purchase_days.to_bits());
    }

    #[test]
    fn probability_to_buy_is_a_probability(
        (r, alpha) in (1e-4f64..1e3, 1e-4f64..1e6),
        (a, b) in (1e-4f64..1e3, 1e-4f64..1e3),
        (repeats, share, observed) in (0u32..5_000, 0.0f64..=1.0, 0.0f64..1e6),
        horizon in 0.0f64..1e4,
    ) {
        let parameters = Parameters { r, alpha, a, b };
        let last_purchase = if repeats == 0 { 0.0 } else { share * observed };
        let customer = Summary { repeats: f64::from(repeats), last_purchase, observed };
        let p = parameters.p_buy(customer, horizon);
        prop_assert!((0.0..=1.0).contains(&p), "{}", p);
        prop_assert!(p <= parameters.p_alive(customer));
        prop_assert!(p <= parameters.p_buy(customer, 2.0 * horizon));
        prop_assert!(parameters.log_likelihood(customer).is_finite());
    }
}

#[test]
fn bytes_of_another_version_are_named() {
    assert_eq!(codec::decode(&[]), Err(CodecError::Empty));
    assert_eq!(
        codec::decode(&[9, 0]),
        Err(CodecError::UnknownVersion {
            found: 9,
            reads: codec::VERSION
        })
    );
}

/// Customers who buy every `gap` days, and whose last purchase lies `silent` gaps back.
fn regular(gap: f64, repeats: u32, silent: f64) -> Summary {
    let last_purchase = gap * f64::from(repeats);
    Summary {
        repeats: f64::from(repeats),
        last_purchase,
        observed: last_purchase + silent * gap,
    }
}

fn assert_usable(fit: &bgnbd::Fit, customers: &[Summary]) {
    let Parameters { r, alpha, a, b } = fit.parameters;
    assert!(
        [r, alpha, a, b].iter().all(|p| p.is_finite() && *p > 0.0),
        "{fit:?}"
    );
    assert!(fit.log_likelihood.is_finite());
    for customer in customers {
        let p = fit.parameters.p_buy(*customer, 28.0);
        assert!((0.0..=1.0).contains(&p), "{p} for {customer:?}");
    }
}

#[test]
fn fit_names_the_bound_when_nobody_leaves() {
    // Gaps of 2 to 40 days, all of them active to the end: nothing tells of drop-out.
    let customers: Vec<_> = (0..200u32)
        .map(|i| regular(f64::from(2 + i % 39), 300 / (2 + i % 39), 0.5))
        .collect();
    let fit = bgnbd::fit(&customers).expect("a fit");
    assert_usable(&fit, &customers);
    assert!(
        fit.bounded.iter().any(|name| name == "a" || name == "b"),
        "{fit:?}"
    );
    let active = regular(7.0, 40, 0.5);
    assert!(fit.parameters.p_alive(active) > 0.99);
}

#[test]
fn fit_names_the_bound_when_everybody_buys_alike() {
    let customers: Vec<_> = (0..100).map(|_| regular(7.0, 52, 0.5)).collect();
    let fit = bgnbd::fit(&customers).expect("a fit");
    assert_usable(&fit, &customers);
    assert!(
        fit.bounded
            .iter()
            .any(|name| name == "r" || name == "alpha"),
        "{fit:?}"
    );
    // One purchase a week, so within four weeks almost surely one.
    assert!(fit.parameters.p_buy(customers[0], 28.0) > 0.95);
}

#[test]
fn fit_needs_customers_who_came_back() {
    let once = Summary {
        repeats: 0.0,
        last_purchase: 0.0,
        observed: 100.0,
    };
    let with = |repeaters: usize| [vec![once; 500], vec![regular(7.0, 3, 1.0); repeaters]].concat();
    assert_eq!(
        bgnbd::fit(&with(29)),
        Err(FitError::TooFewRepeaters {
            repeaters: 29,
            limit: 30
        })
    );
    assert_eq!(
        bgnbd::fit(&[]),
        Err(FitError::TooFewRepeaters {
            repeaters: 0,
            limit: 30
        })
    );
    assert!(bgnbd::fit(&with(30)).is_ok());
}
