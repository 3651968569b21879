//! Claims in a DynamoDB table: that of histories, or one of their own.
//!
//! | `pk` | attributes |
//! |---|---|
//! | `claim#<SHA-256>` | `claim`: JSON; `expires_at`: seconds since 1970, for the table's TTL |

use crate::sdk_error::store_error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serving::batch::claim::KEPT_DAYS;
use serving::batch::{Claim, ClaimStore};
use serving::ports::StoreError;
use std::collections::HashMap;

const CLAIM: &str = "claim";

/// [`ClaimStore`] on a table with the string key `pk`.
#[derive(Debug, Clone)]
pub struct DynamoClaims {
    client: Client,
    table: String,
    place: String,
}

impl DynamoClaims {
    /// On this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self {
            client,
            place: format!("claims in DynamoDB table {table}"),
            table,
        }
    }

    fn text(&self, claim: &Claim) -> Result<String, StoreError> {
        serde_json::to_string(claim)
            .map_err(|e| StoreError::broken("put", &self.place, e.to_string()))
    }
}

fn text_of(item: &HashMap<String, AttributeValue>) -> Option<&str> {
    item.get(CLAIM)?.as_s().ok().map(String::as_str)
}

impl ClaimStore for DynamoClaims {
    async fn get_claim(&self, key: &str) -> Result<Option<Claim>, StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let get = get.key("pk", AttributeValue::S(format!("claim#{key}")));
        let found = get.consistent_read(true).send().await;
        let found = found.map_err(|e| store_error("get", &self.place, &e))?;
        let Some(item) = found.item else {
            return Ok(None);
        };
        let unreadable = |reason: String| StoreError::broken("get", &self.place, reason);
        let text = text_of(&item).ok_or_else(|| unreadable("no text `claim`".to_owned()))?;
        let claim = serde_json::from_str(text);
        claim.map(Some).map_err(|e| unreadable(e.to_string()))
    }

    async fn swap_claim(
        &self,
        key: &str,
        expected: Option<&Claim>,
        claim: &Claim,
    ) -> Result<bool, StoreError> {
        let text = self.text(claim)?;
        let expires_at = claim.changed_ms.div_euclid(1000) + KEPT_DAYS * 86_400;
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(format!("claim#{key}")))
            .item(CLAIM, AttributeValue::S(text.clone()))
            .item("expires_at", AttributeValue::N(expires_at.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        put = match expected {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(expected) => put
                .condition_expression("#claim = :expected")
                .expression_attribute_names("#claim", CLAIM)
                .expression_attribute_values(":expected", AttributeValue::S(self.text(expected)?)),
        };
        let Err(error) = put.send().await else {
            return Ok(true);
        };
        match error.as_service_error() {
            // A write may succeed while its answer is lost, and the SDK's next attempt then fails its condition. Claims
            // name owner and attempt, so an equal one is ours.
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(failed.item().and_then(text_of) == Some(text.as_str()))
            }
            _ => Err(store_error("put", &self.place, &error)),
        }
    }
}
