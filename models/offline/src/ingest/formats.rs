//! Which of several date formats a file is written in.

use super::LoadError;
use super::cell::Cell;
use super::dates::fits;
use super::rejects::Reject;
use super::rows::{Opened, RowSink};
use crate::shop::Layout;
use std::path::Path;

/// For each column the index of the format that fits most of its rows, the first listed among equals; a note says when
/// another one fits as many.
pub(super) fn choose(
    (layout, formats): (&Layout, &[String]),
    columns: &[&str],
    name: &str,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<usize>, LoadError> {
    if formats.len() < 2 {
        return Ok(vec![0; columns.len()]);
    }
    let mut sink = DateSink {
        formats,
        counts: vec![vec![0; formats.len()]; columns.len()],
    };
    Opened::open(path, name, layout)?.read(name, layout, columns, false, &mut sink)?;
    for (column, counts) in columns.iter().zip(&sink.counts) {
        let best = most(counts);
        let equal = |(index, count): (usize, &u64)| {
            (index != best && *count == counts[best] && *count > 0).then_some(index)
        };
        if let Some(other) = counts.iter().enumerate().find_map(equal) {
            let (best, other) = (&formats[best], &formats[other]);
            notes.push(format!(
                "{name}: column {column} fits {best} and {other}; read as {best}"
            ));
        }
    }
    Ok(sink.counts.iter().map(|counts| most(counts)).collect())
}

fn most(counts: &[u64]) -> usize {
    let best = counts.iter().max().copied().unwrap_or(0);
    counts.iter().position(|&count| count == best).unwrap_or(0)
}

/// Counts the formats that fit.
struct DateSink<'a> {
    formats: &'a [String],
    counts: Vec<Vec<u64>>,
}

impl RowSink for DateSink<'_> {
    fn row(&mut self, _row: u64, cells: &[Cell<'_>], _hash: u64) -> Result<(), LoadError> {
        for (cell, counts) in cells.iter().zip(&mut self.counts) {
            let bits = match cell {
                Cell::Text(text) => fits(self.formats, text),
                Cell::Int(value) => fits(self.formats, &value.to_string()),
                _ => 0,
            };
            for (index, count) in counts.iter_mut().enumerate() {
                *count += u64::from(bits >> index & 1);
            }
        }
        Ok(())
    }

    fn bad(&mut self, _row: u64, _reject: &Reject) -> Result<(), LoadError> {
        Ok(())
    }
}
