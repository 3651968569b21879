//! The product file, in memory: what order rows are joined with.

use super::cell::Cell;
use super::rejects::{Reject, Rejects};
use super::rows::{Opened, RowSink};
use super::{Fetch, Input, LoadError};
use crate::shop::{Drops, Shop};
use std::collections::{BTreeSet, HashMap};
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
}

impl ProductTable {
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

/// Reads all product files. A code that is there twice has the first of its categories in alphabetical order, so that
/// the order of rows does not matter.
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
    let wanted: Vec<&str> = std::iter::once(columns.product_id.as_str())
        .chain(columns.category.as_deref())
        .chain(columns.department.as_deref())
        .collect();
    for input in inputs {
        let path = input.local(fetch, temporary)?;
        let mut sink = ProductSink {
            file: &input.name,
            wanted: &wanted,
            category: columns.category.as_ref().map(|_| 1),
            department: columns.department.as_ref().map(|_| wanted.len() - 1),
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

struct ProductSink<'a> {
    file: &'a str,
    wanted: &'a [&'a str],
    category: Option<usize>,
    department: Option<usize>,
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
        Ok((id, Product { category, dropped }))
    }
}

impl RowSink for ProductSink<'_> {
    fn row(&mut self, row: u64, cells: &[Cell<'_>], _hash: u64) -> Result<(), LoadError> {
        self.table.rows += 1;
        match self.product(cells) {
            Ok((id, product)) => {
                let known = self.table.products.entry(id).or_default();
                known.dropped |= product.dropped;
                if known.category.is_empty()
                    || (!product.category.is_empty() && product.category < known.category)
                {
                    known.category = product.category;
                }
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
