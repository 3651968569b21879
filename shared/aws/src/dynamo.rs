//! Histories and pointers in one DynamoDB table.
//!
//! | `pk` | attributes |
//! |---|---|
//! | `<kind>#<id>`, for example `customer#42` | `record`: the bytes of the history's codec |
//! | `meta#<kind>` | `complete_through`: seconds since 1970 |
//! | `pointer#<name>` | `target`: the value; `writer`: a random mark of the write |
//! | `sets#<owner>` | one set of numbers per name; `expires_at`: seconds since 1970, for the table's TTL |
//!
//! and, in a table of their own, last predictions:
//!
//! | `pk` | attributes |
//! |---|---|
//! | `<function>#<key>`, for example `churn#42` | `answer`: JSON; `model_version`; `as_of`, `computed_at`, `expires_at`: seconds since 1970 |
//!
//! No kind is called `meta`, `pointer` or `sets`. An item holds at most 400 KB, so a longer record is refused before the
//! call: a history is compact (tens of bytes per order line), and one that reaches the limit is not a person's.
//!
//! Histories are read eventually consistent: half the price, and what a load wrote is seen within about a second,
//! which is nothing to data that is hours old. Pointers, and everything in a store made with
//! [`DynamoStore::reading_own_writes`], are read strongly consistent.

mod batch;
mod pointers;
mod predictions;
mod sets;

use crate::sdk_error::store_error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use batch::Item;
use bytes::Bytes;
use features::time::Timestamp;
use serving::ports::{Histories, HistoryStore, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The longest partition key DynamoDB takes, in bytes.
const KEY_LIMIT: usize = 2048;
/// The largest item DynamoDB takes, attribute names included, in bytes.
const ITEM_LIMIT: usize = 400 * 1024;

const PK: &str = "pk";
const RECORD: &str = "record";
const COMPLETE_THROUGH: &str = "complete_through";
/// Seconds since 1970 after which an item may go, for the table's TTL.
const EXPIRES_AT: &str = "expires_at";

/// Every port but that of files, on one table with the string key `pk`.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    /// `DynamoDB table <table>`, as errors name it.
    place: String,
    consistent: bool,
}

impl DynamoStore {
    /// Reads histories eventually consistent: for serving.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self {
            client,
            place: format!("DynamoDB table {table}"),
            table,
            consistent: false,
        }
    }

    /// The same store, reading histories strongly consistent: for whoever merges into what is there.
    #[must_use]
    pub fn reading_own_writes(self) -> Self {
        Self {
            consistent: true,
            ..self
        }
    }

    fn broken(&self, operation: &'static str, reason: impl Into<String>) -> StoreError {
        StoreError::broken(operation, &self.place, reason)
    }

    /// The item of a record; refuses what DynamoDB would refuse, without naming the id.
    fn record_item(
        &self,
        kind: &str,
        id: &str,
        bytes: &Bytes,
    ) -> Result<(String, Item), StoreError> {
        let key = record_key(kind, id);
        if key.len() > KEY_LIMIT {
            return Err(self.broken(
                "put",
                format!(
                    "id of a {kind} has {} bytes, the key holds {KEY_LIMIT}",
                    id.len()
                ),
            ));
        }
        let size = PK.len() + key.len() + RECORD.len() + bytes.len();
        if size > ITEM_LIMIT {
            return Err(self.broken(
                "put",
                format!("record of a {kind} has {size} bytes, an item holds {ITEM_LIMIT}"),
            ));
        }
        let record = AttributeValue::B(Blob::new(bytes.as_ref()));
        let item = HashMap::from([key_attribute(&key), (RECORD.to_owned(), record)]);
        Ok((key, item))
    }

    /// Takes the record out of a found item.
    fn record(&self, item: &mut Item) -> Result<Bytes, StoreError> {
        match item.remove(RECORD) {
            Some(AttributeValue::B(blob)) => Ok(Bytes::from(blob.into_inner())),
            _ => Err(self.broken("get", "a record item has no binary attribute `record`")),
        }
    }

    fn stamp(&self, meta: Option<&Item>) -> Result<Option<Timestamp>, StoreError> {
        let Some(meta) = meta else { return Ok(None) };
        let seconds = meta
            .get(COMPLETE_THROUGH)
            .and_then(|v| v.as_n().ok())
            .and_then(|n| n.parse().ok());
        seconds.map(|s| Some(Timestamp(s))).ok_or_else(|| {
            self.broken("get", "`complete_through` is not a whole number of seconds")
        })
    }
}

