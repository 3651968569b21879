//! Many files and many deliveries at once, with duplicates, other orders, kills, failing stores, a promoted model and
//! poison among them: at the end every row of every file's last content is in exactly one place.

mod ending;
mod landing;

use super::faults::{Fault, Faulty, Plan, REFUSAL};
use super::kills::small_limits;
use super::*;
use churn::Churn;
use ending::{last_are_there, reconcile};
use inventory::Inventory;
use landing::{INVENTORY, file};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Files, each with two contents after one another.
const FILES: usize = 504;
/// Files whose contents land one after another, before their second contents do.
const BLOCK: usize = 8;
/// Copies of each event.
const COPIES: usize = 4;
/// Deliveries under way at once.
const AT_ONCE: usize = 6;

/// The same numbers in every run. Source: Marsaglia, xorshift RNGs (2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}

struct Delivery<'a> {
    message: usize,
    deadline_ms: i64,
    run: Pin<Box<dyn Future<Output = Result<Outcome, Error>> + 'a>>,
}

#[derive(Debug, Default)]
struct Seen {
    deliveries: usize,
    kills: usize,
    retries: usize,
    outcomes: BTreeMap<&'static str, usize>,
}

impl Seen {
    fn count(&mut self, outcome: &Outcome) {
        let kind = match outcome {
            Outcome::Scored(_) => "scored",
            Outcome::Continued(_) => "continued",
            Outcome::Quarantined(_) => "quarantined",
            Outcome::Duplicate(_) => "duplicate",
            Outcome::Older => "older",
            Outcome::Superseded => "superseded",
            other => panic!("{other:?}"),
        };
        *self.outcomes.entry(kind).or_default() += 1;
    }
}

async fn run_of<P: Predictor>(
    files: &Faulty<MemoryFiles>,
    releases: &Releases<P, Faulty<MemoryStore>>,
    clock: SetClock,
    owner: String,
    arrival: Arrival,
) -> Result<Outcome, Error> {
    let batch = Batch {
        files,
        claims: files,
        services: releases,
        clock: &clock,
        owner: &owner,
        limits: Limits {
            part_bytes: 20_000,
            ..small_limits()
        },
    };
    batch.score(&arrival).await.map(|(outcome, _)| outcome)
}

/// Uploads, messages and the deliveries under way.
struct Storm<'a> {
    files: &'a Faulty<MemoryFiles>,
    churn: &'a Releases<Churn, Faulty<MemoryStore>>,
    inventory: &'a Releases<Inventory, Faulty<MemoryStore>>,
    now_ms: Arc<AtomicI64>,
    queue: Vec<Arrival>,
    under_way: Vec<Delivery<'a>>,
    random: Random,
    seen: Seen,
}

impl Storm<'_> {
    /// A content lands; its event comes several times.
    async fn upload(&mut self, number: usize, key: &str, bytes: &[u8]) {
        let (files, uploaded) = (&self.files.inner, place(key));
        let put = files.put_file(&uploaded, Bytes::copy_from_slice(bytes));
        put.await.expect("memory");
        let head = files.head_file(&uploaded, None).await.expect("memory");
        let arrival = Arrival {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            etag: head.map(|head| head.version.etag),
            version_id: None,
            sequencer: format!("{number:08X}"),
        };
        self.queue.extend(std::iter::repeat_n(arrival, COPIES));
        if number == FILES / 2 || number == FILES {
            self.churn.served.fetch_xor(1, Ordering::Relaxed);
            self.inventory.served.fetch_xor(1, Ordering::Relaxed);
        }
    }

    /// Any message that nobody has is delivered.
    fn deliver(&mut self) {
        if self.under_way.len() >= AT_ONCE || self.queue.is_empty() {
            return;
        }
        let message = self.random.below(self.queue.len());
        if self
            .under_way
            .iter()
            .any(|delivery| delivery.message == message)
        {
            return;
        }
        self.seen.deliveries += 1;
        let mut clock = SetClock::starting(&self.now_ms);
        if self.random.below(2) == 0 {
            // Some of these have time for a part of a file, some for nothing.
            let more_ms = i64::try_from(self.random.below(1_600)).expect("small");
            clock.deadline_ms += 5_200 + more_ms - INVOCATION_MS;
        }
        let deadline_ms = clock.deadline_ms;
        let owner = format!("invocation {}", self.seen.deliveries);
        let arrival = self.queue[message].clone();
        let run: Pin<Box<dyn Future<Output = _>>> = if arrival.key.contains("/inventory/") {
            Box::pin(run_of(self.files, self.inventory, clock, owner, arrival))
        } else {
            Box::pin(run_of(self.files, self.churn, clock, owner, arrival))
        };
        self.under_way.push(Delivery {
            message,
            deadline_ms,
            run,
        });
    }

    /// One of the deliveries makes one call of a store, or is killed.
    fn advance(&mut self, now_ms: i64) {
        let chosen = self.random.below(self.under_way.len());
        if self.under_way[chosen].deadline_ms <= now_ms || self.random.below(150) == 0 {
            // Out of memory, out of time, or the machine is gone.
            drop(self.under_way.swap_remove(chosen));
            self.seen.kills += 1;
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        let run = self.under_way[chosen].run.as_mut();
        let Poll::Ready(ended) = run.poll(&mut context) else {
            return;
        };
        let message = self.under_way.swap_remove(chosen).message;
        match ended {
            Ok(outcome) => self.done(message, &outcome),
            Err(Error::Retry { .. }) => self.seen.retries += 1,
            Err(error) if error.to_string().contains(REFUSAL) => self.seen.retries += 1,
            Err(error) => panic!("{error}"),
        }
    }

    fn done(&mut self, message: usize, outcome: &Outcome) {
        self.seen.count(outcome);
        self.queue.swap_remove(message);
        // The last message took the place of the one that is done.
        for delivery in &mut self.under_way {
            if delivery.message == self.queue.len() {
                delivery.message = message;
            }
        }
    }

    /// Until every message is done.
    async fn run(&mut self, contents: &[(String, Vec<u8>)]) {
        let mut uploads = contents.iter().enumerate();
        for _ in 0..6_000_000 {
            let passed = i64::try_from(self.random.below(20)).expect("small");
            let now_ms = self.now_ms.fetch_add(passed, Ordering::Relaxed);
            // Uploads come while earlier ones are scored; a file may be replaced while it is read.
            if self.random.below(40) == 0
                && self.queue.len() < 400
                && let Some((number, (key, bytes))) = uploads.next()
            {
                self.upload(number, key, bytes).await;
            }
            self.queue.extend(self.files.continuations());
            self.deliver();
            if !self.under_way.is_empty() {
                self.advance(now_ms);
            } else if self.queue.is_empty() && uploads.len() == 0 {
                return;
            }
        }
        panic!("{} messages never end: {:?}", self.queue.len(), self.seen);
    }
}

