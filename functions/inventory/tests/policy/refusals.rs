//! What no formula is defined for is refused with the field, the value and the limit.

use crate::shelf::{arrival, sku};
use inventory::policy::lot_size::{Steady, economic_order_quantity, economic_production_quantity};
use inventory::policy::newsvendor::{Prices, UnitCosts, newsvendor, newsvendor_by_price};
use inventory::policy::order_up_to::{OrderUpToTerms, order_up_to_discrete};
use inventory::policy::service::for_service_level;
use inventory::policy::wagner_whitin::wagner_whitin;
use inventory::policy::{Demand, Forecast, LeadTime, PolicyError, ShelfLife, Sku, Target, plan};

const NOT_NUMBERS: [f64; 3] = [f64::NAN, f64::INFINITY, -1.0];

#[track_caller]
fn refuses<T: std::fmt::Debug>(found: Result<T, PolicyError>, field: &str) {
    let error = found.expect_err(field);
    assert_eq!(error.field, field);
    let text = error.to_string();
    assert!(text.contains(field) && text.contains(error.limit), "{text}");
}

#[test]
fn laws_refuse_what_is_no_demand() {
    for wrong in NOT_NUMBERS {
        refuses(Demand::normal(wrong, 1.0), "demand_mean");
        refuses(Demand::normal(1.0, wrong), "demand_sd");
        refuses(Demand::poisson(wrong), "demand_mean");
        refuses(Demand::negative_binomial(wrong, 1.0), "demand_mean");
        refuses(Demand::from_moments(1.0, wrong), "demand_variance");
    }
    refuses(Demand::poisson(2e12), "demand_mean");
    refuses(Demand::negative_binomial(1.0, 0.0), "demand_size");
    refuses(Demand::negative_binomial(1.0, f64::NAN), "demand_size");
    refuses(Demand::empirical(&[]), "demand_pmf");
    refuses(Demand::empirical(&[0.5, 0.4]), "demand_pmf");
    refuses(Demand::empirical(&[1.5, -0.5]), "demand_pmf");
    refuses(Demand::empirical(&[f64::NAN]), "demand_pmf");
    refuses(Demand::mixture(vec![]), "mixture_weights");
    let infinite_size = Demand::negative_binomial(3.0, f64::INFINITY).unwrap();
    assert_eq!(infinite_size.variance(), 3.0);
}

#[test]
fn probabilities_at_the_ends_have_answers() {
    let ends = |law: &Demand| (law.quantile(0.0), law.quantile(1.0));
    let normal = Demand::normal(5.0, 1.0).unwrap();
    assert_eq!(ends(&normal), (f64::NEG_INFINITY, f64::INFINITY));
    assert_eq!(ends(&Demand::poisson(5.0).unwrap()), (0.0, f64::INFINITY));
    let counted = Demand::empirical(&[0.0, 0.5, 0.5, 0.0]).unwrap();
    assert_eq!(ends(&counted), (1.0, 2.0));
    assert_eq!(
        ends(&Demand::normal(5.0, 0.0).unwrap()).0,
        f64::NEG_INFINITY
    );
    for wrong in [f64::NAN, -0.1, 1.1] {
        assert!(normal.quantile(wrong).is_nan());
    }
    for law in [&normal, &counted] {
        assert_eq!((law.cdf(f64::INFINITY), law.sf(f64::INFINITY)), (1.0, 0.0));
        assert_eq!(
            (law.cdf(f64::NEG_INFINITY), law.loss(f64::INFINITY)),
            (0.0, 0.0)
        );
        assert!(law.cdf(f64::NAN).is_nan() && law.loss(f64::NAN).is_nan());
        assert!(law.second_loss(f64::NAN).is_nan() && law.complementary_loss(f64::NAN).is_nan());
    }
    refuses(for_service_level(&normal, 1.0), "service_level");
}

#[test]
fn a_certain_demand_is_a_law_too() {
    let certain = Demand::normal(5.0, 0.0).unwrap();
    assert_eq!((certain.cdf(4.9), certain.cdf(5.0)), (0.0, 1.0));
    assert_eq!((certain.loss(3.0), certain.loss(6.0)), (2.0, 0.0));
    assert_eq!(certain.quantile(0.3), 5.0);
    let never = Demand::poisson(0.0).unwrap();
    assert_eq!(
        (never.quantile(0.99), never.loss(0.0), never.cdf(0.0)),
        (0.0, 0.0, 1.0)
    );
}

