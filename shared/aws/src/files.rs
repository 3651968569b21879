//! A shop's files in S3: any bucket, read only.

use crate::clients::Clients;
use crate::sdk_error::{chain, store_error};
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::Object;
use serving::ports::StoreError;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Reads files by their `s3://bucket/key` address.
#[derive(Debug, Clone)]
pub struct S3Files {
    client: Client,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3File {
    /// `s3://bucket/key`.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// Changes when the content does: the `ETag` or, of servers that list none, the time of the last change.
    pub version: String,
}

impl S3Files {
    /// Reads through these clients.
    pub fn new(clients: &Clients) -> Self {
        Self {
            client: clients.s3.clone(),
        }
    }

    /// All files whose address starts with `prefix`, by name.
    pub async fn list(&self, prefix: &str) -> Result<Vec<S3File>, StoreError> {
        let (bucket, key) = split(prefix)?;
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(key)
            .into_paginator()
            .send();
        let mut files = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| store_error("list", prefix, &e))?;
            files.extend(page.contents().iter().filter_map(|object| {
                Some(S3File {
                    url: format!("s3://{bucket}/{}", object.key()?),
                    size: u64::try_from(object.size()?).ok()?,
                    version: version(object)?,
                })
            }));
        }
        Ok(files)
    }

    /// Writes the file at `url` to `path`, piece by piece. Local writes block: nothing else runs beside a load.
    pub async fn download(&self, url: &str, path: &Path) -> Result<(), StoreError> {
        let (bucket, key) = split(url)?;
        // A year of orders may take a while; the connection's own limits still hold.
        let patient = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_hours(1))
            .operation_timeout(Duration::from_hours(1))
            .build();
        let sent = self.client.get_object().bucket(bucket).key(key).customize();
        let sent = sent
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(patient))
            .send()
            .await;
        let mut body = sent.map_err(|e| store_error("get", url, &e))?.body;
        let local = |e: std::io::Error| {
            StoreError::broken("write", path.display().to_string(), e.to_string())
        };
        let mut file = File::create(path).map_err(local)?;
        while let Some(piece) = body.next().await {
            let piece =
                piece.map_err(|e| StoreError::unavailable("get", url.to_owned(), chain(&e)))?;
            file.write_all(&piece).map_err(local)?;
        }
        file.flush().map_err(local)
    }
}

fn version(object: &Object) -> Option<String> {
    let etag = object.e_tag().map(str::to_owned);
    etag.or_else(|| Some(object.last_modified()?.to_string()))
}

/// Bucket and key of an address.
fn split(url: &str) -> Result<(&str, &str), StoreError> {
    let parts = url
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'));
    parts
        .ok_or_else(|| StoreError::broken("read", url.to_owned(), "not s3://bucket/key".to_owned()))
}
