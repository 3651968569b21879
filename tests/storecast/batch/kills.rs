//! A run that ends between any two calls of a store, and what the next delivery makes of it.

use super::faults::{Fault, Faulty, Plan};
use super::*;
use churn::Churn;
use serde_json::Value;
use serving::ports::PredictionStore;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const KEY: &str = "uploads/churn/a b+ü.csv.gz";

/// A function over a bucket and histories that fail when told to.
struct FaultyRig {
    files: Faulty<MemoryFiles>,
    releases: Releases<Churn, Faulty<MemoryStore>>,
    now_ms: Arc<AtomicI64>,
    arrival: Arrival,
}

impl FaultyRig {
    /// A file with good and bad rows, enough for outputs in several parts.
    async fn new(plan: Plan) -> Self {
        let rig = Rig::<Churn>::new().await;
        let mut file = String::from("customer_id,as_of\n");
        for row in 0..60 {
            let as_of = if row % 7 == 3 { "yesterday" } else { "" };
            file.push_str(&[["1", "208", "nobody"][row % 3], ",", as_of, "\n"].concat());
        }
        let arrival = rig.upload(KEY, gzip(file.as_bytes())).await;
        let stores = Faulty::new(filled().await, &plan);
        let mut releases = Releases::new(|| stores.clone()).await;
        releases.last = Some(LastPredictions {
            store: Faulty::new(MemoryStore::default(), &plan),
            kept_days: 30,
        });
        Self {
            files: Faulty::new(rig.files, &plan),
            releases,
            now_ms: rig.now_ms,
            arrival,
        }
    }

    /// Scores for `polls` calls of a store; `None` when the run did not end by then and was killed.
    fn run(&self, owner: &str, polls: usize) -> Option<Result<Outcome, Error>> {
        let batch = Batch {
            files: &self.files,
            claims: &self.files,
            services: &self.releases,
            clock: &SetClock::starting(&self.now_ms),
            owner,
            limits: small_limits(),
        };
        let mut run = pin!(batch.score(&self.arrival));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if let Poll::Ready(ended) = run.as_mut().poll(&mut context) {
                return Some(ended.map(|(outcome, _)| outcome));
            }
        }
        None
    }

    fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Every output, without what differs from attempt to attempt, and every last prediction.
    fn outputs(&self) -> Vec<(String, Vec<u8>)> {
        let places = self.files.inner.places();
        let output = |place: FilePlace| {
            let bytes = self.files.inner.file(&place).expect("listed");
            let bytes = match serde_json::from_slice::<Value>(&bytes) {
                Ok(mut report) if place.key.ends_with(".report.json") => {
                    report["attempt"].take();
                    report["duration_ms"].take();
                    report.to_string().into_bytes()
                }
                _ => bytes.to_vec(),
            };
            (place.key, bytes)
        };
        let files = places.into_iter().map(output);
        files.chain([self.predictions()]).collect()
    }

    fn predictions(&self) -> (String, Vec<u8>) {
        let last = self.releases.last.as_ref().expect("they are kept");
        let mut context = Context::from_waker(Waker::noop());
        let asked = ["1", "208", "nobody"];
        let get = last.store.inner.get_predictions(Churn::NAME, &asked);
        let Poll::Ready(found) = pin!(get).poll(&mut context) else {
            panic!("memory waits for nobody")
        };
        let text = format!("{:?}", found.expect("memory"));
        ("last predictions".to_owned(), text.into_bytes())
    }
}

