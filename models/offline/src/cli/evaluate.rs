//! `storecast evaluate`.

use super::shop_data::ShopData;
use super::{Failure, ModelFolder, Which};
use crate::assess::Assess;
use crate::evaluate::MetricLine;
use crate::for_predictor;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code when a bar is missed.
const BAR_MISSED: u8 = 3;

#[derive(Args)]
pub(super) struct Evaluate {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    #[command(flatten)]
    folder: ModelFolder,
    /// Also write reliability and lift curves to this file, as JSON
    #[arg(long, value_name = "FILE")]
    curves: Option<PathBuf>,
    /// Print JSON lines; without it, a table
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), evaluate::<P>(self))
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the answer of a command for people and pipes"
)]
fn evaluate<P: Assess>(command: &Evaluate) -> Result<ExitCode, Failure> {
    let (shop, histories) = command.data.load()?;
    let assessed = P::assess(
        &shop,
        &histories,
        &command.folder.of::<P>(),
        command.folder.onnxruntime.as_deref(),
    )?;
    if let Some(path) = &command.curves {
        std::fs::write(path, serde_json::to_string(&assessed.curves)?)?;
    }
    for note in &assessed.notes {
        eprintln!("note: {note}");
    }
    for line in &assessed.lines {
        println!(
            "{}",
            if command.json {
                serde_json::to_string(line)?
            } else {
                row(line)
            }
        );
    }
    let missed = assessed.lines.iter().any(|line| line.pass == Some(false));
    Ok(if missed {
        ExitCode::from(BAR_MISSED)
    } else {
        ExitCode::SUCCESS
    })
}

fn row(line: &MetricLine) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
    let interval = line
        .interval
        .map_or_else(String::new, |[low, high]| format!("[{low:.4}, {high:.4}]"));
    let bar = match (&line.bar, line.pass) {
        (Some(bar), Some(true)) => format!("{bar}: met"),
        (Some(bar), _) => format!("{bar}: MISSED"),
        (None, _) => String::new(),
    };
    let baselines: Vec<_> = line
        .baselines
        .iter()
        .map(|(name, value)| format!("{name} {}", number(*value)))
        .collect();
    format!(
        "{:<22} {:>8} {:<18} {:<24} {}",
        line.metric,
        number(line.value),
        interval,
        bar,
        baselines.join(", ")
    )
}
