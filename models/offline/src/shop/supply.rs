//! `[stock]`, `[on_order]` and `[promotions]`: what a shop knows of its supply.

use super::check::{Wrong, date_formats, layout, patterns, wrong};
use super::sections::{Layout, Orders};
use crate::simulate::{LeadTime, Simulator};
use serde::Deserialize;

/// Longer periods are typing errors.
const MAX_DAYS: u32 = 3650;

/// Files of one kind of row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table<C> {
    /// Patterns with `*` and `?` below the data root, or `s3://` addresses.
    pub files: Vec<String>,
    /// How rows are cut out of them.
    #[serde(default)]
    pub layout: Layout,
    /// Formats of dates in text; those of the orders unless given.
    #[serde(default)]
    pub dates: Vec<String>,
    /// Which column means what.
    pub columns: C,
}

/// `[stock.columns]`: names of columns.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockColumns {
    /// The code that order rows name.
    pub product_id: String,
    /// Named exactly where the orders have a location.
    pub location: Option<String>,
    /// The day.
    pub date: String,
    /// Units in the shelf when the day begins; negative is owed to customers.
    pub on_hand: String,
}

/// `[on_order.columns]`: names of columns.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnOrderColumns {
    /// The code that order rows name.
    pub product_id: String,
    /// Named exactly where the orders have a location.
    pub location: Option<String>,
    /// The day on which it can be sold.
    pub arrives: String,
    /// Units; positive.
    pub quantity: String,
}

/// `[promotions.columns]`: names of columns.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromotionColumns {
    /// The code that order rows name.
    pub product_id: String,
    /// The first day.
    pub from: String,
    /// The last day.
    pub until: String,
    /// The day from which it was known; the first day without it.
    pub known_since: Option<String>,
}

/// What a table's columns are for, to whoever checks or reads it.
pub(crate) trait Columns {
    /// The table's name.
    const TABLE: &'static str;
    /// Whether its rows belong to a location where the shop tells them apart.
    const LOCATED: bool;
    /// Whether a file holds a whole state, so that of several only the one that sorts last counts.
    const LAST_FILE_COUNTS: bool = false;

    /// The columns of product and location.
    fn sku(&self) -> (&str, Option<&str>);

