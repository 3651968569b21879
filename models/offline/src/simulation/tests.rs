//! Small worlds that can be followed by hand.

#![expect(clippy::float_cmp, reason = "sums of whole units are exact")]

use super::rules::{CurrentRule, Rule, SesNormal, Storecast};
use super::world::{Planning, choose, products};
use super::{Outcome, Period, Placed, Product, Shelf, World, compare, replay};
use crate::assess::Failure;
use crate::evaluate::{Bootstrap, INVENTORY_BARS};
use crate::simulate::{LeadTime, Simulator};
use features::demand::{DaySpan, DemandDay, DemandHistory, SkuHistory};
use features::matrix::Matrix;
use features::time::LocalDay;
use inventory::Inventory;
use inventory::features::COLUMNS;
use inventory::planning::PlanningPolicy;
use serde_json::json;
use serving::model::{Contributions, ModelError, Scorer};
use serving::predictor::{Model, Served};
use std::cell::RefCell;
use std::sync::Arc;

const PERIOD: Period = Period {
    warm_up_from: LocalDay(200),
    counted_from: LocalDay(207),
    until: LocalDay(228),
};

fn sold(day: i32, units: i64) -> DemandDay {
    DemandDay {
        day: LocalDay(day),
        units_milli: units * 1000,
        net_minor: units * 200,
        discount_minor: 0,
    }
}

fn demand(days: impl IntoIterator<Item = (i32, i64)>) -> DemandHistory {
    let days = days.into_iter().map(|(day, units)| sold(day, units));
    DemandHistory {
        days: days.collect(),
        ..DemandHistory::default()
    }
    .sorted()
}

fn steady(units: i64) -> DemandHistory {
    demand((0..228).map(|day| (day, units)))
}

fn policy(lead_time: &str, review_period_days: u32) -> PlanningPolicy {
    let text = format!(
        r#"{{"version": "test", "currency": "USD", "defaults": {{
            "lead_time": {lead_time}, "review_period_days": {review_period_days}, "target": {{"fill_rate": 0.95}},
            "costs": {{"unit_cost_share": 0.5, "holding_share_per_year": 0.365, "ordering_minor": 5}}}}}}"#
    );
    serde_json::from_str(&text).expect("a policy")
}

fn current() -> CurrentRule {
    CurrentRule::new(Simulator {
        seed: 0,
        launch_days: 28,
        review_days: 7,
        window_days: 56,
        cover_days: 14.0,
        safety_factor: 2.0,
        slow_safety_factor: 0.0,
        slow_below_per_day: 0.15,
        lead_times: vec![LeadTime {
            days: 3,
            share: 1.0,
        }],
    })
}

/// Products that sell by the day, reviewed every day, with a stock that the test sets.
fn world(truths: &[DemandHistory], lead_time: &str, opening_units: i64) -> World {
    let (policy, current) = (policy(lead_time, 1), current());
    let planning = Planning {
        policy: &policy,
        current: &current,
    };
    let product = |(index, truth): (usize, &DemandHistory)| {
        let record = SkuHistory {
            demand: truth.clone(),
            category: Some(Arc::new(truth.clone())),
        };
        let id = format!("sku-{index}");
        let mut product = Product::new(id, &record, truth.clone(), &PERIOD, planning);
        product.opening_milli = opening_units * 1000;
        product
    };
    World {
        products: truths.iter().enumerate().map(product).collect(),
        period: PERIOD,
        currency: "USD".to_owned(),
        minor_per_major: 100,
    }
}

/// Orders what a table says, and keeps what it saw.
struct Scripted {
    orders: Vec<(i32, u64)>,
    seen: RefCell<Vec<(LocalDay, DemandHistory, i64)>>,
}

impl Scripted {
    fn new(orders: &[(i32, u64)]) -> Self {
        Self {
            orders: orders.to_vec(),
            seen: RefCell::default(),
        }
    }
}

impl Rule for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn orders(&self, today: LocalDay, shelves: &[&Shelf]) -> Result<Vec<u64>, Failure> {
        let order = self.orders.iter().find(|(day, _)| *day == today.0);
        let see = |shelf: &&Shelf| {
            let stock = shelf.stock(today).on_hand;
            let history = shelf.history().demand.clone();
            self.seen.borrow_mut().push((today, history, stock));
            order.map_or(0, |(_, units)| *units)
        };
        Ok(shelves.iter().map(see).collect())
    }
}

