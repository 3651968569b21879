//! Histories of customers and SKUs on disk, grouped from any number of files in bounded memory.
//!
//! Checked lines are spilled to partitions by a hash of the customer, each partition is grouped in memory, and the
//! histories are written one after the other, in the order of that hash. The result depends on the set of input files
//! only: not on the order of rows, not on the order in which files are named, not on how often a load is run.
//!
//! An order is known by its customer and its id. When several files hold it, the file whose rows were updated last
//! (where the shop has such a column), then the one whose name sorts last, replaces the others as a whole.
//!
//! What then was bought is spilled a second time, by product, beside what tables say of stock, open orders and
//! promotions, and becomes the demand for SKUs. Guests count for it even where they are no customers.
//!
//! ```no_run
//! use offline::histories::Histories;
//! use offline::ingest::Options;
//! use offline::shop::Shop;
//! let shop = Shop::read("models/shops/cdnow.toml".as_ref())?;
//! let histories = Histories::load(&shop, &Options::local(".storecast/cdnow".as_ref()))?;
//! for customer in histories.customers() {
//!     let (id, history) = customer?;
//!     assert!(!id.is_empty() && !history.orders().is_empty());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod counts;
mod demand;
mod group;
mod records;
mod sales;
mod spill;
mod stamp;

pub use counts::{Counts, DemandCounts};
pub use records::Stored;

use crate::ingest::{Inputs, LoadError, Options};
use crate::shop::{Shop, Stock};
use features::demand::{DemandHistory, codec as demand_codec, day_start};
use features::history::CustomerHistory;
use features::{codec, time::Timestamp};
use serving::predictor::ProductFacts;
use stamp::Stamp;
pub(crate) use stamp::code;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bytes of one stored history at most. A `DynamoDB` item ends at 400 KB; the rest is left for its key and attributes.
pub const RECORD_LIMIT_BYTES: usize = 390_000;

/// The histories of all customers and SKUs of a shop, on disk; iterate as often as needed.
#[derive(Debug, Clone)]
pub struct Histories {
    work: PathBuf,
    stamp: Stamp,
    reused: bool,
    simulated: bool,
    has_locations: bool,
}

impl Histories {
    /// Loads a shop's orders, or opens what an earlier load of the same files left in the work folder.
    ///
    /// Same means: the same `shop.toml`, and files of the same names, sizes and times of change.
    pub fn load(shop: &Shop, options: &Options<'_>) -> Result<Self, LoadError> {
        std::fs::create_dir_all(options.work)
            .map_err(LoadError::io(format!("create {}", options.work.display())))?;
        let inputs = Inputs::of(shop, options)?;
        let fingerprint = stamp::fingerprint(shop, &inputs, options.forgotten);
        let found =
            Stamp::read(options.work).filter(|stamp| stamp.fits(&fingerprint, options.work));
        let reused = found.is_some();
        let stamp = if let Some(stamp) = found {
            stamp
        } else {
            Stamp::remove(options.work)?;
            let mut stamp = build::build(shop, &inputs, options)?;
            stamp.fingerprint = fingerprint;
            stamp.write(options.work)?;
            stamp
        };
        Ok(Self {
            work: options.work.to_owned(),
            stamp,
            reused,
            has_locations: shop.orders.columns.location.is_some(),
            simulated: matches!(shop.stock, Some(Stock::Simulated(_))),
        })
    }

    /// Every customer with an order, in an order that depends on their ids only.
    ///
    /// One history is in memory at a time.
    pub fn customers(&self) -> Stored<CustomerHistory> {
        let path = self.work.join(build::CUSTOMERS);
        Stored::open(path, self.stamp.counts.customers, codec::decode)
    }

    /// Every SKU, in an order that depends on their ids only: what was sold, and when it could not be.
    ///
    /// The id is the product's, or `product@location` where the shop tells locations apart.
    pub fn skus(&self) -> Stored<DemandHistory> {
        self.demand(build::SKUS, self.stamp.counts.demand.skus)
    }

    /// The demand behind [`skus`](Self::skus) where their stock is simulated, in the same order; `None` elsewhere.
    ///
    /// For evaluation only: a model that saw it would know what no shop knows.
    pub fn true_skus(&self) -> Option<Stored<DemandHistory>> {
        let skus = self.stamp.counts.demand.skus;
        self.simulated.then(|| self.demand(build::TRUTH, skus))
    }

    /// What was sold of each category: sums over [`skus`](Self::skus), without stock.
    pub fn category_totals(&self) -> Stored<DemandHistory> {
        self.demand(build::TOTALS, self.stamp.counts.demand.totals)
    }

    /// What the product file says of brands and costs, by product id.
    pub fn products(&self) -> Result<BTreeMap<String, ProductFacts>, LoadError> {
        let path = self.work.join(build::PRODUCTS);
        let place = || format!("read {}", path.display());
        let text = std::fs::read(&path).map_err(LoadError::io(place()))?;
        serde_json::from_slice(&text).map_err(|error| LoadError::Damaged {
            reason: error.to_string(),
            path,
        })
    }

    fn demand(&self, file: &str, count: u64) -> Stored<DemandHistory> {
        Stored::open(self.work.join(file), count, demand_codec::decode)
    }

    /// What became of every row.
    pub fn counts(&self) -> &Counts {
        &self.stamp.counts
    }

    /// What a person should know and need not act on.
    pub fn notes(&self) -> &[String] {
        &self.stamp.notes
    }

    /// The instant of the first order of a customer.
    pub fn first_order(&self) -> Timestamp {
        self.stamp.first_order
    }

    /// The second after the last order of a customer: up to here, exclusive, orders are known.
    pub fn complete_through(&self) -> Timestamp {
        Timestamp(self.stamp.last_order.0 + 1)
    }

    /// The days of which the demand is known, as UTC midnights: the first, and the first that is not.
    ///
    /// The day of the last order may be partial, so it is not known yet.
    pub fn known_days(&self) -> (Timestamp, Timestamp) {
        (
            day_start(self.stamp.first_day),
            day_start(self.stamp.last_day),
        )
    }

    /// Whether an earlier load was found and no file was read.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether the stock is made up.
    pub fn is_stock_simulated(&self) -> bool {
        self.simulated
    }

    /// The product of a SKU, which is `product@location` where the shop tells locations apart.
    pub fn product_of<'a>(&self, sku_id: &'a str) -> &'a str {
        let parts = sku_id.rsplit_once('@').filter(|_| self.has_locations);
        parts.map_or(sku_id, |(product_id, _)| product_id)
    }

    /// A name of this content: equal for equal files and an equal `shop.toml`.
    pub fn fingerprint(&self) -> &str {
        &self.stamp.fingerprint
    }
}
