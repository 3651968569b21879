//! The training matrix as Parquet: identity, label, extras, then one float32 column per feature, in model order.

use arrow_array::builder::{Float32Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Rows kept in memory before they are written.
const BATCH_ROWS: usize = 16_384;

/// What stands before the features in each row.
#[derive(Debug, Clone, Copy)]
pub struct RowHead<'a> {
    /// The shop's id of the entity.
    pub entity_id: &'a str,
    /// RFC 3339.
    pub cutoff: &'a str,
    /// `train`, `calibration` or `test`.
    pub split: &'a str,
    /// The truth, then what else is known of it.
    pub label: f32,
    /// One per name of an extra column.
    pub extras: &'a [f32],
}

/// Why the matrix was not written.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// The file cannot be made.
    #[error("write {path}: {source}")]
    File {
        /// Where.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Parquet refused.
    #[error("write matrix: {0}")]
    Parquet(#[from] ParquetError),
    /// Arrow refused.
    #[error("write matrix: {0}")]
    Arrow(#[from] ArrowError),
}

/// Writes rows in batches, so that memory does not grow with the matrix.
pub struct MatrixWriter {
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    heads: [StringBuilder; 3],
    values: Vec<Float32Builder>,
    rows: usize,
}

impl MatrixWriter {
    /// Starts a file with these extra and feature columns.
    pub fn create(path: &Path, extras: &[&str], names: &[&str]) -> Result<Self, MatrixError> {
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        let number = |name: &str| Field::new(name, DataType::Float32, false);
        let heads = ["entity_id", "cutoff", "split"].map(text).into_iter();
        let fields: Vec<Field> = heads
            .chain([number("label")])
            .chain(extras.iter().chain(names).map(|n| number(n)))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let file = File::create(path).map_err(|source| MatrixError::File {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self {
            writer: ArrowWriter::try_new(file, schema.clone(), None)?,
            schema,
            heads: Default::default(),
            values: (0..=extras.len() + names.len())
                .map(|_| Float32Builder::new())
                .collect(),
            rows: 0,
        })
    }

    /// Appends one row.
    pub fn push(&mut self, head: RowHead<'_>, features: &[f32]) -> Result<(), MatrixError> {
        for (builder, text) in self
            .heads
            .iter_mut()
            .zip([head.entity_id, head.cutoff, head.split])
        {
            builder.append_value(text);
        }
        let row = std::iter::once(&head.label)
            .chain(head.extras)
            .chain(features);
        for (builder, value) in self.values.iter_mut().zip(row) {
            builder.append_value(*value);
        }
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH_ROWS) {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Ends the file; says how many rows it has.
    pub fn finish(mut self) -> Result<usize, MatrixError> {
        self.flush()?;
        self.writer.close()?;
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<(), MatrixError> {
        let heads = self
            .heads
            .iter_mut()
            .map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let values = self
            .values
            .iter_mut()
            .map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let batch = RecordBatch::try_new(self.schema.clone(), heads.chain(values).collect())?;
        self.writer.write(&batch)?;
        Ok(())
    }
}
