//! The loader through its public door: files and a `shop.toml` in, histories, counts and rejects out.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

mod bombs;
mod demand;
mod formats;
mod giant;
mod outcomes;
mod properties;
mod shops;
mod simulated;
mod stored;
mod supply;

use features::demand::DemandHistory;
use features::history::CustomerHistory;
use offline::histories::Histories;
use offline::ingest::{LoadError, Options};
use offline::shop::Shop;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A shop of one small table of orders, in a folder of its own.
struct Folder {
    folder: tempfile::TempDir,
    toml: String,
}

const HEADER: &str = "order,customer,at,product,qty,amount\n";

/// A description that tests change by replacing pieces of it.
const TOML: &str = r#"
format = 1
name = "test"
currency = "EUR"
source = "made up"
licence = "none"
data_root = "in"

[time]
naive_zone = "Europe/Berlin"

[orders]
files = ["*.csv"]
dates = ["%Y-%m-%d %H:%M"]

[orders.columns]
order_id = "order"
customer_id = "customer"
placed_at = "at"
product_id = "product"
quantity = "qty"
amount = "amount"
"#;

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        Self {
            folder,
            toml: TOML.to_owned(),
        }
    }

    /// One file of rows below the usual header.
    fn with_rows(rows: &str) -> Self {
        Self::new().file("a.csv", format!("{HEADER}{rows}"))
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join("in").join(name), content).unwrap();
        self
    }

    /// Replaces a piece of the description that must be there.
    fn but(mut self, old: &str, new: &str) -> Self {
        assert!(self.toml.contains(old), "{old} is not in the description");
        self.toml = self.toml.replace(old, new);
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    fn shop(&self) -> Shop {
        Shop::parse(&self.toml, &self.path().join("shop.toml")).unwrap()
    }

    fn load(&self) -> Result<Histories, LoadError> {
        Histories::load(&self.shop(), &Options::local(&self.work()))
    }

    /// The lines of `rejects.csv` below its header.
    fn rejects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.work().join("rejects.csv")).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

fn by_customer(histories: &Histories) -> BTreeMap<String, CustomerHistory> {
    let all: BTreeMap<_, _> = histories.customers().map(Result::unwrap).collect();
    assert_eq!(
        all.len() as u64,
        histories.counts().customers,
        "an id came twice"
    );
    all
}

fn by_sku(histories: &Histories) -> BTreeMap<String, DemandHistory> {
    let all: BTreeMap<_, _> = histories.skus().map(Result::unwrap).collect();
    let counts = &histories.counts().demand;
    assert_eq!(all.len() as u64, counts.skus, "an id came twice");
    let days = all.values().map(|sku| sku.days.len() as u64);
    assert_eq!(days.sum::<u64>(), counts.sale_days);
    all
}

/// Every row has become exactly one thing, and what is stored is what was counted.
fn reconcile(histories: &Histories) {
    let counts = histories.counts();
    for (name, table) in &counts.tables {
        let lost = table.dropped.values().chain(table.rejected.values());
        assert_eq!(table.rows, table.kept + lost.sum::<u64>(), "{name}");
    }
    assert_eq!(
        counts.rows,
        counts.kept + counts.dropped_rows() + counts.rejected_rows(),
        "{counts:?}"
    );
    let stored = by_customer(histories);
    let orders = || stored.values().flat_map(CustomerHistory::orders);
    assert_eq!(orders().count() as u64, counts.orders);
    assert_eq!(
        orders().map(|order| order.lines.len() as u64).sum::<u64>(),
        counts.kept
    );
    assert_eq!(
        orders().map(|order| order.placed_at).min(),
        Some(histories.first_order())
    );
    assert_eq!(
        orders().map(|order| order.placed_at.0 + 1).max(),
        Some(histories.complete_through().0)
    );
}
