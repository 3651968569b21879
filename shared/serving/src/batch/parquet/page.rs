//! Headers of pages, and their bytes, unpacked up to the size that is stated and no further.

use super::thrift::{Broken, Reader, Value};
use crate::batch::limits::FileFault;
use bytes::Bytes;
use std::io::Read;

/// Bytes of a page at most, packed or not; writers aim at 1 MiB.
pub const PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Values of a page at most.
pub const PAGE_VALUES: u64 = 16 * 1024 * 1024;

/// What stands before a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    kind: i64,
    unpacked_bytes: i64,
    packed_bytes: i64,
    values: i64,
    encoding: i64,
    /// Of the second version of data pages, whose levels are never packed.
    levels_bytes: i64,
    is_plain: bool,
}

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Values.
    Data,
    /// Values of the second version.
    Data2,
    /// What values point to.
    Dictionary,
    /// Nothing that is read.
    Other,
}

fn damaged() -> FileFault {
    FileFault::new("damaged", "no Parquet file: a page cannot be read")
}

impl Header {
    /// Reads a header, and says how many bytes it takes; [`Broken::Short`] when there are not enough.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), Broken> {
        let mut header = Self::default();
        let mut reader = Reader::new(bytes);
        reader.fields(|reader, id, kind| {
            match id {
                1 => header.kind = reader.number(kind)?,
                2 => header.unpacked_bytes = reader.number(kind)?,
                3 => header.packed_bytes = reader.number(kind)?,
                5 | 7 | 8 => header.read_own(reader, id, kind)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok((header, reader.at()))
    }

    /// What only this kind of page has.
    fn read_own(&mut self, reader: &mut Reader<'_>, of: i64, kind: u8) -> Result<(), Broken> {
        if reader.value(kind)? != Value::Struct {
            return Err(Broken::Wrong);
        }
        let is_second = of == 8;
        reader.fields(|reader, id, kind| {
            match (is_second, id) {
                (_, 1) => self.values = reader.number(kind)?,
                (false, 2) | (true, 4) => self.encoding = reader.number(kind)?,
                (true, 5 | 6) => {
                    let bytes = reader.number(kind)?;
                    self.levels_bytes =
                        self.levels_bytes.checked_add(bytes).ok_or(Broken::Wrong)?;
                }
                (true, 7) => self.is_plain = reader.value(kind)? == Value::Truth(false),
                _ => return Ok(false),
            }
            Ok(true)
        })
    }

    /// What the page holds.
    pub fn kind(&self) -> PageKind {
        match self.kind {
            0 => PageKind::Data,
            2 => PageKind::Dictionary,
            3 => PageKind::Data2,
            _ => PageKind::Other,
        }
    }

    /// How values are written, as Parquet numbers it.
    pub fn encoding(&self) -> i64 {
        self.encoding
    }

    /// Values of the page.
    pub fn values(&self) -> u64 {
        self.values.unsigned_abs()
    }

    /// Bytes of the levels before the values, in data pages of the second version.
    pub fn levels_bytes(&self) -> usize {
        size(self.levels_bytes)
    }

    /// Bytes that follow the header, of which there are at most `room`; a page that cannot be is refused.
    pub fn checked_bytes(&self, room: u64) -> Result<usize, FileFault> {
        let sizes = [self.unpacked_bytes, self.packed_bytes];
        if sizes.iter().any(|bytes| size(*bytes) > PAGE_BYTES) || self.values() > PAGE_VALUES {
            let [unpacked, packed] = sizes;
            let detail = format!(
                "a page of {} values and {packed} bytes, {unpacked} once unpacked; at most {PAGE_VALUES} and {PAGE_BYTES} are read",
                self.values
            );
            return Err(FileFault::new("too large", detail));
        }
        let is_wrong = sizes.iter().any(|size| *size < 0)
            || self.values < 0
            || !(0..=self.packed_bytes.min(self.unpacked_bytes)).contains(&self.levels_bytes)
            || self.packed_bytes.unsigned_abs() > room;
        if is_wrong {
            return Err(damaged());
        }
        Ok(size(self.packed_bytes))
    }

    /// Bytes once unpacked.
    pub fn unpacked_bytes(&self) -> u64 {
        self.unpacked_bytes.unsigned_abs()
    }

    /// The page's bytes, unpacked.
    pub fn unpack(&self, packed: Bytes, codec: i64) -> Result<Bytes, FileFault> {
        let size = size(self.unpacked_bytes);
        if codec == 0 || (self.kind() == PageKind::Data2 && self.is_plain) {
            return Some(packed).filter(|p| p.len() == size).ok_or_else(damaged);
        }
        // Levels of the second version stand before what is packed.
        let levels = match self.kind() {
            PageKind::Data2 => packed.get(..self.levels_bytes()).ok_or_else(damaged)?,
            _ => &[],
        };
        let mut unpacked = levels.to_vec();
        let rest = size - levels.len();
        if rest > 0 {
            unpack(&packed[levels.len()..], codec, rest, &mut unpacked).ok_or_else(damaged)?;
        }
        Some(Bytes::from(unpacked))
            .filter(|u| u.len() == size)
            .ok_or_else(damaged)
    }
}

/// A number of bytes, once it was checked; a negative one is none.
fn size(stated: i64) -> usize {
    usize::try_from(stated).unwrap_or(0)
}

/// Appends what is packed, up to one byte more than there should be.
fn unpack(packed: &[u8], codec: i64, size: usize, unpacked: &mut Vec<u8>) -> Option<()> {
    let limit = size as u64 + 1;
    match codec {
        1 => {
            if snap::raw::decompress_len(packed).ok()? != size {
                return None;
            }
            let start = unpacked.len();
            unpacked.resize(start + size, 0);
            let written = snap::raw::Decoder::new().decompress(packed, &mut unpacked[start..]);
            unpacked.truncate(start + written.ok()?);
        }
        2 => {
            let reader = flate2::read::MultiGzDecoder::new(packed);
            reader.take(limit).read_to_end(unpacked).ok()?;
        }
        _ => {
            let mut reader = zstd::stream::read::Decoder::new(packed).ok()?;
            reader.window_log_max(26).ok()?;
            reader.take(limit).read_to_end(unpacked).ok()?;
        }
    }
    Some(())
}
