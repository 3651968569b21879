//! All files of a shop, one after the other, sorted by name.

use super::cell::Cell;
use super::dates::Dates;
use super::line::{LineReader, Verdict};
use super::products::{ProductTable, read_products};
use super::rejects::{Reject, Rejects};
use super::rows::{Opened, Position, RowSink};
use super::supply::{self, Reading, TableCounts};
use super::{Input, Inputs, Line, LoadError, Options, Progress, Record, Stage, formats};
use crate::shop::{Duplicates, Shop};
use serving::predictor::ProductFacts;
use std::collections::BTreeMap;
use std::path::Path;

/// Rows between two calls of the progress callback.
const PROGRESS_ROWS: u64 = 16_384;

/// What became of the rows, before orders of several files are weighed against each other.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Rows of all order files, headers aside.
    pub(crate) rows: u64,
    /// Bad rows by reason.
    pub(crate) rejected: BTreeMap<String, u64>,
    /// Rows left out by reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Rows of the product files.
    pub(crate) product_rows: u64,
    /// Bad rows of the product files by reason.
    pub(crate) product_rejects: BTreeMap<String, u64>,
    /// What the product files say beyond what stands in orders.
    pub(crate) products: BTreeMap<String, ProductFacts>,
    /// What became of the rows of the other tables, by table.
    pub(crate) tables: BTreeMap<String, TableCounts>,
    /// What a person should know and need not act on.
    pub(crate) notes: Vec<String>,
}

/// Takes what is read.
pub(crate) trait Take {
    /// A line with the rank of its file, kept or dropped by a rule.
    ///
    /// A dropped line is passed on because an order of which only such lines are left still replaces an earlier version.
    fn line(&mut self, line: &Line, rank: u32) -> Result<(), LoadError>;

    /// What a row of a table says of a product.
    fn record(&mut self, record: &Record<'_>) -> Result<(), LoadError>;
}

/// Reads every row of every file of a shop.
///
/// Files that are fetched are kept in the folder `temporary` while they are read.
pub(crate) fn read_all(
    shop: &Shop,
    inputs: &Inputs,
    temporary: &Path,
    options: &Options<'_>,
    take: &mut dyn Take,
) -> Result<Tally, LoadError> {
    let rejects_path = options.rejects_path();
    let mut rejects = Rejects::create(&rejects_path)?;
    let orders = &inputs.orders;
    let table = read_products(
        shop,
        &inputs.products,
        temporary,
        options.fetch,
        &mut rejects,
    )?;
    let product_rejects = rejects.take_counts();
    within_limit(shop, table.rows, &product_rejects, &rejects_path)?;
    let mut notes = Vec::new();
    let mut reading = Reading {
        shop,
        products: &table,
        temporary,
        options,
        rejects: &mut rejects,
        notes: &mut notes,
        take,
    };
    let tables = supply::read_tables(&mut reading, inputs)?;
    for counts in tables.values() {
        within_limit(shop, counts.rows, &counts.rejected, &rejects_path)?;
    }
    let mut load = Load {
        shop,
        table: &table,
        options,
        take,
        tally: Tally {
            tables,
            notes,
            product_rows: table.rows,
            product_rejects,
            ..Tally::default()
        },
        rejects: &mut rejects,
        done_bytes: 0,
        total_bytes: orders.iter().map(|input| input.size).sum(),
    };
    for (rank, input) in orders.iter().enumerate() {
        let path = input.local(options.fetch, temporary)?;
        load.file(input, rank as u32, &path)?;
    }
    let mut tally = load.tally;
    tally.products = table.into_facts();
    tally.rejected = rejects.finish()?;
    within_limit(shop, tally.rows, &tally.rejected, &rejects_path)?;
    Ok(tally)
}

fn within_limit(
    shop: &Shop,
    rows: u64,
    rejected: &BTreeMap<String, u64>,
    path: &Path,
) -> Result<(), LoadError> {
    let count: u64 = rejected.values().sum();
    if count as f64 <= shop.orders.max_reject_share * rows as f64 {
        return Ok(());
    }
    let mut reasons: Vec<_> = rejected.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let summary: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} x {reason}"))
        .collect();
    Err(LoadError::TooManyRejects {
        rejected: count,
        rows,
        limit_percent: shop.orders.max_reject_share * 100.0,
        summary: summary.join(", "),
        rejects: path.to_owned(),
    })
}

