//! What answers cost on AWS: measured milliseconds, bytes and rows times a price list that the user may edit.
//!
//! Measured is what the functions wrote of themselves: every request leaves a line with its milliseconds and rows. Nothing
//! here was seen on a bill; see `infra/README.md`.

pub mod bench;
pub mod measured;
pub mod prices;

use measured::Measured;
use prices::Prices;

/// Bytes of a read unit. Source: DynamoDB developer guide, read consistency and capacity.
const READ_UNIT_BYTES: f64 = 4096.0;
/// Bytes of a write unit. Source: the same.
const WRITE_UNIT_BYTES: f64 = 1024.0;
/// Bytes of a gigabyte as bills count it.
const GB: f64 = 1_073_741_824.0;
const MILLION: f64 = 1e6;

/// What an environment adds to the sample of a canary takes as many write units as the item has kilobytes, and it has 30 when it is full:
/// see `serving::canary`. So this is the most that a look costs; one that has nothing to add costs nothing.
const SAMPLE_BYTES: f64 = 30_000.0;
/// Looks of an environment that is asked all the time, in an hour: one every 10 s.
const LOOKS_PER_HOUR: f64 = 360.0;

/// Bytes of histories, and rows, that a chunk of the whole base has at most, as `storecast chunk` writes it.
const CHUNK_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
const CHUNK_ROWS: f64 = 20_000.0;
/// Bytes that are read at once, and of histories in a row group.
const PIECE_BYTES: f64 = 2.0 * 1024.0 * 1024.0;
/// Bytes of a chunk for each byte of its histories, packed: the default shop's customers.
const PACKED: f64 = 0.53;
/// States that a run enters, and each of its chunks: see the state machine in `infra/template.yaml`. Of a chunk, that it begins, its task
/// and its end are counted, which is the most that it can be.
const STATES_OF_RUN: f64 = 4.0;
const STATES_OF_CHUNK: f64 = 3.0;

/// How a function is deployed and asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Memory of a function that answers requests, MB.
    pub memory_mb: f64,
    /// Memory of a function that scores files, MB.
    pub batch_memory_mb: f64,
    /// Whether it runs on arm64.
    pub is_arm64: bool,
    /// Bytes of a stored history, on average.
    pub history_bytes: f64,
    /// Histories that one request reads.
    pub histories_per_request: f64,
    /// Share of requests that wait for a new environment, 0 to 1.
    pub cold_share: f64,
    /// Share of requests whose trace is recorded, 0 to 1.
    pub traced_share: f64,
    /// Rows of a nightly file; each is read from the store.
    pub nightly_rows: f64,
    /// Environments of the function that answer at once.
    pub environments: f64,
    /// Bytes of a last prediction, on average, where each row leaves one; 0 where none are kept.
    pub prediction_bytes: f64,
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// For what.
    pub what: &'static str,
    /// In the currency of the prices.
    pub cost: f64,
}

/// A sum, and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// In the order of the parts of a call.
    pub lines: Vec<Line>,
}

impl Bill {
    fn of(lines: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        let line = |(what, cost)| Line { what, cost };
        Self {
            lines: lines.into_iter().map(line).collect(),
        }
    }

    /// All lines together.
    pub fn total(&self) -> f64 {
        self.lines.iter().map(|line| line.cost).sum()
    }
}

/// A million requests over HTTP.
pub fn per_million_requests(measured: &Measured, deployed: &Deployment, prices: &Prices) -> Bill {
    let second = seconds(deployed.memory_mb, deployed, prices);
    let cold_ms = deployed.cold_share * measured.start_ms;
    Bill::of([
        ("API Gateway", prices.gateway.per_million_requests),
        ("Lambda, requests", prices.lambda.per_million_requests),
        (
            "Lambda, time",
            second * measured.request_ms / 1000.0 * MILLION,
        ),
        ("Lambda, starts", second * cold_ms / 1000.0 * MILLION),
        (
            "DynamoDB, reads",
            reads(deployed.histories_per_request, deployed, prices) * MILLION,
        ),
        (
            "CloudWatch, logs",
            measured.log_bytes / GB * prices.cloudwatch.per_gb_of_logs * MILLION,
        ),
        (
            "X-Ray",
            deployed.traced_share * prices.xray.per_million_traces,
        ),
    ])
}

