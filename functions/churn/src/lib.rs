//! Churn: who is about to leave, why, and what is worth doing about it.
//!
//! The story of one call: read the histories of the customers asked for in one round trip, cap `as_of` at the instant
//! up to which orders are known, compute the columns, score, calibrate, turn exact contributions into reasons, and
//! choose the intervention of highest expected value. Customers outside the trained population get a state instead
//! of a probability.

pub mod api;
mod budget;
pub mod features;
pub mod kept;
pub mod policy;
pub mod reasons;
mod training;

pub use training::churn_label;

use crate::api::{AS_OF, Body, CustomerResult, Decision, Outcome, Prediction, Request, Response};
use crate::features::{Artifacts, COLUMNS, ChurnView, in_trained_population};
use crate::policy::{ChurnPolicy, Stakes};
use ::features::codec;
use ::features::customer::Window;
use ::features::history::CustomerHistory;
use ::features::matrix::Matrix;
use ::features::time::Timestamp;
use serving::batch::shape::RowShape;
use serving::error::{CallerError, Error};
use serving::manifest::{GoldenRow, Platt};
use serving::model::Contributions;
use serving::ports::HistoryStore;
use serving::prediction_log::Kept;
use serving::predictor::{Predictor, Schema, Scored, Served};
use serving::route::Route;
use serving::service::store_failed;
use serving::wire::{InlineHistory, format_instant, parse_instant};
use std::sync::{Arc, OnceLock};

/// The kind of entity this function reads.
pub const CUSTOMER: &str = "customer";

/// The churn function.
#[derive(Debug)]
pub struct Churn;

/// One customer to answer for.
#[derive(Debug)]
pub struct Case {
    customer_id: String,
    /// `None` for a customer the store does not know.
    history: Option<Arc<CustomerHistory>>,
    /// The instant answered for.
    as_of: Timestamp,
    /// The instant asked for.
    asked: Timestamp,
    /// Of the store; `None` for an inline history.
    complete_through: Option<Timestamp>,
    /// What columns and answer are made of.
    view: OnceLock<ChurnView>,
}

impl Case {
    /// A case whose history is all there is to know.
    pub fn with_history(
        customer_id: &str,
        history: impl Into<Arc<CustomerHistory>>,
        as_of: Timestamp,
    ) -> Self {
        let customer_id = customer_id.to_owned();
        Self {
            customer_id,
            history: Some(history.into()),
            as_of,
            asked: as_of,
            complete_through: None,
            view: OnceLock::new(),
        }
    }

    /// Made when first asked for, and once: a case is scored by one model, so the artifacts are always the same.
    fn view(&self, artifacts: &Artifacts) -> Option<&ChurnView> {
        let history = self.history.as_ref()?;
        Some(
            self.view
                .get_or_init(|| ChurnView::new(history, self.as_of, artifacts)),
        )
    }
}

impl Predictor for Churn {
    const NAME: &'static str = "churn";
    type Body = Body;
    type Request = Request;
    type Response = Response;
    type Case = Case;
    type Artifacts = Artifacts;
    type Policy = ChurnPolicy;
    type Memory = ();

