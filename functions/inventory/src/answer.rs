//! What inventory answers.

use crate::api::record_id;
use crate::planning::LeadTimeRule;
use crate::policy::{Constraints, Costs, Demand, LeadTime, Plan, Shared, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serving::batch::shape::{Column, Field, LineShape, RowShape, text_at};
use std::collections::BTreeMap;

/// Answer to one request.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InventoryAnswer")]
pub struct Response {
    /// The model that answered.
    pub model_version: String,
    /// The planning policy in force.
    pub policy_version: String,
    /// ISO 4217; every `_minor` amount is in its minor units.
    pub currency: String,
    /// The first day whose demand is not known; absent when every history came with the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_through: Option<String>,
    /// Value of all orders.
    pub order_value_minor: i64,
    /// What the budget did, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Shared>,
    /// What the supplier's minimum did, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier_minimum: Option<Shared>,
    /// One per SKU, in the order asked.
    pub results: Vec<SkuResult>,
}

/// What is said of one SKU.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InventoryResult")]
pub struct SkuResult {
    /// As asked.
    pub sku_id: String,
    /// As asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The first day answered for: the one asked for, but not later than the data is complete.
    pub as_of: String,
    /// Days between the day asked for and the one answered for: how old the data is.
    pub data_age_days: i64,
    /// What is known.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A state decides what else is said.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// Forecast, and ordered for.
    Planned(Box<Planned>),
    /// Forecast only: nobody said how much there is.
    ForecastOnly {
        /// The demand.
        forecast: Box<ForecastAnswer>,
        /// What is missing.
        note: String,
    },
    /// Not in the store, and without a history of its own.
    Unknown {
        /// What the state means.
        note: String,
    },
}

impl Outcome {
    /// `model`, the forecaster used instead, or `unknown`.
    pub(crate) fn answered_by(&self) -> &'static str {
        match self {
            Self::Planned(planned) => planned.forecast.forecaster,
            Self::ForecastOnly { forecast, .. } => forecast.forecaster,
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The demand, where anything is known of it.
    pub(crate) fn forecast(&self) -> Option<&ForecastAnswer> {
        match self {
            Self::Planned(planned) => Some(&planned.forecast),
            Self::ForecastOnly { forecast, .. } => Some(forecast),
            Self::Unknown { .. } => None,
        }
    }
}

/// What the log of predictions keeps of an answer: units of demand within an interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// `model`, or the name of the fallback that answered.
    pub forecaster: String,
    /// Days from the one answered for on.
    pub interval_days: f64,
    /// Expected units.
    pub mean: f64,
    /// Units that demand stays within with the probability of the name.
    pub quantiles: Quantiles,
    /// One for each lead time that was planned with.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// Demand until the end of the interval, for one lead time: a law of counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Of the lead time.
    pub probability: f64,
    /// Lead time and review period.
    pub days: f64,
    /// Expected units.
    pub mean: f64,
    /// In units squared.
    pub variance: f64,
}

/// The interval that an order must last for: what an answer sums up, and the log of predictions keeps.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    /// Lead time and review period, on average.
    pub(crate) days: f64,
    /// Demand over it.
    pub(crate) demand: Demand,
    /// From placing an order to its arrival.
    pub(crate) lead_time: LeadTime,
    /// To the next chance to order.
    pub(crate) review_period_days: f64,
}

impl Interval {
    fn parts(&self) -> Vec<Part> {
        let parts = self.lead_time.days().zip(self.demand.parts());
        let part = |(days, (probability, demand)): (f64, (f64, Demand))| Part {
            probability,
            days: days + self.review_period_days,
            mean: demand.mean(),
            variance: demand.variance(),
        };
        parts.map(part).collect()
    }
}

impl ForecastAnswer {
    pub(crate) fn told(&self) -> Told {
        Told {
            parts: self.interval.parts(),
            forecaster: self.forecaster.to_owned(),
            interval_days: self.interval_days,
            mean: self.mean,
            quantiles: self.quantiles,
        }
    }
}

/// A forecast with the order that follows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InventoryPlanned")]
pub struct Planned {
    /// The demand.
    pub forecast: ForecastAnswer,
    /// What was planned with, and where it comes from.
    pub assumptions: Assumptions,
    /// Value of the order.
    pub order_value_minor: i64,
    /// Change of the expected cost against ordering nothing; negative when the order pays.
    pub cost_against_no_order_minor: i64,
    /// The day by which stock is gone without an order, with a probability of one half; absent beyond the forecast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_out_median: Option<String>,
    /// The same with a probability of one tenth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_out_early: Option<String>,
    /// In one sentence.
    pub because: String,
    /// Every number of the decision.
    pub plan: Plan,
}

/// What an order was planned with.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InventoryAssumptions")]
pub struct Assumptions {
    /// Units on the shelf; negative is owed to customers.
    pub on_hand: i64,
    /// `request` or `store`.
    pub stock_from: &'static str,
    /// From placing an order to its arrival.
    pub lead_time_days: LeadTimeRule,
    /// Days to the next chance to order.
    pub review_period_days: f64,
    /// What the stock is for.
    pub target: Target,
    /// Minor units of money.
    pub costs: Costs,
    /// `request`, `price` (shares of the usual price) or `no price` (nothing is known, costs are 0).
    pub costs_from: &'static str,
    /// What limits the order.
    pub constraints: Constraints,
}

