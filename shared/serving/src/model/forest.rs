//! Scores tree ensembles natively, from the same ONNX file that the runtime would read.
//!
//! Two layouts of the same trees. A single row walks all trees, sixteen in lock-step (`walk`). A
//! batch goes through all splits of a tree without branching, many rows at a time (`bitvector`, and `vector` where the processor has
//! wide registers). With more than 32 leaves in a tree that is slower than the walk, which then serves batches too.
//!
//! A row scores the same in every batch and on every processor: leaf values are float32, their sum is kept in float64, and all
//! add the trees in one order, by depth.

mod bitvector;
#[cfg(target_arch = "x86_64")]
mod vector;
mod walk;

use super::onnx::{Ensemble, Tree};
use super::shap::Explainer;
use super::{Contributions, ModelError, Scorer};
use bitvector::{BLOCK_ROWS, BitTree, Column};
use features::matrix::Matrix;
use walk::Walk;

/// Rows, or trees, that are worked on side by side: four registers of four float32 on every `x86_64`, and enough
/// independent chains of loads to hide their latency.
pub(super) const LANES: usize = 16;

/// From this many rows a block of [`LANES`] is faster than row by row, even when the rest of it is empty: a block costs
/// about as much as five single rows.
const WORTH_A_BLOCK: usize = 6;

/// Which instructions score batches and explain rows; the figures are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// What every processor of the architecture has.
    Portable,
    /// AVX2 of `x86_64`.
    Avx2,
    /// AVX-512 (F and CD) of `x86_64`.
    Avx512,
}

impl Instructions {
    /// From the slowest to the fastest.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The fastest that this processor has.
    pub fn best() -> Self {
        let available = |chosen: &Self| Kernel::of(*chosen).is_some();
        let found = Self::ALL.into_iter().rfind(available);
        found.unwrap_or(Self::Portable)
    }
}

/// Instructions that are there.
#[derive(Debug, Clone, Copy)]
enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(vector::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(vector::Avx512),
}

impl Kernel {
    /// `None` where the processor has them not.
    fn of(instructions: Instructions) -> Option<Self> {
        match instructions {
            Instructions::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => vector::Avx2::detected().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => vector::Avx512::detected().map(Self::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Avx512 => None,
        }
    }
}

/// A tree ensemble in memory, ready to score and to explain.
pub(super) struct Forest {
    columns: usize,
    kernel: Kernel,
    walk: Walk,
    /// In the order of the walk; `None` when a tree has too many leaves.
    bit_trees: Option<Vec<BitTree>>,
    explainer: Option<Explainer>,
}

impl Forest {
    /// Lays out checked trees, for these instructions where the processor has them.
    pub(super) fn new(ensemble: &Ensemble, instructions: Instructions) -> Self {
        let mut trees: Vec<&Tree> = ensemble.trees.iter().collect();
        // Stable, so that the order of addition depends on nothing but the file.
        trees.sort_by_key(|tree| tree.depth);
        Self {
            columns: ensemble.columns,
            kernel: Kernel::of(instructions).unwrap_or(Kernel::Portable),
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

/// Scores up to [`BLOCK_ROWS`] rows; lanes without a row score something that is not to be read.
fn score_block(
    kernel: Kernel,
    trees: &[BitTree],
    rows: &[&[f32]],
    block: &mut Block,
) -> [f64; BLOCK_ROWS] {
    block.fill(rows);
    let mut sums = [0.0; BLOCK_ROWS];
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2(avx2) => avx2.add(trees, &block.columns, rows.len(), &mut sums),
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512(avx512) => avx512.add(trees, &block.columns, rows.len(), &mut sums),
        Kernel::Portable => {
            let (sixteens, _) = sums.as_chunks_mut::<LANES>();
            let filled = rows.len().div_ceil(LANES);
            for (sixteen, sums) in sixteens.iter_mut().enumerate().take(filled) {
                for tree in trees {
                    tree.add(&block.columns, sixteen, sums);
                }
            }
        }
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
        for rows in all.chunks(BLOCK_ROWS) {
            if rows.len() < WORTH_A_BLOCK {
                self.walk(rows, scores);
            } else {
                let sums = score_block(self.kernel, trees, rows, &mut block);
                scores.extend(&sums[..rows.len()]);
            }
        }
        Ok(())
    }

    fn explain(&self, rows: &Matrix) -> Option<Result<Vec<Contributions>, ModelError>> {
        let explainer = self.explainer.as_ref()?;
        Some(self.check(rows).map(|()| match self.kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(avx2) => avx2.explain(explainer, rows),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(avx512) => avx512.explain(explainer, rows),
            Kernel::Portable => explainer.explain(rows),
        }))
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

/// Up to [`BLOCK_ROWS`] doubled rows, one lane each: `columns[column][lane]`.
struct Block {
    columns: Vec<Column>,
}

impl Block {
    fn new(columns: usize) -> Self {
        Self {
            columns: vec![[0.0; BLOCK_ROWS]; 2 * columns],
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
