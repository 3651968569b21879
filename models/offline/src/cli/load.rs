//! `storecast load`.

use super::Failure;
use super::progress::counter;
use super::shop_data::ShopData;
use crate::histories::{Counts, Histories};
use crate::store;
use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use clap::Args;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
The table is a view of the files: a second run, overlapping files, late and corrected orders end in the same histories.
The table and its endpoint come from the environment: STORECAST_TABLE, STORECAST_MODEL_BUCKET, AWS_REGION,
AWS_ENDPOINT_URL_DYNAMODB and the usual credentials.")]
pub(super) struct Load {
    #[command(flatten)]
    data: ShopData,
    /// Check the files and say what would be loaded; write nothing but the work folder
    #[arg(long)]
    dry_run: bool,
}

impl Load {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let (shop, histories) = self.data.load()?;
        eprintln!("{}: {}", shop.name, described(histories.counts()));
        for note in histories.notes() {
            eprintln!("note: {note}");
        }
        if !self.dry_run {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(write(&histories))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn write(histories: &Histories) -> Result<(), Failure> {
    let settings = Settings::from_environment()?;
    let clients = Clients::from_environment().await;
    let bar = counter("writing histories", histories.counts().customers);
    let store = DynamoStore::new(clients.dynamo, settings.table);
    let loaded = store::write_all(&store, histories, &|done| bar.set_position(done)).await?;
    bar.finish_and_clear();
    for kind in loaded {
        eprintln!("{}", kind.described());
    }
    Ok(())
}

fn described(counts: &Counts) -> String {
    format!(
        "{} rows = {} kept + {} left out + {} rejected; {} orders of {} customers",
        counts.rows,
        counts.kept,
        counts.dropped_rows(),
        counts.rejected_rows(),
        counts.orders,
        counts.customers
    )
}
