//! Every golden row of every function, by hand and not by the check that loading makes: columns in all bits, raw scores and contributions
//! within tolerance, and ONNX Runtime as the oracle of the native scorer.

use crate::shop::{self, model_files_of};
use crate::workspace::installed;
use churn::Churn;
use features::matrix::Matrix;
use inventory::Inventory;
use recommendations::Recommendations;
use serving::manifest::Golden;
use serving::model::{ModelKind, OrtScorer, Scorer, load};
use serving::predictor::Predictor;

const RAW_TOLERANCE: f64 = 1e-5;
const CONTRIBUTION_TOLERANCE: f64 = 1e-6;

fn golden<P: Predictor>() -> Golden {
    serde_json::from_slice(&model_files_of::<P>().golden).expect("golden rows")
}

fn rows<P: Predictor>(golden: &Golden) -> Matrix {
    let values = golden
        .rows
        .iter()
        .flat_map(|row| &row.features)
        .map(serving::manifest::GoldenValue::value);
    Matrix::from_values(P::schema().columns.len(), values.collect())
        .expect("rows of the model's width")
}

fn assert_close(golden: &Golden, found: &[f64], by: &str) {
    assert_eq!(found.len(), golden.rows.len());
    for (row, found) in golden.rows.iter().zip(found) {
        let within = (found - row.raw).abs() <= RAW_TOLERANCE * row.raw.abs().max(1.0);
        assert!(
            within,
            "{by}, {}: {found}, training had {}",
            row.name, row.raw
        );
    }
}

fn rows_are_of_every_kind<P: Predictor>() {
    let golden = golden::<P>();
    let of = |kind: &str| {
        golden
            .rows
            .iter()
            .filter(|row| row.name.starts_with(kind))
            .count()
    };
    let histories = golden
        .rows
        .iter()
        .filter(|row| row.entity.is_some())
        .count();
    assert!(
        histories >= 10 && histories == of("history"),
        "{histories} rows start from a history"
    );
    assert!(
        of("threshold: every column") >= 3
            && of("threshold") >= 15
            && of("missing") >= 5
            && of("extreme") == 6
    );
}

async fn columns_are_those_of_training<P: Predictor>() {
    let model = shop::served::<P>().await.model;
    for row in golden::<P>().rows.iter().filter(|row| row.entity.is_some()) {
        let case = P::golden_case(row)
            .expect("a readable row")
            .expect("a case");
        let mut computed = Matrix::new(model.scorer.columns());
        P::features(&case, &model.artifacts, &mut computed);
        assert_eq!(computed.row_count(), 1, "{}", row.name);
        for ((value, column), found) in row
            .features
            .iter()
            .zip(P::schema().columns)
            .zip(computed.row(0))
        {
            let expected = value.value();
            let same = expected.to_bits() == found.to_bits() || expected.is_nan() && found.is_nan();
            assert!(
                same,
                "{}, {}: {found}, training had {expected}",
                row.name, column.name
            );
        }
    }
}

fn native_scores_are_those_of_training<P: Predictor>() {
    let golden = golden::<P>();
    let rows = rows::<P>(&golden);
    let model = load(&model_files_of::<P>().graph, None).expect("the committed graph");
    assert_eq!(model.kind, ModelKind::Native);
    let mut raw = Vec::new();
    model.scorer.score(&rows, &mut raw).expect("scores");
    assert_close(&golden, &raw, "native");
    let explained = model
        .scorer
        .explain(&rows)
        .expect("a tree ensemble explains")
        .expect("contributions");
    for ((row, found), raw) in golden.rows.iter().zip(&explained).zip(&raw) {
        assert!(
            (found.base - row.base).abs() <= CONTRIBUTION_TOLERANCE,
            "{}: base {}",
            row.name,
            found.base
        );
        assert_eq!(found.values.len(), row.contributions.len());
        for ((found, expected), column) in found
            .values
            .iter()
            .zip(&row.contributions)
            .zip(P::schema().columns)
        {
            let within = (found - expected).abs() <= CONTRIBUTION_TOLERANCE;
            assert!(
                within,
                "{}, {}: {found}, training had {expected}",
                row.name, column.name
            );
        }
        let sum = found.base + found.values.iter().sum::<f64>();
        assert!(
            (sum - raw).abs() <= CONTRIBUTION_TOLERANCE,
            "{}: parts add up to {sum}, the score is {raw}",
            row.name
        );
    }
}

fn onnx_runtime_agrees<P: Predictor>() {
    let library = installed("onnxruntime/libonnxruntime.so");
    let golden = golden::<P>();
    let oracle =
        OrtScorer::load(&library, &model_files_of::<P>().graph).expect("the committed graph");
    let mut raw = Vec::new();
    oracle.score(&rows::<P>(&golden), &mut raw).expect("scores");
    assert_close(&golden, &raw, "ONNX Runtime");
}

#[test]
fn there_are_rows_of_every_kind() {
    rows_are_of_every_kind::<Churn>();
    rows_are_of_every_kind::<Inventory>();
    rows_are_of_every_kind::<Recommendations>();
}

#[tokio::test]
async fn histories_become_the_columns_of_training_in_all_bits() {
    columns_are_those_of_training::<Churn>().await;
    columns_are_those_of_training::<Inventory>().await;
    columns_are_those_of_training::<Recommendations>().await;
}

#[test]
fn the_native_scorer_answers_what_training_answered() {
    native_scores_are_those_of_training::<Churn>();
    native_scores_are_those_of_training::<Inventory>();
    native_scores_are_those_of_training::<Recommendations>();
}

#[test]
fn onnx_runtime_answers_the_same() {
    onnx_runtime_agrees::<Churn>();
    onnx_runtime_agrees::<Inventory>();
    onnx_runtime_agrees::<Recommendations>();
}
