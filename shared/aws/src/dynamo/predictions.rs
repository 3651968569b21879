//! Last predictions, each an item of a table of their own.
//!
//! Each is a conditional `PutItem`, and none goes with `BatchWriteItem`: that takes no conditions, and without one a late attempt
//! of an older file would put an old prediction over a newer one. It costs the same write units, and more calls, which are made
//! beside each other.

use super::batch::{Item, Patience};
use super::{DynamoStore, EXPIRES_AT, ITEM_LIMIT, KEY_LIMIT, PK, text};
use crate::sdk_error::{is_throttled, store_error};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use features::time::Timestamp;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serving::ports::{LastPrediction, PredictionCounts, PredictionStore, StoreError, newest};
use std::collections::{BTreeSet, HashMap};

const ANSWER: &str = "answer";
const MODEL_VERSION: &str = "model_version";
const AS_OF: &str = "as_of";
const COMPUTED_AT: &str = "computed_at";

/// That nothing newer is there. What is equally new is written over, so that a repetition is no failure.
const IS_NEWEST: &str = "attribute_not_exists(pk) OR as_of < :as_of OR (as_of = :as_of AND computed_at <= :computed_at)";
/// Writes under way at once: a chunk has some hundreds, and each takes a round trip.
const WRITES_AT_ONCE: usize = 32;
/// A number of an item has 21 bytes at most. Source: DynamoDB developer guide, item sizes.
const NUMBER_BYTES: usize = 21;

impl PredictionStore for DynamoStore {
    async fn put_predictions(
        &self,
        function: &'static str,
        predictions: &[LastPrediction],
    ) -> Result<PredictionCounts, StoreError> {
        let (newest, mut counts) = newest(predictions);
        let mut writes = Vec::with_capacity(newest.len());
        for one in newest.into_values() {
            let key = prediction_key(function, &one.key);
            if fits(&key, one) {
                writes.push(self.put_newest(key, one));
            } else {
                counts.too_large += 1;
            }
        }
        let mut written = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE);
        while let Some(is_written) = written.try_next().await? {
            let count = if is_written {
                &mut counts.written
            } else {
                &mut counts.newer_there
            };
            *count += 1;
        }
        Ok(counts)
    }

    async fn get_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> Result<Vec<Option<LastPrediction>>, StoreError> {
        let wanted = |key: &&str| prediction_key(function, key);
        let asked: BTreeSet<String> = keys.iter().map(wanted).filter(|key| is_key(key)).collect();
        let found = self
            .get_items(asked.into_iter().collect(), self.consistent)
            .await?;
        let found_of = |key: &&str| {
            let item = found.get(&wanted(key))?;
            let broken = || self.broken("get", "an item is no prediction");
            Some(read(key, item).ok_or_else(broken))
        };
        keys.iter().map(|key| found_of(key).transpose()).collect()
    }

    async fn remove_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> Result<(), StoreError> {
        let keys: BTreeSet<String> = keys
            .iter()
            .map(|key| prediction_key(function, key))
            .filter(|key| is_key(key))
            .collect();
        let keys = keys
            .into_iter()
            .map(|key| HashMap::from([text_of(PK, &key)]));
        self.delete_items(keys.collect()).await
    }
}

impl DynamoStore {
    /// Writes a prediction unless a newer one is there; `false` when one is. Throttled, it is tried as patiently as what a batch
    /// leaves unprocessed.
    async fn put_newest(&self, key: String, one: &LastPrediction) -> Result<bool, StoreError> {
        let mut patience = Patience::default();
        let item = item_of(&key, one);
        loop {
            let put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item.clone()))
                .condition_expression(IS_NEWEST)
                .expression_attribute_values(":as_of", number(one.as_of))
                .expression_attribute_values(":computed_at", number(one.computed_at));
            let Err(error) = put.send().await else {
                return Ok(true);
            };
            let refused = error.as_service_error();
            if refused.is_some_and(PutItemError::is_conditional_check_failed_exception) {
                return Ok(false);
            }
            if !is_throttled(&error) || !patience.pause(false).await {
                return Err(store_error("put", &self.place, &error));
            }
        }
    }
}

fn prediction_key(function: &str, key: &str) -> String {
    format!("{function}#{key}")
}

fn is_key(key: &str) -> bool {
    key.len() <= KEY_LIMIT
}

/// Whether an item holds it.
fn fits(key: &str, one: &LastPrediction) -> bool {
    let names = [PK, ANSWER, MODEL_VERSION, AS_OF, COMPUTED_AT, EXPIRES_AT];
    let names: usize = names.iter().map(|name| name.len()).sum();
    let values = key.len() + one.answer.len() + one.model_version.len() + 3 * NUMBER_BYTES;
    is_key(key) && names + values <= ITEM_LIMIT
}

fn item_of(key: &str, one: &LastPrediction) -> Item {
    let numbers = [
        (AS_OF, one.as_of),
        (COMPUTED_AT, one.computed_at),
        (EXPIRES_AT, one.expires_at),
    ];
    let numbers = numbers.map(|(name, at)| (name.to_owned(), number(at)));
    [
        text_of(PK, key),
        text_of(ANSWER, &one.answer),
        text_of(MODEL_VERSION, &one.model_version),
    ]
    .into_iter()
    .chain(numbers)
    .collect()
}

fn text_of(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}

fn number(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.0.to_string())
}

fn read(key: &str, item: &Item) -> Option<LastPrediction> {
    let at = |name: &str| {
        let number = item.get(name)?.as_n().ok()?;
        number.parse().ok().map(Timestamp)
    };
    Some(LastPrediction {
        key: key.to_owned(),
        answer: text(item, ANSWER)?.to_owned(),
        model_version: text(item, MODEL_VERSION)?.to_owned(),
        as_of: at(AS_OF)?,
        computed_at: at(COMPUTED_AT)?,
        expires_at: at(EXPIRES_AT)?,
    })
}