/// Demand over the protection interval, and week by week.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "InventoryForecast")]
pub struct ForecastAnswer {
    /// `model`, or the name of the fallback that answered.
    pub forecaster: &'static str,
    /// Why this one.
    pub because: String,
    /// Lead time and review period: what an order must last for.
    pub interval_days: f64,
    /// Expected units.
    pub mean: f64,
    /// Standard deviation, units.
    pub sd: f64,
    /// Units that demand stays within with the probability of the name.
    pub quantiles: Quantiles,
    /// The coming weeks.
    pub weeks: Vec<Week>,
    /// Why the forecast is what it is; absent for a fallback, which has no model to explain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<Explained>,
    /// What mean and quantiles are of.
    #[serde(skip)]
    pub(crate) interval: Interval,
}

/// The model's forecast for the horizon that is nearest to the interval: `log_mean = base_log_mean + all log factors`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "InventoryExplained")]
pub struct Explained {
    /// Days that were explained.
    pub horizon_days: u16,
    /// Natural logarithm of the expected units of these days.
    pub log_mean: f64,
    /// The same before any reason: the SKU's level times the days, and the model's average.
    pub base_log_mean: f64,
    /// Strongest first.
    pub reasons: Vec<Reason>,
}

/// Quantiles of a demand in units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InventoryQuantiles")]
pub struct Quantiles {
    /// 10 %.
    pub p10: f64,
    /// The median.
    pub p50: f64,
    /// 80 %.
    pub p80: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 97.5 %.
    pub p975: f64,
}

/// One coming week.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "InventoryWeek")]
pub struct Week {
    /// 1 is the week that begins now.
    pub week: u32,
    /// Expected units of this week.
    pub mean: f64,
    /// Demand from now to the end of this week.
    pub until_its_end: Quantiles,
}

/// A business reason of the forecast: the sum of the exact contributions of its columns. It explains the forecast; it
/// is not a cause.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "InventoryReason")]
pub struct Reason {
    /// Name of the group of columns.
    pub group: &'static str,
    /// Signed share of the logarithm of the mean.
    pub log_factor: f64,
    /// What it multiplies the forecast by.
    pub factor: f64,
    /// `raises`, `lowers` or `leaves` the forecast as it is.
    pub effect: &'static str,
    /// In plain words.
    pub sentence: String,
    /// The columns behind it, by name; absent ones are not known.
    pub values: BTreeMap<&'static str, f32>,
}

/// Lines of orders, grouped by product and, where they name it, location. What a planner knows of the SKU may stand beside each.
static LINES: LineShape = LineShape::of_products(
    &[
        Field::text("location"),
        Field::text("as_of"),
        Field::json("on_hand"),
        Field::json("backorders"),
        Field::json("on_order"),
        Field::json("lead_time_days"),
        Field::json("review_period_days"),
        Field::json("costs"),
        Field::json("target"),
        Field::json("constraints"),
    ],
    "location",
);

/// How files are asked and answered: a row is a SKU of a request of its own.
pub static ROWS: RowShape = RowShape {
    list: Some("skus"),
    id: "sku_id",
    kind: crate::SKU,
    whole: &[],
    fields: &[
        Field::text("sku_id"),
        Field::text("location"),
        Field::json("history"),
        Field::json("on_hand"),
        Field::json("backorders"),
        Field::json("on_order"),
        Field::json("lead_time_days"),
        Field::json("review_period_days"),
        Field::json("costs"),
        Field::json("target"),
        Field::json("constraints"),
    ],
    around: &[Field::text("as_of")],
    order_lines: Some(&LINES),
    answer: "/results/0",
    columns: &[
        Column::text("location", "/results/0/location"),
        Column::text("state", "/results/0/state"),
        Column::text("as_of", "/results/0/as_of"),
        Column::whole("on_hand", "/results/0/assumptions/on_hand"),
        Column::whole("order_quantity", "/results/0/plan/order_quantity"),
        Column::whole("order_value_minor", "/results/0/order_value_minor"),
        Column::whole(
            "cost_against_no_order_minor",
            "/results/0/cost_against_no_order_minor",
        ),
        Column::whole("reorder_point", "/results/0/plan/reorder_point"),
        Column::whole("order_up_to_level", "/results/0/plan/order_up_to_level"),
        Column::number("safety_stock", "/results/0/plan/safety_stock"),
        Column::text("runs_out_median", "/results/0/runs_out_median"),
        Column::text("runs_out_early", "/results/0/runs_out_early"),
        Column::text("forecaster", "/results/0/forecast/forecaster"),
        Column::number("interval_days", "/results/0/forecast/interval_days"),
        Column::number("forecast_mean", "/results/0/forecast/mean"),
        Column::number("forecast_p10", "/results/0/forecast/quantiles/p10"),
        Column::number("forecast_p50", "/results/0/forecast/quantiles/p50"),
        Column::number("forecast_p90", "/results/0/forecast/quantiles/p90"),
        Column::number("forecast_p95", "/results/0/forecast/quantiles/p95"),
        Column::text(
            "main_reason",
            "/results/0/forecast/explained/reasons/0/sentence",
        ),
        Column::text("because", "/results/0/because"),
        Column::text("currency", "/currency"),
        Column::text("model_version", "/model_version"),
        Column::text("policy_version", "/policy_version"),
    ],
    key: |answer| {
        let location = text_at(answer, "/results/0/location");
        let sku_id = text_at(answer, "/results/0/sku_id")?;
        Some(record_id(sku_id, location))
    },
};
