//! `storecast cost`.

use super::Failure;
use crate::cost::bench::{Compared, priced};
use crate::cost::measured::Measured;
use crate::cost::prices::Prices;
use crate::cost::{
    Bill, Deployment, per_hour_of_a_canary, per_million_of_the_whole_base, per_million_requests,
    per_month, per_nightly_run,
};
use crate::functions::NAMES;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Metrics that the template's alarms watch, of all functions together: one each, and ten of the one that calculates.
const WATCHED: usize = 53;

#[derive(Args)]
#[command(after_help = "\
The log is what the functions write of themselves: that of `make demo` or `make dev`, or one exported from CloudWatch. Only
requests that were answered by warm environments count; a start is billed by the share of requests that meet one.
Milliseconds are those of the machine that wrote the log: measure again where it will run, with the memory it will have.

With --bench nothing is read of a log: the rows of `make bench` are priced, ours beside those of Python with ONNX Runtime, Lambda alone
(gateway, table and logs cost both the same). Memory is the measured peak and half of it, in steps of 128 MB; below 1769 MB, which is one
core, times are longer by as much as a core is missing, as if none of it were waiting.")]
pub(super) struct Cost {
    /// The function
    #[arg(value_parser = NAMES, required_unless_present = "bench")]
    function: Option<String>,
    /// Price what `make bench` measured: its target/bench/results.jsonl
    #[arg(long, value_name = "FILE", conflicts_with_all = ["function", "log"])]
    bench: Option<PathBuf>,
    /// Log of the functions
    #[arg(long, value_name = "FILE", default_value = ".storecast/functions.log")]
    log: PathBuf,
    /// Price list
    #[arg(long, value_name = "FILE", default_value = "infra/prices.toml")]
    prices: PathBuf,
    /// Memory of the function, MB
    #[arg(long, default_value_t = 512.0)]
    memory: f64,
    /// Memory of the function that scores files, MB
    #[arg(long, default_value_t = 1769.0)]
    batch_memory: f64,
    /// Price it as arm64
    #[arg(long)]
    arm64: bool,
    /// Bytes of a stored history, as `storecast load` says
    #[arg(long, default_value_t = 9357.0)]
    history_bytes: f64,
    /// Customers or SKUs of one request
    #[arg(long, default_value_t = 1.0)]
    per_request: f64,
    /// Share of requests that wait for a new environment
    #[arg(long, default_value_t = 0.01)]
    cold_share: f64,
    /// Share of requests whose trace is recorded
    #[arg(long, default_value_t = 0.05)]
    traced_share: f64,
    /// Rows of a nightly file
    #[arg(long, default_value_t = 100_000.0)]
    nightly_rows: f64,
    /// Environments that answer at once, each of which notes what a canary does
    #[arg(long, default_value_t = 10.0)]
    environments: f64,
    /// Share of the customers or SKUs whose predictions are kept in the data bucket, as `PredictionLogShare` of the template says
    #[arg(long, default_value_t = 0.0)]
    log_share: f64,
    /// Bytes of such a prediction [default: what one of the default shop has]
    #[arg(long, value_name = "BYTES")]
    logged_bytes: Option<f64>,
    /// Bytes of a last prediction, where `STORECAST_PREDICTIONS_TABLE` keeps one of each row; 0 where it keeps none
    #[arg(long, default_value_t = 0.0)]
    prediction_bytes: f64,
}

