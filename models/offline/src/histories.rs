//! Customer histories on disk, grouped from any number of files in bounded memory.
//!
//! Checked lines are spilled to partitions by a hash of the customer, each partition is grouped in memory, and the
//! histories are written one after the other, in the order of that hash. The result depends on the set of input files
//! only: not on the order of rows, not on the order in which files are named, not on how often a load is run.
//!
//! An order is known by its customer and its id. When several files hold it, the file whose rows were updated last
//! (where the shop has such a column), then the one whose name sorts last, replaces the others as a whole.
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

mod group;
mod spill;
mod stamp;

use crate::ingest::{self, Input, LoadError, Options, Progress, Stage, Tally};
use crate::shop::{Duplicates, Shop};
use features::codec;
use features::history::CustomerHistory;
use features::time::Timestamp;
use group::{Block, Grouped};
use serde::{Deserialize, Serialize};
use spill::Spill;
use stamp::Stamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Rows of a partition that is grouped at once: about 60 MB of memory.
const PARTITION_ROWS: u64 = 200_000;
/// Partitions at most; each holds a write buffer while files are read.
const MAX_PARTITIONS: u64 = 4096;
/// Bytes of one stored history at most. A `DynamoDB` item ends at 400 KB; the rest is left for its key and attributes.
pub const RECORD_LIMIT_BYTES: usize = 390_000;
/// A longer record in the stored histories is damage, not a customer.
const MAX_STORED_BYTES: u32 = 1 << 30;

/// What became of every row, and what is left.
///
/// `rows = kept + all dropped + all rejected`, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of all order files, headers aside.
    pub rows: u64,
    /// Rows that are a line of a history.
    pub kept: u64,
    /// Rows left out on purpose, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Bad rows, by reason; each is in `rejects.csv`.
    pub rejected: BTreeMap<String, u64>,
    /// Customers with at least one order.
    pub customers: u64,
    /// Orders.
    pub orders: u64,
    /// Customers with more orders than a stored history holds; their oldest are left out.
    pub shortened: u64,
    /// Orders left out so.
    pub orders_left_out: u64,
    /// Rows of the product files.
    pub product_rows: u64,
    /// Bad rows of the product files.
    pub product_rejects: u64,
}

