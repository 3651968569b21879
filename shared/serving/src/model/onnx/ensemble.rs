//! From the attributes of a `TreeEnsemble` node to trees that are certain to be trees.
//!
//! Everything later code relies on is checked here, once: equal lengths, indices in range, every split and leaf part
//! of exactly one tree, finite leaves, one target, sums of `<=` splits. The operator:
//! <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html>, version 5.

use super::attributes::{Attributes, same_length};
use super::{NodeProto, at_most, unreadable};
use crate::model::{LEAF_COUNTS_KEY, ModelError};
use std::collections::BTreeMap;

/// Most splits of all trees together.
pub(in crate::model) const MAX_SPLITS: usize = 1 << 20;
/// Most leaves of one tree: with its splits they must fit into the 16-bit steps of the walk's nodes.
pub(in crate::model) const MAX_LEAVES: usize = 1 << 15;
/// Longest path of one tree, in splits.
pub(in crate::model) const MAX_DEPTH: usize = 1024;
/// Largest number of training rows in a leaf; sums of them are exact in f64.
const MAX_LEAF_COUNT: u64 = 1 << 32;

/// `nodes_modes` of `x <= split`.
const MODE_LEQ: u8 = 0;
/// `aggregate_function` of a sum.
const SUM: i64 = 1;

/// Trees whose leaf values add up to the raw score.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) struct Ensemble {
    /// Columns of a row.
    pub(in crate::model) columns: usize,
    /// In the order of the file.
    pub(in crate::model) trees: Vec<Tree>,
    /// Whether the file says how many training rows each leaf held.
    pub(in crate::model) has_counts: bool,
}

/// One tree. A tree without splits has one leaf.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::model) struct Tree {
    /// In preorder, left before right: the root is first, and a split stands before its children.
    pub(in crate::model) splits: Vec<Split>,
    /// Leaf values from left to right, finite.
    pub(in crate::model) values: Vec<f32>,
    /// Training rows of each leaf, at least 1; all 1 when the file has none.
    pub(in crate::model) counts: Vec<f64>,
    /// Splits on the longest path.
    pub(in crate::model) depth: usize,
}

/// `x[column] <= threshold` goes left; NaN goes where `nan_left` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Split {
    /// Below the number of columns.
    pub(in crate::model) column: usize,
    /// Finite.
    pub(in crate::model) threshold: f32,
    /// Whether NaN goes left.
    pub(in crate::model) nan_left: bool,
    /// Where `x <= threshold` leads.
    pub(in crate::model) left: Child,
    /// Where the rest goes.
    pub(in crate::model) right: Child,
}

/// What a branch leads to, by its place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Child {
    /// Index among the splits.
    Split(usize),
    /// Index among the leaves.
    Leaf(usize),
}

/// Reads and checks the trees.
pub(super) fn read(
    node: &NodeProto,
    columns: usize,
    metadata: &BTreeMap<String, String>,
) -> Result<Ensemble, ModelError> {
    let columns_of_node = Columns::read(&Attributes::new(node)?, columns)?;
    let counts = metadata
        .get(LEAF_COUNTS_KEY)
        .map(|json| leaf_counts(json, columns_of_node.values.len()))
        .transpose()?;
    let mut builder = Builder {
        split_seen: vec![false; columns_of_node.features.len()],
        leaf_seen: vec![false; columns_of_node.values.len()],
        columns: &columns_of_node,
        counts: counts.as_deref(),
    };
    let trees: Vec<Tree> = columns_of_node
        .roots
        .iter()
        .map(|&root| builder.tree(place(root)))
        .collect::<Result<_, _>>()?;
    if let Some(split) = builder.split_seen.iter().position(|seen| !seen) {
        return Err(unreadable(format!("node {split} belongs to no tree")));
    }
    if let Some(leaf) = builder.leaf_seen.iter().position(|seen| !seen) {
        return Err(unreadable(format!("leaf {leaf} belongs to no tree")));
    }
    Ok(Ensemble {
        columns,
        trees,
        has_counts: counts.is_some(),
    })
}

