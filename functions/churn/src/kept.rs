//! What is worth knowing later of an answer: enough to hold it against what happened.

use crate::api::{Outcome, Prediction, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use serving::prediction_log::Kept;

/// What the log of predictions keeps of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Calibrated probability of no purchase within the horizon.
    pub churn_probability: f64,
    /// Id of the offer that was chosen, or `do_nothing`.
    pub intervention: String,
    /// Id of the best option, whoever is in the control group and whatever a budget allows.
    pub best: String,
    /// Whether the customer was left alone so that effects can be measured.
    pub control_group: bool,
    /// Whether a budget decided as well, so that who got something differs from who did not.
    pub is_budgeted: bool,
}

impl Told {
    fn of(prediction: &Prediction, is_budgeted: bool) -> Self {
        let decision = &prediction.decision;
        let best = decision.alternatives.first();
        Self {
            churn_probability: prediction.churn_probability,
            intervention: decision.intervention.clone(),
            best: best.map_or_else(String::new, |best| best.intervention.clone()),
            control_group: decision.control_group,
            is_budgeted,
        }
    }
}

/// Of every customer who was scored by a history of the store.
pub(crate) fn kept(request: &Request, response: &Response) -> Vec<Option<Kept>> {
    let asked = request.customers.iter().zip(&response.results);
    let kept = asked.map(|(customer, result)| {
        let Outcome::Scored(prediction) = &result.outcome else {
            return None;
        };
        let told = Told::of(prediction, request.budget_minor.is_some());
        customer.history.is_none().then(|| Kept {
            entity_id: customer.customer_id.clone(),
            asked: Map::new(),
            as_of: result.as_of.clone(),
            complete_through: response.complete_through.clone(),
            policy_version: response.policy_version.clone(),
            answered: serde_json::to_value(told).unwrap_or_default(),
        })
    });
    kept.collect()
}
