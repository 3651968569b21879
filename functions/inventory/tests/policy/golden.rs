//! Printed examples of the textbooks, to their printed digits.

use inventory::policy::lot_size::{
    Discounted, PriceBreak, Steady, all_units_discount, economic_order_quantity,
    economic_order_quantity_with_backorders, economic_production_quantity, incremental_discount,
};
use inventory::policy::newsvendor::{
    Prices, UnitCosts, base_stock, independent_periods, newsvendor, newsvendor_by_price,
    normal_lead_time_demand,
};
use inventory::policy::order_up_to::{
    OrderUpTo, OrderUpToTerms, order_up_to_discrete, power_approximation,
};
use inventory::policy::reorder_normal::{
    backordered_lot, expected_inventory_level, loss_function, lot_with_safety_stock,
    reorder_continuous,
};
use inventory::policy::reorder_point::{ReorderPolicy, ReorderTerms, reorder_discrete};
use inventory::policy::service::{Cycle, for_fill_rate, for_fill_rate_by_lot, for_service_level};
use inventory::policy::wagner_whitin::wagner_whitin;
use inventory::policy::{Demand, Forecast, LeadTime};

/// Equal to all digits that a double carries, but for the last few bits.
#[track_caller]
fn same(found: f64, printed: f64) {
    assert!(
        (found / printed - 1.0).abs() < 4e-15,
        "{found:?} is not {printed:?}"
    );
}

/// Equal to this many decimals.
#[track_caller]
fn rounds_to(found: f64, printed: f64, decimals: i32) {
    let half = 0.5 * 10f64.powi(-decimals);
    assert!(
        (found - printed).abs() <= half,
        "{found} does not round to {printed}"
    );
}

const SMALL_SHOP: UnitCosts = UnitCosts {
    holding: 0.18,
    stockout: 0.7,
};

const STEADY: Steady = Steady {
    fixed_cost: 8.0,
    holding: 0.225,
    demand_rate: 1300.0,
};

#[test]
fn economic_order_quantity_of_example_3_1() {
    let lot = economic_order_quantity(STEADY).unwrap();
    same(lot.order_quantity, 304.0467800264368);
    same(lot.cost, 68.410525505948272);
}

#[test]
fn backorders_of_example_3_8() {
    let lot = economic_order_quantity_with_backorders(STEADY, 5.0).unwrap();
    same(lot.order_quantity, 310.8125551589646);
    rounds_to(lot.backordered_share, 0.043062200956938, 15);
    same(lot.cost, 66.921363550973254);
}

#[test]
fn production_at_a_rate() {
    let lot = economic_production_quantity(STEADY, 1700.0).unwrap();
    same(lot.order_quantity, 626.8084945889684);
    same(lot.cost, 33.183979125298336);
}

#[test]
fn discounts_of_both_kinds() {
    let breaks = |prices: [(f64, f64); 3]| {
        prices.map(|(from_quantity, unit_cost)| PriceBreak {
            from_quantity,
            unit_cost,
        })
    };
    let all_units = all_units_discount(Discounted {
        fixed_cost: 200.0,
        holding_rate: 0.2,
        demand_rate: 1000.0,
        breaks: &breaks([(0.0, 500.0), (200.0, 475.0), (500.0, 450.0)]),
    });
    let all_units = all_units.unwrap();
    assert_eq!((all_units.order_quantity, all_units.region), (500.0, 2));
    same(all_units.cost, 472_900.0);
    let incremental = incremental_discount(Discounted {
        fixed_cost: 150.0,
        holding_rate: 0.25,
        demand_rate: 2400.0,
        breaks: &breaks([(0.0, 100.0), (300.0, 90.0), (600.0, 80.0)]),
    });
    let incremental = incremental.unwrap();
    same(incremental.order_quantity, 1481.8906842274164);
    same(incremental.cost, 222_762.8136845483);
}

#[test]
fn newsvendor_of_example_4_3() {
    let best = newsvendor(&Demand::normal(50.0, 8.0).unwrap(), SMALL_SHOP).unwrap();
    same(best.level, 56.603955927433887);
    same(best.cost, 1.997605193176645);
}

