//! Properties of the native scorer on generated forests, and what reading refuses.

mod forests;
mod refusals;

use super::{Contributions, Instructions, ModelError, load, load_for};
use features::matrix::Matrix;
use forests::{Node, encode, file, forest, row};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;

/// What any reader of the trees would say.
fn walk(node: &Node, row: &[f32]) -> f64 {
    match node {
        Node::Leaf { value, .. } => f64::from(*value),
        Node::Split { branches, .. } => walk(
            if node.goes_left(row) {
                &branches.0
            } else {
                &branches.1
            },
            row,
        ),
    }
}

/// The expected value of a tree when only the columns in `known` are known.
fn expectation(node: &Node, row: &[f32], known: usize) -> f64 {
    match node {
        Node::Leaf { value, .. } => f64::from(*value),
        Node::Split { column, .. } if known >> column & 1 == 1 => {
            expectation(node.branch(row), row, known)
        }
        Node::Split { branches, .. } => {
            let part = |child: &Node| f64::from(child.count()) * expectation(child, row, known);
            (part(&branches.0) + part(&branches.1)) / f64::from(node.count())
        }
    }
}

/// Shapley values by their definition, over all sets of columns.
fn shapley(trees: &[Node], row: &[f32]) -> Vec<f64> {
    let columns = row.len();
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let worth = |known: usize| {
        trees
            .iter()
            .map(|tree| expectation(tree, row, known))
            .sum::<f64>()
    };
    (0..columns)
        .map(|column| {
            (0..1_usize << columns)
                .filter(|known| known >> column & 1 == 0)
                .map(|known| {
                    let size = known.count_ones() as usize;
                    let weight =
                        factorial(size) * factorial(columns - size - 1) / factorial(columns);
                    weight * (worth(known | 1 << column) - worth(known))
                })
                .sum()
        })
        .collect()
}

fn scores(bytes: &[u8], rows: &Matrix) -> Vec<f64> {
    let mut scores = Vec::new();
    load(bytes, None)
        .unwrap()
        .scorer
        .score(rows, &mut scores)
        .unwrap();
    scores
}

fn explain(bytes: &[u8], rows: &Matrix) -> Vec<Contributions> {
    load(bytes, None)
        .unwrap()
        .scorer
        .explain(rows)
        .unwrap()
        .unwrap()
}

fn matrix(columns: usize, rows: &[Vec<f32>]) -> Matrix {
    Matrix::from_values(columns, rows.concat()).unwrap()
}

proptest! {
    /// Trees of one to 32 leaves and of more, rows full of thresholds, NaN and infinities: both layouts agree to the last
    /// bit, and with a plain walk up to the order of addition.
    #[test]
    fn a_row_scores_the_same_alone_in_a_batch_and_by_a_plain_walk(
        trees in prop_oneof![forest(4, 32, 20), forest(4, 60, 20)],
        rows in vec(row(4), 1..150),
    ) {
        let bytes = file(&trees, 4);
        let together = scores(&bytes, &matrix(4, &rows));
        for instructions in Instructions::ALL {
            let mut found = Vec::new();
            let scorer = load_for(&bytes, None, instructions).unwrap().scorer;
            scorer.score(&matrix(4, &rows), &mut found).unwrap();
            prop_assert_eq!(&found, &together, "{:?}", instructions);
        }
        for (row, score) in rows.iter().zip(together) {
            let alone = scores(&bytes, &matrix(4, std::slice::from_ref(row)));
            prop_assert_eq!(alone[0].to_bits(), score.to_bits());
            let plain: f64 = trees.iter().map(|tree| walk(tree, row)).sum();
            prop_assert!((score - plain).abs() < 1e-10, "{score} is not {plain}");
        }
    }

    /// The quadrature gives Shapley values, repeated columns and single leaves included.
    #[test]
    fn contributions_are_shapley_values(trees in forest(6, 24, 3), row in row(6)) {
        let bytes = file(&trees, 6);
        let rows = matrix(6, std::slice::from_ref(&row));
        let found = &explain(&bytes, &rows)[0];
        for instructions in Instructions::ALL {
            let scorer = load_for(&bytes, None, instructions).unwrap().scorer;
            let again = &scorer.explain(&rows).unwrap().unwrap()[0];
            prop_assert_eq!(&again.values, &found.values, "{:?}", instructions);
        }
        let base: f64 = trees.iter().map(|tree| expectation(tree, &row, 0)).sum();
        prop_assert!((found.base - base).abs() < 1e-10);
        for (found, expected) in found.values.iter().zip(shapley(&trees, &row)) {
            prop_assert!((found - expected).abs() < 1e-10, "{found} is not {expected}");
        }
    }

    /// Whatever the bytes, reading answers; and what it accepts can be scored and explained.
    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select(vec!["constant", "wide_path", "binary_nan", "network"]),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.onnx"));
        let mut bytes = std::fs::read(path).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(model) = load(&bytes, None) {
            let columns = model.scorer.columns();
            let rows = matrix(columns, &vec![vec![0.5; columns]; 18]);
            model.scorer.score(&rows, &mut Vec::new()).unwrap();
            model.scorer.explain(&rows).transpose().unwrap();
        }
    }
}

/// A chain on more columns than one pass holds adds up, whether the row follows it or leaves it.
#[test]
fn long_paths_add_up() {
    let columns = 70;
    let chain = (0..columns).fold(
        Node::Leaf {
            value: 3.0,
            count: 5,
        },
        |below, column| {
            let leaf = Node::Leaf {
                value: -(column as f32),
                count: 1 + column as u32,
            };
            Node::split(column, 0.0, false, below, leaf)
        },
    );
    let bytes = file(&[chain], columns);
    let rows = [
        vec![-1.0; columns],
        vec![1.0; columns],
        (0..columns).map(|c| 20.0 - c as f32).collect(),
    ];
    let rows = matrix(columns, &rows);
    for (found, score) in explain(&bytes, &rows).iter().zip(scores(&bytes, &rows)) {
        let sum = found.base + found.values.iter().sum::<f64>();
        assert!(
            (sum - score).abs() <= 1e-9 * score.abs().max(1.0),
            "{sum} is not {score}"
        );
    }
}

/// Without counts there are scores, but nothing to take expectations over.
#[test]
fn a_file_without_counts_has_no_contributions() {
    let mut model = encode(
        &[Node::Leaf {
            value: 1.5,
            count: 1,
        }],
        2,
    );
    model.metadata_props.clear();
    let bytes = prost::Message::encode_to_vec(&model);
    let rows = matrix(2, &[vec![0.0, 0.0]]);
    assert_eq!(scores(&bytes, &rows), [1.5]);
    assert!(load(&bytes, None).unwrap().scorer.explain(&rows).is_none());
}

#[test]
fn an_empty_file_is_no_model() {
    let error = load(&[], None).unwrap_err();
    assert_eq!(
        error,
        ModelError::Unreadable {
            reason: "the file has no graph".to_owned()
        }
    );
}
