//! Rows of stock levels, open orders and promotions.

use super::cell::Cell;
use super::dates::Dates;
use super::fact::{self, Fact, Record};
use super::products::{ProductTable, no_product};
use super::read::Take;
use super::rejects::{Reject, Rejects};
use super::rows::{Opened, RowSink};
use super::{Input, Inputs, LoadError, Options, Progress, Stage, formats};
use crate::shop::{Columns, DecimalStyle, Shop, Stock, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A million units.
const MAX_MILLI: i128 = 1_000_000_000;
/// Rows between two calls of the progress callback.
const PROGRESS_ROWS: u64 = 16_384;

/// What became of the rows of a table: `rows = kept + all dropped + all rejected`, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounts {
    /// Rows of all its files, headers aside.
    pub rows: u64,
    /// Rows that say something of a SKU.
    pub kept: u64,
    /// Rows left out on purpose, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Bad rows, by reason; each is in `rejects.csv`.
    pub rejected: BTreeMap<String, u64>,
}

impl TableCounts {
    pub(crate) fn drop_rows(&mut self, reason: &str, rows: u64) {
        if rows > 0 {
            *self.dropped.entry(reason.to_owned()).or_default() += rows;
        }
    }
}

/// What reading needs, whatever the table.
pub(super) struct Reading<'a> {
    pub(super) shop: &'a Shop,
    pub(super) products: &'a ProductTable,
    pub(super) temporary: &'a Path,
    pub(super) options: &'a Options<'a>,
    pub(super) rejects: &'a mut Rejects,
    pub(super) notes: &'a mut Vec<String>,
    pub(super) take: &'a mut dyn Take,
}

/// A fact from the days of a row, its quantity in thousandths, and the rank of its file; or the column that is wrong:
/// the index of a day, or none for the quantity.
type Make = fn(&[i32], i64, u32) -> Result<Fact, (Option<usize>, Reject)>;

/// Reads the tables a shop has; the counts of each, in which `kept` is still 0.
pub(super) fn read_tables(
    reading: &mut Reading<'_>,
    inputs: &Inputs,
) -> Result<BTreeMap<String, TableCounts>, LoadError> {
    let shop = reading.shop;
    let mut tables = BTreeMap::new();
    if let Some(Stock::Levels(table)) = &shop.stock {
        let level: Make = |days, units_milli, rank| {
            Ok(Fact::Level {
                day: days[0],
                rank,
                units_milli,
            })
        };
        let counts = reading.table(table, &inputs.stock, level)?;
        tables.insert("stock".to_owned(), counts);
    }
    if let Some(table) = &shop.on_order {
        let counts = reading.table(table, &inputs.on_order, open_order)?;
        tables.insert("on_order".to_owned(), counts);
    }
    if let Some(table) = &shop.promotions {
        let counts = reading.table(table, &inputs.promotions, promotion)?;
        tables.insert("promotions".to_owned(), counts);
    }
    Ok(tables)
}

fn open_order(days: &[i32], units_milli: i64, _: u32) -> Result<Fact, (Option<usize>, Reject)> {
    if units_milli <= 0 {
        let reject = Reject::of("quantity not positive", "an order brings something");
        return Err((None, reject));
    }
    Ok(Fact::OnOrder {
        arrives: days[0],
        units_milli,
    })
}

fn promotion(days: &[i32], _: i64, _: u32) -> Result<Fact, (Option<usize>, Reject)> {
    let (from, last) = (days[0], days[1]);
    if last < from {
        let reject = Reject::of("ends before it begins", "the last day of the promotion");
        return Err((Some(1), reject));
    }
    Ok(Fact::Promotion {
        from,
        until: last + 1,
        known_since: days.get(2).copied().unwrap_or(from),
    })
}

impl Reading<'_> {
    fn table<C: Columns>(
        &mut self,
        table: &Table<C>,
        inputs: &[Input],
        make: Make,
    ) -> Result<TableCounts, LoadError> {
        let mut counts = TableCounts::default();
        for (rank, input) in inputs.iter().enumerate() {
            let path = input.local(self.options.fetch, self.temporary)?;
            let replaced = C::LAST_FILE_COUNTS && rank + 1 < inputs.len();
            self.file(
                table,
                (input, &path),
                (rank as u32, replaced),
                make,
                &mut counts,
            )?;
        }
        counts.rejected = self.rejects.take_counts();
        Ok(counts)
    }

    fn file<C: Columns>(
        &mut self,
        table: &Table<C>,
        (input, path): (&Input, &Path),
        (rank, replaced): (u32, bool),
        make: Make,
        counts: &mut TableCounts,
    ) -> Result<(), LoadError> {
        let (product, location) = table.columns.sku();
        let names = table.columns.days();
        let days: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        let rows = (&table.layout, &table.dates[..]);
        let chosen = formats::choose(rows, &days, &input.name, path, self.notes)?;
        let dates = chosen
            .into_iter()
            .map(|format| Dates::new(&self.shop.time, &table.dates, format))
            .collect();
        let wanted: Vec<&str> = std::iter::once(product)
            .chain(location)
            .chain(days)
            .chain(table.columns.quantity().map(|(_, name)| name))
            .collect();
        let first_day = 1 + usize::from(location.is_some());
        let mut sink = TableSink {
            row: RowReader {
                shop: self.shop,
                products: self.products,
                style: table.layout.decimal,
                wanted: &wanted,
                has_location: location.is_some(),
                quantity: table.columns.quantity().map(|_| wanted.len() - 1),
                first_day,
                dates,
                rank,
                make,
            },
            input,
            replaced,
            counts,
            options: self.options,
            rejects: self.rejects,
            take: self.take,
        };
        let opened = Opened::open(path, &input.name, &table.layout)?;
        opened.read(&input.name, &table.layout, &wanted, false, &mut sink)
    }
}

