//! The trait every function implements, and what training needs of it.

use crate::batch::shape::RowShape;
use crate::error::Error;
use crate::manifest::{GoldenRow, Hashed, Manifest, Platt};
use crate::model::{Contributions, ModelError, Scorer};
use crate::ports::HistoryStore;
use crate::prediction_log::Kept;
use crate::route::Route;
use features::feature_set::ColumnInfo;
use features::history::History;
use features::matrix::Matrix;
use features::time::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

/// A prediction function: **gather -> features -> score -> respond**.
///
/// `gather` is the only step that does I/O; the others are pure. Handlers, batches, training, golden rows and tests
/// are written once over this trait.
pub trait Predictor: Sized + Send + Sync + 'static {
    /// Name of the function, its model and its folder.
    const NAME: &'static str;
    /// What `POST` takes, as clients write it.
    type Body: DeserializeOwned + JsonSchema;
    /// A request, parsed and within its limits.
    type Request: Send + Sync;
    /// An answer.
    type Response: Serialize + JsonSchema;
    /// What pure code needs to know of one thing to answer for; gives any number of rows.
    type Case: Send + Sync;
    /// What was fitted before the matrix existed: `artifacts.json`.
    type Artifacts: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What the shop decides: `policy.json`, versioned apart from the model.
    type Policy: DeserializeOwned + Send + Sync + 'static;
    /// What one request may leave for those that come next in the same environment, such as stock levels that stay true
    /// for some seconds; `()` where nothing is kept. An answer must not depend on it beyond what the policy allows.
    type Memory: Default + Send + Sync + 'static;

    /// Names of the binary files that belong to the artifacts: what would be too large or too slow as JSON.
    const TABLES: &'static [&'static str] = &[];

    /// Kinds of stored histories that many entities share, such as that of their category: read once for all rows of a chunk of the
    /// whole base.
    const SHARED_KINDS: &'static [&'static str] = &[];

    /// Puts the tables, in the order of [`TABLES`](Self::TABLES), into artifacts that were read from JSON; refuses what
    /// does not belong to them.
    fn attach_tables(_artifacts: &mut Self::Artifacts, _tables: &[Hashed]) -> Result<(), String> {
        Ok(())
    }

    /// The tables of fitted artifacts, as files hold them.
    fn tables(_artifacts: &Self::Artifacts) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// The routes this function answers.
    fn routes() -> &'static [Route<Self::Request>];

    /// The columns, in order, and their fingerprint.
    fn schema() -> Schema;

    /// How files of rows are asked and answered; `None` when this function takes no files.
    fn rows() -> Option<&'static RowShape> {
        None
    }

    /// Parses a body: the one door, whatever the trigger.
    fn parse(body: &[u8]) -> Result<Self::Request, Error>;

    /// Id of the one entity that a request is about; `None` when it is about several, or nobody.
    fn sole_entity(request: &Self::Request) -> Option<&str>;

    /// Reads what the request's cases need. `now` is the handler's clock.
    fn gather<S: HistoryStore>(
        store: &S,
        request: &Self::Request,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Self::Case>, Error>> + Send;

    /// The same case, with nothing made of it yet: what a case keeps for the model that answers it, such as columns that depend
    /// on artifacts, must not reach another.
    fn for_another_model(case: &Self::Case) -> Self::Case;

    /// Appends the rows of one case; none when there is nothing to score.
    fn features(case: &Self::Case, artifacts: &Self::Artifacts, rows: &mut Matrix);

    /// The second phase of gather, for what only the scores can name, such as the stock of the best items; most
    /// predictors need none. `scored` holds one entry per case, in order.
    fn gather_scored<S: HistoryStore>(
        _store: &S,
        _request: &Self::Request,
        _cases: &mut [Self::Case],
        _scored: &[Scored],
        _served: &Served<Self>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// The decision with its reasons. `scored` holds one entry per case, in order.
    fn respond(
        request: &Self::Request,
        cases: &[Self::Case],
        scored: &[Scored],
        served: &Served<Self>,
    ) -> Result<Self::Response, Error>;

    /// What answered each case of an answer, for metrics: `model`, or the name of what was used instead. Names are few, in
    /// snake case, and never what a caller wrote.
    fn answered_by(_response: &Self::Response) -> Vec<&'static str> {
        Vec::new()
    }

    /// What is worth knowing later of the answer to each case, in order; `None` for one that cannot be looked at again: about
    /// nobody whom the store knows, or by a history that came with the request. A predictor that says nothing is not logged.
    fn kept(
        _request: &Self::Request,
        _cases: &[Self::Case],
        _response: &Self::Response,
    ) -> Vec<Option<Kept>> {
        Vec::new()
    }

    /// Refuses a policy that makes no sense, by itself or for this model, naming field, value and limit.
    fn check_policy(policy: &Self::Policy, artifacts: &Self::Artifacts) -> Result<(), String>;

    /// The case a golden row starts from, or `None` when it starts from columns.
    fn golden_case(row: &GoldenRow) -> Result<Option<Self::Case>, String>;
}

/// What training needs of a predictor, whatever its entities are.
pub trait Train: Predictor {
    /// What is known of one entity.
    type History: History;

