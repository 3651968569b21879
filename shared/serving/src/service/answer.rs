//! One request, answered by one version.

use super::text::AnswerWriter;
use super::{Observed, PATH, Service, gather, respond, score};
use crate::arms::Answering;
use crate::error::Error;
use crate::ports::HistoryStore;
use crate::prediction_log::LoggedPrediction;
use crate::predictor::{Predictor, Scored};
use features::time::Timestamp;
use tracing::Instrument;

/// An answer, and what it was made of.
struct Answered<P: Predictor> {
    body: String,
    logged: Vec<LoggedPrediction>,
    cases: Vec<P::Case>,
    scored: Vec<Scored>,
}

impl<P: Predictor, S: HistoryStore> Service<P, S> {
    /// `observed` tells of a failure as well which version it is of.
    pub(super) async fn answer(
        &self,
        request: &P::Request,
        now: Timestamp,
        observed: &mut Observed,
    ) -> Result<String, Error> {
        let arms = self.arms_or_refusal()?;
        let Answering {
            served,
            by_canary,
            trial,
        } = arms.answering(request);
        observed.by_canary = by_canary;
        if by_canary {
            // A panic takes `observed` with it.
            tracing::debug!(target: PATH, by_canary);
        }
        let writer = AnswerWriter {
            served,
            by_canary,
            log: self.log(),
        };
        let answered = self.answer_by(&writer, request, now).await;
        if let Some(trial) = trial {
            match &answered {
                Ok(answered) => trial.answered(served.model.comparable(&answered.scored)),
                // A store that fails does so for both.
                Err(Error::Caller(_) | Error::Retry { .. }) => trial.refused(),
                // Dropped, it is a failure.
                Err(_) => drop(trial),
            }
        }
        let Answered {
            body,
            logged,
            cases,
            scored,
        } = answered?;
        observed.logged = logged;
        observed.cases = cases.len();
        observed.rows = scored.iter().map(|s| s.raw.len()).sum();
        // Last, so that the answer is made whatever comes of it.
        observed.shadowed = arms.shadowed(&cases, &scored);
        Ok(body)
    }

    async fn answer_by(
        &self,
        writer: &AnswerWriter<'_, P>,
        request: &P::Request,
        now: Timestamp,
    ) -> Result<Answered<P>, Error> {
        let gathered = P::gather(&self.store, request, now).instrument(gather());
        let mut cases = gathered.await?;
        let served = writer.served;
        let scored = score(&served.model, &cases)?;
        let second = P::gather_scored(&self.store, request, &mut cases, &scored, served);
        second.instrument(gather()).await?;
        let (body, logged) = respond().in_scope(|| writer.text(request, &cases, &scored))?;
        Ok(Answered {
            body,
            logged,
            cases,
            scored,
        })
    }
}
