//! Histories into a feature store: the store is a view of the files and ends equal to them.

use crate::entity::Entity;
use crate::histories::{Histories, RECORD_LIMIT_BYTES};
use crate::ingest::LoadError;
use bytes::Bytes;
use features::demand::view::DemandView;
use features::demand::{DemandHistory, SkuHistory, day_of};
use features::history::CustomerHistory;
use features::levels::{Level, SHARDS, encode, shard_of};
use features::time::Timestamp;
use serving::ports::{HistoryStore, StoreError};
use std::collections::{BTreeMap, HashSet};

/// Records written together.
pub(crate) const BATCH: usize = 500;

/// Why the store was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Histories could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More products than the records of stock levels hold.
    #[error(
        "write stock levels: {found} bytes in one of {SHARDS} records, at most {RECORD_LIMIT_BYTES} fit: the shop has too many \
         products with stock"
    )]
    TooManyLevels {
        /// Bytes of the record.
        found: usize,
    },
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
            "{} {} records written, {} bytes on average, {} at most",
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

/// All that a store is to hold of a shop.
pub(crate) struct Views<'a> {
    histories: &'a Histories,
    /// What lies in the shelves, packed so that recommending reads it in one round trip.
    levels: Vec<(String, Bytes)>,
}

/// All that a store is to hold of a kind.
pub(crate) struct View<'a> {
    pub(crate) kind: &'static str,
    /// Up to when its events are known.
    pub(crate) known: Timestamp,
    pub(crate) records: Records<'a>,
}

/// Ids and stored histories.
pub type Records<'a> = Box<dyn Iterator<Item = Result<(String, Bytes), LoadError>> + 'a>;

impl<'a> Views<'a> {
    pub(crate) fn of(histories: &'a Histories) -> Result<Self, WriteError> {
        let levels = packed_levels(histories)?;
        Ok(Self { histories, levels })
    }

    /// Of each kind, in the order in which they are written.
    pub(crate) fn kinds(&self) -> [View<'_>; 4] {
        let of_days = DemandHistory::known(self.histories).1;
        let view = |kind, known, records| View {
            kind,
            known,
            records,
        };
        let customers = stored(CustomerHistory::all(self.histories));
        let levels = Box::new(self.levels.iter().cloned().map(Ok));
        [
            view(
                CustomerHistory::KIND,
                CustomerHistory::known(self.histories).1,
                customers,
            ),
            view(
                inventory::CATEGORY,
                of_days,
                stored(self.histories.category_totals()),
            ),
            view(
                DemandHistory::KIND,
                of_days,
                stored(DemandHistory::all(self.histories)),
            ),
            view(recommendations::stock::LEVELS, of_days, levels),
        ]
    }
}

pub(crate) fn stored<'a, H: Entity>(
    entities: impl Iterator<Item = Result<(String, H), LoadError>> + 'a,
) -> Records<'a> {
    Box::new(entities.map(|entity| entity.map(|(id, history)| (id, history.stored().into()))))
}

/// Brings every kind of history up to date; `progress` is told of each kind how many are written.
pub async fn write_all(
    store: &impl HistoryStore,
    histories: &Histories,
    progress: &dyn Fn(u64),
) -> Result<Vec<Loaded>, WriteError> {
    let mut kinds = Vec::new();
    for view in Views::of(histories)?.kinds() {
        kinds.push(write(store, view, progress).await?);
    }
    // A shop without products has nothing to say of them.
    kinds.retain(|kind| kind.entities > 0 || kind.removed > 0);
    Ok(kinds)
}

/// Writes every history of a kind, removes the others, and stamps the instant up to which events are known.
///
/// The stamp comes last: until then answers speak for the older instant, never for events that are half there.
async fn write(
    store: &impl HistoryStore,
    view: View<'_>,
    progress: &dyn Fn(u64),
) -> Result<Loaded, WriteError> {
    let kind = view.kind;
    let mut loaded = Loaded {
        kind,
        ..Loaded::default()
    };
    let mut ids = HashSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    for record in view.records {
        let (id, bytes) = record?;
        loaded.count(bytes.len());
        ids.insert(id.clone());
        batch.push((id, bytes));
        if batch.len() == BATCH {
            store.put_histories(kind, &batch).await?;
            batch.clear();
            progress(loaded.entities);
        }
    }
    store.put_histories(kind, &batch).await?;
    loaded.removed = store.retain_histories(kind, &|id| ids.contains(id)).await?;
    store.set_complete_through(kind, view.known).await?;
    Ok(loaded)
}

/// Stock levels by the name of their record.
fn packed_levels(histories: &Histories) -> Result<Vec<(String, Bytes)>, WriteError> {
    let mut shards = vec![Vec::new(); SHARDS as usize];
    for (product_id, level) in levels(histories)? {
        shards[shard_of(&product_id) as usize].push((product_id, level));
    }
    let mut records = Vec::new();
    for (shard, levels) in shards.into_iter().enumerate() {
        if levels.is_empty() {
            continue;
        }
        let record = encode(&levels);
        if record.len() > RECORD_LIMIT_BYTES {
            let found = record.len();
            return Err(WriteError::TooManyLevels { found });
        }
        records.push((shard.to_string(), Bytes::from(record)));
    }
    Ok(records)
}

/// By product, over all its locations: what is on hand, and the rate at which the inventory side expects it to sell.
fn levels(histories: &Histories) -> Result<BTreeMap<String, Level>, LoadError> {
    let today = day_of(DemandHistory::known(histories).1);
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    for sku in histories.skus() {
        let (sku_id, demand) = sku?;
        let Some(on_hand_milli) = demand.stock.as_ref().map(|stock| stock.on_hand_milli) else {
            continue;
        };
        let category = None;
        let view = DemandView::new(&SkuHistory { demand, category }, today);
        let product_id = histories.product_of(&sku_id).to_owned();
        let level = levels.entry(product_id).or_insert(Level {
            on_hand_milli: 0,
            units_per_day: 0.0,
        });
        // What one location owes cannot be taken from another's shelf.
        level.on_hand_milli = level.on_hand_milli.saturating_add(on_hand_milli.max(0));
        level.units_per_day += view.level_per_day as f32;
    }
    Ok(levels)
}

impl Loaded {
    pub(crate) fn count(&mut self, bytes: usize) {
        self.entities += 1;
        self.bytes += bytes as u64;
        self.largest_bytes = self.largest_bytes.max(bytes);
    }
}