/// Limits under which a small file is read in pieces, asked about in chunks, and written in parts.
pub(super) fn small_limits() -> Limits {
    Limits {
        read_bytes: 100,
        chunk_rows: 8,
        part_bytes: 300,
        ..Limits::default()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(super) fn no_faults() -> Plan {
    Arc::new(Mutex::new(|| Fault::None))
}

/// A fault at the call of this number, from 0.
fn at(call: usize, fault: Fault) -> Plan {
    let mut calls = 0;
    Arc::new(Mutex::new(move || {
        calls += 1;
        if calls == call + 1 {
            fault
        } else {
            Fault::None
        }
    }))
}

const FOREVER: usize = 1_000_000;

/// The outputs of one run that nothing disturbs, while this one of the two models is served.
async fn undisturbed(served: usize) -> Vec<(String, Vec<u8>)> {
    let rig = FaultyRig::new(no_faults()).await;
    rig.releases.served.store(served, Ordering::Relaxed);
    let outcome = rig.run("clean", FOREVER).expect("ends").expect("scored");
    assert_eq!(outcome, Outcome::Scored(counts(51, 9)));
    let (_, kept) = rig.predictions();
    let kept = String::from_utf8_lossy(&kept);
    assert_eq!(kept.matches("LastPrediction").count(), 3, "{kept}");
    rig.outputs()
}

#[tokio::test]
async fn killed_between_any_two_calls_it_is_done_once_by_the_next_delivery() {
    let clean = [undisturbed(0).await, undisturbed(1).await];
    let mut kills = 0;
    loop {
        let rig = FaultyRig::new(no_faults()).await;
        let is_first_done = rig.run("killed", kills + 1).is_some();
        // Half of the time the model is promoted before the next delivery, which changes nothing for this file.
        rig.releases.served.store(kills % 2, Ordering::Relaxed);
        let at_once = rig.run("too early", FOREVER).expect("ends");
        if let Err(error) = at_once {
            assert!(matches!(error, Error::Retry { .. }), "{error}");
            rig.pass(INVOCATION_MS + 30_001);
            rig.run("second", FOREVER).expect("ends").expect("scored");
        }
        let last = rig.run("third", FOREVER).expect("ends").expect("known");
        assert!(matches!(last, Outcome::Duplicate(_)), "{last:?}");
        // Before the third call nothing was claimed yet, so the model that was promoted meanwhile has the whole file.
        let served = if kills < 3 { kills % 2 } else { 0 };
        let is_as_clean = rig.outputs() == clean[served];
        assert!(is_as_clean, "after a kill at call {kills}");
        if is_first_done {
            break;
        }
        kills += 1;
    }
    assert!(kills > 20, "only {kills} calls");
}

#[tokio::test]
async fn a_call_that_fails_or_loses_its_answer_costs_a_delivery_and_nothing_else() {
    let expected = undisturbed(0).await;
    let mut failures = 0;
    'calls: for call in 0.. {
        for fault in [Fault::Before, Fault::After, Fault::Partly, Fault::Refused] {
            let rig = FaultyRig::new(at(call, fault)).await;
            let first = rig.run("first", FOREVER).expect("ends");
            if first.is_ok() {
                break 'calls;
            }
            failures += usize::from(first.is_err());
            let second = rig.run("second", FOREVER).expect("ends");
            if second.is_err() {
                // The release was lost too, or the claim itself: its lease ends by itself.
                rig.pass(INVOCATION_MS + 30_001);
                rig.run("third", FOREVER).expect("ends").expect("scored");
            }
            assert!(rig.outputs() == expected, "{fault:?} at call {call}");
        }
    }
    assert!(failures > 40, "only {failures} failures");
}

#[tokio::test]
async fn a_model_that_is_gone_is_replaced_for_the_whole_file() {
    let rig = FaultyRig::new(no_faults()).await;
    assert!(rig.run("killed", 20).is_none());
    rig.releases.served.store(1, Ordering::Relaxed);
    rig.releases
        .forgotten
        .lock()
        .unwrap()
        .push("first".to_owned());
    rig.pass(INVOCATION_MS + 30_001);
    rig.run("second", FOREVER).expect("ends").expect("scored");
    let report = rig
        .files
        .inner
        .file(&place("scored/churn/a b+ü.csv.gz.report.json"));
    let report: Value = serde_json::from_slice(&report.expect("a report")).expect("JSON");
    assert_eq!(
        (&report["model_version"], &report["attempt"]),
        (&"second".into(), &2.into())
    );
}
