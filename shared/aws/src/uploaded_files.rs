//! Uploads and outputs in buckets. Keys may hold names of people: errors show a hash instead.

use crate::clients::Clients;
use crate::sdk_error::{chain, store_error};
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use serving::batch::FileStore;
use serving::batch::ports::{FileHead, FilePlace, FileVersion, Part, Piece};
use serving::ports::StoreError;
use std::ops::Range;
use std::time::Duration;

/// [`FileStore`] on S3.
#[derive(Debug, Clone)]
pub struct UploadedFiles {
    client: Client,
}

impl UploadedFiles {
    /// Reads and writes through these clients.
    pub fn new(clients: &Clients) -> Self {
        Self {
            client: clients.s3.clone(),
        }
    }
}

fn shown(place: &FilePlace) -> String {
    format!("file {}", place.token())
}

/// Megabytes may take longer than what an API call waits for.
fn patient() -> Builder {
    let timeouts = TimeoutConfig::builder()
        .read_timeout(Duration::from_secs(10))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_mins(1))
        .build();
    Builder::new().timeout_config(timeouts)
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|raw| raw.status().as_u16())
}

/// 404: the key is gone. 412: it holds another content.
fn has_changed<E>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(status(error), Some(404 | 412))
}

impl FileStore for UploadedFiles {
    async fn head_file(
        &self,
        place: &FilePlace,
        version_id: Option<&str>,
    ) -> Result<Option<FileHead>, StoreError> {
        let head = self.client.head_object();
        let head = head.bucket(&place.bucket).key(&place.key);
        let sent = head.set_version_id(version_id.map(str::to_owned)).send();
        match sent.await {
            Ok(found) => Ok(Some(FileHead {
                size: u64::try_from(found.content_length().unwrap_or(0)).unwrap_or(0),
                version: FileVersion {
                    etag: etag(found.e_tag()),
                    // "null" where versions are kept no more.
                    version_id: version_id
                        .or(found.version_id())
                        .filter(|id| *id != "null")
                        .map(str::to_owned),
                },
            })),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(store_error("head", &shown(place), &e)),
        }
    }

    async fn read_file(
        &self,
        place: &FilePlace,
        version: &FileVersion,
        range: Range<u64>,
    ) -> Result<Piece, StoreError> {
        let get = self.client.get_object();
        let get = get.bucket(&place.bucket).key(&place.key);
        let get = get.range(format!("bytes={}-{}", range.start, range.end - 1));
        let get = get.set_version_id(version.version_id.clone());
        let get = get.if_match(format!("\"{}\"", version.etag));
        let found = match get.customize().config_override(patient()).send().await {
            Ok(found) => found,
            Err(e) if has_changed(&e) => return Ok(Piece::Changed),
            Err(e) => return Err(store_error("get", &shown(place), &e)),
        };
        // Servers that stand in for S3 may not know the condition.
        if etag(found.e_tag()) != version.etag {
            return Ok(Piece::Changed);
        }
        let body = found.body.collect().await;
        let bytes = body
            .map_err(|e| StoreError::unavailable("get", shown(place), chain(&e)))?
            .into_bytes();
        let (length, wanted) = (bytes.len() as u64, range.end - range.start);
        if length != wanted {
            let reason = format!("{length} bytes instead of {wanted}");
            return Err(StoreError::unavailable("get", shown(place), reason));
        }
        Ok(Piece::Bytes(bytes))
    }

    async fn put_file(&self, place: &FilePlace, bytes: Bytes) -> Result<(), StoreError> {
        let put = self.client.put_object();
        let put = put.bucket(&place.bucket).key(&place.key);
        let put = put.body(ByteStream::from(bytes)).customize();
        let sent = put.config_override(patient()).send().await;
        sent.map_err(|e| store_error("put", &shown(place), &e))?;
        Ok(())
    }

    async fn begin_upload(&self, place: &FilePlace) -> Result<String, StoreError> {
        let create = self.client.create_multipart_upload();
        let sent = create.bucket(&place.bucket).key(&place.key).send().await;
        let begun = sent.map_err(|e| store_error("begin an upload of", &shown(place), &e))?;
        let request = begun.request_id().unwrap_or_default().to_owned();
        begun.upload_id.ok_or_else(|| {
            let reason = format!("no upload id in the answer to request {request}");
            StoreError::broken("begin an upload of", shown(place), reason)
        })
    }

    async fn put_part(
        &self,
        place: &FilePlace,
        upload: &str,
        number: u32,
        bytes: Bytes,
    ) -> Result<Option<Part>, StoreError> {
        let put = self.client.upload_part();
        let put = put.bucket(&place.bucket).key(&place.key).upload_id(upload);
        let put = put.part_number(i32::try_from(number).unwrap_or(i32::MAX));
        let put = put.body(ByteStream::from(bytes)).customize();
        let sent = put.config_override(patient()).send().await;
        let part = match sent {
            Ok(part) => part,
            Err(e) if status(&e) == Some(404) => return Ok(None),
            Err(e) => return Err(store_error("put a part of", &shown(place), &e)),
        };
        let tag = part.e_tag().unwrap_or_default().to_owned();
        Ok(Some(Part { number, tag }))
    }

    async fn complete_upload(
        &self,
        place: &FilePlace,
        upload: &str,
        parts: &[Part],
    ) -> Result<bool, StoreError> {
        let part = |part: &Part| {
            CompletedPart::builder()
                .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                .e_tag(&part.tag)
                .build()
        };
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.iter().map(part).collect()))
            .build();
        let complete = self.client.complete_multipart_upload();
        let complete = complete.bucket(&place.bucket).key(&place.key);
        let complete = complete.upload_id(upload).multipart_upload(parts);
        let sent = complete.customize().config_override(patient()).send().await;
        match sent {
            Ok(_) => Ok(true),
            Err(e) if status(&e) == Some(404) => Ok(false),
            Err(e) => Err(store_error("complete", &shown(place), &e)),
        }
    }

    async fn abort_upload(&self, place: &FilePlace, upload: &str) -> Result<(), StoreError> {
        let abort = self.client.abort_multipart_upload();
        let abort = abort.bucket(&place.bucket).key(&place.key);
        match abort.upload_id(upload).send().await {
            Err(e) if status(&e) != Some(404) => {
                Err(store_error("give up an upload of", &shown(place), &e))
            }
            _ => Ok(()),
        }
    }
}

mod archive;

fn etag(quoted: Option<&str>) -> String {
    quoted.unwrap_or_default().trim_matches('"').to_owned()
}
