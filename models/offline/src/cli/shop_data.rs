//! The arguments every command over a shop's files shares.

use super::Failure;
use super::progress::Bar;
use crate::histories::Histories;
use crate::ingest::{Forgotten, NOBODY, Options};
use crate::remote::Remote;
use crate::shop::Shop;
use clap::Args;
use std::path::PathBuf;

/// Which shop, and where its files are.
#[derive(Args)]
pub(super) struct ShopData {
    /// The shop file that describes orders, products, currency and time zone
    #[arg(long, value_name = "SHOP.TOML")]
    pub(super) shop: PathBuf,
    /// Folder the shop's file names start from, in place of the one in the shop file
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Folder for checked histories and rejects; a second run over the same files starts from it
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
}

impl ShopData {
    /// Reads and checks the orders, or takes them from the work folder when no file has changed.
    pub(super) fn load(&self) -> Result<(Shop, Histories), Failure> {
        self.load_without(&NOBODY)
    }

    /// The same without the rows of some customers.
    pub(super) fn load_without(&self, forgotten: &Forgotten) -> Result<(Shop, Histories), Failure> {
        let shop = Shop::read(&self.shop)?;
        let work = self
            .work
            .clone()
            .unwrap_or_else(|| PathBuf::from(".storecast").join(&shop.name));
        let (bar, remote) = (Bar::new(), Remote::default());
        let options = Options {
            data_root: self.data.as_deref(),
            fetch: &remote,
            forgotten,
            progress: &|now| bar.show(now),
            ..Options::local(&work)
        };
        let histories = Histories::load(&shop, &options)?;
        bar.end();
        Ok((shop, histories))
    }
}
