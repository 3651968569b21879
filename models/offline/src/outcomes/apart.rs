//! Of predictions about the same, those whose windows do not overlap.

use features::time::Timestamp;
use std::collections::HashMap;
use std::hash::Hash;

/// Until when the window of what counts last is open, by what it is about: the first prediction counts, and then the first that begins
/// when the window of the one before is over. Others would count one outcome twice.
#[derive(Debug)]
pub(super) struct Apart<K>(HashMap<K, Timestamp>);

impl<K: Eq + Hash> Apart<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether a prediction begins in the window of another one. They come in the order of their instants.
    pub(super) fn overlaps(&self, about: &K, at: Timestamp) -> bool {
        self.0.get(about).is_some_and(|over| at < *over)
    }

    /// Lets a prediction count, whose window ends then.
    pub(super) fn take(&mut self, about: K, until: Timestamp) {
        self.0.insert(about, until);
    }
}