/// How often each kind of fault was met.
type Met = Arc<Mutex<BTreeMap<Fault, usize>>>;

/// Of every hundred calls about two fail, one of them after some of its effect.
fn weather(met: &Met) -> Plan {
    const KINDS: [Fault; 4] = [Fault::Before, Fault::After, Fault::Partly, Fault::Refused];
    let (met, mut random) = (Arc::clone(met), Random(7));
    Arc::new(Mutex::new(move || {
        let Some(fault) = KINDS.get(random.below(240)) else {
            return Fault::None;
        };
        *met.lock().expect("no panic").entry(*fault).or_default() += 1;
        *fault
    }))
}

/// A function of which two models are served after one another.
async fn served<P: Predictor>(plan: &Plan) -> Releases<P, Faulty<MemoryStore>> {
    let histories = Faulty::new(filled().await, plan);
    Releases::new(|| histories.clone()).await
}

/// A function that nothing disturbs, at the same time.
async fn undisturbed<P: Predictor>(now_ms: &Arc<AtomicI64>) -> Rig<P> {
    Rig {
        now_ms: Arc::clone(now_ms),
        ..Rig::new().await
    }
}

#[tokio::test]
async fn every_row_ends_in_exactly_one_place() {
    let met = Met::default();
    let plan = weather(&met);
    let files = Faulty::new(MemoryFiles::default(), &plan);
    let churn = served::<Churn>(&plan).await;
    let mut inventory = served::<Inventory>(&plan).await;
    // One of the two keeps last predictions.
    inventory.last = Some(LastPredictions {
        store: Faulty::new(MemoryStore::default(), &plan),
        kept_days: 7,
    });
    let mut random = Random(42);
    let mut landing = |n: usize| {
        let (block, within) = (n / (2 * BLOCK), n % (2 * BLOCK));
        file(block * BLOCK + within % BLOCK, within / BLOCK, &mut random)
    };
    let contents: Vec<_> = (0..2 * FILES).map(&mut landing).collect();
    let mut storm = Storm {
        files: &files,
        churn: &churn,
        inventory: &inventory,
        now_ms: Arc::new(AtomicI64::new(NOW.0 * 1000)),
        queue: Vec::new(),
        under_way: Vec::new(),
        random,
        seen: Seen::default(),
    };
    storm.run(&contents).await;
    let (seen, met) = (&storm.seen, met.lock().expect("no panic").clone());
    println!("{} events, {seen:?}, {met:?}", contents.len() * COPIES);
    assert!(seen.kills > 200, "{seen:?}");
    assert!(met.len() == 4 && met.values().all(|times| *times > 50));
    assert!(seen.outcomes["duplicate"] > FILES, "{seen:?}");
    assert!(seen.outcomes["continued"] > 100, "{seen:?}");
    let of_churn = undisturbed::<Churn>(&storm.now_ms).await;
    let mut of_inventory = undisturbed::<Inventory>(&storm.now_ms).await;
    of_inventory.releases.last = Some(super::last::kept());
    let mut answered = [0, 0];
    for block in contents.chunks(2 * BLOCK) {
        for (key, bytes) in &block[BLOCK..] {
            let files = &files.inner;
            if key.starts_with(INVENTORY) {
                answered[1] += reconcile(&of_inventory, files, key, bytes).await;
            } else {
                answered[0] += reconcile(&of_churn, files, key, bytes).await;
            }
        }
    }
    println!("{answered:?} rows answered at the end");
    assert!(answered.iter().all(|rows| *rows > 1_000), "{answered:?}");
    let last = inventory.last.as_ref().expect("they are kept");
    last_are_there(&of_inventory, last, &landing::SKUS).await;
}
