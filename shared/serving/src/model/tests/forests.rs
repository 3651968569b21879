//! Generated forests, and the ONNX files they make.

use crate::model::LEAF_COUNTS_KEY;
use crate::model::onnx::{
    AttributeProto, DimensionProto, EntryProto, FLOAT, GraphProto, ML_DOMAIN, ML_OPSET, ModelProto,
    NodeProto, OpsetProto, ShapeProto, TREE_ENSEMBLE, TensorProto, TensorTypeProto, TypeProto,
    UINT8, ValueInfoProto,
};
use proptest::prelude::*;
use prost::Message;

/// A tree as one would draw it.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf {
        value: f32,
        count: u32,
    },
    Split {
        column: usize,
        threshold: f32,
        nan_left: bool,
        branches: Box<(Node, Node)>,
    },
}

impl Node {
    pub(super) fn split(
        column: usize,
        threshold: f32,
        nan_left: bool,
        left: Self,
        right: Self,
    ) -> Self {
        Self::Split {
            column,
            threshold,
            nan_left,
            branches: Box::new((left, right)),
        }
    }

    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Leaf { count, .. } => *count,
            Self::Split { branches, .. } => branches.0.count() + branches.1.count(),
        }
    }

    pub(super) fn goes_left(&self, row: &[f32]) -> bool {
        match self {
            Self::Leaf { .. } => false,
            Self::Split {
                column, nan_left, ..
            } if row[*column].is_nan() => *nan_left,
            Self::Split {
                column, threshold, ..
            } => row[*column] <= *threshold,
        }
    }

    /// The leaf with so many leaves on its left.
    fn leaf_mut(&mut self, place: &mut usize) -> Option<&mut Self> {
        match self {
            Self::Leaf { .. } if *place == 0 => Some(self),
            Self::Leaf { .. } => {
                *place -= 1;
                None
            }
            Self::Split { branches, .. } => {
                let (left, right) = &mut **branches;
                left.leaf_mut(place).or_else(|| right.leaf_mut(place))
            }
        }
    }

    /// The branch a row takes.
    pub(super) fn branch(&self, row: &[f32]) -> &Self {
        match self {
            Self::Leaf { .. } => self,
            Self::Split { branches, .. } if self.goes_left(row) => &branches.0,
            Self::Split { branches, .. } => &branches.1,
        }
    }
}

/// Few numbers, so that rows meet thresholds often.
const NUMBERS: [f32; 8] = [-2.0, -1.0, -1e-35, 0.0, 0.5, 1.0, 2.0, f32::MAX];

/// Up to `most_trees` trees of up to `most_leaves` leaves. Trees grow by splitting a leaf, and prefer the newest, so that
/// some are bushy and some are chains.
pub(super) fn forest(
    columns: usize,
    most_leaves: usize,
    most_trees: usize,
) -> impl Strategy<Value = Vec<Node>> {
    let leaf =
        || (-8.0_f32..8.0, 1_u32..100).prop_map(|(value, count)| Node::Leaf { value, count });
    let numbers = prop::sample::select(NUMBERS.to_vec());
    let place = prop::option::of(any::<prop::sample::Index>());
    let growth = (
        0..columns,
        numbers,
        any::<bool>(),
        any::<bool>(),
        place,
        leaf(),
    );
    let tree =
        (leaf(), prop::collection::vec(growth, 0..most_leaves)).prop_map(|(mut tree, growths)| {
            let mut newest = 0;
            for (leaves, (column, threshold, nan_left, new_is_left, place, new)) in
                (1..).zip(growths)
            {
                let mut place = place.map_or(newest, |place| place.index(leaves));
                newest = if new_is_left { place } else { place + 1 };
                let old = tree.leaf_mut(&mut place).expect("there are so many leaves");
                let (left, right) = if new_is_left {
                    (new, old.clone())
                } else {
                    (old.clone(), new)
                };
                *old = Node::split(column, threshold, nan_left, left, right);
            }
            tree
        });
    prop::collection::vec(tree, 1..=most_trees)
}

pub(super) fn row(columns: usize) -> impl Strategy<Value = Vec<f32>> {
    let mut values = NUMBERS.to_vec();
    values.extend([
        f32::NAN,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        0.25,
        -7.0,
    ]);
    prop::collection::vec(prop::sample::select(values), columns)
}

/// The bytes of [`encode`].
pub(super) fn file(trees: &[Node], columns: usize) -> Vec<u8> {
    encode(trees, columns).encode_to_vec()
}

