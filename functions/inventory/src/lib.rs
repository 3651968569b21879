//! Inventory: how much of each product to order, from how much of it will sell.
//!
//! The story of one call: read the demand histories of the SKUs asked for, then those of their categories; forecast
//! the demand of the coming weeks as distributions; put lead time, review period, costs and target beside them; decide
//! the order, then let its constraints, the budget and the supplier's minimum change it, each with what it costs. A SKU
//! that the model was not trained for gets a simpler forecaster, named in the answer.

pub mod answer;
pub mod api;
pub mod features;
pub mod forecast;
pub mod inline;
pub mod planning;
pub mod policy;
mod reasons;
mod respond;
mod terms;
mod training;

pub use terms::{costs_of_price, plan_by_rules};
pub use training::HORIZONS_DAYS;

use crate::answer::Response;
use crate::api::{AS_OF, Body, LOCATION, Request};
use crate::features::{Artifacts, COLUMNS, DemandRow, in_trained_population};
use crate::inline::InlineDemand;
use crate::planning::PlanningPolicy;
use ::features::demand::view::DemandView;
use ::features::demand::{DemandHistory, SkuHistory, codec, day_of};
use ::features::matrix::Matrix;
use ::features::time::{LocalDay, Timestamp};
use serde::Deserialize;
use serving::batch::shape::RowShape;
use serving::error::Error;
use serving::manifest::GoldenRow;
use serving::ports::{Histories, HistoryStore};
use serving::prediction_log::Kept;
use serving::predictor::{Predictor, Schema, Scored, Served};
use serving::route::Route;
use serving::service::store_failed;
use serving::wire::parse_instant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The kind of entity this function answers for.
pub const SKU: &str = "sku";
/// The kind of entity that SKUs belong to: the sum of their demand.
pub const CATEGORY: &str = "category";

/// The inventory function.
#[derive(Debug)]
pub struct Inventory;

/// One SKU to answer for.
#[derive(Debug, Clone)]
pub struct Case {
    /// `None` for a SKU the store does not know.
    known: Option<KnownSku>,
    /// The first day answered for.
    as_of: LocalDay,
    /// The first day asked for.
    asked: LocalDay,
    /// Of the store; `None` for an inline history.
    complete_through: Option<LocalDay>,
    /// One horizon only, for golden rows; all that the model was trained for when `None`.
    horizon_days: Option<u16>,
}

/// A history as seen on one morning.
#[derive(Debug, Clone)]
pub(crate) struct KnownSku {
    history: Arc<SkuHistory>,
    view: Arc<DemandView>,
    as_of: LocalDay,
}

impl KnownSku {
    pub(crate) fn new(history: Arc<SkuHistory>, as_of: LocalDay) -> Self {
        let view = Arc::new(DemandView::new(&history, as_of));
        Self {
            history,
            view,
            as_of,
        }
    }

    pub(crate) fn view(&self) -> &DemandView {
        &self.view
    }

    pub(crate) fn row(&self, horizon_days: u16) -> DemandRow {
        DemandRow::new(&self.history.demand, &self.view, self.as_of, horizon_days)
    }
}

impl Case {
    /// A case whose history is all there is to know.
    fn of(known: KnownSku) -> Self {
        let as_of = known.as_of;
        Self {
            known: Some(known),
            as_of,
            asked: as_of,
            complete_through: None,
            horizon_days: None,
        }
    }

    /// A case whose history is all there is to know.
    pub fn with_history(history: impl Into<Arc<SkuHistory>>, as_of: LocalDay) -> Self {
        Self::of(KnownSku::new(history.into(), as_of))
    }

    /// The first day answered for.
    pub fn as_of(&self) -> LocalDay {
        self.as_of
    }

    fn horizons<'a>(&'a self, artifacts: &'a Artifacts) -> &'a [u16] {
        self.horizon_days
            .as_ref()
            .map_or(&artifacts.horizons_days[..], std::slice::from_ref)
    }
}