/// A file of rows, scored once.
pub fn per_nightly_run(
    measured: &Measured,
    deployed: &Deployment,
    prices: &Prices,
) -> Option<Bill> {
    let rows = deployed.nightly_rows;
    let second = seconds(deployed.batch_memory_mb, deployed, prices);
    // The file is announced, taken and deleted: three requests of the queue. Two claims, three outputs; pieces are 2 MiB.
    Some(Bill::of([
        ("Lambda, time", second * rows / measured.rows_per_second?),
        (
            "Lambda, requests",
            prices.lambda.per_million_requests / MILLION,
        ),
        ("DynamoDB, reads", reads(rows, deployed, prices)),
        ("DynamoDB, claims", writes(2.0, prices)),
        (
            "DynamoDB, predictions",
            writes(rows * prediction_units(deployed), prices),
        ),
        (
            "S3",
            (3.0 * prices.s3.per_thousand_puts + pieces(rows) * prices.s3.per_thousand_gets)
                / 1000.0,
        ),
        ("SQS", 3.0 * prices.sqs.per_million_requests / MILLION),
    ]))
}

/// A run over the whole base, for each million of its entities, with its chunks written before; no chunk is tried twice.
pub fn per_million_of_the_whole_base(
    measured: &Measured,
    deployed: &Deployment,
    prices: &Prices,
) -> Option<Bill> {
    let second = seconds(deployed.batch_memory_mb, deployed, prices);
    let bytes = MILLION * deployed.history_bytes;
    let chunks = (bytes / CHUNK_BYTES).max(MILLION / CHUNK_ROWS).ceil();
    // Written: the chunk, answers, rejects, report, and what the map notes of it. Read: two ranges of every row group, all of the chunk
    // once before to hash it, its footer twice; looked at: the chunk, its report and both outputs.
    let puts = 5.0 * chunks;
    let gets =
        2.0 * (bytes / PIECE_BYTES).ceil() + (PACKED * bytes / PIECE_BYTES).ceil() + 7.0 * chunks;
    let dynamodb = &prices.dynamodb;
    Some(Bill::of([
        (
            "Lambda, time",
            second * MILLION / measured.whole_rows_per_second?,
        ),
        (
            "Lambda, requests",
            (chunks + 2.0) * prices.lambda.per_million_requests / MILLION,
        ),
        (
            "Step Functions",
            (STATES_OF_RUN + STATES_OF_CHUNK * chunks) * prices.states.per_thousand_transitions
                / 1000.0,
        ),
        (
            "S3",
            (puts * prices.s3.per_thousand_puts + gets * prices.s3.per_thousand_gets) / 1000.0,
        ),
        (
            "DynamoDB, claims",
            chunks * (dynamodb.per_million_read_units + 2.0 * dynamodb.per_million_write_units)
                / MILLION,
        ),
    ]))
}

/// What a canary adds in an hour in which all environments have something new to note at every look, at most. Its requests cost what those
/// of the served version do.
pub fn per_hour_of_a_canary(deployed: &Deployment, prices: &Prices) -> Bill {
    let looks = LOOKS_PER_HOUR * deployed.environments;
    let units = (SAMPLE_BYTES / WRITE_UNIT_BYTES).ceil();
    Bill::of([(
        "DynamoDB, looks",
        looks * units * prices.dynamodb.per_million_write_units / MILLION,
    )])
}

/// What is paid for a month in which nobody asks: metrics that were written once in every hour, and metrics that
/// alarms watch.
pub fn per_month(metrics: usize, watched: usize, prices: &Prices) -> Bill {
    let each = &prices.cloudwatch;
    Bill::of([
        (
            "CloudWatch, metrics",
            metrics as f64 * each.per_metric_and_month,
        ),
        (
            "CloudWatch, alarms",
            watched as f64 * each.per_alarm_and_month,
        ),
    ])
}

/// What a second of a function costs.
fn seconds(memory_mb: f64, deployed: &Deployment, prices: &Prices) -> f64 {
    memory_mb / 1024.0 * prices.lambda.per_gb_second(deployed.is_arm64)
}

/// What it costs to read so many histories, which need not be the latest.
fn reads(histories: f64, deployed: &Deployment, prices: &Prices) -> f64 {
    let units = 0.5 * (deployed.history_bytes / READ_UNIT_BYTES).ceil().max(1.0);
    histories * units * prices.dynamodb.per_million_read_units / MILLION
}

/// Units that it takes to write the last prediction of a row, or to find that a newer one is there.
fn prediction_units(deployed: &Deployment) -> f64 {
    (deployed.prediction_bytes / WRITE_UNIT_BYTES).ceil()
}

fn writes(units: f64, prices: &Prices) -> f64 {
    units * prices.dynamodb.per_million_write_units / MILLION
}

