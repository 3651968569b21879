//! What churn is asked and what it answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serving::batch::shape::{Column, Field, LineShape, RowShape, text_at};
use serving::error::Error;
use serving::route::{ParameterKind, Parameters, QueryParameter};
use serving::wire::{
    ID_LIMIT_BYTES, InlineHistory, check_id, parse_body, parse_instant, shown, value_error,
};
use std::collections::HashSet;
use std::sync::Arc;

use features::history::CustomerHistory;
use features::time::Timestamp;
use serving::error::CallerError;

/// Customers of one request.
pub const CUSTOMERS_LIMIT: usize = 100;
/// Largest budget in minor units.
const BUDGET_LIMIT_MINOR: i64 = 1_000_000_000_000;

/// The instant of a query.
pub(crate) const AS_OF: QueryParameter = QueryParameter {
    name: "as_of",
    meaning: "The instant to answer for; now when left out.",
    kind: ParameterKind::Instant,
};

/// Whom to answer for, and within which budget.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChurnRequest")]
pub struct Body {
    /// Each at most once.
    #[schemars(length(min = 1, max = CUSTOMERS_LIMIT))]
    customers: Vec<BodyCustomer>,
    /// The instant to answer for, RFC 3339 with an offset; now when left out.
    #[schemars(extend("format" = "date-time"))]
    as_of: Option<String>,
    /// What interventions may cost together, minor units; no limit when left out.
    #[schemars(range(min = 0, max = BUDGET_LIMIT_MINOR))]
    budget_minor: Option<i64>,
}

/// A customer, by id or with a history.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChurnCustomer")]
struct BodyCustomer {
    /// The shop's id, at most 256 bytes.
    #[schemars(length(min = 1, max = ID_LIMIT_BYTES))]
    customer_id: String,
    /// Read from the store when left out.
    history: Option<InlineHistory>,
}

/// `POST /v1/churn`: up to 100 customers.
#[derive(Debug)]
pub struct Request {
    /// Whom to answer for.
    pub customers: Vec<Customer>,
    /// The instant to answer for; the handler's clock when left out.
    pub as_of: Option<Timestamp>,
    /// What interventions may cost together, in minor units; no limit when left out.
    pub budget_minor: Option<i64>,
    /// Whether an unknown customer fails the request (one asked for by its path) or is one result of many.
    pub must_exist: bool,
}

/// One customer of a request.
#[derive(Debug)]
pub struct Customer {
    /// The shop's id.
    pub customer_id: String,
    /// Given in the request; read from the store when left out.
    pub history: Option<Arc<CustomerHistory>>,
}

impl Request {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let body: Body = parse_body(body)?;
        if body.customers.is_empty() || body.customers.len() > CUSTOMERS_LIMIT {
            let reason = format!(
                "{} customers, 1 to {CUSTOMERS_LIMIT} allowed",
                body.customers.len()
            );
            return Err(value_error("/customers".into(), reason).into());
        }
        let mut seen = HashSet::new();
        let customers = body
            .customers
            .into_iter()
            .enumerate()
            .map(|(index, customer)| {
                let pointer = format!("/customers/{index}");
                check_id(&customer.customer_id, &format!("{pointer}/customer_id"))?;
                if !seen.insert(customer.customer_id.clone()) {
                    let reason = format!("{} stands there twice", shown(&customer.customer_id));
                    return Err(value_error(format!("{pointer}/customer_id"), reason));
                }
                let history = customer
                    .history
                    .map(|h| h.parse(&format!("{pointer}/history")))
                    .transpose()?;
                Ok::<_, CallerError>(Customer {
                    customer_id: customer.customer_id,
                    history: history.map(Arc::new),
                })
            });
        let budget_minor = body.budget_minor;
        if let Some(budget) = budget_minor.filter(|b| !(0..=BUDGET_LIMIT_MINOR).contains(b)) {
            let reason = format!("{budget} is not within 0 and {BUDGET_LIMIT_MINOR}");
            return Err(value_error("/budget_minor".into(), reason).into());
        }
        Ok(Self {
            customers: customers.collect::<Result<_, _>>()?,
            as_of: body
                .as_of
                .map(|text| parse_instant(&text, "/as_of"))
                .transpose()?
                .map(|(at, _)| at),
            budget_minor,
            must_exist: false,
        })
    }

    /// The request of `GET /v1/customers/{customer_id}/churn?as_of=`.
    pub fn for_customer(parameters: &Parameters<'_>) -> Result<Self, Error> {
        let as_of = parameters.query(AS_OF.name);
        let as_of = as_of.map(|text| parse_instant(text, AS_OF.name));
        let customer = Customer {
            customer_id: parameters.path[0].1.clone(),
            history: None,
        };
        Ok(Self {
            customers: vec![customer],
            as_of: as_of.transpose()?.map(|(at, _)| at),
            budget_minor: None,
            must_exist: true,
        })
    }
}

/// The answer: one result per customer, in the order asked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ChurnAnswer")]
pub struct Response {
    /// Version of the model that answered.
    pub model_version: String,
    /// Version of the policy that decided.
    pub policy_version: String,
    /// Days ahead: the probability is that of no purchase within them.
    pub horizon_days: f64,
    /// ISO 4217 code of all amounts; amounts are in its minor units.
    pub currency: String,
    /// Orders before this instant are known to the store; absent when only inline histories were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_through: Option<String>,
    /// One per customer asked for.
    pub results: Vec<CustomerResult>,
    /// What the chosen interventions are expected to cost together, minor units.
    pub expected_cost_minor: i64,
    /// What they are expected to bring together, net of cost, minor units.
    pub expected_value_minor: i64,
}

