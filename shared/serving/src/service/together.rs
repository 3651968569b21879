//! Many requests, each answered as if it were alone, with one read of the store per kind and phase.
//!
//! Every predictor gathers for one request at a time. Here all requests of a chunk gather beside each other over a
//! store that only notes what is asked; when none of them can go on, everything asked is read at once, every id once.

use super::{Service, score_failed, store_failed};
use crate::error::Error;
use crate::ports::{Histories, HistoryStore, StoreError};
use crate::predictor::{Predictor, Scored, Served};
use bytes::Bytes;
use features::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Answers to requests that were asked together.
#[derive(Debug)]
pub struct RowAnswers {
    /// One per request, in order: JSON, as the API answers the request alone.
    pub answers: Vec<Result<String, Error>>,
    /// Rows the model scored.
    pub rows: usize,
    /// Bytes of the histories that were read.
    pub history_bytes: usize,
}

impl<P: Predictor, S: HistoryStore> Service<P, S> {
    /// Answers each request as if it were alone, with one call of the model for all. A failing store or model fails
    /// them together; anything else costs its own request only.
    pub async fn answer_rows(
        &self,
        requests: &[P::Request],
        now: Timestamp,
    ) -> Result<RowAnswers, Error> {
        let served = self.served()?;
        let together = Together::new(&self.store);
        let gathered = together.gather::<P>(requests, now).await;
        let desk = together.desk.into_inner();
        let desk = desk.unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = desk.failed {
            return Err(store_failed(error));
        }
        let mut answers = respond_alone(served, requests, gathered)?;
        answers.history_bytes = desk.bytes;
        Ok(answers)
    }
}

/// One matrix and one call of the model, one response per request.
fn respond_alone<P: Predictor>(
    served: &Served<P>,
    requests: &[P::Request],
    gathered: Vec<Result<Vec<P::Case>, Error>>,
) -> Result<RowAnswers, Error> {
    let mut cases = Vec::new();
    let mut own = Vec::with_capacity(gathered.len());
    for gathered in gathered {
        own.push(gathered.map(|own| {
            let first = cases.len();
            cases.extend(own);
            first..cases.len()
        }));
    }
    let scored = served.model.score(&cases).map_err(score_failed)?;
    let answer = |(request, own): (&P::Request, Result<std::ops::Range<usize>, Error>)| {
        let own = own?;
        answer_text(request, &cases[own.clone()], &scored[own], served)
    };
    Ok(RowAnswers {
        answers: requests.iter().zip(own).map(answer).collect(),
        rows: scored.iter().map(|scored| scored.raw.len()).sum(),
        history_bytes: 0,
    })
}

fn answer_text<P: Predictor>(
    request: &P::Request,
    cases: &[P::Case],
    scored: &[Scored],
    served: &Served<P>,
) -> Result<String, Error> {
    let response = P::respond(request, cases, scored, served)?;
    serde_json::to_string(&response).map_err(|error| Error::Internal {
        what: "write the answer",
        reason: error.to_string(),
    })
}

/// A store that notes what is asked, and answers once it was told to read.
struct Together<'a, S> {
    store: &'a S,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    asked: BTreeMap<&'static str, BTreeSet<String>>,
    found: HashMap<&'static str, Found>,
    failed: Option<StoreError>,
    bytes: usize,
}

#[derive(Default)]
struct Found {
    records: HashMap<String, Option<Bytes>>,
    complete_through: Option<Timestamp>,
}

type Gathering<'a, C> = Pin<Box<dyn Future<Output = Result<Vec<C>, Error>> + Send + 'a>>;

impl<'a, S: HistoryStore> Together<'a, S> {
    fn new(store: &'a S) -> Self {
        let desk = Mutex::default();
        Self { store, desk }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn gather<P: Predictor>(
        &self,
        requests: &[P::Request],
        now: Timestamp,
    ) -> Vec<Result<Vec<P::Case>, Error>> {
        let begin = |request| Box::pin(P::gather(self, request, now)) as Gathering<'_, P::Case>;
        let mut running: Vec<_> = requests.iter().map(|r| Some(begin(r))).collect();
        let mut gathered: Vec<_> = requests.iter().map(|_| None).collect();
        loop {
            let advance = |context: &mut Context<'_>| {
                let all_done = advance(&mut running, &mut gathered, context);
                let is_asked = !self.desk().asked.is_empty();
                if all_done || is_asked {
                    Poll::Ready(all_done)
                } else {
                    Poll::Pending
                }
            };
            if poll_fn(advance).await {
                return gathered.into_iter().flatten().collect();
            }
            self.read().await;
        }
    }

    /// Reads what is asked; after a failure everybody is told of it.
    async fn read(&self) {
        let asked = std::mem::take(&mut self.desk().asked);
        for (kind, ids) in asked {
            let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
            let read = self.store.get_histories(kind, &wanted).await;
            let mut desk = self.desk();
            match read {
                Ok(Histories {
                    records,
                    complete_through,
                }) => {
                    desk.bytes += records.iter().flatten().map(Bytes::len).sum::<usize>();
                    let found = desk.found.entry(kind).or_default();
                    found.complete_through = complete_through;
                    found.records.extend(ids.into_iter().zip(records));
                }
                Err(error) => desk.failed = Some(error),
            }
        }
    }
}

/// Lets every request go on; `true` when all are done.
fn advance<C>(
    running: &mut [Option<Gathering<'_, C>>],
    gathered: &mut [Option<Result<Vec<C>, Error>>],
    context: &mut Context<'_>,
) -> bool {
    let mut all_done = true;
    for (slot, gathered) in running.iter_mut().zip(gathered) {
        let Some(future) = slot else { continue };
        match future.as_mut().poll(context) {
            Poll::Ready(cases) => {
                *gathered = Some(cases);
                *slot = None;
            }
            Poll::Pending => all_done = false,
        }
    }
    all_done
}

impl Desk {
    /// What is known of these ids, or a note that they are asked for.
    fn answer(
        &mut self,
        kind: &'static str,
        ids: &[&str],
    ) -> Option<Result<Histories, StoreError>> {
        if let Some(error) = &self.failed {
            return Some(Err(error.clone()));
        }
        if let Some(found) = self.found.get(kind) {
            let records: Option<Vec<_>> = ids
                .iter()
                .map(|id| found.records.get(*id).cloned())
                .collect();
            if let Some(records) = records {
                let complete_through = found.complete_through;
                return Some(Ok(Histories {
                    records,
                    complete_through,
                }));
            }
        }
        let asked = self.asked.entry(kind).or_default();
        asked.extend(ids.iter().map(|&id| id.to_owned()));
        None
    }
}

impl<S: HistoryStore> HistoryStore for Together<'_, S> {
    async fn get_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> Result<Histories, StoreError> {
        poll_fn(|_| {
            let answer = self.desk().answer(kind, ids);
            answer.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    async fn put_histories(
        &self,
        kind: &'static str,
        records: &[(String, Bytes)],
    ) -> Result<(), StoreError> {
        self.store.put_histories(kind, records).await
    }

    async fn retain_histories(
        &self,
        kind: &'static str,
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        self.store.retain_histories(kind, keep).await
    }

    async fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.set_complete_through(kind, instant).await
    }
}
