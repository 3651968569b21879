//! `storecast merge`.

use super::Failure;
use super::clock::CommandClock;
use super::connection::block_on;
use crate::orders::{Files, Merge, Merged, ORDERS, Outcome};
use crate::shop::Shop;
use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use aws::uploaded_files::UploadedFiles;
use clap::Args;
use serving::wire::format_instant;
use std::path::PathBuf;
use std::process::ExitCode;

/// What somebody else's turn costs.
pub(super) const BUSY: &str =
    "another merge or load is under way; try again when it has ended, or its time has";

#[derive(Args)]
#[command(after_help = "\
The files below uploads/orders/ are the truth and the table is a view of them: run it as often as you like, beside uploads,
other merges and crashed ones. Each file has a report and its bad rows below merged/orders/; a file that cannot be loaded
has a report below quarantine/orders/ as well. The table and endpoints come from the environment, as for `load`.")]
pub(super) struct MergeOrders {
    #[command(flatten)]
    shop: ShopBucket,
}

/// A shop whose files keep coming, and where they come to.
#[derive(Args)]
pub(super) struct ShopBucket {
    /// The shop file; its patterns are relative to uploads/orders/
    #[arg(long, value_name = "SHOP.TOML")]
    shop: PathBuf,
    /// The bucket of uploads
    #[arg(long)]
    pub(super) bucket: String,
    /// Folder for fetched files and histories; the next run starts from it
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
}

impl ShopBucket {
    pub(super) async fn connect(&self) -> Result<Connected<'_>, Failure> {
        let shop = Shop::read(&self.shop)?;
        let beside_loads = || PathBuf::from(".storecast").join(&shop.name).join("merge");
        let work = self.work.clone().unwrap_or_else(beside_loads);
        let settings = Settings::from_environment()?;
        let clients = Clients::from_environment().await;
        let clock = CommandClock::started();
        let table = |table| DynamoStore::new(clients.dynamo.clone(), table).reading_own_writes();
        Ok(Connected {
            bucket: &self.bucket,
            shop,
            work,
            files: UploadedFiles::new(&clients),
            store: table(settings.table),
            last: settings.predictions.map(|kept| table(kept.table)),
            owner: clock.owner(),
            clock,
        })
    }
}

/// All that a merge works with, which outlives it.
pub(super) struct Connected<'a> {
    bucket: &'a str,
    shop: Shop,
    work: PathBuf,
    files: UploadedFiles,
    store: DynamoStore,
    /// Last predictions, where the functions keep any.
    pub(super) last: Option<DynamoStore>,
    clock: CommandClock,
    owner: String,
}

impl Connected<'_> {
    pub(super) fn merge(&self) -> Merge<'_, UploadedFiles, DynamoStore, CommandClock> {
        Merge {
            shop: &self.shop,
            bucket: self.bucket,
            files: &self.files,
            store: &self.store,
            clock: &self.clock,
            owner: &self.owner,
            work: &self.work,
        }
    }
}

impl MergeOrders {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let outcome = block_on(async { Ok(self.shop.connect().await?.merge().run().await?) })?;
        match outcome {
            Outcome::Merged(merged) => tell(&merged),
            Outcome::Unchanged => eprintln!("nothing new below {ORDERS}"),
            Outcome::NoOrders(files) => {
                eprintln!(
                    "{}: no order is in them, the table is as it was",
                    counted(files)
                );
            }
            Outcome::Busy => return Err(BUSY.into()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn counted(files: Files) -> String {
    let Files { accepted, refused } = files;
    format!("{accepted} files accepted, {refused} refused")
}

fn tell(merged: &Merged) {
    let until = features::time::Timestamp(merged.complete_through);
    let until = format_instant(until);
    eprintln!("{}; orders are known up to {until}", counted(merged.files));
    for kind in &merged.changed {
        eprintln!(
            "{}: {} of {} records written, {} removed",
            kind.kind, kind.written, kind.records, kind.removed
        );
    }
}
