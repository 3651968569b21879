//! The last prediction of each entity, kept where a page can look it up.
//!
//! They are written while a file is scored, before its outputs: a file whose outputs are there has left all of them. Whatever is
//! stopped or repeated writes the same again, because everything in them comes from the answer and from the claim, which all
//! attempts share; and an older file that comes late finds newer ones there and leaves them.

use super::work::Work;
use super::{Clock, LastPredictions, Services, Stop};
use crate::batch::output::part_of;
use crate::batch::ports::FileStore;
use crate::batch::shape::text_at;
use crate::calendar::parse_date;
use crate::error::Error;
use crate::ports::{LastPrediction, PredictionStore, StoreError};
use crate::predictor::Predictor;
use crate::service::store_failed;
use crate::wire::parse_instant;
use features::demand::day_start;
use features::time::Timestamp;
use serde_json::Value;

/// The column of every predictor's answers that says what it answers for.
const AS_OF: &str = "as_of";

impl<F: FileStore, M: Services, K: Clock> Work<'_, F, M, K> {
    /// Keeps the answers of a chunk. What cannot be written fails the chunk, as an output that cannot be written does.
    pub(super) async fn keep_last(
        &mut self,
        answers: &[Result<String, Error>],
    ) -> Result<(), Stop> {
        let Some(last) = self.last else {
            return Ok(());
        };
        let mut predictions = Vec::with_capacity(answers.len());
        for answer in answers.iter().flatten() {
            predictions.extend(self.last_of(last, answer).map_err(unwritten)?);
        }
        let put = last.store.put_predictions(M::Predictor::NAME, &predictions);
        let counts = put.await.map_err(|error| Stop::Failed(not_kept(error)))?;
        if counts.too_large > 0 {
            let rows = counts.too_large;
            tracing::warn!(rows, "answers too large for the store of last predictions");
        }
        self.tally.predictions.get_or_insert_default().add(counts);
        Ok(())
    }

    /// What is kept of an answer; nothing of one about nobody.
    fn last_of(
        &self,
        last: &LastPredictions<M::Predictions>,
        answer: &str,
    ) -> Result<Option<LastPrediction>, serde_json::Error> {
        let (shape, claim) = (self.job.shape, &self.job.claim);
        let parsed: Value = serde_json::from_str(answer)?;
        let Some(key) = (shape.key)(&parsed) else {
            return Ok(None);
        };
        let computed_at = Timestamp(claim.as_of_seconds);
        let as_of = shape.columns.iter().find(|column| column.name == AS_OF);
        let as_of = as_of.and_then(|column| text_at(&parsed, column.pointer));
        Ok(Some(LastPrediction {
            key,
            answer: part_of(answer, shape.answer)?.to_owned(),
            model_version: claim.pins.model.version.clone(),
            as_of: as_of.and_then(beginning).unwrap_or(computed_at),
            computed_at,
            expires_at: computed_at.plus_days(f64::from(last.kept_days)),
        }))
    }
}

/// The instant that an answer names, or the beginning of the day.
fn beginning(as_of: &str) -> Option<Timestamp> {
    let instant = parse_instant(as_of, AS_OF).map(|(at, _)| at);
    let day = || parse_date(as_of, AS_OF).map(day_start);
    instant.or_else(|_| day()).ok()
}

fn unwritten(error: serde_json::Error) -> Stop {
    Stop::Failed(Error::Internal {
        what: "read an answer",
        reason: error.to_string(),
    })
}

fn not_kept(error: StoreError) -> Error {
    match store_failed(error) {
        Error::Retry { reason, .. } => Error::Retry {
            what: "the store of last predictions is not available",
            reason,
        },
        Error::Internal { reason, .. } => Error::Internal {
            what: "keep last predictions",
            reason,
        },
        other @ Error::Caller(_) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_for_an_instant_or_the_beginning_of_a_day() {
        assert_eq!(beginning("1970-01-03"), Some(Timestamp(2 * 86_400)));
        assert_eq!(beginning("1970-01-01T01:00:01+01:00"), Some(Timestamp(1)));
        assert_eq!(beginning("soon"), None);
    }
}
