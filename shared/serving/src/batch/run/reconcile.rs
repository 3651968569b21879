//! Whether every row of a run is in exactly one place: the chunks against their reports.

use super::{Batch, Clock, Services, files_failed, read_whole};
use crate::batch::claim::Counts;
use crate::batch::limits::cut_short;
use crate::batch::ports::{ClaimStore, FilePlace, FileStore};
use crate::batch::progress::Reasons;
use crate::batch::whole::{Chunk, Run};
use crate::drift::{Drift, Seen};
use crate::error::Error;
use crate::ports::{PredictionCounts, StoreError};
use crate::predictor::Predictor;
use crate::wire::format_instant;
use bytes::Bytes;
use features::time::Timestamp;
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

/// Bytes of a chunk's report at most.
const REPORT_BYTES: u64 = 1024 * 1024;
/// Chunks that are looked at beside each other.
const BESIDE: usize = 16;
/// Faults that the report shows; [`RunReport::balanced_chunks`] tells how many there are.
const MOST_SHOWN: usize = 100;

/// What a run came to.
const SCORED: &str = "scored";
const UNBALANCED: &str = "unbalanced";

/// What became of a run: `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// `scored`, or `unbalanced`: some chunk is not done, or does not add up.
    pub outcome: String,
    /// The function.
    pub function: String,
    /// The run.
    pub run: String,
    /// SHA-256 of what was scored.
    pub content: String,
    /// Chunks of the run.
    pub chunks: u64,
    /// Chunks whose rows are all in one place.
    pub balanced_chunks: u64,
    /// Rows of the run, by the manifest.
    pub rows_expected: u64,
    /// Rows of balanced chunks; the first is the sum of the other two.
    #[serde(flatten)]
    pub counts: Counts,
    /// Rejected rows by kind of reason.
    pub rejected_by_reason: Reasons,
    /// The model that scored every row.
    pub model_version: String,
    /// The policy that decided on every row.
    pub policy_sha256: String,
    /// The instant asked about.
    pub as_of: String,
    /// Events before this instant are known.
    pub complete_through: String,
    /// Milliseconds that chunks took, one after the other.
    pub duration_ms: i64,
    /// Milliseconds of the slowest one.
    pub slowest_chunk_ms: i64,
    /// What Lambda bills for the chunks, where memory is known; failed attempts and starts are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_seconds: Option<f64>,
    /// How far the rows of balanced chunks are from those of training, all together; absent where the model does not know, or cannot
    /// be loaded any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What became of the scored rows in the store of last predictions, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<PredictionCounts>,
    /// What does not balance, and why; not more than a hundred are shown.
    pub faults: Vec<String>,
}

impl RunReport {
    /// Whether every row is in exactly one place.
    pub fn is_balanced(&self) -> bool {
        self.outcome == SCORED
    }
}

/// Of a chunk's report, what is held against the run.
#[derive(Debug, Deserialize)]
struct ChunkReport {
    outcome: String,
    input: Input,
    #[serde(flatten)]
    counts: Counts,
    rejected_by_reason: Reasons,
    model_version: String,
    policy_sha256: String,
    as_of: String,
    duration_ms: i64,
    gb_seconds: Option<f64>,
    #[serde(default)]
    seen: Seen,
    predictions: Option<PredictionCounts>,
}

