//! Every kind of file that is refused, and what the error says.

use super::forests::{Node, encode};
use crate::model::onnx::{AttributeProto, MAX_FILE_BYTES, ModelProto, NodeProto, UINT8};
use crate::model::{ModelError, load};
use prost::Message;

fn leaf(value: f32) -> Node {
    Node::Leaf { value, count: 2 }
}

/// Two splits and three leaves on two columns: node 0 is the root; its right branch is leaf 0, its left node 1.
fn valid() -> ModelProto {
    encode(
        &[Node::split(
            0,
            1.0,
            true,
            Node::split(1, -1.0, false, leaf(1.0), leaf(2.0)),
            leaf(3.0),
        )],
        2,
    )
}

fn node(model: &mut ModelProto) -> &mut NodeProto {
    &mut model.graph.as_mut().unwrap().node[0]
}

fn attribute<'a>(model: &'a mut ModelProto, name: &str) -> &'a mut AttributeProto {
    node(model)
        .attribute
        .iter_mut()
        .find(|attribute| attribute.name == name)
        .unwrap()
}

fn raw<'a>(model: &'a mut ModelProto, name: &str) -> &'a mut Vec<u8> {
    &mut attribute(model, name).t.as_mut().unwrap().raw_data
}

/// The error for the valid file after a change, without its common beginning.
fn refusal(change: impl FnOnce(&mut ModelProto)) -> String {
    let mut model = valid();
    change(&mut model);
    let error = load(&model.encode_to_vec(), None)
        .expect_err("this file is to be refused")
        .to_string();
    error
        .strip_prefix("read ONNX model: ")
        .unwrap_or(&error)
        .to_owned()
}

#[test]
fn the_unchanged_file_is_accepted() {
    assert!(load(&valid().encode_to_vec(), None).is_ok());
}

#[test]
fn other_kinds_of_ensembles() {
    let integer = |name: &'static str, value| refusal(move |m| attribute(m, name).i = Some(value));
    assert_eq!(
        integer("aggregate_function", 0),
        "aggregate_function is 0, only 1 (sum) is supported"
    );
    assert_eq!(
        integer("n_targets", 2),
        "n_targets is 2, only 1 (one target) is supported"
    );
    assert_eq!(
        integer("post_transform", 2),
        "post_transform is 2, only 0 (none) is supported"
    );
    assert_eq!(
        refusal(|m| raw(m, "nodes_modes")[1] = 1),
        "nodes_modes[1] is 1, only 0 (less or equal) is supported"
    );
    assert_eq!(
        refusal(|m| attribute(m, "leaf_targetids").ints[2] = 1),
        "leaf_targetids[2] is 1, not in 0..1"
    );
    assert_eq!(
        refusal(|m| m.opset_import[0].version = 4),
        "opset of ai.onnx.ml is 4, at least 5 needed"
    );
    assert_eq!(
        refusal(|m| attribute(m, "n_targets").name = "nodes_hats".to_owned()),
        "TreeEnsemble has an unknown attribute \"nodes_hats\""
    );
    assert_eq!(
        refusal(|m| attribute(m, "n_targets").name = "post_transform".to_owned()),
        "TreeEnsemble has attribute post_transform twice"
    );
}

#[test]
fn indices_that_lead_nowhere() {
    assert_eq!(
        refusal(|m| attribute(m, "nodes_featureids").ints[1] = 2),
        "nodes_featureids[1] is 2, not in 0..2"
    );
    assert_eq!(
        refusal(|m| attribute(m, "nodes_featureids").ints[1] = -1),
        "nodes_featureids[1] is -1, not in 0..2"
    );
    assert_eq!(
        refusal(|m| attribute(m, "tree_roots").ints[0] = 9),
        "tree_roots[0] is 9, not in 0..2"
    );
    assert_eq!(
        refusal(|m| attribute(m, "tree_roots").ints.clear()),
        "tree_roots is empty"
    );
    assert_eq!(
        refusal(|m| attribute(m, "nodes_truenodeids").ints[0] = 7),
        "a branch leads to node 7, there are 2"
    );
    assert_eq!(
        refusal(|m| attribute(m, "nodes_falsenodeids").ints[0] = 3),
        "a branch leads to leaf 3, there are 3"
    );
    assert_eq!(
        refusal(|m| attribute(m, "nodes_trueleafs").ints[0] = 2),
        "nodes_trueleafs[0] is 2, not in 0..2"
    );
}

#[test]
fn graphs_that_are_no_trees() {
    assert_eq!(
        refusal(|m| attribute(m, "nodes_truenodeids").ints[0] = 0),
        "node 0 is reached twice"
    );
    assert_eq!(
        refusal(|m| attribute(m, "nodes_falsenodeids").ints[1] = 2),
        "leaf 2 is reached twice"
    );
    assert_eq!(
        refusal(|m| attribute(m, "tree_roots").ints = vec![0, 1]),
        "node 1 is reached twice"
    );
    assert_eq!(
        refusal(|m| attribute(m, "tree_roots").ints = vec![1]),
        "node 0 belongs to no tree"
    );
    assert_eq!(
        refusal(|m| {
            raw(m, "leaf_weights").extend([0; 4]);
            attribute(m, "leaf_targetids").ints.push(0);
            m.metadata_props.clear();
        }),
        "leaf 3 belongs to no tree"
    );
}

