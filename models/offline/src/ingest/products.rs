//! The product file, in memory: what order rows are joined with.

use super::cell::Cell;
use super::rejects::{Reject, Rejects};
use super::rows::{Opened, RowSink};
use super::{Fetch, Input, LoadError};
use crate::shop::{DecimalStyle, Drops, Shop};
use serving::predictor::ProductFacts;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Products by code. Memory grows with the number of products, not with that of orders.
#[derive(Debug, Default)]
pub(super) struct ProductTable {
    products: HashMap<String, Product>,
    /// Rows read.
    pub(super) rows: u64,
}

/// What is known of a product.
#[derive(Debug, Default)]
pub(super) struct Product {
    /// Empty when unknown.
    pub(super) category: String,
    /// Whether its department is one that is left out.
    pub(super) dropped: bool,
    facts: ProductFacts,
}

impl Product {
    /// Adds what another row says of the same code: the order of rows must not matter.
    fn join(&mut self, other: Self) {
        self.dropped |= other.dropped;
        first_by_name(&mut self.category, other.category);
        first_by_name(&mut self.facts.brand, other.facts.brand);
        let costs = [self.facts.unit_cost_minor, other.facts.unit_cost_minor];
        self.facts.unit_cost_minor = costs.into_iter().flatten().max();
    }
}

fn first_by_name(known: &mut String, other: String) {
    if known.is_empty() || (!other.is_empty() && other < *known) {
        *known = other;
    }
}

impl ProductTable {
    /// Of each product, what order rows do not say; products of which nothing is known are left out.
    pub(super) fn into_facts(self) -> BTreeMap<String, ProductFacts> {
        let facts = self
            .products
            .into_iter()
            .map(|(id, product)| (id, product.facts));
        facts
            .filter(|(_, facts)| *facts != ProductFacts::default())
            .collect()
    }

    pub(super) fn get(&self, product_id: &str) -> Option<&Product> {
        self.products.get(product_id)
    }
}

/// Why a code stands for no product, where a rule of the shop says so.
pub(super) fn no_product(
    drop: &Drops,
    id: &str,
    known: Option<&Product>,
    category: &str,
) -> Option<&'static str> {
    let prefixed = || drop.product_prefixes.iter().any(|p| id.starts_with(p));
    if drop.product_ids.contains(id) || prefixed() {
        Some("code is no product")
    } else if known.is_some_and(|product| product.dropped) {
        Some("department is no product")
    } else if drop.categories.contains(category) {
        Some("category is no product")
    } else {
        None
    }
}

/// A million units of most currencies.
const MAX_COST_MINOR: i128 = 100_000_000;
/// Decimals kept of a cost that comes as a double.
const COST_DIGITS: u32 = 6;

/// Reads all product files. A code that is there twice has the first of its categories and brands in alphabetical
/// order and the highest of its costs, so that the order of rows does not matter.
pub(super) fn read_products(
    shop: &Shop,
    inputs: &[Input],
    temporary: &Path,
    fetch: &dyn Fetch,
    rejects: &mut Rejects,
) -> Result<ProductTable, LoadError> {
    let mut table = ProductTable::default();
    let Some(products) = &shop.products else {
        return Ok(table);
    };
    let columns = &products.columns;
    let mut wanted = vec![columns.product_id.as_str()];
    let category = want(&mut wanted, columns.category.as_deref());
    let department = want(&mut wanted, columns.department.as_deref());
    let brand = want(&mut wanted, columns.brand.as_deref());
    let unit_cost = want(&mut wanted, columns.unit_cost.as_deref());
    for input in inputs {
        let path = input.local(fetch, temporary)?;
        let mut sink = ProductSink {
            file: &input.name,
            wanted: &wanted,
            category,
            department,
            brand,
            unit_cost,
            decimal: products.layout.decimal,
            currency_digits: shop.currency.digits,
            dropped: &shop.drop.departments,
            table: &mut table,
            rejects,
        };
        Opened::open(&path, &input.name, &products.layout)?.read(
            &input.name,
            &products.layout,
            &wanted,
            false,
            &mut sink,
        )?;
    }
    Ok(table)
}

/// Adds a column that the shop names to those that are read, and says which of them it is.
fn want<'a>(wanted: &mut Vec<&'a str>, column: Option<&'a str>) -> Option<usize> {
    wanted.push(column?);
    Some(wanted.len() - 1)
}

struct ProductSink<'a> {
    file: &'a str,
    wanted: &'a [&'a str],
    category: Option<usize>,
    department: Option<usize>,
    brand: Option<usize>,
    unit_cost: Option<usize>,
    decimal: DecimalStyle,
    currency_digits: u32,
    dropped: &'a BTreeSet<String>,
    table: &'a mut ProductTable,
    rejects: &'a mut Rejects,
}

impl ProductSink<'_> {
    fn text(&self, cells: &[Cell<'_>], index: Option<usize>) -> Result<String, Reject> {
        let mut text = String::new();
        if let Some(index) = index.filter(|&index| !cells[index].is_missing()) {
            cells[index]
                .id(&mut text)
                .map_err(|reject| reject.at(self.wanted[index], cells[index]))?;
        }
        Ok(text)
    }

    fn product(&self, cells: &[Cell<'_>]) -> Result<(String, Product), Reject> {
        let mut id = String::new();
        cells[0]
            .id(&mut id)
            .map_err(|reject| reject.at(self.wanted[0], cells[0]))?;
        let category = self.text(cells, self.category)?;
        let dropped = self.dropped.contains(&self.text(cells, self.department)?);
        let facts = ProductFacts {
            brand: self.text(cells, self.brand)?,
            unit_cost_minor: self.cost(cells)?,
        };
        Ok((
            id,
            Product {
                category,
                dropped,
                facts,
            },
        ))
    }

    fn cost(&self, cells: &[Cell<'_>]) -> Result<Option<i64>, Reject> {
        let Some(index) = self.unit_cost.filter(|&index| !cells[index].is_missing()) else {
            return Ok(None);
        };
        let at = |reject: Reject| reject.at(self.wanted[index], cells[index]);
        let cost = cells[index].number(self.decimal, COST_DIGITS).map_err(at)?;
        let cost = cost.to_units(self.currency_digits);
        if (0..=MAX_COST_MINOR).contains(&cost) {
            return Ok(i64::try_from(cost).ok());
        }
        let allowed = format!("{cost} minor units, 0 to {MAX_COST_MINOR} allowed");
        Err(at(Reject::of("cost out of range", allowed)))
    }
}

impl RowSink for ProductSink<'_> {
    fn row(&mut self, row: u64, cells: &[Cell<'_>], _hash: u64) -> Result<(), LoadError> {
        self.table.rows += 1;
        match self.product(cells) {
            Ok((id, product)) => {
                self.table.products.entry(id).or_default().join(product);
                Ok(())
            }
            Err(reject) => self.rejects.write(self.file, row, &reject),
        }
    }

    fn bad(&mut self, row: u64, reject: &Reject) -> Result<(), LoadError> {
        self.table.rows += 1;
        self.rejects.write(self.file, row, reject)
    }
}
