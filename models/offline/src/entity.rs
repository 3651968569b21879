//! The kinds of entity a shop's files tell about, and where each is found.

use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::shop::Shop;
use features::codec;
use features::history::{CustomerHistory, History};
use features::time::Timestamp;

/// Entities of one kind, each with its id.
pub type Entities<'a, H> = Box<dyn Iterator<Item = Result<(String, H), LoadError>> + 'a>;

/// A kind of history that is loaded from a shop's files, trained on, and written to the feature store.
pub trait Entity: History {
    /// Name of the kind in the store, and of the id in reports.
    const KIND: &'static str;

    /// How many there are.
    fn count(loaded: &Histories) -> u64;

    /// All of them, in an order that depends on their ids only.
    fn all(loaded: &Histories) -> Entities<'_, Self>;

    /// The first and the last instant (exclusive) of what is known.
    fn known(loaded: &Histories) -> (Timestamp, Timestamp);

    /// The instant at which this kind is looked at when a shop names `at`.
    fn cutoff(shop: &Shop, at: Timestamp) -> Timestamp;

    /// The bytes that are stored, within [`RECORD_LIMIT_BYTES`](crate::histories::RECORD_LIMIT_BYTES) since the files were
    /// loaded.
    fn stored(&self) -> Vec<u8>;
}

impl Entity for CustomerHistory {
    const KIND: &'static str = churn::CUSTOMER;

    fn count(loaded: &Histories) -> u64 {
        loaded.counts().customers
    }

    fn all(loaded: &Histories) -> Entities<'_, Self> {
        Box::new(loaded.customers())
    }

    fn known(loaded: &Histories) -> (Timestamp, Timestamp) {
        (loaded.first_order(), loaded.complete_through())
    }

    fn cutoff(_: &Shop, at: Timestamp) -> Timestamp {
        at
    }

    fn stored(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