    fn routes() -> &'static [Route<Request>] {
        &[
            Route {
                method: "POST",
                path: "/v1/churn",
                operation: "predict_churn",
                summary: "Who is about to leave, why, and what is worth doing about it: up to 100 customers.",
                query: &[],
                request: |_, body| Request::parse(body),
            },
            Route {
                method: "GET",
                path: "/v1/customers/{customer_id}/churn",
                operation: "predict_churn_of_customer",
                summary: "The same for one customer who is in the store.",
                query: &[AS_OF],
                request: |parameters, _| Request::for_customer(parameters),
            },
        ]
    }

    fn schema() -> Schema {
        Schema {
            fingerprint: COLUMNS.fingerprint(),
            columns: COLUMNS.infos().collect(),
        }
    }

    fn rows() -> Option<&'static RowShape> {
        Some(&api::ROWS)
    }

    fn parse(body: &[u8]) -> Result<Request, Error> {
        Request::parse(body)
    }

    fn sole_entity(request: &Request) -> Option<&str> {
        match &request.customers[..] {
            [customer] => Some(&customer.customer_id),
            _ => None,
        }
    }

    async fn gather<S: HistoryStore>(
        store: &S,
        request: &Request,
        now: Timestamp,
    ) -> Result<Vec<Case>, Error> {
        let asked = request.as_of.unwrap_or(now);
        let by_id = request.customers.iter().filter(|c| c.history.is_none());
        let ids: Vec<&str> = by_id.map(|c| c.customer_id.as_str()).collect();
        let mut stored = Vec::new().into_iter();
        let mut complete_through = None;
        if !ids.is_empty() {
            let found = store
                .get_histories(CUSTOMER, &ids)
                .await
                .map_err(store_failed)?;
            complete_through = found.complete_through;
            stored = found.records.into_iter();
        }
        let cases = request.customers.iter().map(|customer| {
            if let Some(history) = &customer.history {
                return Ok(Case::with_history(
                    &customer.customer_id,
                    Arc::clone(history),
                    asked,
                ));
            }
            let record = stored.next().flatten();
            let history = record.map(|bytes| codec::decode(&bytes)).transpose();
            let history = history.map_err(|e| Error::Internal {
                what: "read a history",
                reason: e.to_string(),
            })?;
            // A late load must not make every customer look churned.
            let as_of = complete_through.map_or(asked, |known| asked.min(known));
            Ok(Case {
                customer_id: customer.customer_id.clone(),
                history: history.map(Arc::new),
                as_of,
                asked,
                complete_through,
                view: OnceLock::new(),
            })
        });
        cases.collect()
    }

    fn for_another_model(case: &Case) -> Case {
        Case {
            customer_id: case.customer_id.clone(),
            history: case.history.clone(),
            view: OnceLock::new(),
            ..*case
        }
    }

    fn features(case: &Case, artifacts: &Artifacts, rows: &mut Matrix) {
        let history = case.history.as_ref();
        let is_known = history.is_some_and(|h| in_trained_population(h, case.as_of, artifacts));
        if is_known && let Some(view) = case.view(artifacts) {
            rows.push_row(COLUMNS.row(view));
        }
    }

    fn respond(
        request: &Request,
        cases: &[Case],
        scored: &[Scored],
        served: &Served<Self>,
    ) -> Result<Response, Error> {
        if request.must_exist && cases.iter().any(|case| case.history.is_none()) {
            return Err(CallerError::NotFound { what: "customer" }.into());
        }
        let pairs = cases.iter().zip(scored);
        let assessed: Vec<Assessed> = pairs
            .map(|(case, scored)| Assessed::new(case, scored, served))
            .collect::<Result<_, _>>()?;
        let stakes: Vec<Stakes> = assessed.iter().filter_map(Assessed::stakes).collect();
        let decisions = served.policy.decide(&stakes, request.budget_minor);
        Ok(Response {
            model_version: served.model.manifest.version.clone(),
            policy_version: served.policy.version.clone(),
            horizon_days: served.model.artifacts.horizon_days,
            currency: served.model.artifacts.currency.clone(),
            complete_through: cases
                .iter()
                .find_map(|c| c.complete_through)
                .map(format_instant),
            expected_cost_minor: decisions.iter().map(|d| d.expected_cost_minor).sum(),
            expected_value_minor: decisions.iter().map(|d| d.expected_value_minor).sum(),
            results: results(assessed, decisions, served),
        })
    }

    fn answered_by(response: &Response) -> Vec<&'static str> {
        let results = response.results.iter();
        results.map(|result| result.outcome.answered_by()).collect()
    }

    fn kept(request: &Request, _: &[Case], response: &Response) -> Vec<Option<Kept>> {
        kept::kept(request, response)
    }

    fn check_policy(policy: &ChurnPolicy, artifacts: &Artifacts) -> Result<(), String> {
        policy.check(&artifacts.currency)
    }

    fn golden_case(row: &GoldenRow) -> Result<Option<Case>, String> {
        let (Some(entity), Some(as_of)) = (&row.entity, &row.as_of) else {
            return Ok(None);
        };
        let inline: InlineHistory =
            serde_json::from_value(entity.clone()).map_err(|e| e.to_string())?;
        let history = inline.parse("/entity").map_err(|e| e.to_string())?;
        let (as_of, _) = parse_instant(as_of, "/as_of").map_err(|e| e.to_string())?;
        Ok(Some(Case::with_history(&row.name, history, as_of)))
    }
}

/// A case with what the model says of it, before anything is decided.
struct Assessed<'a> {
    case: &'a Case,
    view: Option<&'a ChurnView>,
    score: Option<Score<'a>>,
}

