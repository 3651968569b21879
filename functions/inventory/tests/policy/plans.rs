//! What a planner relies on, by example.

use crate::shelf::{arrival, planned, sku, weekly};
use inventory::policy::{
    Constraint, Constraints, Contradiction, LeadTime, PolicyError, ShelfLife, Stock, Target,
    meet_supplier_minimum, plan, share_budget,
};

#[test]
fn the_reorder_point_is_the_quantile_of_the_protection_interval() {
    let plan = planned(&sku());
    let demand = weekly(10.0, 5.0).over(21.0).unwrap();
    assert_eq!(plan.protection_days, 21.0);
    assert_eq!(plan.reorder_point as f64, demand.quantile(0.95));
    assert_eq!(plan.safety_stock, demand.quantile(0.95) - 30.0);
    assert_eq!(plan.order_up_to_level, plan.reorder_point);
    assert_eq!(plan.order_quantity, plan.order_up_to_level.unsigned_abs());
    assert!(plan.with_order.service_level >= 0.95);
    assert_eq!(plan.without_order.stockout_probability, demand.sf(0.0));
    assert_eq!(plan.binding_constraint, None);
}

#[test]
fn stock_that_arrives_after_the_interval_does_not_cover_it() {
    let mut sku = sku();
    let nothing = planned(&sku);
    sku.stock.on_order = vec![arrival(40, 21.5)];
    let late = planned(&sku);
    assert_eq!(late.inventory_position, 0);
    assert_eq!((late.on_order_inside, late.on_order_later), (0, 40));
    assert_eq!(late.order_quantity, nothing.order_quantity);
    assert_eq!(late.with_order, nothing.with_order);
    // A day earlier it counts, once.
    sku.stock.on_order = vec![arrival(40, 20.5)];
    let inside = planned(&sku);
    assert_eq!(inside.inventory_position, 40);
    assert_eq!(inside.order_quantity, nothing.order_quantity - 40);
}

#[test]
fn negative_stock_and_backorders_are_owed_to_customers() {
    let mut sku = sku();
    sku.stock = Stock {
        on_hand: -3,
        backorders: 2,
        on_order: vec![arrival(6, 1.0)],
    };
    let plan = planned(&sku);
    assert_eq!(plan.inventory_position, 1);
    assert_eq!(plan.stockout_probability_before_next_arrival, 1.0);
    assert_eq!(plan.next_arrival_days, 1.0);
    assert_eq!(plan.run_out.median_days, Some(0.0));
}

#[test]
fn a_fill_rate_needs_less_stock_than_the_same_service_level_when_lots_are_large() {
    let mut sku = sku();
    sku.costs.ordering_minor = 5_000;
    let by_level = planned(&sku);
    sku.target = Target::FillRate(0.95);
    let by_rate = planned(&sku);
    assert!(by_rate.cycle_days > 7.0, "{}", by_rate.cycle_days);
    assert!(by_rate.safety_stock < by_level.safety_stock - 5.0);
    assert!(by_rate.order_up_to_level > by_rate.reorder_point);
}

#[test]
fn a_lot_lasts_as_long_as_the_economic_one() {
    let mut sku = sku();
    sku.costs.ordering_minor = 5_000;
    let plan = planned(&sku);
    // √(2 K λ / h) units at 10 / 7 a day: 133.6 units, 93.5 days.
    let lot = (2.0f64 * 5_000.0 * (10.0 / 7.0) / 0.4).sqrt();
    assert!((plan.cycle_days - lot / (10.0 / 7.0)).abs() < 1e-9);
    let lift = (plan.order_up_to_level - plan.reorder_point) as f64;
    assert!((lift - (lot - 10.0)).abs() <= 1.0, "{lift} for {lot}");
}

