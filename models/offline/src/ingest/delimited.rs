//! Rows of CSV and of blank-separated text, in memory bounded by the longest record allowed.

use super::LoadError;
use super::cell::Cell;
use super::rejects::Reject;
use super::rows::{RowSink, find_columns};
use crate::shop::{FileFormat, Layout};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufRead;

/// Fields a record may have.
const MAX_FIELDS: usize = 4096;
/// Bytes of a record that is not UTF-8 which are shown.
const SHOWN_BYTES: usize = 120;

/// Reads all rows of `input` and gives the cells of the columns `wanted`, in that order.
pub(super) fn read(
    input: Box<dyn BufRead>,
    file: &str,
    layout: &Layout,
    wanted: &[&str],
    sink: &mut dyn RowSink,
) -> Result<(), LoadError> {
    let mut records = Records::new(input, file, layout);
    let names = match &layout.column_names {
        Some(names) => names.clone(),
        None => records.header()?,
    };
    let columns = find_columns(file, wanted, &names)?;
    while let Some(record) = records.next()? {
        match records.cells(&record, names.len()) {
            Ok(fields) if fields.is_empty() => {}
            Ok(fields) => {
                let cells: Vec<Cell<'_>> = columns
                    .iter()
                    .map(|&index| Cell::Text(fields[index]))
                    .collect();
                sink.row(record.row, &cells, records.hash(&record))?;
            }
            Err(reject) => sink.bad(record.row, &reject)?,
        }
    }
    Ok(())
}

struct Records<'a> {
    input: Box<dyn BufRead>,
    file: &'a str,
    reader: Reader,
    blanks: bool,
    translated: Vec<u8>,
    output: Vec<u8>,
    ends: Vec<usize>,
    /// The line the next byte is on, from 1.
    line: u64,
    /// Bytes of text read so far.
    offset: u64,
}

#[derive(Default)]
struct Record {
    row: u64,
    offset: u64,
    bytes: usize,
    fields: usize,
    broken: Option<Reject>,
}

impl<'a> Records<'a> {
    fn new(input: Box<dyn BufRead>, file: &'a str, layout: &Layout) -> Self {
        let blanks = layout.format == Some(FileFormat::Whitespace);
        let mut builder = ReaderBuilder::new();
        if blanks {
            builder.delimiter(b' ').quoting(false);
        } else {
            builder.delimiter(layout.delimiter as u8);
        }
        Self {
            input,
            file,
            reader: builder.build(),
            blanks,
            translated: Vec::new(),
            output: vec![0; layout.max_record_bytes],
            ends: vec![0; MAX_FIELDS],
            line: 1,
            offset: 0,
        }
    }

    fn header(&mut self) -> Result<Vec<String>, LoadError> {
        let unreadable = |reason: String| LoadError::Unreadable {
            file: self.file.to_owned(),
            reason,
        };
        let empty = LoadError::Empty {
            file: self.file.to_owned(),
        };
        let record = self.next()?.ok_or(empty)?;
        let described = |reject: Reject| format!("header: {}: {}", reject.kind, reject.detail);
        let fields = self
            .fields(&record)
            .map_err(|reject| unreadable(described(reject)))?;
        Ok(fields
            .into_iter()
            .map(|name| name.trim().to_owned())
            .collect())
    }

