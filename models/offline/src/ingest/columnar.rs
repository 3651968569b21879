//! Rows of Parquet, batch by batch.

use super::LoadError;
use super::cell::Cell;
use super::rows::{RowSink, find_columns};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serving::batch::limits::Limits;
use serving::batch::parquet::claims::{self, Refused};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// Rows that are unpacked at once, fewer where as many could have more than so many bytes in values that take no room in the file.
const BATCH_ROWS: u64 = 8192;
const BATCH_BYTES: u64 = 32 * 1024 * 1024;

/// Reads all rows of a file and gives the cells of the columns `wanted`, in that order.
///
/// With `hash_rows` every column is read, because rows that differ in any of them are no duplicates; without it only
/// the wanted ones are, and the hash is 0.
pub(super) fn read(
    path: &Path,
    file: &str,
    wanted: &[&str],
    hash_rows: bool,
    sink: &mut dyn RowSink,
) -> Result<(), LoadError> {
    let unreadable = |reason: String| LoadError::Unreadable {
        file: file.to_owned(),
        reason,
    };
    let opened = open(path, file)?;
    let metadata = with_views(&opened.metadata).map_err(unreadable)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(opened.bytes, metadata);
    let names: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let columns = find_columns(file, wanted, &names)?;
    let mask = if hash_rows {
        ProjectionMask::all()
    } else {
        ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied())
    };
    let builder = builder
        .with_projection(mask)
        .with_batch_size(opened.batch_rows);
    let reader = guarded(|| builder.build());
    let mut reader = reader.map_err(|e| unreadable(format!("read Parquet: {e}")))?;
    let mut first_row = 1;
    loop {
        let batch = next(&mut reader)
            .map_err(|e| unreadable(format!("read Parquet near row {first_row}: {e}")))?;
        let Some(batch) = batch else {
            return Ok(());
        };
        let failed = |e: ArrowError| unreadable(format!("read Parquet near row {first_row}: {e}"));
        let hashes = if hash_rows {
            Some(hash_batch(&batch).map_err(failed)?)
        } else {
            None
        };
        let columns = wanted
            .iter()
            .map(|name| Column::of(&batch, name))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let mut cells = vec![Cell::Missing; columns.len()];
        for index in 0..batch.num_rows() {
            for (cell, column) in cells.iter_mut().zip(&columns) {
                *cell = column.cell(index);
            }
            let hash = hashes.as_ref().map_or(0, |hashes| hashes[index]);
            sink.row(first_row + index as u64, &cells, hash)?;
        }
        first_row += batch.num_rows() as u64;
    }
}

/// Runs a step of the crate that reads Parquet. Spoiled files make it panic, and one of them must not keep all others from being
/// merged: it is refused like every file that cannot be read.
fn guarded<T, E: ToString>(step: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("what its pages say cannot be".to_owned()),
    }
}

fn next(reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, String> {
    guarded(|| reader.next().transpose())
}

struct Opened {
    bytes: File,
    metadata: ArrowReaderMetadata,
    batch_rows: usize,
}

/// Opens a file whose pages are what its footer says, and no larger than files have them: the crate that reads it believes both.
fn open(path: &Path, file: &str) -> Result<Opened, LoadError> {
    let io = || LoadError::io(format!("read {file}"));
    let mut bytes = File::open(path).map_err(io())?;
    if bytes.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        let file = file.to_owned();
        return Err(LoadError::Empty { file });
    }
    let unreadable = |reason: String| LoadError::Unreadable {
        file: file.to_owned(),
        reason,
    };
    let checked = claims::check(&mut bytes, &Limits::default());
    let value_bytes = checked.map_err(|refused| match refused {
        Refused::Fault(fault) => unreadable(fault.detail),
        Refused::Unread(error) => io()(error),
    })?;
    let metadata = guarded(|| ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()));
    let metadata = metadata.map_err(|e| unreadable(format!("no Parquet file: {e}")))?;
    let batch_rows = (BATCH_BYTES / value_bytes.max(1)).clamp(1, BATCH_ROWS) as usize;
    Ok(Opened {
        bytes,
        metadata,
        batch_rows,
    })
}

/// The same with texts as views, of any column that holds nothing else: a value that stands there once, and is meant a thousand
/// times, is then no thousand copies of it.
fn with_views(metadata: &ArrowReaderMetadata) -> Result<ArrowReaderMetadata, String> {
    let viewed = |field: &Arc<Field>| {
        let field = field.as_ref().clone();
        if is_text(field.data_type()) {
            field.with_data_type(DataType::Utf8View)
        } else {
            field
        }
    };
    let fields: Vec<Field> = metadata.schema().fields().iter().map(viewed).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    let metadata = metadata.metadata().clone();
    let viewed = guarded(|| ArrowReaderMetadata::try_new(metadata, options));
    viewed.map_err(|e| format!("no Parquet file: {e}"))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The file without the rows of these numbers, which rise from 1.
pub(super) fn without(path: &Path, file: &str, gone: &[u64]) -> Result<Vec<u8>, LoadError> {
    let failed = |reason: String| LoadError::Unreadable {
        file: file.to_owned(),
        reason: format!("copy Parquet: {reason}"),
    };
    let opened = open(path, file)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(opened.bytes, opened.metadata);
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let ends = gone.iter().map(|row| *row as usize).chain([rows + 1]);
    let mut from = 0;
    let kept: Vec<std::ops::Range<usize>> = ends
        .map(|end| std::mem::replace(&mut from, end)..end - 1)
        .filter(|range| !range.is_empty())
        .collect();
    let schema = builder.schema().clone();
    let selection = RowSelection::from_consecutive_ranges(kept.into_iter(), rows);
    let builder = builder
        .with_row_selection(selection)
        .with_batch_size(opened.batch_rows);
    let mut reader = guarded(|| builder.build()).map_err(failed)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))
        .map_err(|e| failed(e.to_string()))?;
    while let Some(batch) = next(&mut reader).map_err(failed)? {
        writer.write(&batch).map_err(|e| failed(e.to_string()))?;
    }
    writer.into_inner().map_err(|e| failed(e.to_string()))
}

