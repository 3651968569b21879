//! The whole base: every customer, or every SKU, scored without an upload and without the table.
//!
//! Whoever reads the shop's files writes the histories as chunks, tables of ids and stored histories, and then a manifest.
//! A state machine asks the function to begin a run, to score every chunk, many beside each other, and to reconcile:
//!
//! | step | what comes of it |
//! |---|---|
//! | begin | a [`Run`]: chunks, model, policy and instant, the same however often it is begun |
//! | score a chunk | answers, rejects and a report, as of an upload with these rows |
//! | reconcile | a report of the run: every row of every chunk is in the answers or among the rejects, of one model |
//!
//! What lies where in the bucket:
//!
//! | key | what |
//! |---|---|
//! | `whole/<function>/chunks/<SHA-256>.parquet` | a chunk, named by its content |
//! | `whole/<function>/<content>.json` | the list of chunks, which the state machine reads |
//! | `whole/<function>/manifest.json` | the [`Base`] that the next run begins with, written last |
//! | `scored/<function>/whole/<run>/<number>.parquet` | answers of a chunk; rejects and report beside them |
//! | `scored/<function>/whole/<run>/report.json` | the report of the run |

use super::name::{SCORED, UploadName, WHOLE};
use super::parquet::write::Named;
use super::shape::{Holds, RowShape};
use crate::registry::Pins;
use crate::wire::format_instant;
use features::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The column of histories in a chunk.
pub const HISTORY: &str = "stored_history";
/// Digits of a content that tell it from others in names.
const DIGITS: usize = 12;

/// All chunks of a function, as they were written together: `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// SHA-256 of the list of chunks and of `complete_through_seconds`.
    pub content: String,
    /// Key of the list, a JSON array of [`Chunk`]s.
    pub chunks: String,
    /// How many chunks there are.
    pub chunk_count: u32,
    /// Rows of all of them.
    pub rows: u64,
    /// Events before this instant are known, seconds since 1970.
    pub complete_through_seconds: i64,
}

/// A part of the base: an item of the state machine's map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// From 0; names its outputs.
    pub number: u32,
    /// Where it lies.
    pub key: String,
    /// SHA-256 of its content, in lower-case hex. A store's own tag would not do: S3 gives equal bytes another one each time they are
    /// written under a key of one's own.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// One scoring of a base. It is what begin gives, and what each later step is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The bucket of chunks and outputs.
    pub bucket: String,
    /// Instant and content: sorts by time, and says where the outputs lie.
    pub name: String,
    /// What is scored.
    pub base: Base,
    /// What it is scored with.
    pub pins: Pins,
    /// The instant asked about, seconds since 1970.
    pub as_of_seconds: i64,
}

impl Base {
    /// Where the manifest of a function lies.
    pub fn key(function: &str) -> String {
        format!("{WHOLE}{function}/manifest.json")
    }

    /// Where a list of chunks lies.
    pub fn chunks_key(function: &str, content: &str) -> String {
        format!("{WHOLE}{function}/{content}.json")
    }

    /// What a run over it is called that asks about an instant.
    ///
    /// ```
    /// # use serving::batch::whole::Base;
    /// # let base = Base { content: "5d41402abc4b2a76b9719d91".into(), chunks: String::new(), chunk_count: 0, rows: 0,
    /// #     complete_through_seconds: 0 };
    /// assert_eq!(base.run_name(1_514_779_281), "20180101T040121Z-5d41402abc4b");
    /// ```
    pub fn run_name(&self, as_of_seconds: i64) -> String {
        let instant = format_instant(Timestamp(as_of_seconds)).replace(['-', ':'], "");
        let content: String = self.content.chars().take(DIGITS).collect();
        format!("{instant}-{content}")
    }
}

impl Chunk {
    /// Where a chunk lies whose bytes have this SHA-256.
    pub fn key(function: &str, sha256: &str) -> String {
        format!("{WHOLE}{function}/chunks/{sha256}.parquet")
    }
}

impl Run {
    /// From where the outputs of a chunk have their names.
    pub fn name_of(&self, function: &'static str, chunk: &Chunk) -> UploadName {
        UploadName::of_chunk(function, &self.name, chunk.number)
    }

    /// Where the report of the run lies.
    pub fn report_key(function: &str, name: &str) -> String {
        format!("{SCORED}{function}/{WHOLE}{name}/report.json")
    }
}

/// The columns of a chunk: what an upload would have, and the history.
pub fn chunk_columns(shape: &RowShape) -> Vec<Named> {
    let asked = shape.whole.iter().map(|(name, _)| (*name, Holds::Text));
    std::iter::once((shape.id, Holds::Text))
        .chain(asked)
        .chain([(HISTORY, Holds::Bytes)])
        .collect()
}
