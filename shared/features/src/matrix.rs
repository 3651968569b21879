//! Rows of float32, what every model reads.

use std::ops::Range;

/// A dense row-major matrix of float32; every row has the same number of columns.
///
/// ```
/// let mut m = features::matrix::Matrix::new(2);
/// m.push_row([1.0, f64::NAN]);
/// assert_eq!((m.row_count(), m.row(0)[0]), (1, 1.0f32));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// An empty matrix of `columns` columns; at least one.
    pub fn new(columns: usize) -> Self {
        assert!(columns > 0, "a matrix has at least one column");
        Self {
            columns,
            values: Vec::new(),
        }
    }

    /// Takes whole rows laid one after the other.
    pub fn from_values(columns: usize, values: Vec<f32>) -> Option<Self> {
        (columns > 0 && values.len().is_multiple_of(columns)).then_some(Self { columns, values })
    }

    /// Appends one row, rounded to float32: the one place where features lose their double digits.
    pub fn push_row(&mut self, row: impl IntoIterator<Item = f64>) {
        let before = self.values.len();
        self.values.extend(row.into_iter().map(|v| v as f32));
        assert_eq!(
            self.values.len() - before,
            self.columns,
            "a row has one value per column"
        );
    }

    /// A matrix of the rows of a range.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let values = rows.start * self.columns..rows.end * self.columns;
        Self {
            columns: self.columns,
            values: self.values[values].to_vec(),
        }
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.values.len() / self.columns
    }

    /// The row at `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// All rows in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.columns)
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}
