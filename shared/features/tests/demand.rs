//! What holds for every demand history, not only for the likely ones.

use features::codec::CodecError;
use features::demand::{
    DaySpan, DemandDay, DemandHistory, OnOrder, Promotion, Stock, codec, day_start,
};
use features::history::History;
use features::time::LocalDay;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn any_day() -> impl Strategy<Value = LocalDay> {
    prop_oneof![
        4 => -20i32..40,
        1 => any::<i32>(),
        1 => Just(i32::MAX),
        1 => Just(i32::MIN),
    ]
    .prop_map(LocalDay)
}

fn any_span() -> impl Strategy<Value = DaySpan> {
    (any_day(), any_day()).prop_map(|(from, until)| DaySpan { from, until })
}

fn any_sale() -> impl Strategy<Value = DemandDay> {
    let amount = || prop_oneof![0i64..5000, any::<i64>()];
    (any_day(), amount(), amount(), amount()).prop_map(
        |(day, units_milli, net_minor, discount_minor)| DemandDay {
            day,
            units_milli,
            net_minor,
            discount_minor,
        },
    )
}

/// Histories without regard to sense or order.
fn any_history() -> impl Strategy<Value = DemandHistory> {
    let promotion = (any_span(), any_day());
    let promotion = promotion.prop_map(|(span, known_since)| Promotion { span, known_since });
    let on_order = (any_day(), any::<i64>()).prop_map(|(arrives, units_milli)| OnOrder {
        arrives,
        units_milli,
    });
    let stock = (any::<i64>(), vec(on_order, 0..4)).prop_map(|(on_hand_milli, on_order)| Stock {
        on_hand_milli,
        on_order,
    });
    (
        "[a-c]{0,3}",
        vec(any_sale(), 0..12),
        vec(any_span(), 0..6),
        vec(promotion, 0..4),
        proptest::option::of(stock),
    )
        .prop_map(
            |(category, days, stock_outs, promotions, stock)| DemandHistory {
                category,
                days,
                stock_outs,
                promotions,
                stock,
            },
        )
}

/// The days of `-30..50` on which a history says nobody could buy, one by one.
fn masked(spans: &[DaySpan]) -> BTreeSet<i32> {
    let inside = |day: &i32| {
        spans
            .iter()
            .any(|span| (span.from.0..span.until.0).contains(day))
    };
    (-30..50).filter(inside).collect()
}

proptest! {
    #[test]
    fn sorting_merges_days_and_spans_and_loses_nothing(history in any_history()) {
        let sorted = history.clone().sorted();
        prop_assert!(sorted.days.is_sorted_by(|a, b| a.day < b.day));
        prop_assert!(sorted.stock_outs.iter().all(|span| span.from < span.until));
        prop_assert!(sorted.stock_outs.is_sorted_by(|a, b| a.until < b.from));
        prop_assert!(sorted.promotions.is_sorted_by(|a, b| a < b));
        let mut units: BTreeMap<LocalDay, Vec<i64>> = BTreeMap::new();
        for day in &history.days {
            units.entry(day.day).or_default().push(day.units_milli);
        }
        prop_assert_eq!(sorted.days.len(), units.len());
        for (day, (at, parts)) in sorted.days.iter().zip(units) {
            prop_assert_eq!(day.day, at);
            let exact: i128 = parts.iter().copied().map(i128::from).sum();
            if i64::try_from(exact).is_ok() && parts.iter().all(|part| part.abs() < i64::MAX / 16) {
                prop_assert_eq!(i128::from(day.units_milli), exact);
            }
        }
        prop_assert_eq!(masked(&sorted.stock_outs), masked(&history.stock_outs));
        prop_assert_eq!(sorted.clone().sorted(), sorted);
    }

    #[test]
    fn what_was_known_shows_nothing_of_what_came_later(history in any_history(), at in any_day()) {
        let history = history.sorted();
        let known = history.known_before(day_start(at));
        prop_assert!(known.days.iter().all(|day| day.day < at));
        prop_assert!(known.stock_outs.iter().all(|span| span.from < span.until && span.until <= at));
        prop_assert!(known.promotions.iter().all(|promotion| promotion.known_since < at));
        prop_assert!(known.stock.is_none());
        prop_assert_eq!(known.clone().sorted(), known.clone());
        // Whatever comes at or after the cutoff changes nothing.
        let mut later = history.clone();
        later.days.retain(|day| day.day < at);
        later.promotions.retain(|promotion| promotion.known_since < at);
        later.stock = None;
        prop_assert_eq!(later.known_before(day_start(at)), known);
    }

    #[test]
    fn a_day_is_either_exposed_or_masked(history in any_history(), from in -30i32..50, days in 0i32..60) {
        let history = history.sorted();
        let (from, until) = (LocalDay(from), LocalDay((from + days).min(50)));
        let inside = masked(&history.stock_outs).range(from.0..until.0.max(from.0)).count();
        let expected = i64::try_from(inside).unwrap();
        prop_assert_eq!(history.stock_out_days(from, until), expected);
        let exposed = history.exposed_days(from, until);
        prop_assert_eq!(exposed + expected, i64::from((until.0 - from.0).max(0)));
    }

    #[test]
    fn stored_demand_comes_back_in_order(history in any_history()) {
        let bytes = codec::encode(&history);
        prop_assert_eq!(codec::decode(&bytes), Ok(history.clone().sorted()));
        let mut shuffled = history.clone();
        shuffled.promotions.reverse();
        shuffled.stock_outs.reverse();
        prop_assert_eq!(codec::encode(&shuffled), bytes);
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
                prop_assert_eq!(codec::decode(&codec::encode(&history)), Ok(history.clone()));
                prop_assert_eq!(history.clone().sorted(), history);
            }
        }
    }

    #[test]
    fn newest_days_are_kept_up_to_the_limit(history in any_history(), limit in 8usize..300) {
        let history = history.sorted();
        let fitted = codec::encode_within(&history, limit);
        prop_assert!(fitted.bytes.len() <= limit);
        let kept = codec::decode(&fitted.bytes).unwrap();
        prop_assert_eq!(&kept.days[..], &history.days[fitted.events_left_out..]);
        if let Some(first) = kept.first_sale() {
            for day in (-30..50).filter(|&day| day >= first.0) {
                let day = LocalDay(day);
                let next = LocalDay(day.0 + 1);
                prop_assert_eq!(kept.stock_out_days(day, next), history.stock_out_days(day, next));
            }
        }
        if codec::encode(&history).len() <= limit {
            prop_assert_eq!(kept, history);
        }
    }
}

#[test]
fn bytes_of_another_version_are_named() {
    assert_eq!(codec::decode(&[]), Err(CodecError::Empty));
    let error = codec::decode(&[9, 0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "decode history: layout version 9, this code reads 1"
    );
}

#[test]
fn a_usual_day_takes_six_bytes() {
    let day = |day| DemandDay {
        day: LocalDay(20_000 + 2 * day),
        units_milli: 1000,
        net_minor: 299,
        discount_minor: 50,
    };
    let history = DemandHistory {
        days: (0..100).map(day).collect(),
        ..DemandHistory::default()
    };
    assert!(codec::encode(&history).len() <= 620);
}
