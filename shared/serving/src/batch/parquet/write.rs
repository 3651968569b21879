//! Tables as row groups, and the footer behind them: answers, and chunks of the whole base.
//!
//! A row group of answers is made of lines, each a JSON list of a row's number and values, which is how answers are kept until there
//! are enough. So a file may be left between any two answers, and what is written depends on the answers alone.

use super::MAGIC;
use super::thrift::{Writer, put_varint};
use crate::batch::pack::ZSTANDARD_LEVEL;
use crate::batch::shape::{Holds, RowShape};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::io;

/// Zstandard, as Parquet numbers codecs.
const ZSTANDARD: i32 = 6;
/// Plain values, and levels in runs, as Parquet numbers encodings.
const PLAIN: i32 = 0;
const RUNS: i32 = 3;
/// Name of the column of row numbers.
const ROW: &str = "row";

/// A row group that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    rows: u64,
    /// First byte of each column, and its bytes packed and unpacked.
    chunks: Vec<(u64, u64, u64)>,
}

impl Written {
    fn end(&self) -> u64 {
        self.chunks
            .last()
            .map_or(0, |(start, packed, _)| start + packed)
    }
}

/// A column's name, and what it holds.
pub type Named = (&'static str, Holds);

/// The columns of answers.
pub fn answer_columns(shape: &RowShape) -> Vec<Named> {
    let own = [(ROW, Holds::Whole), (shape.id, Holds::Text)];
    let columns = shape.columns.iter();
    let answers = columns.map(|column| (column.name, column.holds));
    own.into_iter().chain(answers).collect()
}

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// Of JSON: nothing, text, a number or a truth value.
    Json(&'a Json),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// Rows that become a row group.
pub struct Rows {
    columns: Vec<Chunk>,
    rows: u64,
}

impl Rows {
    /// None yet, of these columns.
    pub fn new(columns: &[Named]) -> Self {
        let chunk = |(name, holds): &Named| Chunk::new(name, *holds);
        Self {
            columns: columns.iter().map(chunk).collect(),
            rows: 0,
        }
    }

    /// Adds a row: one value for each column, in their order.
    pub fn push<'v>(&mut self, values: impl IntoIterator<Item = Value<'v>>) -> io::Result<()> {
        self.rows += 1;
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value)?;
        }
        Ok(())
    }

    /// Appends the row group to a file that begins with these.
    pub fn write(self, groups: &mut Vec<Written>, file: &mut Vec<u8>) -> io::Result<()> {
        if groups.is_empty() {
            file.extend_from_slice(MAGIC);
        }
        let mut at = groups.last().map_or(MAGIC.len() as u64, Written::end);
        let mut chunks = Vec::new();
        for column in self.columns {
            let (packed, unpacked) = column.finish(self.rows, file)?;
            chunks.push((at, packed, unpacked));
            at += packed;
        }
        let rows = self.rows;
        groups.push(Written { rows, chunks });
        Ok(())
    }
}

/// Appends the row group of these lines.
pub fn write_group(
    lines: &[u8],
    shape: &RowShape,
    groups: &mut Vec<Written>,
    file: &mut Vec<u8>,
) -> io::Result<()> {
    let mut rows = Rows::new(&answer_columns(shape));
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let (row, values): (u64, Vec<Json>) = serde_json::from_slice(line)?;
        let row = Json::from(row);
        rows.push(std::iter::once(&row).chain(&values).map(Value::Json))?;
    }
    rows.write(groups, file)
}

/// Values of a column of a row group.
struct Chunk {
    name: &'static str,
    holds: Holds,
    is_there: Bits,
    truths: Bits,
    values: Vec<u8>,
}

/// Bits, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.count.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (self.count % 8);
        }
        self.count += 1;
    }
}

impl Chunk {
    fn new(name: &'static str, holds: Holds) -> Self {
        Self {
            name,
            holds,
            is_there: Bits::default(),
            truths: Bits::default(),
            values: Vec::new(),
        }
    }

    fn push(&mut self, value: Value<'_>) -> io::Result<()> {
        self.is_there
            .push(!matches!(value, Value::Json(Json::Null)));
        let holds = self.holds;
        let fits = match (holds, value) {
            (_, Value::Json(value)) => self.push_json(value),
            (Holds::Text, Value::Text(text)) => self.push_bytes(text.as_bytes()),
            (Holds::Bytes, Value::Bytes(bytes)) => self.push_bytes(bytes),
            _ => None,
        };
        fits.ok_or_else(|| io::Error::other(format!("{} holds no {holds:?}", self.name)))
    }

