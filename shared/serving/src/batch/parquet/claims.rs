//! What a file claims, held against its bytes, for a reader that believes it: `storecast` reads orders with crates that do.
//!
//! Nothing is unpacked: the footer and the headers of all pages are read, each checked as [`super::read`] checks it.

use super::footer::{self, TAIL_BYTES};
use super::page::{Header, PageKind};
use super::read::{HEADER_BYTES, MOST_BARREN_PAGES, damaged_header};
use super::stated::{Stated, StatedChunk};
use super::thrift::Broken;
use crate::batch::limits::{FileFault, Limits};
use std::io::{self, Read, Seek, SeekFrom};

/// Texts as what they add to the one before, as Parquet numbers it.
const DELTA_BYTE_ARRAY: i64 = 7;
/// Bytes that are read at once; headers of small pages share them.
const WINDOW_BYTES: u64 = 16 * 1024;

/// Checks a file, and says how large a value may be that takes next to no room in it: 0 bytes, unless texts are written as
/// what they add to the one before, or the unpacked bytes of the largest page of such.
///
/// A page that is larger than any should be, a column with other than as many values as it states, and more than the
/// file could hold of rows or of bytes once unpacked are faults.
pub fn check(file: &mut (impl Read + Seek), limits: &Limits) -> Result<u64, Refused> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut claims = Claims {
        file,
        size,
        limits,
        window: Vec::new(),
        window_at: 0,
        unpacked: 0,
        shared: 0,
    };
    claims.check()?;
    Ok(claims.shared)
}

/// Why a file is not read.
#[derive(Debug)]
pub enum Refused {
    /// For what it claims.
    Fault(FileFault),
    /// Its bytes could not be had.
    Unread(io::Error),
}

impl From<FileFault> for Refused {
    fn from(fault: FileFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

struct Claims<'a, R> {
    file: &'a mut R,
    size: u64,
    limits: &'a Limits,
    window: Vec<u8>,
    window_at: u64,
    /// Bytes of all pages so far, once unpacked.
    unpacked: u64,
    /// Bytes of the largest page, once unpacked, whose texts share their beginnings.
    shared: u64,
}

impl<R: Read + Seek> Claims<'_, R> {
    fn check(&mut self) -> Result<(), Refused> {
        let size = self.size;
        let tail = self.bytes(size.saturating_sub(TAIL_BYTES), size)?;
        let data_end = size - TAIL_BYTES - footer::footer_bytes(tail, size)?;
        let stated = Stated::read(self.bytes(data_end, size - TAIL_BYTES)?);
        let stated = stated.map_err(|_| footer::damaged("its footer cannot be read"))?;
        let rows = stated.groups.iter().map(|group| group.rows.unsigned_abs());
        footer::check_rows(rows, size)?;
        for chunk in stated.groups.iter().flat_map(|group| &group.chunks) {
            // Encrypted pages have headers that nobody can read here; a reader says so.
            if !stated.is_encrypted {
                self.check_chunk(chunk, data_end)?;
            }
        }
        Ok(())
    }

    fn check_chunk(&mut self, chunk: &StatedChunk, data_end: u64) -> Result<(), Refused> {
        let (mut at, end) = footer::bounds(chunk, data_end)?;
        let (mut values, mut barren) = (0, 0);
        while at < end {
            let (header, start) = self.header(at, end)?;
            let bytes = header.checked_bytes(end - start)? as u64;
            at = start + bytes;
            self.unpacked = self.unpacked.saturating_add(header.unpacked_bytes());
            self.limits.check_size(self.unpacked)?;
            let is_data = matches!(header.kind(), PageKind::Data | PageKind::Data2);
            let of_page = if is_data { header.values() } else { 0 };
            values += of_page;
            if header.encoding() == DELTA_BYTE_ARRAY {
                self.shared = self.shared.max(header.unpacked_bytes());
            }
            barren = if of_page > 0 { 0 } else { barren + 1 };
            if barren > MOST_BARREN_PAGES {
                return Err(footer::damaged("a column has too many pages without a value").into());
            }
        }
        if i64::try_from(values) != Ok(chunk.values) {
            let states = chunk.values;
            let detail = format!("a column states {states} values, its pages have {values}");
            return Err(footer::damaged(&detail).into());
        }
        Ok(())
    }

    /// The header at this place, and where the bytes of its page begin.
    fn header(&mut self, at: u64, end: u64) -> Result<(Header, u64), Refused> {
        let most = (end - at).min(HEADER_BYTES);
        let mut length = most.min(1024);
        loop {
            match Header::read(self.bytes(at, at + length)?) {
                Ok((header, size)) => return Ok((header, at + size as u64)),
                Err(Broken::Short) if length < most => length = (8 * length).min(most),
                Err(_) => return Err(damaged_header().into()),
            }
        }
    }

    /// Bytes of the file, which has them.
    fn bytes(&mut self, start: u64, end: u64) -> io::Result<&[u8]> {
        let held = self.window_at..self.window_at + self.window.len() as u64;
        if start < held.start || end > held.end {
            let until = end.max((start + WINDOW_BYTES).min(self.size));
            self.window.resize((until - start) as usize, 0);
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut self.window)?;
            self.window_at = start;
        }
        let from = (start - self.window_at) as usize;
        Ok(&self.window[from..from + (end - start) as usize])
    }
}
