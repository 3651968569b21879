//! Scores tree ensembles natively, from the same ONNX file that the runtime would read.
//!
//! Two layouts of the same trees, both in safe Rust. A single row walks all trees, sixteen in lock-step (`walk`). A
//! batch goes sixteen rows at a time through all splits of a tree without branching (`bitvector`). With more than 32
//! leaves in a tree that is slower than the walk, which then serves batches too.
//!
//! A row scores the same in every batch: leaf values are float32, their sum is kept in float64, and both layouts add
//! the trees in one order, by depth.

mod bitvector;
mod walk;

use super::onnx::{Ensemble, Tree};
use super::shap::Explainer;
use super::{Contributions, ModelError, Scorer};
use bitvector::BitTree;
use features::matrix::Matrix;
use walk::Walk;

/// Rows, or trees, that are worked on side by side: four registers of four float32 on every `x86_64`, and enough
/// independent chains of loads to hide their latency.
pub(super) const LANES: usize = 16;

/// From this many rows a block of [`LANES`] is faster than row by row, even when the rest of it is empty: a block costs
/// about as much as five single rows.
const WORTH_A_BLOCK: usize = 6;

/// A tree ensemble in memory, ready to score and to explain.
pub(super) struct Forest {
    columns: usize,
    walk: Walk,
    /// In the order of the walk; `None` when a tree has too many leaves.
    bit_trees: Option<Vec<BitTree>>,
    explainer: Option<Explainer>,
}

impl Forest {
    /// Lays out checked trees.
    pub(super) fn new(ensemble: &Ensemble) -> Self {
        let mut trees: Vec<&Tree> = ensemble.trees.iter().collect();
        // Stable, so that the order of addition depends on nothing but the file.
        trees.sort_by_key(|tree| tree.depth);
        Self {
            columns: ensemble.columns,
            walk: Walk::new(&trees, ensemble.columns),
            bit_trees: trees
                .iter()
                .map(|tree| BitTree::new(tree, ensemble.columns))
                .collect(),
            explainer: ensemble.has_counts.then(|| Explainer::new(ensemble)),
        }
    }

    fn check(&self, rows: &Matrix) -> Result<(), ModelError> {
        if rows.columns() == self.columns {
            Ok(())
        } else {
            Err(ModelError::Columns {
                rows: rows.columns(),
                model: self.columns,
            })
        }
    }

    /// Scores rows one by one.
    fn walk(&self, rows: &[&[f32]], scores: &mut Vec<f64>) {
        let mut doubled = vec![0.0; 2 * self.columns];
        scores.extend(rows.iter().map(|row| {
            double(row, &mut doubled);
            self.walk.score(&doubled)
        }));
    }
}

/// Scores up to [`LANES`] rows; lanes without a row score something that is not to be read.
fn score_block(trees: &[BitTree], rows: &[&[f32]], block: &mut Block) -> [f64; LANES] {
    block.fill(rows);
    let mut sums = [0.0; LANES];
    for tree in trees {
        tree.add(block, &mut sums);
    }
    sums
}

impl Scorer for Forest {
    fn columns(&self) -> usize {
        self.columns
    }

    fn score(&self, rows: &Matrix, scores: &mut Vec<f64>) -> Result<(), ModelError> {
        self.check(rows)?;
        scores.reserve(rows.row_count());
        let all: Vec<&[f32]> = rows.rows().collect();
        let trees = match &self.bit_trees {
            Some(trees) if all.len() >= WORTH_A_BLOCK => trees,
            _ => {
                self.walk(&all, scores);
                return Ok(());
            }
        };
        let mut block = Block::new(self.columns);
        for rows in all.chunks(LANES) {
            if rows.len() < WORTH_A_BLOCK {
                self.walk(rows, scores);
            } else {
                scores.extend(&score_block(trees, rows, &mut block)[..rows.len()]);
            }
        }
        Ok(())
    }

    fn explain(&self, rows: &Matrix) -> Option<Result<Vec<Contributions>, ModelError>> {
        let explainer = self.explainer.as_ref()?;
        Some(self.check(rows).map(|()| explainer.explain(rows)))
    }
}

/// Writes a row twice: as it is, and with NaN as minus infinity.
///
/// A split where NaN goes left reads the second copy, any other the first; `x <= threshold` then decides every case,
/// because no threshold is minus infinity and a comparison with NaN is false.
pub(super) fn double(row: &[f32], doubled: &mut [f32]) {
    let (plain, nan_left) = doubled.split_at_mut(row.len());
    plain.copy_from_slice(row);
    for (copy, &value) in nan_left.iter_mut().zip(row) {
        *copy = nan_as_lowest(value);
    }
}

fn nan_as_lowest(value: f32) -> f32 {
    if value.is_nan() {
        f32::NEG_INFINITY
    } else {
        value
    }
}

/// The place of a split's column in a doubled row; see [`double`].
pub(super) fn doubled_column(column: usize, nan_left: bool, columns: usize) -> usize {
    if nan_left { column + columns } else { column }
}

/// Up to [`LANES`] doubled rows, one lane each: `columns[column][lane]`.
struct Block {
    columns: Vec<[f32; LANES]>,
}

impl Block {
    fn new(columns: usize) -> Self {
        Self {
            columns: vec![[0.0; LANES]; 2 * columns],
        }
    }

    /// Lanes without a row keep what they had; their sums are not read.
    fn fill(&mut self, rows: &[&[f32]]) {
        let width = self.columns.len() / 2;
        let (plain, nan_left) = self.columns.split_at_mut(width);
        for (lane, row) in rows.iter().enumerate() {
            for ((column, &value), copy) in plain.iter_mut().zip(*row).zip(nan_left.iter_mut()) {
                column[lane] = value;
                copy[lane] = nan_as_lowest(value);
            }
        }
    }
}
