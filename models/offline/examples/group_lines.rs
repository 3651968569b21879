//! Groups order lines of a CSV file by customer or product, and says what that took:
//! `cargo run --release --example group_lines -- churn LINES ENTITIES` (or `inventory`).
//!
//! The lines are made up, in order of time, of one entity after the other; to make them is in the peak and not in the time.

use churn::Churn;
use inventory::Inventory;
use serving::batch::limits::{FileFault, Limits};
use serving::batch::rows::{CsvRows, Grouping};
use serving::predictor::Predictor;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const HEADER: &str =
    "customer_id,order_id,placed_at,product_id,category,quantity,net_minor,discount_minor\n";
const LINES_AT_ONCE: u64 = 20_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [function, lines, entities] = arguments.as_slice() else {
        return Err("usage: group_lines churn|inventory LINES ENTITIES".into());
    };
    let shape = match function.as_str() {
        "churn" => Churn::rows(),
        "inventory" => Inventory::rows(),
        other => return Err(format!("{other} groups no lines, allowed: churn, inventory").into()),
    };
    let shape = shape.ok_or("no files")?;
    let (lines, entities): (u64, u64) = (lines.parse()?, entities.parse()?);
    let limits = Limits::default();
    let mut grouping = Grouping::new(shape, &limits).ok_or("no order lines")?;
    let mut csv = CsvRows::new(shape, &limits);
    let (mut rows, mut bytes, mut took) = (Vec::new(), 0, Duration::ZERO);
    csv.push(HEADER.as_bytes(), &mut rows).map_err(told)?;
    for first in (0..lines).step_by(LINES_AT_ONCE as usize) {
        let text = made_up(first..lines.min(first + LINES_AT_ONCE), lines, entities)?;
        bytes += text.len();
        let started = Instant::now();
        csv.push(text.as_bytes(), &mut rows).map_err(told)?;
        for row in rows.drain(..) {
            grouping.add(row).map_err(told)?;
        }
        took += started.elapsed();
    }
    let started = Instant::now();
    let grouped = grouping.grouped(0);
    let rejected = grouped.filter(|row| row.body.is_err()).count();
    took += started.elapsed();
    writeln!(
        std::io::stdout(),
        "{lines} lines of {entities}, {:.1} MB of CSV: {:.2} s, {} at most, {rejected} rejected",
        bytes as f64 / 1e6,
        took.as_secs_f64(),
        peak()?
    )?;
    Ok(())
}

fn told(fault: FileFault) -> String {
    fault.to_string()
}

/// Lines of these numbers out of `lines`, some years of them.
fn made_up(
    numbers: std::ops::Range<u64>,
    lines: u64,
    entities: u64,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for number in numbers {
        let entity = number % entities;
        let minutes = number * 1_000 * 1_440 / lines;
        let (day, hour, minute) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
        let (year, month, of_month) = (2023 + day / 336, 1 + day % 336 / 28, 1 + day % 28);
        let price = 99 + number % 900;
        writeln!(
            text,
            "{entity:07},{number:011},{year}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:00Z,{entity:07},PRODUCE,1,{price},0"
        )?;
    }
    Ok(text)
}

/// The most memory that this process had, as Linux counts it.
fn peak() -> Result<String, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(format!(
        "{} MB",
        kib.ok_or("no peak")?.parse::<u64>()? * 1024 / 1_000_000
    ))
}
