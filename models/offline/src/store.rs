//! Histories into a feature store: the store is a view of the files and ends equal to them.

use crate::histories::Histories;
use crate::ingest::LoadError;
use bytes::Bytes;
use churn::CUSTOMER;
use features::codec::{self, Fitted};
use serving::ports::{HistoryStore, StoreError};
use std::collections::HashSet;

/// Records written together.
const BATCH: usize = 500;
/// Bytes of one stored history at most. A DynamoDB item ends at 400 KB; the rest is left for its key and attributes.
pub const RECORD_LIMIT_BYTES: usize = 390_000;

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
    /// Histories written.
    pub customers: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Size of the largest.
    pub largest_bytes: usize,
    /// Histories whose oldest orders did not fit.
    pub shortened: u64,
    /// Orders that did not fit.
    pub orders_left_out: u64,
    /// Customers removed because no file names them any more.
    pub removed: usize,
}

impl Loaded {
    /// In words.
    pub fn described(&self) -> String {
        let sizes = format!(
            "{} histories written, {} bytes on average, {} at most",
            self.customers,
            self.bytes.checked_div(self.customers).unwrap_or(0),
            self.largest_bytes
        );
        let removed = (self.removed > 0).then(|| format!("{} removed", self.removed));
        let shortened = (self.shortened > 0).then(|| {
            format!(
                "{} oldest orders of {} customers left out",
                self.orders_left_out, self.shortened
            )
        });
        let parts = [Some(sizes), removed, shortened].into_iter().flatten();
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Writes every history, removes the others, and stamps the instant up to which orders are known.
///
/// The stamp comes last: until then answers speak for the older instant, never for orders that are half there.
pub async fn write_histories<S: HistoryStore>(
    store: &S,
    histories: &Histories,
    progress: &dyn Fn(u64),
) -> Result<Loaded, WriteError> {
    let mut loaded = Loaded::default();
    let mut ids = HashSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    for customer in histories.customers() {
        let (customer_id, history) = customer?;
        let Fitted {
            bytes,
            orders_left_out,
        } = codec::encode_within(&history, RECORD_LIMIT_BYTES);
        loaded.count(bytes.len(), orders_left_out);
        ids.insert(customer_id.clone());
        batch.push((customer_id, Bytes::from(bytes)));
        if batch.len() == BATCH {
            store.put_histories(CUSTOMER, &batch).await?;
            batch.clear();
            progress(loaded.customers);
        }
    }
    store.put_histories(CUSTOMER, &batch).await?;
    loaded.removed = store
        .retain_histories(CUSTOMER, &|id| ids.contains(id))
        .await?;
    store
        .set_complete_through(CUSTOMER, histories.complete_through())
        .await?;
    Ok(loaded)
}

impl Loaded {
    fn count(&mut self, bytes: usize, orders_left_out: usize) {
        self.customers += 1;
        self.bytes += bytes as u64;
        self.largest_bytes = self.largest_bytes.max(bytes);
        self.shortened += u64::from(orders_left_out > 0);
        self.orders_left_out += orders_left_out as u64;
    }
}
