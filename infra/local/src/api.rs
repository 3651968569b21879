//! A client of the functions, as a shop's backend would write one.

use crate::stack::Failure;
use serde_json::{Value, json};
use std::time::Duration;

/// Customers or SKUs of one call.
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

    /// Where the functions answer.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `GET /v1/customers/{customer_id}/churn`.
    pub fn churn_of(&self, customer_id: &str) -> Result<Value, Failure> {
        self.get(&format!("/v1/customers/{customer_id}/churn"))
    }

    /// `GET /v1/skus/{sku_id}/inventory`.
    pub fn inventory_of(&self, sku_id: &str) -> Result<Value, Failure> {
        self.get(&format!("/v1/skus/{sku_id}/inventory"))
    }

    /// `GET /v1/models`.
    pub fn models(&self) -> Result<Value, Failure> {
        self.get("/v1/models")
    }

    /// `POST /v1/churn` for any number of customers, 100 a call.
    pub fn churn(&self, ids: &[String]) -> Result<Vec<Value>, Failure> {
        self.post("/v1/churn", "customers", "customer_id", ids)
    }

    /// `POST /v1/inventory` for any number of SKUs, 100 a call.
    pub fn inventory(&self, ids: &[String]) -> Result<Vec<Value>, Failure> {
        self.post("/v1/inventory", "skus", "sku_id", ids)
    }

    /// `POST /v1/recommendations`.
    pub fn recommendations(&self, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.post(format!("{}/v1/recommendations", self.url));
        let mut response = request.send_json(body)?;
        let status = response.status().as_u16();
        checked(status, response.body_mut().read_json()?)
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let mut response = self.agent.get(format!("{}{path}", self.url)).call()?;
        let status = response.status().as_u16();
        checked(status, response.body_mut().read_json()?)
    }

    fn post(
        &self,
        path: &str,
        list: &str,
        id: &str,
        ids: &[String],
    ) -> Result<Vec<Value>, Failure> {
        let ask = |batch: &[String]| {
            let named: Vec<_> = batch.iter().map(|value| json!({ id: value })).collect();
            let request = self.agent.post(format!("{}{path}", self.url));
            let mut response = request.send_json(json!({ list: named }))?;
            let status = response.status().as_u16();
            checked(status, response.body_mut().read_json()?)
        };
        ids.chunks(BATCH).map(ask).collect()
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
