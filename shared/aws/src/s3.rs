//! Artifacts in a bucket.

use crate::sdk_error::{chain, store_error};
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use serving::ports::{ArtifactStore, StoreError};
use std::time::Duration;

/// [`ArtifactStore`] on one bucket: key `k` is the object `<prefix>k`.
#[derive(Debug, Clone)]
pub struct S3Artifacts {
    client: Client,
    bucket: String,
    prefix: String,
}

impl S3Artifacts {
    /// `prefix` is put before every key as it is: give `""`, or a folder with its slash.
    pub fn new(client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            client,
            bucket: bucket.into(),
            prefix: prefix.into(),
        }
    }

    /// Opens a connection, so that the first file does not wait for it; the answer does not matter.
    pub(crate) async fn warm_up(&self) {
        let _ = self.client.head_bucket().bucket(&self.bucket).send().await;
    }

    fn place(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }
}

impl ArtifactStore for S3Artifacts {
    async fn get_artifact(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let place = self.place(key);
        let sent = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(format!("{}{key}", self.prefix))
            .send()
            .await;
        let found = match sent {
            Ok(found) => found,
            Err(e)
                if e.as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(store_error("get", &place, &e)),
        };
        // A body that ends early or fails its checksum was damaged on the way, not in the bucket.
        let body = found
            .body
            .collect()
            .await
            .map_err(|e| StoreError::unavailable("get", place, chain(&e)))?;
        Ok(Some(body.into_bytes()))
    }

    async fn put_artifact(&self, key: &str, bytes: Bytes) -> Result<bool, StoreError> {
        // A model goes up from a desk, not from a function: the line may be slow.
        let patient = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_mins(1))
            .operation_timeout(Duration::from_mins(3))
            .build();
        let sent = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(format!("{}{key}", self.prefix))
            .if_none_match("*")
            .body(ByteStream::from(bytes))
            .customize()
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(patient))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 412) => Ok(false),
            Err(e) => Err(store_error("put", &self.place(key), &e)),
        }
    }
}
