//! Encodings: levels, dictionaries, plain and delta values. Source: Parquet's `Encodings.md`.

use super::footer::{Column, Kind, Meaning};
use super::page::{Header, PageKind};
use super::runs::{Delta, Hybrid, packed_bits};
use crate::batch::limits::FileFault;
use bytes::Bytes;
use features::time::Timestamp;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// A value as it stands in a page.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Raw<'a> {
    Truth(bool),
    Whole(i64),
    Float(f32),
    Double(f64),
    Bytes(&'a [u8]),
}

/// What a cell holds: nothing, text, or bytes that are none.
pub type Cell = Option<Result<String, Vec<u8>>>;

fn damaged() -> FileFault {
    FileFault::new("damaged", "no Parquet file: values cannot be read")
}

/// What values of a row group point to.
#[derive(Debug, Default)]
pub struct Dictionary {
    bytes: Bytes,
    /// Where each value begins, of values of no fixed width.
    starts: Vec<u32>,
    values: u64,
}

impl Dictionary {
    /// Of the unpacked bytes of its page.
    pub fn new(bytes: Bytes, header: &Header, column: &Column) -> Result<Self, FileFault> {
        let mut starts = Vec::new();
        if column.kind == Kind::Text {
            let mut at = 0;
            for _ in 0..header.values() {
                starts.push(at as u32);
                plain_bytes(&bytes, &mut at).ok_or_else(damaged)?;
            }
        }
        let values = header.values();
        Ok(Self {
            bytes,
            starts,
            values,
        })
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + 4 * self.starts.len()
    }

    fn value(&self, index: u32, kind: Kind) -> Option<Raw<'_>> {
        if u64::from(index) >= self.values {
            return None;
        }
        let mut at = match width(kind) {
            Some(width) => index as usize * width,
            None => *self.starts.get(index as usize)? as usize,
        };
        plain(&self.bytes, &mut at, kind)
    }
}

fn width(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Int32(_) | Kind::Float => Some(4),
        Kind::Int64(_) | Kind::Double => Some(8),
        Kind::Truth | Kind::Text => None,
    }
}

fn plain_bytes<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let (length, rest) = bytes.get(*at..)?.split_first_chunk::<4>()?;
    let value = rest.get(..u32::from_le_bytes(*length) as usize)?;
    *at += 4 + value.len();
    Some(value)
}

fn plain<'a>(bytes: &'a [u8], at: &mut usize, kind: Kind) -> Option<Raw<'a>> {
    let (four, eight) = (
        bytes.get(*at..).and_then(<[u8]>::first_chunk::<4>),
        bytes.get(*at..).and_then(<[u8]>::first_chunk::<8>),
    );
    let value = match kind {
        Kind::Int32(_) => Raw::Whole(i64::from(i32::from_le_bytes(*four?))),
        Kind::Int64(_) => Raw::Whole(i64::from_le_bytes(*eight?)),
        Kind::Float => Raw::Float(f32::from_le_bytes(*four?)),
        Kind::Double => Raw::Double(f64::from_le_bytes(*eight?)),
        Kind::Text => return plain_bytes(bytes, at).map(Raw::Bytes),
        Kind::Truth => return None,
    };
    *at += width(kind)?;
    Some(value)
}

/// Values of a data page, one after the other.
#[derive(Debug)]
pub struct Page {
    levels: Option<Hybrid>,
    values: Values,
    left: u64,
    bytes: usize,
}

#[derive(Debug)]
enum Values {
    Plain {
        bytes: Bytes,
        at: usize,
    },
    /// Of truth values, a bit each.
    Bits {
        bytes: Bytes,
        at: usize,
    },
    Runs(Hybrid),
    Indices(Hybrid),
    Delta(Delta),
    Lengths {
        lengths: Delta,
        bytes: Bytes,
        at: usize,
    },
}

impl Page {
    /// Of the unpacked bytes of a data page.
    pub fn new(bytes: Bytes, header: &Header, column: &Column) -> Result<Self, FileFault> {
        let size = bytes.len();
        let (levels, rest) = if header.kind() == PageKind::Data2 {
            let levels = bytes.slice(..header.levels_bytes());
            (levels, bytes.slice(header.levels_bytes()..))
        } else if column.is_optional {
            let (length, _) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
            let end = 4 + u32::from_le_bytes(*length) as usize;
            if end > bytes.len() {
                return Err(damaged());
            }
            (bytes.slice(4..end), bytes.slice(end..))
        } else {
            (Bytes::new(), bytes)
        };
        let levels = if column.is_optional {
            Some(Hybrid::new(levels, 1).ok_or_else(damaged)?)
        } else {
            None
        };
        Ok(Self {
            levels,
            values: Values::new(rest, header.encoding(), column)?,
            left: header.values(),
            bytes: size,
        })
    }

