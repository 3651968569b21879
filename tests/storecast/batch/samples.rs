//! Files in every format, with good and bad rows in them.

use super::kills::gzip;
use super::tables;
use arrow_array::{ArrayRef, Int64Array};
use serde_json::json;
use serving::predictor::Predictor;
use serving::wire::LinesOf;
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

/// A line of an order: whose it is, order, instant, amount behind what it is of: a customer's of a product, or the other way round.
pub(super) type Line = (String, String, String, String, i64);

/// Whose lines a function takes.
pub(super) fn lines_of<P: Predictor>() -> LinesOf {
    let shape = P::rows().expect("a function of files");
    shape.order_lines.expect("one of order lines").of
}

/// A file of so many rows, good and bad, some with line breaks inside of quotes.
pub(super) fn file(of: LinesOf, ending: &str, rows: usize) -> Vec<u8> {
    if let Some(ending) = ending.strip_prefix("orders.") {
        return export(of, ending, &lines(rows));
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

/// Lines of orders that come to so many rows, some of them with a wrong line, and lines of nobody.
pub(super) fn lines(rows: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for order in 0..4 {
        for row in 0..rows {
            let id = if row % 9 == 4 {
                String::new()
            } else {
                format!("c{row}")
            };
            // All of them have a first order, so that rows are in the order of their numbers.
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
                // One line is all that one without a name has.
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

/// Lines of a dozen customers as a file.
pub(super) fn customer_lines(ending: &str) -> Vec<u8> {
    export(LinesOf::Customers, ending, &lines(12))
}

/// Lines of a product at two locations as a CSV file, with what a planner knows of them.
pub(super) fn sku_lines() -> Vec<u8> {
    b"product_id,location,order_id,placed_at,quantity,net_minor,category,on_hand,target,as_of\n\
        p,north,o1,2017-12-24T23:30:00-05:00,2,500,tea,5,costs,2018-01-01\n\
        p,north,o2,2017-12-25T10:00:00Z,-1,-250,,5,costs,2018-01-01\n\
        p,\"so\nuth\",o2,2017-12-25T10:00:00Z,0.5,125,ale,,\"{\"\"fill_rate\"\":0.9}\",\n"
        .to_vec()
}

/// Lines of orders as a file.
pub(super) fn export(of: LinesOf, ending: &str, lines: &[Line]) -> Vec<u8> {
    let (id, other) = match of {
        LinesOf::Customers => ("customer_id", "product_id"),
        LinesOf::Products => ("product_id", "customer_id"),
    };
    if ending == "parquet" {
        let text = |name: &str, of: fn(&Line) -> &String| {
            tables::texts(name, lines.iter().map(|line| Some(of(line).as_str())))
        };
        let nets: Int64Array = lines.iter().map(|line| Some(line.4)).collect();
        let columns = vec![
            text("order_id", |line| &line.1),
            text(id, |line| &line.0),
            text("placed_at", |line| &line.2),
            text(other, |line| &line.3),
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
        let header = format!("\u{feff}order_id,{id},placed_at,{other},net_minor\r\n");
        text.push_str(&header);
    }
    for (whose, order_id, placed_at, what, net_minor) in lines {
        if ending.starts_with("csv") {
            let line = format!("{order_id},{whose},\"{placed_at}\",{what},{net_minor}\r\n");
            text.push_str(&line);
            continue;
        }
        let line = json!({ id: whose, "order_id": order_id, "placed_at": placed_at, other: what,
            "net_minor": net_minor });
        text.push_str(&[line.to_string(), "\n".to_owned()].concat());
    }
    packed(ending, text.into_bytes())
}