/// What stays the same from file to file.
struct Load<'a> {
    shop: &'a Shop,
    table: &'a ProductTable,
    options: &'a Options<'a>,
    take: &'a mut dyn Take,
    tally: Tally,
    rejects: &'a mut Rejects,
    done_bytes: u64,
    total_bytes: u64,
}

impl Load<'_> {
    fn file(&mut self, input: &Input, rank: u32, path: &Path) -> Result<(), LoadError> {
        let orders = &self.shop.orders;
        let columns: Vec<&str> = std::iter::once(orders.columns.placed_at.as_str())
            .chain(orders.columns.updated_at.as_deref())
            .collect();
        let rows = (&orders.layout, &orders.dates[..]);
        let formats = formats::choose(rows, &columns, &input.name, path, &mut self.tally.notes)?;
        let (placed, updated) = (formats[0], formats.get(1).copied().unwrap_or(0));
        let lines = LineReader::new(
            self.shop,
            self.table,
            self.options.forgotten,
            (
                Dates::new(&self.shop.time, &orders.dates, placed),
                Dates::new(&self.shop.time, &orders.dates, updated),
            ),
        );
        let opened = Opened::open(path, &input.name, &orders.layout)?;
        let position = opened.position();
        let wanted = lines.columns();
        let mut sink = OrderSink {
            load: self,
            lines,
            input,
            rank,
            rows: 0,
            position,
        };
        sink.progress();
        opened.read(
            &input.name,
            &orders.layout,
            &wanted,
            orders.duplicates == Duplicates::Drop,
            &mut sink,
        )?;
        sink.progress();
        if sink.rows == 0 {
            self.tally
                .notes
                .push(format!("{}: has no rows", input.name));
        }
        self.done_bytes += input.size;
        Ok(())
    }
}

/// Turns rows into lines, counts, and writes the bad ones down.
struct OrderSink<'l, 'a> {
    load: &'l mut Load<'a>,
    lines: LineReader<'a>,
    input: &'l Input,
    rank: u32,
    rows: u64,
    position: Position,
}

impl OrderSink<'_, '_> {
    fn count(&mut self) {
        self.rows += 1;
        self.load.tally.rows += 1;
        if self.rows.is_multiple_of(PROGRESS_ROWS) {
            self.progress();
        }
    }

    fn progress(&self) {
        (self.load.options.progress)(&Progress {
            stage: Stage::Reading,
            file: &self.input.name,
            rows: self.load.tally.rows,
            bytes: self.load.done_bytes + self.position.bytes(self.input.size, self.rows),
            total_bytes: self.load.total_bytes,
        });
    }
}

impl RowSink for OrderSink<'_, '_> {
    fn row(&mut self, row: u64, cells: &[Cell<'_>], hash: u64) -> Result<(), LoadError> {
        self.count();
        match self.lines.read(cells, hash) {
            Ok(Verdict::Kept(line)) => self.load.take.line(line, self.rank),
            Ok(Verdict::Dropped(reason, line)) => {
                match self.load.tally.dropped.get_mut(reason) {
                    Some(count) => *count += 1,
                    None => drop(self.load.tally.dropped.insert(reason.to_owned(), 1)),
                }
                line.map_or(Ok(()), |line| self.load.take.line(line, self.rank))
            }
            Err(reject) => self.load.rejects.write(&self.input.name, row, &reject),
        }
    }

    fn bad(&mut self, row: u64, reject: &Reject) -> Result<(), LoadError> {
        self.count();
        self.load.rejects.write(&self.input.name, row, reject)
    }
}