#[test]
fn lost_sales_are_lost_and_a_late_delivery_does_not_bring_them_back() {
    // Two units a day, 8 on the shelf: gone with day 203. An order of day 205 is there on day 208.
    let world = world(&[steady(2)], "3", 8);
    let rule = Scripted::new(&[(205, 100)]);
    let replayed = replay(&world, &rule).expect("replayed");
    let expected = Placed {
        product: 0,
        on: LocalDay(205),
        arrives: LocalDay(208),
        units: 100,
    };
    assert_eq!(replayed.orders, [expected]);
    let tally = replayed.tallies[0];
    // Counted are 207 to 227: the first of these days is lost whole, the others are served whole.
    assert_eq!(
        (
            tally.days,
            tally.out_days,
            tally.wanted_units,
            tally.sold_units
        ),
        (21.0, 1.0, 42.0, 40.0)
    );
    // From 100 down by 2 a day over 20 days, at the middle of each: 99 + 97 + ... + 61 = 1600. The order is warm-up.
    assert_eq!((tally.unit_days, tally.orders), (1600.0, 0.0));
    // A price of 200: a unit costs 100, a day of one 0.1, a missed one 100.
    assert!((tally.holding_minor - 160.0).abs() < 1e-9);
    assert_eq!(tally.stockout_minor, 200.0);
    // Eight weeks of two a day are 112: nothing is over.
    assert_eq!(tally.overstock_unit_days, 0.0);
}

#[test]
fn a_delivery_is_there_before_the_shop_opens() {
    let world = world(&[steady(2)], "7", 14);
    // 14 units last from 200 to 206; the order of 200 arrives on 207.
    let replayed = replay(&world, &Scripted::new(&[(200, 42)])).expect("replayed");
    let tally = replayed.tallies[0];
    assert_eq!((tally.out_days, tally.sold_units), (0.0, 42.0));
    // The same day again, when a delivery takes no time.
    let today = self::world(&[steady(2)], "0", 14);
    let replayed = replay(&today, &Scripted::new(&[(207, 42)])).expect("replayed");
    assert_eq!(replayed.tallies[0].sold_units, 42.0);
    assert_eq!(replayed.tallies[0].ordering_minor, 5.0);
}

#[test]
fn a_rule_never_sees_demand_it_could_not_serve() {
    let world = world(&[steady(5)], "3", 12);
    let rule = Scripted::new(&[(204, 7)]);
    replay(&world, &rule).expect("replayed");
    let seen = rule.seen.into_inner();
    let (_, last, stock) = seen.last().expect("a last day");
    assert_eq!(*stock, 0);
    // 12 units: 5, 5, 2 of 5; then nothing until 207 brings 7: 5, 2 of 5.
    let own = last.within(PERIOD.warm_up_from, PERIOD.until);
    let own: Vec<_> = own.iter().map(|d| (d.day.0, d.units_milli)).collect();
    let expected = [
        (200, 5000),
        (201, 5000),
        (202, 2000),
        (207, 5000),
        (208, 2000),
    ];
    assert_eq!(own, expected);
    let out = |from, until| DaySpan {
        from: LocalDay(from),
        until: LocalDay(until),
    };
    assert_eq!(last.stock_outs, [out(203, 207), out(209, 227)]);
    // Money goes down with the units.
    assert_eq!(last.within(LocalDay(202), LocalDay(203))[0].net_minor, 400);
    for (day, history, _) in &seen {
        assert!(history.days.iter().all(|sold| sold.day < *day));
    }
}