    /// The next record that is not an empty line.
    ///
    /// A record that is too long is parsed to its end and thrown away, so that the next one begins where it should.
    fn next(&mut self) -> Result<Option<Record>, LoadError> {
        let mut record = Record::default();
        loop {
            let chunk = self.input.fill_buf();
            let chunk =
                chunk.map_err(|error| LoadError::io(format!("read {}", self.file))(error))?;
            let at_end = chunk.is_empty();
            if at_end && record.row == 0 {
                return Ok(None);
            }
            let bytes: &[u8] = if at_end {
                // A line end closes any record, unless a quote is open.
                b"\n"
            } else if self.blanks {
                blanks_for_tabs(chunk, &mut self.translated);
                &self.translated
            } else {
                chunk
            };
            let (output, ends) = (
                &mut self.output[record.bytes..],
                &mut self.ends[record.fields..],
            );
            let (result, read, written, ended) = self.reader.read_record(bytes, output, ends);
            record.begin(&bytes[..read], self.line, self.offset);
            self.line += line_feeds(&bytes[..read]);
            record.bytes += written;
            record.fields += ended;
            if at_end && result == ReadRecordResult::InputEmpty {
                return Err(LoadError::OpenQuote {
                    file: self.file.to_owned(),
                    row: record.row,
                });
            }
            if !at_end {
                self.offset += read as u64;
                self.input.consume(read);
            }
            match result {
                ReadRecordResult::Record => return Ok(Some(record)),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    record.discard("record too long", self.output.len(), "bytes");
                }
                ReadRecordResult::OutputEndsFull => {
                    record.discard("too many fields", self.ends.len(), "fields");
                }
            }
        }
    }

    fn text(&self, record: &Record) -> Result<&str, Reject> {
        let bytes = &self.output[..record.bytes];
        std::str::from_utf8(bytes).map_err(|error| {
            let at = record.offset + error.valid_up_to() as u64;
            let shown =
                String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned();
            Reject::of(
                "not UTF-8",
                format!("near byte {at}; convert the file: iconv -f WINDOWS-1252 -t UTF-8"),
            )
            .at("", shown)
        })
    }

    fn fields(&self, record: &Record) -> Result<Vec<&str>, Reject> {
        if let Some(reject) = &record.broken {
            return Err(reject.clone());
        }
        let text = self.text(record)?;
        let mut start = 0;
        let mut fields = Vec::with_capacity(record.fields);
        for &end in &self.ends[..record.fields] {
            // A character cut in two by a delimiter is none, though the bytes beside each other would be one.
            let field = text
                .get(start..end)
                .ok_or_else(|| Reject::of("not UTF-8", format!("near byte {}", record.offset)))?;
            if !self.blanks || !field.is_empty() {
                fields.push(field);
            }
            start = end;
        }
        Ok(fields)
    }

    /// All fields, one per column; none for a line of nothing but blanks.
    fn cells(&self, record: &Record, columns: usize) -> Result<Vec<&str>, Reject> {
        let fields = self.fields(record)?;
        let nothing =
            fields.is_empty() || (columns > 1 && fields.len() == 1 && fields[0].trim().is_empty());
        if nothing {
            return Ok(Vec::new());
        }
        if fields.len() != columns {
            let detail = format!("{} instead of {columns}", fields.len());
            return Err(Reject::of("wrong number of fields", detail).at("", fields.join("|")));
        }
        Ok(fields)
    }

    fn hash(&self, record: &Record) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.output[..record.bytes].hash(&mut hasher);
        self.ends[..record.fields].hash(&mut hasher);
        hasher.finish()
    }
}

impl Record {
    /// Notes where the record begins: at its first byte that is no line end.
    fn begin(&mut self, bytes: &[u8], line: u64, offset: u64) {
        if self.row > 0 {
            return;
        }
        let ends = bytes
            .iter()
            .take_while(|&&byte| byte == b'\n' || byte == b'\r')
            .count();
        if ends < bytes.len() {
            self.row = line + line_feeds(&bytes[..ends]);
            self.offset = offset + ends as u64;
        }
    }

    fn discard(&mut self, kind: &'static str, limit: usize, unit: &str) {
        self.bytes = 0;
        self.fields = 0;
        self.broken
            .get_or_insert_with(|| Reject::of(kind, format!("at most {limit} {unit} allowed")));
    }
}

#[expect(
    clippy::naive_bytecount,
    reason = "the compiler turns it into vector code; no dependency for one line"
)]
fn line_feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// A copy in which tabs are blanks.
fn blanks_for_tabs(bytes: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let blank = |&byte| if byte == b'\t' { b' ' } else { byte };
    into.extend(bytes.iter().map(blank));
}
