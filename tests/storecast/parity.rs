//! Every churn column of every customer of the default shop, against an SQL that shares no code with it.

mod inventory;
mod recommendations;

use crate::workspace::{installed, root};
use churn::Churn;
use offline::histories::Histories;
use offline::ingest::Options;
use offline::matrix;
use offline::shop::Shop;
use std::path::Path;
use std::process::Command;

/// The matrix is written by the library behind `storecast features`, in this process, so that it is never an old build's.
#[test]
fn matrix_equals_independent_sql() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (matrix, work) = (folder.path().join("matrix"), folder.path().join("work"));
    let (shop, histories) = default_shop(&work);
    matrix::write::<Churn>(&shop, &histories, &matrix, &|| ()).expect("a matrix");
    let report = run(Command::new(installed("venv/bin/python"))
        .arg(root().join("tests/parity/check.py"))
        .arg("--data")
        .arg(installed("data"))
        .arg("--matrix")
        .arg(&matrix));
    // The check says what it compared, so that an empty comparison is no success.
    let columns = churn::features::COLUMNS.infos().len();
    let compared = format!("label and {columns} columns compared");
    assert_eq!(report.matches(&compared).count(), 2, "{report}");
}

/// The default shop, loaded anew.
fn default_shop(work: &Path) -> (Shop, Histories) {
    let shop = Shop::read(&root().join("models/shops/completejourney.toml")).expect("a shop");
    let data = installed("data");
    let options = Options {
        data_root: Some(&data),
        ..Options::local(work)
    };
    let histories = Histories::load(&shop, &options).expect("histories");
    (shop, histories)
}

/// Standard output of a command that succeeds.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{out}\n{err}");
    out
}
