//! `storecast features`.

use super::progress::counter;
use super::shop_data::ShopData;
use super::{Failure, Which};
use crate::entity::Entity;
use crate::treated::Treated;
use crate::{for_predictor, matrix};
use churn::Churn;
use clap::Args;
use serving::predictor::{Predictor, Train};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Writes into the folder: matrix.parquet (entity_id, cutoff, split, label, extra columns, one float32 column per feature), matrix.json
(what the columns and snapshots are), artifacts.json (what was fitted before the first snapshot) and
golden_histories.json (raw histories with their columns, for the model's golden rows).

Snapshots come from [training] in the shop file or, without it, from the end of the data backwards: three to test, one
to calibrate, the others to train, no label window reaching into the next part.")]
pub(super) struct Features {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    /// Folder to write to
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// CSV file (`customer_id`, `at`) of who got an offer when: rows of churn whose label an offer may have changed are left out
    #[arg(long, value_name = "FILE")]
    treated: Option<PathBuf>,
}

impl Features {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), features::<P>(self))
    }
}

fn features<P: Train<History: Entity>>(command: &Features) -> Result<ExitCode, Failure> {
    let (shop, histories) = command.data.load()?;
    let bar = counter("features", P::History::count(&histories));
    let treated = treated::<P>(command)?;
    let written =
        matrix::write_without::<P>(&shop, &histories, &command.out, &treated, &|| bar.inc(1))?;
    bar.finish_and_clear();
    eprintln!(
        "features: {} rows of {} {}s at {} snapshots, {} columns, in {:.2} s ({:.0} order lines a second)",
        written.rows,
        written.entities,
        P::History::KIND,
        written.snapshots,
        written.columns,
        written.seconds,
        written.lines_per_second
    );
    if command.treated.is_some() {
        eprintln!(
            "features: {} rows left out, because an offer may have changed their label",
            written.touched
        );
    }
    for warning in written.warnings {
        eprintln!("note: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Nobody where no file is named. Offers change whether customers leave, so what other functions learn from stays.
fn treated<P: Predictor>(command: &Features) -> Result<Treated, Failure> {
    let Some(path) = &command.treated else {
        return Ok(Treated::default());
    };
    if P::NAME != Churn::NAME {
        return Err(format!("--treated is for {} only", Churn::NAME).into());
    }
    let read = std::fs::read(path).map_err(|error| error.to_string());
    let read = read.and_then(|text| Treated::read(&text));
    Ok(read.map_err(|reason| format!("read {}: {reason}", path.display()))?)
}
