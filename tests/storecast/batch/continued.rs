//! Files that do not fit into one invocation: whatever its length, and wherever it is killed, the next ones go on, and the
//! outputs are those of one run that nothing disturbed.

use super::faults::{Fault, Faulty, Plan};
use super::kills::small_limits;
use super::samples::{ENDINGS, file, lines_of};
use super::*;
use churn::Churn;
use inventory::Inventory;
use proptest::prelude::*;
use serde_json::Value;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// One invocation: how long it lasts, after how many calls of a store it is killed (most are not), and the milliseconds
/// that each call takes.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub(super) lasts_ms: i64,
    pub(super) killed_after: Option<usize>,
    pub(super) call_ms: i64,
    pub(super) fault_at: Option<u32>,
}

fn invocation() -> impl Strategy<Value = Invocation> {
    let killed_after = prop::option::weighted(0.3, 0usize..60);
    let fault_at = prop::option::weighted(0.2, 0u32..60);
    (4_000i64..14_000, killed_after, 1i64..400, fault_at).prop_map(
        |(lasts_ms, killed_after, call_ms, fault_at)| Invocation {
            lasts_ms,
            killed_after,
            call_ms,
            fault_at,
        },
    )
}

pub(super) struct World<P: Predictor = Churn> {
    pub(super) files: Faulty<MemoryFiles>,
    releases: Releases<P, Faulty<MemoryStore>>,
    now_ms: Arc<AtomicI64>,
    /// Calls of a store from now on until one fails.
    calls_to_fault: Arc<AtomicI64>,
    queue: Vec<Arrival>,
    key: String,
    pub(super) limits: Limits,
}

impl<P: Predictor> World<P> {
    pub(super) async fn new(ending: &str, rows: usize) -> Self {
        let rig = Rig::<P>::new().await;
        let is_export = ending.starts_with("orders.");
        let key = format!("uploads/{}/a b+ü.{ending}", P::NAME);
        let bytes = file(lines_of::<P>(), ending, rows);
        let arrival = rig.upload(&key, bytes).await;
        let calls_to_fault = Arc::new(AtomicI64::new(-1));
        let left = Arc::clone(&calls_to_fault);
        let plan: Plan = Arc::new(Mutex::new(move || {
            match left.fetch_sub(1, Ordering::Relaxed) {
                0 => Fault::Before,
                _ => Fault::None,
            }
        }));
        let stores = Faulty::new(filled().await, &plan);
        Self {
            files: Faulty::new(rig.files, &plan),
            releases: Releases::new(|| stores.clone()).await,
            now_ms: rig.now_ms,
            calls_to_fault,
            queue: vec![arrival],
            key,
            limits: Limits {
                member_bytes: 500,
                // Each invocation reads an export as a whole, and those here are short.
                read_bytes: if is_export { 100_000 } else { 100 },
                // What is tried here is harsher than any store: a file may be lost each time.
                restarts: u32::MAX,
                ..small_limits()
            },
        }
    }

    /// Delivers the oldest message; what it came to, `None` when it was killed.
    pub(super) fn deliver(
        &mut self,
        invocation: &Invocation,
        number: usize,
    ) -> Option<Result<Outcome, Error>> {
        let message = self.queue[0].clone();
        let fault_at = invocation.fault_at.map_or(-1, i64::from);
        self.calls_to_fault.store(fault_at, Ordering::Relaxed);
        let clock = SetClock {
            now_ms: Arc::clone(&self.now_ms),
            deadline_ms: self.now_ms.load(Ordering::Relaxed) + invocation.lasts_ms,
        };
        let owner = format!("invocation {number}");
        let ended = self.run(&message, invocation, &clock, &owner);
        let told = self.files.continuations();
        if matches!(ended, Some(Ok(_))) {
            self.queue.remove(0);
        } else {
            // As the queue does: long after any invocation has ended.
            self.now_ms
                .fetch_add(invocation.lasts_ms + 30_001, Ordering::Relaxed);
        }
        self.queue.extend(told);
        ended
    }

    fn run(
        &self,
        message: &Arrival,
        invocation: &Invocation,
        clock: &SetClock,
        owner: &str,
    ) -> Option<Result<Outcome, Error>> {
        let batch = Batch {
            files: &self.files,
            claims: &self.files,
            services: &self.releases,
            clock,
            owner,
            limits: self.limits,
        };
        let mut run = pin!(batch.score(message));
        let mut context = Context::from_waker(Waker::noop());
        for call in 0.. {
            let is_killed = invocation.killed_after.is_some_and(|after| call > after);
            if is_killed || clock.remaining_ms() <= 0 {
                return None;
            }
            if let Poll::Ready(ended) = run.as_mut().poll(&mut context) {
                return Some(ended.map(|(outcome, _)| outcome));
            }
            self.now_ms.fetch_add(invocation.call_ms, Ordering::Relaxed);
        }
        None
    }

