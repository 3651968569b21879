//! Why a load stops. A single bad row never does.

use std::path::PathBuf;

/// Why a load stops.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system refused.
    #[error("{place}: {source}")]
    Io {
        /// What was being done, and to which file.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A pattern names no file.
    #[error("no file matches {pattern} in {}", root.display())]
    NoFile {
        /// The pattern of `shop.toml`.
        pattern: String,
        /// The folder or prefix it is relative to.
        root: PathBuf,
    },
    /// A file that should hold rows has no byte.
    #[error("{file}: is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// A column that `shop.toml` names is not in the header, or is there twice.
    #[error("{file}: column {column} is there {times} times, 1 expected; the file has {found}")]
    Column {
        /// The file.
        file: String,
        /// The column looked for.
        column: String,
        /// How often it was found.
        times: usize,
        /// The columns that are there, cut short.
        found: String,
    },
    /// The bytes are not the format they should be.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A quote is never closed, so the rest of the file cannot be told apart.
    #[error(
        "{file}: row {row}: a quote opens in this row and is not closed before the end of the file"
    )]
    OpenQuote {
        /// The file.
        file: String,
        /// The line in which the record begins.
        row: u64,
    },
    /// Every file was read and no row was there.
    #[error("no rows in {files} files; the first is {first}")]
    NoRows {
        /// How many files were read.
        files: usize,
        /// One of them.
        first: String,
    },
    /// There are rows, but no order is left of them.
    #[error(
        "no order is left of {rows} rows: {dropped} are left out by the rules of shop.toml, the others are bad"
    )]
    NoOrders {
        /// Rows read.
        rows: u64,
        /// Rows left out on purpose.
        dropped: u64,
    },
    /// More rows are bad than the shop allows.
    #[error("{rejected} of {rows} rows rejected, at most {limit_percent} % allowed; {summary}; see {}", rejects.display())]
    TooManyRejects {
        /// Bad rows.
        rejected: u64,
        /// Rows read.
        rows: u64,
        /// The shop's limit.
        limit_percent: f64,
        /// Counts by reason, the most frequent first.
        summary: String,
        /// The file of bad rows.
        rejects: PathBuf,
    },
    /// A remote file could not be listed or fetched.
    #[error("{url}: {reason}")]
    Remote {
        /// The address.
        url: String,
        /// What the adapter said.
        reason: String,
    },
    /// The stored histories are cut short or changed; remove the work folder to load again.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl LoadError {
    /// For `map_err`: the place first, then the system's error.
    pub(crate) fn io(place: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let place = place.into();
        move |source| Self::Io { place, source }
    }
}