#[test]
fn deliveries_take_as_long_whoever_orders() {
    let lead_time = r#"[{"days": 2, "probability": 0.5}, {"days": 9, "probability": 0.5}]"#;
    let world = world(&[steady(2), steady(3)], lead_time, 20);
    let often: Vec<(i32, u64)> = (200..228).map(|day| (day, 1)).collect();
    let seldom: Vec<(i32, u64)> = (200..228).step_by(5).map(|day| (day, 50)).collect();
    let of = |orders| {
        replay(&world, &Scripted::new(orders))
            .expect("replayed")
            .orders
    };
    let (often, seldom) = (of(&often), of(&seldom));
    for order in &seldom {
        let same = |other: &&Placed| (other.product, other.on) == (order.product, order.on);
        let other = often.iter().find(same).expect("ordered on that day too");
        assert_eq!(other.arrives, order.arrives);
    }
    let days: Vec<i32> = often.iter().map(|o| o.arrives.0 - o.on.0).collect();
    assert!(days.contains(&2) && days.contains(&9) && days.len() == 56);
    assert!(days.iter().all(|days| *days == 2 || *days == 9));
}

/// Uneven demand without a period.
fn uneven(seed: i64) -> DemandHistory {
    demand((0..228).filter_map(|day| {
        let units = (i64::from(day) * i64::from(day) * 7 + seed * 13).rem_euclid(11) - 5;
        (units > 0).then_some((day, units))
    }))
}

fn rules(policy: &PlanningPolicy) -> (CurrentRule, SesNormal<'_>) {
    (current(), SesNormal::new(policy))
}

/// Says something else for every column that is known, so that nothing a column sees goes unnoticed.
struct SumOfColumns;

impl Scorer for SumOfColumns {
    fn columns(&self) -> usize {
        COLUMNS.infos().count()
    }

    fn score(&self, rows: &Matrix, scores: &mut Vec<f64>) -> Result<(), ModelError> {
        let known = |value: &&f32| value.is_finite();
        let sum = |row: &[f32]| row.iter().filter(known).map(|v| f64::from(*v)).sum::<f64>();
        scores.extend(rows.rows().map(|row| 0.3 * libm::tanh(sum(row) / 100.0)));
        Ok(())
    }

    fn explain(&self, _: &Matrix) -> Option<Result<Vec<Contributions>, ModelError>> {
        unreachable!("a simulation reads no contributions")
    }
}

fn served(policy: PlanningPolicy) -> Served<Inventory> {
    let tensor = json!({"name": "", "dtype": "float32", "shape": [], "meaning": ""});
    let manifest = json!({
        "format": 1, "model": "inventory", "version": "test", "created_at": "2017-01-01T00:00:00Z",
        "data_set": {"shop": "", "currency": "USD", "source": ""}, "files": {},
        "features": {"fingerprint": "", "names": []}, "input": tensor, "output": tensor,
        "calibration": {"intercept": 1.0, "ln_mean": 0.5, "columns": {}}, "training": {}, "metrics": [], "runtime": {}
    });
    let artifacts = json!({
        "horizons_days": [7, 14, 28], "currency": "USD", "minor_per_major": 100,
        "fitted_before": "2017-01-01T00:00:00Z", "launch_units_per_day": {}
    });
    let model = Model {
        manifest: serde_json::from_value(manifest).expect("a manifest"),
        artifacts: serde_json::from_value(artifacts).expect("artifacts"),
        scorer: Box::new(SumOfColumns),
    };
    Served {
        model,
        policy,
        memory: (),
    }
}

#[test]
fn what_happens_later_changes_no_order() {
    let lead_time = r#"[{"days": 2, "probability": 0.5}, {"days": 9, "probability": 0.5}]"#;
    let policy = policy(lead_time, 1);
    let (current, ses_normal) = rules(&policy);
    let truths: Vec<DemandHistory> = (0..6).map(uneven).collect();
    let world_of = |truths: &[DemandHistory]| world(truths, lead_time, 25);
    let changed_from = LocalDay(215);
    let changed = truths.iter().map(|truth| {
        let mut truth = truth.clone();
        truth.days.retain(|sold| sold.day < changed_from);
        let later = (changed_from.0..228).map(|day| sold(day, 40));
        truth.days.extend(later);
        truth
    });
    let changed: Vec<DemandHistory> = changed.collect();
    let served = served(policy.clone());
    let storecast = Storecast::new(&served);
    for rule in [&current as &dyn Rule, &ses_normal, &storecast] {
        let orders = |truths: &[DemandHistory]| {
            let orders = replay(&world_of(truths), rule).expect("replayed").orders;
            let (until, after): (Vec<_>, Vec<_>) =
                orders.into_iter().partition(|o| o.on <= changed_from);
            (until, after)
        };
        let (before, after) = orders(&truths);
        let (before_changed, after_changed) = orders(&changed);
        assert!(!before.is_empty(), "{}", rule.name());
        assert_eq!(before, before_changed, "{}", rule.name());
        assert_ne!(after, after_changed, "{}", rule.name());
    }
}

