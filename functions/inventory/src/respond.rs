//! From forecasts to orders: the decision, pure.

use crate::answer::{
    Assumptions, Explained, ForecastAnswer, Interval, Outcome, Planned, Quantiles, Response,
    SkuResult, Week,
};
use crate::api::{Request, Sku, days_until, refused};
use crate::forecast::{SkuForecast, forecast};
use crate::policy::{
    Arrival, Constraint, ConstraintEffect, Demand, Forecast, Plan, PolicyError, Stock, Target,
    meet_supplier_minimum, share_budget,
};
use crate::reasons::reasons;
use crate::terms::Terms;
use crate::{Case, Inventory, KnownSku};
use features::time::LocalDay;
use serving::calendar::format_date;
use serving::error::{CallerError, Error};
use serving::predictor::{Scored, Served};

/// Weeks ahead that an answer shows.
const WEEKS: u32 = 6;

pub(crate) fn respond(
    request: &Request,
    cases: &[Case],
    scored: &[Scored],
    served: &Served<Inventory>,
) -> Result<Response, Error> {
    if request.must_exist && cases.iter().any(|case| case.known.is_none()) {
        return Err(CallerError::NotFound { what: "SKU" }.into());
    }
    let numbered = request.skus.iter().zip(cases).zip(scored).enumerate();
    let mut assessed = numbered
        .map(|(index, ((sku, case), scored))| {
            Assessed::of(sku, case, scored, served, &format!("/skus/{index}"))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let place = |error: PolicyError| Error::from(refused(&error, ""));
    let mut plans: Vec<&mut Plan> = assessed.iter_mut().filter_map(Assessed::plan).collect();
    let budget = request.budget_minor;
    let shared = budget.map(|budget| share_budget(&mut plans, budget));
    let shared = shared.transpose().map_err(place)?;
    // What the budget leaves is raised to the supplier's minimum, within the budget.
    let minimum = request.supplier_minimum_minor;
    let minimum = minimum.map(|minimum| meet_supplier_minimum(&mut plans, minimum, budget));
    let supplier_minimum = minimum.transpose().map_err(place)?;
    let results: Vec<SkuResult> = assessed.into_iter().map(Assessed::result).collect();
    Ok(Response {
        model_version: served.model.manifest.version.clone(),
        policy_version: served.policy.version.clone(),
        currency: served.model.artifacts.currency.clone(),
        complete_through: cases
            .iter()
            .find_map(|c| c.complete_through)
            .map(format_date),
        order_value_minor: results.iter().map(SkuResult::order_value_minor).sum(),
        budget: shared,
        supplier_minimum,
        results,
    })
}

/// A SKU with everything said of it but what several orders share.
struct Assessed<'a> {
    sku: &'a Sku,
    case: &'a Case,
    decided: Decided,
}

enum Decided {
    Unknown,
    Forecast(Box<ForecastAnswer>, &'static str),
    Planned(Box<Ordered>),
}

struct Ordered {
    forecast: ForecastAnswer,
    assumptions: Assumptions,
    plan: Plan,
}

impl Decided {
    fn forecast(&mut self) -> Option<&mut ForecastAnswer> {
        match self {
            Self::Unknown => None,
            Self::Forecast(forecast, _) => Some(forecast),
            Self::Planned(ordered) => Some(&mut ordered.forecast),
        }
    }
}

impl<'a> Assessed<'a> {
    fn of(
        sku: &'a Sku,
        case: &'a Case,
        scored: &Scored,
        served: &Served<Inventory>,
        pointer: &str,
    ) -> Result<Self, Error> {
        let Some(known) = &case.known else {
            let decided = Decided::Unknown;
            return Ok(Self { sku, case, decided });
        };
        let mut decided =
            decide(sku, case, known, scored, served).map_err(|error| refused(&error, pointer))?;
        if let Some(forecast) = decided.forecast() {
            forecast.explained = explained(forecast, known, scored, served)?;
        }
        Ok(Self { sku, case, decided })
    }

    fn plan(&mut self) -> Option<&mut Plan> {
        match &mut self.decided {
            Decided::Planned(ordered) => Some(&mut ordered.plan),
            _ => None,
        }
    }

    fn result(self) -> SkuResult {
        let as_of = self.case.as_of;
        SkuResult {
            sku_id: self.sku.sku_id.clone(),
            location: self.sku.location.clone(),
            as_of: format_date(as_of),
            data_age_days: i64::from(self.case.asked.0) - i64::from(as_of.0),
            outcome: match self.decided {
                Decided::Unknown => Outcome::Unknown {
                    note: "no sales of this SKU are in the store".to_owned(),
                },
                Decided::Forecast(forecast, note) => Outcome::ForecastOnly {
                    forecast,
                    note: note.to_owned(),
                },
                Decided::Planned(ordered) => Outcome::Planned(Box::new(ordered.answer(as_of))),
            },
        }
    }
}

fn decide(
    sku: &Sku,
    case: &Case,
    known: &KnownSku,
    scored: &Scored,
    served: &Served<Inventory>,
) -> Result<Decided, PolicyError> {
    let rules = served.policy.rules(&known.history.demand.category);
    let forecast = forecast(known, scored, &served.model)?;
    let terms = Terms::of(sku, known, rules);
    let lead_time = terms.lead_time.lead_time()?;
    let interval = Interval {
        days: lead_time.mean_days() + terms.review_period_days,
        demand: lead_time.demand(&forecast.demand, terms.review_period_days)?,
        lead_time,
        review_period_days: terms.review_period_days,
    };
    let answer = forecast_answer(&forecast, interval)?;
    let Some((stock, stock_from)) = stock(sku, case, known) else {
        let note = "nobody said how much is on hand: name `on_hand` to have an order planned";
        return Ok(Decided::Forecast(Box::new(answer), note));
    };
    let (on_hand, plan) = (stock.on_hand, terms.plan(forecast.demand, stock)?);
    let assumptions = Assumptions {
        on_hand,
        stock_from,
        lead_time_days: terms.lead_time,
        review_period_days: terms.review_period_days,
        target: terms.target,
        costs: terms.costs,
        costs_from: terms.costs_from,
        constraints: terms.constraints,
    };
    Ok(Decided::Planned(Box::new(Ordered {
        forecast: answer,
        assumptions,
        plan,
    })))
}

/// What is there: as the request says, or as the store knows it, which it does for the end of its data only.
fn stock(sku: &Sku, case: &Case, known: &KnownSku) -> Option<(Stock, &'static str)> {
    if let Some(stock) = sku.stock(case.as_of) {
        return Some((stock, "request"));
    }
    let at_the_end = case.complete_through == Some(case.as_of);
    let stored = known.history.demand.stock.as_ref().filter(|_| at_the_end)?;
    // Part units are not on the shelf yet; owed ones are owed in full.
    let units = |milli: i64| milli.div_euclid(1000);
    let arrivals = stored.on_order.iter().map(|order| Arrival {
        quantity: units(order.units_milli).unsigned_abs(),
        arrives_in_days: days_until(order.arrives, case.as_of),
    });
    let stock = Stock {
        on_hand: units(stored.on_hand_milli),
        backorders: sku.backorders,
        on_order: arrivals.collect(),
    };
    Some((stock, "store"))
}

fn forecast_answer(
    forecast: &SkuForecast,
    interval: Interval,
) -> Result<ForecastAnswer, PolicyError> {
    Ok(ForecastAnswer {
        forecaster: forecast.forecaster,
        because: forecast.because.clone(),
        interval_days: interval.days,
        mean: interval.demand.mean(),
        sd: interval.demand.sd(),
        quantiles: quantiles(&interval.demand),
        weeks: weeks(&forecast.demand)?,
        explained: None,
        interval,
    })
}

fn weeks(forecast: &Forecast) -> Result<Vec<Week>, PolicyError> {
    let mut before = 0.0;
    let mut of = |week: u32| {
        let until = forecast.over(f64::from(7 * week))?;
        let mean = until.mean() - before;
        before = until.mean();
        Ok(Week {
            week,
            mean,
            until_its_end: quantiles(&until),
        })
    };
    (1..=WEEKS).map(&mut of).collect()
}

fn quantiles(demand: &Demand) -> Quantiles {
    Quantiles {
        p10: demand.quantile(0.1),
        p50: demand.quantile(0.5),
        p80: demand.quantile(0.8),
        p90: demand.quantile(0.9),
        p95: demand.quantile(0.95),
        p975: demand.quantile(0.975),
    }
}

/// The reasons of a forecast of the model, for the horizon that is nearest to the interval.
fn explained(
    forecast: &ForecastAnswer,
    known: &KnownSku,
    scored: &Scored,
    served: &Served<Inventory>,
) -> Result<Option<Explained>, Error> {
    let distance = |days: u16| (f64::from(days) - forecast.interval_days).abs();
    let horizons = served.model.artifacts.horizons_days.iter().copied();
    let rows = horizons.zip(&scored.raw).zip(scored.rows.rows());
    let nearest = rows.min_by(|a, b| distance(a.0.0).total_cmp(&distance(b.0.0)));
    let Some(((horizon_days, raw), row)) = nearest.filter(|_| forecast.forecaster == "model")
    else {
        return Ok(None);
    };
    let explained = served.model.explain(row)?;
    let log_level = libm::log(known.view().level_per_day * f64::from(horizon_days));
    Ok(explained.map(|explained| Explained {
        horizon_days,
        log_mean: log_level + raw,
        base_log_mean: log_level + explained.base,
        reasons: reasons(&explained, row),
    }))
}

impl Ordered {
    fn answer(self, as_of: LocalDay) -> Planned {
        let day = |days: Option<f64>| {
            days.map(|days| format_date(LocalDay(as_of.0.saturating_add(days as i32))))
        };
        let (with, without) = (&self.plan.with_order, &self.plan.without_order);
        Planned {
            order_value_minor: with.order_value_minor,
            cost_against_no_order_minor: with
                .expected_cost
                .total_minor
                .saturating_sub(without.expected_cost.total_minor),
            runs_out_median: day(self.plan.run_out.median_days),
            runs_out_early: day(self.plan.run_out.p10_days),
            because: because(&self.plan, self.assumptions.target),
            forecast: self.forecast,
            assumptions: self.assumptions,
            plan: self.plan,
        }
    }
}

/// Why this much, in one sentence.
fn because(plan: &Plan, target: Target) -> String {
    let goal = match target {
        Target::ServiceLevel(level) => format!("a service level of {} %", share(level)),
        Target::FillRate(rate) => format!("a fill rate of {} %", share(rate)),
        Target::Costs => "the least expected cost".to_owned(),
    };
    if plan.wanted_quantity == 0 {
        return format!(
            "no order: a position of {} is above the reorder point of {} for {goal}",
            plan.inventory_position, plan.reorder_point
        );
    }
    let wanted = format!(
        "{} would raise the position of {} to {} for {goal}",
        plan.wanted_quantity, plan.inventory_position, plan.order_up_to_level
    );
    let change = |effect: &ConstraintEffect| {
        let name = constraint_name(effect.constraint);
        format!("{name} makes it {}", effect.quantity_after)
    };
    let changes: Vec<String> = plan.constraint_effects.iter().map(change).collect();
    if changes.is_empty() {
        wanted
    } else {
        format!("{wanted}; {}", changes.join("; "))
    }
}

fn constraint_name(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::MinimumOrderQuantity => "the minimum order quantity",
        Constraint::PackSize => "the pack size",
        Constraint::ShelfCap => "the shelf",
        Constraint::MaximumCover => "the maximum cover",
        Constraint::ShelfLife => "the shelf life",
        Constraint::Budget => "the budget",
        Constraint::SupplierMinimum => "the supplier's minimum",
    }
}

fn share(value: f64) -> String {
    let text = format!("{:.2}", value * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl SkuResult {
    fn order_value_minor(&self) -> i64 {
        match &self.outcome {
            Outcome::Planned(planned) => planned.order_value_minor,
            _ => 0,
        }
    }
}
