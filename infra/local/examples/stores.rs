//! S3 and DynamoDB on free ports, with an empty bucket and an empty table, until standard input ends:
//! `stores FOLDER BUCKET TABLE`. Prints the environment of whoever talks to them, as one line of JSON. `make bench` starts it.

#![expect(clippy::print_stdout, reason = "a tool for programs")]

use aws::admin::{ensure_bucket, ensure_table};
use aws::clients::{Clients, LOCAL_ACCESS_KEY, LOCAL_REGION, LOCAL_SECRET_KEY};
use local::servers::{start_dynamo, start_s3};
use std::error::Error;
use std::io::Read;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, bucket, table] = arguments.as_slice() else {
        return Err("usage: stores FOLDER BUCKET TABLE".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let s3 = start_s3(0, Path::new(folder))?;
        let dynamo = start_dynamo(0, None)?;
        let clients = Clients::at(&s3.url(), &dynamo.url()).await;
        ensure_bucket(&clients, bucket).await?;
        ensure_table(&clients, table).await?;
        println!(
            "{}",
            serde_json::json!({
                "STORECAST_TABLE": table,
                "STORECAST_MODEL_BUCKET": bucket,
                "AWS_ENDPOINT_URL_S3": s3.url(),
                "AWS_ENDPOINT_URL_DYNAMODB": dynamo.url(),
                "AWS_REGION": LOCAL_REGION,
                "AWS_ACCESS_KEY_ID": LOCAL_ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": LOCAL_SECRET_KEY,
                "AWS_EC2_METADATA_DISABLED": "true",
                "ORT_DISABLE_TELEMETRY": "1",
            })
        );
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        ended.await??;
        Ok(())
    })
}
