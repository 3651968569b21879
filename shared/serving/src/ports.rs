//! What the outside must offer, in the fewest methods. Adapters never leak their types.

mod directory;
mod memory;
mod predictions;

pub use directory::DirectoryStore;
pub use memory::MemoryStore;
pub use predictions::{LastPrediction, PredictionCounts, PredictionStore, newest};

use bytes::Bytes;
use features::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// Why a store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Slow, throttled or away: the same call may succeed later.
    #[error("{operation} {place}: {reason}")]
    Unavailable {
        /// What was asked, for example `get`.
        operation: &'static str,
        /// The bucket and key, table or folder.
        place: String,
        /// What the store said.
        reason: String,
    },
    /// The store answered with something that cannot be right, or refused for good (access, size).
    #[error("{operation} {place}: {reason}")]
    Broken {
        /// What was asked.
        operation: &'static str,
        /// The bucket and key, table or folder.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    /// The same call may succeed later.
    pub fn unavailable(
        operation: &'static str,
        place: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Unavailable {
            operation,
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// The same call will fail again.
    pub fn broken(
        operation: &'static str,
        place: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Broken {
            operation,
            place: place.into(),
            reason: reason.into(),
        }
    }
}

/// Entity histories, one wide record per entity, as the bytes of their codec.
pub trait HistoryStore: Send + Sync {
    /// The record of each id of a kind (for example `customer`), in the order asked; `None` for an unknown id; and
    /// the instant up to which the kind's events are known (`None` when nothing was ever loaded).
    fn get_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> impl Future<Output = Result<Histories, StoreError>> + Send;

    /// Writes records, replacing those of the same id; the last one wins where an id stands twice.
    fn put_histories(
        &self,
        kind: &'static str,
        records: &[(String, Bytes)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes every record of the kind whose id `keep` does not name, and says how many; unknown kinds have none.
    fn retain_histories(
        &self,
        kind: &'static str,
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Removes the records of these ids; an id without one is no error.
    fn remove_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stamps the kind: its events are known up to this instant, exclusive.
    fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`HistoryStore::get_histories`] brings, in one round trip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histories {
    /// One per id asked, in that order.
    pub records: Vec<Option<Bytes>>,
    /// Events before this instant are known.
    pub complete_through: Option<Timestamp>,
}

/// Immutable files by key: models, manifests, policies.
pub trait ArtifactStore: Send + Sync {
    /// The file's bytes, or `None` when there is none.
    fn get_artifact(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;

    /// Writes a file that is not there yet; `false` and no change when it is.
    fn put_artifact(
        &self,
        key: &str,
        bytes: Bytes,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Small named values that are changed by compare-and-set: which version is served.
pub trait PointerStore: Send + Sync {
    /// The value of each pointer, in the order asked.
    fn get_pointers(
        &self,
        names: &[&str],
    ) -> impl Future<Output = Result<Vec<Option<String>>, StoreError>> + Send;

    /// Makes all changes, of pointers that are not named twice, if every pointer now is what is expected of it; `false` and no
    /// change otherwise.
    fn set_pointers(
        &self,
        changes: &[PointerChange<'_>],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Sets `name` to `value` if it now is `expected` (`None`: not there); `false` and no change otherwise.
    fn set_pointer(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        async move {
            let change = PointerChange {
                name,
                expected,
                value: Some(value),
            };
            self.set_pointers(&[change]).await
        }
    }
}

/// What becomes of one pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointerChange<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it must be; `None`: not there.
    pub expected: Option<&'a str>,
    /// What it is then; `None`: what it was.
    pub value: Option<&'a str>,
}

/// Sets of numbers, by name.
pub type Sets = BTreeMap<String, BTreeSet<u64>>;

/// Sets that many add to and that only grow: what all environments noted of a canary. To add twice is to add once, so whoever gets
/// no answer may send the same again.
pub trait SetStore: Send + Sync {
    /// Adds members to the sets of `owner`, some thousands at most, and gives all of its sets as they are then. They are kept until the given
    /// instant at least. An empty set is no set; without any member nothing is asked for.
    fn add_members(
        &self,
        owner: &str,
        members: &Sets,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<Sets, StoreError>> + Send;
}

/// Adds members to sets; what adapters that hold whole sets share.
fn add(sets: &mut Sets, members: &Sets) {
    for (name, members) in members.iter().filter(|(_, members)| !members.is_empty()) {
        sets.entry(name.clone()).or_default().extend(members);
    }
}
