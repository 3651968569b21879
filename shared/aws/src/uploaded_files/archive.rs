//! What a bucket holds, and what must go from it.

use super::{UploadedFiles, etag, has_changed, patient, shown, status};
use crate::sdk_error::store_error;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{DeleteMarkerEntry, Object, ObjectVersion};
use bytes::Bytes;
use serving::batch::ports::{FileHead, FilePlace, FileVersion, Listed};
use serving::batch::{FileArchive, FileStore};
use serving::ports::StoreError;

/// A server that stands in for S3 and knows no versions says so.
const NOT_IMPLEMENTED: u16 = 501;

impl FileArchive for UploadedFiles {
    async fn list_files(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let mut pages = list.into_paginator().send();
        let mut files = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| store_error("list", &listed_in(bucket), &e))?;
            for object in page.contents() {
                files.extend(self.listed(bucket, object).await?);
            }
        }
        files.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(files)
    }

    async fn list_contents(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut files = Vec::new();
        let (mut key, mut version) = (None, None);
        loop {
            let list = self.client.list_object_versions();
            let list = list.bucket(bucket).prefix(prefix);
            let list = list.set_key_marker(key).set_version_id_marker(version);
            let page = match list.send().await {
                Err(e) if status(&e) == Some(NOT_IMPLEMENTED) => {
                    return self.list_files(bucket, prefix).await;
                }
                page => page.map_err(|e| store_error("list", &listed_in(bucket), &e))?,
            };
            let versions = page.versions().iter();
            files.extend(versions.filter_map(|found| content(bucket, found)));
            let markers = page.delete_markers().iter();
            files.extend(markers.filter_map(|found| marker(bucket, found)));
            if page.is_truncated() != Some(true) {
                return Ok(files);
            }
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    async fn replace_file(
        &self,
        place: &FilePlace,
        expected: &FileVersion,
        bytes: Bytes,
    ) -> Result<bool, StoreError> {
        // Servers that stand in for S3 may not know the condition.
        let found = self.head_file(place, None).await?;
        if found.is_none_or(|head| head.version.etag != expected.etag) {
            return Ok(false);
        }
        let put = self.client.put_object();
        let put = put.bucket(&place.bucket).key(&place.key);
        let put = put.if_match(format!("\"{}\"", expected.etag));
        let put = put.body(ByteStream::from(bytes)).customize();
        match put.config_override(patient()).send().await {
            Ok(_) => Ok(true),
            Err(e) if has_changed(&e) => Ok(false),
            Err(e) => Err(store_error("replace", &shown(place), &e)),
        }
    }

    async fn remove_file(
        &self,
        place: &FilePlace,
        version: &FileVersion,
    ) -> Result<(), StoreError> {
        let delete = self.client.delete_object();
        let delete = delete.bucket(&place.bucket).key(&place.key);
        let delete = delete.set_version_id(version.version_id.clone());
        match delete.send().await {
            Err(e) if status(&e) != Some(404) => Err(store_error("remove", &shown(place), &e)),
            _ => Ok(()),
        }
    }
}

impl UploadedFiles {
    /// A listed object; none where it went away meanwhile. Servers that stand in for S3 may list no `ETag`.
    async fn listed(&self, bucket: &str, object: &Object) -> Result<Option<Listed>, StoreError> {
        let Some(place) = place_of(bucket, object.key()) else {
            return Ok(None);
        };
        let head = match object.e_tag() {
            Some(quoted) => Some(FileHead {
                size: size_of(object.size()),
                version: FileVersion {
                    etag: etag(Some(quoted)),
                    version_id: None,
                },
            }),
            None => self.head_file(&place, None).await?,
        };
        Ok(head.map(|head| Listed {
            place,
            head,
            is_current: true,
        }))
    }
}

/// Prefixes may hold names of people.
fn listed_in(bucket: &str) -> String {
    format!("files in S3 bucket {bucket}")
}

fn place_of(bucket: &str, key: Option<&str>) -> Option<FilePlace> {
    Some(FilePlace {
        bucket: bucket.to_owned(),
        key: key?.to_owned(),
    })
}

fn size_of(size: Option<i64>) -> u64 {
    u64::try_from(size.unwrap_or(0)).unwrap_or(0)
}

fn content(bucket: &str, found: &ObjectVersion) -> Option<Listed> {
    Some(Listed {
        place: place_of(bucket, found.key())?,
        head: FileHead {
            size: size_of(found.size()),
            version: FileVersion {
                etag: etag(found.e_tag()),
                version_id: found.version_id().map(str::to_owned),
            },
        },
        is_current: found.is_latest() == Some(true),
    })
}

/// What a removal leaves behind: an empty content that hides those before it.
fn marker(bucket: &str, found: &DeleteMarkerEntry) -> Option<Listed> {
    Some(Listed {
        place: place_of(bucket, found.key())?,
        head: FileHead {
            size: 0,
            version: FileVersion {
                etag: String::new(),
                version_id: found.version_id().map(str::to_owned),
            },
        },
        is_current: false,
    })
}
