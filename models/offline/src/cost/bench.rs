//! What `make bench` measured, priced: ours, and the same work by Python with ONNX Runtime.
//!
//! The harness gives everybody a core. Lambda gives a share of one, in proportion to memory, so what was measured takes as much longer.

use super::prices::Prices;
use super::{Bill, MILLION};
use serde::Deserialize;

/// Memory that comes with one core, MB. Source: Lambda developer guide, "Configure Lambda function memory".
const CORE_MB: f64 = 1769.0;
/// Memory is chosen so that the measured peak fills two thirds of it, in steps of this, MB; the first is the least that Lambda has.
const STEP_MB: f64 = 128.0;
const ABOVE_PEAK: f64 = 1.5;
/// Whom we are compared with, as the rows name them.
const PEER: &str = "Python, ONNX Runtime";
const PEER_OF_FILES: &str = "pandas and ONNX Runtime";

/// A line of `target/bench/results.jsonl`, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    ours: f64,
    peer: f64,
}

/// A price, ours beside the peer's.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// A million of what.
    pub of: String,
    /// Ours.
    pub ours: Priced,
    /// The peer's.
    pub peer: Priced,
}

/// What a million comes to, and how it was priced.
#[derive(Debug, Clone, PartialEq)]
pub struct Priced {
    /// Memory of the function, MB.
    pub memory_mb: f64,
    /// Milliseconds that one is billed, with the share of a core that comes with this memory.
    pub billed_ms: f64,
    /// What Lambda asks.
    pub bill: Bill,
}

/// Prices single predictions, without reasons and with them, and rows of files, on `x86_64`; `cold_share` of the requests wait for a new
/// environment. Fails when a row that is needed was not measured.
pub fn priced(results: &str, cold_share: f64, prices: &Prices) -> Result<Vec<Compared>, String> {
    let rows = read(results)?;
    let row = |name: &str| {
        let found = rows.iter().find(|row| row.name == name);
        found.ok_or_else(|| format!("no row {name:?}: run `make bench BENCH_ONLY=cold,warm,files`"))
    };
    let start = row(&start())?;
    let mut compared = Vec::new();
    for kind in ["without reasons", "with reasons"] {
        let (time, peak) = (row(&warm(kind))?, row(&peak(kind))?);
        let one = |ms, peak, start_ms| single(ms, peak, cold_share * start_ms, prices);
        compared.push(Compared {
            of: format!("single predictions, the peer {kind}"),
            ours: one(time.ours, peak.ours, start.ours),
            peer: one(time.peer, peak.peer, start.peer),
        });
    }
    let (rate, peak) = (row(&file())?, row(&peak_of_file())?);
    compared.push(Compared {
        of: "rows of files".to_owned(),
        ours: of_file(rate.ours, peak.ours, prices),
        peer: of_file(rate.peer, peak.peer, prices),
    });
    Ok(compared)
}

fn read(results: &str) -> Result<Vec<Row>, String> {
    let lines = results.lines().filter(|line| !line.trim().is_empty());
    let parsed = lines.map(|line| serde_json::from_str(line).map_err(|error| error.to_string()));
    parsed.collect()
}

fn start() -> String {
    format!("cold start to the first answer: {PEER}")
}

fn warm(kind: &str) -> String {
    format!("warm, orders from DynamoDB, {kind}, p50: {PEER}")
}

fn peak(kind: &str) -> String {
    format!("peak memory, {kind}: {PEER}")
}

fn file() -> String {
    format!("a file of 1000 customers with orders, S3 to S3: {PEER_OF_FILES}")
}

fn peak_of_file() -> String {
    format!("peak memory of that: {PEER_OF_FILES}")
}

fn memory_for(peak_mb: f64) -> f64 {
    (ABOVE_PEAK * peak_mb / STEP_MB).ceil().max(1.0) * STEP_MB
}

/// How much longer the work of a core takes; more than one core helps nobody here.
fn slower(memory_mb: f64) -> f64 {
    (CORE_MB / memory_mb).max(1.0)
}

fn per_ms(memory_mb: f64, prices: &Prices) -> f64 {
    memory_mb / 1024.0 * prices.lambda.per_gb_second(false) / 1000.0
}

