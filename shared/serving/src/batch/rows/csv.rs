//! Records of CSV. Source: RFC 4180; a byte order mark, LF, CRLF and blank lines are taken.

use super::columns::Columns;
use super::{BOM, Bookmark, Reject, Row};
use crate::batch::limits::{FileFault, Limits};
use crate::batch::shape::RowShape;
use csv_core::{ReadRecordResult, Reader};

/// Splits CSV into records and makes each a request.
pub struct CsvRows {
    shape: &'static RowShape,
    reader: Reader,
    /// The record under way, its fields beside each other, without quotes.
    text: Vec<u8>,
    ends: Vec<usize>,
    record: Record,
    header: Option<Columns>,
    /// The first bytes, until it is known whether they are byte order marks.
    start: Option<Vec<u8>>,
    /// Records that have ended.
    records: u64,
    /// Bytes of the file that were taken.
    offset: u64,
}

/// How much of a record is there.
#[derive(Default)]
struct Record {
    bytes: usize,
    fields: usize,
    begun: bool,
    broken: Option<Reject>,
}

impl Record {
    /// Throws away what there is of the record; its rest is parsed and thrown away too, so that the next one begins
    /// where it should.
    fn discard(&mut self, kind: &'static str, limit: usize, unit: &str) {
        self.bytes = 0;
        self.fields = 0;
        let reason = format!("more than {limit} {unit}");
        self.broken.get_or_insert_with(|| Reject::row(kind, reason));
    }
}

impl CsvRows {
    /// For one file.
    pub fn new(shape: &'static RowShape, limits: &Limits) -> Self {
        Self {
            shape,
            reader: Reader::new(),
            text: vec![0; limits.row_bytes],
            ends: vec![0; limits.columns + 1],
            record: Record::default(),
            header: None,
            start: Some(Vec::new()),
            records: 0,
            offset: 0,
        }
    }

    /// For a file whose first records are done.
    pub fn resume(
        shape: &'static RowShape,
        limits: &Limits,
        from: &Bookmark,
    ) -> Result<Self, FileFault> {
        let names = from.header.iter().map(String::as_str);
        let mut resumed = Self {
            header: Some(Columns::new(names, shape)?),
            start: None,
            records: from.number,
            offset: from.offset,
            ..Self::new(shape, limits)
        };
        // The reader takes a byte order mark off the first bytes it sees, which here are in the middle of the file.
        resumed.read(b"\n");
        Ok(resumed)
    }

    /// Names of the columns.
    pub fn header(&self) -> Vec<String> {
        self.header.as_ref().map(Columns::names).unwrap_or_default()
    }

    /// Takes the next bytes and adds the rows that end in them.
    pub fn push(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), FileFault> {
        let Some(mut start) = self.start.take() else {
            return self.split(bytes, rows);
        };
        start.extend_from_slice(bytes);
        // All of them, or the reader would take the second one off where it comes in one piece, and only there.
        let mut text = &start[..];
        while let Some(rest) = text.strip_prefix(BOM) {
            text = rest;
        }
        self.offset += (start.len() - text.len()) as u64;
        if BOM.starts_with(text) {
            self.start = Some(text.to_vec());
            return Ok(());
        }
        self.split(text, rows)
    }

    fn split(&mut self, mut bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), FileFault> {
        while !bytes.is_empty() {
            let (result, read) = self.read(bytes);
            bytes = &bytes[read..];
            self.offset += read as u64;
            if matches!(result, ReadRecordResult::Record) {
                self.end_record(rows)?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        if let Some(start) = self.start.take() {
            self.split(&start, rows)?;
        }
        if self.record.begun {
            // A line end closes any record, unless a quote is open.
            loop {
                match self.read(b"\n").0 {
                    ReadRecordResult::Record => break,
                    ReadRecordResult::InputEmpty => {
                        self.record.discard("open quote", 0, "bytes");
                        let reason = "a quote is opened and never closed";
                        self.record.broken = Some(Reject::row("open quote", reason));
                        break;
                    }
                    _ => {}
                }
            }
            self.end_record(rows)?;
        }
        match self.records {
            0 => Err(FileFault::new("empty", "there is nothing in the file")),
            1 => Err(FileFault::new("no rows", "there is a header and no row")),
            _ => Ok(()),
        }
    }

    fn read(&mut self, bytes: &[u8]) -> (ReadRecordResult, usize) {
        let Record {
            bytes: at, fields, ..
        } = self.record;
        let (text, ends) = (&mut self.text[at..], &mut self.ends[fields..]);
        let (result, read, written, ended) = self.reader.read_record(bytes, text, ends);
        self.record.bytes += written;
        self.record.fields += ended;
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        self.record.begun |= !bytes[..read].iter().all(is_line_end);
        match result {
            ReadRecordResult::OutputFull => {
                self.record.discard("too long", self.text.len(), "bytes");
            }
            ReadRecordResult::OutputEndsFull => {
                self.record
                    .discard("too many columns", self.ends.len() - 1, "columns");
            }
            _ => {}
        }
        (result, read)
    }

    fn end_record(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        let mut record = std::mem::take(&mut self.record);
        self.records += 1;
        let fields = match record.broken.take() {
            Some(reject) => Err(reject),
            None => self.fields(&record),
        };
        let Some(header) = &self.header else {
            let names = fields.map_err(|Reject { kind, reason, .. }| {
                FileFault::new("wrong columns", format!("header: {kind}: {reason}"))
            })?;
            self.header = Some(Columns::new(names.into_iter(), self.shape)?);
            return Ok(());
        };
        let body = fields.and_then(|fields| header.body(&fields));
        rows.push(Row {
            number: self.records,
            body,
            history: None,
            end: self.offset,
            is_line: header.are_of_lines(),
        });
        Ok(())
    }

    fn fields(&self, record: &Record) -> Result<Vec<&str>, Reject> {
        if record.fields >= self.ends.len() {
            let reason = format!("more than {} columns", self.ends.len() - 1);
            return Err(Reject::row("too many columns", reason));
        }
        let bytes = &self.text[..record.bytes];
        let not_utf8 = || {
            Reject::row(
                "not UTF-8",
                "convert the file: iconv -f WINDOWS-1252 -t UTF-8",
            )
            .showing(&String::from_utf8_lossy(&bytes[..bytes.len().min(400)]))
        };
        let text = std::str::from_utf8(bytes).map_err(|_| not_utf8())?;
        let mut start = 0;
        let ends = &self.ends[..record.fields];
        ends.iter()
            .map(|&end| {
                // A character cut in two by a delimiter is none, though its halves beside each other would be one.
                let field = text.get(start..end).ok_or_else(not_utf8);
                start = end;
                field
            })
            .collect()
    }
}
