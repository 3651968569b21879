//! Exact path-dependent `TreeSHAP`: what each column adds to one raw score.
//!
//! The contribution of column `i` is its Shapley value in the game whose players are the columns, where an absent column
//! follows both branches in proportion to the training rows they held. For one leaf of value `v` it is
//!
//! `phi_i = v (o_i - z_i) * integral over t in 0..1 of prod_{j != i} (t o_j + (1 - t) z_j)`
//!
//! over the distinct columns `j` of its path, with `o_j` 1 when the row passes all splits of the path on `j` and else 0,
//! and `z_j` the product of the shares of training rows that did. The integrand is a polynomial of degree `d - 1` for `d`
//! distinct columns, so Gauss-Legendre quadrature with at least `d / 2` points is exact. For every point one pass down
//! a tree keeps the product over `j`, and one pass up sums the leaves.
//!
//! A split adds, for its column, the sums of its two branches times `g(branch) - g(ancestor)`, with
//! `g = (o - z) / (t o + (1 - t) z)` and the ancestor being the branch of the same column above it; down a path these
//! differences add up to the `g` of its last split on the column, which is what the formula asks for.
//!
//! Sources: Lundberg et al., "From local explanations to global understanding with explainable AI for trees" (2020);
//! Yu et al., "Linear TreeShap" (2022) for the two passes.

mod quadrature;

use super::Contributions;
use super::forest::{double, doubled_column};
use super::onnx::{Child, Ensemble, Tree};
use features::matrix::Matrix;
use quadrature::gauss_legendre;
use std::array::from_fn;
use std::collections::VecDeque;

/// Most quadrature points of one pass. Paths of up to twice as many distinct columns take one pass, longer ones one
/// pass for every eight points.
const MAX_POINTS: usize = 8;

/// Trees laid out for contributions.
#[derive(Debug)]
pub(super) struct Explainer {
    columns: usize,
    base: f64,
    trees: Vec<PathTree>,
}

/// One tree, breadth-first. A slot is a place in that order; the children of a split have neighbouring slots, and the
/// root has slot 0.
#[derive(Debug)]
struct PathTree {
    splits: Vec<PathSplit>,
    slots: Vec<Slot>,
    /// Points and weights; a multiple of 2, and of [`MAX_POINTS`] when there are more.
    points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct PathSplit {
    threshold: f32,
    /// In the doubled row.
    doubled_column: u32,
    column: u32,
    slot: u32,
    /// Of the left child; the right one follows.
    children: u32,
    /// The slot below the nearest split above on the same column; 0, the root, when there is none.
    ancestor: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Share of training rows that pass all splits of the path on the column of the split just above; 1 at the root.
    share: f64,
    /// The leaf's value; 1 at a split.
    value: f64,
}

impl Explainer {
    pub(super) fn new(ensemble: &Ensemble) -> Self {
        Self {
            columns: ensemble.columns,
            base: ensemble.trees.iter().map(expected_value).sum(),
            trees: ensemble
                .trees
                .iter()
                .map(|tree| PathTree::new(tree, ensemble.columns))
                .collect(),
        }
    }