/// A million requests for one prediction each; whole milliseconds are billed.
fn single(ms: f64, peak_mb: f64, start_ms: f64, prices: &Prices) -> Priced {
    let memory_mb = memory_for(peak_mb);
    let (slower, per_ms) = (slower(memory_mb), per_ms(memory_mb, prices));
    let billed_ms = (ms * slower).ceil();
    Priced {
        memory_mb,
        billed_ms,
        bill: Bill::of([
            ("Lambda, requests", prices.lambda.per_million_requests),
            ("Lambda, time", per_ms * billed_ms * MILLION),
            ("Lambda, starts", per_ms * start_ms * slower * MILLION),
        ]),
    }
}

/// A million rows of files, of which one invocation takes thousands.
fn of_file(rows_per_second: f64, peak_mb: f64, prices: &Prices) -> Priced {
    let memory_mb = memory_for(peak_mb);
    let billed_ms = 1000.0 / rows_per_second * slower(memory_mb);
    let time = per_ms(memory_mb, prices) * billed_ms * MILLION;
    Priced {
        memory_mb,
        billed_ms,
        bill: Bill::of([("Lambda, time", time)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn results() -> String {
        let rows = [
            (start(), 100.0, 1000.0),
            (warm("without reasons"), 2.0, 4.1),
            (peak("without reasons"), 18.0, 97.0),
            (warm("with reasons"), 2.0, 8.0),
            (peak("with reasons"), 18.0, 2400.0),
            (file(), 1000.0, 250.0),
            (peak_of_file(), 34.0, 655.0),
        ];
        let line = |(name, ours, peer)| {
            json!({ "name": name, "ours": ours, "peer": peer, "unit": "-" }).to_string() + "\n"
        };
        rows.map(line).concat()
    }

    fn prices() -> Prices {
        let text = std::fs::read_to_string("../../infra/prices.toml").expect("the price list");
        Prices::read(&text).expect("prices")
    }

    #[test]
    fn a_million_costs_its_milliseconds_times_the_memory_that_the_peak_asks_for() {
        let prices = prices();
        let found = priced(&results(), 0.01, &prices).expect("all rows");
        let settings: Vec<_> = found
            .iter()
            .map(|one| (one.ours.memory_mb, one.peer.memory_mb))
            .collect();
        // 1.5 times 97, 2400 and 655 MB, in steps of 128.
        assert_eq!(settings, [(128.0, 256.0), (128.0, 3712.0), (128.0, 1024.0)]);
        // A core for 2 ms is a fourteenth of one for 27.6 ms; above a core nothing is slower.
        assert_eq!(
            (found[0].ours.billed_ms, found[1].peer.billed_ms),
            (28.0, 8.0)
        );
        // 4.1 ms with 256 of 1769 MB are 28.3 ms, and 29 are billed.
        let second = 0.000_016_666_7;
        let line = |priced: &Priced, what: &str| {
            let mut lines = priced.bill.lines.iter();
            lines.find(|line| line.what == what).expect("a line").cost
        };
        for (found, expected) in [
            (
                line(&found[0].ours, "Lambda, time"),
                28_000.0 * 0.125 * second,
            ),
            (
                line(&found[0].peer, "Lambda, time"),
                29_000.0 * 0.25 * second,
            ),
            (line(&found[0].ours, "Lambda, requests"), 0.2),
            (
                line(&found[1].peer, "Lambda, starts"),
                0.01 * 1e6 * 3.625 * second,
            ),
            (
                found[2].ours.bill.total(),
                1000.0 * 1769.0 / 1024.0 * second,
            ),
            (
                found[2].peer.bill.total(),
                4000.0 * 1769.0 / 1024.0 * second,
            ),
        ] {
            assert!(
                (found - expected).abs() < 1e-9,
                "{found}, expected {expected}"
            );
        }
    }

    #[test]
    fn a_row_that_was_not_measured_is_named() {
        let rest: String = results().lines().skip(1).collect::<Vec<_>>().join("\n");
        let missing = priced(&rest, 0.01, &prices()).expect_err("no cold starts");
        assert!(missing.contains(&start()), "{missing}");
        assert!(priced("no JSON", 0.01, &prices()).is_err());
    }

    /// The table of the last run, in the README.
    #[test]
    fn the_rows_are_those_of_the_bench() {
        let readme = std::fs::read_to_string("../../README.md").expect("README.md");
        let kinds = ["without reasons", "with reasons"];
        let names = kinds.into_iter().flat_map(|kind| [warm(kind), peak(kind)]);
        for name in names.chain([start(), file(), peak_of_file()]) {
            assert!(readme.contains(&format!("\n| {name}")), "{name}");
        }
    }
}
