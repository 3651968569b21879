//! `storecast replay`: what was answered, computed again from the files as they are today, and compared bit for bit.
//!
//! The request path is the one that serves: the same question is parsed and gathered over a store filled from the files,
//! and the version that answered makes columns and scores. A line holds a hash in the place of an id; the salt tells which of
//! today's entities it is of.

use crate::entity::Entity;
use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::store::{WriteError, write_all};
use features::feature_set::ColumnInfo;
use features::time::Timestamp;
use serving::error::Error;
use serving::ports::{ArtifactStore, MemoryStore, StoreError};
use serving::prediction_log::{LoggedPrediction, hashed};
use serving::predictor::{Model, Predictor, Scored, Train};
use serving::registry::{Refusal, load_version};
use std::collections::BTreeMap;
use std::path::Path;

/// Entities by what stands for them in a log.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Of all entities that the files tell of; without a salt, lines hold ids as they are.
    pub fn of<H: Entity>(histories: &Histories, salt: Option<&str>) -> Result<Self, LoadError> {
        let mut names = BTreeMap::new();
        for entity in H::all(histories) {
            let (record_id, _) = entity?;
            // A product at several locations has a record for each, and one id.
            let id = H::asked_as(histories, &record_id).to_owned();
            names.insert(Self::name(&id, salt), id);
        }
        Ok(Self(names))
    }

    /// What stands for an entity in a log; without a salt, its id.
    pub fn name(id: &str, salt: Option<&str>) -> String {
        salt.map_or_else(|| id.to_owned(), |salt| hashed(salt, id))
    }

    /// The id of an entity.
    pub fn id(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// How a prediction differs from itself, computed again.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Another number of rows, for example because other items are candidates now.
    Rows {
        /// As logged.
        logged: usize,
        /// Today.
        recomputed: usize,
    },
    /// A column of a row.
    Column {
        /// The row.
        row: usize,
        /// The column.
        name: &'static str,
        /// As logged.
        logged: f32,
        /// Today.
        recomputed: f32,
    },
    /// The raw score of a row.
    Score {
        /// The row.
        row: usize,
        /// As logged.
        logged: f64,
        /// Today.
        recomputed: f64,
    },
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The same in every bit.
    Same,
    /// Not the same: the history was changed since, or the code was.
    Differs(Vec<Difference>),
    /// The version that answered is not in the registry any more, or is refused.
    ModelGone,
    /// No file tells of the entity any more, or it was hashed with another salt.
    EntityUnknown,
    /// The line does not hold what a line of this function holds.
    Broken,
}

/// What was replayed.
#[derive(Debug, Default)]
pub struct Replayed {
    /// How many are the same.
    pub same: u64,
    /// How many versions' lines could not be scored.
    pub model_gone: u64,
    /// How many lines are of nobody who is known.
    pub entity_unknown: u64,
    /// How many lines are broken.
    pub broken: u64,
    /// Those that differ, by their place among the lines.
    pub different: Vec<(usize, Vec<Difference>)>,
}

impl Replayed {
    /// Whether something was compared, nothing differs and nothing is broken.
    pub fn holds(&self) -> bool {
        self.same > 0 && self.different.is_empty() && self.broken == 0
    }

    fn count(&mut self, at: usize, verdict: Verdict) {
        match verdict {
            Verdict::Same => self.same += 1,
            Verdict::ModelGone => self.model_gone += 1,
            Verdict::EntityUnknown => self.entity_unknown += 1,
            Verdict::Broken => self.broken += 1,
            Verdict::Differs(differences) => self.different.push((at, differences)),
        }
    }
}

/// Why nothing could be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The histories could not be read, or not be held.
    #[error(transparent)]
    Histories(#[from] WriteError),
    /// The registry does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request path failed.
    #[error("{0}")]
    Failed(#[from] Error),
}

/// Replays lines against the histories of today, in the order of their model versions.
pub async fn replay<P: Train<History: Entity>>(
    lines: &[LoggedPrediction],
    histories: &Histories,
    names: &Names,
    artifacts: &impl ArtifactStore,
    runtime_library: Option<&Path>,
) -> Result<Replayed, ReplayError> {
    let store = MemoryStore::default();
    write_all(&store, histories, &|_| ()).await?;
    let mut by_version: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        by_version.entry(&line.model_version).or_default().push(at);
    }
    let mut replayed = Replayed::default();
    for (version, places) in by_version {
        let model = match load_version::<P>(artifacts, version, runtime_library).await {
            Ok(model) => Some(model),
            Err(Refusal::Store(error)) => return Err(error.into()),
            Err(_) => None,
        };
        for at in places {
            let verdict = match &model {
                Some(model) => again(&lines[at], model, names, &store).await?,
                None => Verdict::ModelGone,
            };
            replayed.count(at, verdict);
        }
    }
    Ok(replayed)
}

async fn again<P: Predictor>(
    line: &LoggedPrediction,
    model: &Model<P>,
    names: &Names,
    store: &MemoryStore,
) -> Result<Verdict, ReplayError> {
    let schema = P::schema();
    if line.fingerprint != schema.fingerprint {
        return Ok(Verdict::ModelGone);
    }
    let (Some(shape), Some(logged)) = (P::rows(), line.scored(schema.columns.len())) else {
        return Ok(Verdict::Broken);
    };
    let Some(id) = names.id(&line.entity) else {
        return Ok(Verdict::EntityUnknown);
    };
    let Ok(request) = P::parse(&line.request(shape, id)) else {
        return Ok(Verdict::Broken);
    };
    // The line names its own instant.
    let cases = P::gather(store, &request, Timestamp(0)).await?;
    let scored = model.score(&cases).map_err(|error| Error::Internal {
        what: "score",
        reason: error.to_string(),
    })?;
    let [scored] = &scored[..] else {
        return Ok(Verdict::Broken);
    };
    let differences = differences(&logged, scored, &schema.columns);
    Ok(if differences.is_empty() {
        Verdict::Same
    } else {
        Verdict::Differs(differences)
    })
}

/// Everything that is not the same in every bit; a value that is not known may be so in several ways.
pub fn differences(
    logged: &Scored,
    recomputed: &Scored,
    columns: &[ColumnInfo],
) -> Vec<Difference> {
    if logged.raw.len() != recomputed.raw.len() {
        return vec![Difference::Rows {
            logged: logged.raw.len(),
            recomputed: recomputed.raw.len(),
        }];
    }
    let mut found = Vec::new();
    let rows = logged.rows.rows().zip(recomputed.rows.rows());
    let raw = logged.raw.iter().zip(&recomputed.raw);
    for (row, ((was, is), (was_raw, is_raw))) in rows.zip(raw).enumerate() {
        for ((was, is), column) in was.iter().zip(is).zip(columns) {
            if was.to_bits() != is.to_bits() {
                found.push(Difference::Column {
                    row,
                    name: column.name,
                    logged: *was,
                    recomputed: *is,
                });
            }
        }
        if was_raw.to_bits() != is_raw.to_bits() {
            found.push(Difference::Score {
                row,
                logged: *was_raw,
                recomputed: *is_raw,
            });
        }
    }
    found
}
