//! Small trees as masks over their leaves: no walk, no branch, rows as lanes.
//!
//! Every lane starts with all leaves possible. Each split of the tree, whether on the row's path or not, takes away the
//! leaves on its left where the row does not go left. The leftmost leaf that remains is the one a walk would reach: a
//! leaf further left would have needed a left turn that failed. Source: Lucchese et al., `QuickScorer` (SIGIR 2015),
//! without its sorting of splits, which would bring back the branches.

use super::{LANES, doubled_column};
use crate::model::onnx::{Child, Tree};

/// Leaves that fit into a mask.
const MAX_LEAVES: usize = u32::BITS as usize;

/// Rows of a block: what the widest registers take at once.
pub(super) const BLOCK_ROWS: usize = 64;

/// One column of a block, a lane for each row.
pub(super) type Column = [f32; BLOCK_ROWS];

#[derive(Debug, Clone, Copy)]
pub(super) struct MaskedSplit {
    pub(super) threshold: f32,
    /// In the doubled row.
    pub(super) column: u32,
    /// The leaves that remain possible when `x <= threshold` fails; bit 0 is the leftmost leaf.
    pub(super) right: u32,
}

/// A tree of at most 32 leaves.
#[derive(Debug)]
pub(super) struct BitTree {
    pub(super) splits: Vec<MaskedSplit>,
    pub(super) values: [f32; MAX_LEAVES],
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

    /// Adds the tree's values to the sums of one sixteen of a block's rows.
    pub(super) fn add(&self, block: &[Column], sixteen: usize, sums: &mut [f64; LANES]) {
        for (sum, possible) in sums.iter_mut().zip(self.possible_leaves(block, sixteen)) {
            // At least the rightmost leaf remains; the remainder says so to the compiler.
            *sum += f64::from(self.values[possible.trailing_zeros() as usize % MAX_LEAVES]);
        }
    }

    /// The leaves that remain for each row, the row's own as the lowest bit.
    ///
    /// On its own and written as arithmetic so that it compiles to vector instructions: beside code that reads single
    /// lanes, or with an `if`, it becomes sixteen scalar chains and takes seven times as long.
    #[inline(never)]
    fn possible_leaves(&self, block: &[Column], sixteen: usize) -> [u32; LANES] {
        let mut possible = [u32::MAX; LANES];
        for split in &self.splits {
            let (sixteens, _) = block[split.column as usize].as_chunks::<LANES>();
            let column = &sixteens[sixteen];
            for (possible, &value) in possible.iter_mut().zip(column) {
                *possible &= u32::from(value <= split.threshold).wrapping_neg() | split.right;
            }
        }
        possible
    }
}

fn leaves(child: Child, below: &[u32]) -> u32 {
    match child {
        Child::Leaf(leaf) => 1 << leaf,
        Child::Split(split) => below[split],
    }
}