#[derive(Debug, Deserialize)]
struct Input {
    key: String,
    sha256: String,
}

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// Holds every chunk of a run against its report and its outputs, and writes the report of the run. It says itself
    /// whether all is there; an error means that this could not be found out.
    pub async fn reconcile_whole(&self, run: &Run) -> Result<RunReport, Error> {
        let list = self.read_json(&run.bucket, run.base.chunks.clone());
        let chunks: Vec<Chunk> = list.await?;
        let mut report = begun(M::Predictor::NAME, run);
        let sum: u64 = chunks.iter().map(|chunk| chunk.rows).sum();
        if (chunks.len(), sum) != (run.base.chunk_count as usize, run.base.rows) {
            let found = format!("the list has {} chunks of {sum} rows", chunks.len());
            let base = &run.base;
            report.fault(&format!(
                "{found}, the run has {} of {}",
                base.chunk_count, base.rows
            ));
        }
        let look = |chunk: Chunk| async move {
            let judged = self.judge_chunk(run, &chunk).await;
            (chunk, judged)
        };
        let mut seen = Seen::default();
        let mut looks = stream::iter(chunks).map(look).buffered(BESIDE);
        while let Some((chunk, judged)) = looks.next().await {
            match judged.map_err(files_failed)? {
                Ok(mut of_chunk) => {
                    seen.merge(std::mem::take(&mut of_chunk.seen));
                    report.add(of_chunk);
                }
                Err(reason) => report.fault(&format!("chunk {}: {reason}", chunk.number)),
            }
        }
        if !report.faults.is_empty() {
            UNBALANCED.clone_into(&mut report.outcome);
        }
        report.drift = self.drift_of(run, &seen).await?;
        self.put_run_report(run, &report).await?;
        Ok(report)
    }

    /// The report of a chunk that is done, or what is wrong with it.
    async fn judge_chunk(
        &self,
        run: &Run,
        chunk: &Chunk,
    ) -> Result<Result<ChunkReport, String>, StoreError> {
        let name = run.name_of(M::Predictor::NAME, chunk);
        let place = |key| FilePlace {
            bucket: run.bucket.clone(),
            key,
        };
        let found = read_whole(self.files, &place(name.report()), REPORT_BYTES).await?;
        let Some(bytes) = found else {
            return Ok(Err("there is no report: it was not scored".to_owned()));
        };
        let report: ChunkReport = match serde_json::from_slice(&bytes) {
            Ok(report) => report,
            Err(error) => return Ok(Err(format!("the report cannot be read ({error})"))),
        };
        if let Some(fault) = fault_of(run, chunk, &report) {
            return Ok(Err(fault));
        }
        for output in [name.scored(), name.rejects()] {
            let head = self.files.head_file(&place(output), None).await?;
            if head.is_none() {
                return Ok(Err("answers or rejects are missing".to_owned()));
            }
        }
        Ok(Ok(report))
    }

    async fn drift_of(&self, run: &Run, seen: &Seen) -> Result<Option<Drift>, Error> {
        if *seen == Seen::default() {
            return Ok(None);
        }
        match self.pin_to(run, None).await {
            Ok((_, service)) => Ok(service.drift(seen)),
            Err(Error::Internal { what, reason }) => {
                tracing::warn!(what, reason, "the drift of the run is not known");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn put_run_report(&self, run: &Run, report: &RunReport) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(report).map_err(|error| Error::Internal {
            what: "write the report of a run",
            reason: error.to_string(),
        })?;
        let place = FilePlace {
            bucket: run.bucket.clone(),
            key: Run::report_key(M::Predictor::NAME, &run.name),
        };
        let put = self.files.put_file(&place, Bytes::from(text + "\n"));
        put.await.map_err(files_failed)
    }
}

/// What does not fit between a chunk and its report.
fn fault_of(run: &Run, chunk: &Chunk, report: &ChunkReport) -> Option<String> {
    let Counts {
        rows,
        scored,
        rejected,
    } = report.counts;
    let wanted = [
        (&run.pins.model.version, &report.model_version),
        (&run.pins.policy.sha256, &report.policy_sha256),
        (&format_instant(Timestamp(run.as_of_seconds)), &report.as_of),
    ];
    let other = wanted
        .into_iter()
        .find(|(of_run, of_chunk)| of_run != of_chunk);
    if report.outcome != SCORED {
        Some(format!("it is {}", cut_short(&report.outcome)))
    } else if (&report.input.key, &report.input.sha256) != (&chunk.key, &chunk.sha256) {
        Some("the report is of another content".to_owned())
    } else if rows != chunk.rows || scored.checked_add(rejected) != Some(rows) {
        let found = format!("{rows} rows, {scored} scored, {rejected} rejected");
        Some(format!("{found}; the chunk has {}", chunk.rows))
    } else {
        other.map(|(of_run, of_chunk)| {
            let of_chunk = cut_short(of_chunk);
            format!("scored with {of_chunk}, the run with {of_run}")
        })
    }
}

fn begun(function: &str, run: &Run) -> RunReport {
    let base = &run.base;
    RunReport {
        outcome: SCORED.to_owned(),
        function: function.to_owned(),
        run: run.name.clone(),
        content: base.content.clone(),
        chunks: base.chunk_count.into(),
        balanced_chunks: 0,
        rows_expected: base.rows,
        counts: Counts::default(),
        rejected_by_reason: Reasons::new(),
        model_version: run.pins.model.version.clone(),
        policy_sha256: run.pins.policy.sha256.clone(),
        as_of: format_instant(Timestamp(run.as_of_seconds)),
        complete_through: format_instant(Timestamp(base.complete_through_seconds)),
        duration_ms: 0,
        slowest_chunk_ms: 0,
        gb_seconds: None,
        drift: None,
        predictions: None,
        faults: Vec::new(),
    }
}

impl RunReport {
    fn add(&mut self, chunk: ChunkReport) {
        self.balanced_chunks += 1;
        self.counts.rows += chunk.counts.rows;
        self.counts.scored += chunk.counts.scored;
        self.counts.rejected += chunk.counts.rejected;
        for (reason, rows) in chunk.rejected_by_reason {
            *self.rejected_by_reason.entry(reason).or_default() += rows;
        }
        self.duration_ms += chunk.duration_ms;
        self.slowest_chunk_ms = self.slowest_chunk_ms.max(chunk.duration_ms);
        if let Some(more) = chunk.predictions {
            self.predictions.get_or_insert_default().add(more);
        }
        if let Some(more) = chunk.gb_seconds {
            self.gb_seconds = Some(self.gb_seconds.unwrap_or(0.0) + more);
        }
    }

    fn fault(&mut self, fault: &str) {
        if self.faults.len() < MOST_SHOWN {
            self.faults.push(fault.to_owned());
        }
    }
}
