//! What holds for the columns of every SKU on every morning, and one SKU computed by hand.

use features::demand::view::DemandView;
use features::demand::{DaySpan, DemandDay, DemandHistory, Promotion, SkuHistory};
use features::time::LocalDay;
use inventory::features::{COLUMNS, DemandRow};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

const AS_OF: LocalDay = LocalDay(1_000);
const HORIZON_DAYS: u16 = 14;

fn columns_at(sku: &SkuHistory, as_of: LocalDay) -> Vec<f64> {
    let view = Arc::new(DemandView::new(sku, as_of));
    COLUMNS
        .row(&DemandRow::new(&sku.demand, &view, as_of, HORIZON_DAYS))
        .collect()
}

fn columns(sku: &SkuHistory) -> Vec<f64> {
    columns_at(sku, AS_OF)
}

fn column(name: &str, sku: &SkuHistory) -> f64 {
    let index = COLUMNS.names().iter().position(|n| *n == name);
    columns(sku)[index.unwrap_or_else(|| panic!("no column {name}"))]
}

/// Bits, so that NaN equals NaN and nothing else is forgiven.
fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|value| value.to_bits()).collect()
}

fn day(day: i32, units: i64) -> DemandDay {
    DemandDay {
        day: LocalDay(day),
        units_milli: units * 1000,
        net_minor: units * 250,
        discount_minor: units * 50,
    }
}

fn span(from: i32, until: i32) -> DaySpan {
    DaySpan {
        from: LocalDay(from),
        until: LocalDay(until),
    }
}

fn history(days: Vec<DemandDay>, stock_outs: Vec<DaySpan>) -> DemandHistory {
    DemandHistory {
        category: "TEA".to_owned(),
        days,
        stock_outs,
        ..DemandHistory::default()
    }
    .sorted()
}

fn alone(demand: DemandHistory) -> SkuHistory {
    SkuHistory {
        demand,
        category: None,
    }
}

/// Days around `AS_OF` with sales, stock-outs and promotions.
fn any_history() -> impl Strategy<Value = DemandHistory> {
    let sale = (
        600i32..1_200,
        1i64..5_000_000,
        0i64..1_000_000_000,
        0i64..1_000_000,
    );
    let sale = sale.prop_map(|(day, units_milli, net_minor, discount_minor)| DemandDay {
        day: LocalDay(day),
        units_milli,
        net_minor,
        discount_minor,
    });
    let spans = (600i32..1_200, 1i32..60).prop_map(|(from, days)| span(from, from + days));
    let promotions = (spans.clone(), 500i32..1_200);
    let promotions = promotions.prop_map(|(span, known)| Promotion {
        span,
        known_since: LocalDay(known),
    });
    (vec(sale, 0..60), vec(spans, 0..6), vec(promotions, 0..4)).prop_map(
        |(days, stock_outs, promotions)| {
            DemandHistory {
                promotions,
                ..history(days, stock_outs)
            }
            .sorted()
        },
    )
}

fn any_sku() -> impl Strategy<Value = SkuHistory> {
    (any_history(), proptest::option::of(any_history())).prop_map(|(demand, category)| SkuHistory {
        demand,
        category: category.map(Arc::new),
    })
}

/// The same SKU with everything that happens from `AS_OF` on taken away; promotions stay if they were known.
fn without_the_future(sku: &SkuHistory) -> SkuHistory {
    let past = |history: &DemandHistory| DemandHistory {
        days: history.within(LocalDay(i32::MIN), AS_OF).to_vec(),
        stock_outs: history
            .stock_outs
            .iter()
            .map(|s| span(s.from.0, s.until.0.min(AS_OF.0)))
            .filter(|s| s.from < s.until)
            .collect(),
        promotions: history
            .promotions
            .iter()
            .filter(|p| p.known_since < AS_OF)
            .copied()
            .collect(),
        ..history.clone()
    };
    SkuHistory {
        demand: past(&sku.demand),
        category: sku.category.as_ref().map(|c| Arc::new(past(c))),
    }
}

