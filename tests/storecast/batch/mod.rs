//! Files of rows through the whole path, in memory: what becomes of good and bad ones, whatever fails on the way.

pub(crate) mod answered_tables;
mod continued;
mod drift;
mod endless;
mod fates;
pub(crate) mod faults;
mod fuzz;
mod grouped;
mod huge;
mod kept;
pub(crate) mod kills;
mod last;
mod outcomes;
mod samples;
pub(crate) mod storm;
pub(crate) mod tables;
mod together;
mod whole;

use crate::shop::{self, NOW};
use bytes::Bytes;
use faults::Faulty;
use serving::batch::claim::{Counts, claim_key};
use serving::batch::limits::Limits;
use serving::batch::name::Key;
use serving::batch::ports::{FilePlace, FileStore};
use serving::batch::run::{Clock, LastPredictions, Pinned, Services};
use serving::batch::{Arrival, Batch, ClaimStore, MemoryFiles, Outcome};
use serving::error::Error;
use serving::ports::{HistoryStore, MemoryStore};
use serving::predictor::Predictor;
use serving::registry::{ModelPointer, Pins, PolicyPointer};
use serving::service::{Observed, Service};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const BUCKET: &str = "shop";
/// How long an invocation of the tests may last.
pub(crate) const INVOCATION_MS: i64 = 60_000;

fn place(key: &str) -> FilePlace {
    FilePlace {
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
    }
}

/// A clock that is set, and the deadline of one invocation.
pub(crate) struct SetClock {
    now_ms: Arc<AtomicI64>,
    pub(crate) deadline_ms: i64,
}

impl SetClock {
    pub(crate) fn starting(now_ms: &Arc<AtomicI64>) -> Self {
        let now_ms = Arc::clone(now_ms);
        let deadline_ms = now_ms.load(Ordering::Relaxed) + INVOCATION_MS;
        Self {
            now_ms,
            deadline_ms,
        }
    }
}

impl Clock for SetClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn remaining_ms(&self) -> i64 {
        self.deadline_ms - self.now_ms()
    }
}

/// Two versions of the committed model, one of which is served now.
struct Releases<P: Predictor, S> {
    services: Vec<(Pins, Arc<Service<P, S>>)>,
    served: AtomicUsize,
    /// Versions that the code can no longer load.
    forgotten: Mutex<Vec<String>>,
    /// Where last predictions are kept.
    last: Option<LastPredictions<Faulty<MemoryStore>>>,
}

impl<P: Predictor, S: HistoryStore> Releases<P, S> {
    /// `store` is called for each version.
    async fn new(mut store: impl FnMut() -> S) -> Self {
        let mut services = Vec::new();
        for version in ["first", "second"] {
            let mut served = shop::served::<P>().await;
            version.clone_into(&mut served.model.manifest.version);
            let pins = Pins {
                model: ModelPointer {
                    version: version.to_owned(),
                    manifest_sha256: String::new(),
                },
                policy: PolicyPointer {
                    sha256: String::new(),
                },
            };
            services.push((pins, Arc::new(Service::new(store(), Ok(Arc::new(served))))));
        }
        Self {
            services,
            served: AtomicUsize::new(0),
            forgotten: Mutex::default(),
            last: None,
        }
    }
}

impl<P: Predictor, S: HistoryStore + 'static> Services for Releases<P, S> {
    type Predictor = P;
    type Store = S;
    type Predictions = Faulty<MemoryStore>;

    fn last_predictions(&self) -> Option<&LastPredictions<Faulty<MemoryStore>>> {
        self.last.as_ref()
    }

    fn current(&self) -> Result<(Pins, Pinned<Self>), Error> {
        Ok(self.services[self.served.load(Ordering::Relaxed)].clone())
    }

    async fn pinned(&self, pins: &Pins) -> Result<Option<Pinned<Self>>, Error> {
        if self
            .forgotten
            .lock()
            .expect("no panic")
            .contains(&pins.model.version)
        {
            return Ok(None);
        }
        let found = self.services.iter().find(|(known, _)| known == pins);
        Ok(found.map(|(_, service)| Arc::clone(service)))
    }
}

/// A function with its bucket, without anything that fails.
struct Rig<P: Predictor> {
    files: MemoryFiles,
    releases: Releases<P, MemoryStore>,
    now_ms: Arc<AtomicI64>,
    limits: Limits,
}

impl<P: Predictor> Rig<P> {
    async fn new() -> Self {
        let stores = [filled().await, filled().await];
        let mut stores = stores.into_iter();
        Self {
            files: MemoryFiles::default(),
            releases: Releases::new(|| stores.next().expect("two versions")).await,
            now_ms: Arc::new(AtomicI64::new(NOW.0 * 1000)),
            limits: Limits::default(),
        }
    }

    async fn upload(&self, key: &str, bytes: impl Into<Bytes>) -> Arrival {
        let place = place(key);
        let put = self.files.put_file(&place, bytes.into());
        put.await.expect("memory");
        let head = self.files.head_file(&place, None).await.expect("memory");
        Arrival {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            etag: head.map(|head| head.version.etag),
            version_id: None,
            sequencer: String::new(),
        }
    }

    async fn score(&self, arrival: &Arrival) -> Result<Outcome, Error> {
        self.score_as("invocation", arrival).await
    }

    async fn score_as(&self, owner: &str, arrival: &Arrival) -> Result<Outcome, Error> {
        let batch = Batch {
            files: &self.files,
            claims: &self.files,
            services: &self.releases,
            clock: &SetClock::starting(&self.now_ms),
            owner,
            limits: self.limits,
        };
        let (outcome, Observed { cases, .. }) = batch.score(arrival).await?;
        if let Outcome::Scored(counts) = outcome {
            assert_eq!(counts.rows, counts.scored + counts.rejected);
            assert!(cases as u64 >= counts.scored);
        }
        Ok(outcome)
    }

    /// Uploads and scores.
    async fn scored(&self, key: &str, bytes: impl Into<Bytes>) -> Outcome {
        let arrival = self.upload(key, bytes).await;
        let outcome = self.score(&arrival).await.expect("nothing fails");
        assert_eq!(self.files.open_uploads(), 0);
        outcome
    }

    fn text(&self, key: &str) -> String {
        let file = self.files.file(&place(key));
        let file = file.unwrap_or_else(|| panic!("{key} is not there"));
        String::from_utf8(file.to_vec()).expect("UTF-8")
    }

    /// Answers, rejects and report of an upload.
    fn outputs(&self, key: &str) -> (String, String, serde_json::Value) {
        let Key::Upload(name) = Key::read(key, P::NAME) else {
            panic!("{key} is no upload")
        };
        let report = serde_json::from_str(&self.text(&name.report()));
        (
            self.text(&name.scored()),
            self.text(&name.rejects()),
            report.expect("JSON"),
        )
    }

    fn exists(&self, key: &str) -> bool {
        self.files.file(&place(key)).is_some()
    }

    /// The claim of an upload, as text.
    async fn claim(&self, key: &str) -> String {
        let key = claim_key(P::NAME, &place(key));
        let claim = self.files.get_claim(&key).await.expect("memory");
        serde_json::to_string(&claim).expect("JSON")
    }
}

async fn filled() -> MemoryStore {
    let store = MemoryStore::default();
    shop::fill(&store).await;
    store
}

fn counts(scored: u64, rejected: u64) -> Counts {
    Counts {
        rows: scored + rejected,
        scored,
        rejected,
    }
}
