//! From what the table may hold to what it is to hold.

use super::ledger::{Ledger, digest};
use super::{DEADLINE_MARGIN_MS, Merge, MergeError};
use crate::store::{BATCH, View, Views};
use bytes::Bytes;
use serving::batch::run::Clock;
use serving::batch::{FileArchive, FileStore};
use serving::ports::{HistoryStore, PointerStore};
use std::collections::BTreeSet;

/// What was written of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// What the records are histories of.
    pub kind: &'static str,
    /// Records that the table is to hold.
    pub records: u64,
    /// Of them those that were written: new ones, others than before, and those of which it was not known.
    pub written: u64,
    /// Removed, because no file names them any more.
    pub removed: usize,
}

impl<F, S, K> Merge<'_, F, S, K>
where
    F: FileStore + FileArchive,
    S: HistoryStore + PointerStore,
    K: Clock,
{
    /// Writes what not all ledgers agree on with the new one, kind by kind, each one's stamp last; all of it where there are
    /// none, because then nobody knows what the table holds.
    pub(super) async fn change(
        &self,
        views: &Views<'_>,
        before: &[Ledger],
        after: &Ledger,
    ) -> Result<Vec<Changed>, MergeError> {
        let mut changed = Vec::new();
        for view in views.kinds() {
            changed.push(self.change_kind(view, before, after).await?);
        }
        Ok(changed)
    }

    async fn change_kind(
        &self,
        view: View<'_>,
        before: &[Ledger],
        after: &Ledger,
    ) -> Result<Changed, MergeError> {
        let kind = view.kind;
        let mut changed = Changed {
            kind,
            ..Changed::default()
        };
        let mut batch = Vec::with_capacity(BATCH);
        for record in view.records {
            let (id, bytes) = record?;
            changed.records += 1;
            let now = digest(&bytes);
            let is_there = |ledger: &Ledger| ledger.holds(kind, &id, now);
            if !before.is_empty() && before.iter().all(is_there) {
                continue;
            }
            changed.written += 1;
            batch.push((id, bytes));
            if batch.len() == BATCH {
                self.put(kind, &batch).await?;
                batch.clear();
            }
        }
        self.put(kind, &batch).await?;
        changed.removed = self.remove(kind, before, after).await?;
        self.in_time()?;
        self.store.set_complete_through(kind, view.known).await?;
        Ok(changed)
    }

    /// Removes what no file names any more.
    async fn remove(
        &self,
        kind: &'static str,
        before: &[Ledger],
        after: &Ledger,
    ) -> Result<usize, MergeError> {
        self.in_time()?;
        if before.is_empty() {
            let keep = |id: &str| after.names(kind, id);
            return Ok(self.store.retain_histories(kind, &keep).await?);
        }
        let ids = before.iter().flat_map(|ledger| ledger.ids(kind));
        let gone: BTreeSet<&str> = ids
            .map(String::as_str)
            .filter(|id| !after.names(kind, id))
            .collect();
        let gone: Vec<&str> = gone.into_iter().collect();
        for some in gone.chunks(BATCH) {
            self.in_time()?;
            self.store.remove_histories(kind, some).await?;
        }
        Ok(gone.len())
    }

    async fn put(&self, kind: &'static str, batch: &[(String, Bytes)]) -> Result<(), MergeError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.in_time()?;
        Ok(self.store.put_histories(kind, batch).await?)
    }

    /// After its deadline a merge writes nothing: another one may be at work by then.
    fn in_time(&self) -> Result<(), MergeError> {
        if self.clock.remaining_ms() < DEADLINE_MARGIN_MS {
            return Err(MergeError::Late);
        }
        Ok(())
    }
}
