//! Everything in memory: for tests, and for requests that carry their own histories.

use super::{ArtifactStore, Histories, HistoryStore, PointerStore, StoreError};
use bytes::Bytes;
use features::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All three ports in one map each, gone with the process.
///
/// ```
/// use serving::ports::{MemoryStore, PointerStore};
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = MemoryStore::default();
/// assert_eq!(store.set_pointer("churn/served", None, "v1").await, Ok(true));
/// assert_eq!(store.set_pointer("churn/served", None, "v2").await, Ok(false));
/// # });
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kinds: BTreeMap<&'static str, Kind>,
    artifacts: BTreeMap<String, Bytes>,
    pointers: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Kind {
    records: BTreeMap<String, Bytes>,
    complete_through: Option<Timestamp>,
}

impl MemoryStore {
    /// Every change below is one statement on one map, so a panic of another holder leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HistoryStore for MemoryStore {
    async fn get_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> Result<Histories, StoreError> {
        let state = self.state();
        let found = state.kinds.get(kind);
        Ok(Histories {
            records: ids
                .iter()
                .map(|&id| found.and_then(|k| k.records.get(id).cloned()))
                .collect(),
            complete_through: found.and_then(|k| k.complete_through),
        })
    }

    async fn put_histories(
        &self,
        kind: &'static str,
        records: &[(String, Bytes)],
    ) -> Result<(), StoreError> {
        self.state()
            .kinds
            .entry(kind)
            .or_default()
            .records
            .extend(records.iter().cloned());
        Ok(())
    }

    async fn retain_histories(
        &self,
        kind: &'static str,
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let mut state = self.state();
        let records = &mut state.kinds.entry(kind).or_default().records;
        let before = records.len();
        records.retain(|id, _| keep(id));
        Ok(before - records.len())
    }

    async fn remove_histories(&self, kind: &'static str, ids: &[&str]) -> Result<(), StoreError> {
        if let Some(kind) = self.state().kinds.get_mut(kind) {
            for &id in ids {
                kind.records.remove(id);
            }
        }
        Ok(())
    }

    async fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> Result<(), StoreError> {
        self.state().kinds.entry(kind).or_default().complete_through = Some(instant);
        Ok(())
    }
}

impl ArtifactStore for MemoryStore {
    async fn get_artifact(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.state().artifacts.get(key).cloned())
    }

    async fn put_artifact(&self, key: &str, bytes: Bytes) -> Result<bool, StoreError> {
        let mut state = self.state();
        let absent = !state.artifacts.contains_key(key);
        if absent {
            state.artifacts.insert(key.to_owned(), bytes);
        }
        Ok(absent)
    }
}

impl PointerStore for MemoryStore {
    async fn get_pointers(&self, names: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        let state = self.state();
        Ok(names
            .iter()
            .map(|&name| state.pointers.get(name).cloned())
            .collect())
    }

    async fn set_pointer(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let as_expected = state.pointers.get(name).map(String::as_str) == expected;
        if as_expected {
            state.pointers.insert(name.to_owned(), value.to_owned());
        }
        Ok(as_expected)
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryStore;
    use crate::conformance;

    #[tokio::test]
    async fn conforms() {
        conformance::histories(&MemoryStore::default()).await;
        conformance::artifacts(&MemoryStore::default()).await;
        conformance::pointers(&MemoryStore::default()).await;
    }
}