/// Training rows per leaf, from the metadata.
fn leaf_counts(json: &str, leaves: usize) -> Result<Vec<f64>, ModelError> {
    let counts: Vec<u64> = serde_json::from_str(json)
        .map_err(|error| unreadable(format!("metadata {LEAF_COUNTS_KEY}: {error}")))?;
    if counts.len() != leaves {
        return Err(unreadable(format!(
            "metadata {LEAF_COUNTS_KEY} has {} counts for {leaves} leaves",
            counts.len()
        )));
    }
    if let Some(leaf) = counts
        .iter()
        .position(|count| !(1..=MAX_LEAF_COUNT).contains(count))
    {
        return Err(unreadable(format!(
            "metadata {LEAF_COUNTS_KEY}: leaf {leaf} has {} rows, not 1 to {MAX_LEAF_COUNT}",
            counts[leaf]
        )));
    }
    Ok(counts.into_iter().map(|count| count as f64).collect())
}

/// The attributes side by side, lengths and ranges checked.
struct Columns<'a> {
    roots: &'a [i64],
    features: &'a [i64],
    splits: Vec<f32>,
    /// 1 where NaN goes left; none when it never does.
    nan_left: Option<&'a [i64]>,
    left_is_leaf: &'a [i64],
    left: &'a [i64],
    right_is_leaf: &'a [i64],
    right: &'a [i64],
    values: Vec<f32>,
}

/// A checked integer of the file as a place; one that was not checked is no place at all.
fn place(checked: i64) -> usize {
    usize::try_from(checked).unwrap_or(usize::MAX)
}

impl<'a> Columns<'a> {
    fn read(attributes: &Attributes<'a>, columns: usize) -> Result<Self, ModelError> {
        attributes.expect("aggregate_function", SUM, "sum")?;
        attributes.expect("post_transform", 0, "none")?;
        attributes.expect("n_targets", 1, "one target")?;
        let splits = attributes.thresholds("nodes_splits")?;
        let nodes = splits.len();
        at_most("number of splits", nodes, MAX_SPLITS)?;
        let values = attributes.finite("leaf_weights")?;
        at_most("number of leaves", values.len(), MAX_SPLITS * 2)?;
        attributes.indices("leaf_targetids", 1, values.len())?;
        let modes = attributes.bytes("nodes_modes")?;
        same_length("nodes_modes", modes.len(), nodes)?;
        if let Some(position) = modes.iter().position(|&mode| mode != MODE_LEQ) {
            return Err(unreadable(format!(
                "nodes_modes[{position}] is {}, only {MODE_LEQ} (less or equal) is supported",
                modes[position]
            )));
        }
        let roots = attributes.ints("tree_roots")?.len();
        if roots == 0 {
            return Err(unreadable("tree_roots is empty"));
        }
        at_most("number of trees", roots, nodes)?;
        let nan_left = "nodes_missing_value_tracks_true";
        let nan_left = attributes
            .has_ints(nan_left)
            .then(|| attributes.flags(nan_left, nodes))
            .transpose()?;
        // Child indices are ranged when the tree is built: what they index depends on the leaf flag beside them.
        Ok(Self {
            roots: attributes.indices("tree_roots", nodes, roots)?,
            features: attributes.indices("nodes_featureids", columns, nodes)?,
            nan_left,
            left_is_leaf: attributes.flags("nodes_trueleafs", nodes)?,
            left: attributes.indices("nodes_truenodeids", usize::MAX, nodes)?,
            right_is_leaf: attributes.flags("nodes_falseleafs", nodes)?,
            right: attributes.indices("nodes_falsenodeids", usize::MAX, nodes)?,
            splits,
            values,
        })
    }

