//! SKUs that the tests of plans start from.

use inventory::policy::{
    Arrival, Constraints, Costs, Demand, Forecast, LeadTime, Plan, Sku, Stock, Target, plan,
};

/// Negative binomial demand of `weekly` units a week for half a year, each week as variable as `size` says.
pub(crate) fn weekly(weekly: f64, size: f64) -> Forecast {
    let horizon = |week: i32| {
        let weeks = f64::from(week);
        let demand = Demand::negative_binomial(weekly * weeks, size * weeks);
        (7.0 * weeks, demand.expect("a law"))
    };
    Forecast::new((1..=26).map(horizon).collect()).expect("a forecast")
}

/// Ten units a week, two weeks of lead time, a review every week, nothing on the shelf, service level .95.
pub(crate) fn sku() -> Sku {
    Sku {
        forecast: weekly(10.0, 5.0),
        stock: Stock::default(),
        lead_time: LeadTime::fixed(14.0).expect("a lead time"),
        review_period_days: 7.0,
        costs: Costs {
            unit_cost_minor: 500,
            holding_minor_per_unit_day: 0.4,
            stockout_minor_per_unit: 300.0,
            ordering_minor: 0,
        },
        target: Target::ServiceLevel(0.95),
        constraints: Constraints::default(),
    }
}

pub(crate) fn planned(sku: &Sku) -> Plan {
    plan(sku).expect("a plan")
}

pub(crate) fn arrival(quantity: u64, arrives_in_days: f64) -> Arrival {
    Arrival {
        quantity,
        arrives_in_days,
    }
}
