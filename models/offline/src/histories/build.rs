//! From files to a work folder.

use super::RECORD_LIMIT_BYTES;
use super::counts::{Counts, DemandCounts};
use super::demand::{self, Grouping};
use super::group::{self, Grouped};
use super::sales::Sales;
use super::spill::{Spill, id_hash};
use super::stamp::Stamp;
use crate::ingest::{
    self, Input, Inputs, Line, LoadError, Options, Progress, Record, Stage, Take, Tally,
};
use crate::shop::{Duplicates, Shop, Stock};
use features::time::LocalDay;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Order lines of a partition of customers, which is grouped at once: about 60 MB of memory.
const PARTITION_LINES: u64 = 200_000;
/// Rows of a partition of products. Fewer, because what sells most stays together whatever the number of partitions.
const PARTITION_FACTS: u64 = 100_000;
/// Partitions at most; each holds a write buffer while files are read.
const MAX_PARTITIONS: u64 = 4096;

pub(super) const CUSTOMERS: &str = "histories.bin";
pub(super) const SKUS: &str = "demand.bin";
pub(super) const TRUTH: &str = "demand-truth.bin";
pub(super) const TOTALS: &str = "demand-totals.bin";
pub(super) const PRODUCTS: &str = "products.json";

/// Loads everything, and leaves the files of a work folder behind; the stamp still has to be written.
pub(super) fn build(
    shop: &Shop,
    inputs: &Inputs,
    options: &Options<'_>,
) -> Result<Stamp, LoadError> {
    let place = || format!("create a temporary folder in {}", options.work.display());
    let temporary = tempfile::tempdir_in(options.work).map_err(LoadError::io(place()))?;
    let folder = temporary.path();
    let lines = partitions(&[&inputs.orders], PARTITION_LINES);
    let tables = [
        &inputs.orders,
        &inputs.stock,
        &inputs.on_order,
        &inputs.promotions,
    ];
    let facts = partitions(&tables, PARTITION_FACTS);
    let mut spills = Spills {
        lines: Spill::create(&folder.join("lines.spill"), lines)?,
        facts: Spill::create(&folder.join("facts.spill"), facts)?,
    };
    let tally = ingest::read_all(shop, inputs, folder, options, &mut spills)?;
    if tally.rows == 0 {
        return Err(no_rows(&inputs.orders));
    }
    let Spills { lines, mut facts } = spills;
    let grouping = |done, total| report(options, tally.rows, done, total);
    let (grouped, days) = customers(lines, &mut facts, shop, &folder.join(CUSTOMERS), &grouping)?;
    let mut counts = counts_of(&tally, &grouped);
    let Some((first_order, last_order)) = grouped.range else {
        return Err(LoadError::NoOrders {
            rows: tally.rows,
            dropped: counts.dropped_rows(),
        });
    };
    let days = days.unwrap_or((LocalDay(0), LocalDay(0)));
    skus(facts, shop, days.1, folder, &mut counts, &grouping)?;
    let products = serde_json::to_vec(&tally.products)
        .map_err(|error| LoadError::io("write the products")(std::io::Error::from(error)))?;
    std::fs::write(folder.join(PRODUCTS), products).map_err(LoadError::io("write the products"))?;
    let mut notes = tally.notes;
    notes.extend(shortened(&grouped));
    if shop.orders.columns.product_id.is_none() {
        notes.push("the orders name no products, so there is no demand of SKUs".to_owned());
    }
    Ok(Stamp {
        fingerprint: String::new(),
        sizes: settle(folder, options.work)?,
        first_order,
        last_order,
        first_day: days.0,
        last_day: days.1,
        counts,
        notes,
    })
}

