//! Scores and contributions against LightGBM, and the native scorer against ONNX Runtime.
//!
//! The fixtures are made by `models/training/tests/make_scorer_fixtures.py`; the answers in them are LightGBM's own.

use features::matrix::Matrix;
use serde::Deserialize;
use serving::manifest::GoldenValue;
use serving::model::{
    Contributions, FEATURES_KEY, FINGERPRINT_KEY, LoadedModel, ModelError, ModelKind, OrtScorer,
    Scorer, load,
};
use std::path::{Path, PathBuf};

/// Every fixture that is a tree ensemble.
const TREES: [&str; 5] = [
    "binary_nan",
    "regression_none",
    "deep_skewed",
    "wide_path",
    "constant",
];

#[derive(Deserialize)]
struct Case {
    rows: Vec<Vec<GoldenValue>>,
    raw: Vec<f64>,
    #[serde(default)]
    base: f64,
    #[serde(default)]
    contributions: Vec<Vec<f64>>,
}

impl Case {
    fn matrix(&self) -> Matrix {
        let values = self.rows.iter().flatten().map(GoldenValue::value).collect();
        Matrix::from_values(self.rows[0].len(), values).unwrap()
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn case(name: &str) -> (Vec<u8>, Case) {
    (
        fixture(&format!("{name}.onnx")),
        serde_json::from_slice(&fixture(&format!("{name}.json"))).unwrap(),
    )
}

/// Set-up puts ONNX Runtime there.
fn library() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let library = root.join(".tools/onnxruntime/libonnxruntime.so");
    assert!(
        library.exists(),
        "{} is missing: run `make setup`",
        library.display()
    );
    library
}

fn scores(scorer: &dyn Scorer, rows: &Matrix) -> Vec<f64> {
    let mut scores = Vec::new();
    scorer.score(rows, &mut scores).unwrap();
    scores
}

fn contributions(model: &LoadedModel, rows: &Matrix) -> Vec<Contributions> {
    model
        .scorer
        .explain(rows)
        .expect("the file has leaf counts")
        .unwrap()
}

fn assert_close(place: &str, found: f64, expected: f64, tolerance: f64) {
    let allowed = tolerance * expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= allowed,
        "{place}: {found} is not {expected} within {allowed}"
    );
}

#[test]
fn native_scores_are_those_of_lightgbm() {
    for name in TREES {
        let (bytes, case) = case(name);
        let model = load(&bytes, None).unwrap();
        assert_eq!(model.kind, ModelKind::Native);
        for (row, (found, expected)) in scores(&*model.scorer, &case.matrix())
            .iter()
            .zip(&case.raw)
            .enumerate()
        {
            // Leaf values are rounded to float32, nothing else: a wrong branch is off by far more.
            assert_close(&format!("{name}, row {row}"), *found, *expected, 2e-7);
        }
    }
}

#[test]
fn contributions_are_those_of_lightgbm_and_add_up() {
    for name in TREES {
        let (bytes, case) = case(name);
        let model = load(&bytes, None).unwrap();
        let rows = case.matrix();
        let raw = scores(&*model.scorer, &rows);
        for (row, found) in contributions(&model, &rows).iter().enumerate() {
            assert_close(
                &format!("{name}, row {row}, base"),
                found.base,
                case.base,
                1e-6,
            );
            for (column, (found, expected)) in found
                .values
                .iter()
                .zip(&case.contributions[row])
                .enumerate()
            {
                assert_close(
                    &format!("{name}, row {row}, column {column}"),
                    *found,
                    *expected,
                    1e-6,
                );
            }
            let sum = found.base + found.values.iter().sum::<f64>();
            assert_close(&format!("{name}, row {row}, sum"), sum, raw[row], 1e-9);
        }
    }
}

#[test]
fn native_and_runtime_agree() {
    let library = library();
    for name in TREES {
        let (bytes, case) = case(name);
        let (native, runtime) = (
            load(&bytes, None).unwrap(),
            OrtScorer::load(&library, &bytes).unwrap(),
        );
        let rows = case.matrix();
        let pairs = scores(&*native.scorer, &rows)
            .into_iter()
            .zip(scores(&runtime, &rows));
        for (row, (native, runtime)) in pairs.enumerate() {
            // The runtime adds in float32.
            assert_close(&format!("{name}, row {row}"), runtime, native, 2e-6);
        }
    }
}

#[test]
fn a_network_is_scored_by_the_runtime() {
    let (bytes, case) = case("network");
    let model = load(&bytes, Some(&library())).unwrap();
    assert_eq!(
        (model.kind, model.scorer.columns()),
        (ModelKind::Runtime, 5)
    );
    assert_eq!(
        (model.input.name.as_str(), model.output.name.as_str()),
        ("features", "raw")
    );
    let rows = case.matrix();
    for (row, (found, expected)) in scores(&*model.scorer, &rows)
        .iter()
        .zip(&case.raw)
        .enumerate()
    {
        assert_close(&format!("row {row}"), *found, *expected, 1e-5);
    }
    assert!(model.scorer.explain(&rows).is_none());
    assert!(scores(&*model.scorer, &Matrix::new(5)).is_empty());
    let narrow = model.scorer.score(&Matrix::new(4), &mut Vec::new());
    assert_eq!(narrow, Err(ModelError::Columns { rows: 4, model: 5 }));
}

#[test]
fn a_network_without_a_library_says_what_is_missing() {
    let error = load(&fixture("network.onnx"), None).unwrap_err();
    let expected = r#"onnx runtime: the graph ("Gemm", "Relu", "Gemm", 2 more) needs the runtime, and no library path is given"#;
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_file_says_its_tensors_columns_and_fingerprint() {
    let model = load(&fixture("regression_none.onnx"), None).unwrap();
    assert_eq!(model.metadata[FINGERPRINT_KEY], "fixture");
    assert_eq!(
        model.metadata[FEATURES_KEY],
        r#"["column_0","column_1","column_2"]"#
    );
    assert_eq!(
        (model.input.name.as_str(), model.input.shape.as_slice()),
        ("features", ["rows", "3"].map(String::from).as_slice())
    );
    assert_eq!(
        (model.output.name.as_str(), model.output.shape.as_slice()),
        ("raw", ["rows", "1"].map(String::from).as_slice())
    );
    let narrow = Matrix::new(2);
    assert_eq!(
        model.scorer.score(&narrow, &mut Vec::new()),
        Err(ModelError::Columns { rows: 2, model: 3 })
    );
    assert_eq!(
        model.scorer.explain(&narrow),
        Some(Err(ModelError::Columns { rows: 2, model: 3 }))
    );
}