/// What there is to say about one customer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ChurnResult")]
pub struct CustomerResult {
    /// As asked.
    pub customer_id: String,
    /// The instant answered for: what was asked, but not later than the data is complete.
    pub as_of: String,
    /// Days between the instant asked for and the one answered for: how old the data is.
    pub data_age_days: f64,
    /// What is known.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A state decides what else is said.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// Inside the trained population.
    Scored(Box<Prediction>),
    /// Bought before, but not within the last four horizons: no probability, a win-back case.
    Lapsed {
        /// Days since the last purchase.
        recency_days: f64,
        /// What the state means.
        note: String,
    },
    /// Known, without a purchase before `as_of`.
    NoPurchases {
        /// What the state means.
        note: String,
    },
    /// Not in the store.
    Unknown {
        /// What the state means.
        note: String,
    },
}

impl Outcome {
    /// `model`, or the state of those it was not asked about.
    pub(crate) fn answered_by(&self) -> &'static str {
        match self {
            Self::Scored(_) => "model",
            Self::Lapsed { .. } => "lapsed",
            Self::NoPurchases { .. } => "no_purchases",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// An explained, decided prediction.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ChurnPrediction")]
pub struct Prediction {
    /// Calibrated probability of no purchase within the horizon.
    pub churn_probability: f64,
    /// Name of the policy's band that the probability falls into.
    pub risk_band: String,
    /// Log-odds of the probability: `base_log_odds` plus all reasons.
    pub log_odds: f64,
    /// Log-odds of the average customer of the training data.
    pub base_log_odds: f64,
    /// Strongest first; together they add up exactly.
    pub reasons: Vec<Reason>,
    /// Spend within one horizon if the customer stays, minor units.
    pub expected_spend_minor: i64,
    /// What is worth doing.
    pub decision: Decision,
}

/// A business reason: the sum of the exact contributions of its columns. A contribution explains the score; it is not
/// a cause.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ChurnReason")]
pub struct Reason {
    /// Name of the group of columns.
    pub group: &'static str,
    /// Signed share of the log-odds; positive raises the risk.
    pub log_odds: f64,
    /// `raises`, `lowers` or `leaves` the risk as it is.
    pub effect: &'static str,
    /// In plain words.
    pub sentence: String,
    /// The columns behind it, by name; absent ones are not known.
    pub values: std::collections::BTreeMap<&'static str, f32>,
}

/// What is worth doing about one customer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ChurnDecision")]
pub struct Decision {
    /// Id of the offer, or `do_nothing`.
    pub intervention: String,
    /// For people.
    pub title: String,
    /// Why: best expected value, best within the budget, control group, budget.
    pub because: &'static str,
    /// Whether the customer is in the control group, which is left alone so that effects can be measured.
    pub control_group: bool,
    /// Of the chosen intervention.
    pub expected_value_minor: i64,
    /// Of the chosen intervention.
    pub expected_cost_minor: i64,
    /// Every option, best first, doing nothing among them.
    pub alternatives: Vec<Alternative>,
}

/// One option and its money.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ChurnAlternative")]
pub struct Alternative {
    /// Id of the offer, or `do_nothing`.
    pub intervention: String,
    /// Expected gain net of cost, minor units.
    pub expected_value_minor: i64,
    /// Expected cost, minor units.
    pub expected_cost_minor: i64,
    /// Probability that a customer who would leave stays because of it.
    pub uplift: f64,
    /// Where the uplift comes from: `assumed` until a control group has measured it.
    pub uplift_source: String,
    /// The uplift above which the option pays; absent for doing nothing and where nothing could pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_even_uplift: Option<f64>,
}

/// Lines of orders, grouped by customer.
static LINES: LineShape = LineShape::of_customers(&[Field::text("as_of")]);

/// How files are asked and answered: a row is a customer of a request of its own.
pub static ROWS: RowShape = RowShape {
    list: Some("customers"),
    id: "customer_id",
    kind: crate::CUSTOMER,
    whole: &[],
    fields: &[Field::text("customer_id"), Field::json("history")],
    around: &[Field::text("as_of")],
    order_lines: Some(&LINES),
    answer: "/results/0",
    columns: &[
        Column::text("state", "/results/0/state"),
        Column::text("as_of", "/results/0/as_of"),
        Column::number("churn_probability", "/results/0/churn_probability"),
        Column::text("risk_band", "/results/0/risk_band"),
        Column::number("recency_days", "/results/0/recency_days"),
        Column::whole("expected_spend_minor", "/results/0/expected_spend_minor"),
        Column::text("intervention", "/results/0/decision/intervention"),
        Column::text("intervention_title", "/results/0/decision/title"),
        Column::text("because", "/results/0/decision/because"),
        Column::truth("control_group", "/results/0/decision/control_group"),
        Column::whole(
            "expected_value_minor",
            "/results/0/decision/expected_value_minor",
        ),
        Column::whole(
            "expected_cost_minor",
            "/results/0/decision/expected_cost_minor",
        ),
        Column::text("main_reason", "/results/0/reasons/0/sentence"),
        Column::text("second_reason", "/results/0/reasons/1/sentence"),
        Column::text("currency", "/currency"),
        Column::text("model_version", "/model_version"),
        Column::text("policy_version", "/policy_version"),
    ],
    key: |answer| text_at(answer, "/results/0/customer_id").map(str::to_owned),
};