    /// Names of what stands beside the label of each training row and is no feature, for example the days a label was
    /// observed over.
    const EXTRAS: &'static [&'static str];

    /// Whether the model learns from what is fitted right before each snapshot, as service will have it, and not from one
    /// fit before the first snapshot. Its snapshots are then one horizon apart, and the last of them tests it.
    const REFIT_PER_SNAPSHOT: bool = false;

    /// Fits what the columns take as given, from what was known before `cutoff` only.
    fn fit(
        histories: &mut dyn Iterator<Item = (String, Self::History)>,
        cutoff: Timestamp,
        settings: &TrainingSettings,
    ) -> Result<Self::Artifacts, String>;

    /// What is asked about one entity at a cut-off, with what became of it; `None` for an entity outside the trained
    /// population then.
    fn example(
        history: &Arc<Self::History>,
        as_of: Timestamp,
        artifacts: &Self::Artifacts,
    ) -> Option<Example<Self::Case>>;

    /// The raw entity as a golden row holds it, so that [`Predictor::golden_case`] finds row `row` of the case again.
    fn golden_entity(history: &Self::History, case: &Self::Case, row: usize) -> serde_json::Value;

    /// What a person should know of a fit, for example that a parameter ended on its bound.
    fn warnings(artifacts: &Self::Artifacts) -> Vec<String>;
}

/// A case whose truth is known.
#[derive(Debug)]
pub struct Example<C> {
    /// What is asked.
    pub case: C,
    /// One per row that [`Predictor::features`] makes of the case, in that order.
    pub outcomes: Vec<Outcome>,
}

/// What became true of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What the model learns.
    pub label: f32,
    /// One per name in [`Train::EXTRAS`].
    pub extras: Vec<f32>,
}

/// What a shop chooses before training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSettings {
    /// Days ahead that are predicted.
    pub horizon_days: f64,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// How many minor units one unit of the currency has: 100 for EUR, 1 for JPY.
    pub minor_per_major: u32,
    /// What the shop's product file says, by product id; products without brand and cost are left out.
    pub products: BTreeMap<String, ProductFacts>,
}

/// What a product file says of a product, beyond what stands in orders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductFacts {
    /// Whose product it is; empty when unknown.
    pub brand: String,
    /// What one unit costs the shop, minor units; `None` when unknown.
    pub unit_cost_minor: Option<i64>,
}

/// The columns of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// SHA-256 over set name, revision and column names.
    pub fingerprint: String,
    /// Columns, in order.
    pub columns: Vec<ColumnInfo>,
}

/// The scores of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// One raw score per row.
    pub raw: Vec<f64>,
    /// The rows themselves, so that reasons can name values.
    pub rows: Matrix,
}

/// A verified model: what it says of itself, what was fitted, and its scorer.
pub struct Model<P: Predictor> {
    /// What the model says of itself.
    pub manifest: Manifest,
    /// What was fitted before the matrix existed.
    pub artifacts: P::Artifacts,
    /// The scorer.
    pub scorer: Box<dyn Scorer>,
}

/// A model in service, with the policy it is used with.
pub struct Served<P: Predictor> {
    /// The model.
    pub model: Model<P>,
    /// What the shop decides.
    pub policy: P::Policy,
    /// What one request leaves for the next.
    pub memory: P::Memory,
}

impl<P: Predictor> Model<P> {
    /// Features and scores of all cases in one matrix and one call of the model.
    pub fn score(&self, cases: &[P::Case]) -> Result<Vec<Scored>, ModelError> {
        let (rows, ranges) = self.rows(cases);
        self.score_rows(&rows, &ranges)
    }

    /// The score of one case as another version's can be compared with it: the mean over its rows, as calibrated log-odds where a
    /// probability is answered, raw otherwise. `None` when no row was scored.
    pub fn comparable(&self, scored: &[Scored]) -> Option<f64> {
        let raw = scored.iter().flat_map(|scored| &scored.raw);
        let (sum, rows) = raw.fold((0.0, 0usize), |(sum, rows), raw| (sum + raw, rows + 1));
        let mean = (rows > 0).then(|| sum / rows as f64);
        mean.map(|mean| Platt::of(&self.manifest).log_odds(mean))
    }

    /// The exact contributions to the score of one row; `None` when the model has none. They take many times as long as
    /// the score, so an answer asks for them where it shows them.
    pub fn explain(&self, row: &[f32]) -> Result<Option<Contributions>, Error> {
        let Some(row) = Matrix::from_values(row.len(), row.to_vec()) else {
            return Ok(None);
        };
        let explained = self.scorer.explain(&row).transpose();
        let explained = explained.map_err(|error| Error::Internal {
            what: "explain a score",
            reason: error.to_string(),
        })?;
        Ok(explained.and_then(|mut of_rows| of_rows.pop()))
    }

    /// The rows of all cases, and which of them are each case's.
    pub(crate) fn rows(&self, cases: &[P::Case]) -> (Matrix, Vec<Range<usize>>) {
        let mut rows = Matrix::new(self.scorer.columns());
        let of_case = |case| {
            let first = rows.row_count();
            P::features(case, &self.artifacts, &mut rows);
            first..rows.row_count()
        };
        let ranges = cases.iter().map(of_case).collect();
        (rows, ranges)
    }

    pub(crate) fn score_rows(
        &self,
        rows: &Matrix,
        ranges: &[Range<usize>],
    ) -> Result<Vec<Scored>, ModelError> {
        let mut raw = Vec::with_capacity(rows.row_count());
        self.scorer.score(rows, &mut raw)?;
        let of_case = |range: &Range<usize>| Scored {
            raw: raw[range.clone()].to_vec(),
            rows: rows.slice(range.clone()),
        };
        Ok(ranges.iter().map(of_case).collect())
    }
}
