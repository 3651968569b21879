//! Columns and row groups of a file, as its footer states them, checked before anything is read by them.

use super::MAGIC;
use super::stated::{Element, Logical, Stated, StatedChunk, StatedGroup};
use crate::batch::limits::FileFault;

/// Bytes of a footer at most: 100,000 column chunks have about 10 MB.
pub const FOOTER_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes behind the footer: its length and the magic.
pub const TAIL_BYTES: u64 = 8;

/// Rows in a byte of a file, at most: ids that differ take more room than that.
const ROWS_PER_BYTE: u64 = 200;
/// Rows that a file of any size may have.
const ROWS_OF_ANY_FILE: u64 = 1_000_000;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Truth values.
    Truth,
    /// Whole numbers of 32 bits.
    Int32(Meaning),
    /// Whole numbers of 64 bits.
    Int64(Meaning),
    /// Floating point of 32 bits.
    Float,
    /// Floating point of 64 bits.
    Double,
    /// Text.
    Text,
}

/// What a whole number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Itself.
    Signed,
    /// Itself, without a sign.
    Unsigned,
    /// So many digits of it stand behind the point.
    Decimal(u32),
    /// Days since 1970.
    Date,
    /// So many of it make a second since 1970; of UTC, or of an unknown place.
    Instant {
        /// 1,000, 1,000,000 or 1,000,000,000.
        per_second: i64,
        /// Of UTC.
        is_utc: bool,
    },
}

/// A flat column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its values.
    pub kind: Kind,
    /// Whether a value may be missing.
    pub is_optional: bool,
}

/// A column's part of a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// How pages are packed, as Parquet numbers it.
    pub codec: i64,
}

/// A row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Rows.
    pub rows: u64,
    /// One for each column.
    pub chunks: Vec<Chunk>,
}

/// What a footer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// In their order.
    pub columns: Vec<Column>,
    /// In their order.
    pub groups: Vec<Group>,
}

pub(super) fn damaged(what: &str) -> FileFault {
    FileFault::new("damaged", format!("no Parquet file: {what}"))
}

fn wrong_columns(detail: String) -> FileFault {
    FileFault::new("wrong columns", detail)
}

/// Bytes of the footer, told by the last eight of a file of `size` bytes.
pub fn footer_bytes(tail: &[u8], size: u64) -> Result<u64, FileFault> {
    let Some((length, magic)) = tail.split_first_chunk::<4>() else {
        return Err(damaged("it ends early"));
    };
    if magic == b"PARE" {
        return Err(FileFault::new("encrypted", "the footer is encrypted"));
    }
    if magic != MAGIC {
        return Err(damaged("it does not end with PAR1, so its end is missing"));
    }
    let length = u64::from(u32::from_le_bytes(*length));
    if length > FOOTER_BYTES {
        let detail = format!("a footer of {length} bytes, at most {FOOTER_BYTES} are read");
        return Err(FileFault::new("too large", detail));
    }
    if length + TAIL_BYTES + MAGIC.len() as u64 > size {
        return Err(damaged("the footer is longer than the file"));
    }
    Ok(length)
}

/// Reads the footer of a file of `size` bytes that may have so many columns.
pub fn read(bytes: &[u8], size: u64, most_columns: usize) -> Result<Layout, FileFault> {
    let stated = Stated::read(bytes).map_err(|_| damaged("its footer cannot be read"))?;
    if stated.is_encrypted {
        return Err(FileFault::new("encrypted", "columns are encrypted"));
    }
    let columns = columns(&stated.schema, most_columns)?;
    let data_end = size - TAIL_BYTES - bytes.len() as u64;
    check_rows(
        stated.groups.iter().map(|group| group.rows.unsigned_abs()),
        size,
    )?;
    let groups = stated.groups.iter();
    let groups = groups.map(|group| check_group(group, &columns, &stated.schema[1..], data_end));
    Ok(Layout {
        groups: groups.collect::<Result<_, _>>()?,
        columns,
    })
}

fn columns(schema: &[Element], most: usize) -> Result<Vec<Column>, FileFault> {
    let Some((root, leaves)) = schema.split_first() else {
        return Err(damaged("its footer names no columns"));
    };
    if leaves.len() > most {
        let detail = format!("{} columns, at most {most}", leaves.len());
        return Err(wrong_columns(detail));
    }
    let is_nested = |e: &&Element| e.physical.is_none() || e.children != 0 || e.repetition == 2;
    if let Some(nested) = leaves.iter().find(is_nested) {
        let shown = crate::wire::shown(&nested.name);
        let detail = format!("{shown} holds lists or structures; write them as JSON text");
        return Err(wrong_columns(detail));
    }
    if usize::try_from(root.children) != Ok(leaves.len()) {
        return Err(damaged("its footer does not name its columns"));
    }
    leaves.iter().map(column).collect()
}

