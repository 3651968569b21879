//! Ranges of a file, and why reading them stops.

use crate::batch::limits::FileFault;
use crate::batch::ports::{FileHead, FilePlace, FileStore, Piece};
use crate::ports::StoreError;
use bytes::Bytes;

/// Why reading stops.
#[derive(Debug)]
pub enum Stopped {
    /// The file cannot be read, now or ever.
    Fault(FileFault),
    /// The key holds another content.
    Changed,
    /// The store failed.
    Store(StoreError),
}

impl From<FileFault> for Stopped {
    fn from(fault: FileFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Ranges of a file.
pub(super) struct Ranges<'a, F> {
    pub(super) files: &'a F,
    pub(super) place: &'a FilePlace,
    pub(super) head: &'a FileHead,
}

impl<F: FileStore> Ranges<'_, F> {
    pub(super) async fn read(&self, start: u64, end: u64) -> Result<Bytes, Stopped> {
        let end = end.min(self.head.size);
        if start >= end {
            return Ok(Bytes::new());
        }
        let read = self
            .files
            .read_file(self.place, &self.head.version, start..end);
        match read.await? {
            Piece::Bytes(bytes) => Ok(bytes),
            Piece::Changed => Err(Stopped::Changed),
        }
    }
}