    /// Values that are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next value, as a cell of a CSV file has it.
    pub fn next(&mut self, dictionary: &Dictionary, kind: Kind) -> Result<Cell, FileFault> {
        self.left = self.left.checked_sub(1).ok_or_else(damaged)?;
        if let Some(levels) = &mut self.levels {
            match levels.next() {
                Some(0) => return Ok(None),
                Some(1) => {}
                _ => return Err(damaged()),
            }
        }
        let raw = self.values.next(dictionary, kind).ok_or_else(damaged)?;
        Ok(Some(cell(raw, kind)))
    }
}

impl Values {
    fn new(bytes: Bytes, encoding: i64, column: &Column) -> Result<Self, FileFault> {
        let is_whole = matches!(column.kind, Kind::Int32(_) | Kind::Int64(_));
        let made = match (encoding, column.kind) {
            (0, Kind::Truth) => Some(Self::Bits { bytes, at: 0 }),
            (0, _) => Some(Self::Plain { bytes, at: 0 }),
            // A page without values may have no byte for the width.
            (2 | 8, _) if bytes.is_empty() => Hybrid::new(bytes, 0).map(Self::Indices),
            (2 | 8, _) => {
                let width = u32::from(bytes[0]);
                Hybrid::new(bytes.slice(1..), width).map(Self::Indices)
            }
            (3, Kind::Truth) if bytes.len() >= 4 => {
                Hybrid::new(bytes.slice(4..), 1).map(Self::Runs)
            }
            (5, _) if is_whole => Delta::new(bytes).map(Self::Delta),
            (6, Kind::Text) => Self::lengths(bytes),
            _ => {
                let shown = crate::wire::shown(&column.name);
                let detail = format!(
                    "{shown} has encoding {encoding}, which is not read; write it plain, or with a dictionary"
                );
                return Err(FileFault::new("wrong encoding", detail));
            }
        };
        made.ok_or_else(damaged)
    }

    /// Lengths, and behind them all bytes. The lengths are read twice: first for where they end.
    fn lengths(bytes: Bytes) -> Option<Self> {
        let mut lengths = Delta::new(bytes.clone())?;
        while lengths.left > 0 {
            lengths.next()?;
        }
        Some(Self::Lengths {
            at: lengths.end(),
            lengths: Delta::new(bytes.clone())?,
            bytes,
        })
    }

    fn next<'a>(&'a mut self, dictionary: &'a Dictionary, kind: Kind) -> Option<Raw<'a>> {
        match self {
            Self::Plain { bytes, at } => plain(bytes, at, kind),
            Self::Bits { bytes, at } => {
                let truth = packed_bits(bytes, *at, 1)? == 1;
                *at += 1;
                Some(Raw::Truth(truth))
            }
            Self::Runs(runs) => Some(Raw::Truth(runs.next()? == 1)),
            Self::Indices(indices) => dictionary.value(indices.next()?, kind),
            Self::Delta(delta) => {
                let value = delta.next()?;
                let is_narrow = matches!(kind, Kind::Int32(_));
                Some(Raw::Whole(if is_narrow {
                    i64::from(value as i32)
                } else {
                    value
                }))
            }
            Self::Lengths { lengths, bytes, at } => {
                let length = usize::try_from(lengths.next()?).ok()?;
                let value = bytes.get(*at..at.checked_add(length)?)?;
                *at += length;
                Some(Raw::Bytes(value))
            }
        }
    }
}

/// A value as it would stand in a CSV file.
fn cell(raw: Raw<'_>, kind: Kind) -> Result<String, Vec<u8>> {
    Ok(match (raw, kind) {
        (Raw::Bytes(bytes), _) => {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(bytes.to_vec()),
            };
        }
        (Raw::Truth(truth), _) => truth.to_string(),
        (Raw::Float(value), _) => value.to_string(),
        (Raw::Double(value), _) => value.to_string(),
        (Raw::Whole(value), Kind::Int32(meaning)) => {
            whole(value, meaning, value.cast_unsigned() & u64::from(u32::MAX))
        }
        (Raw::Whole(value), Kind::Int64(meaning)) => whole(value, meaning, value.cast_unsigned()),
        (Raw::Whole(value), _) => value.to_string(),
    })
}

fn whole(value: i64, meaning: Meaning, unsigned: u64) -> String {
    match meaning {
        Meaning::Signed | Meaning::Decimal(0) => value.to_string(),
        Meaning::Unsigned => unsigned.to_string(),
        Meaning::Decimal(scale) => {
            let sign = if value < 0 { "-" } else { "" };
            let one = 10u64.pow(scale);
            let (whole, part) = (value.unsigned_abs() / one, value.unsigned_abs() % one);
            format!("{sign}{whole}.{part:0>width$}", width = scale as usize)
        }
        Meaning::Date => {
            let mut text = crate::wire::format_instant(Timestamp(value.saturating_mul(DAY_S)));
            text.truncate(text.find('T').unwrap_or(text.len()));
            text
        }
        Meaning::Instant { per_second, is_utc } => {
            let seconds = value.div_euclid(per_second);
            let mut text = crate::wire::format_instant(Timestamp(seconds));
            if !is_utc {
                // Of an unknown place: whoever reads it says that the offset is missing.
                text.truncate(text.trim_end_matches('Z').len());
            }
            text
        }
    }
}
