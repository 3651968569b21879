//! Reading, asking and writing, a chunk at a time.

use super::{Batch, Clock, DEADLINE_MARGIN_MS, Job, Services, Stop};
use crate::batch::claim::Counts;
use crate::batch::limits::{FileFault, Limits, cut_short};
use crate::batch::name::Packing;
use crate::batch::output::{REJECTS_HEADER, answer_header, write_answer, write_reject};
use crate::batch::ports::{ClaimStore, FileStore, Piece};
use crate::batch::rows::{Reject, Row, Rows};
use crate::batch::shape::RowShape;
use crate::batch::unpack::Unpacker;
use crate::batch::upload::Growing;
use crate::error::{CallerError, Error};
use crate::predictor::Predictor;
use crate::service::Observed;
use bytes::Bytes;
use futures_util::future::join;
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows of the first chunk; how large histories are is not known yet.
const FIRST_CHUNK_ROWS: usize = 128;
/// Fewest rows of a chunk.
const LEAST_CHUNK_ROWS: usize = 32;

/// What became of the rows so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) reasons: BTreeMap<&'static str, u64>,
    pub(super) observed: Observed,
}

/// A file under way.
struct Work<'a, F, M: Services, K> {
    job: &'a Job<'a, M>,
    clock: &'a K,
    limits: Limits,
    unpacker: Unpacker,
    rows: Rows,
    /// Rows that are split and not asked about yet.
    waiting: Vec<Row>,
    chunk_rows: usize,
    scored: Growing<'a, F>,
    rejects: Growing<'a, F>,
    tally: Tally,
}

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// Scores every row of the file; afterwards both outputs are complete, or given up.
    pub(super) async fn score_file(&self, job: &Job<'_, M>) -> Result<Tally, Stop> {
        let (size, limit) = (job.head.size, self.limits.object_bytes);
        if size > limit {
            let detail = format!("{size} bytes, at most {limit} are read");
            return Err(FileFault::new("too large", detail).into());
        }
        let mut work = self.begin(job)?;
        let done = match self.read_all(job, &mut work).await {
            Ok(()) => work.complete().await,
            stopped => stopped,
        };
        if let Err(stop) = done {
            work.scored.abort().await;
            work.rejects.abort().await;
            return Err(stop);
        }
        Ok(work.tally)
    }

    fn begin<'j>(&'j self, job: &'j Job<'j, M>) -> Result<Work<'j, F, M, K>, Stop> {
        let name = job.name;
        let output = |key, packing| {
            let place = job.place.beside(key);
            Growing::new(self.files, place, packing, self.limits.part_bytes)
        };
        Ok(Work {
            job,
            clock: self.clock,
            limits: self.limits,
            unpacker: Unpacker::new(name.packing, self.limits)?,
            rows: Rows::new(name.format, job.shape, &self.limits),
            waiting: Vec::new(),
            chunk_rows: FIRST_CHUNK_ROWS.min(self.limits.chunk_rows),
            scored: output(name.scored(), name.packing)?,
            rejects: output(name.rejects(), Packing::Plain)?,
            tally: Tally::default(),
        })
    }

    /// Reads the next bytes while those before are scored.
    async fn read_all(&self, job: &Job<'_, M>, work: &mut Work<'_, F, M, K>) -> Result<(), Stop> {
        let header = answer_header(job.name.format, job.shape);
        work.scored.write(&header).await?;
        work.rejects.write(REJECTS_HEADER).await?;
        let mut at = 0;
        let mut piece = self.read(job, &mut at).await?;
        while let Some(bytes) = piece {
            let (taken, next) = join(work.take(&bytes), self.read(job, &mut at)).await;
            taken?;
            piece = next?;
        }
        work.take_rest().await
    }

    async fn read(&self, job: &Job<'_, M>, at: &mut u64) -> Result<Option<Bytes>, Stop> {
        let end = job.head.size.min(*at + self.limits.read_bytes);
        let range = *at..end;
        if range.is_empty() {
            return Ok(None);
        }
        *at = end;
        match self
            .files
            .read_file(job.place, &job.head.version, range)
            .await?
        {
            Piece::Bytes(bytes) => Ok(Some(bytes)),
            Piece::Changed => Err(Stop::Changed),
        }
    }
}