#[test]
fn newsvendor_by_prices_of_example_4_2() {
    let prices = Prices {
        price: 1.0,
        unit_cost: 0.3,
        salvage: 0.12,
        holding: 0.0,
        stockout: 0.0,
    };
    let normal = newsvendor_by_price(&Demand::normal(50.0, 8.0).unwrap(), prices).unwrap();
    same(normal.level, 56.60395592743389);
    same(normal.profit, 33.002394806823354);
    let poisson = newsvendor_by_price(&Demand::poisson(50.0).unwrap(), prices).unwrap();
    assert_eq!(poisson.level, 56.0);
    same(poisson.profit, 33.20276478819082);
}

#[test]
fn base_stock_of_example_4_4() {
    // A lead time of four periods and a review period of one.
    let protection = independent_periods(50.0, 8.0, 5.0).unwrap();
    let best = base_stock(&protection, SMALL_SHOP).unwrap();
    same(best.level, 264.7668943741548);
    same(best.cost, 4.466781004149578);
}

#[test]
fn poisson_newsvendor() {
    let costs = UnitCosts {
        holding: 1.0,
        stockout: 4.0,
    };
    let best = newsvendor(&Demand::poisson(6.0).unwrap(), costs).unwrap();
    assert_eq!(best.level, 8.0);
    same(best.cost, 3.570106945770946);
}

#[test]
fn order_up_to_of_example_4_7() {
    let demand = Demand::poisson(6.0).unwrap();
    let terms = OrderUpToTerms {
        period: &demand,
        protection: &demand,
        unit_costs: UnitCosts {
            holding: 1.0,
            stockout: 4.0,
        },
        fixed_cost: 5.0,
    };
    let best = order_up_to_discrete(&terms).unwrap();
    let expected = OrderUpTo {
        reorder_point: 4.0,
        order_up_to_level: 10.0,
    };
    assert_eq!(best.levels, expected);
    same(best.cost, 8.034111561471644);
    same(terms.cost(expected).unwrap(), best.cost);
}

#[test]
fn power_approximation_of_example_4_8() {
    let demand = Demand::normal(50.0, 8.0).unwrap();
    let levels = power_approximation(50.0, &demand, SMALL_SHOP, 2.5).unwrap();
    same(levels.reorder_point, 40.194616956474071);
    same(levels.order_up_to_level, 74.290170109805786);
}

#[test]
fn reorder_point_under_poisson_demand_of_example_5_8() {
    let lead_time_demand = Demand::poisson(3.0).unwrap();
    let terms = ReorderTerms {
        lead_time_demand: &lead_time_demand,
        demand_rate: 1.5,
        fixed_cost: 100.0,
        unit_costs: UnitCosts {
            holding: 20.0,
            stockout: 150.0,
        },
    };
    let best = reorder_discrete(&terms).unwrap();
    assert_eq!((best.reorder_point, best.order_quantity), (3.0, 5.0));
    same(best.cost, 107.9235806331498);
    same(terms.cost(3.0, 5.0).unwrap(), best.cost);
}

#[test]
fn reorder_point_under_normal_demand_of_examples_5_1_to_5_6() {
    let lead_time_demand = independent_periods(1300.0, 150.0, 1.0 / 12.0).unwrap();
    let terms = ReorderTerms {
        lead_time_demand: &lead_time_demand,
        demand_rate: 1300.0,
        fixed_cost: 8.0,
        unit_costs: UnitCosts {
            holding: 0.225,
            stockout: 7.5,
        },
    };
    let near = |policy: ReorderPolicy, r: f64, q: f64| {
        rounds_to(policy.reorder_point, r, 2);
        rounds_to(policy.order_quantity, q, 2);
    };
    same(terms.cost(126.8, 328.5).unwrap(), 78.07116250928294);
    let level = expected_inventory_level(&terms).unwrap();
    near(level, 213.97, 318.59);
    rounds_to(level.cost, 95.45114, 5);
    near(backordered_lot(&terms).unwrap(), 128.64, 308.57);
    near(lot_with_safety_stock(&terms).unwrap(), 190.34, 304.05);
    near(loss_function(&terms).unwrap(), 126.87, 328.45);
    // Example 5.1 prints r = 126.8, Q = 328.5, cost 78.07, which is the optimum to the digits of the cost.
    let best = reorder_continuous(&terms).unwrap();
    assert!((best.reorder_point - 126.8).abs() < 0.1);
    assert!((best.order_quantity - 328.5).abs() < 0.1);
    rounds_to(best.cost, 78.07, 2);
    assert!(best.cost <= terms.cost(126.8, 328.5).unwrap());
    assert!(best.cost <= terms.cost(126.867, 328.449).unwrap());
}

