//! Files and claims in memory: for tests, and for scoring a file without a bucket.

use super::claim::Claim;
use super::ports::{
    ClaimStore, FileArchive, FileHead, FilePlace, FileStore, FileVersion, Listed, Part, Piece,
};
use crate::manifest::sha256_hex;
use crate::ports::StoreError;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Both ports in one map each, gone with the process. It keeps no versions.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    state: Mutex<State>,
    tags_each_write: bool,
}

#[derive(Debug, Default)]
struct State {
    /// With the `ETag` of each.
    files: BTreeMap<FilePlace, (Bytes, String)>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    begun: u64,
    written: u64,
    claims: BTreeMap<String, Claim>,
}

impl State {
    fn put(&mut self, place: &FilePlace, bytes: Bytes, tags_each_write: bool) {
        let mut etag = sha256_hex(&bytes);
        self.written += 1;
        if tags_each_write {
            etag = format!("{etag}-{}", self.written);
        }
        self.files.insert(place.clone(), (bytes, etag));
    }
}

impl MemoryFiles {
    /// A store that gives equal bytes another tag each time they are written, as S3 does under a key of one's own.
    pub fn tagging_each_write() -> Self {
        Self {
            tags_each_write: true,
            ..Self::default()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole file.
    pub fn file(&self, place: &FilePlace) -> Option<Bytes> {
        self.state()
            .files
            .get(place)
            .map(|(bytes, _)| bytes.clone())
    }

    fn versioned(&self, place: &FilePlace) -> Option<(Bytes, FileVersion)> {
        let (bytes, etag) = self.state().files.get(place).cloned()?;
        let version_id = None;
        Some((bytes, FileVersion { etag, version_id }))
    }

    /// Removes a file, and says whether it was there.
    pub fn remove(&self, place: &FilePlace) -> bool {
        self.state().files.remove(place).is_some()
    }

    /// Places of all files.
    pub fn places(&self) -> Vec<FilePlace> {
        self.state().files.keys().cloned().collect()
    }

    /// Uploads that were begun and neither completed nor given up.
    pub fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }
}

fn no_such_part(place: &FilePlace) -> StoreError {
    let place = format!("file {}", place.token());
    StoreError::broken("complete", place, "no such part")
}

impl FileStore for MemoryFiles {
    async fn head_file(
        &self,
        place: &FilePlace,
        _version_id: Option<&str>,
    ) -> Result<Option<FileHead>, StoreError> {
        let found = self.versioned(place);
        Ok(found.map(|(bytes, version)| FileHead {
            size: bytes.len() as u64,
            version,
        }))
    }

    async fn read_file(
        &self,
        place: &FilePlace,
        wanted: &FileVersion,
        range: Range<u64>,
    ) -> Result<Piece, StoreError> {
        let found = self.versioned(place);
        let found = found.filter(|(_, version)| version == wanted);
        Ok(found.map_or(Piece::Changed, |(bytes, _)| {
            Piece::Bytes(bytes.slice(range.start as usize..range.end as usize))
        }))
    }

    async fn put_file(&self, place: &FilePlace, bytes: Bytes) -> Result<(), StoreError> {
        self.state().put(place, bytes, self.tags_each_write);
        Ok(())
    }

    async fn begin_upload(&self, _place: &FilePlace) -> Result<String, StoreError> {
        let mut state = self.state();
        state.begun += 1;
        let upload = state.begun.to_string();
        state.uploads.insert(upload.clone(), BTreeMap::new());
        Ok(upload)
    }

    async fn put_part(
        &self,
        _place: &FilePlace,
        upload: &str,
        number: u32,
        bytes: Bytes,
    ) -> Result<Option<Part>, StoreError> {
        let mut state = self.state();
        let Some(parts) = state.uploads.get_mut(upload) else {
            return Ok(None);
        };
        let tag = sha256_hex(&bytes);
        parts.insert(number, bytes);
        Ok(Some(Part { number, tag }))
    }

    async fn complete_upload(
        &self,
        place: &FilePlace,
        upload: &str,
        parts: &[Part],
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(found) = state.uploads.get(upload) else {
            return Ok(false);
        };
        let mut whole = Vec::new();
        for part in parts {
            let bytes = found.get(&part.number);
            let bytes = bytes.filter(|bytes| sha256_hex(bytes) == part.tag);
            whole.extend_from_slice(bytes.ok_or_else(|| no_such_part(place))?);
        }
        state.uploads.remove(upload);
        state.put(place, Bytes::from(whole), self.tags_each_write);
        Ok(true)
    }

    async fn abort_upload(&self, _place: &FilePlace, upload: &str) -> Result<(), StoreError> {
        self.state().uploads.remove(upload);
        Ok(())
    }
}

impl FileArchive for MemoryFiles {
    async fn list_files(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let wanted = |place: &FilePlace| place.bucket == bucket && place.key.starts_with(prefix);
        let places = self.places().into_iter().filter(wanted);
        let listed = places.filter_map(|place| {
            let (bytes, version) = self.versioned(&place)?;
            let size = bytes.len() as u64;
            Some(Listed {
                place,
                head: FileHead { size, version },
                is_current: true,
            })
        });
        Ok(listed.collect())
    }

    async fn list_contents(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.list_files(bucket, prefix).await
    }

    async fn replace_file(
        &self,
        place: &FilePlace,
        expected: &FileVersion,
        bytes: Bytes,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let found = state.files.get(place);
        let is_expected = found.is_some_and(|(_, etag)| *etag == expected.etag);
        if is_expected {
            state.put(place, bytes, self.tags_each_write);
        }
        Ok(is_expected)
    }

    async fn remove_file(
        &self,
        place: &FilePlace,
        _version: &FileVersion,
    ) -> Result<(), StoreError> {
        self.remove(place);
        Ok(())
    }
}

impl ClaimStore for MemoryFiles {
    async fn get_claim(&self, key: &str) -> Result<Option<Claim>, StoreError> {
        Ok(self.state().claims.get(key).cloned())
    }

    async fn swap_claim(
        &self,
        key: &str,
        expected: Option<&Claim>,
        claim: &Claim,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let as_expected = state.claims.get(key) == expected;
        if as_expected {
            state.claims.insert(key.to_owned(), claim.clone());
        }
        Ok(as_expected)
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryFiles;
    use crate::conformance::batch;

    #[tokio::test]
    async fn conforms() {
        batch::files(&MemoryFiles::default(), "bucket").await;
        batch::archive(&MemoryFiles::default(), "bucket").await;
        batch::claims(&MemoryFiles::default()).await;
        let tagging = MemoryFiles::tagging_each_write();
        batch::files(&tagging, "bucket").await;
        batch::archive(&tagging, "bucket").await;
    }
}
