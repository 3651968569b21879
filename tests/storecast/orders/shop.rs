//! The made-up shop, its lines cut into files as a till and its people would send them.

use crate::batch::kills::gzip;
use crate::batch::storm::Random;
use flate2::read::MultiGzDecoder;
use offline::messy::{self, Size};
use offline::shop::Shop;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// A file with its name below the data root.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

fn file(
    name: impl Into<String>,
    header: &str,
    rows: impl IntoIterator<Item = String>,
) -> Delivered {
    let mut text = header.to_owned();
    text.extend(rows);
    Delivered {
        name: name.into(),
        bytes: text.into_bytes(),
    }
}

/// The shop and its lines.
#[derive(Clone)]
pub(crate) struct MadeUp {
    pub(crate) shop: Shop,
    header: String,
    /// Rows of each order as its last export has them; some are bad, some are there twice.
    orders: BTreeMap<String, Vec<String>>,
    levels_header: String,
    levels: BTreeMap<String, Vec<String>>,
    others: Vec<Delivered>,
}

/// The header, and rows by the text of their first column, whole and in their order.
fn grouped(text: &str) -> (String, BTreeMap<String, Vec<String>>) {
    let mut rows = text.split_inclusive('\n').map(str::to_owned);
    let header = rows.next().expect("a header");
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let first = row.split(';').next().expect("a column").to_owned();
        groups.entry(first).or_default().push(row);
    }
    (header, groups)
}

impl MadeUp {
    pub(crate) fn new(customers: usize, seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let written = messy::write(folder.path(), Size { customers, seed }).expect("a shop");
        let read = |name: &str| std::fs::read(folder.path().join(name)).expect("a file");
        let text = |name: &str| String::from_utf8(read(name)).expect("UTF-8");
        let (header, mut orders) = grouped(&text("bestellungen-2023.csv"));
        let mut later = String::new();
        let packed = read("bestellungen-2024.csv.gz");
        let mut unpacked = MultiGzDecoder::new(&packed[..]);
        unpacked.read_to_string(&mut later).expect("gzip");
        // Corrections replace the order as a whole.
        orders.extend(grouped(&later).1);
        let (levels_header, levels) = grouped(&text("bestand.csv"));
        let others = ["artikel.csv", "bestellt.csv", "aktionen.csv"].map(|name| Delivered {
            name: name.to_owned(),
            bytes: read(name),
        });
        let described = std::fs::read_to_string(&written.shop_file).expect("shop.toml");
        let described = described.replace("\"bestand.csv\"", "\"bestand-*.csv\"");
        Self {
            shop: Shop::parse(&described, Path::new("shop.toml")).expect("a shop"),
            header,
            orders,
            levels_header,
            levels,
            others: others.to_vec(),
        }
    }

    /// Every line once, in one file of each table.
    pub(crate) fn clean(&self) -> Vec<Delivered> {
        let orders = self.orders.values().flatten().cloned();
        let levels = self.levels.values().flatten().cloned();
        let mut files = self.others.clone();
        files.push(file("bestellungen-alle.csv", &self.header, orders));
        files.push(file("bestand-alle.csv", &self.levels_header, levels));
        files
    }

    /// A customer with orders; the bad rows of [`poison`](Self::poison) are theirs.
    pub(super) fn somebody(&self) -> String {
        let row = self.orders.values().flatten().next().expect("a row");
        row.split(';').nth(2).expect("a customer").to_owned()
    }

    /// Without the orders of a customer.
    pub(super) fn without(mut self, customer: &str) -> Self {
        self.orders.retain(|_, rows| {
            rows.retain(|row| row.split(';').nth(2) != Some(customer));
            !rows.is_empty()
        });
        self
    }

    /// The same lines in many files, some of them in several, in any order. Files of January hold what those of July
    /// correct.
    pub(super) fn deliveries(&self, count: usize, random: &mut Random) -> Vec<Delivered> {
        let mut rows = vec![Vec::new(); count];
        let mut outdated = vec![Vec::new(); count];
        for lines in self.orders.values() {
            for _ in 0..=random.below(3) {
                rows[random.below(count)].push(lines.clone());
            }
            if random.below(4) == 0 {
                outdated[random.below(count)].push(lines.iter().map(|line| wrong(line)).collect());
            }
        }
        let mut levels = vec![Vec::new(); 3];
        for lines in self.levels.values() {
            levels[random.below(3)].push(lines.clone());
            levels[random.below(3)].push(lines.clone());
        }
        let mut files = self.others.clone();
        for (month, header, contents) in [
            ("bestellungen-01", &self.header, outdated),
            ("bestellungen-07", &self.header, rows),
            ("bestand", &self.levels_header, levels),
        ] {
            for (number, groups) in contents.into_iter().enumerate() {
                files.push(some(
                    &format!("{month}-{number:02}"),
                    header,
                    groups,
                    random,
                ));
            }
        }
        files
    }

    /// A file that no load can read, and one with more bad rows than the shop allows.
    pub(super) fn poison(&self) -> Vec<Delivered> {
        let row = self.orders.values().flatten().next().expect("a row");
        let bad = row.replacen(';', ";31.02.2023 10:00;", 1);
        vec![
            file(
                "bestellungen-07-99.csv",
                "Rechnung;Datum\r\n",
                ["1;2\r\n".to_owned()],
            ),
            file("bestellungen-07-98.csv", &self.header, [bad]),
            file("bestellungen-07-97.csv.gz", "\u{1f}\u{8b} no archive", []),
            file("notizen.txt", "call the supplier", []),
        ]
    }
}

/// Another quantity, as an export has it before it is corrected.
fn wrong(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(';').collect();
    let quantity = fields.len() - 3;
    fields[quantity] = "77";
    fields.join(";")
}

/// The rows of these groups in any order, packed or not.
fn some(name: &str, header: &str, groups: Vec<Vec<String>>, random: &mut Random) -> Delivered {
    let mut rows: Vec<String> = groups.into_iter().flatten().collect();
    for last in (1..rows.len()).rev() {
        rows.swap(last, random.below(last + 1));
    }
    // Rows that a file holds twice count once.
    let again = rows.get(rows.len() / 2).cloned();
    let plain = file(format!("{name}.csv"), header, rows.into_iter().chain(again));
    if header.starts_with("Artikel") || random.below(3) > 0 {
        return plain;
    }
    Delivered {
        name: format!("{name}.csv.gz"),
        bytes: gzip(&plain.bytes),
    }
}
