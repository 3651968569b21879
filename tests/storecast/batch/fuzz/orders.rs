//! Files of the shop: orders, products, stock, what is on order and promotions, as a person or a till uploads them.

use super::{Target, target};
use crate::batch::kills::gzip;
use crate::batch::tables::{Layout, texts, written};
use crate::orders::shop::{Delivered, MadeUp};
use arrow_array::{ArrayRef, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray};
use offline::ingest::{Options, judge};
use offline::shop::Shop;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

/// A shop whose orders are tables.
const COLUMNAR: &str = r#"
format = 1
name = "columnar"
currency = "EUR"
source = "made up"
licence = "none"
data_root = "."
[time]
naive_zone = "Europe/Berlin"
[orders]
files = ["*.parquet"]
dates = ["%Y-%m-%d"]
[orders.columns]
order_id = "order"
customer_id = "customer"
placed_at = "at"
product_id = "product"
quantity = "qty"
amount = "amount"
"#;

/// Orders with columns of every kind that days and amounts come in.
fn columnar(layout: &Layout) -> Vec<u8> {
    let rows = 0..30_i64;
    let numbers = |factor| rows.clone().map(move |row| row * factor);
    let days: Vec<i32> = (19_000..19_030).collect();
    let days: ArrayRef = Arc::new(Date32Array::from(days));
    let instants = numbers(60_000_000).map(|at| 1_704_186_000_000_000 + at);
    let instants: Vec<i64> = instants.collect();
    let instants: ArrayRef = Arc::new(TimestampMicrosecondArray::from(instants));
    let at = if layout.page_rows > 9 { days } else { instants };
    let amounts = rows
        .clone()
        .map(|row| (row % 7 != 3).then_some(row as f64 / 4.0));
    let columns = vec![
        (
            "order".to_owned(),
            Arc::new(numbers(1).collect::<Int64Array>()) as ArrayRef,
        ),
        texts(
            "customer",
            rows.clone().map(|row| match row % 3 {
                0 => Some("K1"),
                1 => Some("K2"),
                _ => Some("Kä"),
            }),
        ),
        ("at".to_owned(), at),
        texts(
            "product",
            rows.clone().map(|row| match row % 3 {
                0 => Some("p1"),
                1 => Some("p2"),
                _ => None,
            }),
        ),
        (
            "qty".to_owned(),
            Arc::new(numbers(2).collect::<Int64Array>()),
        ),
        (
            "amount".to_owned(),
            Arc::new(amounts.collect::<Float64Array>()),
        ),
    ];
    written(columns, layout)
}

/// Whatever a file of this name holds, it is judged: only a machine that fails is an error.
fn file(label: &'static str, shop: &Shop, name: &str, seeds: Vec<Vec<u8>>) -> Target {
    let [data, work] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let (shop, name) = (shop.clone(), name.to_owned());
    target(label, seeds, move |bytes| {
        std::fs::write(data.path().join(&name), bytes).expect("a file");
        let options = Options {
            data_root: Some(data.path()),
            may_be_missing: true,
            ..Options::local(work.path())
        };
        let judged = judge(&shop, &options, &name);
        black_box(judged.unwrap_or_else(|error| panic!("{error}")));
    })
}

/// The first rows: long files leave time for few of them.
fn beginning(delivered: Delivered) -> Delivered {
    let lines = delivered.bytes.split_inclusive(|byte| *byte == b'\n');
    let bytes = lines.take(30).flatten().copied().collect();
    Delivered { bytes, ..delivered }
}

/// Each table of the made-up shop, and orders packed and in columns.
pub(super) fn orders() -> Vec<Target> {
    let made_up = MadeUp::new(2, 3);
    let shop = &made_up.shop;
    let labels = [
        "products-csv",
        "on-order-csv",
        "promotions-csv",
        "orders-csv",
        "stock-csv",
    ];
    let files: Vec<_> = made_up.clean().into_iter().map(beginning).collect();
    assert_eq!(files.len(), labels.len());
    let packed = files
        .iter()
        .find(|file| file.name.starts_with("bestellungen"));
    let packed = gzip(&packed.expect("orders").bytes);
    let named = labels.into_iter().zip(files);
    let mut targets: Vec<Target> = named
        .map(|(label, delivered)| file(label, shop, &delivered.name, vec![delivered.bytes]))
        .collect();
    targets.push(file(
        "orders-csv-gz",
        shop,
        "bestellungen-1.csv.gz",
        vec![packed],
    ));
    let layouts = [
        Layout::default(),
        Layout {
            group_rows: 11,
            page_rows: 4,
            ..Layout::default()
        },
    ];
    let tables = layouts.iter().map(columnar).collect();
    let shop = Shop::parse(COLUMNAR, Path::new("shop.toml")).expect("a shop");
    targets.push(file("orders-parquet", &shop, "orders.parquet", tables));
    targets
}