    /// A tree of one leaf is written as one node with both branches to that leaf.
    fn lone_leaf(&self, root: usize) -> Option<usize> {
        let lone = self.left_is_leaf[root] == 1
            && self.right_is_leaf[root] == 1
            && self.left[root] == self.right[root];
        lone.then(|| place(self.left[root]))
    }
}

/// Follows the branches from each root, once.
struct Builder<'a> {
    columns: &'a Columns<'a>,
    counts: Option<&'a [f64]>,
    split_seen: Vec<bool>,
    leaf_seen: Vec<bool>,
}

/// A branch that is still to be followed.
struct Pending {
    is_leaf: bool,
    index: usize,
    /// The split it hangs from, in the tree, and whether on its left.
    parent: Option<(usize, bool)>,
    depth: usize,
}

impl Builder<'_> {
    fn tree(&mut self, root: usize) -> Result<Tree, ModelError> {
        let mut tree = Tree::default();
        if let Some(leaf) = self.columns.lone_leaf(root) {
            visit(&mut self.split_seen, root, "node")?;
            self.add_leaf(&mut tree, leaf)?;
            return Ok(tree);
        }
        let mut pending = vec![Pending {
            is_leaf: false,
            index: root,
            parent: None,
            depth: 0,
        }];
        while let Some(Pending {
            is_leaf,
            index,
            parent,
            depth,
        }) = pending.pop()
        {
            tree.depth = tree.depth.max(depth);
            let child = if is_leaf {
                self.add_leaf(&mut tree, index)?
            } else {
                at_most("depth of a tree", depth + 1, MAX_DEPTH)?;
                self.add_split(&mut tree, index, depth, &mut pending)?
            };
            match parent {
                Some((split, true)) => tree.splits[split].left = child,
                Some((split, false)) => tree.splits[split].right = child,
                None => {}
            }
        }
        at_most("number of leaves of a tree", tree.values.len(), MAX_LEAVES)?;
        Ok(tree)
    }

    /// Adds a split and leaves its branches pending, the left one on top.
    fn add_split(
        &mut self,
        tree: &mut Tree,
        index: usize,
        depth: usize,
        pending: &mut Vec<Pending>,
    ) -> Result<Child, ModelError> {
        visit(&mut self.split_seen, index, "node")?;
        let (columns, position) = (self.columns, tree.splits.len());
        let branch = |is_leaf: i64, child: i64, left: bool| Pending {
            is_leaf: is_leaf == 1,
            index: place(child),
            parent: Some((position, left)),
            depth: depth + 1,
        };
        pending.push(branch(
            columns.right_is_leaf[index],
            columns.right[index],
            false,
        ));
        pending.push(branch(
            columns.left_is_leaf[index],
            columns.left[index],
            true,
        ));
        tree.splits.push(Split {
            column: place(columns.features[index]),
            threshold: columns.splits[index],
            nan_left: columns.nan_left.is_some_and(|flags| flags[index] == 1),
            // Both are set when the branch is followed.
            left: Child::Leaf(0),
            right: Child::Leaf(0),
        });
        Ok(Child::Split(position))
    }

    fn add_leaf(&mut self, tree: &mut Tree, index: usize) -> Result<Child, ModelError> {
        visit(&mut self.leaf_seen, index, "leaf")?;
        tree.values.push(self.columns.values[index]);
        tree.counts
            .push(self.counts.map_or(1.0, |counts| counts[index]));
        Ok(Child::Leaf(tree.values.len() - 1))
    }
}

/// Marks a node or leaf as part of a tree. A second visit means a cycle, or branches that meet.
fn visit(seen: &mut [bool], index: usize, what: &str) -> Result<(), ModelError> {
    match seen.get_mut(index) {
        None => Err(unreadable(format!(
            "a branch leads to {what} {index}, there are {}",
            seen.len()
        ))),
        Some(true) => Err(unreadable(format!("{what} {index} is reached twice"))),
        Some(seen) => {
            *seen = true;
            Ok(())
        }
    }
}