#[test]
fn above_the_reorder_point_nothing_is_ordered_and_overstock_is_named() {
    let mut sku = sku();
    sku.stock.on_hand = 100;
    let plan = planned(&sku);
    assert_eq!(plan.order_quantity, 0);
    assert_eq!(plan.with_order, plan.without_order);
    let over = 100 - plan.order_up_to_level.unsigned_abs();
    assert_eq!(plan.overstock_units, over);
    assert_eq!(
        plan.overstock_value_minor,
        500 * i64::try_from(over).unwrap()
    );
    assert_eq!(plan.weeks_of_cover, Some(10.0));
    let median = plan.run_out.median_days.unwrap();
    assert!((66.0..=72.0).contains(&median), "{median}");
    assert!(plan.run_out.p10_days.unwrap() < median);
}

#[test]
fn a_random_lead_time_needs_more_than_its_mean() {
    let mut sku = sku();
    let fixed = planned(&sku);
    sku.lead_time = LeadTime::distribution(&[(7.0, 0.5), (21.0, 0.5)]).unwrap();
    let random = planned(&sku);
    assert_eq!(random.lead_time_days, 14.0);
    assert_eq!(random.demand_mean, fixed.demand_mean);
    assert!(random.safety_stock > fixed.safety_stock + 3.0);
}

#[test]
fn packs_round_up_to_service_and_every_step_is_shown_with_its_cost() {
    let mut sku = sku();
    sku.stock.on_hand = 35;
    // A shortage this cheap is not worth the service level, so that every unit more costs money.
    sku.costs.stockout_minor_per_unit = 10.0;
    sku.constraints = Constraints {
        minimum_order_quantity: Some(20),
        pack_size: Some(12),
        ..Constraints::default()
    };
    let plan = planned(&sku);
    assert!(
        plan.wanted_quantity > 0 && plan.wanted_quantity < 20,
        "{}",
        plan.wanted_quantity
    );
    assert_eq!(plan.order_quantity, 24);
    assert_eq!(plan.binding_constraint, Some(Constraint::PackSize));
    let steps: Vec<_> = plan
        .constraint_effects
        .iter()
        .map(|e| (e.constraint, e.quantity_before, e.quantity_after))
        .collect();
    let expected = [
        (Constraint::MinimumOrderQuantity, plan.wanted_quantity, 20),
        (Constraint::PackSize, 20, 24),
    ];
    assert_eq!(steps, expected);
    assert!(
        plan.constraint_effects
            .iter()
            .all(|e| e.cost_minor > 0 && e.lost_units <= 0.0)
    );
}

#[test]
fn a_minimum_above_the_shelf_cap_is_a_contradiction_and_orders_nothing() {
    let mut sku = sku();
    sku.constraints = Constraints {
        minimum_order_quantity: Some(500),
        shelf_cap: Some(60),
        ..Constraints::default()
    };
    let plan = planned(&sku);
    assert_eq!(plan.order_quantity, 0);
    let expected = Contradiction {
        constraint: Constraint::ShelfCap,
        smallest: 500,
        largest: 60,
    };
    assert_eq!(plan.contradiction, Some(expected));
    assert_eq!(plan.binding_constraint, Some(Constraint::ShelfCap));
    assert_eq!(plan.with_order, plan.without_order);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["contradiction"]["constraint"], "shelf_cap");
    assert_eq!(json["order_quantity"], 0);
}

#[test]
fn a_minimum_that_explodes_an_order_shows_what_it_costs() {
    let mut sku = sku();
    sku.constraints.minimum_order_quantity = Some(10_000);
    let plan = planned(&sku);
    assert_eq!(plan.order_quantity, 10_000);
    let effect = plan.constraint_effects[0];
    assert_eq!(effect.constraint, Constraint::MinimumOrderQuantity);
    // At least a year's holding on what is far beyond a year's demand: 9,000 units, 365 days, .4.
    assert!(effect.cost_minor > 1_200_000, "{effect:?}");
    let cost = |outcome: inventory::policy::Outcome| outcome.expected_cost.total_minor;
    assert!(cost(plan.with_order) > cost(plan.without_order));
}