    /// The contributions of every row, independent of the other rows.
    pub(super) fn explain(&self, rows: &Matrix) -> Vec<Contributions> {
        let most_slots = self
            .trees
            .iter()
            .map(|tree| tree.slots.len())
            .max()
            .unwrap_or(0);
        let mut work = Work::new(most_slots);
        let mut doubled = vec![0.0; 2 * self.columns];
        rows.rows()
            .map(|row| {
                double(row, &mut doubled);
                let mut values = vec![0.0; self.columns];
                for tree in &self.trees {
                    tree.add(&doubled, &mut work, &mut values);
                }
                Contributions {
                    base: self.base,
                    values,
                }
            })
            .collect()
    }
}

/// The split whose child has this slot, which is not the root's: splits take two slots each, in order.
fn split_above(slot: u32) -> usize {
    (slot as usize - 1) / 2
}

/// The mean of a tree's values over the training rows.
fn expected_value(tree: &Tree) -> f64 {
    let total: f64 = tree.counts.iter().sum();
    tree.values
        .iter()
        .zip(&tree.counts)
        .map(|(&value, count)| f64::from(value) * count / total)
        .sum()
}

impl PathTree {
    fn new(tree: &Tree, columns: usize) -> Self {
        let rows_below = rows_below(tree);
        let rows_of = |child| match child {
            Child::Split(split) => rows_below[split],
            Child::Leaf(leaf) => tree.counts[leaf],
        };
        let value_of = |child| {
            if let Child::Leaf(leaf) = child {
                f64::from(tree.values[leaf])
            } else {
                1.0
            }
        };
        let mut layout = Self {
            splits: Vec::with_capacity(tree.splits.len()),
            slots: Vec::new(),
            points: Vec::new(),
        };
        let root = if tree.splits.is_empty() {
            Child::Leaf(0)
        } else {
            Child::Split(0)
        };
        layout.slots.push(Slot {
            share: 1.0,
            value: value_of(root),
        });
        let mut queue = VecDeque::from([(root, 0)]);
        while let Some((child, slot)) = queue.pop_front() {
            let Child::Split(index) = child else { continue };
            let split = tree.splits[index];
            let ancestor = layout.ancestor(slot, split.column as u32);
            let children = layout.slots.len() as u32;
            layout.splits.push(PathSplit {
                threshold: split.threshold,
                doubled_column: doubled_column(split.column, split.nan_left, columns) as u32,
                column: split.column as u32,
                slot,
                children,
                ancestor,
            });
            for (child, slot) in [(split.left, children), (split.right, children + 1)] {
                let share =
                    layout.slots[ancestor as usize].share * rows_of(child) / rows_below[index];
                layout.slots.push(Slot {
                    share,
                    value: value_of(child),
                });
                queue.push_back((child, slot));
            }
        }
        layout.points = points_for(layout.most_columns_of_a_path());
        layout
    }

    /// The slot below the nearest split on `column` on the way up from `slot`, or the root's.
    fn ancestor(&self, mut slot: u32, column: u32) -> u32 {
        while slot != 0 {
            let above = self.splits[split_above(slot)];
            if above.column == column {
                break;
            }
            slot = above.slot;
        }
        slot
    }

    /// How many distinct columns the path with the most of them has.
    fn most_columns_of_a_path(&self) -> usize {
        let mut columns = vec![0; self.slots.len()];
        for split in &self.splits {
            let children = split.children as usize;
            let met = columns[split.slot as usize] + usize::from(split.ancestor == 0);
            columns[children..children + 2].fill(met);
        }
        columns.into_iter().max().unwrap_or(0)
    }

    /// Adds this tree's contributions for one doubled row.
    fn add(&self, row: &[f32], work: &mut Work, values: &mut [f64]) {
        match self.points.len() {
            0 => {}
            2 => self.pass::<2>(&self.points, row, &mut work.two, values),
            4 => self.pass::<4>(&self.points, row, &mut work.four, values),
            6 => self.pass::<6>(&self.points, row, &mut work.six, values),
            _ => {
                for points in self.points.chunks(MAX_POINTS) {
                    self.pass::<MAX_POINTS>(points, row, &mut work.eight, values);
                }
            }
        }
    }

