//! Records of CSV. Source: RFC 4180; a byte order mark, LF, CRLF and blank lines are taken.

use super::{BOM, Reject, Row};
use crate::batch::limits::{FileFault, Limits, cut_short};
use crate::batch::shape::{Field, Kind, RowShape};
use csv_core::{ReadRecordResult, Reader};
use serde_json::value::RawValue;

/// Splits CSV into records and makes each a request.
pub struct CsvRows {
    shape: &'static RowShape,
    reader: Reader,
    /// The record under way, its fields beside each other, without quotes.
    text: Vec<u8>,
    ends: Vec<usize>,
    record: Record,
    header: Option<Vec<(Field, bool)>>,
    /// The first bytes, until it is known whether they are byte order marks.
    start: Option<Vec<u8>>,
    /// Records that have ended.
    records: u64,
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
        }
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
            self.header = Some(header(fields, self.shape)?);
            return Ok(());
        };
        let body = fields.and_then(|fields| body(&fields, header, self.shape));
        rows.push(Row {
            number: self.records,
            body,
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

/// What each column is; wrong columns are a fault of the file.
fn header(
    fields: Result<Vec<&str>, Reject>,
    shape: &'static RowShape,
) -> Result<Vec<(Field, bool)>, FileFault> {
    let fault = |detail: String| FileFault::new("wrong columns", detail);
    let names = fields.map_err(|reject| {
        let Reject { kind, reason, .. } = reject;
        fault(format!("header: {kind}: {reason}"))
    })?;
    let mut columns: Vec<(Field, bool)> = Vec::with_capacity(names.len());
    for name in names {
        let name = name.trim();
        let Some(column) = shape.field(name) else {
            let allowed = shape.allowed();
            let shown = crate::wire::shown(name);
            return Err(fault(format!("{shown} is no column, allowed: {allowed}")));
        };
        if columns.contains(&column) {
            return Err(fault(format!("{name} stands there twice")));
        }
        columns.push(column);
    }
    if !columns.iter().any(|(field, _)| field.name == shape.id) {
        return Err(fault(format!("{} is missing", shape.id)));
    }
    Ok(columns)
}

/// The request of a record.
fn body(
    fields: &[&str],
    header: &[(Field, bool)],
    shape: &'static RowShape,
) -> Result<Vec<u8>, Reject> {
    if fields.len() != header.len() {
        let reason = format!("{} columns instead of {}", fields.len(), header.len());
        let shown = cut_short(&fields.join(","));
        return Err(Reject::row("wrong number of columns", reason).showing(&shown));
    }
    let (mut entity, mut around) = (String::from("{"), String::new());
    for (cell, (field, is_around)) in fields.iter().zip(header) {
        if cell.is_empty() {
            continue;
        }
        let object = if *is_around { &mut around } else { &mut entity };
        if !object.is_empty() && !object.ends_with('{') {
            object.push(',');
        }
        object.push_str(&quoted(field.name));
        object.push(':');
        object.push_str(&value(cell, field.kind));
    }
    Ok(request(entity, &around, shape))
}

/// Puts an entity (an object without its closing brace) and what stands around it together.
fn request(mut entity: String, around: &str, shape: &RowShape) -> Vec<u8> {
    let text = if let Some(list) = shape.list {
        let comma = if around.is_empty() { "" } else { "," };
        format!("{{{}:[{entity}}}]{comma}{around}}}", quoted(list))
    } else {
        if !around.is_empty() && !entity.ends_with('{') {
            entity.push(',');
        }
        format!("{entity}{around}}}")
    };
    text.into_bytes()
}

fn value(cell: &str, kind: Kind) -> String {
    match kind {
        Kind::Json if serde_json::from_str::<&RawValue>(cell).is_ok() => cell.to_owned(),
        _ => quoted(cell),
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
