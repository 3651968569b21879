//! The churn function's binary with a fault in it: it panics when asked for a certain customer.
//!
//! The end-to-end tests start it to see that a panic costs one request and not the process.

use churn::policy::ChurnPolicy;
use churn::{Case, Churn, api, features::Artifacts};
use features::matrix::Matrix;
use features::time::Timestamp;
use serving::error::Error;
use serving::manifest::GoldenRow;
use serving::ports::HistoryStore;
use serving::predictor::{Predictor, Schema, Scored, Served};
use serving::route::Route;
use std::process::ExitCode;

/// Churn up to the score, which is all it answers.
struct Fragile;

impl Predictor for Fragile {
    const NAME: &'static str = Churn::NAME;
    type Body = api::Body;
    type Request = api::Request;
    type Response = Vec<f64>;
    type Case = Case;
    type Artifacts = Artifacts;
    type Policy = ChurnPolicy;
    type Memory = ();

    fn routes() -> &'static [Route<api::Request>] {
        Churn::routes()
    }

    fn schema() -> Schema {
        Churn::schema()
    }

    fn parse(body: &[u8]) -> Result<api::Request, Error> {
        Churn::parse(body)
    }

    fn sole_entity(request: &api::Request) -> Option<&str> {
        Churn::sole_entity(request)
    }

    async fn gather<S: HistoryStore>(
        store: &S,
        request: &api::Request,
        now: Timestamp,
    ) -> Result<Vec<Case>, Error> {
        Churn::gather(store, request, now).await
    }

    fn for_another_model(case: &Case) -> Case {
        Churn::for_another_model(case)
    }

    fn features(case: &Case, artifacts: &Artifacts, rows: &mut Matrix) {
        Churn::features(case, artifacts, rows);
    }

    fn respond(
        request: &api::Request,
        _: &[Case],
        scored: &[Scored],
        _: &Served<Self>,
    ) -> Result<Vec<f64>, Error> {
        let mut ids = request.customers.iter().map(|c| c.customer_id.as_str());
        assert!(ids.all(|id| id != "panics"), "a fault of this program");
        Ok(scored.iter().flat_map(|case| case.raw.clone()).collect())
    }

    fn check_policy(policy: &ChurnPolicy, artifacts: &Artifacts) -> Result<(), String> {
        Churn::check_policy(policy, artifacts)
    }

    fn golden_case(row: &GoldenRow) -> Result<Option<Case>, String> {
        Churn::golden_case(row)
    }
}

fn main() -> ExitCode {
    aws::run::<Fragile>()
}
