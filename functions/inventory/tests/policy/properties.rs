//! What must hold for any input.

use crate::shelf::{arrival, planned, sku, weekly};
use inventory::policy::service::{Cycle, for_fill_rate, for_fill_rate_by_lot, for_service_level};
use inventory::policy::{
    Constraints, Costs, Demand, Forecast, LeadTime, Plan, ShelfLife, Sku, Stock, Target,
    meet_supplier_minimum, plan, share_budget,
};
use proptest::prelude::*;

fn exponent(low: f64, high: f64) -> impl Strategy<Value = f64> + Clone {
    (low.log10()..high.log10()).prop_map(|power| 10f64.powf(power))
}

/// A law of any kind with a mean from a millionth to a billion.
fn law() -> impl Strategy<Value = Demand> {
    let made = |demand: Result<Demand, _>| demand.expect("a law");
    let moments = (exponent(1e-6, 1e9), exponent(0.01, 1e4));
    let counted = prop::collection::vec(1u32..50, 1..30);
    let single = prop_oneof![
        moments
            .clone()
            .prop_map(move |(m, v)| made(Demand::normal(m, m * v.min(1.0)))),
        moments
            .clone()
            .prop_map(move |(m, _)| made(Demand::poisson(m))),
        moments.prop_map(move |(m, r)| made(Demand::negative_binomial(m, r))),
        counted.prop_map(move |counts| {
            let total = f64::from(counts.iter().sum::<u32>());
            let pmf: Vec<f64> = counts.iter().map(|c| f64::from(*c) / total).collect();
            made(Demand::empirical(&pmf))
        }),
    ];
    let pair = (single.clone(), single.clone(), 0.01..0.99f64);
    let mixed = move |(a, b, p)| made(Demand::mixture(vec![(p, a), (1.0 - p, b)]));
    prop_oneof![4 => single, 1 => pair.prop_map(mixed)]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        (0.0..0.999f64).prop_map(Target::ServiceLevel),
        (0.0..0.999f64).prop_map(Target::FillRate),
        Just(Target::Costs),
    ]
}

fn constraints() -> impl Strategy<Value = Constraints> {
    let life = (1.0..60.0f64, 0.0..0.99f64).prop_map(|(days, least_sale_probability)| ShelfLife {
        days,
        least_sale_probability,
    });
    (
        prop::option::of(0..200u64),
        prop::option::of(1..50u64),
        prop::option::of(0..300u64),
        prop::option::of(0.0..20.0f64),
        prop::option::of(life),
    )
        .prop_map(
            |(minimum, pack_size, shelf_cap, weeks, shelf_life)| Constraints {
                minimum_order_quantity: minimum,
                pack_size,
                shelf_cap,
                maximum_cover_weeks: weeks,
                shelf_life,
            },
        )
}

fn any_sku() -> impl Strategy<Value = Sku> {
    let demand = (exponent(0.05, 80.0), exponent(0.2, 50.0));
    let open = prop::collection::vec((0..40u64, 0.0..60.0f64), 0..4);
    let stock = (-20..150i64, 0..5u64, open);
    let lead_time = prop::collection::vec((0.0..30.0f64, 1..10u32), 1..4);
    let money = (0..3_000i64, 0.01..3.0f64, 1.0..2_000.0f64, 0..5_000i64);
    (
        demand,
        stock,
        lead_time,
        0.0..20.0f64,
        money,
        target(),
        constraints(),
    )
        .prop_map(
            |(
                (mean, size),
                (on_hand, backorders, open),
                lead,
                review,
                money,
                target,
                constraints,
            )| {
                let weight: u32 = lead.iter().map(|(_, w)| w).sum();
                let share = |w: u32| f64::from(w) / f64::from(weight);
                let lead: Vec<_> = lead.iter().map(|(days, w)| (*days, share(*w))).collect();
                Sku {
                    forecast: weekly(mean, size),
                    stock: Stock {
                        on_hand,
                        backorders,
                        on_order: open.into_iter().map(|(q, days)| arrival(q, days)).collect(),
                    },
                    lead_time: LeadTime::distribution(&lead).expect("a lead time"),
                    review_period_days: review,
                    costs: Costs {
                        unit_cost_minor: money.0,
                        holding_minor_per_unit_day: money.1,
                        stockout_minor_per_unit: money.2,
                        ordering_minor: money.3,
                    },
                    target,
                    constraints,
                }
            },
        )
}

