//! The log of predictions: one object for each answer that something is kept of.

use super::{Function, now};
use crate::dynamo::DynamoStore;
use serving::batch::FileStore;
use serving::prediction_log::as_file;
use serving::predictor::Predictor;
use serving::service::{Observed, Service};
use std::time::Duration;

/// How long an answer may wait for the log.
const WAIT: Duration = Duration::from_secs(2);

impl<P: Predictor> Function<P> {
    /// Writes what is to be kept of an answer. Lambda stops an environment once it has answered, so the answer waits for it,
    /// but not for long; what cannot be kept is counted, and costs no answer.
    pub(super) async fn keep(
        &self,
        service: &Service<P, DynamoStore>,
        observed: &mut Observed,
        request_id: &str,
    ) {
        let lines = std::mem::take(&mut observed.logged);
        let Some(log) = service.log().filter(|_| !lines.is_empty()) else {
            return;
        };
        let place = log.place(P::NAME, now(), request_id);
        let put = async {
            let file = as_file(&lines).map_err(|error| error.to_string())?;
            let put = tokio::time::timeout(WAIT, self.files.put_file(&place, file.into()));
            match put.await {
                Ok(put) => put.map_err(|error| error.to_string()),
                Err(_) => Err(format!("not done after {} s", WAIT.as_secs())),
            }
        };
        // On the heap: a call of which nothing is kept has no use for its size.
        if let Err(reason) = Box::pin(put).await {
            tracing::warn!(reason, "predictions not logged");
            observed.log_failures += 1;
        }
    }
}
