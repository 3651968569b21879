//! Many files and many deliveries at once, with duplicates, other orders, kills, failing stores, a promoted model and
//! poison among them: at the end every row of every file's last content is in exactly one place.

use super::faults::{Fault, Faulty, Plan};
use super::kills::{gzip, small_limits};
use super::*;
use churn::Churn;
use serde_json::Value;
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

/// Key and content of a file; every fifth is poison.
fn file(index: usize, content: usize, random: &mut Random) -> (String, Vec<u8>) {
    let rows = 1 + random.below(60);
    let id = |random: &mut Random| ["1", "208", "7", "nobody", "=1+1"][random.below(5)].to_owned();
    let ids: Vec<String> = (0..rows).map(|_| id(random)).collect();
    let csv = format!("customer_id\n{}\n", ids.join("\n"));
    let lines = ids.iter().map(|id| match content {
        1 if id == "7" => "{\"customer_id\": 7}\n".to_owned(),
        _ => format!("{{\"customer_id\": \"{id}\"}}\n"),
    });
    let (ending, bytes) = match index % 5 {
        0 => ("csv", csv.into_bytes()),
        1 => ("csv.gz", gzip(csv.as_bytes())),
        2 => ("jsonl", lines.collect::<String>().into_bytes()),
        3 => ("csv", format!("{csv}\"open,{content}\n").into_bytes()),
        _ => match (index / 5) % 4 {
            0 => ("csv", format!("customer\n{content}\n").into_bytes()),
            1 => ("csv.gz", vec![content as u8 + 1; 40]),
            2 => ("parquet", vec![content as u8; 4]),
            _ => ("csv", "\n".repeat(content).into_bytes()),
        },
    };
    (format!("uploads/churn/{index}.{ending}"), bytes)
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

async fn run_of(
    files: &Faulty<MemoryFiles>,
    releases: &Releases<Churn, Faulty<MemoryStore>>,
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
    releases: &'a Releases<Churn, Faulty<MemoryStore>>,
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
            self.releases.served.fetch_xor(1, Ordering::Relaxed);
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
        let run = Box::pin(run_of(self.files, self.releases, clock, owner, arrival));
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

/// Of every hundred calls about two fail, one of them after its effect.
fn weather(faults: &Arc<AtomicUsize>) -> Plan {
    let (faults, mut random) = (Arc::clone(faults), Random(7));
    Arc::new(Mutex::new(move || {
        let fault = [Fault::Before, Fault::After, Fault::None][random.below(120).min(2)];
        faults.fetch_add(usize::from(fault != Fault::None), Ordering::Relaxed);
        fault
    }))
}

#[tokio::test]
async fn every_row_ends_in_exactly_one_place() {
    let faults = Arc::new(AtomicUsize::new(0));
    let rig = Rig::<Churn>::new().await;
    let stores = Faulty::new(filled().await, &weather(&faults));
    let files = Faulty::new(MemoryFiles::default(), &stores.plan);
    let releases = Releases::new(|| stores.clone()).await;
    let mut random = Random(42);
    let mut landing = |n: usize| {
        let (block, within) = (n / (2 * BLOCK), n % (2 * BLOCK));
        file(block * BLOCK + within % BLOCK, within / BLOCK, &mut random)
    };
    let contents: Vec<_> = (0..2 * FILES).map(&mut landing).collect();
    let mut storm = Storm {
        files: &files,
        releases: &releases,
        now_ms: Arc::clone(&rig.now_ms),
        queue: Vec::new(),
        under_way: Vec::new(),
        random,
        seen: Seen::default(),
    };
    storm.run(&contents).await;
    let (seen, faults) = (&storm.seen, faults.load(Ordering::Relaxed));
    println!(
        "{} events, {seen:?}, {faults} faults",
        contents.len() * COPIES
    );
    assert!(seen.kills > 200 && faults > 200, "{seen:?}");
    assert!(seen.outcomes["duplicate"] > FILES, "{seen:?}");
    assert!(seen.outcomes["continued"] > 100, "{seen:?}");
    for block in contents.chunks(2 * BLOCK) {
        for (key, bytes) in &block[BLOCK..] {
            reconcile(&rig, &files.inner, key, bytes).await;
        }
    }
}

/// How old the data is depends on when the file was begun.
fn without_age(line: &str) -> String {
    let mut parsed = serde_json::from_str::<Value>(line).unwrap_or_default();
    if parsed.is_object() {
        parsed["data_age_days"].take();
        return parsed.to_string();
    }
    line.to_owned()
}

/// What is there of a file is what one undisturbed run makes of its last content.
async fn reconcile(rig: &Rig<Churn>, files: &MemoryFiles, key: &str, bytes: &[u8]) {
    let outcome = rig.scored(key, bytes.to_vec()).await;
    let rest = key.strip_prefix("uploads/").expect("an upload");
    let [report, expected] = [files, &rig.files].map(|files| {
        let report = files.file(&place(&format!("scored/{rest}.report.json")));
        let report = report.unwrap_or_else(|| panic!("no report of {key}: {outcome:?}"));
        serde_json::from_slice::<Value>(&report).expect("JSON")
    });
    let fate = offline::uploads::fate(files, files, Churn::NAME, &place(key), i64::MAX).await;
    assert!(fate.expect("memory").is_settled(), "{key}");
    for field in [
        "outcome",
        "fault",
        "input",
        "rows",
        "scored",
        "rejected",
        "rejected_by_reason",
    ] {
        assert_eq!(report[field], expected[field], "{field} of {key}");
    }
    if !matches!(outcome, Outcome::Scored(_)) {
        return;
    }
    let output = |files: &MemoryFiles, ending: &str| {
        let bytes = files.file(&place(&format!("scored/{rest}{ending}")));
        bytes.expect("an output")
    };
    assert_eq!(
        output(files, ".rejects.csv"),
        output(&rig.files, ".rejects.csv"),
        "{key}"
    );
    let texts = [files, &rig.files].map(|files| {
        let bytes = output(files, "");
        let mut text = String::new();
        if rest.rsplit('.').next() == Some("gz") {
            let mut reader = flate2::read::GzDecoder::new(&bytes[..]);
            std::io::Read::read_to_string(&mut reader, &mut text).expect("gzip");
        } else {
            text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        }
        let text = text.lines().map(without_age).collect::<Vec<_>>();
        text.join("\n")
    });
    // One model for the whole file, the one that the report names; the undisturbed run has the first.
    let version = report["model_version"].as_str().expect("a version");
    let expected = texts[1].replace(",first,", &format!(",{version},"));
    assert!(texts[0] == expected, "answers of {key}");
}
