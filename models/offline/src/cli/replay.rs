//! `storecast replay`.

use super::connection::{Connection, block_on};
use super::prediction_log::{PredictionLog, salt};
use super::shop_data::ShopData;
use super::{Failure, Which};
use crate::entity::Entity;
use crate::for_predictor;
use crate::replay::{Difference, Names, Replayed, replay};
use clap::Args;
use serving::prediction_log::LoggedPrediction;
use serving::predictor::Train;
use std::path::PathBuf;
use std::process::ExitCode;

/// Differences shown of a line.
const SHOWN: usize = 8;

#[derive(Args)]
#[command(after_help = "\
Every logged prediction is asked again of the files as they are today, answered by the version that answered it, and compared in
every bit of its columns and scores. Ends with 1 when one differs: an order before its instant was changed since, or the code.
STORECAST_PREDICTION_LOG_SALT tells which hash is of whom; table, model bucket and endpoints come from the environment, as
for `load`.")]
pub(super) struct Replay {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    #[command(flatten)]
    log: PredictionLog,
    /// ONNX Runtime library; only graphs that are not tree ensembles need it
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

impl Replay {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), again::<P>(self))
    }
}

fn again<P: Train<History: Entity>>(command: &Replay) -> Result<ExitCode, Failure> {
    let lines = command.log.read(P::NAME)?.lines;
    let (_, histories) = command.data.load()?;
    let names = Names::of::<P::History>(&histories, salt().as_deref())?;
    let runtime = command.onnxruntime.as_deref();
    let replayed = block_on(async {
        let connection = Connection::open().await?;
        let artifacts = connection.artifacts();
        Ok(replay::<P>(&lines, &histories, &names, artifacts, runtime).await?)
    })?;
    tell(&lines, &replayed);
    Ok(if replayed.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[expect(
    clippy::print_stdout,
    reason = "the answer of a command for people and pipes"
)]
fn tell(lines: &[LoggedPrediction], replayed: &Replayed) {
    for (at, differences) in &replayed.different {
        let line = &lines[*at];
        println!(
            "{} as of {}, by {}:",
            line.entity, line.as_of, line.model_version
        );
        for difference in differences.iter().take(SHOWN) {
            println!("  {}", described(difference));
        }
        if differences.len() > SHOWN {
            println!("  and {} more", differences.len() - SHOWN);
        }
    }
    println!(
        "{} predictions: {} the same in every bit, {} differ, {} of versions that are gone, {} of nobody who is known, {} broken",
        lines.len(),
        replayed.same,
        replayed.different.len(),
        replayed.model_gone,
        replayed.entity_unknown,
        replayed.broken
    );
}

fn described(difference: &Difference) -> String {
    match difference {
        Difference::Rows { logged, recomputed } => {
            format!("{logged} rows were scored, today there are {recomputed}")
        }
        Difference::Column {
            row,
            name,
            logged,
            recomputed,
        } => format!("row {row}, {name}: {logged} was logged, today it is {recomputed}"),
        Difference::Score {
            row,
            logged,
            recomputed,
        } => format!("row {row}, raw score: {logged} was logged, today it is {recomputed}"),
    }
}