    fn push_json(&mut self, value: &Json) -> Option<()> {
        match (self.holds, value) {
            (_, Json::Null) => Some(()),
            (Holds::Text, Json::String(text)) => self.push_bytes(text.as_bytes()),
            (Holds::Text, nested) => self.push_bytes(nested.to_string().as_bytes()),
            (Holds::Whole, value) => {
                let whole = value.as_i64();
                whole.map(|whole| self.values.extend(whole.to_le_bytes()))
            }
            (Holds::Number, value) => {
                let number = value.as_f64();
                number.map(|number| self.values.extend(number.to_le_bytes()))
            }
            (Holds::Truth, value) => value.as_bool().map(|truth| self.truths.push(truth)),
            (Holds::Bytes, _) => None,
        }
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let length = u32::try_from(bytes.len()).ok()?;
        self.values.extend(length.to_le_bytes());
        self.values.extend_from_slice(bytes);
        Some(())
    }

    /// Appends the only page, and says how many bytes it takes packed and unpacked.
    fn finish(self, rows: u64, file: &mut Vec<u8>) -> io::Result<(u64, u64)> {
        let mut page = Vec::new();
        if self.name != ROW {
            // One packed run: groups of eight levels of one bit.
            let mut levels = Vec::new();
            put_varint(&mut levels, (self.is_there.bytes.len() as u64) << 1 | 1);
            levels.extend(&self.is_there.bytes);
            page.extend((levels.len() as u32).to_le_bytes());
            page.extend(levels);
        }
        page.extend(if self.holds == Holds::Truth {
            self.truths.bytes
        } else {
            self.values
        });
        let packed = zstd::bulk::compress(&page, ZSTANDARD_LEVEL)?;
        let size = |bytes: &[u8]| i32::try_from(bytes.len()).map_err(io::Error::other);
        let mut header = Writer::new();
        header.i32(1, 0);
        header.i32(2, size(&page)?);
        header.i32(3, size(&packed)?);
        header.begin(5);
        header.i32(1, i32::try_from(rows).map_err(io::Error::other)?);
        header.i32(2, PLAIN);
        header.i32(3, RUNS);
        header.i32(4, RUNS);
        header.end();
        let header = header.finish();
        let sizes = [&packed, &page].map(|bytes| (header.len() + bytes.len()) as u64);
        file.extend(header);
        file.extend(packed);
        Ok((sizes[0], sizes[1]))
    }
}

/// Appends the footer.
pub fn write_footer(columns: &[Named], groups: &[Written], file: &mut Vec<u8>) -> io::Result<()> {
    if groups.is_empty() {
        file.extend_from_slice(MAGIC);
    }
    let mut footer = Writer::new();
    footer.i32(1, 1);
    footer.list_of_structures(2, columns.len() + 1);
    footer.begin_element();
    footer.text(4, "schema");
    footer.i32(5, i32::try_from(columns.len()).map_err(io::Error::other)?);
    footer.end();
    for (name, holds) in columns {
        write_column(&mut footer, name, *holds);
    }
    footer.i64(
        3,
        groups
            .iter()
            .map(|group| group.rows)
            .sum::<u64>()
            .cast_signed(),
    );
    footer.list_of_structures(4, groups.len());
    for group in groups {
        write_group_of_footer(&mut footer, columns, group);
    }
    footer.text(6, "storecast");
    let footer = footer.finish();
    let length = u32::try_from(footer.len()).map_err(io::Error::other)?;
    file.extend(footer);
    file.extend(length.to_le_bytes());
    file.extend_from_slice(MAGIC);
    Ok(())
}

fn physical(holds: Holds) -> i32 {
    match holds {
        Holds::Truth => 0,
        Holds::Whole => 2,
        Holds::Number => 5,
        Holds::Text | Holds::Bytes => 6,
    }
}

fn write_column(footer: &mut Writer, name: &str, holds: Holds) {
    footer.begin_element();
    footer.i32(1, physical(holds));
    footer.i32(3, i32::from(name != ROW));
    footer.text(4, name);
    if holds == Holds::Text {
        footer.i32(6, 0);
        footer.begin(10);
        footer.begin(1);
        footer.end();
        footer.end();
    }
    footer.end();
}

fn write_group_of_footer(footer: &mut Writer, columns: &[Named], group: &Written) {
    footer.begin_element();
    footer.list_of_structures(1, columns.len());
    for ((name, holds), (start, packed, unpacked)) in columns.iter().zip(&group.chunks) {
        footer.begin_element();
        footer.i64(2, start.cast_signed());
        footer.begin(3);
        footer.i32(1, physical(*holds));
        footer.numbers(2, &[PLAIN, RUNS]);
        footer.list_of_texts(3, 1);
        footer.bare_text(name);
        footer.i32(4, ZSTANDARD);
        footer.i64(5, group.rows.cast_signed());
        footer.i64(6, unpacked.cast_signed());
        footer.i64(7, packed.cast_signed());
        footer.i64(9, start.cast_signed());
        footer.end();
        footer.end();
    }
    let unpacked: u64 = group.chunks.iter().map(|(_, _, unpacked)| unpacked).sum();
    footer.i64(2, unpacked.cast_signed());
    footer.i64(3, group.rows.cast_signed());
    footer.end();
}