/// The ONNX file of a forest.
pub(super) fn encode(trees: &[Node], columns: usize) -> ModelProto {
    let mut lists = Lists::default();
    for tree in trees {
        lists.roots.push(index(lists.features.len()));
        match tree {
            Node::Split { .. } => drop(lists.push(tree)),
            Node::Leaf { .. } => {
                let at = lists.push_node(0, 0.0, false);
                let leaf = lists.push(tree);
                (lists.left[at], lists.right[at]) = (leaf, leaf);
            }
        }
    }
    let graph = GraphProto {
        node: vec![lists.node()],
        name: "forest".to_owned(),
        input: vec![tensor_info("features", index(columns))],
        output: vec![tensor_info("raw", 1)],
    };
    let counts = serde_json::to_string(&lists.counts).unwrap();
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![OpsetProto {
            domain: ML_DOMAIN.to_owned(),
            version: ML_OPSET,
        }],
        graph: Some(graph),
        metadata_props: vec![EntryProto {
            key: LEAF_COUNTS_KEY.to_owned(),
            value: counts,
        }],
    }
}

fn tensor_info(name: &str, width: i64) -> ValueInfoProto {
    let rows = DimensionProto {
        value: None,
        symbol: Some("rows".to_owned()),
    };
    let shape = ShapeProto {
        dim: vec![
            rows,
            DimensionProto {
                value: Some(width),
                symbol: None,
            },
        ],
    };
    let tensor = TensorTypeProto {
        elem_type: FLOAT,
        shape: Some(shape),
    };
    ValueInfoProto {
        name: name.to_owned(),
        kind: Some(TypeProto {
            tensor: Some(tensor),
        }),
    }
}

/// The attributes, filled node by node; a child is its leaf flag and its index.
#[derive(Default)]
struct Lists {
    roots: Vec<i64>,
    features: Vec<i64>,
    splits: Vec<f32>,
    nan_left: Vec<i64>,
    left: Vec<(bool, i64)>,
    right: Vec<(bool, i64)>,
    values: Vec<f32>,
    counts: Vec<u32>,
}

impl Lists {
    fn push(&mut self, node: &Node) -> (bool, i64) {
        match node {
            Node::Leaf { value, count } => {
                self.values.push(*value);
                self.counts.push(*count);
                (true, index(self.values.len() - 1))
            }
            Node::Split {
                column,
                threshold,
                nan_left,
                branches,
            } => {
                let at = self.push_node(*column, *threshold, *nan_left);
                // The right branch first: the order in the file is not the order of the leaves.
                self.right[at] = self.push(&branches.1);
                self.left[at] = self.push(&branches.0);
                (false, index(at))
            }
        }
    }

    fn push_node(&mut self, column: usize, threshold: f32, nan_left: bool) -> usize {
        self.features.push(index(column));
        self.splits.push(threshold);
        self.nan_left.push(i64::from(nan_left));
        self.left.push((false, 0));
        self.right.push((false, 0));
        self.features.len() - 1
    }

    fn node(&self) -> NodeProto {
        let flags = |side: &[(bool, i64)]| side.iter().map(|(leaf, _)| i64::from(*leaf)).collect();
        let indices = |side: &[(bool, i64)]| side.iter().map(|(_, index)| *index).collect();
        let modes = vec![0; self.splits.len()];
        let attribute = vec![
            ints("tree_roots", self.roots.clone()),
            ints("nodes_featureids", self.features.clone()),
            ints("nodes_missing_value_tracks_true", self.nan_left.clone()),
            ints("nodes_trueleafs", flags(&self.left)),
            ints("nodes_truenodeids", indices(&self.left)),
            ints("nodes_falseleafs", flags(&self.right)),
            ints("nodes_falsenodeids", indices(&self.right)),
            ints("leaf_targetids", vec![0; self.values.len()]),
            tensor(
                "nodes_splits",
                FLOAT,
                self.splits.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            tensor(
                "leaf_weights",
                FLOAT,
                self.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            tensor("nodes_modes", UINT8, modes),
            integer("aggregate_function", 1),
            integer("post_transform", 0),
            integer("n_targets", 1),
        ];
        NodeProto {
            input: vec!["features".to_owned()],
            output: vec!["raw".to_owned()],
            op_type: TREE_ENSEMBLE.to_owned(),
            attribute,
            domain: ML_DOMAIN.to_owned(),
        }
    }
}

fn index(index: usize) -> i64 {
    i64::try_from(index).expect("small")
}

fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints,
        kind: 7,
        ..AttributeProto::default()
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        kind: 2,
        ..AttributeProto::default()
    }
}

fn tensor(name: &str, data_type: i32, raw_data: Vec<u8>) -> AttributeProto {
    let tensor = TensorProto {
        data_type,
        raw_data,
        ..TensorProto::default()
    };
    AttributeProto {
        name: name.to_owned(),
        t: Some(tensor),
        kind: 4,
        ..AttributeProto::default()
    }
}
