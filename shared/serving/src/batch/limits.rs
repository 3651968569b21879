//! What a file may be, and why it is not scored otherwise.

use std::fmt;

/// Caps of one file. A file beyond one of them is not scored; a row beyond one of them is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the object.
    pub object_bytes: u64,
    /// Bytes once unpacked.
    pub unpacked_bytes: u64,
    /// Unpacked bytes per packed byte, looked at once more than [`Limits::ratio_from_bytes`] are unpacked.
    pub ratio: u64,
    /// Unpacked bytes from which on the ratio counts: little files may be anything.
    pub ratio_from_bytes: u64,
    /// Bytes of a row: as much as the API takes in a body.
    pub row_bytes: usize,
    /// Columns of a CSV file.
    pub columns: usize,
    /// Rows.
    pub rows: u64,
    /// Rows that are asked about together.
    pub chunk_rows: usize,
    /// Bytes of rows that are asked about together, as they stand in the file.
    pub chunk_bytes: usize,
    /// Bytes of stored histories that the rows asked about together should have; how many rows that is, is learnt.
    pub chunk_history_bytes: usize,
    /// Order lines of a file that are grouped in memory.
    pub grouped_lines: u64,
    /// Bytes of them, as lines of JSON.
    pub grouped_bytes: usize,
    /// Bytes that are read at once.
    pub read_bytes: u64,
    /// Bytes of one member of a packed output, once unpacked: enough to pack well, few enough to be kept when a file is left
    /// unfinished.
    pub member_bytes: usize,
    /// Bytes of one part of an output; S3 takes no less than 5 MiB.
    pub part_bytes: usize,
    /// Parts of an output; S3 takes 10,000.
    pub parts: usize,
    /// How often a file is begun anew because what was left of it is lost: each time costs a whole file.
    pub restarts: u32,
}

const MIB: usize = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            object_bytes: 5 * 1024 * MIB as u64,
            unpacked_bytes: 20 * 1024 * MIB as u64,
            // A column of one repeated id packs 60 to 1 or so; a bomb packs 1000 to 1.
            ratio: 200,
            ratio_from_bytes: 16 * MIB as u64,
            row_bytes: crate::wire::BODY_LIMIT_BYTES - 1024,
            columns: 256,
            rows: 100_000_000,
            chunk_rows: 2_000,
            chunk_bytes: 2 * MIB,
            chunk_history_bytes: 2 * MIB,
            grouped_lines: 1_000_000,
            grouped_bytes: 256 * MIB,
            read_bytes: 2 * MIB as u64,
            member_bytes: MIB,
            part_bytes: 8 * MIB,
            parts: 10_000,
            restarts: 10,
        }
    }
}

impl Limits {
    /// Refuses what is more than files are.
    pub fn check_size(&self, unpacked: u64) -> Result<(), FileFault> {
        let limit = self.unpacked_bytes;
        if unpacked > limit {
            let detail = format!("more than {limit} bytes once unpacked");
            return Err(FileFault::new("too large", detail));
        }
        Ok(())
    }

    /// The same, and what is packed more tightly than text is.
    pub fn check_unpacked(&self, unpacked: u64, packed: u64) -> Result<(), FileFault> {
        self.check_size(unpacked)?;
        let (ratio, limit) = (unpacked / packed.max(1), self.ratio);
        if unpacked > self.ratio_from_bytes && ratio > limit {
            let detail = format!(
                "{packed} packed bytes give {unpacked}, at most {limit} for one are unpacked"
            );
            return Err(FileFault::new("too tightly packed", detail));
        }
        Ok(())
    }
}

/// Why a whole file is not scored. Sending it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Stable, for counting.
    pub kind: &'static str,
    /// The place, the value and the limit.
    pub detail: String,
}

impl FileFault {
    /// A fault.
    pub fn new(kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

/// A value of a file as a report may show it: cut to 100 characters.
pub fn cut_short(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
