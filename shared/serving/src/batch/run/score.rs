//! Reading a file from its first row, or from where it was left, while what was read is worked on.

use super::source::Source;
use super::splitter::Splitter;
use super::whole::written_meanwhile;
use super::work::{Tally, Work, Worked, first_chunk_rows};
use super::{Batch, Clock, Job, Services, Stop};
use crate::batch::limits::FileFault;
use crate::batch::name::{Format, Packing};
use crate::batch::output::{REJECTS_HEADER, answer_header};
use crate::batch::pack::Form;
use crate::batch::ports::{ClaimStore, FileStore};
use crate::batch::progress::Progress;
use crate::batch::rows::Bookmark;
use crate::batch::upload::Growing;
use crate::predictor::Predictor;
use crate::service::{Observed, Shared};
use futures_util::future::join;

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// Scores every row of the file; afterwards both outputs are complete, left to be continued, or given up.
    pub(super) async fn score_file(
        &self,
        job: &Job<'_, M>,
        progress: Option<Progress>,
    ) -> Result<Worked, Stop> {
        let (size, limit) = (job.head.size, self.limits.object_bytes);
        if size > limit {
            let detail = format!("{size} bytes, at most {limit} are read");
            return Err(FileFault::new("too large", detail).into());
        }
        let mut work = self.begin(job, progress)?;
        let done = match self.read_all(job, &mut work).await {
            Ok(is_whole) => work.end(is_whole).await,
            Err(stop) => Err(stop),
        };
        match done {
            Ok(true) => Ok(Worked::Whole(work.tally)),
            Ok(false) => Ok(work.leave()),
            Err(Stop::Changed) if job.run.is_some() => {
                Err(work.give_up(written_meanwhile(job.place)).await)
            }
            Err(stop) => Err(work.give_up(stop).await),
        }
    }

    fn begin<'j>(
        &'j self,
        job: &'j Job<'j, M>,
        progress: Option<Progress>,
    ) -> Result<Work<'j, F, M, K>, Stop> {
        let name = job.name;
        let output = |key, form, left| {
            let place = job.place.beside(key);
            Growing::new(self.files, place, form, &self.limits, left)
        };
        let resumed = progress.and_then(|progress| {
            let from = progress.place.reading();
            let text = Splitter::new(name, job.shape, &self.limits, &from).ok()?;
            Some((progress, text))
        });
        let (progress, text) = match resumed {
            Some(resumed) => resumed,
            None => (
                Progress::default(),
                Splitter::new(name, job.shape, &self.limits, &Bookmark::default())?,
            ),
        };
        let form = match name.format {
            Format::Text(_) => Form::Bytes(name.packing),
            Format::Parquet => Form::Table(job.shape),
        };
        Ok(Work {
            job,
            files: self.files,
            clock: self.clock,
            limits: self.limits,
            text,
            shared: Shared::of(M::Predictor::SHARED_KINDS),
            lines: None,
            waiting: Vec::new(),
            chunk_rows: first_chunk_rows(&self.limits),
            slowest_chunk_ms: 0,
            place: progress.place,
            rows_before: progress.counts.rows,
            scored: output(name.scored(), form, progress.scored),
            rejects: output(
                name.rejects(),
                Form::Bytes(Packing::Plain),
                progress.rejects,
            ),
            last: self.services.last_predictions(),
            tally: Tally {
                counts: progress.counts,
                reasons: progress.reasons,
                seen: progress.seen,
                predictions: progress.predictions,
                order_lines: None,
                observed: Observed::default(),
            },
        })
    }

    /// Reads the next bytes while those before are scored. `false` when the invocation ends before the file does.
    async fn read_all(&self, job: &Job<'_, M>, work: &mut Work<'_, F, M, K>) -> Result<bool, Stop> {
        if work.rows_before == 0 {
            let header = answer_header(job.name.format, job.shape);
            work.scored.write(&header).await?;
            work.rejects.write(REJECTS_HEADER).await?;
        }
        let from = work.place.reading();
        let mut source = Source::open(self.files, job, self.limits, &from).await?;
        let mut fetched = source.next().await?;
        while let Some(next) = fetched {
            // Asked for first: rows that need no store are worked on without a pause.
            let (next, taken) = join(source.next(), work.take(next)).await;
            if !taken? {
                return Ok(false);
            }
            fetched = next?;
        }
        work.take_rest().await
    }
}
