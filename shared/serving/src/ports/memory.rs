//! Everything in memory: for tests, and for requests that carry their own histories.

use super::{
    ArtifactStore, Histories, HistoryStore, LastPrediction, PointerChange, PointerStore,
    PredictionCounts, PredictionStore, SetStore, Sets, StoreError, newest,
};
use bytes::Bytes;
use features::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All ports in one map each, gone with the process.
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
    sets: BTreeMap<String, Sets>,
    predictions: BTreeMap<(&'static str, String), LastPrediction>,
}

#[derive(Debug, Default)]
struct Kind {
    records: BTreeMap<String, Bytes>,
    complete_through: Option<Timestamp>,
}

impl MemoryStore {
    /// No change below can panic half done.
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

    async fn set_pointers(&self, changes: &[PointerChange<'_>]) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is = |change: &PointerChange<'_>| {
            state.pointers.get(change.name).map(String::as_str) == change.expected
        };
        let as_expected = changes.iter().all(is);
        for change in changes.iter().filter(|_| as_expected) {
            if let Some(value) = change.value {
                let name = change.name.to_owned();
                state.pointers.insert(name, value.to_owned());
            }
        }
        Ok(as_expected)
    }
}

impl SetStore for MemoryStore {
    async fn add_members(
        &self,
        owner: &str,
        members: &Sets,
        _kept_until: Timestamp,
    ) -> Result<Sets, StoreError> {
        let mut state = self.state();
        let sets = state.sets.entry(owner.to_owned()).or_default();
        super::add(sets, members);
        Ok(sets.clone())
    }
}

impl PredictionStore for MemoryStore {
    async fn put_predictions(
        &self,
        function: &'static str,
        predictions: &[LastPrediction],
    ) -> Result<PredictionCounts, StoreError> {
        let mut state = self.state();
        let (newest, mut counts) = newest(predictions);
        for one in newest.into_values() {
            let key = (function, one.key.clone());
            let there = state.predictions.get(&key);
            if there.is_some_and(|there| there.order() > one.order()) {
                counts.newer_there += 1;
            } else {
                state.predictions.insert(key, one.clone());
                counts.written += 1;
            }
        }
        Ok(counts)
    }

    async fn get_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> Result<Vec<Option<LastPrediction>>, StoreError> {
        let state = self.state();
        let found = |key: &&str| state.predictions.get(&(function, (*key).to_owned()));
        Ok(keys.iter().map(|key| found(key).cloned()).collect())
    }

    async fn remove_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        for key in keys {
            state.predictions.remove(&(function, (*key).to_owned()));
        }
        Ok(())
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
        conformance::sets(&MemoryStore::default()).await;
        conformance::predictions(&MemoryStore::default()).await;
    }
}
