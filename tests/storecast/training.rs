//! From a shop file to a trained, verified, evaluated model, for shops nobody tuned anything for.

use crate::workspace::{installed, program, root};
use arrow_array::{Float32Array, StringArray};
use features::matrix::Matrix;
use offline::messy::{self, Size};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serving::drift::Seen;
use serving::manifest::Manifest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(command: &mut Command) -> Output {
    command
        .current_dir(root())
        .output()
        .expect("the command starts")
}

#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn features(function: &str, shop: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program("storecast"));
    command.args(["features", function, "--shop"]).arg(shop);
    command
        .arg("--out")
        .arg(folder.join("matrix"))
        .arg("--work")
        .arg(folder.join("work"));
    command
}

fn training(function: &str, step: &str, folder: &Path) -> Command {
    let mut command = Command::new(installed("venv/bin/python"));
    command
        .arg(root().join(format!("models/training/{function}.py")))
        .arg(step);
    command
        .arg("--matrix")
        .arg(folder.join("matrix"))
        .arg("--out")
        .arg(folder.join("model"));
    command
}

/// The steps of `make train`, into a folder of their own; returns the lines of `evaluate`.
fn train(function: &str, shop: &Path, folder: &Path) -> Vec<serde_json::Value> {
    succeed(&mut features(function, shop, folder));
    succeed(&mut training(function, "train", folder));
    let mut evaluate = Command::new(program("storecast"));
    evaluate
        .args(["evaluate", function, "--json", "--shop"])
        .arg(shop);
    evaluate
        .arg("--work")
        .arg(folder.join("work"))
        .arg("--model")
        .arg(folder.join("model"));
    let metrics = succeed(evaluate.arg("--curves").arg(folder.join("curves.json")));
    std::fs::write(folder.join("metrics.jsonl"), &metrics).expect("written");
    let mut finish = training(function, "finish", folder);
    finish
        .arg("--metrics")
        .arg(folder.join("metrics.jsonl"))
        .arg("--curves")
        .arg(folder.join("curves.json"));
    succeed(&mut finish);
    assert!(folder.join("model/CARD.md").is_file());
    metrics
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect()
}

fn messy_shop(folder: &Path, size: Size) -> PathBuf {
    let shop = folder.join("shop");
    std::fs::create_dir(&shop).expect("a folder");
    messy::write(&shop, size).expect("a written shop").shop_file
}

fn value(lines: &[serde_json::Value], metric: &str) -> f64 {
    let line = lines
        .iter()
        .find(|line| line["metric"] == metric)
        .expect("the metric");
    line["value"].as_f64().expect("a value")
}

#[test]
fn cdnow_orders_without_products_make_a_model() {
    let folder = tempfile::tempdir().expect("a folder");
    installed("data/lifetimes/datasets/CDNOW_sample.txt");
    let lines = train(
        "churn",
        &root().join("models/shops/cdnow.toml"),
        folder.path(),
    );
    // Far from chance, and no bar of another shop is judged here.
    assert!(value(&lines, "auc") > 0.65, "{lines:?}");
    assert!(lines.iter().all(|line| line["pass"].is_null()));
}

#[test]
fn a_messy_european_shop_makes_a_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let shop = messy_shop(folder.path(), Size::default());
    let lines = train("churn", &shop, folder.path());
    assert!(value(&lines, "auc") > 0.65, "{lines:?}");
    let rejects = std::fs::read_to_string(folder.path().join("work/rejects.csv")).expect("rejects");
    assert!(rejects.lines().count() > 1, "its bad rows are listed");
    bins_agree(folder.path());
}

#[test]
fn too_little_data_is_said_before_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let few = Size {
        customers: 60,
        seed: 1,
    };
    let shop = messy_shop(folder.path(), few);
    succeed(&mut features("churn", &shop, folder.path()));
    let refused = run(&mut training("churn", "train", folder.path()));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("300 needed"),
        "{text}"
    );
    assert!(
        !folder.path().join("model/model.onnx").exists(),
        "nothing half-made is left"
    );
}

#[test]
fn a_messy_european_shop_with_its_own_stock_makes_a_demand_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let shop = messy_shop(folder.path(), Size::default());
    let lines = train("inventory", &shop, folder.path());
    assert!(value(&lines, "coverage_90") > 0.7, "{lines:?}");
    assert!(value(&lines, "mae") > 0.0, "{lines:?}");
}

#[test]
fn a_messy_european_shop_makes_recommendations() {
    let folder = tempfile::tempdir().expect("a folder");
    let shop = messy_shop(folder.path(), Size::default());
    let lines = train("recommendations", &shop, folder.path());
    assert!(value(&lines, "ndcg_at_10") > 0.0, "{lines:?}");
    assert!(value(&lines, "rule_violations") < 0.5, "{lines:?}");
    // The shop tells its stock.
    assert!(value(&lines, "share_in_stock") > 1.0 - 1e-12, "{lines:?}");
}

#[test]
fn a_shop_without_products_is_told_so() {
    let shop = root().join("models/shops/cdnow.toml");
    for (function, reason) in [
        ("inventory", "no sku"),
        ("recommendations", "name no products"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = run(&mut features(function, &shop, folder.path()));
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && text.contains(reason),
            "{function}: {text}"
        );
    }
}

/// The rows that a model was trained on, as `storecast features` wrote them.
fn rows_of_training(matrix: &Path, names: &[String]) -> Matrix {
    let file = std::fs::File::open(matrix).expect("a matrix");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let mut rows = Matrix::new(names.len());
    for batch in reader.build().expect("a reader") {
        let batch = batch.expect("rows");
        let column = |name: &str| batch.column_by_name(name).expect("the column").as_any();
        let split: &StringArray = column("split").downcast_ref().expect("text");
        let columns: Vec<&Float32Array> = names
            .iter()
            .map(|name| column(name).downcast_ref().expect("float32"))
            .collect();
        for row in (0..batch.num_rows()).filter(|row| split.value(*row) == "train") {
            rows.push_row(columns.iter().map(|column| f64::from(column.value(row))));
        }
    }
    rows
}

/// Python counts the rows of training into bins, Rust those that are scored: of the same rows they count the same.
fn bins_agree(folder: &Path) {
    let read = |name: &str| std::fs::read(folder.join("model").join(name)).expect("a file");
    let manifest: Manifest = serde_json::from_slice(&read("manifest.json")).expect("a manifest");
    let rows = rows_of_training(
        &folder.join("matrix/matrix.parquet"),
        &manifest.features.names,
    );
    let graph = serving::model::load(&read("model.onnx"), None).expect("a graph");
    let mut raw = Vec::new();
    graph.scorer.score(&rows, &mut raw).expect("scores");
    let training = manifest.distribution.expect("a distribution");
    let mut seen = Seen::default();
    seen.add(&training, &rows, &raw);
    let drift = seen
        .drift(&training, &manifest.features)
        .expect("enough rows");
    assert!(
        drift.columns.len() > 20 && drift.largest() < 1e-15,
        "{drift:?}"
    );
    // The libraries' scores differ in the last digits, which may move a row over an edge.
    assert!(drift.raw_score < 1e-6, "{drift:?}");
}
