//! Makes the table and the bucket where no template does: on one machine, and in tests.

use crate::clients::Clients;
use crate::sdk_error::store_error;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};
use aws_sdk_s3::operation::create_bucket::CreateBucketError;
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use serving::ports::StoreError;
use std::time::Duration;

/// Times the table is asked for its state, one second apart.
const PATIENCE: u32 = 60;

/// Makes the table with the key the store wants, unless it is there, and waits until it can be used.
pub async fn ensure_table(clients: &Clients, table: &str) -> Result<(), StoreError> {
    let place = format!("DynamoDB table {table}");
    for asked in 0..PATIENCE {
        match table_status(clients, table, &place).await? {
            Some(TableStatus::Active) => return Ok(()),
            None if asked == 0 => create_table(clients, table, &place).await?,
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    Err(StoreError::unavailable(
        "create",
        place,
        format!("not active after {PATIENCE} s"),
    ))
}

async fn table_status(
    clients: &Clients,
    table: &str,
    place: &str,
) -> Result<Option<TableStatus>, StoreError> {
    match clients
        .dynamo
        .describe_table()
        .table_name(table)
        .send()
        .await
    {
        Ok(found) => Ok(found.table.and_then(|t| t.table_status)),
        Err(e)
            if e.as_service_error()
                .is_some_and(DescribeTableError::is_resource_not_found_exception) =>
        {
            Ok(None)
        }
        Err(e) => Err(store_error("describe", place, &e)),
    }
}

async fn create_table(clients: &Clients, table: &str, place: &str) -> Result<(), StoreError> {
    let unusable = |e: BuildError| StoreError::broken("create", place, e.to_string());
    let key = KeySchemaElement::builder()
        .attribute_name("pk")
        .key_type(KeyType::Hash)
        .build()
        .map_err(unusable)?;
    let attribute = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .map_err(unusable)?;
    let sent = clients
        .dynamo
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key)
        .attribute_definitions(attribute)
        .send()
        .await;
    match sent {
        Ok(_) => Ok(()),
        // Somebody else makes it at this moment.
        Err(e)
            if e.as_service_error()
                .is_some_and(CreateTableError::is_resource_in_use_exception) =>
        {
            Ok(())
        }
        Err(e) => Err(store_error("create", place, &e)),
    }
}

/// Makes the bucket, unless it is there and ours.
pub async fn ensure_bucket(clients: &Clients, bucket: &str) -> Result<(), StoreError> {
    let place = format!("S3 bucket {bucket}");
    match clients.s3.head_bucket().bucket(bucket).send().await {
        Ok(_) => return Ok(()),
        Err(e)
            if e.as_service_error()
                .is_some_and(HeadBucketError::is_not_found) => {}
        Err(e) => return Err(store_error("find", &place, &e)),
    }
    // The oldest region must not be named.
    let region = Some(clients.region.as_str()).filter(|r| !matches!(*r, "" | "us-east-1"));
    let location = region.map(|r| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(r))
            .build()
    });
    let create = clients
        .s3
        .create_bucket()
        .bucket(bucket)
        .set_create_bucket_configuration(location);
    match create.send().await {
        Ok(_) => Ok(()),
        Err(e)
            if e.as_service_error()
                .is_some_and(CreateBucketError::is_bucket_already_owned_by_you) =>
        {
            Ok(())
        }
        Err(e) => Err(store_error("create", &place, &e)),
    }
}