struct Score<'a> {
    log_odds: f64,
    probability: f64,
    spend_minor: f64,
    row: &'a [f32],
    /// `None` for a model without exact contributions.
    explained: Option<Contributions>,
}

impl<'a> Assessed<'a> {
    fn new(case: &'a Case, scored: &'a Scored, served: &Served<Churn>) -> Result<Self, Error> {
        let view = case.view(&served.model.artifacts);
        let score = match (view, scored.raw.first()) {
            (Some(view), Some(&raw)) => Some(Score::new(view, raw, scored.rows.row(0), served)?),
            _ => None,
        };
        Ok(Self { case, view, score })
    }

    fn stakes(&self) -> Option<Stakes<'_>> {
        let score = self.score.as_ref()?;
        Some(Stakes {
            customer_id: &self.case.customer_id,
            p: score.probability,
            spend_minor: score.spend_minor,
        })
    }

    /// What is known of a customer who was not scored.
    fn state(&self, horizon_days: f64) -> Outcome {
        match self.view {
            Some(view) if view.customer().occasions > 0.0 => Outcome::Lapsed {
                recency_days: view.customer().recency_days,
                note: format!(
                    "no purchase for more than {} days: outside what the model was trained on, a case for winning back",
                    4.0 * horizon_days
                ),
            },
            Some(_) => Outcome::NoPurchases {
                note: "known, without a purchase so far".to_owned(),
            },
            None => Outcome::Unknown {
                note: "no orders of this customer are in the store".to_owned(),
            },
        }
    }
}

impl<'a> Score<'a> {
    fn new(
        view: &ChurnView,
        raw: f64,
        row: &'a [f32],
        served: &Served<Churn>,
    ) -> Result<Self, Error> {
        let log_odds = calibration(served).log_odds(raw);
        let probability = 1.0 / (1.0 + (-log_odds).exp());
        if !probability.is_finite() {
            return Err(Error::Internal {
                what: "score",
                reason: format!("raw score {raw} gives no probability"),
            });
        }
        let spend_minor = expected_spend_minor(view, served.model.artifacts.horizon_days);
        Ok(Self {
            log_odds,
            probability,
            spend_minor,
            row,
            explained: served.model.explain(row)?,
        })
    }

    fn prediction(&self, decision: Decision, served: &Served<Churn>) -> Prediction {
        let (base_log_odds, reasons) = match &self.explained {
            Some(explained) => reasons::reasons(
                explained,
                calibration(served),
                self.row,
                &served.model.artifacts,
            ),
            // A model without exact contributions gives no reasons rather than approximate ones.
            None => (self.log_odds, Vec::new()),
        };
        Prediction {
            churn_probability: self.probability,
            risk_band: served.policy.risk_band(self.probability).to_owned(),
            log_odds: self.log_odds,
            base_log_odds,
            reasons,
            expected_spend_minor: self.spend_minor.round() as i64,
            decision,
        }
    }
}

fn results(
    assessed: Vec<Assessed>,
    decisions: Vec<Decision>,
    served: &Served<Churn>,
) -> Vec<CustomerResult> {
    let mut decisions = decisions.into_iter();
    let mut scored = |assessed: &Assessed| {
        let score = assessed.score.as_ref()?;
        Some(Outcome::Scored(Box::new(
            score.prediction(decisions.next()?, served),
        )))
    };
    assessed
        .iter()
        .map(|assessed| CustomerResult {
            customer_id: assessed.case.customer_id.clone(),
            as_of: format_instant(assessed.case.as_of),
            data_age_days: assessed.case.asked.days_since(assessed.case.as_of),
            outcome: scored(assessed)
                .unwrap_or_else(|| assessed.state(served.model.artifacts.horizon_days)),
        })
        .collect()
}

fn calibration(served: &Served<Churn>) -> Platt {
    Platt::of(&served.model.manifest)
}

/// Spend within one horizon if the customer stays: the average over the last four horizons, or over the time since
/// the first purchase (but no less than one horizon) when that is shorter.
fn expected_spend_minor(view: &ChurnView, horizon_days: f64) -> f64 {
    let customer = view.customer();
    let observed = customer.tenure_days.clamp(horizon_days, 4.0 * horizon_days);
    customer.window(Window::Four).spend_minor * horizon_days / observed
}
