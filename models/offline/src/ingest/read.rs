//! All files of a shop, one after the other, sorted by name.

use super::cell::Cell;
use super::dates::{Dates, fits};
use super::line::{LineReader, Verdict};
use super::products::{ProductTable, read_products};
use super::rejects::{Reject, Rejects};
use super::rows::{Opened, Position, RowSink};
use super::{Input, Line, LoadError, Options, Progress, Stage};
use crate::shop::{Duplicates, Shop};
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
    /// Bad rows of the product files.
    pub(crate) product_rejects: u64,
    /// What a person should know and need not act on.
    pub(crate) notes: Vec<String>,
}

/// Takes each line with the rank of its file.
pub(crate) type Emit<'e> = dyn FnMut(&Line, u32) -> Result<(), LoadError> + 'e;

/// Reads every row; `emit` gets each line, kept or dropped by a rule.
///
/// A dropped line is passed on because an order of which only such lines are left still replaces an earlier version.
/// Files that are fetched are kept in the folder `temporary` while they are read.
pub(crate) fn read_orders(
    shop: &Shop,
    orders: &[Input],
    products: &[Input],
    temporary: &Path,
    options: &Options<'_>,
    emit: &mut Emit<'_>,
) -> Result<Tally, LoadError> {
    let rejects_path = options.rejects_path();
    let mut rejects = Rejects::create(&rejects_path)?;
    let table = read_products(shop, products, temporary, options.fetch, &mut rejects)?;
    let product_rejects = rejects.take_counts();
    within_limit(shop, table.rows, &product_rejects, &rejects_path)?;
    let mut load = Load {
        shop,
        table: &table,
        options,
        emit,
        tally: Tally {
            product_rows: table.rows,
            product_rejects: product_rejects.values().sum(),
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
    tally.rejected = rejects.finish()?;
    if tally.rows == 0 {
        let first = orders
            .first()
            .map_or_else(String::new, |input| input.name.clone());
        return Err(LoadError::NoRows {
            files: orders.len(),
            first,
        });
    }
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
struct Load<'a, 'e> {
    shop: &'a Shop,
    table: &'a ProductTable,
    options: &'a Options<'a>,
    emit: &'a mut Emit<'e>,
    tally: Tally,
    rejects: &'a mut Rejects,
    done_bytes: u64,
    total_bytes: u64,
}

impl Load<'_, '_> {
    fn file(&mut self, input: &Input, rank: u32, path: &Path) -> Result<(), LoadError> {
        let orders = &self.shop.orders;
        let (placed, updated) = self.date_formats(input, path)?;
        let lines = LineReader::new(
            self.shop,
            self.table,
            Dates::new(&self.shop.time, &orders.dates, placed),
            Dates::new(&self.shop.time, &orders.dates, updated),
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

    /// Which format the dates of a file are in: the one that fits most of them, the first listed among equals.
    fn date_formats(&mut self, input: &Input, path: &Path) -> Result<(usize, usize), LoadError> {
        let orders = &self.shop.orders;
        if orders.dates.len() < 2 {
            return Ok((0, 0));
        }
        let wanted: Vec<&str> = std::iter::once(orders.columns.placed_at.as_str())
            .chain(orders.columns.updated_at.as_deref())
            .collect();
        let mut sink = DateSink {
            formats: &orders.dates,
            counts: vec![vec![0; orders.dates.len()]; wanted.len()],
        };
        Opened::open(path, &input.name, &orders.layout)?.read(
            &input.name,
            &orders.layout,
            &wanted,
            false,
            &mut sink,
        )?;
        for (column, counts) in wanted.iter().zip(&sink.counts) {
            let best = most(counts);
            let equal = |(index, count): (usize, &u64)| {
                (index != best && *count == counts[best] && *count > 0).then_some(index)
            };
            if let Some(other) = counts.iter().enumerate().find_map(equal) {
                let (best, other) = (&orders.dates[best], &orders.dates[other]);
                self.tally.notes.push(format!(
                    "{}: column {column} fits {best} and {other}; read as {best}",
                    input.name
                ));
            }
        }
        Ok((
            most(&sink.counts[0]),
            sink.counts.get(1).map_or(0, |counts| most(counts)),
        ))
    }
}

fn most(counts: &[u64]) -> usize {
    let best = counts.iter().max().copied().unwrap_or(0);
    counts.iter().position(|&count| count == best).unwrap_or(0)
}

/// Counts the formats that fit.
struct DateSink<'a> {
    formats: &'a [String],
    counts: Vec<Vec<u64>>,
}

impl RowSink for DateSink<'_> {
    fn row(&mut self, _row: u64, cells: &[Cell<'_>], _hash: u64) -> Result<(), LoadError> {
        for (cell, counts) in cells.iter().zip(&mut self.counts) {
            let bits = match cell {
                Cell::Text(text) => fits(self.formats, text),
                Cell::Int(value) => fits(self.formats, &value.to_string()),
                _ => 0,
            };
            for (index, count) in counts.iter_mut().enumerate() {
                *count += u64::from(bits >> index & 1);
            }
        }
        Ok(())
    }

    fn bad(&mut self, _row: u64, _reject: &Reject) -> Result<(), LoadError> {
        Ok(())
    }
}

/// Turns rows into lines, counts, and writes the bad ones down.
struct OrderSink<'l, 'a, 'e> {
    load: &'l mut Load<'a, 'e>,
    lines: LineReader<'a>,
    input: &'l Input,
    rank: u32,
    rows: u64,
    position: Position,
}

impl OrderSink<'_, '_, '_> {
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

impl RowSink for OrderSink<'_, '_, '_> {
    fn row(&mut self, row: u64, cells: &[Cell<'_>], hash: u64) -> Result<(), LoadError> {
        self.count();
        match self.lines.read(cells, hash) {
            Ok(Verdict::Kept(line)) => (self.load.emit)(line, self.rank),
            Ok(Verdict::Dropped(reason, line)) => {
                match self.load.tally.dropped.get_mut(reason) {
                    Some(count) => *count += 1,
                    None => drop(self.load.tally.dropped.insert(reason.to_owned(), 1)),
                }
                line.map_or(Ok(()), |line| (self.load.emit)(line, self.rank))
            }
            Err(reject) => self.load.rejects.write(&self.input.name, row, &reject),
        }
    }

    fn bad(&mut self, row: u64, reject: &Reject) -> Result<(), LoadError> {
        self.count();
        self.load.rejects.write(&self.input.name, row, reject)
    }
}
