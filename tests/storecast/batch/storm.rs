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
const FILES: usize = 500;
/// Copies of each event.
const COPIES: usize = 4;
/// Deliveries under way at once.
const AT_ONCE: usize = 6;

/// The same numbers in every run. Source: Marsaglia, xorshift RNGs (2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
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

#[tokio::test]
async fn every_row_ends_in_exactly_one_place() {
    let faults = Arc::new(AtomicUsize::new(0));
    let rig = Rig::<Churn>::new().await;
    let plan: Plan = {
        let (faults, mut random) = (Arc::clone(&faults), Random(7));
        Arc::new(Mutex::new(move || {
            let fault = [Fault::Before, Fault::After, Fault::None][random.below(120).min(2)];
            faults.fetch_add(usize::from(fault != Fault::None), Ordering::Relaxed);
            fault
        }))
    };
    let stores = Faulty {
        inner: Arc::new(filled().await),
        plan: Arc::clone(&plan),
    };
    let releases = Releases::<Churn, _>::new(|| stores.clone()).await;
    let files = Faulty {
        inner: Arc::new(MemoryFiles::default()),
        plan,
    };
    let mut random = Random(42);
    let contents: Vec<_> = (0..2 * FILES)
        .map(|n| file(n % FILES, n / FILES, &mut random))
        .collect();
    let mut uploads = contents.iter().enumerate();
    let mut queue: Vec<Arrival> = Vec::new();
    let mut under_way: Vec<Delivery<'_>> = Vec::new();
    let mut seen = Seen::default();
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(
            steps < 3_000_000,
            "{} messages never end: {seen:?}",
            queue.len()
        );
        let now_ms = rig
            .now_ms
            .fetch_add(random.below(20) as i64, Ordering::Relaxed);
        // Uploads come while earlier ones are scored; a file may be replaced while it is read.
        if random.below(40) == 0
            && queue.len() < 400
            && let Some((number, (key, bytes))) = uploads.next()
        {
            let uploaded = place(key);
            let put = files.inner.put_file(&uploaded, Bytes::from(bytes.clone()));
            put.await.expect("memory");
            let head = files
                .inner
                .head_file(&place(key), None)
                .await
                .expect("memory");
            let arrival = Arrival {
                bucket: BUCKET.to_owned(),
                key: key.clone(),
                etag: head.map(|head| head.version.etag),
                version_id: None,
                sequencer: format!("{number:08X}"),
            };
            queue.extend(std::iter::repeat_n(arrival, COPIES));
            if number == FILES / 2 || number == FILES {
                releases.served.fetch_xor(1, Ordering::Relaxed);
            }
        }
        if under_way.len() < AT_ONCE && !queue.is_empty() {
            let message = random.below(queue.len());
            if under_way.iter().all(|delivery| delivery.message != message) {
                seen.deliveries += 1;
                let clock = SetClock::starting(&rig.now_ms);
                let deadline_ms = clock.deadline_ms;
                let owner = format!("invocation {}", seen.deliveries);
                let arrival = queue[message].clone();
                let run = Box::pin(run_of(&files, &releases, clock, owner, arrival));
                under_way.push(Delivery {
                    message,
                    deadline_ms,
                    run,
                });
            }
        }
        if under_way.is_empty() {
            if queue.is_empty() && uploads.len() == 0 {
                break;
            }
            continue;
        }
        let chosen = random.below(under_way.len());
        if under_way[chosen].deadline_ms <= now_ms || random.below(150) == 0 {
            // Killed: out of memory, out of time, or the machine is gone.
            drop(under_way.swap_remove(chosen));
            seen.kills += 1;
            continue;
        }
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(ended) = under_way[chosen].run.as_mut().poll(&mut context) else {
            continue;
        };
        let message = under_way.swap_remove(chosen).message;
        match ended {
            Ok(outcome) => {
                seen.count(&outcome);
                queue.swap_remove(message);
                // The last message took the place of the one that is done.
                for delivery in &mut under_way {
                    if delivery.message == queue.len() {
                        delivery.message = message;
                    }
                }
            }
            Err(Error::Retry { .. }) => seen.retries += 1,
            Err(error) => panic!("{error}"),
        }
    }
    println!(
        "{seen:?}, {} faults, {steps} steps",
        faults.load(Ordering::Relaxed)
    );
    assert!(
        seen.kills > 200 && faults.load(Ordering::Relaxed) > 200,
        "{seen:?}"
    );
    assert!(seen.outcomes["duplicate"] > FILES, "{seen:?}");
    for (key, bytes) in &contents[FILES..] {
        reconcile(&rig, &files.inner, key, bytes).await;
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
        if key.ends_with(".gz") {
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
