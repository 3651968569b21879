//! Many files and two workers at once, with re-deliveries, other orders, kills and failing stores.

use super::shop::MadeUp;
use super::*;
use crate::batch::storm::Random;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;

/// Files of orders with outdated lines, and as many with the lines that count.
const FILES: usize = 12;
/// Copies of each event.
const COPIES: usize = 3;
/// Workers, each with a folder of its own.
const WORKERS: usize = 2;

struct Delivery<'a> {
    worker: usize,
    deadline_ms: i64,
    /// What had been uploaded when the event was taken from the queue.
    run: Pin<Box<dyn Future<Output = Result<Outcome, MergeError>> + 'a>>,
}

#[derive(Debug, Default)]
struct Seen {
    deliveries: usize,
    merged: usize,
    unchanged: usize,
    without_orders: usize,
    busy: usize,
    failed: usize,
    killed: usize,
}

/// Uploads that are still to come, events in the queue, and the deliveries under way.
struct Storm<'a> {
    rig: &'a Rig,
    queue: usize,
    under_way: Vec<Delivery<'a>>,
    random: Random,
    seen: Seen,
}

impl Storm<'_> {
    async fn upload(&mut self, file: &Delivered) {
        self.rig.put(&file.name, &file.bytes).await;
        self.queue += COPIES;
    }

    /// An event goes to a worker that has none; events say nothing but that something came.
    fn deliver(&mut self) {
        let free = |worker: &usize| !self.under_way.iter().any(|run| run.worker == *worker);
        let Some(worker) = (0..WORKERS).find(free).filter(|_| self.queue > 0) else {
            return;
        };
        self.queue -= 1;
        self.seen.deliveries += 1;
        let rig = self.rig;
        let owner = format!("invocation {}", self.seen.deliveries);
        let deadline_ms = SetClock::starting(&rig.now_ms).deadline_ms;
        self.under_way.push(Delivery {
            worker,
            deadline_ms,
            run: Box::pin(async move { rig.merge(&owner, worker).await }),
        });
    }

    /// One of the deliveries makes one call of a store, or is killed; what is not done comes again.
    fn advance(&mut self) {
        let chosen = self.random.below(self.under_way.len());
        let now_ms = self.rig.now_ms.load(Ordering::Relaxed);
        if self.under_way[chosen].deadline_ms <= now_ms || self.random.below(150) == 0 {
            drop(self.under_way.swap_remove(chosen));
            self.seen.killed += 1;
            self.queue += 1;
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        let run = self.under_way[chosen].run.as_mut();
        let Poll::Ready(ended) = run.poll(&mut context) else {
            return;
        };
        drop(self.under_way.swap_remove(chosen));
        let (count, is_done) = match ended {
            Ok(Outcome::Merged(_)) => (&mut self.seen.merged, true),
            Ok(Outcome::Unchanged) => (&mut self.seen.unchanged, true),
            Ok(Outcome::NoOrders(_)) => (&mut self.seen.without_orders, true),
            Ok(Outcome::Busy) => (&mut self.seen.busy, false),
            Err(MergeError::Store(_) | MergeError::Write(_) | MergeError::Replaced) => {
                (&mut self.seen.failed, false)
            }
            Err(error) => panic!("{error}"),
        };
        *count += 1;
        self.queue += usize::from(!is_done);
    }

    async fn run(&mut self, uploads: &[Delivered]) {
        let mut uploads = uploads.iter();
        for _ in 0..2_000_000 {
            let passed = i64::try_from(self.random.below(200)).expect("small");
            self.rig.pass(passed);
            // Often after the last one was merged, and now and then beside it.
            if (self.queue == 0 || self.random.below(300) == 0)
                && let Some(file) = uploads.next()
            {
                self.upload(file).await;
            }
            self.deliver();
            if !self.under_way.is_empty() {
                self.advance();
            } else if self.queue == 0 && uploads.len() == 0 {
                return;
            }
        }
        panic!("{} events never end: {:?}", self.queue, self.seen);
    }
}

