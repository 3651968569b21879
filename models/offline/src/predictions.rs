//! The log of predictions, read again.

use serving::batch::FileArchive;
use serving::ports::StoreError;
use serving::prediction_log::{LoggedPrediction, prefix_of};

/// The first and the last day wanted, such as `2026-01-31`; every day where one is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Days {
    /// Nothing before this day.
    pub from: Option<String>,
    /// Nothing after this day.
    pub to: Option<String>,
}

impl Days {
    /// Whether a day is wanted. Days are compared as text, which for `yyyy-mm-dd` is their order.
    pub fn hold(&self, day: &str) -> bool {
        let is_before = self.from.as_deref().is_some_and(|from| day < from);
        let is_after = self.to.as_deref().is_some_and(|to| day > to);
        !is_before && !is_after
    }
}

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// By the day on which they were made, then by file.
    pub lines: Vec<LoggedPrediction>,
    /// Lines that are none, or of another function.
    pub unreadable: u64,
}

/// Reads what was logged of a function on some days.
pub async fn read(
    files: &impl FileArchive,
    bucket: &str,
    function: &str,
    days: &Days,
) -> Result<Predictions, StoreError> {
    let prefix = prefix_of(function);
    let mut found = Predictions::default();
    for file in files.list_files(bucket, &prefix).await? {
        let day = file.place.key.get(prefix.len()..).unwrap_or_default();
        let day = day.split('/').next().unwrap_or_default();
        if !days.hold(day) {
            continue;
        }
        // One that went away since it was listed was forgotten.
        if let Some(bytes) = files.read_all(&file.place, &file.head).await? {
            found.add(function, &bytes);
        }
    }
    Ok(found)
}

impl Predictions {
    fn add(&mut self, function: &str, bytes: &[u8]) {
        let lines = bytes.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<LoggedPrediction>(line) {
                Ok(line) if line.function == function => self.lines.push(line),
                _ => self.unreadable += 1,
            }
        }
    }
}
