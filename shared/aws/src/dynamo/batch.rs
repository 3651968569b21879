//! Batch reads and writes of any length, with what DynamoDB leaves unprocessed asked for again.

use super::{DynamoStore, PK, key_attribute, text};
use crate::sdk_error::store_error;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serving::ports::StoreError;
use std::collections::HashMap;
use std::time::Duration;

/// Attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Keys in one `BatchGetItem`, by DynamoDB's limit.
const KEYS_PER_READ: usize = 100;
/// Requests in one `BatchWriteItem`, by DynamoDB's limit.
const REQUESTS_PER_WRITE: usize = 25;
/// Calls under way at once: enough to hide the round trip, few enough for a small table.
const CALLS_AT_ONCE: usize = 8;
/// Calls in a row that bring nothing before the table counts as unavailable; with the pauses about 3 s.
const FRUITLESS_CALLS: u32 = 8;

impl DynamoStore {
    /// The items there are, by key. No key may stand twice.
    pub(super) async fn get_items(
        &self,
        keys: Vec<String>,
        consistent: bool,
    ) -> Result<HashMap<String, Item>, StoreError> {
        let reads: Vec<_> = keys
            .chunks(KEYS_PER_READ)
            .map(|chunk| self.read_chunk(chunk, consistent))
            .collect();
        let chunks: Vec<Vec<Item>> = stream::iter(reads)
            .buffer_unordered(CALLS_AT_ONCE)
            .try_collect()
            .await?;
        let by_key = |item: Item| match text(&item, PK).map(str::to_owned) {
            Some(key) => Ok((key, item)),
            None => Err(self.broken("get", "an item without its key")),
        };
        chunks.into_iter().flatten().map(by_key).collect()
    }

    /// Writes items, replacing those of the same key. No key may stand twice.
    pub(super) async fn put_items(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let put = |item| PutRequest::builder().set_item(Some(item)).build();
        let requests = items
            .into_iter()
            .map(|item| Ok(WriteRequest::builder().put_request(put(item)?).build()));
        self.write("put", requests.collect()).await
    }

    /// Removes items by their keys.
    pub(super) async fn delete_items(&self, keys: Vec<Item>) -> Result<(), StoreError> {
        let delete = |key| DeleteRequest::builder().set_key(Some(key)).build();
        let requests = keys
            .into_iter()
            .map(|key| Ok(WriteRequest::builder().delete_request(delete(key)?).build()));
        self.write("delete", requests.collect()).await
    }

    async fn read_chunk(&self, keys: &[String], consistent: bool) -> Result<Vec<Item>, StoreError> {
        let mut pending: Vec<Item> = keys
            .iter()
            .map(|key| HashMap::from([key_attribute(key)]))
            .collect();
        let mut found = Vec::with_capacity(pending.len());
        let mut patience = Patience::default();
        loop {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(pending))
                .consistent_read(consistent)
                .build();
            let wanted = wanted.map_err(|e| self.broken("get", e.to_string()))?;
            let sent = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted)
                .send()
                .await;
            let answer = sent.map_err(|e| store_error("get", &self.place, &e))?;
            let items = answer
                .responses
                .and_then(|mut tables| tables.remove(&self.table))
                .unwrap_or_default();
            let left = answer
                .unprocessed_keys
                .and_then(|mut tables| tables.remove(&self.table));
            let progress = !items.is_empty();
            found.extend(items);
            pending = left.map(|l| l.keys).unwrap_or_default();
            if pending.is_empty() {
                return Ok(found);
            }
            if !patience.pause(progress).await {
                return Err(self.throttled("get", pending.len()));
            }
        }
    }

    async fn write(
        &self,
        operation: &'static str,
        requests: Result<Vec<WriteRequest>, BuildError>,
    ) -> Result<(), StoreError> {
        let requests = requests.map_err(|e| self.broken(operation, e.to_string()))?;
        let writes: Vec<_> = requests
            .chunks(REQUESTS_PER_WRITE)
            .map(|chunk| self.write_chunk(operation, chunk.to_vec()))
            .collect();
        stream::iter(writes)
            .buffer_unordered(CALLS_AT_ONCE)
            .try_collect()
            .await
    }

    async fn write_chunk(
        &self,
        operation: &'static str,
        mut pending: Vec<WriteRequest>,
    ) -> Result<(), StoreError> {
        let mut patience = Patience::default();
        loop {
            let before = pending.len();
            let sent = self
                .client
                .batch_write_item()
                .request_items(&self.table, pending)
                .send()
                .await;
            let answer = sent.map_err(|e| store_error(operation, &self.place, &e))?;
            pending = answer
                .unprocessed_items
                .and_then(|mut tables| tables.remove(&self.table))
                .unwrap_or_default();
            if pending.is_empty() {
                return Ok(());
            }
            if !patience.pause(pending.len() < before).await {
                return Err(self.throttled(operation, pending.len()));
            }
        }
    }

    fn throttled(&self, operation: &'static str, left: usize) -> StoreError {
        let reason = format!(
            "{left} items still unprocessed after {FRUITLESS_CALLS} calls that processed none"
        );
        StoreError::unavailable(operation, &self.place, reason)
    }
}

/// Counts calls in a row that brought nothing.
#[derive(Default)]
pub(super) struct Patience {
    fruitless: u32,
}

impl Patience {
    /// Waits before the next call; `false` when there should be none.
    ///
    /// The pause is drawn from nothing to 25 ms, doubled per fruitless call, up to 1 s. Source: exponential backoff
    /// with full jitter, AWS Architecture Blog (2015).
    pub(super) async fn pause(&mut self, progress: bool) -> bool {
        self.fruitless = if progress { 0 } else { self.fruitless + 1 };
        if self.fruitless >= FRUITLESS_CALLS {
            return false;
        }
        let longest = (25u64 << self.fruitless).min(1000);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=longest))).await;
        true
    }
}
