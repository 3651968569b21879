//! Trees as eight-byte nodes that are walked in lock-step.
//!
//! A step is one load, one comparison and one addition, without a branch: the two children of a node stand side by
//! side, and a leaf leads to itself, so that a lane may take more steps than its tree is deep.

use super::{LANES, doubled_column};
use crate::model::onnx::{Child, Tree};
use std::array::from_fn;
use std::collections::VecDeque;

/// `next = here + step`, plus one unless `x[column] <= threshold`.
#[derive(Debug, Clone, Copy)]
struct Node {
    threshold: f32,
    /// In the doubled row.
    column: u16,
    /// To the left child; 0 in a leaf.
    step: u16,
}

/// Where a tree starts, and how many steps reach every leaf of it.
#[derive(Debug, Clone, Copy)]
struct Root {
    node: u32,
    depth: u32,
}

/// All trees, breadth-first, one after the other.
#[derive(Debug)]
pub(super) struct Walk {
    nodes: Vec<Node>,
    /// The leaf values; 0 at splits.
    values: Vec<f32>,
    roots: Vec<Root>,
}

impl Walk {
    /// `trees` in the order in which their values are added.
    pub(super) fn new(trees: &[&Tree], columns: usize) -> Self {
        let nodes = trees
            .iter()
            .map(|tree| tree.splits.len() + tree.values.len());
        let nodes = nodes.sum();
        let mut walk = Self {
            nodes: Vec::with_capacity(nodes),
            values: Vec::with_capacity(nodes),
            roots: Vec::with_capacity(trees.len()),
        };
        for tree in trees {
            walk.roots.push(Root {
                node: walk.nodes.len() as u32,
                depth: tree.depth as u32,
            });
            walk.push(tree, columns);
        }
        walk
    }

    fn push(&mut self, tree: &Tree, columns: usize) {
        let root = if tree.splits.is_empty() {
            Child::Leaf(0)
        } else {
            Child::Split(0)
        };
        let (mut queue, mut here) = (VecDeque::from([root]), 0);
        // Children get their places in the order in which their parents are laid down.
        let mut next_child = 1_usize;
        while let Some(child) = queue.pop_front() {
            match child {
                Child::Split(index) => {
                    let split = tree.splits[index];
                    self.nodes.push(Node {
                        threshold: split.threshold,
                        column: doubled_column(split.column, split.nan_left, columns) as u16,
                        step: (next_child - here) as u16,
                    });
                    self.values.push(0.0);
                    queue.extend([split.left, split.right]);
                    next_child += 2;
                }
                Child::Leaf(index) => {
                    // The second copy of a row has no NaN, so every value is at most infinity: a leaf goes to itself.
                    let column = doubled_column(0, true, columns) as u16;
                    self.nodes.push(Node {
                        threshold: f32::INFINITY,
                        column,
                        step: 0,
                    });
                    self.values.push(tree.values[index]);
                }
            }
            here += 1;
        }
    }

    /// The score of one doubled row.
    pub(super) fn score(&self, row: &[f32]) -> f64 {
        let mut sum = 0.0;
        for group in self.roots.chunks(LANES) {
            // A last, smaller group walks its first tree in the spare lanes.
            let mut at: [u32; LANES] = from_fn(|lane| group.get(lane).unwrap_or(&group[0]).node);
            // Trees are sorted by depth, so the last is the deepest.
            let depth = group.last().map_or(0, |root| root.depth);
            for _ in 0..depth {
                for here in &mut at {
                    *here = self.step(*here, row);
                }
            }
            for here in &at[..group.len()] {
                sum += f64::from(self.values[*here as usize]);
            }
        }
        sum
    }

    #[inline]
    fn step(&self, here: u32, row: &[f32]) -> u32 {
        let node = self.nodes[here as usize];
        let left = row[usize::from(node.column)] <= node.threshold;
        here + u32::from(node.step) + u32::from(!left)
    }
}
