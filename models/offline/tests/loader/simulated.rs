//! Simulated stock, against the same policy written the plainest way.

use super::supply::SIMULATED;
use super::{Folder, HEADER, by_sku};
use features::demand::{DemandDay, DemandHistory, OnOrder};
use features::time::LocalDay;
use offline::simulate::{LeadTime, Simulator};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

const UNTIL: i32 = 17_500;

fn simulator(seed: u64, safety_factor: f64) -> Simulator {
    let lead = |days, share| LeadTime { days, share };
    Simulator {
        seed,
        launch_days: 28,
        review_days: 7,
        window_days: 56,
        cover_days: 14.0,
        safety_factor,
        slow_safety_factor: 0.0,
        slow_below_per_day: 0.15,
        lead_times: vec![lead(2, 0.5), lead(5, 0.25), lead(14, 0.25)],
    }
}

fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Whole units demanded on the days before `UNTIL`, the first of them positive; what the shelf does: sales (`None` on a
/// day without stock), stock at the end, and arrivals after it.
fn plainly(
    simulator: &Simulator,
    id: &str,
    demand: &[i64],
) -> (Vec<Option<i64>>, i64, BTreeMap<i32, i64>) {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    let seed = mix(hash ^ simulator.seed);
    let first = UNTIL - i32::try_from(demand.len()).unwrap();
    let start = (simulator.launch_days as usize).min(demand.len());
    let lead_mean: f64 = simulator
        .lead_times
        .iter()
        .map(|l| f64::from(l.days) * l.share)
        .sum();
    let mut sales: Vec<Option<i64>> = demand[..start].iter().copied().map(Some).collect();
    let levels = |sales: &[Option<i64>]| {
        let window = &sales[sales.len().saturating_sub(simulator.window_days as usize)..];
        let units: Vec<f64> = window.iter().flatten().map(|&units| units as f64).collect();
        let days = units.len().max(1) as f64;
        let mean = units.iter().sum::<f64>() / days;
        let variance = units.iter().map(|u| u * u).sum::<f64>() / days - mean * mean;
        let z = if mean >= 0.15 {
            simulator.safety_factor
        } else {
            0.0
        };
        let protected = 7.0 + lead_mean;
        let s = (mean * protected + z * (variance.max(0.0) * protected).sqrt() + 0.5).floor();
        (s as i64, ((s + (14.0 * mean).ceil()) as i64).max(1))
    };
    let mut arrivals: BTreeMap<i32, i64> = BTreeMap::new();
    let mut on_hand = levels(&sales).1;
    for (index, &wanted) in demand.iter().enumerate().skip(start) {
        let day = first + i32::try_from(index).unwrap();
        on_hand += arrivals.remove(&day).unwrap_or(0);
        if index > start && u64::from(day.unsigned_abs()) % 7 == seed % 7 {
            let (s, fill_to) = levels(&sales);
            let position = on_hand + arrivals.values().sum::<i64>();
            if position <= s && position < fill_to {
                let bits = mix(seed ^ mix(u64::from(day.unsigned_abs()))) >> 11;
                let uniform = bits as f64 / 9_007_199_254_740_992.0;
                let lead = [(0.5, 2), (0.75, 5), (2.0, 14)];
                let (_, lead) = lead
                    .into_iter()
                    .find(|(below, _)| uniform < *below)
                    .unwrap();
                *arrivals.entry(day + lead).or_default() += fill_to - position;
            }
        }
        if on_hand <= 0 {
            sales.push(None);
        } else {
            let sold = wanted.min(on_hand);
            on_hand -= sold;
            sales.push(Some(sold));
        }
    }
    on_hand += arrivals.remove(&UNTIL).unwrap_or(0);
    (sales, on_hand, arrivals)
}

fn history(demand: &[i64]) -> DemandHistory {
    let first = UNTIL - i32::try_from(demand.len()).unwrap();
    let days = demand.iter().zip(first..).filter(|(units, _)| **units > 0);
    let day = |(units, day): (&i64, i32)| DemandDay {
        day: LocalDay(day),
        units_milli: units * 1000,
        net_minor: units * 200,
        discount_minor: units * 10,
    };
    DemandHistory {
        category: "tea".to_owned(),
        days: days.map(day).collect(),
        ..DemandHistory::default()
    }
}

fn any_demand() -> impl Strategy<Value = Vec<i64>> {
    let day = prop_oneof![3 => Just(0i64), 2 => 0i64..4, 1 => 0i64..60];
    (1i64..5, vec(day, 0..300)).prop_map(|(first, rest)| [vec![first], rest].concat())
}

proptest! {
    #[test]
    fn the_shelf_does_what_the_plain_policy_does(
        demand in any_demand(),
        seed in any::<u64>(),
        safety in 0u8..3,
        id in "[a-z0-9]{1,6}",
    ) {
        let simulator = simulator(seed, f64::from(safety));
        let seen = simulator.censored(&id, &history(&demand), LocalDay(UNTIL));
        let (sales, on_hand, arrivals) = plainly(&simulator, &id, &demand);
        let first = UNTIL - i32::try_from(demand.len()).unwrap();
        for (sold, day) in sales.iter().zip(first..) {
            let (day, next) = (LocalDay(day), LocalDay(day + 1));
            prop_assert_eq!(seen.stock_out_days(day, next), i64::from(sold.is_none()), "{:?}", day);
            let milli: i64 = seen.within(day, next).iter().map(|sale| sale.units_milli).sum();
            prop_assert_eq!(milli, sold.unwrap_or(0) * 1000);
            for sale in seen.within(day, next) {
                prop_assert_eq!(sale.net_minor * 1000, sale.units_milli * 200);
            }
        }
        let stock = seen.stock.unwrap();
        prop_assert_eq!(stock.on_hand_milli, on_hand * 1000);
        let mut found: BTreeMap<i32, i64> = BTreeMap::new();
        for OnOrder { arrives, units_milli } in stock.on_order {
            *found.entry(arrives.0).or_default() += units_milli / 1000;
        }
        prop_assert_eq!(found, arrivals);
    }

    /// Fractions of a unit, any first day, an end before the launch is over: never more than was wanted, and what the
    /// policy saw before a day does not depend on what comes later.
    #[test]
    fn nothing_is_sold_that_was_not_wanted(
        days in vec((0i32..400, 1i64..20_000, 0i64..90_000), 1..60),
        until in 0i32..450,
        cut in 0i32..450,
    ) {
        let day = |(day, units_milli, net_minor)| DemandDay {
            day: LocalDay(day),
            units_milli,
            net_minor,
            discount_minor: 0,
        };
        let truth = DemandHistory { days: days.into_iter().map(day).collect(), ..DemandHistory::default() }.sorted();
        let simulator = simulator(1, 1.0);
        let seen = simulator.censored("a", &truth, LocalDay(until));
        prop_assert_eq!(seen.clone().sorted(), seen.clone());
        for sale in &seen.days {
            let wanted = truth.within(sale.day, LocalDay(sale.day.0 + 1))[0];
            prop_assert!(sale.units_milli <= wanted.units_milli && sale.net_minor <= wanted.net_minor);
            prop_assert!(sale.day.0 < until || *sale == wanted);
        }
        prop_assert!(seen.stock.is_some());
        prop_assert!(seen.stock_outs.iter().all(|span| span.until.0 <= until));
        let mut earlier = truth.clone();
        let cut = LocalDay(cut.min(until));
        earlier.days.retain(|day| day.day < cut || Some(day.day) == truth.first_sale());
        if truth.first_sale() < Some(cut) {
            let earlier = simulator.censored("a", &earlier, cut);
            prop_assert_eq!(earlier.within(LocalDay(0), cut), seen.within(LocalDay(0), cut));
        }
    }
}

#[test]
fn a_load_keeps_the_truth_apart() {
    // A demand that grows sixfold: the policy learns it too late.
    let rows: Vec<String> = (0..120)
        .map(|day| {
            let date = jiff::civil::date(2024, 1, 1) + jiff::Span::new().days(day);
            let units = if day < 60 { 1 } else { 6 };
            format!("o{day},c1,{date} 10:00,p1,{units},{units}.00\n")
        })
        .collect();
    let rows = rows.concat();
    let mut folder = Folder::new().file("a.csv", format!("{HEADER}{rows}"));
    let plain = by_sku(&folder.load().unwrap());
    folder.toml += "\n[stock.simulated]\n";
    folder.toml += SIMULATED;
    let histories = folder.load().unwrap();
    assert!(histories.is_stock_simulated() && !histories.is_reused());
    let truth: BTreeMap<_, _> = histories.true_skus().unwrap().map(Result::unwrap).collect();
    assert_eq!(truth, plain);
    let (seen, truth) = (&by_sku(&histories)["p1"], &truth["p1"]);
    assert!(!seen.stock_outs.is_empty() && seen.stock.is_some());
    let all = |history: &DemandHistory| history.units(LocalDay(0), LocalDay(30_000));
    assert!(all(seen) < all(truth));
    let counts = &histories.counts().demand;
    assert!(counts.stock_out_days > 0 && counts.stock_out_share() < 1.0);
    assert!(folder.load().unwrap().is_reused());
}
