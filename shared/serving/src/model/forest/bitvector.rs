//! Small trees as masks over their leaves: no walk, no branch, rows as lanes.
//!
//! Every lane starts with all leaves possible. Each split of the tree, whether on the row's path or not, takes away the
//! leaves on its left where the row does not go left. The leftmost leaf that remains is the one a walk would reach: a
//! leaf further left would have needed a left turn that failed. Source: Lucchese et al., "QuickScorer" (SIGIR 2015),
//! without its sorting of splits, which would bring back the branches.

use super::{Block, LANES, doubled_column};
use crate::model::onnx::{Child, Tree};

/// Leaves that fit into a mask.
const MAX_LEAVES: usize = u32::BITS as usize;

#[derive(Debug, Clone, Copy)]
struct MaskedSplit {
    threshold: f32,
    /// In the doubled row.
    column: u32,
    /// The leaves that remain possible when `x <= threshold` fails; bit 0 is the leftmost leaf.
    right: u32,
}

/// A tree of at most 32 leaves.
#[derive(Debug)]
pub(super) struct BitTree {
    splits: Vec<MaskedSplit>,
    values: [f32; MAX_LEAVES],
}

impl BitTree {
    /// `None` when the tree has too many leaves.
    pub(super) fn new(tree: &Tree, columns: usize) -> Option<Self> {
        if tree.values.len() > MAX_LEAVES {
            return None;
        }
        let mut values = [0.0; MAX_LEAVES];
        values[..tree.values.len()].copy_from_slice(&tree.values);
        // Children stand after their parents: from the back, the leaves of both are known.
        let mut leaves_below = vec![0_u32; tree.splits.len()];
        for (index, split) in tree.splits.iter().enumerate().rev() {
            leaves_below[index] =
                leaves(split.left, &leaves_below) | leaves(split.right, &leaves_below);
        }
        let masked = tree.splits.iter().map(|split| MaskedSplit {
            threshold: split.threshold,
            column: doubled_column(split.column, split.nan_left, columns) as u32,
            right: !leaves(split.left, &leaves_below),
        });
        Some(Self {
            splits: masked.collect(),
            values,
        })
    }

    /// Adds the tree's values to the sums of a block of rows.
    pub(super) fn add(&self, block: &Block, sums: &mut [f64; LANES]) {
        let mut possible = [u32::MAX; LANES];
        for split in &self.splits {
            let column = &block.columns[split.column as usize];
            for (possible, &value) in possible.iter_mut().zip(column) {
                *possible &= if value <= split.threshold {
                    u32::MAX
                } else {
                    split.right
                };
            }
        }
        for (sum, possible) in sums.iter_mut().zip(possible) {
            // At least the rightmost leaf remains; the remainder says so to the compiler.
            *sum += f64::from(self.values[possible.trailing_zeros() as usize % MAX_LEAVES]);
        }
    }
}

fn leaves(child: Child, below: &[u32]) -> u32 {
    match child {
        Child::Leaf(leaf) => 1 << leaf,
        Child::Split(split) => below[split],
    }
}
