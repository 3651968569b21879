//! Many requests, each answered as if it were alone, with one read of the store per kind and phase.
//!
//! Every predictor gathers for one request at a time. Here all requests of a chunk gather (and, once scored, gather again
//! what only the scores can name) beside each other over a
//! store that only notes what is asked; when none of them can go on, everything asked is read at once, every id once.

use super::text::AnswerWriter;
use super::{Service, gather, respond, score, store_failed};
use crate::drift::Seen;
use crate::error::Error;
use crate::ports::{Histories, HistoryStore, StoreError};
use crate::prediction_log::LoggedPrediction;
use crate::predictor::{Predictor, Scored, Served};
use bytes::Bytes;
use features::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tracing::Instrument;

/// Answers to requests that were asked together.
#[derive(Debug)]
pub struct RowAnswers {
    /// One per request, in order: JSON, as the API answers the request alone.
    pub answers: Vec<Result<String, Error>>,
    /// Rows the model scored.
    pub rows: usize,
    /// Bytes of the histories that were read or brought.
    pub history_bytes: usize,
    /// Those rows in the bins of training, where the model has some.
    pub seen: Seen,
    /// What is to be kept of them.
    pub logged: Vec<LoggedPrediction>,
}

/// Bytes of records that are kept between calls, at most: a store with more of them is asked again.
const SHARED_BYTES: usize = 32 * 1024 * 1024;

/// Histories that come with the requests and not from the store, as it would have given them.
#[derive(Debug)]
pub struct Brought<'a> {
    /// What they are histories of.
    pub kind: &'static str,
    /// By id; a kind that is brought is not read, so every id that is asked for must be among them.
    pub records: Vec<(String, Bytes)>,
    /// Events before this instant are known.
    pub complete_through: Timestamp,
    /// What calls before this one have read and this one need not.
    pub shared: &'a mut Shared,
}

/// Records of some kinds, kept from one call to the next by whoever asks about many requests.
#[derive(Debug, Default)]
pub struct Shared {
    kinds: &'static [&'static str],
    found: HashMap<&'static str, Found>,
}

impl Shared {
    /// Nothing yet, of these kinds.
    pub fn of(kinds: &'static [&'static str]) -> Self {
        Self {
            kinds,
            found: HashMap::new(),
        }
    }

    /// Keeps what was found of its kinds, unless that is too much to be held.
    fn keep(&mut self, mut found: HashMap<&'static str, Found>) {
        found.retain(|kind, _| self.kinds.contains(kind));
        let records = found.values().flat_map(|found| found.records.values());
        let bytes: usize = records.flatten().map(Bytes::len).sum();
        self.found = if bytes <= SHARED_BYTES {
            found
        } else {
            HashMap::new()
        };
    }
}

impl<P: Predictor, S: HistoryStore> Service<P, S> {
    /// Answers each request as if it were alone, with one call of the model for all. A failing store or model fails
    /// them together; anything else costs its own request only.
    pub async fn answer_rows(
        &self,
        requests: &[P::Request],
        now: Timestamp,
    ) -> Result<RowAnswers, Error> {
        self.answer_rows_with(requests, now, None).await
    }

    /// The same, and the store is not asked for the histories that are brought.
    pub async fn answer_rows_with(
        &self,
        requests: &[P::Request],
        now: Timestamp,
        brought: Option<Brought<'_>>,
    ) -> Result<RowAnswers, Error> {
        let served = self.served()?;
        let together = Together::new(&self.store);
        let shared = brought.map(|brought| together.desk().take(brought));
        let ask = |request| Box::pin(P::gather(&together, request, now)) as Running<'_, _>;
        let gathered = together.run(requests.iter().map(ask).collect());
        let gathered = gathered.instrument(gather()).await?;
        let (mut cases, own) = flat(gathered);
        let scored = score(&served.model, &cases)?;
        let second = second_phase(&together, requests, &own, &mut cases, &scored, served);
        let mut stocked = together.run(second).instrument(gather()).await?.into_iter();
        let writer = AnswerWriter {
            served,
            by_canary: false,
            log: self.log(),
        };
        let mut logged = Vec::new();
        let answer = |(request, own): (&P::Request, Result<Range<usize>, Error>)| {
            let own = own?;
            stocked.next().unwrap_or(Ok(()))?;
            let (text, lines) = writer.text(request, &cases[own.clone()], &scored[own])?;
            logged.extend(lines);
            Ok(text)
        };
        let answers = respond().in_scope(|| requests.iter().zip(own).map(answer).collect());
        let mut seen = Seen::default();
        if let Some(training) = &served.model.manifest.distribution {
            for scored in &scored {
                seen.add(training, &scored.rows, &scored.raw);
            }
        }
        if let Some(shared) = shared {
            shared.keep(std::mem::take(&mut together.desk().found));
        }
        Ok(RowAnswers {
            answers,
            seen,
            rows: scored.iter().map(|scored| scored.raw.len()).sum(),
            history_bytes: together.desk().bytes,
            logged,
        })
    }
}