impl Cost {
    #[expect(clippy::print_stdout, reason = "the answer of a command for people")]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let prices = Prices::read(&read(&self.prices)?)
            .map_err(|error| format!("{}: {error}", self.prices.display()))?;
        match (&self.bench, &self.function) {
            (Some(results), _) => self.of_bench(results, &prices)?,
            (None, Some(function)) => self.of_log(function, &prices)?,
            (None, None) => return Err("a function, or --bench".into()),
        }
        println!("prices of {}:", self.prices.display());
        for (section, source, seen) in prices.seen() {
            println!("  [{section}] {source}\n    seen: {seen}");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn of_bench(&self, results: &Path, prices: &Prices) -> Result<(), Failure> {
        let found = priced(&read(results)?, self.deployment(0.0)?.cold_share, prices);
        let unit = format!("{} in {}", prices.currency, prices.region);
        for compared in found.map_err(|error| format!("{}: {error}", results.display()))? {
            show_beside(&compared, &unit);
        }
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "the answer of a command for people")]
    fn of_log(&self, function: &str, prices: &Prices) -> Result<(), Failure> {
        let measured = Measured::of(&read(&self.log)?, function)
            .map_err(|error| format!("{}: {error}", self.log.display()))?;
        let deployed = self.deployment(logged_bytes(function))?;
        let start = measured.start_ms.map_or_else(
            || "the log has no start of it".to_owned(),
            |start_ms| format!("a start takes {start_ms:.0} ms"),
        );
        println!(
            "{function}: {} warm requests, {:.2} ms billed on average, {:.0} bytes of log each; {start}\n",
            measured.requests, measured.request_ms, measured.log_bytes
        );
        let unit = format!("{} in {}", prices.currency, prices.region);
        show(
            &format!("a million requests, {unit}"),
            &per_million_requests(&measured, &deployed, prices),
        );
        let rows = self.nightly_rows;
        let known = [
            (
                format!("a file of {rows} rows"),
                per_nightly_run(&measured, &deployed, prices),
            ),
            (
                "a run over the whole base, for a million of it".to_owned(),
                per_million_of_the_whole_base(&measured, &deployed, prices),
            ),
        ];
        for (what, bill) in known {
            match bill {
                Some(bill) => show(&format!("{what}, {unit}"), &bill),
                None => println!("{what}: not known, the log has none of this function\n"),
            }
        }
        let environments = self.environments;
        show(
            &format!("an hour of a canary, {environments} environments, at most, {unit}"),
            &per_hour_of_a_canary(&deployed, prices),
        );
        let fixed = per_month(measured.metrics, WATCHED, prices);
        show(
            &format!("a month without a request, {unit}; metrics of this function, alarms of all"),
            &fixed,
        );
        Ok(())
    }

    fn deployment(&self, logged_bytes: f64) -> Result<Deployment, Failure> {
        let logged_bytes = self.logged_bytes.unwrap_or(logged_bytes);
        for (name, share) in [
            ("--cold-share", self.cold_share),
            ("--traced-share", self.traced_share),
            ("--log-share", self.log_share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("{name} is {share}, allowed are 0 to 1").into());
            }
        }
        for (name, amount) in [
            ("--memory", self.memory),
            ("--batch-memory", self.batch_memory),
            ("--history-bytes", self.history_bytes),
            ("--per-request", self.per_request),
            ("--nightly-rows", self.nightly_rows),
            ("--environments", self.environments),
            ("--prediction-bytes", self.prediction_bytes),
            ("--logged-bytes", logged_bytes),
        ] {
            if !(amount >= 0.0 && amount.is_finite()) {
                return Err(format!("{name} is {amount}, allowed is 0 or more").into());
            }
        }
        Ok(Deployment {
            memory_mb: self.memory,
            batch_memory_mb: self.batch_memory,
            is_arm64: self.arm64,
            history_bytes: self.history_bytes,
            histories_per_request: self.per_request,
            cold_share: self.cold_share,
            traced_share: self.traced_share,
            nightly_rows: self.nightly_rows,
            environments: self.environments,
            prediction_bytes: self.prediction_bytes,
            log_share: self.log_share,
            logged_bytes,
        })
    }
}

/// Bytes of a line of the log of predictions: means over lines that the functions wrote of the default shop, of 94 customers, 20 of the
/// products that sell best, and `home` recommendations to 100 customers.
fn logged_bytes(function: &str) -> f64 {
    match function {
        "churn" => 733.0,
        "inventory" => 1_969.0,
        _ => 46_689.0,
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file);
    Ok(text.map_err(|error| format!("read {}: {error}", file.display()))?)
}

#[expect(clippy::print_stdout, reason = "the answer of a command for people")]
fn show_beside(compared: &Compared, unit: &str) {
    let Compared { of, ours, peer } = compared;
    println!("a million {of}, {unit}");
    println!("  {:<22}{:>12}{:>12}", "", "ours", "the peer");
    let line = |what: &str, ours: f64, peer: f64, decimals: usize| {
        println!("  {what:<22}{ours:>12.decimals$}{peer:>12.decimals$}");
    };
    line("memory, MB", ours.memory_mb, peer.memory_mb, 0);
    line("billed for one, ms", ours.billed_ms, peer.billed_ms, 1);
    for (of_ours, of_peer) in ours.bill.lines.iter().zip(&peer.bill.lines) {
        line(of_ours.what, of_ours.cost, of_peer.cost, 4);
    }
    line("together", ours.bill.total(), peer.bill.total(), 4);
    println!();
}

#[expect(clippy::print_stdout, reason = "the answer of a command for people")]
fn show(title: &str, bill: &Bill) {
    println!("{title}");
    for line in &bill.lines {
        println!("  {:<22}{:>12.4}", line.what, line.cost);
    }
    println!("  {:<22}{:>12.4}\n", "together", bill.total());
}
