//! The last prediction of every customer or SKU, for whoever looks one up by its key and calls no model.

use super::StoreError;
use features::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;

/// What a function said of an entity when it was last asked in a file or a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPrediction {
    /// What it is looked up by, within its function: see [`crate::batch::shape::RowShape::key`].
    pub key: String,
    /// The answer as a line of JSON Lines holds it, without the number of the row.
    pub answer: String,
    /// The model that answered.
    pub model_version: String,
    /// The instant answered for; of a day, its beginning in UTC.
    pub as_of: Timestamp,
    /// The instant with which the file or run was begun, which all of its attempts share.
    pub computed_at: Timestamp,
    /// When it may go.
    pub expires_at: Timestamp,
}

impl LastPrediction {
    /// What orders the predictions of an entity: first what was known, then when it was asked. Both are the same however often a
    /// file comes, so that a late attempt of an older one finds the newer one there and leaves it.
    pub fn order(&self) -> (Timestamp, Timestamp) {
        (self.as_of, self.computed_at)
    }
}

/// What became of predictions that were to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionCounts {
    /// Written.
    pub written: u64,
    /// Not written, because a newer one of the same entity was there.
    pub newer_there: u64,
    /// Not written, because the store cannot hold so much under one key; what was there before stays.
    pub too_large: u64,
}

impl PredictionCounts {
    /// Adds those of others.
    pub fn add(&mut self, more: Self) {
        self.written += more.written;
        self.newer_there += more.newer_there;
        self.too_large += more.too_large;
    }
}

/// Keeps one prediction for each key of a function: the newest by [`LastPrediction::order`].
pub trait PredictionStore: Send + Sync {
    /// Writes each prediction unless a newer one of its key is there. Of two that are equally new, in one call or in two, the last
    /// one stays, so that to write twice is to write once. After an error some may be written.
    fn put_predictions(
        &self,
        function: &'static str,
        predictions: &[LastPrediction],
    ) -> impl Future<Output = Result<PredictionCounts, StoreError>> + Send;

    /// The prediction of each key, in the order asked; `None` where there is none.
    fn get_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> impl Future<Output = Result<Vec<Option<LastPrediction>>, StoreError>> + Send;

    /// Removes the predictions of these keys; a key without one is no error.
    fn remove_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The newest prediction of each key, by key, and the others as counted; what adapters share.
pub fn newest(
    predictions: &[LastPrediction],
) -> (BTreeMap<&str, &LastPrediction>, PredictionCounts) {
    let mut newest: BTreeMap<&str, &LastPrediction> = BTreeMap::new();
    for one in predictions {
        let there = newest.entry(&one.key).or_insert(one);
        if one.order() >= there.order() {
            *there = one;
        }
    }
    let counts = PredictionCounts {
        newer_there: (predictions.len() - newest.len()) as u64,
        ..PredictionCounts::default()
    };
    (newest, counts)
}