/// The cases of all requests one after the other, and which of them are each request's.
fn flat<C>(gathered: Vec<Result<Vec<C>, Error>>) -> (Vec<C>, Vec<Result<Range<usize>, Error>>) {
    let mut cases = Vec::new();
    let ranges = gathered.into_iter().map(|own| {
        let first = cases.len();
        cases.extend(own?);
        Ok(first..cases.len())
    });
    let ranges = ranges.collect();
    (cases, ranges)
}

/// One for each request that was gathered: what only the scores can name.
fn second_phase<'a, P: Predictor, S: HistoryStore>(
    together: &'a Together<'a, S>,
    requests: &'a [P::Request],
    own: &[Result<Range<usize>, Error>],
    mut cases: &'a mut [P::Case],
    scored: &'a [Scored],
    served: &'a Served<P>,
) -> Vec<Running<'a, Result<(), Error>>> {
    let mut running: Vec<Running<'a, _>> = Vec::new();
    for (request, range) in requests.iter().zip(own) {
        let Ok(range) = range else { continue };
        let (own, rest) = std::mem::take(&mut cases).split_at_mut(range.len());
        cases = rest;
        let scored = &scored[range.clone()];
        running.push(Box::pin(P::gather_scored(
            together, request, own, scored, served,
        )));
    }
    running
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

#[derive(Debug, Default)]
struct Found {
    records: HashMap<String, Option<Bytes>>,
    complete_through: Option<Timestamp>,
}

/// One of many futures that go on together.
type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'a, S: HistoryStore> Together<'a, S> {
    fn new(store: &'a S) -> Self {
        let desk = Mutex::default();
        Self { store, desk }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all of them go on until each has what it asked for; an error when the store fails.
    async fn run<T>(&self, running: Vec<Running<'_, T>>) -> Result<Vec<T>, Error> {
        let mut done: Vec<_> = running.iter().map(|_| None).collect();
        let mut running: Vec<_> = running.into_iter().map(Some).collect();
        loop {
            let advance = |context: &mut Context<'_>| {
                let all_done = advance(&mut running, &mut done, context);
                let is_asked = !self.desk().asked.is_empty();
                if all_done || is_asked {
                    Poll::Ready(all_done)
                } else {
                    Poll::Pending
                }
            };
            if poll_fn(advance).await {
                return match self.desk().failed.take() {
                    Some(error) => Err(store_failed(error)),
                    None => Ok(done.into_iter().flatten().collect()),
                };
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

/// Lets every one go on; `true` when all are done.
fn advance<T>(
    running: &mut [Option<Running<'_, T>>],
    done: &mut [Option<T>],
    context: &mut Context<'_>,
) -> bool {
    let mut all_done = true;
    for (slot, done) in running.iter_mut().zip(done) {
        let Some(future) = slot else { continue };
        match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                *done = Some(output);
                *slot = None;
            }
            Poll::Pending => all_done = false,
        }
    }
    all_done
}

impl Desk {
    /// Takes what is known already; gives back where to keep what is shared of it.
    fn take<'a>(&mut self, brought: Brought<'a>) -> &'a mut Shared {
        self.found = std::mem::take(&mut brought.shared.found);
        let records = brought.records.into_iter();
        let found = self.found.entry(brought.kind).or_default();
        found.complete_through = Some(brought.complete_through);
        for (id, bytes) in records {
            self.bytes += bytes.len();
            found.records.insert(id, Some(bytes));
        }
        brought.shared
    }

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

    async fn remove_histories(&self, kind: &'static str, ids: &[&str]) -> Result<(), StoreError> {
        self.store.remove_histories(kind, ids).await
    }

    async fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.set_complete_through(kind, instant).await
    }
}
