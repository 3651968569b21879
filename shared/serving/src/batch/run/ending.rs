//! The end of a file: what came of it is reported, then its claim ends.

use super::work::Tally;
use super::{Batch, Clock, Job, Outcome, Services, Stop};
use crate::batch::claim::State;
use crate::batch::limits::FileFault;
use crate::batch::output::{Input, Outputs, Report};
use crate::batch::ports::{ClaimStore, FileStore};
use crate::error::Error;
use crate::predictor::Predictor;
use crate::service::Observed;
use bytes::Bytes;
use serde_json::value::to_raw_value;

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// Outputs are complete: reports, then ends the claim.
    pub(super) async fn finish(
        &self,
        job: &Job<'_, M>,
        tally: Tally,
    ) -> Result<(Outcome, Observed), Stop> {
        let mut report = self.report(job);
        report.counts = tally.counts;
        report.rejected_by_reason = &tally.reasons;
        let drift = job.service.drift(&tally.seen);
        report.drift = drift.as_ref();
        // Without line breaks: some hundred numbers.
        let seen = job.run.map(|_| to_raw_value(&tally.seen)).transpose();
        report.seen = seen.map_err(|error| cannot_report(&error))?;
        report.predictions = tally.predictions;
        report.order_lines = tally.order_lines;
        report.outputs = Some(Outputs {
            scored: job.name.scored(),
            rejects: job.name.rejects(),
        });
        self.put_report(job, job.name.report(), &report).await?;
        let result = tally.counts;
        self.end(job, State::Completed { result }).await?;
        // A chunk is any part of the base; what all of them come to is told once, when the run is reconciled.
        let told = drift.filter(|_| job.run.is_none());
        let told = told.map(|drift| (job.claim.pins.model.version.clone(), drift));
        let observed = Observed {
            drifts: told.into_iter().collect(),
            ..tally.observed
        };
        Ok((Outcome::Scored(result), observed))
    }

    /// Says why the file was not scored, at its two places, then ends the claim.
    pub(super) async fn quarantine(
        &self,
        job: &Job<'_, M>,
        fault: FileFault,
    ) -> Result<(Outcome, Observed), Stop> {
        let report = self.report(job).refused(&fault);
        self.put_report(job, job.name.quarantine(), &report).await?;
        self.put_report(job, job.name.report(), &report).await?;
        let reason = fault.kind.to_owned();
        self.end(job, State::Failed { reason }).await?;
        Ok((Outcome::Quarantined(fault), Observed::default()))
    }

    fn report<'j>(&self, job: &'j Job<'_, M>) -> Report<'j> {
        let sha256 = job.run.map(|_| &*job.claim.version);
        let input = Input::of(job.place, job.head, sha256);
        let fingerprint = job.service.fingerprint();
        let mut report = Report::of(&job.claim, M::Predictor::NAME, fingerprint, input);
        report.continued = job.claim.left().map_or(0, |left| left.times);
        report.duration_ms = self.spent_ms(job);
        let memory = self.clock.memory_megabytes().map(f64::from);
        report.gb_seconds =
            memory.map(|memory| memory / 1024.0 * report.duration_ms as f64 / 1000.0);
        report
    }

    /// Milliseconds that were spent on the file, by the invocations that this one continues as well.
    pub(super) fn spent_ms(&self, job: &Job<'_, M>) -> i64 {
        let before = job.claim.left().map_or(0, |left| left.spent_ms);
        before + self.clock.now_ms() - job.begun_ms
    }

    async fn put_report(
        &self,
        job: &Job<'_, M>,
        key: String,
        report: &Report<'_>,
    ) -> Result<(), Stop> {
        let text = serde_json::to_string_pretty(report);
        let mut text = text.map_err(|error| cannot_report(&error))?;
        text.push('\n');
        let place = job.place.beside(key);
        self.files.put_file(&place, Bytes::from(text)).await?;
        Ok(())
    }
}

fn cannot_report(error: &serde_json::Error) -> Stop {
    Stop::Failed(Error::Internal {
        what: "write a report",
        reason: error.to_string(),
    })
}
