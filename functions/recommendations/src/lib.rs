//! Recommendations: what a customer would want next, in stock, and with the reason.
//!
//! The story of one call: read the customer's history; find at most 300 candidates from what the customer buys, what
//! goes with it or with the cart, and what sells; rank them; apply the shop's rules; read the stock of all of them, in
//! one round trip at most; leave out what is not there; say why. A visitor of whom nothing is known gets what sells, and
//! the answer says so.

pub mod answer;
pub mod api;
pub mod artifacts;
pub mod candidates;
mod cover;
pub mod features;
mod fit;
pub mod plan;
pub mod policy;
mod prepare;
mod reasons;
mod respond;
pub mod select;
pub mod stock;
pub mod tables;
mod training;

pub use fit::{best, plain_cosine};
pub use prepare::Question;
pub use training::{Judged, LEAST_ITEMS, product_ids};

use crate::answer::{Response, Shown, Told};
use crate::api::{AS_OF, Body, ITEMS, Request, SURFACE, Surface};
use crate::artifacts::{Artifacts, TABLES};
use crate::candidates::Task;
use crate::features::COLUMNS;
use crate::plan::{Level, Plan};
use crate::policy::ShelfPolicy;
use crate::prepare::Prepared;
use crate::stock::{KnownStock, ShelfMemory};
use ::features::codec;
use ::features::history::CustomerHistory;
use ::features::matrix::Matrix;
use ::features::time::Timestamp;
use serde::Deserialize;
use serving::batch::shape::RowShape;
use serving::error::Error;
use serving::manifest::{GoldenRow, Hashed};
use serving::ports::HistoryStore;
use serving::prediction_log::Kept;
use serving::predictor::{Predictor, Schema, Scored, Served};
use serving::route::Route;
use serving::service::store_failed;
use serving::wire::{InlineHistory, parse_instant};
use std::sync::{Arc, OnceLock};

/// The kind of entity this function reads.
pub const CUSTOMER: &str = "customer";

/// The recommendations function.
#[derive(Debug)]
pub struct Recommendations;

/// One customer or visitor to recommend to.
#[derive(Debug)]
pub struct Case {
    /// `None` for somebody the store does not know.
    history: Option<Arc<CustomerHistory>>,
    /// The instant answered for.
    as_of: Timestamp,
    /// The instant asked for.
    asked: Timestamp,
    /// The handler's clock.
    now: Timestamp,
    /// Of the store; `None` for an inline history.
    complete_through: Option<Timestamp>,
    /// One in service, several in training.
    questions: Vec<Question>,
    /// The product id of the one row wanted, for golden rows.
    only_item: Option<String>,
    /// What to offer in which order, once the scores are known.
    plan: Option<Plan>,
    /// What is known of the stock of items.
    stock: KnownStock,
    /// Worked out when it is first asked for.
    prepared: OnceLock<Option<Prepared>>,
}

impl Case {
    /// A case whose history is all there is to know.
    pub fn training(
        history: &Arc<CustomerHistory>,
        as_of: Timestamp,
        questions: Vec<Question>,
    ) -> Self {
        Self::new(Some(Arc::clone(history)), as_of, questions)
    }

    /// The same with stock that was looked at.
    #[must_use]
    pub fn with_stock(mut self, stock: KnownStock) -> Self {
        self.stock = stock;
        self
    }

    fn new(
        history: Option<Arc<CustomerHistory>>,
        as_of: Timestamp,
        questions: Vec<Question>,
    ) -> Self {
        Self {
            history,
            as_of,
            asked: as_of,
            now: as_of,
            complete_through: None,
            questions,
            only_item: None,
            plan: None,
            stock: KnownStock::default(),
            prepared: OnceLock::new(),
        }
    }

    /// The same all through one request: a case is scored by one model.
    fn prepared(&self, artifacts: &Artifacts) -> Option<&Prepared> {
        self.prepared
            .get_or_init(|| Prepared::new(self, artifacts))
            .as_ref()
    }

    /// Which candidates of each question training learns from; questions without one are left out.
    fn teach(&mut self, taught: Vec<Vec<bool>>) {
        let any: Vec<bool> = taught.iter().map(|taught| taught.contains(&true)).collect();
        let mut kept = any.iter();
        self.questions.retain(|_| kept.next() == Some(&true));
        if let Some(Some(prepared)) = self.prepared.get_mut() {
            for (asked, taught) in prepared.asked.iter_mut().zip(taught) {
                asked.taught = taught;
            }
            let mut kept = any.iter();
            prepared.asked.retain(|_| kept.next() == Some(&true));
        }
    }

    /// The question and the product id of a row, once the rows were made.
    pub fn candidate(&self, row: usize) -> Option<(&Question, &str)> {
        let prepared = self.prepared.get()?.as_ref()?;
        let asked = prepared.asked.iter().zip(&self.questions);
        let mut all = asked.flat_map(|(asked, question)| {
            let items = asked.rows().map(|(_, item)| item);
            items.map(move |item| (question, prepared.tables.catalogue.id(item)))
        });
        all.nth(row)
    }
}

