//! Pointers, each an item, changed by compare-and-set.

use super::batch::Item;
use super::{DynamoStore, PK, text};
use crate::sdk_error::store_error;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use serving::ports::{PointerChange, PointerStore, StoreError};
use std::collections::{BTreeSet, HashMap};

const TARGET: &str = "target";
const WRITER: &str = "writer";

impl PointerStore for DynamoStore {
    async fn get_pointers(&self, names: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = names.iter().map(|name| pointer_key(name)).collect();
        let wanted: BTreeSet<String> = keys.iter().cloned().collect();
        let found = self.get_items(wanted.into_iter().collect(), true).await?;
        let value = |item: &Item| match text(item, TARGET) {
            Some(value) => Ok(value.to_owned()),
            None => Err(self.broken("get", "a pointer item has no text attribute `target`")),
        };
        keys.iter()
            .map(|key| found.get(key).map(value).transpose())
            .collect()
    }

    async fn set_pointers(&self, changes: &[PointerChange<'_>]) -> Result<bool, StoreError> {
        // A write may succeed while its answer is lost, and the SDK's next attempt then fails its condition. The mark
        // tells our own write from somebody else's equal one.
        let writer = format!("{:032x}", fastrand::u128(..));
        match changes {
            [
                PointerChange {
                    name,
                    expected,
                    value: Some(value),
                },
            ] => self.put(name, *expected, value, &writer).await,
            _ => self.transact(changes, &writer).await,
        }
    }
}

impl DynamoStore {
    async fn put(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
        writer: &str,
    ) -> Result<bool, StoreError> {
        let (condition, names, values) = condition(expected);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(pointer_item(name, value, writer)))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(true);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(is_by(failed.item(), writer))
            }
            Some(PutItemError::TransactionConflictException(_)) => Ok(false),
            _ => Err(store_error("put", &self.place, &error)),
        }
    }

    /// All or none. Whoever meets another's transaction, here or with a single put, has lost as well.
    async fn transact(
        &self,
        changes: &[PointerChange<'_>],
        writer: &str,
    ) -> Result<bool, StoreError> {
        let items: Result<Vec<_>, _> = changes
            .iter()
            .map(|change| self.part(change, writer))
            .collect();
        let items = items.map_err(|error| self.broken("put", error.to_string()))?;
        let sent = self.client.transact_write_items();
        let Err(error) = sent.set_transact_items(Some(items)).send().await else {
            return Ok(true);
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                let ours = |reason: &CancellationReason| is_by(reason.item(), writer);
                let is = |wanted: &str| reasons.iter().any(|r| r.code() == Some(wanted));
                if reasons.iter().any(ours) {
                    return Ok(true);
                }
                if is("ConditionalCheckFailed") || is("TransactionConflict") {
                    return Ok(false);
                }
                Err(store_error("put", &self.place, &error))
            }
            _ => Err(store_error("put", &self.place, &error)),
        }
    }

    fn part(
        &self,
        change: &PointerChange<'_>,
        writer: &str,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let (condition, names, values) = condition(change.expected);
        let item = TransactWriteItem::builder();
        let Some(value) = change.value else {
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .key(PK, AttributeValue::S(pointer_key(change.name)))
                .condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values);
            return Ok(item.condition_check(check.build()?).build());
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(pointer_item(change.name, value, writer)))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(item.put(put.build()?).build())
    }
}

type Names = Option<HashMap<String, String>>;
type Values = Option<HashMap<String, AttributeValue>>;

/// That a pointer is what is expected of it, with the names and values in it.
fn condition(expected: Option<&str>) -> (&'static str, Names, Values) {
    let Some(expected) = expected else {
        return ("attribute_not_exists(pk)", None, None);
    };
    let names = HashMap::from([("#target".to_owned(), TARGET.to_owned())]);
    let value = AttributeValue::S(expected.to_owned());
    let values = HashMap::from([(":expected".to_owned(), value)]);
    ("#target = :expected", Some(names), Some(values))
}

fn pointer_item(name: &str, value: &str, writer: &str) -> Item {
    let attributes = [
        (PK, pointer_key(name)),
        (TARGET, value.to_owned()),
        (WRITER, writer.to_owned()),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
    attributes.into()
}

fn is_by(item: Option<&Item>, writer: &str) -> bool {
    item.and_then(|item| text(item, WRITER)) == Some(writer)
}

fn pointer_key(name: &str) -> String {
    format!("pointer#{name}")
}
