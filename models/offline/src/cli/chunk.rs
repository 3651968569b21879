//! `storecast chunk`.

use super::clock::CommandClock;
use super::merge::BUSY;
use super::progress::counter;
use super::shop_data::ShopData;
use super::{Failure, Which};
use crate::entity::Entity;
use crate::for_predictor;
use crate::orders::{Turn, forgotten};
use crate::whole::{ChunkSize, of_kind, publish, write_chunks};
use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use aws::uploaded_files::UploadedFiles;
use clap::Args;
use features::demand::DemandHistory;
use features::time::Timestamp;
use serving::batch::shape::RowShape;
use serving::batch::whole::Base;
use serving::predictor::Predictor;
use serving::wire::format_instant;
use std::process::ExitCode;
use tokio::runtime::Runtime;

#[derive(Args)]
#[command(after_help = "\
Run it after `load` or `merge`, over the same files: what it writes under whole/<function>/ is what they put into the table, in tables
that a run over the whole base reads instead. The manifest comes last, so a run never sees half of it; equal files give equal
chunks. The table (who is forgotten, whose turn it is) and endpoints come from the environment, as for `load`.")]
pub(super) struct ChunkBase {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    /// The bucket of uploads, chunks and answers
    #[arg(long)]
    bucket: String,
    /// Rows of a chunk at most; one is scored by one invocation
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Megabytes of histories of a chunk, about
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1024))]
    megabytes: u64,
}

impl ChunkBase {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let shape = for_predictor!(self.which.function.as_str(), rows_of::<P>());
        let shape = shape.ok_or("this function scores no files")?;
        let settings = Settings::from_environment()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let clients = runtime.block_on(Clients::from_environment());
        let files = UploadedFiles::new(&clients);
        let store = DynamoStore::new(clients.dynamo, settings.table);
        let clock = CommandClock::started();
        let owner = clock.owner();
        // As for a load: who is forgotten meanwhile would come back.
        let turn = runtime.block_on(Turn::take(&store, &owner, &clock))?;
        let mut turn = turn.ok_or(BUSY)?;
        let written = self.write(&runtime, &store, &files, shape);
        let released = runtime.block_on(turn.release());
        let base = written?;
        // Only a turn that was never lost proves that nobody in them was forgotten meanwhile.
        released?;
        runtime.block_on(publish(&files, &self.bucket, &self.which.function, &base))?;
        eprintln!(
            "{}: {} rows in {} chunks, known up to {}; {}",
            self.which.function,
            base.rows,
            base.chunk_count,
            format_instant(Timestamp(base.complete_through_seconds)),
            Base::key(&self.which.function)
        );
        Ok(ExitCode::SUCCESS)
    }

    fn write(
        &self,
        runtime: &Runtime,
        store: &DynamoStore,
        files: &UploadedFiles,
        shape: &RowShape,
    ) -> Result<Base, Failure> {
        let forgotten = runtime.block_on(forgotten(store))?;
        let (_, histories) = self.data.load_without(&forgotten)?;
        let counts = histories.counts();
        let most = if shape.kind == DemandHistory::KIND {
            counts.demand.skus
        } else {
            counts.customers
        };
        let bar = counter("writing chunks", most);
        let size = ChunkSize {
            rows: self.rows,
            bytes: self.megabytes << 20,
        };
        let function = &self.which.function;
        let progress = |done| bar.set_position(done);
        let write = write_chunks(
            files,
            &self.bucket,
            function,
            shape,
            of_kind(shape.kind, &histories),
            size,
            &progress,
        );
        let base = runtime.block_on(write)?;
        bar.finish_and_clear();
        Ok(base)
    }
}

fn rows_of<P: Predictor>() -> Option<&'static RowShape> {
    P::rows()
}
