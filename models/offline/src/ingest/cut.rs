//! A file without some of its rows, everything else in it as it was.

use super::cell::Cell;
use super::rejects::Reject;
use super::rows::{Opened, RowSink};
use super::{LoadError, columnar};
use crate::shop::Layout;
use std::path::Path;

/// Which rows go.
pub(crate) struct Cut<'a> {
    /// How rows are cut out of the file.
    pub(crate) layout: &'a Layout,
    /// The columns that are looked at.
    pub(crate) columns: &'a [&'a str],
    /// Whether a row goes, by the texts in those columns, trimmed.
    pub(crate) goes: &'a dyn Fn(&[String]) -> bool,
    /// The same for the bytes of what cannot be cut into columns.
    pub(crate) goes_whole: &'a dyn Fn(&[u8]) -> bool,
}

/// A file without them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// How many rows go.
    pub(crate) rows: u64,
    /// What is left; not packed.
    pub(crate) bytes: Vec<u8>,
}

impl Cut<'_> {
    /// Cuts the file at `path`, which must not be packed. Its name says whether it is Parquet, unless the layout does.
    pub(crate) fn file(&self, path: &Path, name: &str) -> Result<Rest, LoadError> {
        let mut sink = Marks {
            cut: self,
            rows: Vec::new(),
        };
        let opened = Opened::open(path, name, self.layout)?;
        let is_columnar = matches!(opened, Opened::Parquet(..));
        opened.read(name, self.layout, self.columns, false, &mut sink)?;
        let rows = sink.rows;
        if is_columnar {
            let gone: Vec<u64> = rows
                .iter()
                .filter(|(_, mark)| *mark == Mark::Goes)
                .map(|(row, _)| *row)
                .collect();
            let bytes = columnar::without(path, name, &gone)?;
            let rows = gone.len() as u64;
            return Ok(Rest { rows, bytes });
        }
        let place = || format!("read {name}");
        let text = std::fs::read(path).map_err(LoadError::io(place()))?;
        self.text(&text, &rows)
            .ok_or_else(|| LoadError::Unreadable {
                file: name.to_owned(),
                reason: "two rows begin in one line".to_owned(),
            })
    }

    /// Text without rows that begin in these lines; each ends where the next one begins.
    fn text(&self, text: &[u8], rows: &[(u64, Mark)]) -> Option<Rest> {
        let mut rest = Rest {
            rows: 0,
            bytes: Vec::with_capacity(text.len()),
        };
        let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        let until = |index: usize| {
            rows.get(index)
                .map_or(lines.len() + 1, |row| row.0 as usize)
        };
        let head = lines.get(..until(0) - 1)?;
        rest.bytes.extend(head.iter().copied().flatten());
        for (index, (from, mark)) in rows.iter().enumerate() {
            let (from, until) = (*from as usize, until(index + 1));
            if until <= from {
                return None;
            }
            let bytes = lines.get(from - 1..until - 1)?.concat();
            let goes = match mark {
                Mark::Goes => true,
                Mark::Stays => false,
                Mark::Unclear => (self.goes_whole)(&bytes),
            };
            if goes {
                rest.rows += 1;
            } else {
                rest.bytes.extend(bytes);
            }
        }
        Some(rest)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Goes,
    Stays,
    /// It has no columns to look at.
    Unclear,
}

struct Marks<'c, 'a> {
    cut: &'c Cut<'a>,
    rows: Vec<(u64, Mark)>,
}

impl RowSink for Marks<'_, '_> {
    fn row(&mut self, row: u64, cells: &[Cell<'_>], _hash: u64) -> Result<(), LoadError> {
        let text = |cell: &Cell<'_>| {
            let mut text = String::new();
            // What is no id still stands in `text`, as far as it is text.
            let _ = cell.id(&mut text);
            text
        };
        let texts: Vec<String> = cells.iter().map(text).collect();
        let goes = (self.cut.goes)(&texts);
        let mark = if goes { Mark::Goes } else { Mark::Stays };
        self.rows.push((row, mark));
        Ok(())
    }

    fn bad(&mut self, row: u64, _reject: &Reject) -> Result<(), LoadError> {
        self.rows.push((row, Mark::Unclear));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(id: &str, text: &str) -> (u64, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, text).unwrap();
        let cut = Cut {
            layout: &Layout::default(),
            columns: &["who"],
            goes: &|cells| cells[0] == id,
            goes_whole: &|bytes| String::from_utf8_lossy(bytes).contains(id),
        };
        let rest = cut.file(&path, "rows.csv").unwrap();
        (rest.rows, String::from_utf8(rest.bytes).unwrap())
    }

    #[test]
    fn rows_go_and_every_other_byte_stays() {
        let text = "\u{feff}n,who\r\n1,a\r\n\r\n2,\" b \"\r\n\"3\r\nb\",a\r\n4,b,b\r\n5,a,a\r\n6,b";
        let expected = "\u{feff}n,who\r\n1,a\r\n\r\n\"3\r\nb\",a\r\n5,a,a\r\n";
        assert_eq!(without("b", text), (3, expected.to_owned()));
        assert_eq!(without("c", text), (0, text.to_owned()));
        assert_eq!(without("a", "n,who\n1,a\n"), (1, "n,who\n".to_owned()));
        assert_eq!(without("a", "n,who\n"), (0, "n,who\n".to_owned()));
    }

    #[test]
    fn rows_of_parquet_go() {
        use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
        use parquet::arrow::ArrowWriter;
        use std::sync::Arc;
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..20_000).map(|i| i % 3)));
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..20_000).map(|i| i.to_string()),
        ));
        let batch = RecordBatch::try_from_iter([("who", ids), ("n", names)]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let cut = |path: &Path| {
            let cut = Cut {
                layout: &Layout::default(),
                columns: &["who"],
                goes: &|cells| cells[0] == "1",
                goes_whole: &|_| false,
            };
            cut.file(path, "rows.parquet").unwrap()
        };
        let rest = cut(&path);
        assert_eq!(rest.rows, 6667);
        std::fs::write(&path, &rest.bytes).unwrap();
        assert_eq!(columnar::row_count(&path), Some(13_333));
        assert_eq!(cut(&path).rows, 0);
    }
}
