//! Asking and writing, a chunk of rows at a time.

use super::source::Fetched;
use super::splitter::Splitter;
use super::stages::{pause, split, write};
use super::{Clock, DEADLINE_MARGIN_MS, Job, LastPredictions, Services, Stop};
use crate::batch::claim::Counts;
use crate::batch::limits::{FileFault, Limits};
use crate::batch::output::{write_answer, write_reject};
use crate::batch::ports::FileStore;
use crate::batch::progress::{Progress, Reasons};
use crate::batch::rows::{Bookmark, Grouping, Reject, Row};
use crate::batch::upload::Growing;
use crate::drift::Seen;
use crate::error::Error;
use crate::ports::PredictionCounts;
use crate::prediction_log::{LoggedPrediction, as_file};
use crate::predictor::Predictor;
use crate::service::{Observed, Shared, parse};
use tracing::Instrument;

/// Rows of the first chunk; how large histories are is not known yet.
const FIRST_CHUNK_ROWS: usize = 128;
/// Fewest rows of a chunk.
const LEAST_CHUNK_ROWS: usize = 32;

/// Rows of a file's first chunk.
pub(super) fn first_chunk_rows(limits: &Limits) -> usize {
    FIRST_CHUNK_ROWS.min(limits.chunk_rows)
}

/// What became of the rows so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) reasons: Reasons,
    pub(super) seen: Seen,
    pub(super) predictions: Option<PredictionCounts>,
    /// Lines that were grouped into the rows, of a file of order lines.
    pub(super) order_lines: Option<u64>,
    pub(super) observed: Observed,
}

/// How a run ends that nothing stopped.
pub(super) enum Worked {
    /// Both outputs are complete.
    Whole(Tally),
    /// The invocation ends before the file does.
    Partly(Box<Progress>, Observed),
}

/// A file under way.
pub(super) struct Work<'a, F, M: Services, K> {
    pub(super) job: &'a Job<'a, M>,
    pub(super) files: &'a F,
    pub(super) clock: &'a K,
    pub(super) limits: Limits,
    /// Makes rows of bytes; a table brings its own.
    pub(super) text: Option<Splitter>,
    /// What rows of a chunk of the whole base share.
    pub(super) shared: Shared,
    /// Order lines, of which rows are made when all of them are there.
    pub(super) lines: Option<Box<Grouping>>,
    /// Rows that are split and not asked about yet.
    pub(super) waiting: Vec<Row>,
    pub(super) chunk_rows: usize,
    pub(super) slowest_chunk_ms: i64,
    /// Where the rows begin that are not done.
    pub(super) place: Bookmark,
    /// Rows that were done when this invocation began.
    pub(super) rows_before: u64,
    pub(super) scored: Growing<'a, F>,
    pub(super) rejects: Growing<'a, F>,
    /// Where the last prediction of each entity is kept.
    pub(super) last: Option<&'a LastPredictions<M::Predictions>>,
    pub(super) tally: Tally,
}