/// Whole packs from the minimum up, within every cap, or nothing.
fn within_constraints(plan: &Plan, sku: &Sku) -> Result<(), TestCaseError> {
    let quantity = plan.order_quantity;
    if quantity == 0 {
        return Ok(());
    }
    let limits = sku.constraints;
    prop_assert!(quantity.is_multiple_of(limits.pack_size.unwrap_or(1)));
    prop_assert!(quantity >= limits.minimum_order_quantity.unwrap_or(0));
    let lead = sku.lead_time.demand(&sku.forecast, 0.0).expect("a law");
    let on_arrival = lead.complementary_loss(plan.inventory_position as f64) + quantity as f64;
    if let Some(cap) = limits.shelf_cap {
        prop_assert!(on_arrival <= cap as f64 + 1e-9);
    }
    if let Some(weeks) = limits.maximum_cover_weeks {
        let covered = sku
            .lead_time
            .demand(&sku.forecast, weeks * 7.0)
            .expect("a law");
        prop_assert!(on_arrival <= covered.mean() - lead.mean() + 1e-9);
    }
    if let Some(life) = limits.shelf_life {
        let sells = sku
            .lead_time
            .demand(&sku.forecast, life.days)
            .expect("a law");
        let last = plan.inventory_position as f64 + quantity as f64;
        prop_assert!(sells.sf(last - 1.0) >= life.least_sale_probability - 1e-9);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_quantile_is_the_first_that_reaches_its_probability(law in law(), p in 1e-4..0.9999f64) {
        let x = law.quantile(p);
        let unit = if law.is_discrete() { 1.0 } else { 1e-6 * law.sd().max(1e-9) };
        prop_assert!(law.cdf(x) >= p - 1e-12);
        prop_assert!(law.cdf(x - unit) < p + 1e-12);
        prop_assert!(law.quantile(law.cdf(x).min(0.9999)) <= x + 1e-6 * law.sd());
        prop_assert!((law.cdf(x) + law.sf(x) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn losses_fall_and_are_convex(law in law(), at in -3.0..6.0f64, width in 0.001..2.0f64) {
        let (x, step) = (law.mean() + at * law.sd(), width * law.sd());
        let [a, b, c] = [x - step, x, x + step].map(|x| law.loss(x));
        // What rounding leaves of the difference of two figures of the size of the mean.
        let dust = 1e-9 * (law.mean() + law.sd());
        prop_assert!(a >= b - dust && b >= c - dust, "{a} {b} {c}");
        prop_assert!(a - 2.0 * b + c >= -dust, "{a} {b} {c}");
        prop_assert!(law.second_loss(x) >= law.second_loss(x + step) - dust * law.sd());
        let left = law.complementary_loss(x);
        prop_assert!((left - law.loss(x) - (x - law.mean())).abs() <= dust);
    }

    #[test]
    fn a_mixture_has_the_average_of_its_parts(a in law(), b in law(), p in 0.01..0.99f64, at in -1.0..3.0f64) {
        let mixed = Demand::mixture(vec![(p, a.clone()), (1.0 - p, b.clone())]).unwrap();
        let x = (mixed.mean() + at * mixed.sd()).floor();
        let average = |of: fn(&Demand, f64) -> f64| p * of(&a, x) + (1.0 - p) * of(&b, x);
        prop_assert!((mixed.cdf(x) - average(Demand::cdf)).abs() < 1e-12);
        prop_assert!((mixed.loss(x) - average(Demand::loss)).abs() <= 1e-9 * (mixed.loss(x) + mixed.sd()));
    }

    #[test]
    fn safety_stock_grows_with_target_and_spread(
        mean in 1.0..1e4f64,
        spread in 0.01..0.5f64,
        more in 1.0..3.0f64,
        target in 0.5..0.99f64,
        higher in 0.0..0.009f64,
        lot in 1.0..1e3f64,
    ) {
        let tight = Demand::normal(mean, spread * mean).unwrap();
        let wide = Demand::normal(mean, spread * more * mean).unwrap();
        let stock = |law: &Demand, target| {
            let cycle = Cycle { protection: law, lead_time_demand: law, lift: lot, cycle_demand: lot };
            [
                for_service_level(law, target).unwrap().safety_stock,
                for_fill_rate_by_lot(law, lot, target).unwrap().safety_stock,
                for_fill_rate(&cycle, target).unwrap().safety_stock,
            ]
        };
        let (base, raised, wider) = (stock(&tight, target), stock(&tight, target + higher), stock(&wide, target));
        for kind in 0..3 {
            prop_assert!(raised[kind] >= base[kind] - 1e-6);
            prop_assert!(wider[kind] >= base[kind] - 1e-6 * mean);
        }
        // A share of demand is easier to meet than all of it, unless lots are tiny.
        prop_assert!(base[2] <= base[0] + 1e-6 * mean);
    }

    #[test]
    fn a_fill_rate_is_met_by_the_smallest_level_that_does(
        mean in exponent(0.05, 500.0),
        size in exponent(0.2, 50.0),
        days in (0.0..30.0f64, 1.0..30.0f64),
        lift in 0.0..100.0f64,
        target in 0.0..0.999f64,
    ) {
        let forecast = weekly(mean, size);
        let (lead, protection) = (forecast.over(days.0).unwrap(), forecast.over(days.0 + days.1).unwrap());
        let lift = lift.floor();
        let cycle_demand = protection.mean() - lead.mean() + lift;
        let cycle = Cycle { protection: &protection, lead_time_demand: &lead, lift, cycle_demand };
        let level = for_fill_rate(&cycle, target).unwrap().level;
        prop_assert!(cycle.fill_rate(level) >= target - 1e-9);
        prop_assert!(cycle.fill_rate(level - 1.0) <= target + 1e-9);
    }

    #[test]
    fn less_stock_orders_more(sku in any_sku(), fewer in 1..50i64) {
        let unlimited = Sku { constraints: Constraints::default(), ..sku };
        let mut poorer = unlimited.clone();
        poorer.stock.on_hand -= fewer;
        prop_assert!(planned(&poorer).order_quantity >= planned(&unlimited).order_quantity);
    }

    #[test]
    fn constraints_are_never_violated_and_every_change_is_accounted_for(sku in any_sku()) {
        let plan = planned(&sku);
        within_constraints(&plan, &sku)?;
        let mut quantity = plan.wanted_quantity;
        for effect in &plan.constraint_effects {
            prop_assert_eq!(effect.quantity_before, quantity);
            quantity = effect.quantity_after;
        }
        prop_assert_eq!(quantity, plan.order_quantity);
        prop_assert_eq!(quantity, plan.with_order.order_quantity);
        prop_assert!(plan.contradiction.is_none() || quantity == 0);
        prop_assert!(plan.with_order.expected_lost_units <= plan.without_order.expected_lost_units + 1e-9);
        prop_assert!(serde_json::to_string(&plan).unwrap().contains("order_quantity"));
    }

    #[test]
    fn targets_are_met_where_nothing_limits(sku in any_sku()) {
        let plan = planned(&Sku { constraints: Constraints::default(), ..sku.clone() });
        if let Target::ServiceLevel(level) = sku.target {
            prop_assert!(plan.with_order.service_level >= level - 1e-9);
        }
    }

    #[test]
    fn a_cost_target_finds_the_cheapest_order(sku in any_sku(), off in -30..30i64) {
        let mut sku = Sku { target: Target::Costs, constraints: Constraints::default(), ..sku };
        sku.costs.ordering_minor = 0;
        // Without a lead time nothing is lost before the order arrives, which would hide the differences.
        sku.lead_time = LeadTime::fixed(0.0).unwrap();
        sku.stock = Stock { on_hand: sku.stock.on_hand.rem_euclid(8), ..Stock::default() };
        let best = planned(&sku);
        // Another order by way of a minimum that asks for it.
        let other = best.order_quantity.saturating_add_signed(off);
        if best.order_quantity == 0 || other == 0 {
            return Ok(());
        }
        sku.constraints.minimum_order_quantity = Some(other);
        sku.constraints.shelf_cap = None;
        let forced = planned(&sku);
        let cost = |plan: &Plan| plan.with_order.expected_cost.total_minor;
        prop_assert!(cost(&forced) >= cost(&best) - 3, "{} at {}", cost(&forced), forced.order_quantity);
        prop_assert!(cost(&best) <= best.without_order.expected_cost.total_minor + 3);
    }

    #[test]
    fn budgets_are_never_exceeded(skus in prop::collection::vec(any_sku(), 1..8), share in 0.0..1.2f64) {
        let mut plans: Vec<Plan> = skus.iter().map(planned).collect();
        let before: Vec<u64> = plans.iter().map(|plan| plan.order_quantity).collect();
        let wanted: i64 = plans.iter().map(|plan| plan.with_order.order_value_minor).sum();
        let budget = (share * wanted as f64) as i64;
        let shared = share_budget(&mut plans, budget).unwrap();
        let spent: i64 = plans.iter().map(|plan| plan.with_order.order_value_minor).sum();
        prop_assert!(spent <= budget || spent == wanted && budget >= wanted);
        prop_assert_eq!((shared.wanted_minor, shared.spent_minor), (wanted, spent));
        for ((plan, sku), before) in plans.iter().zip(&skus).zip(before) {
            prop_assert!(plan.order_quantity <= before);
            within_constraints(plan, sku)?;
            // What is left would not buy another pack of anything that was cut.
            let pack = i64::try_from(sku.constraints.pack_size.unwrap_or(1)).unwrap();
            let cut = plan.order_quantity > 0 && plan.order_quantity < before;
            prop_assert!(!cut || budget - spent < pack * sku.costs.unit_cost_minor);
        }
    }

    #[test]
    fn a_suppliers_minimum_is_met_or_nothing_is_ordered(
        skus in prop::collection::vec(any_sku(), 1..6),
        minimum in 0..200_000i64,
        budget in prop::option::of(0..400_000i64),
    ) {
        let mut plans: Vec<Plan> = skus.iter().map(planned).collect();
        let before: i64 = plans.iter().map(|plan| plan.with_order.order_value_minor).sum();
        let shared = meet_supplier_minimum(&mut plans, minimum, budget).unwrap();
        let value: i64 = plans.iter().map(|plan| plan.with_order.order_value_minor).sum();
        prop_assert!(value == 0 || value >= minimum);
        prop_assert_eq!(value, shared.spent_minor);
        prop_assert!(value <= before.max(budget.unwrap_or(i64::MAX)));
        prop_assert!(shared.contradiction.is_none() || value == 0);
        for (plan, sku) in plans.iter().zip(&skus) {
            within_constraints(plan, sku)?;
        }
    }

    #[test]
    fn numbers_from_anywhere_give_an_answer_or_a_refusal(
        numbers in prop::collection::vec(
            prop_oneof![
                any::<f64>(),
                Just(0.0), Just(1.0), Just(1e-6), Just(1e9), Just(1e12), 0.0..1e3f64,
            ],
            10,
        ),
        whole in prop::collection::vec(prop_oneof![any::<u64>(), 0..1_000_000_000_000u64, 0..9u64], 4),
        kind in 0..3usize,
    ) {
        let demand = [Demand::normal, Demand::negative_binomial][kind % 2](numbers[0], numbers[1]);
        let Ok(demand) = demand else { return Ok(()) };
        let Ok(forecast) = Forecast::new(vec![(7.0, demand)]) else { return Ok(()) };
        let Ok(lead_time) = LeadTime::distribution(&[(numbers[2], 0.5), (numbers[3], 0.5)]) else { return Ok(()) };
        let targets = [Target::ServiceLevel(numbers[4]), Target::FillRate(numbers[4]), Target::Costs];
        let answer = plan(&Sku {
            forecast,
            lead_time,
            review_period_days: numbers[5],
            stock: Stock { on_hand: whole[0].cast_signed(), backorders: whole[1], on_order: vec![] },
            costs: Costs {
                unit_cost_minor: whole[2].cast_signed(),
                holding_minor_per_unit_day: numbers[6],
                stockout_minor_per_unit: numbers[7],
                ordering_minor: whole[3].cast_signed(),
            },
            target: targets[kind],
            constraints: Constraints {
                minimum_order_quantity: Some(whole[3]),
                pack_size: Some(whole[1]),
                maximum_cover_weeks: Some(numbers[8]),
                ..sku().constraints
            },
        });
        if let Ok(plan) = answer {
            let outcome = plan.with_order;
            prop_assert!((0.0..=1.0).contains(&outcome.stockout_probability));
            prop_assert!(outcome.expected_lost_units >= 0.0 && outcome.expected_lost_units.is_finite());
            prop_assert!(plan.safety_stock.is_finite() && plan.demand_sd.is_finite());
        }
    }
}
