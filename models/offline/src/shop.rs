//! `shop.toml`: what one shop's exports look like, parsed and checked before a row is read.
//!
//! The file says where the orders are, which column means what, and the shop's habits: decimal style, date formats,
//! zones, cancellations, guests, codes that are no products. A key this code does not know is refused, so that a
//! misspelt setting never passes for its default. `models/shops/` holds examples that work.
//!
//! ```
//! use offline::shop::Shop;
//! let text = r#"
//! format = 1
//! name = "corner"
//! currency = "EUR"
//! source = "till export"
//! licence = "own data"
//! data_root = "exports"
//!
//! [time]
//! naive_zone = "Europe/Vienna"
//!
//! [orders]
//! files = ["orders-*.csv.gz"]
//! dates = ["%d.%m.%Y %H:%M"]
//!
//! [orders.layout]
//! delimiter = ";"
//! decimal = "1.234,50"
//!
//! [orders.columns]
//! customer_id = "Kunde"
//! placed_at = "Datum"
//! amount = "Betrag"
//! "#;
//! let shop = Shop::parse(text, "corner/shop.toml".as_ref())?;
//! assert_eq!(shop.data_root, std::path::Path::new("corner/exports"));
//! # Ok::<(), offline::shop::ShopError>(())
//! ```

mod check;
mod currency;
mod sections;
mod supply;
mod training;

pub use currency::Currency;
pub use sections::{
    AmountIs, DecimalStyle, Discounts, Drops, Duplicates, FileFormat, Guests, Layout, OrderColumns,
    Orders, ProductColumns, Products, Returns,
};

pub(crate) use supply::Columns;
pub use supply::{OnOrderColumns, PromotionColumns, Stock, StockColumns, Table};

use crate::cutoffs::Cutoffs;
use features::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// The layout of `shop.toml` this code reads.
pub const FORMAT: u32 = 1;

/// One shop, checked: every value is within its limits and every zone exists.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Where the description was read from.
    pub path: PathBuf,
    /// Short name, used in folders and in the manifest: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Where the data comes from, in words.
    pub source: String,
    /// Under which licence it may be used, in words.
    pub licence: String,
    /// The folder (or `s3://` prefix) that file patterns are relative to; a relative one starts at the `shop.toml`.
    pub data_root: PathBuf,
    /// The zones of time stamps and of days.
    pub time: Zones,
    /// The order files.
    pub orders: Orders,
    /// The product files, when the shop has any.
    pub products: Option<Products>,
    /// Where stock levels come from, when the shop says so.
    pub stock: Option<Stock>,
    /// Orders to suppliers that are under way.
    pub on_order: Option<Table<OnOrderColumns>>,
    /// Promotions, past and planned.
    pub promotions: Option<Table<PromotionColumns>>,
    /// Lines that are left out, and counted.
    pub drop: Drops,
    /// Horizon and snapshots.
    pub training: Training,
    /// The text it was parsed from; part of the stamp that decides whether a result can be reused.
    pub text: String,
}

/// The two zones of a shop, which need not be the same.
#[derive(Debug, Clone)]
pub struct Zones {
    /// The zone of time stamps that name no offset.
    pub naive: TimeZone,
    /// The zone in which days are counted: where the customers live.
    pub days: TimeZone,
}

impl Zones {
    /// The shop-local calendar day of an instant.
    pub fn local_day(&self, at: Timestamp) -> LocalDay {
        let offset = jiff::Timestamp::from_second(at.0)
            .map_or(0, |instant| self.days.to_offset(instant).seconds());
        LocalDay::at(at, offset)
    }

    /// The first instant of a shop-local day.
    pub fn day_begins(&self, day: LocalDay) -> Timestamp {
        let utc = Timestamp(i64::from(day.0) * SECONDS_PER_DAY);
        let date = jiff::Timestamp::from_second(utc.0).map(|at| at.to_zoned(TimeZone::UTC).date());
        let begins = date.and_then(|date| date.to_zoned(self.days.clone()));
        begins.map_or(utc, |zoned| Timestamp(zoned.timestamp().as_second()))
    }
}

/// What a shop chooses for training.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Days ahead that are predicted; 28 unless said otherwise.
    pub horizon_days: u32,
    /// Days from one training snapshot to the next when they are derived from the data; half the horizon unless said otherwise.
    pub spacing_days: u32,
    /// Explicit snapshots, or `None`: derived from the range of the data.
    pub cutoffs: Option<Cutoffs>,
    /// CSV file (`customer_id`, `at`) of who got an offer when, whose rows churn does not learn from; a relative path starts at the
    /// `shop.toml`.
    pub treated: Option<PathBuf>,
}

/// Why a `shop.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// The file is not there, or is not UTF-8.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown or missing key, or a value of another type; the reason shows the line.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser met, with line and column.
        reason: String,
    },
    /// A value that makes no sense.
    #[error("{}: {key} is {value}, allowed: {allowed}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, for example `orders.dates[1]`.
        key: String,
        /// The value found.
        value: String,
        /// What would be right.
        allowed: String,
    },
}

impl Shop {
    /// Reads and checks a `shop.toml`.
    pub fn read(path: &Path) -> Result<Self, ShopError> {
        let text = std::fs::read_to_string(path).map_err(|source| ShopError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a `shop.toml`; `path` is what errors name and what a relative `data_root` starts from.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ShopError> {
        let file: sections::ShopFile = toml::from_str(text).map_err(|error| ShopError::Syntax {
            path: path.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })?;
        check::shop(file, text, path)
    }
}