fn compared() -> Outcome {
    let policy = policy("3", 1);
    let (current, ses_normal) = rules(&policy);
    let served = served(policy.clone());
    let truths: Vec<DemandHistory> = (0..20).map(uneven).collect();
    let rules: [&dyn Rule; 3] = [&current, &ses_normal, &Storecast::new(&served)];
    compare(&world(&truths, "3", 20), &rules).expect("compared")
}

#[test]
fn the_same_world_gives_the_same_outcome_and_sums_add_up() {
    let (outcome, again) = (compared(), compared());
    let bootstrap = Bootstrap::default();
    assert_eq!(outcome.table(&bootstrap), again.table(&bootstrap));
    for (rule, same) in outcome.rules.iter().zip(&again.rules) {
        assert_eq!(rule.tallies, same.tallies);
        for tally in &rule.tallies {
            assert_eq!(tally.days, PERIOD.counted_days());
            assert!(tally.sold_units <= tally.wanted_units && tally.sold_units > 0.0);
        }
    }
    let wanted = |index: usize| {
        let tallies = outcome.rules[index].tallies.iter();
        tallies.map(|t| t.wanted_units).collect::<Vec<_>>()
    };
    assert_eq!(wanted(0), wanted(1));
    let lines = outcome.lines("inventory", &INVENTORY_BARS, &bootstrap);
    let line = |name: &str| lines.iter().find(|line| line.metric == name).expect(name);
    let gap = line("fill_rate_gap").value.expect("a gap");
    let fill_rate = line("fill_rate").value.expect("a fill rate");
    assert!((fill_rate - 0.95 - gap).abs() < 1e-5);
    let (own, rival) = (line("cost").value, line("cost").baselines["ses_normal"]);
    let change = own.expect("a cost") / rival.expect("a cost") - 1.0;
    let said = line("cost_vs_ses_normal");
    assert!((said.value.expect("a change") - change).abs() < 1e-5);
    assert_eq!(said.pass, Some(change < 0.0));
    let [low, high] = said.interval.expect("an interval");
    assert!(low <= change && change <= high);
}

#[test]
fn products_are_chosen_by_a_hash_of_what_was_sold_before() {
    let record = |id: &str, demand: DemandHistory| {
        let sku = SkuHistory {
            demand,
            category: None,
        };
        Ok::<_, Failure>((id.to_owned(), sku))
    };
    let ids = ["a", "b", "c", "d", "e", "f"];
    let records = || {
        let often = ids.iter().map(|id| record(id, steady(1)));
        // Too new, too slow: the model was not trained for these.
        let new = record("new", demand((190..228).map(|day| (day, 1))));
        let slow = record("slow", demand((0..228).step_by(60).map(|day| (day, 1))));
        often.chain([new, slow])
    };
    let chosen = |count| choose(records(), &PERIOD, count).expect("chosen");
    let all: Vec<_> = chosen(100).into_keys().collect();
    assert_eq!(all.len(), 6);
    let some: Vec<_> = chosen(3).into_keys().collect();
    assert_eq!(some[..], all[..3]);
    let (policy, current) = (policy("3", 7), current());
    let planning = Planning {
        policy: &policy,
        current: &current,
    };
    let truths = ids[1..]
        .iter()
        .map(|id| Ok::<_, Failure>(((*id).to_owned(), steady(2))));
    let found = products(chosen(100), truths, &PERIOD, planning).expect("products");
    let found: Vec<_> = found.iter().map(|product| product.id.as_str()).collect();
    let ids = all.iter().map(|(_, id)| id.as_str());
    let expected: Vec<_> = ids.filter(|id| *id != "a").collect();
    assert_eq!(found, expected);
}