#[test]
fn caps_cut_to_whole_packs() {
    let mut sku = sku();
    sku.constraints = Constraints {
        pack_size: Some(10),
        shelf_cap: Some(37),
        ..Constraints::default()
    };
    let plan = planned(&sku);
    assert_eq!(plan.order_quantity, 30);
    assert_eq!(plan.binding_constraint, Some(Constraint::ShelfCap));
    sku.constraints = Constraints {
        maximum_cover_weeks: Some(2.5),
        ..Constraints::default()
    };
    let plan = planned(&sku);
    // On arrival nothing is left of no stock, and two and a half weeks sell 25.
    assert_eq!(
        (plan.order_quantity, plan.binding_constraint),
        (25, Some(Constraint::MaximumCover))
    );
}

#[test]
fn what_spoils_is_not_ordered_beyond_what_sells() {
    let mut sku = sku();
    sku.target = Target::ServiceLevel(0.999);
    let free = planned(&sku);
    sku.constraints.shelf_life = Some(ShelfLife {
        days: 7.0,
        least_sale_probability: 0.5,
    });
    let plan = planned(&sku);
    assert!(plan.order_quantity < free.order_quantity);
    assert_eq!(plan.binding_constraint, Some(Constraint::ShelfLife));
    let demand = weekly(10.0, 5.0).over(21.0).unwrap();
    assert!(demand.sf(plan.order_quantity as f64 - 1.0) >= 0.5);
    assert!(demand.sf(plan.order_quantity as f64) < 0.5);
    assert!(plan.with_order.expected_waste_units > 0.0);
    assert!(plan.with_order.expected_cost.waste_minor > 0);
}

#[test]
fn a_budget_goes_where_it_saves_most() {
    let cheap_and_needed = sku();
    let mut dear = sku();
    dear.costs.unit_cost_minor = 5_000;
    let mut plans = [planned(&dear), planned(&cheap_and_needed)];
    let needed = plans[1].with_order.order_value_minor;
    let shared = share_budget(&mut plans, needed).unwrap();
    assert!(shared.spent_minor <= needed);
    // Ten times the price: the first dear unit is worth as much per money as a cheap one at a risk of one tenth.
    let demand = weekly(10.0, 5.0).over(21.0).unwrap();
    assert!(plans[1].order_quantity as f64 >= demand.quantile(0.9) - 1.0);
    assert!(plans[0].order_quantity < plans[0].wanted_quantity / 5);
    assert_eq!(plans[0].binding_constraint, Some(Constraint::Budget));
    assert!(shared.cost_minor > 0);
    let effects = plans.iter().flat_map(|plan| &plan.constraint_effects);
    let costs: i64 = effects.map(|effect| effect.cost_minor).sum();
    assert_eq!(shared.cost_minor, costs);
}

#[test]
fn no_budget_orders_only_what_is_free() {
    let mut free = sku();
    free.costs.unit_cost_minor = 0;
    let mut plans = [planned(&sku()), planned(&free)];
    let shared = share_budget(&mut plans, 0).unwrap();
    assert_eq!(shared.spent_minor, 0);
    assert_eq!(plans[0].order_quantity, 0);
    assert_eq!(plans[1].order_quantity, plans[1].wanted_quantity);
    let refused = share_budget(&mut plans, -1).unwrap_err();
    assert_eq!(refused.to_string(), "budget_minor is -1, must be 0 or more");
}

#[test]
fn a_fixed_cost_does_not_stop_the_first_pack() {
    // One unit alone never pays for its order; the whole order does.
    let mut sku = sku();
    sku.costs.ordering_minor = 2_000;
    let mut plans = [planned(&sku)];
    let wanted = plans[0].with_order.order_value_minor;
    share_budget(&mut plans, wanted - 500).unwrap();
    assert_eq!(plans[0].order_quantity, plans[0].wanted_quantity - 1);
}

