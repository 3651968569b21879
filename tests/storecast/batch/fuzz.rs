//! Bytes from outside, spoiled at random for a stated time: whatever they are, parsers answer, and never panic or hang.
//!
//! `FUZZ_SECONDS=3600 cargo test --release --workspace --test storecast -- batch::fuzz --nocapture` is a long run, and with
//! `FUZZ_TARGET=orders` one of the targets with that in their names. An input that makes a parser panic, and a slow one, is left
//! under `target/fuzz/`; what was found so is a test of that parser.

mod orders;
mod records;
mod spoiling;
mod stored;
mod whole;

use super::kills::gzip;
use super::samples;
use super::tables;
use super::*;
use crate::workspace::root;
use churn::Churn;
use inventory::Inventory;
use recommendations::Recommendations;
use recommendations::artifacts::Tables;
use serving::batch::name::{Packing, Text};
use serving::batch::rows::{Grouping, Row, Rows};
use serving::batch::unpack::Unpacker;
use serving::manifest::Manifest;
use spoiling::{Random, spoiled};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a run takes unless `FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 6;
/// Longer than any input of these sizes may take, on a machine with other work to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// Slow inputs are kept to be looked at.
const SLOW: Duration = Duration::from_secs(1);
/// Inputs of a target before the next one has its turn.
const TURN: Duration = Duration::from_millis(40);

/// Takes bytes, whatever they are.
type Parse = Box<dyn Fn(&[u8])>;

/// A parser with inputs that it takes.
struct Target {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    parse: Parse,
    inputs: u64,
    slowest: Duration,
}

fn target(name: &'static str, seeds: Vec<Vec<u8>>, parse: impl Fn(&[u8]) + 'static) -> Target {
    assert!(
        !seeds.is_empty() && seeds.iter().all(|seed| !seed.is_empty()),
        "{name}"
    );
    Target {
        name,
        seeds,
        parse: Box::new(parse),
        inputs: 0,
        slowest: Duration::ZERO,
    }
}

impl Target {
    fn take_turn(&mut self, random: &mut Random) {
        let begun = Instant::now();
        while begun.elapsed() < TURN {
            let input = spoiled(&self.seeds, random);
            let started = Instant::now();
            let done = catch_unwind(AssertUnwindSafe(|| (self.parse)(&input)));
            let took = started.elapsed();
            if done.is_err() || took > PATIENCE {
                let path = self.keep(&input);
                panic!(
                    "{} took {took:?} or panicked on {}",
                    self.name,
                    path.display()
                );
            }
            if took > SLOW {
                self.keep(&input);
            }
            self.inputs += 1;
            self.slowest = self.slowest.max(took);
        }
    }

    /// Leaves an input where people find it.
    fn keep(&self, input: &[u8]) -> PathBuf {
        let folder = root().join("target/fuzz");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(format!("{}-{}", self.name, self.inputs));
        std::fs::write(&path, input).expect("a file");
        path
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long to run, and what, is asked of whoever runs it"
)]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn parse_body<P: Predictor>(body: &[u8]) {
    let _ = black_box(P::parse(body));
}

fn bodies<P: Predictor>(name: &'static str) -> Target {
    let events = shop::events::<P>().into_iter();
    let seeds = events.map(|(_, event)| {
        let parsed: serde_json::Value = serde_json::from_str(&event).expect("JSON");
        match parsed["body"].as_str() {
            Some(body) if !body.is_empty() => body.as_bytes().to_vec(),
            _ => event.into_bytes(),
        }
    });
    target(name, seeds.collect(), parse_body::<P>)
}

fn events() -> Target {
    let all = [
        shop::events::<Churn>(),
        shop::events::<Inventory>(),
        shop::events::<Recommendations>(),
    ];
    let seeds = all
        .concat()
        .into_iter()
        .map(|(_, event)| event.into_bytes());
    target("events", seeds.collect(), |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            black_box(aws::dispatch::Event::read(text));
            let _ = black_box(aws::uploads::messages(text));
            let _ = black_box(aws::uploads::arrivals(text));
        }
    })
}

/// Rows of a text, in pieces, each parsed as the request that it becomes, alone or with the other lines of whose it is.
fn rows<P: Predictor>(text: Text, bytes: &[u8]) {
    let shape = P::rows().expect("a shape");
    let limits = Limits {
        row_bytes: 5000,
        ..Limits::default()
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut splitter = Rows::new(text, shape, &limits);
    for piece in bytes.chunks(97) {
        if splitter.push(piece, &mut rows).is_err() {
            return;
        }
    }
    let _ = splitter.finish(&mut rows);
    let (lines, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.is_line);
    let mut grouping = Grouping::new(shape, &limits).expect("a shape of lines");
    let _ = lines.into_iter().try_for_each(|line| grouping.add(line));
    rows.into_iter()
        .chain(grouping.grouped(0))
        .filter_map(|row| row.body.ok())
        .for_each(|body| parse_body::<P>(&body));
}

fn unpack(packing: Packing, bytes: &[u8]) {
    let mut unpacker = Unpacker::new(packing, Limits::default()).expect("a decoder");
    let (mut rest, mut output) = (bytes, Vec::new());
    while !rest.is_empty() {
        output.clear();
        match unpacker.step(rest, &mut output) {
            Ok(taken) => rest = &rest[taken..],
            Err(_) => return,
        }
    }
    let _ = unpacker.finish(&mut output);
}

fn files_of_rows() -> Vec<Target> {
    let sheet = b"sku_id,on_hand,target,as_of\n1,5,costs,2018-01-01\n\"a\nb\",-3,\"{\"\"fill_rate\"\":0.9}\",\n".to_vec();
    let history = br#"{"customer_id":"1","history":{"orders":[{"order_id":"o","placed_at":"2017-12-24T10:00:00Z","lines":[{"product_id":"p","category":"c","net_minor":5}]}]}}"#;
    let lines = [
        history.as_slice(),
        b"\n{\"customer_id\":\"2\",\"as_of\":\"2018-01-01T00:00:00Z\"}\n",
    ]
    .concat();
    let ids = || {
        tables::texts(
            "sku_id",
            (0..40).map(|row| [Some("1"), None, Some("a longer id")][row % 3]),
        )
    };
    let layouts = [
        tables::Layout::default(),
        tables::Layout {
            group_rows: 7,
            page_rows: 3,
            ..tables::Layout::default()
        },
    ];
    let tables_of_ids = layouts
        .iter()
        .map(|layout| tables::written(vec![ids()], layout))
        .collect();
    vec![
        target("csv", vec![sheet.clone(), samples::sku_lines()], |bytes| {
            rows::<Inventory>(Text::Csv, bytes);
        }),
        target("json-lines", vec![lines.clone()], |bytes| {
            rows::<Churn>(Text::JsonLines, bytes);
        }),
        target(
            "csv-order-lines",
            vec![samples::customer_lines("csv")],
            |bytes| {
                rows::<Recommendations>(Text::Csv, bytes);
            },
        ),
        target(
            "json-order-lines",
            vec![samples::customer_lines("jsonl")],
            |bytes| {
                rows::<Churn>(Text::JsonLines, bytes);
                rows::<Inventory>(Text::JsonLines, bytes);
            },
        ),
        target("parquet", tables_of_ids, |bytes| {
            drop(black_box(tables::rows_of(bytes, 0)));
        }),
        target(
            "gzip",
            vec![gzip(&sheet), gzip(&lines.repeat(40))],
            |bytes| unpack(Packing::Gzip, bytes),
        ),
        target(
            "zstandard",
            vec![
                zstd::encode_all(&sheet[..], 3).expect("memory"),
                zstd::encode_all(&lines.repeat(40)[..], 3).expect("memory"),
            ],
            |bytes| unpack(Packing::Zstandard, bytes),
        ),
    ]
}

fn model_of<P: Predictor>() -> Vec<Target> {
    let files = shop::model_files_of::<P>();
    vec![
        target("manifest", vec![files.manifest.to_vec()], |bytes| {
            let _ = black_box(serde_json::from_slice::<Manifest>(bytes));
        }),
        target("artifacts", vec![files.artifacts.to_vec()], |bytes| {
            let _ = black_box(serde_json::from_slice::<P::Artifacts>(bytes));
        }),
        target(
            "policy",
            vec![shop::policy_file_of::<P>().to_vec()],
            |bytes| {
                let _ = black_box(serde_json::from_slice::<P::Policy>(bytes));
            },
        ),
        target("graph", vec![files.graph.to_vec()], |bytes| {
            let _ = black_box(serving::model::load(bytes, None));
        }),
    ]
}

fn recommendation_tables() -> Target {
    let files = shop::model_files_of::<Recommendations>().tables;
    let files: [Bytes; 3] = files.try_into().expect("three tables");
    let seeds = files.iter().map(|file| file.to_vec()).collect();
    target("tables", seeds, move |bytes| {
        // The others are sound; which one it is, its length says roughly enough.
        let distance = |file: &Bytes| file.len().abs_diff(bytes.len());
        let place = (0..3)
            .min_by_key(|place| distance(&files[*place]))
            .unwrap_or(0);
        let mut spoiled = files.clone();
        spoiled[place] = Bytes::copy_from_slice(bytes);
        let _ = black_box(Tables::open(spoiled));
    })
}

fn seconds() -> u64 {
    asked("FUZZ_SECONDS").map_or(SECONDS, |text| {
        text.parse().expect("FUZZ_SECONDS is a number")
    })
}

#[test]
fn spoiled_bytes_never_panic_and_never_hang() {
    let mut targets = vec![
        bodies::<Churn>("churn-body"),
        bodies::<Inventory>("inventory-body"),
        bodies::<Recommendations>("recommendations-body"),
        events(),
        recommendation_tables(),
    ];
    targets.extend(files_of_rows());
    targets.extend(model_of::<Churn>());
    targets.extend(model_of::<Inventory>());
    targets.extend(model_of::<Recommendations>());
    targets.extend(stored::stored());
    targets.extend(records::records());
    targets.extend(whole::whole());
    targets.extend(orders::orders());
    let wanted = asked("FUZZ_TARGET").unwrap_or_default();
    targets.retain(|target| target.name.contains(&wanted));
    assert!(!targets.is_empty(), "no target has {wanted:?} in its name");
    let (begun, wanted) = (Instant::now(), Duration::from_secs(seconds()));
    // Runs of another length begin elsewhere; how far one comes is the machine's doing.
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15 ^ (seconds() << 20));
    while begun.elapsed() < wanted {
        for target in &mut targets {
            target.take_turn(&mut random);
        }
    }
    for target in &targets {
        println!(
            "{:>20}: {:>9} inputs, slowest {:?}",
            target.name, target.inputs, target.slowest
        );
        assert!(target.inputs > 0, "{}", target.name);
    }
}
