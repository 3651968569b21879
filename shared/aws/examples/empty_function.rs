//! The floor of a cold start: a function on the same runtime and clients that does nothing of ours. It reads one object of
//! S3 when it starts and one item of DynamoDB per invocation, and answers how many bytes both had. `make bench` starts it
//! beside the real functions.
//!
//! Read from the environment: `STORECAST_MODEL_BUCKET`, `STORECAST_TABLE`, and the object and the item, `FLOOR_OBJECT` and
//! `FLOOR_ITEM` (the `pk` of a record). Without an item no invocation reads anything: what is left is the runtime's client and
//! the way to it, the floor of a warm request.

use aws::clients::Clients;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde_json::value::RawValue;

type Failure = lambda_runtime::Error;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), Failure> {
    let clients = Clients::from_environment().await;
    let (table, item) = (variable("STORECAST_TABLE")?, variable("FLOOR_ITEM").ok());
    let object = clients
        .s3
        .get_object()
        .bucket(variable("STORECAST_MODEL_BUCKET")?)
        .key(variable("FLOOR_OBJECT")?)
        .send()
        .await?;
    let object_bytes = object.body.collect().await?.into_bytes().len();
    let answer = |_: LambdaEvent<Box<RawValue>>| {
        let get = || clients.dynamo.get_item().table_name(&table);
        let read = item
            .as_ref()
            .map(|pk| get().key("pk", AttributeValue::S(pk.clone())));
        async move {
            let item_bytes = match read {
                Some(read) => {
                    let found = read.send().await?.item.ok_or("no such item")?;
                    let record = found.get("record").and_then(|value| value.as_b().ok());
                    record.map_or(0, |bytes| bytes.as_ref().len())
                }
                None => 0,
            };
            Ok::<_, Failure>(
                serde_json::json!({ "object_bytes": object_bytes, "item_bytes": item_bytes }),
            )
        }
    };
    Runtime::new(service_fn(answer)).run().await
}

#[expect(
    clippy::disallowed_methods,
    reason = "an example has no settings of its own"
)]
fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is missing").into())
}
