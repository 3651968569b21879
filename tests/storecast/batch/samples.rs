//! Files in every format, with good and bad rows in them.

use super::kills::gzip;
use super::tables;
use arrow_array::{ArrayRef, Int64Array};
use serde_json::json;
use std::sync::Arc;

/// Endings of files of rows, and of files of order lines.
pub(super) const ENDINGS: [&str; 9] = [
    "csv",
    "csv.gz",
    "jsonl",
    "jsonl.zst",
    "parquet",
    "orders.csv",
    "orders.csv.gz",
    "orders.jsonl.zst",
    "orders.parquet",
];

/// A line of an order: customer, order, instant, product, amount.
pub(super) type Line = (String, String, String, String, i64);

/// A file of so many rows, good and bad, some with line breaks inside of quotes.
pub(super) fn file(ending: &str, rows: usize) -> Vec<u8> {
    if let Some(ending) = ending.strip_prefix("orders.") {
        return export(ending, &lines(rows));
    }
    if ending == "parquet" {
        let ids = (0..rows).map(|row| Some(["1", "208", "nobody", "a\nb", "=1+1"][row % 5]));
        let instants =
            (0..rows).map(|row| [None, Some("2017-12-01T00:00:00Z"), Some("later")][row % 3]);
        let columns = vec![
            tables::texts("as_of", instants),
            tables::texts("customer_id", ids),
        ];
        return tables::written(
            columns,
            &tables::Layout {
                group_rows: 37,
                page_rows: 5,
                ..tables::Layout::default()
            },
        );
    }
    let mut csv = String::from("\u{feff}as_of,customer_id\r\n");
    let mut lines = String::new();
    for row in 0..rows {
        let id = ["1", "208", "nobody", "a\nb", "=1+1"][row % 5];
        let as_of = if row % 7 == 3 {
            "yester\nday"
        } else {
            "2017-12-01T00:00:00Z"
        };
        let record = format!("\"{as_of}\",\"{id}\"\r\n");
        csv.push_str(&[record, "\n".repeat(row % 3)].concat());
        let line = serde_json::json!({ "customer_id": id, "as_of": as_of });
        lines.push_str(&[line.to_string(), "\n".repeat(1 + row % 2)].concat());
    }
    let text = if ending.starts_with("csv") {
        csv
    } else {
        lines
    };
    packed(ending, text.into_bytes())
}

/// Bytes as their ending packs them.
fn packed(ending: &str, text: Vec<u8>) -> Vec<u8> {
    match ending.rsplit_once('.') {
        Some((_, "gz")) => gzip(&text),
        Some((_, "zst")) => zstd::encode_all(&text[..], 3).expect("memory"),
        _ => text,
    }
}

/// Lines of orders that come to so many rows: customers, some of them with a wrong line, and lines of nobody.
pub(super) fn lines(rows: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for order in 0..4 {
        for row in 0..rows {
            let id = if row % 9 == 4 {
                String::new()
            } else {
                format!("c{row}")
            };
            // All customers have a first order, so that rows are in the order of their numbers.
            if order > 0 && (id.is_empty() || row % 4 < order) {
                continue;
            }
            let placed_at = match (row % 7, order) {
                (3, 1) => "yester\nday".to_owned(),
                _ => format!(
                    "2017-{:02}-{:02}T10:00:00+01:00",
                    12 - 3 * order,
                    row % 28 + 1
                ),
            };
            for net in [250, 1_990] {
                // One line is all that a customer without a name has.
                if net == 250 || !id.is_empty() {
                    let product = ["1082185", "", "995242"][row % 3].to_owned();
                    lines.push((
                        id.clone(),
                        format!("o{order}"),
                        placed_at.clone(),
                        product,
                        net,
                    ));
                }
            }
        }
    }
    lines
}

/// Lines of orders as a file.
pub(super) fn export(ending: &str, lines: &[Line]) -> Vec<u8> {
    if ending == "parquet" {
        let text = |name: &str, of: fn(&Line) -> &String| {
            tables::texts(name, lines.iter().map(|line| Some(of(line).as_str())))
        };
        let nets: Int64Array = lines.iter().map(|line| Some(line.4)).collect();
        let columns = vec![
            text("order_id", |line| &line.1),
            text("customer_id", |line| &line.0),
            text("placed_at", |line| &line.2),
            text("product_id", |line| &line.3),
            ("net_minor".to_owned(), Arc::new(nets) as ArrayRef),
        ];
        let layout = tables::Layout {
            group_rows: 500,
            page_rows: 50,
            ..tables::Layout::default()
        };
        return tables::written(columns, &layout);
    }
    let mut text = String::new();
    if ending.starts_with("csv") {
        text.push_str("\u{feff}order_id,customer_id,placed_at,product_id,net_minor\r\n");
    }
    for (customer_id, order_id, placed_at, product_id, net_minor) in lines {
        if ending.starts_with("csv") {
            let line =
                format!("{order_id},{customer_id},\"{placed_at}\",{product_id},{net_minor}\r\n");
            text.push_str(&line);
            continue;
        }
        let line = json!({ "customer_id": customer_id, "order_id": order_id, "placed_at": placed_at,
            "product_id": product_id, "net_minor": net_minor });
        text.push_str(&[line.to_string(), "\n".to_owned()].concat());
    }
    packed(ending, text.into_bytes())
}