/// Reads of a file of ids, in pieces of 2 MiB; 16 bytes are the id of a row with its line break.
fn pieces(rows: f64) -> f64 {
    (rows * 16.0 / (2.0 * 1024.0 * 1024.0)).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        let text = std::fs::read_to_string("../../infra/prices.toml").expect("the price list");
        let round = |line: &str| match line.split_once(" = ") {
            Some((name, value)) if value.parse::<f64>().is_ok() => format!("{name} = 2.0\n"),
            _ => format!("{line}\n"),
        };
        Prices::read(&text.lines().map(round).collect::<String>()).expect("prices")
    }

    fn measured() -> Measured {
        Measured {
            request_ms: 10.0,
            start_ms: 50.0,
            log_bytes: GB / 1e6,
            rows_per_second: Some(100.0),
            whole_rows_per_second: Some(200.0),
            requests: 1,
            metrics: 3,
        }
    }

    fn deployed() -> Deployment {
        Deployment {
            memory_mb: 512.0,
            batch_memory_mb: 1024.0,
            is_arm64: false,
            history_bytes: 9000.0,
            histories_per_request: 4.0,
            cold_share: 0.1,
            traced_share: 0.05,
            nightly_rows: 1e6,
            environments: 5.0,
            prediction_bytes: 1500.0,
        }
    }

    fn cost(bill: &Bill, what: &str) -> f64 {
        bill.lines
            .iter()
            .find(|line| line.what == what)
            .expect("a line")
            .cost
    }

    /// Every price is 2, so that each line is what a person works out in their head.
    #[test]
    fn a_million_requests_cost_what_their_parts_do() {
        let bill = per_million_requests(&measured(), &deployed(), &prices());
        for (what, expected) in [
            ("API Gateway", 2.0),
            ("Lambda, requests", 2.0),
            ("Lambda, time", 10_000.0 * 0.5 * 2.0),
            ("Lambda, starts", 5_000.0 * 0.5 * 2.0),
            // 9000 bytes are three pieces of 4 KB, half a unit each; four histories a request.
            ("DynamoDB, reads", 4.0 * 1.5 * 2.0),
            ("CloudWatch, logs", 2.0),
            ("X-Ray", 0.1),
        ] {
            assert!(
                (cost(&bill, what) - expected).abs() < 1e-9,
                "{what}: {}",
                cost(&bill, what)
            );
        }
        let sum: f64 = bill.lines.iter().map(|line| line.cost).sum();
        assert!((bill.total() - sum).abs() < 1e-9 && bill.lines.len() == 7);
    }

    #[test]
    fn a_nightly_run_costs_its_rows() {
        let bill =
            per_nightly_run(&measured(), &deployed(), &prices()).expect("rows were measured");
        assert!((cost(&bill, "Lambda, time") - 10_000.0 * 2.0).abs() < 1e-9);
        assert!((cost(&bill, "DynamoDB, reads") - 1.5 * 2.0).abs() < 1e-9);
        // 1500 bytes are two units of 1 KB.
        assert!((cost(&bill, "DynamoDB, predictions") - 2.0 * 2.0).abs() < 1e-9);
        // 16 MB of ids are eight pieces.
        assert!((cost(&bill, "S3") - (3.0 + 8.0) * 2.0 / 1000.0).abs() < 1e-12);
        let unknown = Measured {
            rows_per_second: None,
            ..measured()
        };
        assert_eq!(per_nightly_run(&unknown, &deployed(), &prices()), None);
        assert!((per_month(3, 2, &prices()).total() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn a_run_over_the_whole_base_costs_its_chunks_and_a_canary_its_looks() {
        let run = |history_bytes: f64| {
            let deployed = Deployment {
                history_bytes,
                ..deployed()
            };
            per_million_of_the_whole_base(&measured(), &deployed, &prices()).expect("rows")
        };
        let bill = run(67.0 * 1024.0 * 1024.0 / 1000.0);
        // 67 000 MiB are 1 046 chunks of 64 MiB and a smaller one, 33 500 row groups, and 17 755 pieces once packed.
        let chunks = 1_047.0;
        for (what, expected) in [
            ("Lambda, time", 5_000.0 * 2.0),
            ("Lambda, requests", (chunks + 2.0) * 2.0 / 1e6),
            ("Step Functions", (4.0 + 3.0 * chunks) * 2.0 / 1e3),
            (
                "S3",
                (5.0 * chunks + 67_000.0 + 17_755.0 + 7.0 * chunks) * 2.0 / 1e3,
            ),
            ("DynamoDB, claims", chunks * (2.0 + 4.0) / 1e6),
        ] {
            assert!(
                (cost(&bill, what) - expected).abs() < 1e-9,
                "{what}: {}",
                cost(&bill, what)
            );
        }
        // Of small histories 20 000 rows make a chunk.
        assert!((cost(&run(10.0), "DynamoDB, claims") - 50.0 * 6.0 / 1e6).abs() < 1e-12);
        let unknown = Measured {
            whole_rows_per_second: None,
            ..measured()
        };
        let without = per_million_of_the_whole_base(&unknown, &deployed(), &prices());
        assert_eq!(without, None);
        // 30 units a look, 360 looks of five environments.
        let canary = per_hour_of_a_canary(&deployed(), &prices());
        assert!((canary.total() - 360.0 * 5.0 * 30.0 * 2.0 / 1e6).abs() < 1e-12);
    }
}
