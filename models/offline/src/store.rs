//! Histories into a feature store: the store is a view of the files and ends equal to them.

use crate::entity::Entity;
use crate::histories::Histories;
use crate::ingest::LoadError;
use bytes::Bytes;
use features::history::CustomerHistory;
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
    Ok(vec![
        write_histories::<CustomerHistory>(store, histories, progress).await?,
    ])
}

/// Writes every history of a kind, removes the others, and stamps the instant up to which events are known.
///
/// The stamp comes last: until then answers speak for the older instant, never for events that are half there.
async fn write_histories<H: Entity>(
    store: &impl HistoryStore,
    histories: &Histories,
    progress: &dyn Fn(u64),
) -> Result<Loaded, WriteError> {
    let mut loaded = Loaded {
        kind: H::KIND,
        ..Loaded::default()
    };
    let mut ids = HashSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    for entity in H::all(histories) {
        let (id, history) = entity?;
        let bytes = history.stored();
        loaded.count(bytes.len());
        ids.insert(id.clone());
        batch.push((id, Bytes::from(bytes)));
        if batch.len() == BATCH {
            store.put_histories(H::KIND, &batch).await?;
            batch.clear();
            progress(loaded.entities);
        }
    }
    store.put_histories(H::KIND, &batch).await?;
    loaded.removed = store
        .retain_histories(H::KIND, &|id| ids.contains(id))
        .await?;
    store
        .set_complete_through(H::KIND, H::known(histories).1)
        .await?;
    Ok(loaded)
}

impl Loaded {
    fn count(&mut self, bytes: usize) {
        self.entities += 1;
        self.bytes += bytes as u64;
        self.largest_bytes = self.largest_bytes.max(bytes);
    }
}
