//! What holds for the columns of every customer at every instant, and one customer computed by hand.

use churn::features::{Artifacts, COLUMNS, ChurnView, in_trained_population};
use features::bgnbd::{Fit, Parameters};
use features::feature_set;
use features::history::{CustomerHistory, Order, OrderLine};
use features::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

const DAY: i64 = SECONDS_PER_DAY;

fn artifacts() -> Artifacts {
    Artifacts {
        horizon_days: 28.0,
        currency: "EUR".to_owned(),
        minor_per_major: 100,
        fitted_before: "2024-01-01T00:00:00Z".to_owned(),
        bgnbd: Fit {
            // Chosen so that the hand computation below needs no power: r + x is a whole number.
            parameters: Parameters {
                r: 1.0,
                alpha: 10.0,
                a: 1.0,
                b: 4.0,
            },
            log_likelihood: -1.0,
            customers: 100,
            bounded: Vec::new(),
        },
    }
}

/// The columns of the model.
fn columns(history: &CustomerHistory, as_of: Timestamp) -> Vec<f64> {
    COLUMNS
        .row(&ChurnView::new(history, as_of, &artifacts()))
        .collect()
}

fn column(name: &str, history: &CustomerHistory, as_of: Timestamp) -> f64 {
    let index = COLUMNS.names().iter().position(|n| *n == name);
    columns(history, as_of)[index.unwrap_or_else(|| panic!("no column {name}"))]
}

fn line(product: &str, category: &str, milli: i64, net: i64, discount: i64) -> OrderLine {
    OrderLine {
        product_id: product.into(),
        category: category.into(),
        quantity_milli: milli,
        net_minor: net,
        discount_minor: discount,
    }
}

fn order(id: &str, at: i64, lines: Vec<OrderLine>) -> Order {
    Order {
        order_id: id.into(),
        placed_at: Timestamp(at),
        local_day: LocalDay::at(Timestamp(at), 0),
        lines,
    }
}

/// Bits, so that NaN equals NaN and nothing else is forgiven.
fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|v| v.to_bits()).collect()
}

/// Quantities of -3 to 5 units, cents that follow their sign.
fn lines() -> impl Strategy<Value = Vec<OrderLine>> {
    let one = (0u8..5, 0u8..3, -3_000i64..5_000, 0i64..10_000, 0i64..900);
    let one = one.prop_map(|(product, category, milli, cents, discount)| {
        let category = ["", "tea", "milk"][usize::from(category)];
        line(
            &format!("p{product}"),
            category,
            milli,
            milli.signum() * cents,
            discount,
        )
    });
    vec(one, 1..5)
}

/// Orders over 200 days that end at `DAY * 100`, several on one instant now and then, with ids of their own.
fn orders() -> impl Strategy<Value = Vec<Order>> {
    let at = prop_oneof![
        -100 * DAY..100 * DAY,
        (-100i64..100).prop_map(|day| day * DAY)
    ];
    vec((at, lines()), 0..25).prop_map(|orders| {
        let named =
            |(id, (at, lines)): (usize, (i64, Vec<OrderLine>))| order(&id.to_string(), at, lines);
        orders.into_iter().enumerate().map(named).collect()
    })
}

/// Any numbers at all, and their extremes.
fn senseless_order() -> impl Strategy<Value = Order> {
    let number = || prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -2i64..3];
    let any_line = ("[ab]", "[xy]?", number(), number(), number()).prop_map(
        |(product, category, milli, net, cut)| line(&product, &category, milli, net, cut),
    );
    ("[a-c]", number(), any::<i32>(), vec(any_line, 0..4)).prop_map(|(order_id, at, day, lines)| {
        Order {
            order_id: order_id.into(),
            placed_at: Timestamp(at),
            local_day: LocalDay(day),
            lines,
        }
    })
}

/// Looks for a case in which orders at or after `as_of` change a row; says which, or `None` after many cases.
///
/// Works for any way to compute a row, so a leak planted on purpose shows that it finds one.
fn find_leak(row: impl Fn(&CustomerHistory, Timestamp) -> Vec<f64>) -> Option<String> {
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let as_of = Timestamp(0);
    let found = TestRunner::new(config).run(&orders(), |all| {
        let past = all
            .iter()
            .filter(|order| order.placed_at < as_of)
            .cloned()
            .collect();
        let (past, all) = (CustomerHistory::new(past), CustomerHistory::new(all));
        let (seen, leaked) = (row(&past, as_of), row(&all, as_of));
        if bits(&seen) == bits(&leaked) {
            Ok(())
        } else {
            Err(TestCaseError::fail(format!(
                "{seen:?} without the future, {leaked:?} with it"
            )))
        }
    });
    found.err().map(|error| error.to_string())
}

#[test]
fn orders_from_as_of_on_change_nothing() {
    assert_eq!(find_leak(columns), None);
}

/// A view that looks past `as_of`, as a careless feature would.
struct LeakingView {
    days_to_next: f64,
    spend_until_today: f64,
}