#[test]
fn textbook_policies_refuse_costs_that_decide_nothing() {
    let demand = Demand::poisson(5.0).unwrap();
    let costs = |holding, stockout| UnitCosts { holding, stockout };
    for wrong in [0.0, f64::NAN, f64::INFINITY, -1.0] {
        refuses(newsvendor(&demand, costs(wrong, 1.0)), "holding");
        refuses(newsvendor(&demand, costs(1.0, wrong)), "stockout");
    }
    let prices = Prices {
        price: 2.0,
        unit_cost: 2.0,
        salvage: 0.0,
        holding: 0.0,
        stockout: 0.0,
    };
    refuses(newsvendor_by_price(&demand, prices), "unit_cost");
    let prices = Prices {
        unit_cost: 1.0,
        salvage: 1.0,
        ..prices
    };
    refuses(newsvendor_by_price(&demand, prices), "salvage");
    let steady = Steady {
        fixed_cost: 1.0,
        holding: 0.0,
        demand_rate: 1.0,
    };
    refuses(economic_order_quantity(steady), "holding");
    let steady = Steady {
        holding: 1.0,
        ..steady
    };
    refuses(economic_production_quantity(steady, 1.0), "production_rate");
    refuses(wagner_whitin(&[1.0, f64::NAN], 1.0, 1.0), "demand");
    assert_eq!(wagner_whitin(&[], 1.0, 1.0).unwrap().cost, 0.0);
    let large = Demand::poisson(1e5).unwrap();
    let terms = OrderUpToTerms {
        period: &large,
        protection: &large,
        unit_costs: costs(1.0, 1.0),
        fixed_cost: 1.0,
    };
    refuses(order_up_to_discrete(&terms), "demand_mean");
}

#[test]
fn plans_refuse_what_cannot_be_planned() {
    let refused = |change: &dyn Fn(&mut Sku), field: &str| {
        let mut sku = sku();
        change(&mut sku);
        refuses(plan(&sku), field);
    };
    for wrong in NOT_NUMBERS {
        refused(&|s| s.review_period_days = wrong, "review_period_days");
        refused(&|s| s.target = Target::FillRate(wrong), "fill_rate");
        refused(
            &|s| s.costs.stockout_minor_per_unit = wrong,
            "stockout_minor_per_unit",
        );
        refused(
            &|s| s.stock.on_order = vec![arrival(1, wrong)],
            "arrives_in_days",
        );
        refused(
            &|s| s.constraints.maximum_cover_weeks = Some(wrong),
            "maximum_cover_weeks * 7",
        );
        refuses(LeadTime::fixed(wrong), "lead_time_days");
    }
    refused(&|s| s.costs.unit_cost_minor = -1, "unit_cost_minor");
    refused(&|s| s.costs.ordering_minor = i64::MAX, "ordering_minor");
    refused(&|s| s.stock.on_hand = i64::MIN, "on_hand");
    refused(
        &|s| s.stock.on_order = vec![arrival(u64::MAX, 1.0)],
        "quantity",
    );
    refused(&|s| s.constraints.pack_size = Some(0), "pack_size");
    refused(
        &|s| s.constraints.minimum_order_quantity = Some(u64::MAX),
        "minimum_order_quantity",
    );
    let spoiled = ShelfLife {
        days: 0.0,
        least_sale_probability: 0.5,
    };
    refused(
        &|s| s.constraints.shelf_life = Some(spoiled),
        "shelf_life.days",
    );
    // A cost target without a cost has no best level.
    refused(
        &|s| {
            s.target = Target::Costs;
            s.costs.holding_minor_per_unit_day = 0.0;
        },
        "holding_minor_per_unit_day",
    );
    refuses(
        LeadTime::distribution(&[(1.0, 0.5)]),
        "lead_time_probability",
    );
    refuses(LeadTime::distribution(&[]), "lead_time_probability");
    refuses(Forecast::new(vec![]), "horizons");
    let demand = Demand::poisson(1.0).unwrap();
    let twice = vec![(7.0, demand.clone()), (7.0, demand)];
    refuses(Forecast::new(twice), "horizon_days");
}
