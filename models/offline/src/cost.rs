//! What answers cost on AWS: measured milliseconds, bytes and rows times a price list that the user may edit.
//!
//! Measured is what the functions wrote of themselves: every request leaves a line with its milliseconds and rows. Nothing
//! here was seen on a bill; see `infra/README.md`.

pub mod bench;
pub mod measured;
pub mod prices;

use measured::Measured;
use prices::Prices;
use serving::batch::limits::Limits;

/// Bytes of a read unit. Source: DynamoDB developer guide, read consistency and capacity.
const READ_UNIT_BYTES: f64 = 4096.0;
/// Bytes of a write unit. Source: the same.
const WRITE_UNIT_BYTES: f64 = 1024.0;
/// Bytes of a gigabyte as bills count it.
const GB: f64 = 1_073_741_824.0;
const MILLION: f64 = 1e6;
/// What Lambda itself logs of an invocation that is not traced, which the function's own log has not. Source: Lambda developer guide, the
/// lines START, END and REPORT of the text format.
const LINES_OF_LAMBDA: &str = "\
START RequestId: 0c5d4f80-0b1e-41f0-9a1c-0a1b2c3d4e5f Version: 12
END RequestId: 0c5d4f80-0b1e-41f0-9a1c-0a1b2c3d4e5f
REPORT RequestId: 0c5d4f80-0b1e-41f0-9a1c-0a1b2c3d4e5f\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\tMax Memory Used: 24 MB\t
";

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
/// Months for which kept predictions lie in the data bucket: 400 days, see `infra/template.yaml`.
const KEPT_MONTHS: f64 = 400.0 / (365.0 / 12.0);
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
    /// Share of the entities whose predictions are kept in the data bucket, 0 to 1.
    pub log_share: f64,
    /// Bytes of such a prediction, on average.
    pub logged_bytes: f64,
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
    let start = measured.start_ms.map(|start_ms| {
        let cold_ms = deployed.cold_share * start_ms;
        ("Lambda, starts", second * cold_ms / 1000.0 * MILLION)
    });
    let asked = deployed.histories_per_request;
    // Of a request one object is written if any of its entities is one of those that are kept.
    let is_kept = 1.0 - (1.0 - deployed.log_share).powf(asked);
    let before = [
        ("API Gateway", prices.gateway.per_million_requests),
        ("Lambda, requests", prices.lambda.per_million_requests),
        (
            "Lambda, time",
            second * measured.request_ms / 1000.0 * MILLION,
        ),
    ];
    let after = [
        ("DynamoDB, reads", reads(asked, deployed, prices) * MILLION),
        (
            "CloudWatch, logs",
            logs(measured.log_bytes, prices) * MILLION,
        ),
        (
            "X-Ray",
            deployed.traced_share * prices.xray.per_million_traces,
        ),
    ];
    let kept = kept(is_kept * MILLION, asked * MILLION, deployed, prices);
    Bill::of(before.into_iter().chain(start).chain(after).chain(kept))
}

/// A file of rows, scored once.
pub fn per_nightly_run(
    measured: &Measured,
    deployed: &Deployment,
    prices: &Prices,
) -> Option<Bill> {
    let files = measured.files.as_ref()?;
    let rows = deployed.nightly_rows;
    let second = seconds(deployed.batch_memory_mb, deployed, prices);
    // The file is announced, taken and deleted: three requests of the queue. Two claims, three outputs; pieces are 2 MiB.
    let bill = [
        ("Lambda, time", second * rows / files.rows_per_second),
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
        ("CloudWatch, logs", logs(files.log_bytes, prices)),
    ];
    let kept = kept(asked_together(rows, deployed), rows, deployed, prices);
    Some(Bill::of(bill.into_iter().chain(kept)))
}

/// A run over the whole base, for each million of its entities, with its chunks written before; no chunk is tried twice.
pub fn per_million_of_the_whole_base(
    measured: &Measured,
    deployed: &Deployment,
    prices: &Prices,
) -> Option<Bill> {
    let scored = measured.chunks.as_ref()?;
    let second = seconds(deployed.batch_memory_mb, deployed, prices);
    let bytes = MILLION * deployed.history_bytes;
    let chunks = (bytes / CHUNK_BYTES).max(MILLION / CHUNK_ROWS).ceil();
    // Written: the chunk, answers, rejects, report, and what the map notes of it. Read: two ranges of every row group, all of the chunk
    // once before to hash it, its footer twice; looked at: the chunk, its report and both outputs.
    let puts = 5.0 * chunks;
    let gets =
        2.0 * (bytes / PIECE_BYTES).ceil() + (PACKED * bytes / PIECE_BYTES).ceil() + 7.0 * chunks;
    let dynamodb = &prices.dynamodb;
    let bill = [
        ("Lambda, time", second * MILLION / scored.rows_per_second),
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
        // Beginning and reconciling are taken for chunks, too.
        (
            "CloudWatch, logs",
            (chunks + 2.0) * logs(scored.log_bytes, prices),
        ),
    ];
    let kept = kept(asked_together(MILLION, deployed), MILLION, deployed, prices);
    Some(Bill::of(bill.into_iter().chain(kept)))
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

/// What it costs to take in the logs of an invocation that writes so many bytes itself.
fn logs(bytes: f64, prices: &Prices) -> f64 {
    (bytes + LINES_OF_LAMBDA.len() as f64) / GB * prices.cloudwatch.per_gb_of_logs
}

/// Chunks of rows that are asked about together, each of which makes one object of kept predictions; the first ones of a file are
/// smaller, which does not count here.
fn asked_together(rows: f64, deployed: &Deployment) -> f64 {
    let limits = Limits::default();
    let by_bytes = limits.chunk_history_bytes as f64 / deployed.history_bytes.max(1.0);
    (rows / by_bytes.clamp(1.0, limits.chunk_rows as f64)).ceil()
}

/// So many objects written with the predictions that are kept of so many entities, and how long these lie there.
fn kept(
    objects: f64,
    entities: f64,
    deployed: &Deployment,
    prices: &Prices,
) -> [(&'static str, f64); 2] {
    let share = deployed.log_share;
    let objects = if share > 0.0 { objects } else { 0.0 };
    let bytes = entities * share * deployed.logged_bytes;
    [
        (
            "S3, kept predictions",
            objects * prices.s3.per_thousand_puts / 1000.0,
        ),
        (
            "S3, 400 days of them",
            bytes / GB * KEPT_MONTHS * prices.s3.per_gb_and_month,
        ),
    ]
}

/// Reads of a file of ids, in pieces of 2 MiB; 16 bytes are the id of a row with its line break.
fn pieces(rows: f64) -> f64 {
    (rows * 16.0 / (2.0 * 1024.0 * 1024.0)).ceil()
}

#[cfg(test)]
mod tests;