impl Counts {
    /// Rows left out on purpose.
    pub fn dropped_rows(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Bad rows.
    pub fn rejected_rows(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// The histories of all customers of a shop, on disk; iterate as often as needed.
#[derive(Debug, Clone)]
pub struct Histories {
    path: PathBuf,
    stamp: Stamp,
    reused: bool,
}

impl Histories {
    /// Loads a shop's orders, or opens what an earlier load of the same files left in the work folder.
    ///
    /// Same means: the same `shop.toml`, and files of the same names, sizes and times of change.
    pub fn load(shop: &Shop, options: &Options<'_>) -> Result<Self, LoadError> {
        std::fs::create_dir_all(options.work)
            .map_err(LoadError::io(format!("create {}", options.work.display())))?;
        let root = options.data_root.unwrap_or(&shop.data_root);
        let orders = ingest::resolve(root, &shop.orders.files, options.fetch)?;
        let product_files = shop
            .products
            .as_ref()
            .map_or(&[][..], |products| &products.files);
        let products = ingest::resolve(root, product_files, options.fetch)?;
        let fingerprint = stamp::fingerprint(shop, &orders, &products);
        let path = options.work.join("histories.bin");
        if let Some(stamp) =
            Stamp::read(options.work).filter(|stamp| stamp.fits(&fingerprint, &path))
        {
            return Ok(Self {
                path,
                stamp,
                reused: true,
            });
        }
        Stamp::remove(options.work)?;
        let mut stamp = build(shop, &orders, &products, &path, options)?;
        stamp.fingerprint = fingerprint;
        stamp.write(options.work)?;
        Ok(Self {
            path,
            stamp,
            reused: false,
        })
    }

    /// Every customer with an order, in an order that depends on their ids only.
    ///
    /// One history is in memory at a time.
    pub fn customers(&self) -> Customers {
        Customers {
            path: self.path.clone(),
            reader: None,
            left: self.stamp.counts.customers,
        }
    }

    /// What became of every row.
    pub fn counts(&self) -> &Counts {
        &self.stamp.counts
    }

    /// What a person should know and need not act on.
    pub fn notes(&self) -> &[String] {
        &self.stamp.notes
    }

    /// The instant of the first order.
    pub fn first_order(&self) -> Timestamp {
        self.stamp.first_order
    }

    /// The second after the last order: up to here, exclusive, orders are known.
    pub fn complete_through(&self) -> Timestamp {
        Timestamp(self.stamp.last_order.0 + 1)
    }

    /// Whether an earlier load was found and no file was read.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// A name of this content: equal for equal files and an equal `shop.toml`.
    pub fn fingerprint(&self) -> &str {
        &self.stamp.fingerprint
    }
}

fn build(
    shop: &Shop,
    orders: &[Input],
    products: &[Input],
    path: &Path,
    options: &Options<'_>,
) -> Result<Stamp, LoadError> {
    let place = || format!("create a temporary folder in {}", options.work.display());
    let temporary = tempfile::tempdir_in(options.work).map_err(LoadError::io(place()))?;
    let mut spill = Spill::create(temporary.path(), partitions(orders))?;
    let tally = ingest::read_orders(
        shop,
        orders,
        products,
        temporary.path(),
        options,
        &mut |line, rank| spill.write(line, rank),
    )?;
    spill.flush()?;
    let unfinished = temporary.path().join("histories.bin");
    let grouped = write_histories(&spill, shop, &unfinished, tally.rows, options)?;
    std::fs::rename(&unfinished, path)
        .map_err(LoadError::io(format!("replace {}", path.display())))?;
    stamp_of(tally, &grouped, path)
}

fn stamp_of(tally: Tally, grouped: &Grouped, path: &Path) -> Result<Stamp, LoadError> {
    let mut dropped = tally.dropped;
    for (reason, count) in [
        ("replaced by a later file", grouped.replaced),
        ("duplicate row", grouped.duplicates),
        ("too old for the size of a history", grouped.too_old),
    ] {
        if count > 0 {
            dropped.insert(reason.to_owned(), count);
        }
    }
    let Some((first_order, last_order)) = grouped.range else {
        return Err(LoadError::NoOrders {
            rows: tally.rows,
            dropped: dropped.values().sum(),
        });
    };
    let mut notes = tally.notes;
    notes.extend(shortened(grouped));
    let size = std::fs::metadata(path)
        .map_err(LoadError::io(format!("look at {}", path.display())))?
        .len();
    Ok(Stamp {
        fingerprint: String::new(),
        size,
        first_order,
        last_order,
        counts: Counts {
            rows: tally.rows,
            kept: grouped.kept,
            dropped,
            rejected: tally.rejected,
            customers: grouped.customers,
            orders: grouped.orders,
            shortened: grouped.shortened,
            orders_left_out: grouped.orders_left_out,
            product_rows: tally.product_rows,
            product_rejects: tally.product_rejects,
        },
        notes,
    })
}

fn shortened(grouped: &Grouped) -> Option<String> {
    (grouped.shortened > 0).then(|| {
        format!(
            "{} customers have more orders than the {RECORD_LIMIT_BYTES} bytes of a history hold: their {} oldest orders are \
             left out, in training as in serving",
            grouped.shortened, grouped.orders_left_out
        )
    })
}

/// Enough partitions for each to fit into memory, told from the bytes a row takes at least in each format.
fn partitions(orders: &[Input]) -> usize {
    let rows = |input: &Input| {
        if ingest::is_packed(&input.name) {
            input.size / 8
        } else {
            input.size / 32
        }
    };
    let rows: u64 = orders.iter().map(rows).sum();
    (rows / PARTITION_ROWS + 1).min(MAX_PARTITIONS) as usize
}

/// Groups as many partitions at a time as there are cores, and writes them in order.
fn write_histories(
    spill: &Spill,
    shop: &Shop,
    path: &Path,
    rows: u64,
    options: &Options<'_>,
) -> Result<Grouped, LoadError> {
    let drop_duplicates = shop.orders.duplicates == Duplicates::Drop;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut out = BufWriter::new(
        File::create(path).map_err(LoadError::io(format!("create {}", path.display())))?,
    );
    let mut total = Grouped::default();
    let all: Vec<usize> = (0..spill.partitions()).collect();
    for some in all.chunks(cores) {
        for block in group_blocks(spill, some, drop_duplicates) {
            let block = block?;
            out.write_all(&block.bytes)
                .map_err(LoadError::io("write histories"))?;
            total.add(&block.grouped);
        }
        let (done, total_bytes) = (spill.bytes_until(some[some.len() - 1]), spill.bytes());
        (options.progress)(&Progress {
            stage: Stage::Grouping,
            file: "",
            rows,
            bytes: done,
            total_bytes,
        });
    }
    out.flush().map_err(LoadError::io("write histories"))?;
    Ok(total)
}

fn group_blocks(
    spill: &Spill,
    partitions: &[usize],
    drop_duplicates: bool,
) -> Vec<Result<Block, LoadError>> {
    std::thread::scope(|scope| {
        let group =
            |partition: usize| move || group::partition(&spill.read(partition)?, drop_duplicates);
        let threads: Vec<_> = partitions
            .iter()
            .map(|&partition| scope.spawn(group(partition)))
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Reads stored histories one by one.
#[derive(Debug)]
pub struct Customers {
    path: PathBuf,
    reader: Option<BufReader<File>>,
    left: u64,
}

impl Iterator for Customers {
    type Item = Result<(String, CustomerHistory), LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let customer = self.read();
        self.left = if customer.is_ok() { self.left - 1 } else { 0 };
        Some(customer)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}

impl Customers {
    fn read(&mut self) -> Result<(String, CustomerHistory), LoadError> {
        let damaged = |reason: String| LoadError::Damaged {
            path: self.path.clone(),
            reason,
        };
        if self.reader.is_none() {
            let file = File::open(&self.path)
                .map_err(LoadError::io(format!("open {}", self.path.display())))?;
            self.reader = Some(BufReader::with_capacity(1 << 18, file));
        }
        let Some(reader) = &mut self.reader else {
            return Err(damaged("is not open".to_owned()));
        };
        let id = block(reader)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|e| e.to_string()))
            .map_err(&damaged)?;
        let bytes = block(reader).map_err(&damaged)?;
        let history = codec::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
        Ok((id, history))
    }
}

/// A length in four bytes, little end first, and that many bytes.
fn block(reader: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut length = [0; 4];
    reader
        .read_exact(&mut length)
        .map_err(|error| error.to_string())?;
    let length = u32::from_le_bytes(length);
    if length > MAX_STORED_BYTES {
        return Err(format!(
            "a record of {length} bytes, at most {MAX_STORED_BYTES} expected"
        ));
    }
    let mut bytes = vec![0; length as usize];
    reader
        .read_exact(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}
