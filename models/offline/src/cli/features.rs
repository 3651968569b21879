//! `storecast features`.

use super::progress::counter;
use super::shop_data::ShopData;
use super::{Failure, Which};
use crate::entity::Entity;
use crate::{for_predictor, matrix};
use clap::Args;
use serving::predictor::Train;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Writes into the folder: matrix.parquet (entity_id, cutoff, split, label, extra columns, one float32 column per feature), matrix.json
(what the columns and snapshots are), artifacts.json (what was fitted before the first snapshot) and
golden_histories.json (raw histories with their columns, for the model's golden rows).

Snapshots come from [training] in the shop file or, without it, from the end of the data backwards: three to test, one
to calibrate, the others to train, no label window reaching into the next part. Of churn the rows are left out whose label an
offer may have changed, by the file that `training.treated` of the shop file names.")]
pub(super) struct Features {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    /// Folder to write to
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl Features {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), features::<P>(self))
    }
}

fn features<P: Train<History: Entity>>(command: &Features) -> Result<ExitCode, Failure> {
    let (shop, histories) = command.data.load()?;
    let bar = counter("features", P::History::count(&histories));
    let written = matrix::write::<P>(&shop, &histories, &command.out, &|| bar.inc(1))?;
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
    if written.touched > 0 {
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
