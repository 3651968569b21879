//! From files to checked lines, row by row: a bad row is written to `rejects.csv`, and the rest goes on.
//!
//! | module | what it does |
//! |---|---|
//! | `source`, `rows` | expands patterns, fetches what is remote, opens and unpacks |
//! | `delimited`, `columnar` | cut rows out of CSV, blank-separated text and Parquet |
//! | `cell`, `number`, `dates`, `formats` | what one value means |
//! | `fact` | what is known of a product |
//! | `line` | what one row means to the shop: a line, a drop with its reason, or a reject |
//! | `forgotten` | customers whose rows are as if they were not there |
//! | `judge` | one file by itself |
//! | `cut` | a file without some of its rows |
//! | `products` | the product file that order rows are joined with |
//! | `supply` | stock levels, open orders and promotions |
//! | `rejects` | the file of bad rows |
//!
//! Rules that a shop owner should know:
//!
//! - **Money** is exact: text is read as decimals, never as floating point, and rounded half away from zero to minor
//!   units. Doubles of a Parquet file are rounded the same way.
//! - **Local times that a clock change makes ambiguous** mean the first of the two instants; times that it skips mean
//!   the instant as many minutes after the change (RFC 5545's rule). A date without time is midnight in the day zone.
//! - **Rows of one order** add up within a file; the file that sorts last by name replaces the order of earlier
//!   files as a whole. Files that are named again, overlap or come late therefore change nothing twice.
//! - **Discounts** count by their absolute value.

mod cell;
mod columnar;
mod cut;
mod dates;
mod delimited;
mod error;
mod fact;
mod forgotten;
mod formats;
mod judge;
mod line;
mod number;
mod products;
mod read;
mod rejects;
mod rows;
mod source;
mod supply;

pub use error::LoadError;
pub use forgotten::{Forgotten, NOBODY};
pub use judge::{Judged, judge};
pub use source::{Fetch, LocalFiles, RemoteFile};
pub use supply::TableCounts;

pub(crate) use cut::Cut;
pub(crate) use fact::{Fact, Record, sku_id};
pub(crate) use line::Line;
pub(crate) use read::{Take, Tally, read_all};
pub(crate) use rows::rows_about;
pub(crate) use source::{Input, Inputs, patterns, tables_of};

use crate::shop::Shop;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Files of a shop on this machine: each once, by its name below the data root, as its patterns have it.
pub fn local_files(
    shop: &Shop,
    options: &Options<'_>,
) -> Result<BTreeSet<(String, PathBuf)>, LoadError> {
    let found = Inputs::of(shop, options)?;
    let tables = [found.orders, found.products, found.stock, found.on_order];
    let inputs = tables.into_iter().flatten().chain(found.promotions);
    let located = |input: Input| {
        Ok((
            input.name.clone(),
            input.local(options.fetch, options.work)?,
        ))
    };
    inputs.map(located).collect()
}

/// How far a load is; given to [`Options::progress`] every few thousand rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being done.
    pub stage: Stage,
    /// The file being read; empty while grouping.
    pub file: &'a str,
    /// Rows read so far, over all order files.
    pub rows: u64,
    /// Bytes done in this stage.
    pub bytes: u64,
    /// Bytes to do in this stage.
    pub total_bytes: u64,
}

/// The two halves of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Files are read and checked.
    Reading,
    /// Lines become histories.
    Grouping,
}

/// What a load needs from its caller; the library reads no environment and knows no network.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Replaces the shop's `data_root`.
    pub data_root: Option<&'a std::path::Path>,
    /// The folder for histories, rejects and temporary files; one per shop.
    pub work: &'a std::path::Path,
    /// Brings `s3://` files; [`LocalFiles`] knows none.
    pub fetch: &'a dyn Fetch,
    /// Customers whose rows are left out.
    pub forgotten: &'a Forgotten,
    /// Whether a pattern may name no file, as long as there are orders.
    pub may_be_missing: bool,
    /// Called now and then.
    pub progress: &'a dyn Fn(&Progress<'_>),
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("data_root", &self.data_root)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

impl<'a> Options<'a> {
    /// Local files below the shop's own data root, without progress.
    pub fn local(work: &'a std::path::Path) -> Self {
        Self {
            data_root: None,
            work,
            fetch: &LocalFiles,
            forgotten: &NOBODY,
            may_be_missing: false,
            progress: &|_| (),
        }
    }

    pub(crate) fn rejects_path(&self) -> PathBuf {
        self.work.join("rejects.csv")
    }
}
