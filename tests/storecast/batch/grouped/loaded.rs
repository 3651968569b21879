//! The same lines make the same demand, whether they are loaded or grouped.

use features::demand::{DemandDay, DemandHistory};
use inventory::Inventory;
use offline::histories::Histories;
use offline::ingest::Options;
use offline::messy::{self, Size};
use offline::shop::Shop;
use serving::batch::limits::Limits;
use serving::batch::name::Text;
use serving::batch::rows::{Grouping, Rows};
use serving::predictor::Predictor;
use serving::wire::InlineHistory;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The yen has no smaller unit, so that amounts are minor units here as there.
const SHOP: &str = r#"
format = 1
name = "exported"
currency = "JPY"
source = "generated"
licence = "CC0-1.0"
data_root = "."

[time]
naive_zone = "Europe/Berlin"

[orders]
files = ["lines.csv"]
dates = ["rfc3339"]
duplicates = "keep"

[orders.columns]
order_id = "order_id"
customer_id = "customer_id"
placed_at = "placed_at"
product_id = "product_id"
category = "category"
quantity = "quantity"
amount = "net_minor"
discounts = ["discount_minor"]
"#;

/// Category and days with a sale of each SKU.
type Demand = BTreeMap<String, (String, Vec<DemandDay>)>;

fn load(folder: &Path, shop: &Shop) -> Histories {
    Histories::load(shop, &Options::local(&folder.join("work"))).expect("good files")
}

/// The lines of the made-up shop's orders, some of them without a customer, some with another category.
fn lines() -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (customers, seed) = (200, 7);
    let written = messy::write(folder.path(), Size { customers, seed }).expect("a shop");
    let shop = Shop::read(&written.shop_file).expect("a shop");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "order_id,customer_id,placed_at,product_id,category,quantity,net_minor,discount_minor,location\n".to_owned();
    for (index, customer) in load(folder.path(), &shop).customers().enumerate() {
        let (id, history) = customer.expect("a history");
        for order in InlineHistory::from_history(&history).orders {
            let customer = if index % 7 == 0 { "" } else { &id };
            for (index, line) in order.lines.iter().enumerate() {
                // First of all, were the categories of what came back to count.
                let other = if line.quantity < 0.0 { "A" } else { "Zz" };
                let category = [line.category.as_str(), "", other][index % 3];
                let _ = writeln!(
                    text,
                    "{},{customer},{},{},{},{},{},{},{}",
                    order.order_id,
                    order.placed_at,
                    quoted(&line.product_id),
                    quoted(category),
                    line.quantity,
                    line.net_minor,
                    line.discount_minor,
                    ["", "north", "a b"][order.order_id.len() % 2 + index % 2],
                );
            }
        }
    }
    text
}

fn of(history: &DemandHistory) -> (String, Vec<DemandDay>) {
    (history.category.clone(), history.days.clone())
}

fn loaded(lines: &str, by_location: bool) -> Demand {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("lines.csv"), lines).expect("a file");
    let location = if by_location {
        "location = \"location\"\n"
    } else {
        ""
    };
    let described = [SHOP, location].concat();
    let shop = Shop::parse(&described, &folder.path().join("shop.toml")).expect("a shop");
    let histories = load(folder.path(), &shop);
    assert_eq!(histories.counts().rejected_rows(), 0);
    let skus = histories.skus().map(|sku| sku.expect("a history"));
    skus.map(|(id, history)| (id, of(&history))).collect()
}

/// What the function takes of each row; one that was never bought is not in a store.
fn grouped(lines: &str, by_location: bool) -> Demand {
    let (shape, limits) = (Inventory::rows().expect("files"), Limits::default());
    let (mut splitter, mut rows) = (Rows::new(Text::Csv, shape, &limits), Vec::new());
    splitter
        .push(lines.as_bytes(), &mut rows)
        .expect("a header");
    splitter.finish(&mut rows).expect("rows");
    let mut grouping = Grouping::new(shape, &limits).expect("lines are taken");
    for line in rows {
        grouping.add(line).expect("room");
    }
    let mut demand = Demand::new();
    for row in grouping.grouped(0) {
        let request = Inventory::parse(&row.body.expect("good lines")).expect("a request");
        let sku = &request.skus[0];
        let history = sku.history.as_ref().expect("a history");
        let location = sku.location.as_deref().unwrap_or_default();
        let id = if by_location {
            format!("{}@{location}", sku.sku_id)
        } else {
            sku.sku_id.clone()
        };
        if !history.days.is_empty() {
            assert!(demand.insert(id, of(history)).is_none());
        }
    }
    demand
}

#[test]
fn lines_make_the_demand_that_loading_them_makes() {
    let by_location = lines();
    let alike = by_location
        .lines()
        .map(|line| line.rsplit_once(',').expect("columns").0);
    let alike: String = alike.map(|line| line.to_owned() + "\n").collect();
    for (lines, by_location, least) in [(&alike, false, 100), (&by_location, true, 200)] {
        let (loaded, grouped) = (loaded(lines, by_location), grouped(lines, by_location));
        assert!(loaded.len() > least, "{}", loaded.len());
        let days: Vec<_> = loaded.values().flat_map(|(_, days)| days).collect();
        let parts = days
            .iter()
            .filter(|day| day.units_milli % 1000 != 0)
            .count();
        let cheaper = days.iter().filter(|day| day.discount_minor > 0).count();
        assert!(parts > 20 && cheaper > 20, "{parts} {cheaper}");
        assert_eq!(grouped, loaded);
    }
}