/// Of every hundred calls about one fails, half of them after their effect.
fn weather(faults: &Arc<AtomicUsize>) -> Plan {
    let (faults, mut random) = (Arc::clone(faults), Random(7));
    Arc::new(Mutex::new(move || {
        let fault = [Fault::Before, Fault::After, Fault::None][random.below(200).min(2)];
        faults.fetch_add(usize::from(fault != Fault::None), Ordering::Relaxed);
        fault
    }))
}

/// Files in any order; some names hold something else at first.
fn uploads(made_up: &MadeUp, files: &[Delivered], random: &mut Random) -> Vec<Delivered> {
    let mut uploads = Vec::new();
    for (number, file) in files.iter().enumerate() {
        if number % 5 == 4 && file.name.starts_with("bestellungen") {
            let bytes = files[number - 1].bytes.clone();
            let name = file.name.clone();
            uploads.push((0, Delivered { name, bytes }));
        }
        uploads.push((1 + random.below(1000), file.clone()));
    }
    uploads.extend(
        made_up
            .poison()
            .into_iter()
            .map(|file| (random.below(1000), file)),
    );
    uploads.sort_by_key(|(at, _)| *at);
    uploads.into_iter().map(|(_, file)| file).collect()
}

#[tokio::test]
async fn files_in_any_order_end_like_one_clean_load() {
    let faults = Arc::new(AtomicUsize::new(0));
    let mut random = Random(42);
    let made_up = MadeUp::new(40, 11);
    let files = made_up.deliveries(FILES, &mut random);
    let uploads = uploads(&made_up, &files, &mut random);
    let rig = Rig::new(&made_up.shop, &weather(&faults));
    let mut storm = Storm {
        rig: &rig,
        queue: 0,
        under_way: Vec::new(),
        random,
        seen: Seen::default(),
    };
    storm.run(&uploads).await;
    let (seen, faults) = (&storm.seen, faults.load(Ordering::Relaxed));
    println!("{} uploads, {seen:?}, {faults} faults", uploads.len());
    assert!(
        seen.killed > 20 && seen.failed > 20 && seen.busy > 20,
        "{seen:?}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let clean = load(&made_up.shop, &made_up.clean(), folder.path());
    rig.is_like(&clean).await;
    reports_add_up(&rig, &made_up, &files);
}

/// Every row of every accepted file is accepted or among the rejects, as in one load of these files; poison says why it is
/// none.
fn reports_add_up(rig: &Rig, made_up: &MadeUp, files: &[Delivered]) {
    let (mut rows, mut rejected, mut accepted) = (0, 0, Vec::new());
    for file in files {
        let key = format!("merged/orders/{}", file.name);
        let text = |ending: &str| rig.text(&format!("{key}{ending}")).expect("an output");
        let report: Value = serde_json::from_str(&text(".report.json")).expect("JSON");
        // A short file of outdated lines may have too large a share of bad rows.
        if report["outcome"] == "quarantined" {
            continue;
        }
        let count = |name: &str| report[name].as_u64().expect("a count");
        assert_eq!(count("rows"), count("accepted") + count("rejected"));
        let listed = text(".rejects.csv").lines().count() - 1;
        assert_eq!(listed as u64, count("rejected"), "{key}");
        accepted.push(file.clone());
        if report["tables"] == json!(["orders"]) {
            rows += count("rows");
            rejected += count("rejected");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let loaded = load(&made_up.shop, &accepted, folder.path());
    let counts = loaded.counts();
    assert_eq!((rows, rejected), (counts.rows, counts.rejected_rows()));
    assert!(rejected > 0 && accepted.len() > FILES, "{}", accepted.len());
    for refused in made_up.poison() {
        let report = rig.text(&format!("quarantine/orders/{}.report.json", refused.name));
        let report = report.unwrap_or_else(|| panic!("{} is not refused", refused.name));
        assert!(report.contains("refused_because"), "{report}");
    }
}