impl Predictor for Inventory {
    const NAME: &'static str = "inventory";
    type Body = Body;
    type Request = Request;
    type Response = Response;
    type Case = Case;
    type Artifacts = Artifacts;
    type Policy = PlanningPolicy;
    type Memory = ();
    const SHARED_KINDS: &'static [&'static str] = &[CATEGORY];

    fn routes() -> &'static [Route<Request>] {
        &[
            Route {
                method: "POST",
                path: "/v1/inventory",
                operation: "plan_inventory",
                summary: "How much of each product will sell, and the order that follows: up to 100 SKUs.",
                query: &[],
                request: |_, body| Request::parse(body),
            },
            Route {
                method: "GET",
                path: "/v1/skus/{sku_id}/inventory",
                operation: "plan_inventory_of_sku",
                summary: "The same for one SKU that is in the store.",
                query: &[AS_OF, LOCATION],
                request: |parameters, _| Request::for_sku(parameters),
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
        Some(&answer::ROWS)
    }

    fn parse(body: &[u8]) -> Result<Request, Error> {
        Request::parse(body)
    }

    fn sole_entity(request: &Request) -> Option<&str> {
        match &request.skus[..] {
            [sku] => Some(&sku.sku_id),
            _ => None,
        }
    }

    async fn gather<S: HistoryStore>(
        store: &S,
        request: &Request,
        now: Timestamp,
    ) -> Result<Vec<Case>, Error> {
        let mut stored = Stored::read(store, request).await?;
        let categories = read_categories(store, request, &stored).await?;
        let asked = request.as_of.unwrap_or_else(|| day_of(now));
        let cases = request.skus.iter().map(|sku| {
            let record_id = sku.record_id();
            let inline = sku.history.clone();
            let is_inline = inline.is_some();
            // Ids are distinct, so a stored history is taken and not copied.
            let own = inline.or_else(|| stored.histories.remove(&record_id));
            // A late load must not look like a day without demand.
            let complete_through = stored.complete_through.filter(|_| !is_inline);
            let as_of = complete_through.map_or(asked, |known| asked.min(known));
            let known = own.map(|demand| {
                let history = SkuHistory {
                    category: categories.get(&demand.category).cloned(),
                    demand: Arc::unwrap_or_clone(demand),
                };
                KnownSku::new(Arc::new(history), as_of)
            });
            Case {
                known,
                as_of,
                asked,
                complete_through,
                horizon_days: None,
            }
        });
        Ok(cases.collect())
    }

    /// Nothing in it depends on a model.
    fn for_another_model(case: &Case) -> Case {
        case.clone()
    }

    fn features(case: &Case, artifacts: &Artifacts, rows: &mut Matrix) {
        let trained = |known: &&KnownSku| in_trained_population(known.view());
        // A golden row asks for its columns whoever it is of.
        let wanted = |known: &&KnownSku| case.horizon_days.is_some() || trained(known);
        for known in case.known.iter().filter(wanted) {
            for horizon_days in case.horizons(artifacts) {
                rows.push_row(COLUMNS.row(&known.row(*horizon_days)));
            }
        }
    }

    fn respond(
        request: &Request,
        cases: &[Case],
        scored: &[Scored],
        served: &Served<Self>,
    ) -> Result<Response, Error> {
        respond::respond(request, cases, scored, served)
    }

    fn answered_by(response: &Response) -> Vec<&'static str> {
        let results = response.results.iter();
        results.map(|result| result.outcome.answered_by()).collect()
    }

    fn kept(request: &Request, _: &[Case], response: &Response) -> Vec<Option<Kept>> {
        let asked = request.skus.iter().zip(&response.results);
        let kept = asked.map(|(sku, result)| {
            let forecast = result
                .outcome
                .forecast()
                .filter(|_| sku.history.is_none())?;
            let location = sku.location.iter();
            let asked = location.map(|location| ("location".to_owned(), location.as_str().into()));
            Some(Kept {
                entity_id: sku.sku_id.clone(),
                asked: asked.collect(),
                as_of: result.as_of.clone(),
                complete_through: response.complete_through.clone(),
                policy_version: response.policy_version.clone(),
                answered: serde_json::to_value(forecast.told()).unwrap_or_default(),
            })
        });
        kept.collect()
    }

    fn check_policy(policy: &PlanningPolicy, artifacts: &Artifacts) -> Result<(), String> {
        policy.check(&artifacts.currency)
    }

    fn golden_case(row: &GoldenRow) -> Result<Option<Case>, String> {
        let (Some(entity), Some(as_of)) = (&row.entity, &row.as_of) else {
            return Ok(None);
        };
        let entity: GoldenEntity =
            serde_json::from_value(entity.clone()).map_err(|e| e.to_string())?;
        let parse = |inline: InlineDemand, pointer: &str| {
            inline.parse(pointer).map_err(|error| error.to_string())
        };
        let category = entity.category.map(|c| parse(c, "/entity/category"));
        let category = category.transpose()?;
        let history = SkuHistory {
            demand: parse(entity.history, "/entity/history")?,
            category: category.map(Arc::new),
        };
        let (as_of, _) = parse_instant(as_of, "/as_of").map_err(|e| e.to_string())?;
        Ok(Some(Case {
            horizon_days: Some(entity.horizon_days),
            ..Case::with_history(history, day_of(as_of))
        }))
    }
}

/// What a golden row starts from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenEntity {
    history: InlineDemand,
    category: Option<InlineDemand>,
    horizon_days: u16,
}

/// The histories of the SKUs that came without one.
#[derive(Default)]
struct Stored {
    histories: BTreeMap<String, Arc<DemandHistory>>,
    complete_through: Option<LocalDay>,
}

impl Stored {
    /// The first of two reads.
    async fn read<S: HistoryStore>(store: &S, request: &Request) -> Result<Self, Error> {
        let named = request.skus.iter().filter(|sku| sku.history.is_none());
        let ids: Vec<String> = named.map(api::Sku::record_id).collect();
        let (histories, complete_through) = read(store, SKU, ids).await?;
        Ok(Self {
            histories,
            complete_through,
        })
    }
}

/// The second read: the categories of all SKUs, whose names the first has brought.
async fn read_categories<S: HistoryStore>(
    store: &S,
    request: &Request,
    stored: &Stored,
) -> Result<BTreeMap<String, Arc<DemandHistory>>, Error> {
    let inline = request.skus.iter().filter_map(|sku| sku.history.as_ref());
    let names: BTreeSet<&String> = inline
        .chain(stored.histories.values())
        .map(|history| &history.category)
        .filter(|name| !name.is_empty())
        .collect();
    let (histories, _) = read(store, CATEGORY, names.into_iter().cloned().collect()).await?;
    Ok(histories)
}

async fn read<S: HistoryStore>(
    store: &S,
    kind: &'static str,
    ids: Vec<String>,
) -> Result<(BTreeMap<String, Arc<DemandHistory>>, Option<LocalDay>), Error> {
    if ids.is_empty() {
        return Ok((BTreeMap::new(), None));
    }
    let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
    let Histories {
        records,
        complete_through,
    } = store
        .get_histories(kind, &asked)
        .await
        .map_err(store_failed)?;
    let found = ids.into_iter().zip(records);
    let decoded = found.filter_map(|(id, record)| {
        let history = codec::decode(&record?);
        Some(history.map(|history| (id, Arc::new(history))))
    });
    let histories = decoded
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Internal {
            what: "read a history",
            reason: error.to_string(),
        })?;
    Ok((histories, complete_through.map(day_of)))
}