/// How many rows a file has, from its last bytes; `None` when it is not readable.
pub(super) fn row_count(path: &Path) -> Option<u64> {
    let opened = open(path, "").ok()?;
    u64::try_from(opened.metadata.metadata().file_metadata().num_rows()).ok()
}

/// A column of a batch in one of the few types that cells have.
struct Column {
    array: ArrayRef,
    kind: Kind,
}

enum Kind {
    Text,
    Int,
    Float,
    Decimal(i8),
    /// Ticks per second, and whether the zone is known.
    Time(i64, bool),
    Day,
}

impl Column {
    fn of(batch: &RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let missing = || ArrowError::SchemaError(format!("column {name} is not in the batch"));
        Self::new(batch.column_by_name(name).ok_or_else(missing)?, name)
    }

    fn new(array: &ArrayRef, name: &str) -> Result<Self, ArrowError> {
        let inner = match array.data_type() {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        let (target, kind) = match inner {
            text if is_text(text) => (DataType::Utf8View, Kind::Text),
            DataType::UInt64 => (DataType::Decimal128(20, 0), Kind::Decimal(0)),
            integer if integer.is_integer() => (DataType::Int64, Kind::Int),
            float if float.is_floating() => (DataType::Float64, Kind::Float),
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale) => {
                (DataType::Decimal128(38, *scale), Kind::Decimal(*scale))
            }
            DataType::Timestamp(unit, zone) => {
                (DataType::Int64, Kind::Time(ticks(*unit), zone.is_some()))
            }
            DataType::Date32 | DataType::Date64 => (DataType::Date32, Kind::Day),
            other => {
                let reason = format!(
                    "column {name} is {other}; text, numbers, dates and time stamps can be read"
                );
                return Err(ArrowError::SchemaError(reason));
            }
        };
        // Strict: a value that does not fit is an error here, not a null that passes for a missing value.
        let options = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let array = if array.data_type() == &target {
            array.clone()
        } else {
            cast_with_options(array, &target, &options)?
        };
        Ok(Self { array, kind })
    }

    fn cell(&self, index: usize) -> Cell<'_> {
        if self.array.is_null(index) {
            return Cell::Missing;
        }
        match self.kind {
            Kind::Text => Cell::Text(self.array.as_string_view().value(index)),
            Kind::Int => Cell::Int(self.array.as_primitive::<Int64Type>().value(index)),
            Kind::Float => Cell::Float(self.array.as_primitive::<Float64Type>().value(index)),
            Kind::Decimal(scale) => Cell::Decimal(
                self.array.as_primitive::<Decimal128Type>().value(index),
                scale,
            ),
            Kind::Day => Cell::Day(self.array.as_primitive::<Date32Type>().value(index)),
            Kind::Time(ticks, zoned) => {
                let seconds = self
                    .array
                    .as_primitive::<Int64Type>()
                    .value(index)
                    .div_euclid(ticks);
                if zoned {
                    Cell::Instant(seconds)
                } else {
                    Cell::Naive(seconds)
                }
            }
        }
    }

    fn hash(&self, index: usize, hasher: &mut DefaultHasher) {
        match self.kind {
            // A cell has whole seconds; rows that differ below them are no duplicates.
            Kind::Time(..) if self.array.is_valid(index) => {
                self.array
                    .as_primitive::<Int64Type>()
                    .value(index)
                    .hash(hasher);
            }
            _ => self.cell(index).hash(hasher),
        }
    }
}

fn ticks(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// A hash per row over all its columns, whatever their type.
fn hash_batch(batch: &RecordBatch) -> Result<Vec<u64>, ArrowError> {
    let mut hashers = vec![DefaultHasher::new(); batch.num_rows()];
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        if let Ok(column) = Column::new(array, field.name()) {
            for (index, hasher) in hashers.iter_mut().enumerate() {
                column.hash(index, hasher);
            }
            continue;
        }
        // Lists, structs and the like are never mapped, but rows that differ in one are no duplicates.
        let options = FormatOptions::default().with_null("\0");
        let formatter = ArrayFormatter::try_new(array, &options)?;
        for (index, hasher) in hashers.iter_mut().enumerate() {
            formatter.value(index).try_to_string()?.hash(hasher);
        }
    }
    Ok(hashers.into_iter().map(|hasher| hasher.finish()).collect())
}
