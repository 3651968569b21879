//! Every golden row, by hand and not by the check that loading makes: columns in all bits, raw scores and contributions
//! within tolerance, and ONNX Runtime as the oracle of the native scorer.

use crate::shop::{self, model_files};
use crate::workspace::installed;
use churn::Churn;
use features::matrix::Matrix;
use serving::manifest::Golden;
use serving::model::{ModelKind, OrtScorer, Scorer, load};
use serving::predictor::Predictor;

const RAW_TOLERANCE: f64 = 1e-5;
const CONTRIBUTION_TOLERANCE: f64 = 1e-6;

fn golden() -> Golden {
    serde_json::from_slice(&model_files().golden).expect("golden rows")
}

fn rows(golden: &Golden) -> Matrix {
    let values = golden
        .rows
        .iter()
        .flat_map(|row| &row.features)
        .map(serving::manifest::GoldenValue::value);
    Matrix::from_values(Churn::schema().columns.len(), values.collect())
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

#[test]
fn there_are_rows_of_every_kind() {
    let golden = golden();
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

#[tokio::test]
async fn histories_become_the_columns_of_training_in_all_bits() {
    let model = shop::served::<Churn>().await.model;
    for row in golden().rows.iter().filter(|row| row.entity.is_some()) {
        let case = Churn::golden_case(row).unwrap().expect("a case");
        let mut computed = Matrix::new(model.scorer.columns());
        Churn::features(&case, &model.artifacts, &mut computed);
        assert_eq!(computed.row_count(), 1, "{}", row.name);
        for ((value, column), found) in row
            .features
            .iter()
            .zip(Churn::schema().columns)
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

#[test]
fn the_native_scorer_answers_what_training_answered() {
    let golden = golden();
    let rows = rows(&golden);
    let model = load(&model_files().graph, None).expect("the committed graph");
    assert_eq!(model.kind, ModelKind::Native);
    let mut raw = Vec::new();
    model.scorer.score(&rows, &mut raw).unwrap();
    assert_close(&golden, &raw, "native");
    let explained = model
        .scorer
        .explain(&rows)
        .expect("a tree ensemble explains")
        .unwrap();
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
            .zip(Churn::schema().columns)
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

#[test]
fn onnx_runtime_answers_the_same() {
    let library = installed("onnxruntime/libonnxruntime.so");
    let golden = golden();
    let oracle = OrtScorer::load(&library, &model_files().graph).expect("the committed graph");
    let mut raw = Vec::new();
    oracle.score(&rows(&golden), &mut raw).unwrap();
    assert_close(&golden, &raw, "ONNX Runtime");
}