#[test]
fn a_suppliers_minimum_is_met_by_the_packs_that_cost_least_or_not_at_all() {
    let mut slow = sku();
    slow.forecast = weekly(0.5, 1.0);
    let mut plans = [planned(&sku()), planned(&slow)];
    let [fast, slow] = &mut plans;
    let before = fast.with_order.order_value_minor + slow.with_order.order_value_minor;
    let minimum = before + 10_000;
    let mut both = [&mut *fast, &mut *slow];
    let shared = meet_supplier_minimum(&mut both, minimum, None).unwrap();
    assert!(
        (minimum..=minimum + 1_000).contains(&shared.spent_minor),
        "{shared:?}"
    );
    assert_eq!(shared.contradiction, None);
    // Twenty more units last two weeks of the fast one, and forty of the slow one.
    assert!(fast.order_quantity - fast.wanted_quantity >= 18);
    assert_eq!(fast.binding_constraint, Some(Constraint::SupplierMinimum));

    let mut plans = [planned(&sku())];
    let shared = meet_supplier_minimum(&mut plans, 100_000_000, Some(50_000)).unwrap();
    assert_eq!((shared.spent_minor, plans[0].order_quantity), (0, 0));
    let found = shared.contradiction.unwrap();
    assert_eq!(
        (found.smallest, found.constraint),
        (100_000_000, Constraint::SupplierMinimum)
    );
    assert!(found.largest <= 50_000);
}

#[test]
fn less_than_a_days_notice_and_no_reviews_are_defined() {
    let mut sku = sku();
    sku.lead_time = LeadTime::fixed(0.0).unwrap();
    sku.review_period_days = 0.0;
    for target in [
        Target::ServiceLevel(0.9),
        Target::FillRate(0.9),
        Target::Costs,
    ] {
        sku.target = target;
        let plan = planned(&sku);
        assert_eq!((plan.protection_days, plan.cycle_days), (0.0, 1.0));
        assert_eq!((plan.demand_mean, plan.reorder_point), (0.0, 0));
        assert!(
            plan.order_quantity <= 14,
            "{target:?}: {}",
            plan.order_quantity
        );
    }
}

#[test]
fn demand_that_never_was_orders_nothing() {
    let mut sku = sku();
    sku.forecast = weekly(0.0, 1.0);
    for target in [
        Target::ServiceLevel(0.99),
        Target::FillRate(0.99),
        Target::Costs,
    ] {
        sku.target = target;
        let plan = planned(&sku);
        assert_eq!(
            (plan.order_quantity, plan.order_up_to_level),
            (0, 0),
            "{target:?}"
        );
        assert_eq!(
            (plan.without_order.fill_rate, plan.weeks_of_cover),
            (1.0, None)
        );
    }
}

#[test]
fn a_target_of_nothing_is_met_and_one_of_everything_refused() {
    let refused = |target| {
        let mut sku = sku();
        sku.target = target;
        let PolicyError {
            field,
            value,
            limit,
        } = plan(&sku).unwrap_err();
        assert_eq!(value, 1.0);
        assert!(limit.contains("no finite stock meets every demand"));
        field
    };
    assert_eq!(refused(Target::ServiceLevel(1.0)), "service_level");
    assert_eq!(refused(Target::FillRate(1.0)), "fill_rate");
    let mut sku = sku();
    sku.target = Target::ServiceLevel(0.0);
    assert_eq!(planned(&sku).order_quantity, 0);
    sku.target = Target::FillRate(0.0);
    assert_eq!(planned(&sku).reorder_point, 0);
}

#[test]
fn a_billion_a_week_is_an_order_like_any_other() {
    let mut sku = sku();
    sku.forecast = weekly(1e9, 50.0);
    for target in [
        Target::ServiceLevel(0.95),
        Target::FillRate(0.95),
        Target::Costs,
    ] {
        sku.target = target;
        let plan = planned(&sku);
        let units = plan.order_quantity as f64;
        assert!((2.5e9..5e9).contains(&units), "{target:?}: {units}");
        assert!(plan.with_order.expected_lost_units.is_finite());
    }
}
