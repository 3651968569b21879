//! What became of every row, and what is left.

use crate::ingest::TableCounts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Rows of `stock`, `on_order` and `promotions`, where the shop has them.
    pub tables: BTreeMap<String, TableCounts>,
    /// What is known of the demand for SKUs.
    pub demand: DemandCounts,
}

/// The size of what is known of demand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandCounts {
    /// SKUs: products, or products at a location.
    pub skus: u64,
    /// Categories with a total.
    pub totals: u64,
    /// Days with a sale, over all SKUs.
    pub sale_days: u64,
    /// Days on which a SKU was active, over all SKUs: at least 56 days after its first sale and at most 112 after a sale.
    pub active_days: u64,
    /// Active days that began without stock.
    pub stock_out_days: u64,
}

impl DemandCounts {
    /// The share of the days of active SKUs that began without stock; 0 without such days.
    pub fn stock_out_share(&self) -> f64 {
        self.stock_out_days as f64 / (self.active_days.max(1)) as f64
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.skus += other.skus;
        self.totals += other.totals;
        self.sale_days += other.sale_days;
        self.active_days += other.active_days;
        self.stock_out_days += other.stock_out_days;
    }
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
