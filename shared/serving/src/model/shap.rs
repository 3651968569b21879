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
//! Yu et al., `Linear TreeShap` (2022) for the two passes.

mod lanes;
mod outcomes;
mod quadrature;

use super::Contributions;
use super::forest::{double, doubled_column};
use super::onnx::{Child, Ensemble, Tree};
use features::matrix::Matrix;
use lanes::{Lanes, Work};
use outcomes::Outcomes;
use quadrature::gauss_legendre;
use std::array::from_fn;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Most quadrature points of one pass. Paths of up to twice as many distinct columns take one pass, longer ones one
/// pass for every eight points.
const MAX_POINTS: usize = 8;

/// Quadrature points and their weights, shared by the trees that need as many: a multiple of 2, and of [`MAX_POINTS`]
/// when there are more.
type Points = Arc<[(f64, f64)]>;

/// Trees laid out for contributions.
#[derive(Debug)]
pub(super) struct Explainer {
    columns: usize,
    base: f64,
    trees: Vec<ExplainedTree>,
}

/// A tree in the layout that is faster for its size.
#[derive(Debug)]
enum ExplainedTree {
    Small(Outcomes),
    Large(PathTree),
}

/// One tree, breadth-first. A slot is a place in that order; the children of a split have neighbouring slots, and the
/// root has slot 0.
#[derive(Debug)]
struct PathTree {
    splits: Vec<PathSplit>,
    slots: Vec<Slot>,
    points: Points,
    /// `1 / (t + (1 - t) z)` of every slot, as if it were open: for every pass, slot and point. No row changes it.
    inverses: Vec<f64>,
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
        let mut points = BTreeMap::new();
        Self {
            columns: ensemble.columns,
            base: ensemble.trees.iter().map(expected_value).sum(),
            trees: ensemble
                .trees
                .iter()
                .map(|tree| PathTree::new(tree, ensemble.columns, &mut points))
                .map(|tree| match Outcomes::new(&tree) {
                    Some(outcomes) => ExplainedTree::Small(outcomes),
                    None => ExplainedTree::Large(tree),
                })
                .collect(),
        }
    }

    /// The contributions of every row, independent of the other rows. Inlined, to be compiled for the instructions of whoever calls: lanes
    /// are worked on alike and added in one order, so the figures are the same.
    #[expect(
        clippy::inline_always,
        reason = "compiled anew for every kind of instructions"
    )]
    #[inline(always)]
    pub(super) fn explain(&self, rows: &Matrix) -> Vec<Contributions> {
        let large = self.trees.iter().filter_map(|tree| match tree {
            ExplainedTree::Small(_) => None,
            ExplainedTree::Large(tree) => Some(tree),
        });
        let mut work = Work::new(large, self.columns);
        let mut doubled = vec![0.0; 2 * self.columns];
        let mut explained = Vec::with_capacity(rows.row_count());
        for row in rows.rows() {
            double(row, &mut doubled);
            let mut small = vec![0.0; self.columns];
            for tree in &self.trees {
                match tree {
                    ExplainedTree::Small(outcomes) => outcomes.add(&doubled, &mut small),
                    ExplainedTree::Large(tree) => tree.add(
                        |_, split| doubled[split.doubled_column as usize] <= split.threshold,
                        &mut work,
                    ),
                }
            }
            let mut values = work.take_values(self.columns);
            for (value, small) in values.iter_mut().zip(small) {
                *value += small;
            }
            let base = self.base;
            explained.push(Contributions { base, values });
        }
        explained
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
    fn new(tree: &Tree, columns: usize, points: &mut BTreeMap<usize, Points>) -> Self {
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
            slots: Vec::with_capacity(2 * tree.splits.len() + 1),
            points: Arc::default(),
            inverses: Vec::new(),
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
        let path = layout.most_columns_of_a_path();
        layout.points = Arc::clone(points.entry(path).or_insert_with(|| points_for(path)));
        layout.inverses = layout.inverses();
        layout
    }

    fn inverses(&self) -> Vec<f64> {
        let mut inverses = Vec::with_capacity(self.points.len() * self.slots.len());
        for points in self.points.chunks(MAX_POINTS) {
            for slot in &self.slots {
                let inverse = |(t, _): &(f64, f64)| 1.0 / (t + (1.0 - t) * slot.share);
                inverses.extend(points.iter().map(inverse));
            }
        }
        inverses
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

    /// Adds this tree's contributions for a row, by whether a split, named by its place, goes left.
    #[expect(
        clippy::inline_always,
        reason = "compiled anew for every kind of instructions"
    )]
    #[inline(always)]
    fn add(&self, goes_left: impl Fn(usize, &PathSplit) -> bool, work: &mut Work) {
        match self.points.len() {
            0 => {}
            2 => self.passes(goes_left, &mut work.two),
            4 => self.passes(goes_left, &mut work.four),
            6 => self.passes(goes_left, &mut work.six),
            _ => self.passes(goes_left, &mut work.eight),
        }
    }

    /// Down and up the tree for `N` points at a time.
    #[expect(
        clippy::inline_always,
        reason = "compiled anew for every kind of instructions"
    )]
    #[inline(always)]
    fn passes<const N: usize>(
        &self,
        goes_left: impl Fn(usize, &PathSplit) -> bool,
        lanes: &mut Lanes<N>,
    ) {
        let (inverses, _) = self.inverses.as_chunks::<N>();
        let (points, _) = self.points.as_chunks::<N>();
        for (points, inverses) in points.iter().zip(inverses.chunks(self.slots.len())) {
            let t: [f64; N] = from_fn(|lane| points[lane].0);
            // Every product carries the weight of its point from the root down, so that lanes only have to be added.
            lanes.product[0] = from_fn(|lane| points[lane].1);
            self.down(t, &goes_left, inverses, lanes);
            self.up(t, inverses, lanes);
        }
    }

    /// The products of every slot; leaves are multiplied by their value.
    #[expect(
        clippy::inline_always,
        reason = "compiled anew for every kind of instructions"
    )]
    #[inline(always)]
    fn down<const N: usize>(
        &self,
        t: [f64; N],
        goes_left: &impl Fn(usize, &PathSplit) -> bool,
        inverses: &[[f64; N]],
        lanes: &mut Lanes<N>,
    ) {
        let rest = t.map(|t| 1.0 - t);
        for (index, split) in self.splits.iter().enumerate() {
            let (open, shut) = split.branches(goes_left(index, split));
            let mut above = lanes.product[split.slot as usize];
            let ancestor = split.ancestor as usize;
            if lanes.open[ancestor] {
                // At the root it is 1.
                let inverse = &inverses[ancestor];
                above = from_fn(|lane| above[lane] * inverse[lane]);
                let Slot { share, value } = self.slots[open];
                lanes.product[open] =
                    from_fn(|lane| above[lane] * (t[lane] + rest[lane] * share) * value);
                let shut_scale = self.slots[shut].share * self.slots[shut].value;
                lanes.product[shut] = from_fn(|lane| above[lane] * (rest[lane] * shut_scale));
            } else {
                // A shut branch has the factor `(1 - t) z`: only `z` changes below it.
                for child in [open, shut] {
                    let Slot { share, value } = self.slots[child];
                    let scale = share * value / self.slots[ancestor].share;
                    lanes.product[child] = above.map(|product| product * scale);
                }
            }
            lanes.open[open] = lanes.open[ancestor];
            lanes.open[shut] = false;
        }
    }

    /// Sums the leaves and gives every split's column its part. A split that is below a shut branch of its own column
    /// changes nothing for it.
    #[expect(
        clippy::inline_always,
        reason = "compiled anew for every kind of instructions"
    )]
    #[inline(always)]
    fn up<const N: usize>(&self, t: [f64; N], inverses: &[[f64; N]], lanes: &mut Lanes<N>) {
        // `g` of every shut branch.
        let shut_gain = t.map(|t| -1.0 / (1.0 - t));
        for split in self.splits.iter().rev() {
            let (open, shut) = split.branches(lanes.open[split.children as usize]);
            let (open_sum, shut_sum) = (lanes.product[open], lanes.product[shut]);
            let sum: [f64; N] = from_fn(|lane| open_sum[lane] + shut_sum[lane]);
            lanes.product[split.slot as usize] = sum;
            let ancestor = split.ancestor as usize;
            if lanes.open[ancestor] {
                // `g` of an open branch; 0 at the root, whose share is 1.
                let (closed, closed_above) = (
                    1.0 - self.slots[open].share,
                    1.0 - self.slots[ancestor].share,
                );
                let (gain, gain_above) = (&inverses[open], &inverses[ancestor]);
                let column = &mut lanes.columns[split.column as usize];
                *column = from_fn(|lane| {
                    let terms =
                        open_sum[lane] * (closed * gain[lane]) + shut_sum[lane] * shut_gain[lane];
                    column[lane] + (terms - sum[lane] * (closed_above * gain_above[lane]))
                });
            }
        }
    }
}

impl PathSplit {
    /// The slots of the branch that the row takes and of the other.
    fn branches(&self, left: bool) -> (usize, usize) {
        let children = self.children as usize;
        (children + usize::from(!left), children + usize::from(left))
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

/// Enough points for paths of so many distinct columns, padded with weight 0 to whole passes.
fn points_for(columns: usize) -> Points {
    let needed = columns.div_ceil(2);
    if needed <= MAX_POINTS {
        return gauss_legendre(needed.next_multiple_of(2)).into();
    }
    let mut points = gauss_legendre(needed);
    points.resize(needed.next_multiple_of(MAX_POINTS), (0.5, 0.0));
    points.into()
}
