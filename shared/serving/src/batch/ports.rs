//! Files and claims: what scoring a file asks of the outside.

use super::claim::Claim;
use crate::manifest::sha256_hex;
use crate::ports::StoreError;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::ops::Range;

/// Where a file lies. Keys may hold names of people, so errors and logs show [`FilePlace::token`] instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePlace {
    /// The bucket.
    pub bucket: String,
    /// The decoded key.
    pub key: String,
}

impl FilePlace {
    /// Another file of the same bucket.
    #[must_use]
    pub fn beside(&self, key: String) -> Self {
        let bucket = self.bucket.clone();
        Self { bucket, key }
    }

    /// Stands for the place where its key must not be shown: 16 hex digits of SHA-256 over bucket, `/` and key.
    pub fn token(&self) -> String {
        let mut hash = sha256_hex(format!("{}/{}", self.bucket, self.key).as_bytes());
        hash.truncate(16);
        hash
    }
}

/// One content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    /// Names the content; without quotes.
    pub etag: String,
    /// Names the version where the bucket keeps versions.
    pub version_id: Option<String>,
}

impl FileVersion {
    /// The version as claims and reports name it.
    pub fn name(&self) -> &str {
        self.version_id.as_deref().unwrap_or(&self.etag)
    }
}

/// What there is to know of a file before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHead {
    /// Bytes.
    pub size: u64,
    /// Which content.
    pub version: FileVersion,
}

/// A part of a growing file, as the store names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// What the store gave back for it.
    pub tag: String,
}

/// What became of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The bytes asked for.
    Bytes(Bytes),
    /// The file holds another content by now, or is gone.
    Changed,
}

/// Files by bucket and key. Writing a key replaces what was there; nobody sees half a file.
pub trait FileStore: Send + Sync {
    /// The file as it is now, or in a version of a bucket that keeps versions; `None` when it is not there.
    fn head_file(
        &self,
        place: &FilePlace,
        version_id: Option<&str>,
    ) -> impl Future<Output = Result<Option<FileHead>, StoreError>> + Send;

    /// Bytes `range` of this content; the range lies within the file and is not empty.
    fn read_file(
        &self,
        place: &FilePlace,
        version: &FileVersion,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Piece, StoreError>> + Send;

    /// All bytes of this content, be it empty; `None` when the file holds another one by now.
    fn read_all(
        &self,
        place: &FilePlace,
        head: &FileHead,
    ) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send {
        async move {
            if head.size == 0 {
                return Ok(Some(Bytes::new()));
            }
            let read = self.read_file(place, &head.version, 0..head.size);
            Ok(match read.await? {
                Piece::Bytes(bytes) => Some(bytes),
                Piece::Changed => None,
            })
        }
    }

    /// Writes a whole file.
    fn put_file(
        &self,
        place: &FilePlace,
        bytes: Bytes,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Begins a file that grows in parts; it is seen once completed. Returns the upload's name.
    fn begin_upload(
        &self,
        place: &FilePlace,
    ) -> impl Future<Output = Result<String, StoreError>> + Send;

    /// Adds a part; all but the last have at least 5 MiB. `None` when there is no such upload: it was completed or given up.
    fn put_part(
        &self,
        place: &FilePlace,
        upload: &str,
        number: u32,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Option<Part>, StoreError>> + Send;

    /// Makes the file of its parts; `false` when there is no such upload.
    fn complete_upload(
        &self,
        place: &FilePlace,
        upload: &str,
        parts: &[Part],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives an upload up.
    fn abort_upload(
        &self,
        place: &FilePlace,
        upload: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A file that a listing names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it lies.
    pub place: FilePlace,
    /// Its size and content.
    pub head: FileHead,
    /// Whether it is what the key holds now, and not a content that was replaced or removed.
    pub is_current: bool,
}

/// Files as a whole: what there is, and what must go.
pub trait FileArchive: FileStore {
    /// What the keys that begin so hold now, by key.
    fn list_files(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<Listed>, StoreError>> + Send;

    /// The same with every content that was replaced or removed, where the bucket keeps them.
    fn list_contents(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<Listed>, StoreError>> + Send;

    /// Replaces this content with another one; `false` and no change when the key holds something else by now.
    fn replace_file(
        &self,
        place: &FilePlace,
        expected: &FileVersion,
        bytes: Bytes,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes this content for good: the version it names, or, where it names none, what the key holds. What is gone already
    /// is no error.
    fn remove_file(
        &self,
        place: &FilePlace,
        version: &FileVersion,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Claims by key, changed by compare-and-set only.
pub trait ClaimStore: Send + Sync {
    /// The claim of a key, as it is at this moment.
    fn get_claim(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Claim>, StoreError>> + Send;

    /// Replaces `expected` (`None`: no claim) with `claim` in one step; `false` and no change when another one stands
    /// there. A write whose answer was lost and that is tried again is the same write.
    fn swap_claim(
        &self,
        key: &str,
        expected: Option<&Claim>,
        claim: &Claim,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