impl Predictor for Recommendations {
    const NAME: &'static str = "recommendations";
    type Body = Body;
    type Request = Request;
    type Response = Response;
    type Case = Case;
    type Artifacts = Artifacts;
    type Policy = ShelfPolicy;
    type Memory = ShelfMemory;
    const TABLES: &'static [&'static str] = &TABLES;

    fn attach_tables(artifacts: &mut Artifacts, tables: &[Hashed]) -> Result<(), String> {
        artifacts.attach(tables)
    }

    fn tables(artifacts: &Artifacts) -> Vec<Vec<u8>> {
        artifacts.files()
    }

    fn routes() -> &'static [Route<Request>] {
        &[
            Route {
                method: "POST",
                path: "/v1/recommendations",
                operation: "recommend",
                summary: "What to show next, in stock and with a reason: for a customer, a cart or anybody.",
                query: &[],
                request: |_, body| Request::parse(body),
            },
            Route {
                method: "GET",
                path: "/v1/customers/{customer_id}/recommendations",
                operation: "recommend_to_customer",
                summary: "The same for one customer, known or new.",
                query: &[AS_OF, ITEMS, SURFACE],
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
        request.customer_id.as_deref()
    }

    async fn gather<S: HistoryStore>(
        store: &S,
        request: &Request,
        now: Timestamp,
    ) -> Result<Vec<Case>, Error> {
        let asked = request.as_of.unwrap_or(now);
        let (history, complete_through) = match (&request.history, &request.customer_id) {
            (Some(inline), _) => (Some(Arc::clone(inline)), None),
            (None, Some(customer_id)) => read_customer(store, customer_id).await?,
            (None, None) => (None, None),
        };
        // A late load must not make everything look overdue.
        let as_of = complete_through.map_or(asked, |known| asked.min(known));
        let question = Question {
            task: request.surface.task(),
            cart: request.cart.clone(),
        };
        Ok(vec![Case {
            asked,
            now,
            complete_through,
            ..Case::new(history, as_of, vec![question])
        }])
    }

    fn for_another_model(case: &Case) -> Case {
        Case {
            asked: case.asked,
            now: case.now,
            complete_through: case.complete_through,
            only_item: case.only_item.clone(),
            ..Case::new(case.history.clone(), case.as_of, case.questions.clone())
        }
    }

    fn features(case: &Case, artifacts: &Artifacts, rows: &mut Matrix) {
        prepare::push_rows(case, artifacts, rows);
    }

    async fn gather_scored<S: HistoryStore>(
        store: &S,
        request: &Request,
        cases: &mut [Case],
        scored: &[Scored],
        served: &Served<Self>,
    ) -> Result<(), Error> {
        for (case, scored) in cases.iter_mut().zip(scored) {
            stock::gather(store, request, case, scored, served).await?;
        }
        Ok(())
    }

    fn respond(
        request: &Request,
        cases: &[Case],
        scored: &[Scored],
        served: &Served<Self>,
    ) -> Result<Response, Error> {
        match (cases.first(), scored.first()) {
            (Some(case), Some(scored)) => Ok(respond::respond(request, case, scored, served)),
            _ => Err(Error::Internal {
                what: "answer",
                reason: "a request without a case".to_owned(),
            }),
        }
    }

    fn answered_by(response: &Response) -> Vec<&'static str> {
        vec![response.fallback.map_or("model", Level::name)]
    }

    fn kept(request: &Request, cases: &[Case], response: &Response) -> Vec<Option<Kept>> {
        let is_known = cases.iter().any(|case| case.history.is_some());
        let named = request.customer_id.clone().filter(|_| is_known);
        let kept = named
            .filter(|_| request.history.is_none())
            .map(|customer_id| {
                let shown = response.items.iter();
                let shown = shown.map(|item| Shown {
                    product_id: item.product_id.clone(),
                    propensity: item.propensity,
                });
                let asked = [
                    ("surface", serde_json::to_value(request.surface)),
                    ("cart", serde_json::to_value(&request.cart)),
                ];
                let asked = asked.into_iter();
                let asked = asked.map(|(name, value)| (name.to_owned(), value.unwrap_or_default()));
                Kept {
                    entity_id: customer_id,
                    asked: asked.collect(),
                    as_of: response.as_of.clone(),
                    complete_through: response.complete_through.clone(),
                    policy_version: response.policy_version.clone(),
                    answered: serde_json::to_value(Told {
                        items: shown.collect(),
                    })
                    .unwrap_or_default(),
                }
            });
        vec![kept]
    }

    fn check_policy(policy: &ShelfPolicy, _: &Artifacts) -> Result<(), String> {
        policy.check()
    }

    fn golden_case(row: &GoldenRow) -> Result<Option<Case>, String> {
        let (Some(entity), Some(as_of)) = (&row.entity, &row.as_of) else {
            return Ok(None);
        };
        let entity: GoldenEntity =
            serde_json::from_value(entity.clone()).map_err(|e| e.to_string())?;
        let history = entity.history.parse("/entity/history");
        let history = history.map_err(|error| error.to_string())?;
        let (as_of, _) = parse_instant(as_of, "/as_of").map_err(|e| e.to_string())?;
        let question = Question {
            task: entity.task,
            cart: entity.cart,
        };
        Ok(Some(Case {
            only_item: Some(entity.item),
            ..Case::new(Some(Arc::new(history)), as_of, vec![question])
        }))
    }
}

/// What a golden row starts from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenEntity {
    history: InlineHistory,
    task: Task,
    cart: Vec<String>,
    item: String,
}

impl Surface {
    /// What the model ranks for a surface.
    fn task(self) -> Task {
        match self {
            Self::Home | Self::BuyAgain => Task::Home,
            Self::Discover => Task::Discover,
            Self::Cart | Self::AbandonedCart => Task::Cart,
        }
    }
}

type Found = (Option<Arc<CustomerHistory>>, Option<Timestamp>);

async fn read_customer<S: HistoryStore>(store: &S, customer_id: &str) -> Result<Found, Error> {
    let found = store
        .get_histories(CUSTOMER, &[customer_id])
        .await
        .map_err(store_failed)?;
    let record = found.records.into_iter().next().flatten();
    let history = record.map(|bytes| codec::decode(&bytes)).transpose();
    let history = history.map_err(|error| Error::Internal {
        what: "read a history",
        reason: error.to_string(),
    })?;
    Ok((history.map(Arc::new), found.complete_through))
}
