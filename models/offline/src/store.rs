//! Histories into a feature store: the store is a view of the files and ends equal to them.

use crate::entity::{Entities, Entity};
use crate::histories::Histories;
use crate::ingest::LoadError;
use bytes::Bytes;
use features::demand::DemandHistory;
use features::history::CustomerHistory;
use features::time::Timestamp;
use serving::ports::{HistoryStore, StoreError};
use std::collections::HashSet;

/// Records written together.
const BATCH: usize = 500;

/// Why the store was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Histories could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// What they are histories of.
    pub kind: &'static str,
    /// Histories written.
    pub entities: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Size of the largest.
    pub largest_bytes: usize,
    /// Entities removed because no file names them any more.
    pub removed: usize,
}

impl Loaded {
    /// In words.
    pub fn described(&self) -> String {
        let sizes = format!(
            "{} {} histories written, {} bytes on average, {} at most",
            self.entities,
            self.kind,
            self.bytes.checked_div(self.entities).unwrap_or(0),
            self.largest_bytes
        );
        let removed = (self.removed > 0).then(|| format!("{} removed", self.removed));
        let parts = [Some(sizes), removed].into_iter().flatten();
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Brings every kind of history up to date; `progress` is told of each kind how many are written.
pub async fn write_all(
    store: &impl HistoryStore,
    histories: &Histories,
    progress: &dyn Fn(u64),
) -> Result<Vec<Loaded>, WriteError> {
    let totals = DemandHistory::known(histories).1;
    let totals = (inventory::CATEGORY, totals, histories.category_totals());
    let kinds = [
        write::<CustomerHistory>(store, of_kind(histories), progress).await?,
        write::<DemandHistory>(store, totals, progress).await?,
        write::<DemandHistory>(store, of_kind(histories), progress).await?,
    ];
    // A shop without products has nothing to say of them.
    let any = |kind: &Loaded| kind.entities > 0 || kind.removed > 0;
    Ok(kinds.into_iter().filter(any).collect())
}

/// A kind, the instant up to which its events are known, and its histories.
type Kind<E> = (&'static str, Timestamp, E);

fn of_kind<H: Entity>(histories: &Histories) -> Kind<Entities<'_, H>> {
    (H::KIND, H::known(histories).1, H::all(histories))
}

/// Writes every history of a kind, removes the others, and stamps the instant up to which events are known.
///
/// The stamp comes last: until then answers speak for the older instant, never for events that are half there.
async fn write<H: Entity>(
    store: &impl HistoryStore,
    (kind, known, entities): Kind<impl Iterator<Item = Result<(String, H), LoadError>>>,
    progress: &dyn Fn(u64),
) -> Result<Loaded, WriteError> {
    let mut loaded = Loaded {
        kind,
        ..Loaded::default()
    };
    let mut ids = HashSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    for entity in entities {
        let (id, history) = entity?;
        let bytes = history.stored();
        loaded.count(bytes.len());
        ids.insert(id.clone());
        batch.push((id, Bytes::from(bytes)));
        if batch.len() == BATCH {
            store.put_histories(kind, &batch).await?;
            batch.clear();
            progress(loaded.entities);
        }
    }
    store.put_histories(kind, &batch).await?;
    loaded.removed = store.retain_histories(kind, &|id| ids.contains(id)).await?;
    store.set_complete_through(kind, known).await?;
    Ok(loaded)
}

impl Loaded {
    fn count(&mut self, bytes: usize) {
        self.entities += 1;
        self.bytes += bytes as u64;
        self.largest_bytes = self.largest_bytes.max(bytes);
    }
}
