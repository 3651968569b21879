//! From scores to the text of an answer, and to what is kept of it.

use super::PATH;
use crate::error::Error;
use crate::prediction_log::{self, LoggedPrediction, PredictionLog};
use crate::predictor::{Predictor, Scored, Served};

/// Writes answers of one version, and what is kept of them.
pub(super) struct AnswerWriter<'a, P: Predictor> {
    pub(super) served: &'a Served<P>,
    pub(super) by_canary: bool,
    pub(super) log: Option<&'a PredictionLog>,
}

impl<P: Predictor> AnswerWriter<'_, P> {
    /// The decision with its reasons, as JSON, and the lines of the log.
    pub(super) fn text(
        &self,
        request: &P::Request,
        cases: &[P::Case],
        scored: &[Scored],
    ) -> Result<(String, Vec<LoggedPrediction>), Error> {
        let response = P::respond(request, cases, scored, self.served)?;
        for answered_by in P::answered_by(&response) {
            tracing::debug!(target: PATH, answered_by);
        }
        let text = serde_json::to_string(&response).map_err(|error| Error::Internal {
            what: "write the answer",
            reason: error.to_string(),
        })?;
        let kept = |log| {
            let kept = P::kept(request, cases, &response);
            prediction_log::lines(log, kept, scored, self.served, self.by_canary)
        };
        // Not even looked at for whom nothing is kept.
        let takes = |log: &&PredictionLog| P::sole_entity(request).is_none_or(|id| log.takes(id));
        Ok((text, self.log.filter(takes).map(kept).unwrap_or_default()))
    }
}
