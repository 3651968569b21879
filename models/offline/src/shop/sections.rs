//! The tables of `shop.toml` as they are written.

use super::supply::{OnOrderColumns, PromotionColumns, StockFile, Table};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShopFile {
    pub(super) format: u32,
    pub(super) name: String,
    pub(super) currency: String,
    pub(super) source: String,
    pub(super) licence: String,
    pub(super) data_root: String,
    pub(super) time: TimeFile,
    pub(super) orders: Orders,
    pub(super) products: Option<Products>,
    pub(super) stock: Option<StockFile>,
    pub(super) on_order: Option<Table<OnOrderColumns>>,
    pub(super) promotions: Option<Table<PromotionColumns>>,
    #[serde(default)]
    pub(super) drop: Drops,
    #[serde(default)]
    pub(super) training: TrainingFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeFile {
    pub(super) naive_zone: String,
    pub(super) day_zone: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingFile {
    pub(super) horizon_days: Option<u32>,
    pub(super) spacing_days: Option<u32>,
    pub(super) train_cutoffs: Option<Vec<toml::Value>>,
    pub(super) calibration_cutoffs: Option<Vec<toml::Value>>,
    pub(super) test_cutoffs: Option<Vec<toml::Value>>,
    pub(super) treated: Option<PathBuf>,
}

/// What a file of rows looks like.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Fields between delimiters, quoted by RFC 4180; gzipped or not.
    Csv,
    /// Fields between runs of blanks and tabs, never quoted; gzipped or not.
    Whitespace,
    /// Apache Parquet.
    Parquet,
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum DecimalStyle {
    /// A point before the decimals, commas between thousands.
    #[default]
    #[serde(rename = "1,234.50")]
    Point,
    /// A comma before the decimals, points between thousands.
    #[serde(rename = "1.234,50")]
    Comma,
}

/// What the amount column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountIs {
    /// The whole position.
    #[default]
    LineTotal,
    /// One unit of it: multiplied by the quantity.
    UnitPrice,
}

/// Whether the amount column already has the discounts taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discounts {
    /// The amount is what the customer paid.
    #[default]
    TakenOff,
    /// The discount columns, which are per position, must still be taken off the amount.
    StillIn,
}

/// What a negative quantity means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returns {
    /// A return.
    #[default]
    NegativeQuantity,
    /// A fault: the row is rejected.
    Reject,
}

/// What is done with a row that names no customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guests {
    /// Left out, and counted.
    #[default]
    Drop,
    /// Every guest order is a customer of its own, `guest:` and the order id.
    OneOff,
}

/// What is done with rows of one file that equal each other in every column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// One stays, the others are left out and counted.
    #[default]
    Drop,
    /// All stay: the export has no line number, and two equal lines are two positions.
    Keep,
}

/// How rows are cut out of files; shared by orders and products.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layout {
    /// Told from the file name unless given: `.parquet`, everything else is CSV.
    pub format: Option<FileFormat>,
    /// Between the fields of a CSV file.
    pub delimiter: char,
    /// The names of the columns, in order, when files have no header line.
    pub column_names: Option<Vec<String>>,
    /// How numbers are written in text.
    pub decimal: DecimalStyle,
    /// A longer record is rejected without being held in memory; 1 MiB.
    pub max_record_bytes: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            format: None,
            delimiter: ',',
            column_names: None,
            decimal: DecimalStyle::default(),
            max_record_bytes: 1 << 20,
        }
    }
}

/// `[orders]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    /// Patterns with `*` and `?` below the data root, or `s3://` addresses.
    pub files: Vec<String>,
    /// How rows are cut out of them: `[orders.layout]`.
    #[serde(default)]
    pub layout: Layout,
    /// Formats of time stamps in text, strptime style, or `rfc3339`; one file uses one of them throughout.
    #[serde(default)]
    pub dates: Vec<String>,
    /// What the amount column holds.
    #[serde(default)]
    pub amount_is: AmountIs,
    /// Whether it has the discounts taken off.
    #[serde(default)]
    pub discounts: Discounts,
    /// An order id that starts so is a cancellation: its positions count as returns, whatever their sign.
    #[serde(default)]
    pub cancellation_prefixes: Vec<String>,
    /// What a negative quantity means.
    #[serde(default)]
    pub returns: Returns,
    /// Rows without a customer.
    #[serde(default)]
    pub guests: Guests,
    /// Rows that equal each other.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// The load stops when a larger share of the rows is rejected; 0.05.
    #[serde(default = "five_percent")]
    pub max_reject_share: f64,
    /// Which column means what.
    pub columns: OrderColumns,
}

fn five_percent() -> f64 {
    0.05
}

/// `[orders.columns]`: names of columns.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderColumns {
    /// Rows with one id are one order; without it, rows of one customer and instant are.
    pub order_id: Option<String>,
    /// Empty for a guest.
    pub customer_id: String,
    /// When the order was placed.
    pub placed_at: String,
    /// The shop's product code.
    pub product_id: Option<String>,
    /// Where it was sold, for shops that order for each place: a SKU is then a product at a location.
    pub location: Option<String>,
    /// The product's category; a product file may give it instead.
    pub category: Option<String>,
    /// Units; 1 without it.
    pub quantity: Option<String>,
    /// Money.
    pub amount: String,
    /// Money taken off; both signs mean the same, and several add up.
    #[serde(default)]
    pub discounts: Vec<String>,
    /// Which version of an order this is: the latest wins, before the file name decides.
    pub updated_at: Option<String>,
}

/// `[products]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Products {
    /// Patterns with `*` and `?` below the data root, or `s3://` addresses.
    pub files: Vec<String>,
    /// How rows are cut out of them: `[products.layout]`.
    #[serde(default)]
    pub layout: Layout,
    /// Which column means what.
    pub columns: ProductColumns,
}

/// `[products.columns]`: names of columns.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductColumns {
    /// The code that order rows name.
    pub product_id: String,
    /// What kind of product it is.
    pub category: Option<String>,
    /// A coarser kind, for `drop.departments` only.
    pub department: Option<String>,
    /// Whose product it is.
    pub brand: Option<String>,
    /// What the shop pays for one unit, in the shop's currency.
    pub unit_cost: Option<String>,
}

/// `[drop]`: lines that are left out, and counted by reason.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drops {
    /// Codes that are no products: postage, fees, vouchers.
    pub product_ids: BTreeSet<String>,
    /// The same by how the code starts.
    pub product_prefixes: Vec<String>,
    /// Categories that are no products.
    pub categories: BTreeSet<String>,
    /// Departments of the product file that are no products.
    pub departments: BTreeSet<String>,
    /// Quantities closer to zero; both signs. Without it only 0 is left out.
    pub quantity_below: Option<f64>,
    /// Quantities farther from zero; both signs.
    pub quantity_above: Option<f64>,
}