proptest! {
    #[test]
    fn nothing_from_as_of_on_counts(sku in any_sku()) {
        prop_assert_eq!(bits(&columns(&sku)), bits(&columns(&without_the_future(&sku))));
    }

    #[test]
    fn every_value_is_a_number_or_missing(sku in any_sku()) {
        for (value, name) in columns(&sku).iter().zip(COLUMNS.names()) {
            prop_assert!(value.is_finite() || value.is_nan(), "{name} is {value}");
        }
    }

    #[test]
    fn a_sku_nobody_knows_has_a_row(as_of in any::<i32>()) {
        let row = columns_at(&SkuHistory::default(), LocalDay(as_of));
        prop_assert!(row.iter().all(|value| value.is_finite() || value.is_nan()));
    }

    #[test]
    fn masking_is_not_zero(gap in 5i32..40) {
        // The same sales every day, with and without days on which nobody could buy.
        let steady = |days: std::ops::Range<i32>| days.map(|d| day(d, 2)).collect::<Vec<_>>();
        let from = AS_OF.0 - 60;
        let whole = alone(history(steady(from - 60..AS_OF.0), vec![]));
        let mut days = steady(from - 60..from);
        days.extend(steady(from + gap..AS_OF.0));
        let masked = alone(history(days.clone(), vec![span(from, from + gap)]));
        let zeros = alone(history(days, vec![]));
        let (whole, masked, zeros) = (column("log_level", &whole), column("log_level", &masked), column("log_level", &zeros));
        // The prior weighs a little more when fewer days were seen; zero demand would weigh much more.
        prop_assert!((whole - masked).abs() < 0.15, "{whole} {masked}");
        prop_assert!(whole - zeros > 2.0 * (whole - masked).abs() && whole - zeros > 0.03, "{whole} {zeros}");
    }
}

#[test]
fn a_column_that_looks_ahead_is_caught() {
    let sku = alone(history(vec![day(990, 3), day(1_003, 9)], vec![]));
    let honest = |sku: &SkuHistory| column("rate_7_over_level", sku);
    let leaking = |sku: &SkuHistory| {
        sku.demand
            .units(LocalDay(AS_OF.0 - 7), LocalDay(AS_OF.0 + 7))
    };
    let past = without_the_future(&sku);
    assert!((honest(&sku) - honest(&past)).abs() < f64::EPSILON);
    assert!(
        (leaking(&sku) - leaking(&past)).abs() > 1.0,
        "the property sees a leak"
    );
}

#[test]
fn one_sku_by_hand() {
    // Two units every seventh day for sixteen weeks, the last sale seven days ago; out of stock in the last three days.
    let days = (1..=16).map(|week| day(AS_OF.0 - 7 * week, 2)).collect();
    let category = history((1..=112).map(|d| day(AS_OF.0 - d, 4)).collect(), vec![]);
    let sku = SkuHistory {
        demand: history(days, vec![span(AS_OF.0 - 3, AS_OF.0)]),
        category: Some(Arc::new(category)),
    };
    let near = |name: &str, expected: f64| {
        let found = column(name, &sku);
        assert!(
            (found - expected).abs() < 1e-12,
            "{name} is {found}, by hand {expected}"
        );
    };
    near("log_horizon_days", 14f64.ln());
    near("recency_days", 7.0);
    near("gap_mean_days", 7.0);
    near("recency_over_gap", 1.0);
    near("log_sale_size", 2f64.ln());
    near("sale_size_cv2", 0.0);
    near("sale_days_28", 4.0);
    near("sale_days_112", 16.0);
    near("peak_share", 1.0 / 16.0);
    near("zero_week_share", 0.0);
    near("out_of_stock_share_28", 3.0 / 28.0);
    near("out_of_stock_share_112", 3.0 / 112.0);
    near("age_days", 112.0);
    near("category_rate_28_over_112", 1.0);
    near("category_rate_7_over_28", 1.0);
    near("log_category_rate", 4f64.ln());
    near("category_share", 32.0 / 448.0);
    near("log_price_minor", 250f64.ln());
    near("discount_share_28", 50.0 / 300.0);
    // Rates count exposed days: 25 of the last 28, 109 of 112.
    let level = column("log_level", &sku).exp();
    near("rate_28_over_level", 8.0 / 25.0 / level);
    near("rate_112_over_level", 32.0 / 109.0 / level);
    let rate = |units: f64, days: f64| units / days + 0.5 * level;
    near("trend_28", (rate(8.0, 25.0) / rate(8.0, 28.0)).ln());
    // Weights halve in 56 days, and half a unit in a fortnight is known before.
    let weight = |ago: i32| 0.5f64.powf((f64::from(ago) - 0.5) / 56.0);
    let sold: f64 = (1..=16).map(|week| 2.0 * weight(7 * week)).sum();
    let exposed: f64 = (4..=112).map(weight).sum();
    near("log_level", ((sold + 0.5) / (exposed + 14.0)).ln());
    assert!(
        column("promoted_ahead_share", &sku).is_nan(),
        "no promotions are planned"
    );
}

#[test]
fn a_promotion_counts_from_the_day_it_is_known() {
    let planned = |known: i32| {
        let mut sku = alone(history(vec![day(990, 1)], vec![]));
        sku.demand.promotions.push(Promotion {
            span: span(AS_OF.0 + 7, AS_OF.0 + 21),
            known_since: LocalDay(known),
        });
        column("promoted_ahead_share", &sku)
    };
    assert!(
        (planned(AS_OF.0 - 1) - 0.5).abs() < 1e-12,
        "seven of fourteen days"
    );
    assert!(
        planned(AS_OF.0).is_nan(),
        "known today is not known before today, as if it were not there"
    );
}