    /// Outputs, without what tells of attempts, and how often the file was continued.
    pub(super) fn outputs(&self) -> (Vec<(String, Vec<u8>)>, u64) {
        let mut times = 0;
        let mut found = Vec::new();
        for place in self.files.inner.places() {
            let mut bytes = self.files.inner.file(&place).expect("listed").to_vec();
            if place.key.starts_with("unfinished/") {
                continue;
            }
            if place.key.ends_with(".report.json") {
                let mut report: Value = serde_json::from_slice(&bytes).expect("a report");
                times = report["continued"].take().as_u64().expect("a count");
                report["attempt"].take();
                report["duration_ms"].take();
                let of = |field: &str| report[field].as_u64().expect("a count");
                assert_eq!(of("rows"), of("scored") + of("rejected"));
                bytes = report.to_string().into_bytes();
            }
            found.push((place.key, bytes));
        }
        (found, times)
    }
}

pub(super) const UNDISTURBED: Invocation = Invocation {
    lasts_ms: 10_000_000,
    killed_after: None,
    call_ms: 0,
    fault_at: None,
};

/// Delivers until no message is left; how often the file was left, and how often an invocation was killed.
pub(super) fn deliver_all<P: Predictor>(
    world: &mut World<P>,
    invocations: &[Invocation],
) -> (usize, usize) {
    let (mut left, mut killed) = (0, 0);
    let mut cycle = invocations.iter().cycle();
    for number in 0..400 {
        if world.queue.is_empty() {
            return (left, killed);
        }
        // Half of the time another model is served by then, which changes nothing for this file.
        world
            .releases
            .served
            .store(number.min(3) % 2, Ordering::Relaxed);
        let invocation = match number {
            // So that it ends, however unlucky the others are.
            300.. => &UNDISTURBED,
            _ => cycle.next().expect("an endless cycle"),
        };
        match world.deliver(invocation, number) {
            None => killed += 1,
            Some(Ok(Outcome::Continued(_))) => left += 1,
            Some(Ok(Outcome::Scored(_) | Outcome::Duplicate(_)) | Err(Error::Retry { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("{} messages never end", world.queue.len());
}

/// One undisturbed run, whose first claim finds the first model as the others do.
pub(super) fn expected<P: Predictor>(
    runtime: &tokio::runtime::Runtime,
    ending: &str,
    rows: usize,
) -> Vec<(String, Vec<u8>)> {
    let mut clean = runtime.block_on(World::<P>::new(ending, rows));
    let outcome = clean
        .deliver(&UNDISTURBED, 0)
        .expect("ends")
        .expect("scored");
    assert!(
        matches!(outcome, Outcome::Scored(counts) if counts.rows == rows as u64),
        "{outcome:?}"
    );
    clean.outputs().0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_deadlines_the_outputs_are_those_of_one_run(
        ending in prop::sample::select(&ENDINGS[..]),
        rows in 30usize..200,
        invocations in prop::collection::vec(invocation(), 4..12),
    ) {
        // The first one gets far enough to claim the file, so that the model is that of the undisturbed run.
        let first = Invocation { lasts_ms: 6_000, killed_after: None, call_ms: 100, fault_at: None };
        let all: Vec<_> = [vec![first], invocations].concat();
        comes_out_as_in_one_run::<Churn>(ending, rows, &all);
        if ending.starts_with("orders.") {
            comes_out_as_in_one_run::<Inventory>(ending, rows, &all);
        }
    }
}

fn comes_out_as_in_one_run<P: Predictor>(ending: &str, rows: usize, invocations: &[Invocation]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut world = runtime.block_on(World::<P>::new(ending, rows));
    deliver_all(&mut world, invocations);
    let (found, _) = world.outputs();
    let wanted = expected::<P>(&runtime, ending, rows);
    assert!(found == wanted, "{}: {ending}, {rows} rows", P::NAME);
}

#[test]
fn a_file_is_continued_many_times_and_no_delivery_fails() {
    continued_many_times::<Churn>(&ENDINGS, 5);
    continued_many_times::<Inventory>(&["orders.csv.gz", "orders.parquet"], 2);
}

fn continued_many_times<P: Predictor>(endings: &[&str], least: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    for ending in endings {
        let mut world = runtime.block_on(World::<P>::new(ending, 900));
        let short = Invocation {
            lasts_ms: 6_600,
            killed_after: None,
            call_ms: 20,
            fault_at: None,
        };
        let mut left = 0;
        loop {
            match world.deliver(&short, left).expect("nothing is killed") {
                Ok(Outcome::Continued(counts)) => {
                    left += 1;
                    assert_eq!(counts.rows, counts.scored + counts.rejected);
                    let fate = runtime.block_on(offline::uploads::fate(
                        &*world.files.inner,
                        &*world.files.inner,
                        P::NAME,
                        &place(&world.key),
                        i64::MAX,
                    ));
                    let told = format!("{} rows are done in {left} invocations", counts.rows);
                    assert!(fate.expect("memory").to_string().starts_with(&told));
                }
                Ok(Outcome::Scored(counts)) => {
                    assert_eq!(counts.rows, 900);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(left > least, "{ending}: continued {left} times only");
        assert!(world.queue.is_empty() && world.files.inner.open_uploads() == 0);
        let (found, times) = world.outputs();
        assert_eq!(times, left as u64);
        assert!(found == expected::<P>(&runtime, ending, 900), "{ending}");
    }
}

#[test]
fn killed_between_any_two_calls_of_a_continuation_it_is_done_by_the_next_deliveries() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    for ending in ["csv.gz", "orders.csv"] {
        killed_between_any_two_calls(&runtime, ending);
    }
}

fn killed_between_any_two_calls(runtime: &tokio::runtime::Runtime, ending: &str) {
    let wanted = expected::<Churn>(runtime, ending, 300);
    let short = Invocation {
        lasts_ms: 6_200,
        killed_after: None,
        call_ms: 20,
        fault_at: None,
    };
    for killed_after in 0.. {
        let mut world: World = runtime.block_on(World::new(ending, 300));
        let first = world.deliver(&short, 0).expect("ends").expect("no fault");
        assert!(matches!(first, Outcome::Continued(_)), "{first:?}");
        let killed = Invocation {
            killed_after: Some(killed_after),
            ..UNDISTURBED
        };
        let is_done = world.deliver(&killed, 1).is_some();
        deliver_all(&mut world, &[UNDISTURBED]);
        assert!(
            world.outputs().0 == wanted,
            "{ending} killed after {killed_after} calls"
        );
        if is_done {
            assert!(killed_after > 20);
            return;
        }
    }
}

#[test]
fn what_cannot_be_continued_begins_anew() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let wanted = expected::<Churn>(&runtime, "jsonl", 120);
    let short = Invocation {
        lasts_ms: 6_500,
        killed_after: None,
        call_ms: 20,
        fault_at: None,
    };
    let spoil: [fn(&MemoryFiles, &FilePlace) -> bool; 2] = [MemoryFiles::remove, |files, place| {
        let mut bytes = files.file(place).expect("listed").to_vec();
        bytes[7] ^= 1;
        let mut put = pin!(files.put_file(place, Bytes::from(bytes)));
        let mut context = Context::from_waker(Waker::noop());
        matches!(put.as_mut().poll(&mut context), Poll::Ready(Ok(())))
    }];
    for spoil in spoil {
        let mut world: World = runtime.block_on(World::new("jsonl", 120));
        world.deliver(&short, 0).expect("ends").expect("no fault");
        let places = world.files.inner.places();
        let kept = places.iter().find(|place| {
            place.key.starts_with("unfinished/") && !place.key.ends_with(".continue")
        });
        assert!(spoil(&world.files.inner, kept.expect("what was left")));
        deliver_all(&mut world, &[UNDISTURBED]);
        assert!(world.outputs().0 == wanted);
    }
    // A marker that names another upload is nobody's.
    let world: World = runtime.block_on(World::new("jsonl", 1));
    let forged = place("unfinished/churn/forged.csv.continue");
    let text = serde_json::to_vec(&world.queue[0]).expect("JSON");
    runtime
        .block_on(world.files.inner.put_file(&forged, text.into()))
        .expect("memory");
    let mut world = World {
        queue: vec![Arrival {
            bucket: forged.bucket,
            key: forged.key,
            ..Arrival::default()
        }],
        ..world
    };
    let ended = world.deliver(&UNDISTURBED, 0).expect("ends");
    assert!(matches!(ended, Err(Error::Internal { .. })), "{ended:?}");
    world.queue[0].key = "unfinished/churn/gone.csv.continue".to_owned();
    let ended = world.deliver(&UNDISTURBED, 1).expect("ends");
    assert_eq!(ended.expect("nothing to do"), Outcome::Gone);
}