    /// The columns of days, with their keys.
    fn days(&self) -> Vec<(&'static str, &str)>;

    /// The column of a quantity, with its key.
    fn quantity(&self) -> Option<(&'static str, &str)>;
}

impl Columns for StockColumns {
    const TABLE: &'static str = "stock";
    const LOCATED: bool = true;

    fn sku(&self) -> (&str, Option<&str>) {
        (&self.product_id, self.location.as_deref())
    }

    fn days(&self) -> Vec<(&'static str, &str)> {
        vec![("date", &self.date)]
    }

    fn quantity(&self) -> Option<(&'static str, &str)> {
        Some(("on_hand", &self.on_hand))
    }
}

impl Columns for OnOrderColumns {
    const TABLE: &'static str = "on_order";
    const LOCATED: bool = true;
    const LAST_FILE_COUNTS: bool = true;

    fn sku(&self) -> (&str, Option<&str>) {
        (&self.product_id, self.location.as_deref())
    }

    fn days(&self) -> Vec<(&'static str, &str)> {
        vec![("arrives", &self.arrives)]
    }

    fn quantity(&self) -> Option<(&'static str, &str)> {
        Some(("quantity", &self.quantity))
    }
}

impl Columns for PromotionColumns {
    const TABLE: &'static str = "promotions";
    const LOCATED: bool = false;

    fn sku(&self) -> (&str, Option<&str>) {
        (&self.product_id, None)
    }

    fn days(&self) -> Vec<(&'static str, &str)> {
        let known_since = self.known_since.as_deref();
        [("from", self.from.as_str()), ("until", &self.until)]
            .into_iter()
            .chain(known_since.map(|name| ("known_since", name)))
            .collect()
    }

    fn quantity(&self) -> Option<(&'static str, &str)> {
        None
    }
}

/// Where stock levels come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Stock {
    /// From files: a level for each SKU and day.
    Levels(Table<StockColumns>),
    /// From nowhere: they are made up over the real demand, and said to be.
    Simulated(Simulator),
}

/// `[stock]` as it is written: a table, or `[stock.simulated]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StockFile {
    files: Option<Vec<String>>,
    #[serde(default)]
    layout: Layout,
    #[serde(default)]
    dates: Vec<String>,
    columns: Option<StockColumns>,
    simulated: Option<SimulatedFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SimulatedFile {
    seed: u64,
    launch_days: u32,
    review_days: u32,
    window_days: u32,
    cover_days: f64,
    safety_factor: f64,
    slow_safety_factor: f64,
    slow_below_per_day: f64,
    lead_days: Vec<u32>,
    lead_shares: Vec<f64>,
}

/// What was checked.
pub(super) struct Supply {
    pub(super) stock: Option<Stock>,
    pub(super) on_order: Option<Table<OnOrderColumns>>,
    pub(super) promotions: Option<Table<PromotionColumns>>,
}

pub(super) fn supply(
    stock: Option<StockFile>,
    on_order: Option<Table<OnOrderColumns>>,
    promotions: Option<Table<PromotionColumns>>,
    orders: &Orders,
) -> Result<Supply, Wrong> {
    let given = [
        ("stock", stock.is_some()),
        ("on_order", on_order.is_some()),
        ("promotions", promotions.is_some()),
    ];
    if let Some((key, _)) = given.iter().find(|(_, given)| *given)
        && orders.columns.product_id.is_none()
    {
        let allowed = "no such table, unless orders.columns.product_id names a column";
        return Err(wrong(*key, "a table", allowed));
    }
    let stock = stock.map(|file| source(file, orders)).transpose()?;
    if on_order.is_some() && !matches!(stock, Some(Stock::Levels(_))) {
        let allowed = "no such table, unless [stock] names files: orders come on top of a level";
        return Err(wrong("on_order", "a table", allowed));
    }
    Ok(Supply {
        stock,
        on_order: on_order.map(|table| checked(table, orders)).transpose()?,
        promotions: promotions.map(|table| checked(table, orders)).transpose()?,
    })
}

fn source(file: StockFile, orders: &Orders) -> Result<Stock, Wrong> {
    match (file.files, file.columns, file.simulated) {
        (None, None, Some(simulated)) => simulator(simulated).map(Stock::Simulated),
        (Some(files), Some(columns), None) => {
            let table = Table {
                files,
                layout: file.layout,
                dates: file.dates,
                columns,
            };
            checked(table, orders).map(Stock::Levels)
        }
        _ => Err(wrong(
            "stock",
            "neither or both",
            "files and columns, or simulated alone",
        )),
    }
}

/// A table that makes sense, with the date formats of the orders where it has none of its own.
fn checked<C: Columns>(mut table: Table<C>, orders: &Orders) -> Result<Table<C>, Wrong> {
    let key = C::TABLE;
    patterns(&format!("{key}.files"), &table.files)?;
    date_formats(&format!("{key}.dates"), &table.dates)?;
    if table.dates.is_empty() {
        table.dates.clone_from(&orders.dates);
    }
    let (product_id, location) = table.columns.sku();
    if C::LOCATED && location.is_some() != orders.columns.location.is_some() {
        // A level of all locations together says nothing of one of them, and the other way round.
        let allowed = "a column where orders.columns.location names one, and none elsewhere";
        return Err(wrong(format!("{key}.columns.location"), location, allowed));
    }
    let named: Vec<(&str, &str)> = std::iter::once(("product_id", product_id))
        .chain(location.map(|name| ("location", name)))
        .chain(table.columns.days())
        .chain(table.columns.quantity())
        .collect();
    layout(key, &table.layout, &named)?;
    Ok(table)
}

fn simulator(file: SimulatedFile) -> Result<Simulator, Wrong> {
    for (key, days) in [
        ("review_days", file.review_days),
        ("window_days", file.window_days),
        ("launch_days", file.launch_days),
    ] {
        if !(1..=MAX_DAYS).contains(&days) {
            let allowed = format!("1 to {MAX_DAYS}");
            return Err(wrong(format!("stock.simulated.{key}"), days, allowed));
        }
    }
    for (key, value) in [
        ("cover_days", file.cover_days),
        ("safety_factor", file.safety_factor),
        ("slow_safety_factor", file.slow_safety_factor),
        ("slow_below_per_day", file.slow_below_per_day),
    ] {
        if !(0.0..=f64::from(MAX_DAYS)).contains(&value) {
            let allowed = format!("0 to {MAX_DAYS}");
            return Err(wrong(format!("stock.simulated.{key}"), value, allowed));
        }
    }
    Ok(Simulator {
        seed: file.seed,
        launch_days: file.launch_days,
        review_days: file.review_days,
        window_days: file.window_days,
        cover_days: file.cover_days,
        safety_factor: file.safety_factor,
        slow_safety_factor: file.slow_safety_factor,
        slow_below_per_day: file.slow_below_per_day,
        lead_times: lead_times(&file.lead_days, &file.lead_shares)?,
    })
}

fn lead_times(days: &[u32], shares: &[f64]) -> Result<Vec<LeadTime>, Wrong> {
    let sensible = days.iter().all(|days| (1..=MAX_DAYS).contains(days));
    if days.is_empty() || !sensible {
        let allowed = format!("at least one, each 1 to {MAX_DAYS}");
        return Err(wrong("stock.simulated.lead_days", days, allowed));
    }
    let positive = shares.iter().all(|share| *share > 0.0);
    let sum: f64 = shares.iter().sum();
    if shares.len() != days.len() || !positive || (sum - 1.0).abs() > 1e-6 {
        let allowed = "one above 0 for each of lead_days, adding up to 1";
        return Err(wrong("stock.simulated.lead_shares", shares, allowed));
    }
    let pairs = days.iter().zip(shares);
    Ok(pairs
        .map(|(&days, &share)| LeadTime { days, share })
        .collect())
}
