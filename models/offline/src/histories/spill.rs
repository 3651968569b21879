//! Records on disk, apart by a hash: of their customer, their product, or their category.

use crate::ingest::LoadError;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes a partition gathers before they are appended to the file, at most and at least.
const CHUNK_BYTES: (usize, usize) = (32 << 10, 4 << 10);
/// Bytes that all partitions gather together, but for the least of each.
const GATHERED_BYTES: usize = 8 << 20;
/// Longer than any record: its texts are at most 256 bytes each.
const RECORD_BYTES: usize = 4096;

/// One file of chunks, each of one partition; where they are is kept in memory.
///
/// A file per partition would run into the limit of open files.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    partitions: Vec<Partition>,
    chunk_bytes: usize,
    end: u64,
}

/// The bytes of a partition: whole records in every chunk.
#[derive(Debug)]
pub(super) struct Chunks<'s> {
    file: &'s File,
    places: &'s [(u64, usize)],
}

impl Chunks<'_> {
    /// All of them.
    pub(super) fn together(&self) -> Result<Vec<u8>, LoadError> {
        let mut bytes = vec![0; self.places.iter().map(|(_, length)| length).sum()];
        let mut rest = bytes.as_mut_slice();
        for &(offset, length) in self.places {
            let (here, after) = rest.split_at_mut(length);
            self.read(offset, here)?;
            rest = after;
        }
        Ok(bytes)
    }

    /// One after the other.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let mut bytes = Vec::new();
        for &(offset, length) in self.places {
            bytes.resize(length, 0);
            self.read(offset, &mut bytes)?;
            take(&bytes)?;
        }
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError> {
        let read = self.file.read_exact_at(into, offset);
        read.map_err(LoadError::io("read spilled records"))
    }
}

#[derive(Debug, Default)]
struct Partition {
    buffer: Vec<u8>,
    chunks: Vec<(u64, usize)>,
}

impl Spill {
    /// A file that must not be there yet.
    pub(super) fn create(path: &Path, partitions: usize) -> Result<Self, LoadError> {
        let options = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path);
        let file = options.map_err(LoadError::io(format!("create {}", path.display())))?;
        Ok(Self {
            file,
            partitions: std::iter::repeat_with(Partition::default)
                .take(partitions)
                .collect(),
            chunk_bytes: (GATHERED_BYTES / partitions.max(1)).clamp(CHUNK_BYTES.1, CHUNK_BYTES.0),
            end: 0,
        })
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Adds a record to the partition of a hash.
    pub(super) fn write(&mut self, hash: u64, record: &impl Serialize) -> Result<(), LoadError> {
        let mut bytes = [0; RECORD_BYTES];
        let bytes = postcard::to_slice(record, &mut bytes).map_err(|error| LoadError::Io {
            place: "spill a record".to_owned(),
            source: std::io::Error::other(error),
        })?;
        self.append(partition_of(hash, self.partitions.len()), bytes)
    }

    /// Adds whole records, as bytes, to a partition.
    pub(super) fn append(&mut self, partition: usize, bytes: &[u8]) -> Result<(), LoadError> {
        let partition = &mut self.partitions[partition];
        partition.buffer.extend_from_slice(bytes);
        if partition.buffer.len() >= self.chunk_bytes {
            self.end = partition.append(&mut self.file, self.end)?;
        }
        Ok(())
    }

    /// Works on as many partitions at a time as there are cores, and takes the results in order; `take` is also told
    /// how many bytes are done then.
    pub(super) fn in_order<B: Send>(
        &self,
        work: impl Fn(&Chunks<'_>) -> Result<B, LoadError> + Sync,
        mut take: impl FnMut(B, u64) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let all: Vec<usize> = (0..self.partitions()).collect();
        for some in all.chunks(cores) {
            let blocks = std::thread::scope(|scope| {
                let work = &work;
                let spawn = |&index: &usize| scope.spawn(move || work(&self.chunks(index)));
                let threads: Vec<_> = some.iter().map(spawn).collect();
                let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined
                    .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect::<Vec<_>>()
            });
            for (block, &index) in blocks.into_iter().zip(some) {
                take(block?, self.bytes_until(index))?;
            }
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

    fn chunks(&self, partition: usize) -> Chunks<'_> {
        let places = &self.partitions[partition].chunks;
        Chunks {
            file: &self.file,
            places,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Bytes of all partitions up to this one.
    fn bytes_until(&self, partition: usize) -> u64 {
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
            .map_err(LoadError::io("spill records"))?;
        self.chunks.push((end, self.buffer.len()));
        let end = end + self.buffer.len() as u64;
        self.buffer.clear();
        Ok(end)
    }
}

/// The partition of a hash. Partitions are ranges of it: the order of entities is then the same for every number of them.
pub(super) fn partition_of(hash: u64, partitions: usize) -> usize {
    ((u128::from(hash) * partitions as u128) >> 64) as usize
}

/// Hands on the records in these bytes, in order.
pub(super) fn records<'a, T: serde::Deserialize<'a>>(
    mut bytes: &'a [u8],
    mut take: impl FnMut(T),
) -> Result<(), LoadError> {
    while !bytes.is_empty() {
        let (record, rest) = postcard::take_from_bytes(bytes).map_err(|error| LoadError::Io {
            place: "read spilled records".to_owned(),
            source: std::io::Error::other(error),
        })?;
        take(record);
        bytes = rest;
    }
    Ok(())
}

/// FNV-1a, then the finaliser of `MurmurHash3`: stable for ever, unlike the standard library's.
pub(super) fn id_hash(id: &str) -> u64 {
    let fnv = id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}
