//! Every column and every list of candidates of the ranking model, against a Python that shares no code with it.

use super::{default_shop, run};
use crate::workspace::{installed, root};
use ::features::matrix::Matrix;
use ::features::time::{LocalDay, Timestamp};
use offline::histories::Histories;
use offline::matrix;
use recommendations::artifacts::Artifacts;
use recommendations::candidates::Task;
use recommendations::features::COLUMNS;
use recommendations::{Case, Judged, Question, Recommendations};
use serde_json::{Value, json};
use serving::predictor::Predictor;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// 2017-09-10, four weeks before the months that the model is tested on: nothing of those is read here.
const CUTOFF: LocalDay = LocalDay(17_419);
/// Of the customers with an order to judge by, one in so many is compared.
const ONE_IN: usize = 12;

/// What is compared is made by the code that serves, in this process, so that it is never an old build's.
#[test]
fn pairs_and_candidates_equal_independent_python() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (shop, histories) = default_shop(&folder.path().join("work"));
    let cutoff = shop.time.day_begins(CUTOFF);
    let artifacts = matrix::fit::<Recommendations>(&shop, &histories, cutoff).expect("artifacts");
    let (questions, rows) = write(&histories, cutoff, &artifacts, folder.path());
    let report = run(Command::new(installed("venv/bin/python"))
        .env("OMP_NUM_THREADS", "1")
        .arg(root().join("tests/parity/recommendations.py"))
        .arg("--data")
        .arg(installed("data"))
        .arg("--rows")
        .arg(folder.path()));
    // The check says what it compared, so that an empty comparison is no success.
    let columns = COLUMNS.infos().len();
    let compared = format!("{questions} questions, {rows} rows, {columns} columns compared");
    assert!(questions > 400, "{questions} questions");
    assert!(report.contains(&compared), "{report}");
}

/// Writes `questions.json`, and `rows.f32` with the rows of their candidates one after the other; says how many there are of both.
fn write(
    histories: &Histories,
    cutoff: Timestamp,
    artifacts: &Artifacts,
    folder: &Path,
) -> (usize, usize) {
    let mut rows = Matrix::new(COLUMNS.infos().len());
    let until = cutoff.plus_days(artifacts.horizon_days);
    let all = histories.customers().map(|c| c.expect("a customer"));
    let judged = all.filter_map(|(id, history)| {
        Judged::of(&history, cutoff, until).map(|judged| (id, history, judged))
    });
    let questions: Vec<Value> = judged
        .step_by(ONE_IN)
        .flat_map(|(id, history, judged)| {
            let case = Case::training(&Arc::new(history), cutoff, asked(&judged));
            let before = rows.row_count();
            Recommendations::features(&case, artifacts, &mut rows);
            described(&id, &case, rows.row_count() - before)
        })
        .collect();
    let description =
        json!({"as_of": cutoff.0, "columns": COLUMNS.names(), "questions": &questions});
    let text = serde_json::to_vec(&description).expect("JSON");
    std::fs::write(folder.join("questions.json"), text).expect("a file");
    let values = rows.values().iter();
    let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.join("rows.f32"), bytes).expect("a file");
    (questions.len(), rows.row_count())
}

/// All that is asked of a customer: the cart is the first order after the cut-off less one item.
fn asked(judged: &Judged) -> Vec<Question> {
    let question = |task, cart| Question { task, cart };
    vec![
        question(Task::Home, Vec::new()),
        question(Task::Discover, Vec::new()),
        question(Task::Cart, judged.cart_without(&judged.hidden[0])),
    ]
}

/// The questions of a case of `rows` rows, each with the product ids of its candidates in order.
fn described(customer_id: &str, case: &Case, rows: usize) -> Vec<Value> {
    let candidates = (0..rows).map(|row| case.candidate(row).expect("a candidate"));
    let candidates: Vec<(&Question, &str)> = candidates.collect();
    let of_one = candidates.chunk_by(|a, b| a.0.task == b.0.task);
    let described = of_one.map(|chunk| {
        let items: Vec<&str> = chunk.iter().map(|(_, item)| *item).collect();
        let question = chunk[0].0;
        json!({"customer": customer_id, "task": question.task, "cart": question.cart, "items": items})
    });
    described.collect()
}
