//! The kinds of entity a shop's files tell about, and where each is found.

use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::shop::Shop;
use features::codec;
use features::demand::{self, DemandHistory, SkuHistory, day_start};
use features::history::{CustomerHistory, History};
use features::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

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

    /// How a request names the entity of a record.
    fn asked_as<'a>(loaded: &'a Histories, record_id: &'a str) -> &'a str;

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

    fn asked_as<'a>(_: &'a Histories, record_id: &'a str) -> &'a str {
        record_id
    }

    fn cutoff(_: &Shop, at: Timestamp) -> Timestamp {
        at
    }

    fn stored(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

impl Entity for DemandHistory {
    const KIND: &'static str = inventory::SKU;

    fn count(loaded: &Histories) -> u64 {
        loaded.counts().demand.skus
    }

    fn all(loaded: &Histories) -> Entities<'_, Self> {
        Box::new(loaded.skus())
    }

    fn known(loaded: &Histories) -> (Timestamp, Timestamp) {
        loaded.known_days()
    }

    fn asked_as<'a>(loaded: &'a Histories, record_id: &'a str) -> &'a str {
        loaded.product_of(record_id)
    }

    /// Demand is known by local days, which stand as their UTC midnights.
    fn cutoff(shop: &Shop, at: Timestamp) -> Timestamp {
        day_start(shop.time.local_day(at))
    }

    fn stored(&self) -> Vec<u8> {
        demand::codec::encode(self)
    }
}

/// A SKU together with the total of its category, which training needs and the store holds once for all its SKUs.
impl Entity for SkuHistory {
    const KIND: &'static str = inventory::SKU;

    fn count(loaded: &Histories) -> u64 {
        DemandHistory::count(loaded)
    }

    fn all(loaded: &Histories) -> Entities<'_, Self> {
        with_categories(loaded, loaded.skus())
    }

    fn known(loaded: &Histories) -> (Timestamp, Timestamp) {
        DemandHistory::known(loaded)
    }

    fn asked_as<'a>(loaded: &'a Histories, record_id: &'a str) -> &'a str {
        DemandHistory::asked_as(loaded, record_id)
    }

    fn cutoff(shop: &Shop, at: Timestamp) -> Timestamp {
        DemandHistory::cutoff(shop, at)
    }

    fn stored(&self) -> Vec<u8> {
        self.demand.stored()
    }
}

/// The totals of all categories, by name.
pub type Categories = BTreeMap<String, Arc<DemandHistory>>;

/// Reads the totals of all categories.
pub fn categories(loaded: &Histories) -> Result<Categories, LoadError> {
    let totals = loaded.category_totals();
    totals
        .map(|total| total.map(|(name, history)| (name, Arc::new(history))))
        .collect()
}

fn with_categories<'a>(
    loaded: &Histories,
    skus: impl Iterator<Item = Result<(String, DemandHistory), LoadError>> + 'a,
) -> Entities<'a, SkuHistory> {
    let categories = match categories(loaded) {
        Ok(categories) => categories,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    Box::new(skus.map(move |sku| {
        let (id, demand) = sku?;
        let category = categories.get(&demand.category).cloned();
        Ok((id, SkuHistory { demand, category }))
    }))
}
