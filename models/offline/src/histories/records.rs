//! Histories in a file, one after the other: an id and the bytes of its codec, each behind its length.

use crate::ingest::LoadError;
use features::codec::CodecError;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

/// A longer record in the stored histories is damage, not an entity.
const MAX_STORED_BYTES: u32 = 1 << 30;

/// Appends a history as it is stored.
pub(super) fn store(id: &str, history: &[u8], into: &mut Vec<u8>) -> Result<(), LoadError> {
    block(id.as_bytes(), into)?;
    block(history, into)
}

/// A length in four bytes, little end first, and that many bytes.
fn block(bytes: &[u8], into: &mut Vec<u8>) -> Result<(), LoadError> {
    let length = u32::try_from(bytes.len()).map_err(|_| LoadError::Io {
        place: "store a history".to_owned(),
        source: std::io::Error::other(format!(
            "{} bytes, at most {} allowed",
            bytes.len(),
            u32::MAX
        )),
    })?;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(bytes);
    Ok(())
}

/// Reads stored histories one by one.
#[derive(Debug)]
pub struct Stored<H> {
    path: PathBuf,
    reader: Option<BufReader<File>>,
    left: u64,
    decode: fn(&[u8]) -> Result<H, CodecError>,
}

impl<H> Stored<H> {
    pub(super) fn open(
        path: PathBuf,
        count: u64,
        decode: fn(&[u8]) -> Result<H, CodecError>,
    ) -> Self {
        Self {
            path,
            reader: None,
            left: count,
            decode,
        }
    }

    fn read(&mut self) -> Result<(String, H), LoadError> {
        let damaged = |reason: String| LoadError::Damaged {
            path: self.path.clone(),
            reason,
        };
        if self.reader.is_none() {
            let file = File::open(&self.path)
                .map_err(LoadError::io(format!("open {}", self.path.display())))?;
            self.reader = Some(BufReader::with_capacity(1 << 18, file));
        }
        let Some(reader) = &mut self.reader else {
            return Err(damaged("is not open".to_owned()));
        };
        let id = read_block(reader)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|e| e.to_string()))
            .map_err(&damaged)?;
        let bytes = read_block(reader).map_err(&damaged)?;
        let history = (self.decode)(&bytes).map_err(|error| damaged(error.to_string()))?;
        Ok((id, history))
    }
}

impl<H> Iterator for Stored<H> {
    type Item = Result<(String, H), LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let entity = self.read();
        self.left = if entity.is_ok() { self.left - 1 } else { 0 };
        Some(entity)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}

fn read_block(reader: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut length = [0; 4];
    reader
        .read_exact(&mut length)
        .map_err(|error| error.to_string())?;
    let length = u32::from_le_bytes(length);
    if length > MAX_STORED_BYTES {
        return Err(format!(
            "a record of {length} bytes, at most {MAX_STORED_BYTES} expected"
        ));
    }
    let mut bytes = vec![0; length as usize];
    reader
        .read_exact(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}
