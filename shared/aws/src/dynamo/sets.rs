//! Sets that only grow, each an attribute of its owner's item.

use super::{DynamoStore, EXPIRES_AT, PK};
use crate::sdk_error::store_error;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use features::time::Timestamp;
use serving::ports::{SetStore, Sets, StoreError};
use std::collections::BTreeSet;
use std::fmt::Write as _;

impl SetStore for DynamoStore {
    async fn add_members(
        &self,
        owner: &str,
        members: &Sets,
        kept_until: Timestamp,
    ) -> Result<Sets, StoreError> {
        let expires_at = AttributeValue::N(kept_until.0.to_string());
        let mut expression = format!("SET {EXPIRES_AT} = :until");
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(sets_key(owner)))
            .expression_attribute_values(":until", expires_at)
            .return_values(ReturnValue::AllNew);
        let filled = members.iter().filter(|(_, members)| !members.is_empty());
        for (place, (name, members)) in filled.enumerate() {
            let numbers = members.iter().map(u64::to_string).collect();
            update = update
                .expression_attribute_names(format!("#s{place}"), name)
                .expression_attribute_values(format!(":s{place}"), AttributeValue::Ns(numbers));
            let before = if place == 0 { " ADD" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(expression, "{before} #s{place} :s{place}");
        }
        let updated = update.update_expression(expression).send().await;
        let updated = updated.map_err(|error| store_error("add", &self.place, &error))?;
        let attributes = updated.attributes.unwrap_or_default().into_iter();
        let sets = attributes.filter_map(|(name, value)| match value {
            AttributeValue::Ns(numbers) => Some((name, numbers)),
            _ => None,
        });
        sets.map(|(name, numbers)| Ok((name, self.numbers(&numbers)?)))
            .collect()
    }
}

impl DynamoStore {
    fn numbers(&self, texts: &[String]) -> Result<BTreeSet<u64>, StoreError> {
        let parsed: Result<_, _> = texts.iter().map(|text| text.parse()).collect();
        parsed.map_err(|_| self.broken("add", "a set holds what is no whole number from 0 on"))
    }
}

fn sets_key(owner: &str) -> String {
    format!("sets#{owner}")
}