    /// Down and up the tree for `N` points.
    fn pass<const N: usize>(
        &self,
        points: &[(f64, f64)],
        row: &[f32],
        work: &mut [Lanes<N>],
        values: &mut [f64],
    ) {
        let t: [f64; N] = from_fn(|lane| points[lane].0);
        let rest: [f64; N] = from_fn(|lane| 1.0 - points[lane].0);
        let weights: [f64; N] = from_fn(|lane| points[lane].1);
        let blocked: [f64; N] = from_fn(|lane| -1.0 / rest[lane]);
        work[0] = Lanes::root();
        for split in &self.splits {
            let left = row[split.doubled_column as usize] <= split.threshold;
            let children = split.children as usize;
            let (open, shut) = (children + usize::from(!left), children + usize::from(left));
            let above = work[split.slot as usize].product;
            let ancestor = work[split.ancestor as usize];
            if ancestor.open {
                let (open_share, shut_share) = (self.slots[open].share, self.slots[shut].share);
                let without: [f64; N] = from_fn(|lane| above[lane] * ancestor.inverse[lane]);
                let factor: [f64; N] = from_fn(|lane| t[lane] + rest[lane] * open_share);
                let inverse: [f64; N] = from_fn(|lane| 1.0 / factor[lane]);
                work[open] = Lanes {
                    product: from_fn(|lane| without[lane] * factor[lane]),
                    gain: from_fn(|lane| (1.0 - open_share) * inverse[lane]),
                    inverse,
                    open: true,
                };
                work[shut] = Lanes {
                    product: from_fn(|lane| without[lane] * (rest[lane] * shut_share)),
                    inverse: [0.0; N],
                    gain: blocked,
                    open: false,
                };
            } else {
                let share = self.slots[split.ancestor as usize].share;
                for child in [children, children + 1] {
                    let ratio = self.slots[child].share / share;
                    work[child] = Lanes {
                        product: above.map(|p| p * ratio),
                        inverse: [0.0; N],
                        gain: blocked,
                        open: false,
                    };
                }
            }
        }
        for split in self.splits.iter().rev() {
            let children = split.children as usize;
            let [left, right] =
                [children, children + 1].map(|child| (work[child], self.slots[child].value));
            let ancestor = work[split.ancestor as usize];
            let left_sum: [f64; N] = from_fn(|lane| left.0.product[lane] * left.1);
            let right_sum: [f64; N] = from_fn(|lane| right.0.product[lane] * right.1);
            work[split.slot as usize].product = from_fn(|lane| left_sum[lane] + right_sum[lane]);
            // Below a shut branch of the same column nothing of it can change.
            if ancestor.open {
                let terms: [f64; N] = from_fn(|lane| {
                    weights[lane]
                        * (left_sum[lane] * (left.0.gain[lane] - ancestor.gain[lane])
                            + right_sum[lane] * (right.0.gain[lane] - ancestor.gain[lane]))
                });
                values[split.column as usize] += terms.iter().sum::<f64>();
            }
        }
    }
}

/// Training rows below each split.
fn rows_below(tree: &Tree) -> Vec<f64> {
    let mut rows = vec![0.0; tree.splits.len()];
    for (index, split) in tree.splits.iter().enumerate().rev() {
        rows[index] = [split.left, split.right]
            .map(|child| match child {
                Child::Split(split) => rows[split],
                Child::Leaf(leaf) => tree.counts[leaf],
            })
            .iter()
            .sum();
    }
    rows
}

/// Enough points for paths of so many distinct columns, padded with weight 0 to what a pass takes.
fn points_for(columns: usize) -> Vec<(f64, f64)> {
    if columns == 0 {
        return Vec::new();
    }
    let needed = columns.div_ceil(2);
    let padded = needed.next_multiple_of(if needed > MAX_POINTS { MAX_POINTS } else { 2 });
    if needed > MAX_POINTS {
        let mut points = gauss_legendre(needed);
        points.resize(padded, (0.5, 0.0));
        points
    } else {
        gauss_legendre(padded)
    }
}

/// What the passes know of a slot, one lane per point.
#[derive(Debug, Clone, Copy)]
struct Lanes<const N: usize> {
    /// Down: the product over the path's columns. Up: the sum of the leaves below.
    product: [f64; N],
    /// `1 / (t + (1 - t) z)`; not used when shut.
    inverse: [f64; N],
    /// `g` of the branch.
    gain: [f64; N],
    /// Whether the row passes all splits so far on the column just above: `o`.
    open: bool,
}

impl<const N: usize> Lanes<N> {
    /// No column yet: `o` and `z` are 1, so the factor is 1 and `g` is 0.
    fn root() -> Self {
        Self {
            product: [1.0; N],
            inverse: [1.0; N],
            gain: [0.0; N],
            open: true,
        }
    }
}

/// Room for the passes, used again for every tree and row.
struct Work {
    two: Vec<Lanes<2>>,
    four: Vec<Lanes<4>>,
    six: Vec<Lanes<6>>,
    eight: Vec<Lanes<MAX_POINTS>>,
}

impl Work {
    fn new(slots: usize) -> Self {
        Self {
            two: vec![Lanes::root(); slots],
            four: vec![Lanes::root(); slots],
            six: vec![Lanes::root(); slots],
            eight: vec![Lanes::root(); slots],
        }
    }
}
