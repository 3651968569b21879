//! `storecast merge`.

use super::Failure;
use super::clock::CommandClock;
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
    pub(super) shop: ShopBucket,
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
    pub(super) fn read(&self) -> Result<(Shop, PathBuf), Failure> {
        let shop = Shop::read(&self.shop)?;
        let beside_loads = || PathBuf::from(".storecast").join(&shop.name).join("merge");
        let work = self.work.clone().unwrap_or_else(beside_loads);
        Ok((shop, work))
    }
}

impl MergeOrders {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let (shop, work) = self.shop.read()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let outcome = runtime.block_on(async {
            let settings = Settings::from_environment()?;
            let clients = Clients::from_environment().await;
            let clock = CommandClock::started();
            let merge = Merge {
                shop: &shop,
                bucket: &self.shop.bucket,
                files: &UploadedFiles::new(&clients),
                store: &DynamoStore::new(clients.dynamo, settings.table).reading_own_writes(),
                clock: &clock,
                owner: &clock.owner(),
                work: &work,
            };
            Ok::<_, Failure>(merge.run().await?)
        })?;
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

pub(super) fn tell(merged: &Merged) {
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