impl LeakingView {
    fn new(history: &CustomerHistory, as_of: Timestamp) -> Self {
        let purchases = || history.orders().iter().filter(|order| order.is_purchase());
        let next = purchases().find(|order| order.placed_at >= as_of);
        // `<=` where `<` belongs: only an order at the very instant gives it away.
        let past = purchases().filter(|order| order.placed_at <= as_of);
        Self {
            days_to_next: next.map_or(f64::NAN, |order| order.placed_at.days_since(as_of)),
            spend_until_today: past.map(|order| order.purchased_minor() as f64).sum(),
        }
    }
}

feature_set! {
    static LEAKING: LeakingView = "leaking", revision 1;
    /// Days until the next purchase.
    days_to_next: "recency" => |v| v.days_to_next;
    /// Spend up to and including this instant.
    spend_until_today: "spend" => |v| v.spend_until_today;
}

#[test]
fn planted_leaks_are_found() {
    for (index, name) in LEAKING.names().iter().enumerate() {
        let leak = find_leak(|history, as_of| {
            let row: Vec<f64> = LEAKING.row(&LeakingView::new(history, as_of)).collect();
            vec![row[index]]
        });
        let found = leak.is_some_and(|report| report.contains("without the future"));
        assert!(found, "the leak of {name} was not found");
    }
}

proptest! {
    /// No history makes a column infinite, in double or in float32; what is not known is NaN.
    #[test]
    fn values_are_finite_or_nan(orders in vec(senseless_order(), 0..12), as_of in any::<i64>(), end in 0u8..3) {
        let as_of = Timestamp([as_of, i64::MIN, i64::MAX][usize::from(end)]);
        let row = columns(&CustomerHistory::new(orders), as_of);
        for (name, value) in COLUMNS.names().iter().zip(row) {
            prop_assert!(!value.is_infinite() && !(value as f32).is_infinite(), "{}: {}", name, value);
        }
    }

    #[test]
    fn order_of_input_changes_nothing(
        (orders, mut other) in orders().prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle())),
    ) {
        let row = columns(&CustomerHistory::new(orders), Timestamp(DAY));
        for order in &mut other {
            order.lines.reverse();
        }
        prop_assert_eq!(bits(&columns(&CustomerHistory::new(other), Timestamp(DAY))), bits(&row));
    }

    #[test]
    fn a_line_in_two_halves_changes_nothing(orders in orders()) {
        let row = columns(&CustomerHistory::new(orders.clone()), Timestamp(DAY));
        let mut halved = orders;
        for order in &mut halved {
            order.lines = order.lines.iter().flat_map(halves).collect();
        }
        let halved = CustomerHistory::new(halved);
        prop_assert_eq!(bits(&columns(&halved, Timestamp(DAY))), bits(&row));
    }

    /// Columns know durations, not dates.
    #[test]
    fn another_epoch_changes_nothing(orders in orders(), days in -20_000i64..20_000) {
        let row = columns(&CustomerHistory::new(orders.clone()), Timestamp(0));
        let moved = orders.into_iter().map(|o| order(&o.order_id, o.placed_at.0 + days * DAY, o.lines));
        let moved = CustomerHistory::new(moved.collect());
        prop_assert_eq!(bits(&columns(&moved, Timestamp(days * DAY))), bits(&row));
    }
}

/// Two lines that add up to one; a line of less than two thousandths stays whole.
fn halves(line: &OrderLine) -> Vec<OrderLine> {
    let half = |part: fn(i64) -> i64| OrderLine {
        quantity_milli: part(line.quantity_milli),
        net_minor: part(line.net_minor),
        discount_minor: part(line.discount_minor),
        ..line.clone()
    };
    if line.quantity_milli.abs() < 2 {
        vec![line.clone()]
    } else {
        vec![half(|n| n / 2), half(|n| n - n / 2)]
    }
}

/// Three occasions (two orders on the second), discounts, a product without category, a return; day 100 is the present.
fn example() -> (CustomerHistory, Timestamp) {
    let orders = vec![
        order("1", 10 * DAY, vec![line("tea", "drinks", 2_000, 1_000, 0)]),
        order(
            "2",
            70 * DAY,
            vec![
                line("tea", "drinks", 1_000, 400, 100),
                line("cup", "kitchen", 1_000, 1_500, 0),
            ],
        ),
        order("3", 70 * DAY + 3_600, vec![line("milk", "", 500, 100, 0)]),
        order(
            "4",
            80 * DAY,
            vec![line("cup", "kitchen", -1_000, -1_500, 0)],
        ),
        order(
            "5",
            90 * DAY,
            vec![
                line("tea", "drinks", 3_000, 1_200, 300),
                line("jam", "food", 1_000, 800, 0),
            ],
        ),
        order(
            "6",
            100 * DAY,
            vec![line("pan", "kitchen", 1_000, 9_000, 0)],
        ),
    ];
    (CustomerHistory::new(orders), Timestamp(100 * DAY))
}