impl<F: FileStore, M: Services, K: Clock> Work<'_, F, M, K> {
    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        let mut text = Vec::new();
        while !bytes.is_empty() {
            text.clear();
            let taken = self.unpacker.step(bytes, &mut text)?;
            bytes = &bytes[taken..];
            self.rows.push(&text, &mut self.waiting)?;
            while let Some(count) = self.full_chunk() {
                self.score_next(count).await?;
            }
        }
        Ok(())
    }

    async fn take_rest(&mut self) -> Result<(), Stop> {
        let mut text = Vec::new();
        self.unpacker.finish(&mut text)?;
        self.rows.push(&text, &mut self.waiting)?;
        self.rows.finish(&mut self.waiting)?;
        while !self.waiting.is_empty() {
            let count = self.full_chunk().unwrap_or(self.waiting.len());
            self.score_next(count).await?;
        }
        Ok(())
    }

    /// Answers first, so that who finds a report finds everything it names.
    async fn complete(&mut self) -> Result<(), Stop> {
        self.scored.complete().await?;
        self.rejects.complete().await?;
        Ok(())
    }

    /// How many waiting rows make a chunk, once there are enough.
    fn full_chunk(&self) -> Option<usize> {
        let mut bytes = 0;
        for (index, row) in self.waiting.iter().enumerate() {
            bytes += row.body.as_ref().map_or(0, Vec::len);
            if index + 1 >= self.chunk_rows || bytes >= self.limits.chunk_bytes {
                return Some(index + 1);
            }
        }
        None
    }

    async fn score_next(&mut self, count: usize) -> Result<(), Stop> {
        self.check_limits()?;
        let rows: Vec<Row> = self.waiting.drain(..count).collect();
        let mut requests = Vec::with_capacity(rows.len());
        let mut asked = Vec::with_capacity(rows.len());
        for Row { number, body } in rows {
            let parsed = body.and_then(|body| match M::Predictor::parse(&body) {
                Ok(request) => Ok((request, body)),
                Err(error) => Err(reject(&error, &body, self.job.shape)),
            });
            asked.push((
                number,
                parsed.map(|(request, body)| {
                    requests.push(request);
                    body
                }),
            ));
        }
        let mut answers = Vec::new().into_iter();
        if !requests.is_empty() {
            let answered = self.job.service.answer_rows(&requests, self.job.as_of());
            let answered = answered.await.map_err(Stop::Failed)?;
            self.learn(requests.len(), answered.history_bytes);
            self.tally.observed.cases += requests.len();
            self.tally.observed.rows += answered.rows;
            answers = answered.answers.into_iter();
        }
        let (mut scored, mut rejects) = (Vec::new(), Vec::new());
        for (number, body) in asked {
            let answer = body.and_then(|body| match answers.next() {
                Some(Ok(answer)) => Ok(answer),
                Some(Err(error)) => Err(reject(&error, &body, self.job.shape)),
                None => Err(Reject::row("failed", "there is no answer")),
            });
            self.write(number, answer, &mut scored, &mut rejects)?;
        }
        self.scored.write(&scored).await?;
        self.rejects.write(&rejects).await?;
        Ok(())
    }

    fn write(
        &mut self,
        number: u64,
        answer: Result<String, Reject>,
        scored: &mut Vec<u8>,
        rejects: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let (format, shape) = (self.job.name.format, self.job.shape);
        self.tally.counts.rows += 1;
        match answer {
            Ok(answer) => {
                self.tally.counts.scored += 1;
                write_answer(scored, format, shape, number, &answer).map_err(|error| {
                    Stop::Failed(Error::Internal {
                        what: "write an answer",
                        reason: error.to_string(),
                    })
                })
            }
            Err(reject) => {
                self.tally.counts.rejected += 1;
                *self.tally.reasons.entry(reject.kind).or_default() += 1;
                write_reject(rejects, number, &reject);
                Ok(())
            }
        }
    }

    fn check_limits(&self) -> Result<(), Stop> {
        let limit = self.limits.rows;
        if self.tally.counts.rows >= limit {
            return Err(FileFault::new("too many rows", format!("more than {limit} rows")).into());
        }
        let remaining_ms = self.clock.remaining_ms();
        if remaining_ms < DEADLINE_MARGIN_MS {
            let rows = self.tally.counts.rows;
            return Err(Stop::Failed(Error::Retry {
                what: "the file does not fit into the time of an invocation",
                reason: format!("{remaining_ms} ms left after {rows} rows"),
            }));
        }
        Ok(())
    }

    /// Aims at the wanted bytes of histories per chunk.
    fn learn(&mut self, rows: usize, history_bytes: usize) {
        let per_row = history_bytes.div_ceil(rows).max(1);
        let wanted = self.limits.chunk_history_bytes / per_row;
        // Not more than twice as many at once: what comes may be larger than what came.
        let most = self.limits.chunk_rows.min(2 * self.chunk_rows);
        self.chunk_rows = wanted.clamp(LEAST_CHUNK_ROWS.min(most), most);
    }
}

/// A refused request, as a reject of its row.
fn reject(error: &Error, body: &[u8], shape: &RowShape) -> Reject {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let at = |kind, pointer: &str, reason: &str| {
        let value = match body.pointer(pointer) {
            Some(Value::String(text)) => cut_short(text),
            Some(value) => cut_short(&value.to_string()),
            None => String::new(),
        };
        Reject {
            kind,
            column: shape.column_at(pointer).to_owned(),
            value,
            reason: reason.to_owned(),
        }
    };
    match error {
        Error::Caller(CallerError::Shape { pointer, reason }) => {
            at("unexpected shape", pointer, reason)
        }
        Error::Caller(CallerError::Value { pointer, reason }) => {
            at("invalid value", pointer, reason)
        }
        Error::Caller(other) => at("refused", "", &other.to_string()),
        // Detail is for the log, which says it once.
        Error::Retry { what, reason } | Error::Internal { what, reason } => {
            tracing::error!(what, reason, "a row failed");
            at("failed", "", what)
        }
    }
}