impl HistoryStore for DynamoStore {
    async fn get_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> Result<Histories, StoreError> {
        // The stamp is the first key, so that one customer and the stamp are one round trip. An id that is too long
        // for a key was never written.
        let keys: Vec<String> = ids.iter().map(|id| record_key(kind, id)).collect();
        let wanted: BTreeSet<&String> = keys.iter().filter(|k| k.len() <= KEY_LIMIT).collect();
        let meta = meta_key(kind);
        let asked = std::iter::once(meta.clone())
            .chain(wanted.into_iter().cloned())
            .collect();
        let mut found = self.get_items(asked, self.consistent).await?;
        let complete_through = self.stamp(found.remove(&meta).as_ref())?;
        let mut records = HashMap::with_capacity(found.len());
        for (key, mut item) in found {
            records.insert(key, self.record(&mut item)?);
        }
        Ok(Histories {
            records: keys.iter().map(|key| records.get(key).cloned()).collect(),
            complete_through,
        })
    }

    async fn put_histories(
        &self,
        kind: &'static str,
        records: &[(String, Bytes)],
    ) -> Result<(), StoreError> {
        let mut items = BTreeMap::new();
        for (id, bytes) in records {
            let (key, item) = self.record_item(kind, id, bytes)?;
            items.insert(key, item);
        }
        self.put_items(items.into_values().collect()).await
    }

    async fn retain_histories(
        &self,
        kind: &'static str,
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let prefix = record_key(kind, "");
        let mut removed = 0;
        let mut start = None;
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.table)
                .consistent_read(true)
                .projection_expression(PK)
                .filter_expression("begins_with(pk, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.clone()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| store_error("retain", &self.place, &e))?;
            let keys = page.items.unwrap_or_default().into_iter();
            let gone: Vec<Item> = keys
                .filter(|item| {
                    text(item, PK)
                        .and_then(|key| key.strip_prefix(&prefix))
                        .is_some_and(|id| !keep(id))
                })
                .collect();
            removed += gone.len();
            self.delete_items(gone).await?;
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(removed);
            }
        }
    }

    async fn remove_histories(&self, kind: &'static str, ids: &[&str]) -> Result<(), StoreError> {
        let keys: BTreeSet<String> = ids.iter().map(|id| record_key(kind, id)).collect();
        let keys = keys.iter().filter(|key| key.len() <= KEY_LIMIT);
        let keys = keys.map(|key| HashMap::from([key_attribute(key)]));
        self.delete_items(keys.collect()).await
    }

    async fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> Result<(), StoreError> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(PK, AttributeValue::S(meta_key(kind)))
            .item(COMPLETE_THROUGH, AttributeValue::N(instant.0.to_string()))
            .send()
            .await;
        sent.map(|_| ())
            .map_err(|e| store_error("put", &self.place, &e))
    }
}

fn record_key(kind: &str, id: &str) -> String {
    format!("{kind}#{id}")
}

fn meta_key(kind: &str) -> String {
    format!("meta#{kind}")
}

fn key_attribute(key: &str) -> (String, AttributeValue) {
    (PK.to_owned(), AttributeValue::S(key.to_owned()))
}

fn text<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)
        .and_then(|v| v.as_s().ok())
        .map(String::as_str)
}