fn column(element: &Element) -> Result<Column, FileFault> {
    let kind = kind(element).ok_or_else(|| {
        let shown = crate::wire::shown(&element.name);
        wrong_columns(format!(
            "{shown} is of a type that is not read; write it as text or as a number"
        ))
    })?;
    Ok(Column {
        name: element.name.clone(),
        kind,
        is_optional: element.repetition == 1,
    })
}

fn kind(element: &Element) -> Option<Kind> {
    let is_decimal =
        element.converted == Some(5) || matches!(element.logical, Some(Logical::Decimal(_)));
    match element.physical? {
        0 => Some(Kind::Truth),
        1 => Some(Kind::Int32(meaning(element)?)),
        2 => Some(Kind::Int64(meaning(element)?)),
        4 => Some(Kind::Float),
        5 => Some(Kind::Double),
        // Bytes may be a decimal as well, which nobody would read as text.
        6 if !is_decimal => Some(Kind::Text),
        _ => None,
    }
}

/// What a whole number means: by its logical type, or by the older converted type.
fn meaning(element: &Element) -> Option<Meaning> {
    let decimal = |scale: i64| {
        u32::try_from(scale)
            .ok()
            .filter(|scale| *scale <= 18)
            .map(Meaning::Decimal)
    };
    let instant = |per_second, is_utc| Some(Meaning::Instant { per_second, is_utc });
    match (element.logical, element.converted) {
        (Some(Logical::Decimal(scale)), _) => decimal(scale),
        (Some(Logical::Date), _) | (None, Some(6)) => Some(Meaning::Date),
        (Some(Logical::Instant { per_second, is_utc }), _) => instant(per_second, is_utc),
        (Some(Logical::Integer { is_signed: false }), _) | (None, Some(11..=14)) => {
            Some(Meaning::Unsigned)
        }
        (None, Some(5)) => decimal(element.scale),
        (None, Some(9)) => instant(1_000, true),
        (None, Some(10)) => instant(1_000_000, true),
        _ => Some(Meaning::Signed),
    }
}

fn check_group(
    group: &StatedGroup,
    columns: &[Column],
    schema: &[Element],
    data_end: u64,
) -> Result<Group, FileFault> {
    let rows = u64::try_from(group.rows).map_err(|_| damaged("a row group has no rows"))?;
    if group.chunks.len() != columns.len() {
        return Err(damaged("a row group has other columns than the file"));
    }
    let chunks = group.chunks.iter().zip(schema).map(|(chunk, element)| {
        if chunk.is_elsewhere
            || Some(chunk.physical) != element.physical
            || chunk.values != group.rows
        {
            return Err(damaged("a column does not fit to its row group"));
        }
        if !matches!(chunk.codec, 0..=2 | 6) {
            let detail = "a codec that is not read; write it plain, or with snappy, gzip or zstd";
            return Err(FileFault::new("wrong codec", detail));
        }
        let (start, end) = bounds(chunk, data_end)?;
        Ok(Chunk {
            start,
            end,
            codec: chunk.codec,
        })
    });
    Ok(Group {
        rows,
        chunks: chunks.collect::<Result<_, _>>()?,
    })
}

/// Where the pages of a column's part begin and end, inside of the file.
pub(super) fn bounds(chunk: &StatedChunk, data_end: u64) -> Result<(u64, u64), FileFault> {
    let dictionary_at = chunk.dictionary_at.filter(|at| *at > 0);
    let start = dictionary_at.unwrap_or(chunk.data_at).min(chunk.data_at);
    let bounds = u64::try_from(start)
        .ok()
        .zip(u64::try_from(chunk.packed_bytes).ok());
    let end = bounds.and_then(|(start, bytes)| start.checked_add(bytes));
    let range = bounds.zip(end).map(|((start, _), end)| (start, end));
    range
        .filter(|(start, end)| *start >= MAGIC.len() as u64 && *end <= data_end)
        .ok_or_else(|| damaged("a column lies outside of the file"))
}

/// Refuses more rows than a file of `size` bytes has of its own: one value that is said to stand there a billion times takes no
/// more bytes than one that stands there twice.
pub(super) fn check_rows(rows: impl Iterator<Item = u64>, size: u64) -> Result<(), FileFault> {
    let rows = rows.fold(0, u64::saturating_add);
    if rows > ROWS_OF_ANY_FILE && rows / size.max(1) > ROWS_PER_BYTE {
        let detail =
            format!("{rows} rows in {size} bytes, at most {ROWS_PER_BYTE} in one are read");
        return Err(FileFault::new("too tightly packed", detail));
    }
    Ok(())
}
