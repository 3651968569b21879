//! What lands: good and bad files of every form, of two functions.

use super::super::kills::gzip;
use super::super::tables::{Layout, texts, written};
use super::Random;

/// Of the two functions, the one that every third file is for.
pub(super) const INVENTORY: &str = "uploads/inventory/";

/// Ids of rows: of histories that there are, of none, and what a sheet would take for a formula.
const CUSTOMERS: [&str; 5] = ["1", "208", "7", "nobody", "=1+1"];
pub(super) const SKUS: [&str; 5] = [
    crate::shop::FAST,
    crate::shop::SLOW,
    crate::shop::NEW,
    "nothing",
    "=1+1",
];

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory")
}

fn table(column: &str, ids: &[&str], content: usize) -> Vec<u8> {
    let layout = Layout {
        group_rows: 20,
        page_rows: 9,
        ..Layout::default()
    };
    // Of the second content some rows name nobody.
    let is_named = |row: usize| content == 0 || row % 7 != 3;
    let ids = ids.iter().enumerate();
    let ids = ids.map(|(row, id)| is_named(row).then_some(*id));
    written(vec![texts(column, ids)], &layout)
}

/// Key and content of a file; every fifth is poison.
pub(super) fn file(index: usize, content: usize, random: &mut Random) -> (String, Vec<u8>) {
    let (folder, column, known) = match index % 3 {
        2 => (INVENTORY, "sku_id", SKUS),
        _ => ("uploads/churn/", "customer_id", CUSTOMERS),
    };
    let rows = 1 + random.below(60);
    let ids: Vec<&str> = (0..rows).map(|_| known[random.below(5)]).collect();
    let csv = format!("{column}\n{}\n", ids.join("\n"));
    let line = |id: &&str| match content {
        // A number is no id.
        1 if *id == known[2] => format!("{{\"{column}\": 7}}\n"),
        _ => format!("{{\"{column}\": \"{id}\"}}\n"),
    };
    let lines: String = ids.iter().map(line).collect();
    let (ending, bytes) = match index % 10 {
        0 => ("csv", csv.into_bytes()),
        1 => ("csv.gz", gzip(csv.as_bytes())),
        2 => ("jsonl", lines.into_bytes()),
        3 => ("csv", format!("{csv}\"open,{content}\n").into_bytes()),
        5 => ("csv.zst", zstandard(csv.as_bytes())),
        6 => ("parquet", table(column, &ids, content)),
        7 => ("jsonl.gz", gzip(lines.as_bytes())),
        8 => ("jsonl.zst", zstandard(lines.as_bytes())),
        _ => poison(index / 5, content, csv.as_bytes(), table(column, &ids, 0)),
    };
    (format!("{folder}{index}.{ending}"), bytes)
}

/// What nothing can be made of: wrong columns, what is no archive or table, what is empty, and what was cut off.
fn poison(kind: usize, content: usize, csv: &[u8], mut table: Vec<u8>) -> (&'static str, Vec<u8>) {
    match kind % 6 {
        0 => ("csv", format!("column\n{content}\n").into_bytes()),
        1 => ("csv.gz", vec![content as u8 + 1; 40]),
        2 => ("parquet", vec![content as u8; 4]),
        3 => ("csv", "\n".repeat(content).into_bytes()),
        4 => {
            let mut packed = zstandard(csv);
            packed.truncate(packed.len() / 2);
            ("csv.zst", packed)
        }
        _ => {
            table.truncate(table.len() - 9);
            ("parquet", table)
        }
    }
}