impl<F: FileStore, M: Services, K: Clock> Work<'_, F, M, K> {
    /// Asks about what was read; `false` when there is no time left for that.
    pub(super) async fn take(&mut self, fetched: Fetched) -> Result<bool, Stop> {
        let bytes = match fetched {
            Fetched::Bytes(bytes) => bytes,
            Fetched::Rows(rows) => {
                self.waiting.extend(rows);
                self.group_lines()?;
                return self.score_chunks().await;
            }
        };
        // What comes next is asked for before this is worked on.
        pause().await;
        let mut bytes = &bytes[..];
        while let Some(text) = self.text.as_mut().filter(|_| !bytes.is_empty()) {
            let taken = split().in_scope(|| text.step(bytes, &mut self.waiting))?;
            self.group_lines()?;
            bytes = &bytes[taken..];
            if !self.score_chunks().await? || !self.has_time()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes order lines from where rows wait.
    fn group_lines(&mut self) -> Result<(), FileFault> {
        if self.waiting.first().is_none_or(|row| !row.is_line) {
            return Ok(());
        }
        if self.lines.is_none() {
            self.lines = Grouping::new(self.job.shape, &self.limits).map(Box::new);
        }
        // No row is a line where the shape has none.
        let Some(lines) = &mut self.lines else {
            return Ok(());
        };
        self.waiting.drain(..).try_for_each(|row| lines.add(row))
    }

    /// Asks about whose order lines they are, but for those that earlier invocations are done with.
    async fn score_grouped(&mut self, lines: Box<Grouping>) -> Result<bool, Stop> {
        let grouped = lines.grouped(self.place.offset);
        self.place.is_grouped = true;
        self.tally.order_lines = Some(grouped.order_lines);
        let mut bytes = 0;
        for row in grouped {
            bytes += row.body.as_ref().map_or(0, Vec::len);
            self.waiting.push(row);
            if self.waiting.len() >= self.chunk_rows || bytes >= self.limits.chunk_bytes {
                bytes = 0;
                if !self.score_chunks().await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Asks about waiting rows as long as they make a chunk.
    async fn score_chunks(&mut self) -> Result<bool, Stop> {
        while let Some(count) = self.full_chunk() {
            if !self.has_time()? {
                return Ok(false);
            }
            self.score_next(count).await?;
            pause().await;
        }
        Ok(true)
    }

    pub(super) async fn take_rest(&mut self) -> Result<bool, Stop> {
        if let Some(text) = &mut self.text {
            text.finish(&mut self.waiting)?;
        }
        self.group_lines()?;
        if let Some(lines) = self.lines.take()
            && !self.score_grouped(lines).await?
        {
            return Ok(false);
        }
        while !self.waiting.is_empty() {
            let count = self.full_chunk().unwrap_or(self.waiting.len());
            if !self.has_time()? {
                return Ok(false);
            }
            self.score_next(count).await?;
        }
        Ok(true)
    }

    /// Makes the outputs be seen when the file is done: answers first, so that who finds a report finds everything it names.
    pub(super) async fn end(&mut self, is_whole: bool) -> Result<bool, Stop> {
        if is_whole {
            self.scored.complete().await?;
            self.rejects.complete().await?;
        }
        Ok(is_whole)
    }

    /// How far the file is.
    pub(super) fn leave(self) -> Worked {
        let names = self.job.shape.columns.iter();
        let progress = Progress {
            columns: names.map(|column| column.name.into()).collect(),
            place: Bookmark {
                header: self.text.map(Splitter::header).unwrap_or_default(),
                ..self.place
            },
            counts: self.tally.counts,
            reasons: self.tally.reasons,
            seen: self.tally.seen,
            predictions: self.tally.predictions,
            scored: self.scored.leave(),
            rejects: self.rejects.leave(),
        };
        Worked::Partly(Box::new(progress), self.tally.observed)
    }

    /// Gives up what is written of the outputs, unless the next attempt can go on with it.
    pub(super) async fn give_up(&mut self, stop: Stop) -> Stop {
        let is_lost = self.scored.is_lost() || self.rejects.is_lost();
        let stop = match stop {
            Stop::Failed(error) if is_lost => Stop::Lost(error),
            other => other,
        };
        if matches!(stop, Stop::Failed(_)) {
            self.scored.give_back().await;
            self.rejects.give_back().await;
        } else {
            self.scored.abort().await;
            self.rejects.abort().await;
        }
        stop
    }

    /// How many waiting rows make a chunk, once there are enough.
    fn full_chunk(&self) -> Option<usize> {
        let mut bytes = 0;
        for (index, row) in self.waiting.iter().enumerate() {
            bytes += row.body.as_ref().map_or(0, Vec::len);
            bytes += row.history.as_ref().map_or(0, |own| own.bytes.len());
            if index + 1 >= self.chunk_rows || bytes >= self.limits.chunk_bytes {
                return Some(index + 1);
            }
        }
        None
    }

    async fn score_next(&mut self, count: usize) -> Result<(), Stop> {
        self.check_rows(count as u64)?;
        let begun_ms = self.clock.now_ms();
        let rows: Vec<Row> = self.waiting.drain(..count).collect();
        let mut requests = Vec::with_capacity(rows.len());
        let mut asked = Vec::with_capacity(rows.len());
        let mut histories = Vec::new();
        parse().in_scope(|| {
            for row in rows {
                let Row { number, body, .. } = row;
                (self.place.offset, self.place.number) = (row.end, number);
                histories.extend(row.history.map(|own| (own.id, own.bytes)));
                let parsed = body.and_then(|body| match M::Predictor::parse(&body) {
                    Ok(request) => Ok((request, body)),
                    Err(error) => Err(Reject::of(&error, &body, self.job.shape)),
                });
                asked.push((
                    number,
                    parsed.map(|(request, body)| {
                        requests.push(request);
                        body
                    }),
                ));
            }
        });
        let mut answers = Vec::new().into_iter();
        if !requests.is_empty() {
            let (service, as_of) = (&self.job.service, self.job.as_of());
            let brought = self.job.brought(histories, &mut self.shared);
            let answered = service.answer_rows_with(&requests, as_of, brought);
            let answered = answered.await.map_err(Stop::Failed)?;
            self.learn(requests.len(), answered.history_bytes);
            self.tally.observed.cases += requests.len();
            self.tally.observed.rows += answered.rows;
            self.tally.seen.merge(answered.seen);
            let first = asked.first().map_or(0, |(number, _)| *number);
            self.keep(&answered.logged, first).await;
            self.keep_last(&answered.answers).await?;
            answers = answered.answers.into_iter();
        }
        let (mut scored, mut rejects) = (Vec::new(), Vec::new());
        for (number, body) in asked {
            let answer = body.and_then(|body| match answers.next() {
                Some(Ok(answer)) => Ok(answer),
                Some(Err(error)) => Err(Reject::of(&error, &body, self.job.shape)),
                None => Err(Reject::row("failed", "there is no answer")),
            });
            self.write(number, answer, &mut scored, &mut rejects)?;
        }
        let scored = self.scored.write(&scored).instrument(write());
        scored.await?;
        self.rejects.write(&rejects).instrument(write()).await?;
        if self.scored.is_full() || self.rejects.is_full() {
            let Limits {
                parts, part_bytes, ..
            } = self.limits;
            let detail = format!("an output has over {parts} parts of {part_bytes} bytes");
            return Err(FileFault::new("output too large", detail).into());
        }
        let took_ms = self.clock.now_ms() - begun_ms;
        self.slowest_chunk_ms = self.slowest_chunk_ms.max(took_ms);
        Ok(())
    }

    /// Puts the lines of a chunk into the log of predictions, by the instant of its claim and the number of its first row, so that a
    /// repetition writes over itself as long as its chunks are cut alike. What cannot be kept costs no answer.
    async fn keep(&mut self, logged: &[LoggedPrediction], first: u64) {
        let Some(log) = self.job.service.log().filter(|_| !logged.is_empty()) else {
            return;
        };
        let (place, as_of) = (self.job.claimed.token(), self.job.claim.as_of_seconds);
        let name = format!("{place}-{as_of}-{first}");
        let place = log.place(M::Predictor::NAME, self.job.as_of(), &name);
        let put = async {
            let file = as_file(logged).map_err(|error| error.to_string())?;
            let put = self.files.put_file(&place, file.into()).await;
            put.map_err(|error| error.to_string())
        };
        if let Err(reason) = put.await {
            tracing::warn!(reason, "predictions not logged");
            self.tally.observed.log_failures += 1;
        }
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
                *self.tally.reasons.entry(reject.kind.into()).or_default() += 1;
                write_reject(rejects, number, &reject);
                Ok(())
            }
        }
    }

    fn check_rows(&self, more: u64) -> Result<(), Stop> {
        let limit = self.limits.rows;
        if self.tally.counts.rows + more > limit {
            return Err(FileFault::new("too many rows", format!("more than {limit} rows")).into());
        }
        Ok(())
    }

    /// Whether another chunk fits into the invocation. One that cannot do any is an error, or it would be continued for ever.
    fn has_time(&self) -> Result<bool, Stop> {
        let remaining_ms = self.clock.remaining_ms();
        if remaining_ms >= DEADLINE_MARGIN_MS + 2 * self.slowest_chunk_ms {
            return Ok(true);
        }
        let rows = self.tally.counts.rows;
        if rows > self.rows_before {
            return Ok(false);
        }
        Err(Stop::Failed(Error::Retry {
            what: "no row of the file fits into the time of an invocation",
            reason: format!("{remaining_ms} ms left after {rows} rows"),
        }))
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
