//! Lines on disk, apart by a hash of their customer.

use crate::ingest::{Line, LoadError};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes a partition gathers before they are appended to the file.
const CHUNK_BYTES: usize = 32 << 10;
/// Longer than any line: its texts are at most 256 bytes each.
const LINE_BYTES: usize = 4096;

/// One file of chunks, each of one partition; where they are is kept in memory.
///
/// A file per partition would run into the limit of open files.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    partitions: Vec<Partition>,
    end: u64,
}

#[derive(Debug, Default)]
struct Partition {
    buffer: Vec<u8>,
    chunks: Vec<(u64, usize)>,
}

impl Spill {
    pub(super) fn create(folder: &Path, partitions: usize) -> Result<Self, LoadError> {
        let path = folder.join("lines.bin");
        let options = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = options.map_err(LoadError::io(format!("create {}", path.display())))?;
        Ok(Self {
            file,
            partitions: std::iter::repeat_with(Partition::default)
                .take(partitions)
                .collect(),
            end: 0,
        })
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Adds a line of the file with this rank.
    pub(super) fn write(&mut self, line: &Line, rank: u32) -> Result<(), LoadError> {
        let hash = customer_hash(&line.customer);
        // Ranges of the hash: the order of customers is then the same for every number of partitions.
        let index = (u128::from(hash) * self.partitions.len() as u128) >> 64;
        let mut bytes = [0; LINE_BYTES];
        let bytes =
            postcard::to_slice(&(rank, line), &mut bytes).map_err(|error| LoadError::Io {
                place: "spill a line".to_owned(),
                source: std::io::Error::other(error),
            })?;
        let partition = &mut self.partitions[index as usize];
        partition.buffer.extend_from_slice(bytes);
        if partition.buffer.len() >= CHUNK_BYTES {
            self.end = partition.append(&mut self.file, self.end)?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), LoadError> {
        for partition in &mut self.partitions {
            self.end = partition.append(&mut self.file, self.end)?;
            partition.buffer = Vec::new();
        }
        Ok(())
    }

    /// All bytes of a partition.
    pub(super) fn read(&self, partition: usize) -> Result<Vec<u8>, LoadError> {
        let chunks = &self.partitions[partition].chunks;
        let mut bytes = vec![0; chunks.iter().map(|(_, length)| length).sum()];
        let mut rest = bytes.as_mut_slice();
        for &(offset, length) in chunks {
            let (here, after) = rest.split_at_mut(length);
            self.file
                .read_exact_at(here, offset)
                .map_err(LoadError::io("read spilled lines"))?;
            rest = after;
        }
        Ok(bytes)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Bytes of all partitions up to this one.
    pub(super) fn bytes_until(&self, partition: usize) -> u64 {
        let chunks = self.partitions[..=partition]
            .iter()
            .flat_map(|partition| &partition.chunks);
        chunks.map(|(_, length)| *length as u64).sum()
    }
}

impl Partition {
    fn append(&mut self, file: &mut File, end: u64) -> Result<u64, LoadError> {
        if self.buffer.is_empty() {
            return Ok(end);
        }
        file.write_all(&self.buffer)
            .map_err(LoadError::io("spill lines"))?;
        self.chunks.push((end, self.buffer.len()));
        let end = end + self.buffer.len() as u64;
        self.buffer.clear();
        Ok(end)
    }
}

/// FNV-1a, then the finaliser of `MurmurHash3`: stable for ever, unlike the standard library's.
pub(super) fn customer_hash(id: &str) -> u64 {
    let fnv = id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}