/// Turns a row of one file into what it says.
struct RowReader<'a> {
    shop: &'a Shop,
    products: &'a ProductTable,
    style: DecimalStyle,
    wanted: &'a [&'a str],
    has_location: bool,
    quantity: Option<usize>,
    first_day: usize,
    dates: Vec<Dates<'a>>,
    rank: u32,
    make: Make,
}

impl RowReader<'_> {
    fn at<'r>(&'r self, index: usize, cells: &'r [Cell<'r>]) -> impl Fn(Reject) -> Reject + 'r {
        move |reject| reject.at(self.wanted[index], cells[index])
    }

    /// Product and location as they stand in the row.
    fn sku(&self, cells: &[Cell<'_>]) -> Result<(String, String), Reject> {
        let (mut product, mut location) = (String::new(), String::new());
        cells[0].id(&mut product).map_err(self.at(0, cells))?;
        if self.has_location && !cells[1].is_missing() {
            let read = cells[1].id(&mut location);
            read.and_then(|()| fact::location(&location))
                .map_err(self.at(1, cells))?;
        }
        Ok((product, location))
    }

    fn fact(&self, cells: &[Cell<'_>]) -> Result<Fact, Reject> {
        let mut days = Vec::with_capacity(self.dates.len());
        for (index, dates) in (self.first_day..).zip(&self.dates) {
            let moment = dates.moment(cells[index]).map_err(self.at(index, cells))?;
            days.push(moment.day.0);
        }
        let milli = match self.quantity {
            Some(index) => self
                .quantity_milli(cells[index])
                .map_err(self.at(index, cells))?,
            None => 0,
        };
        (self.make)(&days, milli, self.rank).map_err(|(day, reject)| {
            let index = day.map_or(cells.len() - 1, |day| self.first_day + day);
            self.at(index, cells)(reject)
        })
    }

    fn quantity_milli(&self, cell: Cell<'_>) -> Result<i64, Reject> {
        let milli = cell.number(self.style, 3)?.to_units(3);
        let small = Some(milli).filter(|milli| milli.abs() <= MAX_MILLI);
        small
            .and_then(|milli| i64::try_from(milli).ok())
            .ok_or_else(|| Reject::of("quantity out of range", "at most 1000000 units"))
    }
}

/// Counts the rows of one file, hands on what they say, and writes the bad ones down.
struct TableSink<'a> {
    row: RowReader<'a>,
    input: &'a Input,
    replaced: bool,
    counts: &'a mut TableCounts,
    options: &'a Options<'a>,
    rejects: &'a mut Rejects,
    take: &'a mut dyn Take,
}

impl TableSink<'_> {
    fn count(&mut self, row: u64) {
        self.counts.rows += 1;
        if self.counts.rows.is_multiple_of(PROGRESS_ROWS) {
            (self.options.progress)(&Progress {
                stage: Stage::Reading,
                file: &self.input.name,
                rows: row,
                bytes: 0,
                total_bytes: self.input.size,
            });
        }
    }

    fn read(&mut self, cells: &[Cell<'_>]) -> Result<Result<(), LoadError>, Reject> {
        let (product, location) = self.row.sku(cells)?;
        let fact = self.row.fact(cells)?;
        let known = self.row.products.get(&product);
        let category = known.map_or("", |product| product.category.as_str());
        let refused = no_product(&self.row.shop.drop, &product, known, category);
        let replaced = self.replaced.then_some("replaced by a later file");
        if let Some(reason) = refused.or(replaced) {
            self.counts.drop_rows(reason, 1);
            return Ok(Ok(()));
        }
        Ok(self.take.record(&Record {
            product: &product,
            location: &location,
            category,
            known: known.is_some(),
            fact,
        }))
    }
}

impl RowSink for TableSink<'_> {
    fn row(&mut self, row: u64, cells: &[Cell<'_>], _hash: u64) -> Result<(), LoadError> {
        self.count(row);
        match self.read(cells) {
            Ok(taken) => taken,
            Err(reject) => self.rejects.write(&self.input.name, row, &reject),
        }
    }

    fn bad(&mut self, row: u64, reject: &Reject) -> Result<(), LoadError> {
        self.count(row);
        self.rejects.write(&self.input.name, row, reject)
    }
}