fn no_rows(orders: &[Input]) -> LoadError {
    let first = orders.first();
    LoadError::NoRows {
        files: orders.len(),
        first: first.map_or_else(String::new, |input| input.name.clone()),
    }
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

/// Lines by customer, and what tables say by product.
struct Spills {
    lines: Spill,
    facts: Spill,
}

impl Take for Spills {
    fn line(&mut self, line: &Line, rank: u32) -> Result<(), LoadError> {
        self.lines.write(id_hash(&line.customer), &(rank, line))
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), LoadError> {
        self.facts.write(id_hash(record.product), record)
    }
}

fn report(options: &Options<'_>, rows: u64, done: u64, total: u64) {
    (options.progress)(&Progress {
        stage: Stage::Grouping,
        file: "",
        rows,
        bytes: done,
        total_bytes: total,
    });
}

/// Enough partitions for each to fit into memory.
fn partitions(inputs: &[&Vec<Input>], rows_each: u64) -> usize {
    let all = inputs.iter().copied().flatten();
    let rows: u64 = all.map(ingest::rows_about).sum();
    (rows / rows_each + 1).min(MAX_PARTITIONS) as usize
}

/// Moves the finished files into the work folder, and gives their sizes.
fn settle(folder: &Path, work: &Path) -> Result<BTreeMap<String, u64>, LoadError> {
    let mut sizes = BTreeMap::new();
    for name in [CUSTOMERS, SKUS, TRUTH, TOTALS, PRODUCTS] {
        let (from, to) = (folder.join(name), work.join(name));
        let place = || format!("replace {}", to.display());
        let size = std::fs::metadata(&from).map_err(LoadError::io(place()))?;
        std::fs::rename(&from, &to).map_err(LoadError::io(place()))?;
        sizes.insert(name.to_owned(), size.len());
    }
    Ok(sizes)
}

fn counts_of(tally: &Tally, grouped: &Grouped) -> Counts {
    let mut dropped = tally.dropped.clone();
    for (reason, count) in [
        ("replaced by a later file", grouped.replaced),
        ("duplicate row", grouped.duplicates),
        ("too old for the size of a history", grouped.too_old),
    ] {
        if count > 0 {
            dropped.insert(reason.to_owned(), count);
        }
    }
    Counts {
        rows: tally.rows,
        kept: grouped.kept,
        dropped,
        rejected: tally.rejected.clone(),
        customers: grouped.customers,
        orders: grouped.orders,
        shortened: grouped.shortened,
        orders_left_out: grouped.orders_left_out,
        product_rows: tally.product_rows,
        product_rejects: tally.product_rejects.values().sum(),
        tables: tally.tables.clone(),
        demand: DemandCounts::default(),
    }
}

/// A file that is written from its beginning.
struct Out(BufWriter<File>);

impl Out {
    fn create(path: &Path) -> Result<Self, LoadError> {
        let file = File::create(path);
        let file = file.map_err(LoadError::io(format!("create {}", path.display())))?;
        Ok(Self(BufWriter::new(file)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let written = self.0.write_all(bytes);
        written.map_err(LoadError::io("write histories"))
    }

    fn finish(mut self) -> Result<(), LoadError> {
        self.0.flush().map_err(LoadError::io("write histories"))
    }
}

type Days = Option<(LocalDay, LocalDay)>;

/// Writes the histories of customers, and hands on what was sold.
fn customers(
    mut lines: Spill,
    facts: &mut Spill,
    shop: &Shop,
    path: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<(Grouped, Days), LoadError> {
    lines.flush()?;
    let drop_duplicates = shop.orders.duplicates == Duplicates::Drop;
    let products = facts.partitions();
    let mut out = Out::create(path)?;
    let (mut total, mut days) = (Grouped::default(), None);
    lines.in_order(
        |chunks| group::partition(&chunks.together()?, drop_duplicates, Sales::new(products)),
        |block, done| {
            out.write(&block.bytes)?;
            total.add(&block.grouped);
            days = block.sales.days_with(days);
            block.sales.append_to(facts)?;
            progress(done, lines.bytes());
            Ok(())
        },
    )?;
    out.finish()?;
    Ok((total, days))
}

/// Writes the demand for SKUs, the truth behind it where stock is made up, and the totals.
fn skus(
    mut facts: Spill,
    shop: &Shop,
    until: LocalDay,
    folder: &Path,
    counts: &mut Counts,
    progress: &dyn Fn(u64, u64),
) -> Result<(), LoadError> {
    facts.flush()?;
    let grouping = Grouping {
        has_locations: shop.orders.columns.location.is_some(),
        simulator: match &shop.stock {
            Some(Stock::Simulated(simulator)) => Some(simulator),
            _ => None,
        },
        until,
    };
    let mut categories = Spill::create(&folder.join("totals.spill"), facts.partitions())?;
    let (mut out, mut truth) = (
        Out::create(&folder.join(SKUS))?,
        Out::create(&folder.join(TRUTH))?,
    );
    facts.in_order(
        |chunks| demand::partition(chunks, &grouping),
        |block, done| {
            out.write(&block.skus)?;
            truth.write(&block.truth)?;
            block.totals.spill(&mut categories)?;
            counts.demand.add(&block.counts);
            for ((table, reason), rows) in block.dropped {
                let table = counts.tables.entry(table.to_owned()).or_default();
                table.drop_rows(reason, rows);
            }
            progress(done, facts.bytes());
            Ok(())
        },
    )?;
    for table in counts.tables.values_mut() {
        let lost = table.dropped.values().chain(table.rejected.values());
        table.kept = table.rows - lost.sum::<u64>();
    }
    out.finish()?;
    truth.finish()?;
    counts.demand.totals = totals(categories, until, &folder.join(TOTALS))?;
    Ok(())
}

/// Writes the totals of categories, which are grouped as if they were products.
fn totals(mut categories: Spill, until: LocalDay, path: &Path) -> Result<u64, LoadError> {
    categories.flush()?;
    let mut out = Out::create(path)?;
    let mut count = 0;
    let grouping = Grouping {
        has_locations: false,
        simulator: None,
        until,
    };
    categories.in_order(
        |chunks| demand::partition(chunks, &grouping),
        |block, _| {
            count += block.counts.skus;
            out.write(&block.skus)
        },
    )?;
    out.finish()?;
    Ok(count)
}