#[test]
fn example_by_hand() {
    let (history, as_of) = example();
    let stated: [(&str, f64); 21] = [
        ("recency_days", 10.0),
        // Gaps of 60 and 20 days: mean 40, deviations of 20 to both sides, so the sample variance is 800.
        ("gap_mean_days", 40.0),
        ("gap_sd_days", 800f64.sqrt()),
        ("gap_max_days", 60.0),
        ("gap_last_days", 20.0),
        ("recency_over_gap_mean", 0.25),
        ("longer_gap_share", 1.0),
        ("tenure_days", 90.0),
        ("repeat_purchase_days", 2.0),
        ("purchase_days_half_h", 1.0),
        // The window of 28 days begins on day 72, that of 112 before the first order.
        ("purchase_days_1h", 1.0),
        ("purchase_days_4h", 3.0),
        ("frequency_trend_2h", 2.0 / 3.0),
        ("spend_1h_minor", 2_000.0),
        ("spend_4h_minor", 5_000.0),
        ("spend_per_order_4h_minor", 1_250.0),
        // 2 + 1 + 1 + .5 + 3 + 1 units in four orders; what came back is no negative purchase.
        ("units_per_order_4h", 8.5 / 4.0),
        ("products_per_order_4h", 6.0 / 4.0),
        ("categories_4h", 3.0),
        // 300 of 2,300 before discounts.
        ("discount_share_1h", 300.0 / 2_300.0),
        ("return_share_4h", 0.3),
    ];
    for (name, value) in stated {
        assert_eq!(
            column(name, &history, as_of).to_bits(),
            value.to_bits(),
            "{name}"
        );
    }
    // Two repeats, the last after 80 days of 90: left with odds a/(b+1) (100/90)^3, silent with (100/128)^3.
    let p_alive = 1.0 / (1.0 + 0.2 * (100f64 / 90.0).powi(3));
    let p_buy = p_alive * (1.0 - (100f64 / 128.0).powi(3));
    assert!((column("bgnbd_p_buy", &history, as_of) - p_buy).abs() < 1e-15);
}

/// The columns that are numbers, with their values.
fn known(history: &[Order], as_of: i64) -> Vec<(&'static str, f64)> {
    let row = columns(&CustomerHistory::new(history.to_vec()), Timestamp(as_of));
    let mut named: Vec<_> = COLUMNS.names().into_iter().zip(row).collect();
    named.retain(|(_, value)| !value.is_nan());
    named
}

/// Without purchases counts are zero, and everything that needs one is unknown.
#[test]
fn nothing_bought_is_zero_or_unknown() {
    let later = order("1", 10 * DAY, vec![line("tea", "", 1_000, 500, 0)]);
    let returned = order("0", 0, vec![line("tea", "", -1_000, -500, 0)]);
    let nothing = known(&[], DAY);
    assert_eq!(nothing.len(), 13, "{nothing:?}");
    assert!(nothing.iter().all(|(_, value)| *value == 0.0));
    assert_eq!(
        known(&[later], 10 * DAY),
        nothing,
        "the first order is placed at this instant"
    );
    assert_eq!(
        known(&[returned], DAY),
        nothing,
        "a return without a purchase"
    );
    assert!(!in_trained_population(
        &CustomerHistory::default(),
        Timestamp(DAY),
        &artifacts()
    ));
}

#[test]
fn unlikely_histories_by_hand() {
    let tea = |milli, net| vec![line("tea", "drinks", milli, net, 0)];
    let value = |name, orders: &[Order], day: i64| {
        column(
            name,
            &CustomerHistory::new(orders.to_vec()),
            Timestamp(day * DAY),
        )
    };
    let expect = |name, orders: &[Order], day, stated: f64| {
        assert_eq!(
            value(name, orders, day).to_bits(),
            stated.to_bits(),
            "{name}"
        );
    };
    let once = [order("1", 0, tea(1_000, 500))];
    expect("recency_days", &once, 7, 7.0);
    expect("repeat_purchase_days", &once, 7, 0.0);
    assert!(value("gap_mean_days", &once, 7).is_nan());
    // Who bought once is alive for sure, and still may not buy: 1 - (10 + 7) / (10 + 7 + 28).
    assert!((value("bgnbd_p_buy", &once, 7) - (1.0 - 17.0 / 45.0)).abs() < 1e-15);
    let crowd: Vec<_> = (0..50)
        .map(|id| order(&id.to_string(), 0, tea(1_000, 500)))
        .collect();
    expect("purchase_days_quarter_h", &crowd, 1, 1.0);
    expect("spend_quarter_h_minor", &crowd, 1, 25_000.0);
    assert!(value("gap_mean_days", &crowd, 1).is_nan());
    let gave_back_more = [
        order("1", 0, tea(1_000, 500)),
        order("2", DAY, tea(-3_000, -1_500)),
    ];
    expect("return_share_4h", &gave_back_more, 2, 3.0);
    expect("spend_4h_minor", &gave_back_more, 2, 500.0);
    let daily = |day: i64| order(&day.to_string(), day * DAY, tea(1_000, 500));
    let century: Vec<_> = (0..36_525).map(daily).collect();
    expect("repeat_purchase_days", &century, 36_525, 36_524.0);
    expect("gap_sd_days", &century, 36_525, 0.0);
    expect("longer_gap_share", &century, 36_525, 1.0);
    assert!(value("bgnbd_p_buy", &century, 36_525) > 0.99);
}
