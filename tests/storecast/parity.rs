//! Every churn column of every customer of the default shop, against an SQL that shares no code with it.

use crate::workspace::{installed, program, root};
use std::process::Command;

#[test]
fn matrix_equals_independent_sql() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let matrix = folder.path().join("matrix");
    run(Command::new(program("storecast"))
        .args(["features", "churn"])
        .arg("--shop")
        .arg(root().join("models/shops/completejourney.toml"))
        .arg("--data")
        .arg(installed("data"))
        .arg("--work")
        .arg(folder.path().join("work"))
        .arg("--out")
        .arg(&matrix));
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

/// Standard output of a command that succeeds.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{out}\n{err}");
    out
}