#[test]
fn numbers_that_are_none() {
    let lowest = f32::NEG_INFINITY.to_le_bytes();
    assert_eq!(
        refusal(|m| raw(m, "nodes_splits")[4..].copy_from_slice(&lowest)),
        "nodes_splits[1] is -inf, not above minus infinity"
    );
    let nan = f32::NAN.to_le_bytes();
    assert_eq!(
        refusal(|m| raw(m, "leaf_weights")[..4].copy_from_slice(&nan)),
        "leaf_weights[0] is NaN, not finite"
    );
    assert_eq!(
        refusal(|m| raw(m, "leaf_weights").truncate(11)),
        "leaf_weights has 11 bytes, not a multiple of 4"
    );
    assert_eq!(
        refusal(|m| attribute(m, "nodes_splits").t.as_mut().unwrap().data_type = UINT8),
        "nodes_splits has element type 2, not 1"
    );
    assert_eq!(
        refusal(|m| attribute(m, "nodes_splits")
            .t
            .as_mut()
            .unwrap()
            .data_location = Some(1)),
        "nodes_splits is stored outside the file"
    );
}

#[test]
fn lengths_that_differ() {
    assert_eq!(
        refusal(|m| attribute(m, "nodes_featureids").ints.push(0)),
        "nodes_featureids has 3 entries, 2 needed"
    );
    assert_eq!(
        refusal(|m| raw(m, "nodes_modes").truncate(1)),
        "nodes_modes has 1 entries, 2 needed"
    );
    let counts =
        |counts: &'static str| refusal(move |m| m.metadata_props[0].value = counts.to_owned());
    assert_eq!(
        counts("[1,2]"),
        "metadata storecast.leaf_counts has 2 counts for 3 leaves"
    );
    assert_eq!(
        counts("[1,0,2]"),
        "metadata storecast.leaf_counts: leaf 1 has 0 rows, not 1 to 4294967296"
    );
    assert!(counts("[1,-1,2]").starts_with("metadata storecast.leaf_counts: invalid value"));
    assert_eq!(
        refusal(|m| m.metadata_props.push(m.metadata_props[0].clone())),
        "metadata has \"storecast.leaf_counts\" twice"
    );
}

#[test]
fn tensors_that_do_not_fit() {
    let input = |m: &mut ModelProto| m.graph.as_mut().unwrap().input[0].clone();
    assert_eq!(
        refusal(|m| {
            let second = input(m);
            m.graph.as_mut().unwrap().input.push(second);
        }),
        "the graph has 2 inputs, exactly 1 needed"
    );
    assert_eq!(
        refusal(|m| node(m).input[0] = "other".to_owned()),
        "TreeEnsemble reads [\"other\"] and writes [\"raw\"], the graph \"features\" and \"raw\""
    );
    let dimension = |value| {
        refusal(move |m| {
            let kind = m.graph.as_mut().unwrap().input[0].kind.as_mut().unwrap();
            kind.tensor.as_mut().unwrap().shape.as_mut().unwrap().dim[1].value = value;
        })
    };
    assert_eq!(
        dimension(None),
        "input \"features\" has shape [\"rows\", \"?\"], not [rows, columns]"
    );
    assert_eq!(
        dimension(Some(0)),
        "input \"features\" has shape [\"rows\", \"0\"], not [rows, columns]"
    );
    assert_eq!(
        dimension(Some(5000)),
        "number of columns is 5000, at most 4096 allowed"
    );
    assert_eq!(
        refusal(|m| {
            let kind = m.graph.as_mut().unwrap().output[0].kind.as_mut().unwrap();
            kind.tensor.as_mut().unwrap().elem_type = 11;
        }),
        "output \"raw\" has element type 11, not 1 (float32)"
    );
}

#[test]
fn files_that_cost_too_much() {
    let error = load(&vec![0; MAX_FILE_BYTES + 1], None).unwrap_err();
    assert_eq!(
        error,
        ModelError::TooLarge {
            what: "file size in bytes",
            value: 33_554_433,
            limit: 33_554_432
        }
    );
    let nodes = refusal(|m| {
        m.graph
            .as_mut()
            .unwrap()
            .node
            .resize(200_000, NodeProto::default());
    });
    assert_eq!(
        nodes,
        "number of messages is 100001, at most 100000 allowed"
    );
    let chain = (0..2000).fold(leaf(0.0), |below, _| {
        Node::split(0, 0.0, false, below, leaf(1.0))
    });
    let error = load(&encode(&[chain], 1).encode_to_vec(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read ONNX model: depth of a tree is 1025, at most 1024 allowed"
    );
}
