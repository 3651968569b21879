//! `storecast load`.

use super::Failure;
use super::clock::CommandClock;
use super::merge::BUSY;
use super::progress::counter;
use super::shop_data::ShopData;
use crate::histories::{Counts, Histories};
use crate::orders::{Turn, forgotten};
use crate::shop::Shop;
use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use clap::Args;
use std::collections::BTreeMap;
use std::process::ExitCode;
use tokio::runtime::Runtime;

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
        if self.dry_run {
            let (shop, histories) = self.data.load()?;
            tell(&shop, &histories);
            return Ok(ExitCode::SUCCESS);
        }
        let settings = Settings::from_environment()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let clients = runtime.block_on(Clients::from_environment());
        let store = DynamoStore::new(clients.dynamo, settings.table);
        let clock = CommandClock::started();
        let owner = clock.owner();
        // The turn comes before anything is read: who is forgotten meanwhile would come back.
        let turn = runtime.block_on(Turn::take(&store, &owner, &clock))?;
        let turn = turn.ok_or(BUSY)?;
        let loaded = self.load_and_write(&runtime, &store, turn);
        if loaded.is_err() {
            runtime.block_on(Turn::give_up(&store, &owner))?;
        }
        loaded.map(|()| ExitCode::SUCCESS)
    }

    fn load_and_write(
        &self,
        runtime: &Runtime,
        store: &DynamoStore,
        turn: Turn<'_, DynamoStore>,
    ) -> Result<(), Failure> {
        let forgotten = runtime.block_on(forgotten(store))?;
        let (shop, histories) = self.data.load_without(&forgotten)?;
        tell(&shop, &histories);
        let counts = histories.counts();
        let bar = counter(
            "writing histories",
            counts.customers.max(counts.demand.skus),
        );
        let progress = |done| bar.set_position(done);
        let loaded = runtime.block_on(turn.write_all(&histories, &progress))?;
        bar.finish_and_clear();
        for kind in loaded {
            eprintln!("{}", kind.described());
        }
        Ok(())
    }
}

/// What the files hold.
fn tell(shop: &Shop, histories: &Histories) {
    eprintln!("{}: {}", shop.name, described(histories.counts()));
    for line in demand(histories) {
        eprintln!("{line}");
    }
    for note in histories.notes() {
        eprintln!("note: {note}");
    }
}

/// What is known of demand, and what became of the rows of tables.
fn demand(histories: &Histories) -> Vec<String> {
    let counts = histories.counts();
    let tables = counts.tables.iter().map(|(name, table)| {
        let lost = |reasons: &BTreeMap<String, u64>| reasons.values().sum::<u64>();
        format!(
            "{name}: {} rows = {} kept + {} left out + {} rejected",
            table.rows,
            table.kept,
            lost(&table.dropped),
            lost(&table.rejected)
        )
    });
    let mut lines: Vec<String> = tables.collect();
    if counts.demand.skus > 0 {
        let made_up = histories.is_stock_simulated();
        let stock = format!(
            "; {:.1} % of the days of active ones began without stock{}",
            100.0 * counts.demand.stock_out_share(),
            if made_up { " (simulated)" } else { "" }
        );
        lines.push(format!(
            "{} SKUs with {} days of sale{}",
            counts.demand.skus,
            counts.demand.sale_days,
            if counts.demand.stock_out_days > 0 {
                stock.as_str()
            } else {
                ""
            }
        ));
    }
    lines
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
