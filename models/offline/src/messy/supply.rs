//! What the made-up shop knows of its supply, with flaws of its own.

use super::random::Random;
use super::trade::{CLOSING, Product};
use super::{TableRows, berlin, quoted};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Days before the closing for which levels are kept.
const LEVEL_DAYS: i64 = 90;
const DAY: i64 = 86_400;
/// A code that no order and no product file names.
const UNKNOWN: &str = "Alter Artikel 0/000";

/// The three files, by name, and what is in them by table.
pub(super) struct Supply {
    pub(super) files: [(&'static str, String); 3],
    pub(super) tables: BTreeMap<&'static str, TableRows>,
}

/// Its random numbers are its own, so that orders do not depend on it.
pub(super) fn write(seed: u64, range: &[Product]) -> Supply {
    let mut random = Random::new(seed ^ 0x5375_7070_6c79);
    let (mut tables, mut table) = (BTreeMap::new(), Rows::new("Artikel;Tag;Bestand"));
    levels(&mut random, range, &mut table);
    let bestand = table.finish("stock", &mut tables);
    let mut table = Rows::new("Artikel;kommt;Menge");
    on_order(&mut random, range, &mut table);
    let bestellt = table.finish("on_order", &mut tables);
    let mut table = Rows::new("Artikel;von;bis;bekannt");
    promotions(&mut random, range, &mut table);
    let aktionen = table.finish("promotions", &mut tables);
    Supply {
        files: [
            ("bestand.csv", bestand),
            ("bestellt.csv", bestellt),
            ("aktionen.csv", aktionen),
        ],
        tables,
    }
}

struct Rows {
    text: String,
    counts: TableRows,
}

impl Rows {
    fn new(header: &str) -> Self {
        Self {
            text: format!("{header}\r\n"),
            counts: TableRows::default(),
        }
    }

    fn good(&mut self, fields: &[&str]) {
        let _ = write!(self.text, "{}\r\n", fields.join(";"));
        self.counts.rows += 1;
    }

    fn bad(&mut self, fields: &[&str]) {
        self.good(fields);
        self.counts.bad += 1;
    }

    fn left_out(&mut self, fields: &[&str]) {
        self.good(fields);
        self.counts.left_out += 1;
    }

    fn finish(self, table: &'static str, tables: &mut BTreeMap<&'static str, TableRows>) -> String {
        tables.insert(table, self.counts);
        self.text
    }
}

/// A level a day and product, which falls until something comes; on some days two that differ.
fn levels(random: &mut Random, range: &[Product], rows: &mut Rows) {
    for product in range {
        let sku = quoted(&product.sku);
        let mut level = random.between(0, 40);
        for ago in (0..LEVEL_DAYS).rev() {
            let day = date(-ago);
            rows.good(&[&sku, &day, &level.to_string()]);
            if random.happens(0.002) {
                rows.left_out(&[&sku, &day, &(level + 7).to_string()]);
            }
            if random.happens(0.002) {
                rows.bad(&[&sku, &day, "viele"]);
            }
            level -= random.between(0, 2);
            if level < 1 && random.happens(0.3) {
                level = random.between(20, 40);
            }
        }
    }
    rows.left_out(&[UNKNOWN, &date(0), "3"]);
}

fn on_order(random: &mut Random, range: &[Product], rows: &mut Rows) {
    for _ in 0..60 {
        let sku = quoted(&range[random.below(range.len())].sku);
        let quantity = random.between(5, 40).to_string();
        rows.good(&[&sku, &date(random.between(1, 30)), &quantity]);
    }
    let sku = quoted(&range[0].sku);
    rows.bad(&[&sku, &date(3), "-4"]);
    rows.bad(&[&sku, "bald", "4"]);
    rows.left_out(&[UNKNOWN, &date(3), "4"]);
}

fn promotions(random: &mut Random, range: &[Product], rows: &mut Rows) {
    for index in 0..80 {
        // Distinct products: no two of these rows are equal.
        let sku = quoted(&range[3 * index % range.len()].sku);
        let from = random.between(-400, 30);
        let (until, known) = (from + random.between(2, 14), from - random.between(0, 40));
        let row = [date(from), date(until), date(known)];
        rows.good(&[&sku, &row[0], &row[1], &row[2]]);
        if index == 5 {
            rows.left_out(&[&sku, &row[0], &row[1], &row[2]]);
            rows.bad(&[&sku, &date(from), &date(from - 1), &date(known)]);
            rows.bad(&[&sku, &date(from), "31.02.2024", &date(known)]);
        }
    }
    rows.left_out(&[UNKNOWN, &date(0), &date(3), &date(0)]);
}

/// A day before (negative) or after the shop's last.
fn date(days: i64) -> String {
    // Noon: clock changes do not move it to another day.
    let noon = CLOSING - DAY / 2 + days * DAY;
    jiff::Timestamp::from_second(noon).map_or_else(
        |_| String::new(),
        |at| at.to_zoned(berlin()).strftime("%d.%m.%Y").to_string(),
    )
}