#[test]
fn wagner_whitin_of_example_3_9() {
    let schedule = wagner_whitin(&[90.0, 120.0, 80.0, 70.0], 500.0, 2.0).unwrap();
    assert_eq!(schedule.order_quantities, [210.0, 0.0, 150.0, 0.0]);
    assert_eq!(schedule.cost, 1380.0);
}

/// 100 units a day with a deviation of 30, four days of lead time.
fn four_days() -> Demand {
    independent_periods(100.0, 30.0, 4.0).expect("a law")
}

#[test]
fn a_fill_rate_is_not_a_service_level() {
    let lots = [(100.0, 60.0), (400.0, 8.3), (1600.0, -77.2)];
    for (order_quantity, safety_stock) in lots {
        let filled = for_fill_rate_by_lot(&four_days(), order_quantity, 0.95).unwrap();
        rounds_to(filled.safety_stock, safety_stock, 1);
        rounds_to(filled.level, 400.0 + safety_stock, 1);
    }
    // A cycle service level never asks how large the lot is.
    let level = for_service_level(&four_days(), 0.95).unwrap();
    rounds_to(level.safety_stock, 98.7, 1);
}

#[test]
fn the_exact_fill_rate_differs_from_the_textbooks_for_small_lots_only() {
    let demand = four_days();
    let exact = |lot: f64| {
        let cycle = Cycle {
            protection: &demand,
            lead_time_demand: &demand,
            lift: lot,
            cycle_demand: lot,
        };
        let level = for_fill_rate(&cycle, 0.95).unwrap();
        assert!((cycle.fill_rate(level.level) - 0.95).abs() < 1e-12);
        level.safety_stock
    };
    // One unit at a time, a fill rate is the probability that a unit is there.
    let one_by_one = for_service_level(&demand, 0.95).unwrap().safety_stock;
    rounds_to(exact(1.0), one_by_one, 0);
    rounds_to(exact(400.0), 8.3, 1);
    rounds_to(exact(1600.0), -77.2, 1);
    assert!(exact(100.0) < 60.0);
}

#[test]
fn a_random_lead_time_by_moments() {
    let demand = normal_lead_time_demand(50.0, 5.0, 6.0, 2.0).unwrap();
    let level = for_service_level(&demand, 0.9).unwrap();
    rounds_to(level.level, 429.1127, 4);
}

#[test]
fn a_random_lead_time_mixed_exactly_has_the_same_moments_and_another_quantile() {
    let days: Vec<f64> = (1..=90).map(f64::from).collect();
    let horizon = |days: &f64| (*days, independent_periods(50.0, 5.0, *days).unwrap());
    let forecast = Forecast::new(days.iter().map(horizon).collect()).unwrap();
    // Two points with mean 6 and deviation 2, as far from a normal lead time as can be.
    let two_points = LeadTime::distribution(&[(4.0, 0.5), (8.0, 0.5)]).unwrap();
    let mixed = two_points.demand(&forecast, 0.0).unwrap();
    let matched = normal_lead_time_demand(50.0, 5.0, 6.0, 2.0).unwrap();
    same(mixed.mean(), matched.mean());
    same(mixed.variance(), matched.variance());
    // By hand: P(D <= x) = .9 needs the later arrival alone to meet .8, so x = 400 + 14.142 z(.8) = 411.90.
    let level = for_service_level(&mixed, 0.9).unwrap();
    rounds_to(level.level, 411.90, 2);
}
