//! Bad rows: why, and the file they are written to.

use super::LoadError;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Characters of a bad value that are shown.
const SHOWN_CHARS: usize = 80;

/// Why a row is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reject {
    /// The kind, which the summary counts.
    pub(super) kind: &'static str,
    /// The column, or empty when the whole row is meant.
    pub(super) column: String,
    /// The value as it was read.
    pub(super) value: String,
    /// What would have been right.
    pub(super) detail: String,
}

impl Reject {
    /// Without a column, for a value that does not know where it stands yet.
    pub(super) fn of(kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            column: String::new(),
            value: String::new(),
            detail: detail.into(),
        }
    }

    /// The same at a place.
    pub(super) fn at(mut self, column: &str, value: impl std::fmt::Display) -> Self {
        column.clone_into(&mut self.column);
        self.value = value.to_string();
        self
    }
}

/// Writes `rejects.csv` and counts by kind.
pub(super) struct Rejects {
    out: BufWriter<File>,
    counts: BTreeMap<String, u64>,
    line: String,
}

impl Rejects {
    pub(super) fn create(path: &Path) -> Result<Self, LoadError> {
        let file =
            File::create(path).map_err(LoadError::io(format!("create {}", path.display())))?;
        let mut out = BufWriter::new(file);
        out.write_all(b"file,row,column,value,reason\n")
            .map_err(LoadError::io("write rejects"))?;
        Ok(Self {
            out,
            counts: BTreeMap::new(),
            line: String::new(),
        })
    }

    pub(super) fn write(&mut self, file: &str, row: u64, reject: &Reject) -> Result<(), LoadError> {
        match self.counts.get_mut(reject.kind) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(reject.kind.to_owned(), 1)),
        }
        self.line.clear();
        text_cell(&mut self.line, file);
        let _ = write!(self.line, ",{row},");
        text_cell(&mut self.line, &reject.column);
        self.line.push(',');
        text_cell(&mut self.line, &visible(&reject.value));
        self.line.push(',');
        let separator = if reject.detail.is_empty() { "" } else { ": " };
        text_cell(
            &mut self.line,
            &format!("{}{separator}{}", reject.kind, reject.detail),
        );
        self.line.push('\n');
        self.out
            .write_all(self.line.as_bytes())
            .map_err(LoadError::io("write rejects"))
    }

    /// The counts so far, by kind; counting starts anew.
    pub(super) fn take_counts(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.counts)
    }

    /// Flushes, and gives the counts by kind.
    pub(super) fn finish(mut self) -> Result<BTreeMap<String, u64>, LoadError> {
        self.out.flush().map_err(LoadError::io("write rejects"))?;
        Ok(self.counts)
    }
}

/// The first characters of a value, control characters as escapes; `...` when it was longer.
fn visible(value: &str) -> String {
    let mut shown = String::new();
    for (index, c) in value.chars().enumerate() {
        if index == SHOWN_CHARS {
            shown.push_str("...");
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Appends one CSV cell. Spreadsheets run text that starts with `= + - @` as a formula; a quote mark before it stops that.
fn text_cell(line: &mut String, text: &str) {
    let guarded = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    if text.contains([',', '"', '\n', '\r', ';']) {
        let _ = write!(line, "\"{guarded}{}\"", text.replace('"', "\"\""));
    } else {
        let _ = write!(line, "{guarded}{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_run_break_out_or_hide() {
        let cell = |text: &str| {
            let mut line = String::new();
            text_cell(&mut line, &visible(text));
            line
        };
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-a\"b"), "\"'-a\"\"b\"");
        assert_eq!(cell("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(cell(&"x".repeat(100)).len(), SHOWN_CHARS + 3);
    }
}
