//! Small trees: what they add for every outcome of their splits, worked out once.

use super::PathTree;
use super::lanes::Work;

/// Splits of a small tree, at most: as many bits has the place of an outcome.
const MOST_SPLITS: usize = 4;

/// What one tree adds, by which of its splits go left.
#[derive(Debug)]
pub(super) struct Outcomes {
    /// In the order of the bits: the column in the doubled row, and its threshold.
    splits: Vec<(u32, f32)>,
    /// Columns that the tree asks about, each once.
    columns: Vec<u32>,
    /// One value per outcome and column.
    values: Vec<f64>,
}

impl Outcomes {
    /// Of a tree that is laid out; `None` when it is not small.
    pub(super) fn new(tree: &PathTree) -> Option<Self> {
        if tree.splits.len() > MOST_SPLITS {
            return None;
        }
        let mut columns: Vec<u32> = tree.splits.iter().map(|split| split.column).collect();
        columns.sort_unstable();
        columns.dedup();
        let all = columns.last().map_or(0, |last| *last as usize + 1);
        let mut work = Work::new([tree], all);
        let mut values = Vec::new();
        for outcome in 0..1 << tree.splits.len() {
            tree.add(|index, _| outcome >> index & 1 == 1, &mut work);
            let found = work.take_values(all);
            values.extend(columns.iter().map(|column| found[*column as usize]));
        }
        let splits = tree.splits.iter();
        Some(Self {
            splits: splits.map(|s| (s.doubled_column, s.threshold)).collect(),
            columns,
            values,
        })
    }

    /// Adds this tree's contributions for one doubled row.
    #[expect(
        clippy::inline_always,
        reason = "compiled anew for every kind of instructions"
    )]
    #[inline(always)]
    pub(super) fn add(&self, row: &[f32], values: &mut [f64]) {
        let mut outcome = 0;
        for (index, (column, threshold)) in self.splits.iter().enumerate() {
            outcome |= usize::from(row[*column as usize] <= *threshold) << index;
        }
        let own = &self.values[outcome * self.columns.len()..];
        for (column, value) in self.columns.iter().zip(own) {
            values[*column as usize] += value;
        }
    }
}
