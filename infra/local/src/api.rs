//! A client of the functions, as a shop's backend would write one.

use crate::stack::Failure;
use serde_json::{Value, json};
use std::time::Duration;

/// Customers of one call.
const BATCH: usize = 100;

/// Calls the functions over HTTP.
pub struct Api {
    agent: ureq::Agent,
    url: String,
}

impl Api {
    /// A client of the functions at `url`.
    pub fn new(url: String) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_mins(1)))
            .http_status_as_error(false);
        Self {
            agent: config.build().into(),
            url,
        }
    }

    /// `GET /v1/customers/{customer_id}/churn`.
    pub fn churn_of(&self, customer_id: &str) -> Result<Value, Failure> {
        let mut response = self
            .agent
            .get(format!("{}/v1/customers/{customer_id}/churn", self.url))
            .call()?;
        let status = response.status().as_u16();
        checked(status, response.body_mut().read_json()?)
    }

    /// `POST /v1/churn` for any number of customers, 100 a call.
    pub fn churn(&self, ids: &[String]) -> Result<Vec<Value>, Failure> {
        let mut answers = Vec::new();
        for batch in ids.chunks(BATCH) {
            let customers: Vec<_> = batch
                .iter()
                .map(|id| json!({ "customer_id": id }))
                .collect();
            let body = json!({ "customers": customers });
            let mut response = self
                .agent
                .post(format!("{}/v1/churn", self.url))
                .send_json(body)?;
            let status = response.status().as_u16();
            answers.push(checked(status, response.body_mut().read_json()?)?);
        }
        Ok(answers)
    }
}

/// A problem is a failure that says what is missing.
fn checked(status: u16, body: Value) -> Result<Value, Failure> {
    if status == 200 {
        return Ok(body);
    }
    let detail = body
        .get("detail")
        .and_then(Value::as_str)
        .map_or_else(|| body.to_string(), str::to_owned);
    Err(format!("the function answered {status}: {detail}").into())
}
