//! Reads the part of ONNX this project needs, and bounds what a hostile file can cost.
//!
//! The messages are a subset of `onnx.proto` (ONNX 1.23, IR version 10) written by hand: a code generator would bring
//! two hundred types for the ten that are read. Fields that are not named here are skipped.
//!
//! Reading never panics and never takes more memory than about ten times [`MAX_FILE_BYTES`]: messages are counted
//! before they are decoded, because an empty one takes two bytes in the file and two hundred in memory.

mod ensemble;

pub(super) use ensemble::{Child, Ensemble, Tree};

use super::{ModelError, TensorInfo};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::collections::BTreeMap;

/// Largest file that is read: 25 bytes per split, so about a million of them.
pub(super) const MAX_FILE_BYTES: usize = 32 << 20;
/// Most nested messages of a file: graph nodes, attributes, tensors and the like.
pub(super) const MAX_MESSAGES: usize = 100_000;
/// Widest input.
pub(super) const MAX_COLUMNS: usize = 4096;

/// `TensorProto.DataType.FLOAT`.
pub(super) const FLOAT: i32 = 1;
/// `TensorProto.DataType.UINT8`.
pub(super) const UINT8: i32 = 2;
/// Domain of the tree operators.
pub(super) const ML_DOMAIN: &str = "ai.onnx.ml";
/// First opset of [`ML_DOMAIN`] with `TreeEnsemble`.
pub(super) const ML_OPSET: i64 = 5;
/// The operator that is scored natively.
pub(super) const TREE_ENSEMBLE: &str = "TreeEnsemble";

#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) ir_version: Option<i64>,
    #[prost(message, repeated, tag = "8")]
    pub(super) opset_import: Vec<OpsetProto>,
    #[prost(message, optional, tag = "7")]
    pub(super) graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "14")]
    pub(super) metadata_props: Vec<EntryProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OpsetProto {
    #[prost(string, tag = "1")]
    pub(super) domain: String,
    #[prost(int64, tag = "2")]
    pub(super) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EntryProto {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub(super) output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) output: Vec<String>,
    #[prost(string, tag = "4")]
    pub(super) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    pub(super) domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AttributeProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int64, optional, tag = "3")]
    pub(super) i: Option<i64>,
    #[prost(message, optional, tag = "5")]
    pub(super) t: Option<TensorProto>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(super) ints: Vec<i64>,
    /// `AttributeProto.AttributeType`: 2 is one integer, 4 a tensor, 7 integers.
    #[prost(int32, tag = "20")]
    pub(super) kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub(super) float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(super) int32_data: Vec<i32>,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw_data: Vec<u8>,
    /// 1 is "in another file".
    #[prost(int32, optional, tag = "14")]
    pub(super) data_location: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub(super) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<ShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) symbol: Option<String>,
}

/// A field that is counted, because decoding allocates for it: a message or a string.
struct Nested {
    tag: u32,
    /// What is counted inside; nothing in a string.
    fields: &'static [Nested],
}

const fn leaf(tag: u32) -> Nested {
    Nested { tag, fields: &[] }
}

const ATTRIBUTE: &[Nested] = &[leaf(5)];
const NODE: &[Nested] = &[
    leaf(1),
    leaf(2),
    Nested {
        tag: 5,
        fields: ATTRIBUTE,
    },
];
const SHAPE: &[Nested] = &[leaf(1)];
const TENSOR_TYPE: &[Nested] = &[Nested {
    tag: 2,
    fields: SHAPE,
}];
const VALUE_TYPE: &[Nested] = &[Nested {
    tag: 1,
    fields: TENSOR_TYPE,
}];
const VALUE_INFO: &[Nested] = &[Nested {
    tag: 2,
    fields: VALUE_TYPE,
}];
const GRAPH: &[Nested] = &[
    Nested {
        tag: 1,
        fields: NODE,
    },
    Nested {
        tag: 11,
        fields: VALUE_INFO,
    },
    Nested {
        tag: 12,
        fields: VALUE_INFO,
    },
];
const MODEL: &[Nested] = &[
    Nested {
        tag: 7,
        fields: GRAPH,
    },
    leaf(8),
    leaf(14),
];

/// How many messages decoding would allocate; stops just above [`MAX_MESSAGES`].
fn count_messages(
    mut bytes: &[u8],
    fields: &[Nested],
    count: &mut usize,
) -> Result<(), ModelError> {
    while !bytes.is_empty() && *count <= MAX_MESSAGES {
        let (tag, wire_type) = decode_key(&mut bytes).map_err(undecodable)?;
        match fields.iter().find(|field| field.tag == tag) {
            Some(field) if wire_type == WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).map_err(undecodable)?)
                    .unwrap_or(usize::MAX);
                let inner = bytes
                    .split_off(..length)
                    .ok_or_else(|| undecodable("a message ends early"))?;
                *count += 1;
                if !field.fields.is_empty() {
                    count_messages(inner, field.fields, count)?;
                }
            }
            _ => skip_field(wire_type, tag, &mut bytes, DecodeContext::default())
                .map_err(undecodable)?,
        }
    }
    Ok(())
}

/// A file that was decoded and whose input and output are those of a scorer.
#[derive(Debug)]
pub(super) struct Model {
    /// `metadata_props`.
    pub(super) metadata: BTreeMap<String, String>,
    /// The one input: float32, `[rows, columns]`.
    pub(super) input: TensorInfo,
    /// Width of the input.
    pub(super) columns: usize,
    /// The one output: float32.
    pub(super) output: TensorInfo,
    graph: GraphProto,
    ml_opset: i64,
}

/// An error with a reason.
pub(super) fn unreadable(reason: impl Into<String>) -> ModelError {
    ModelError::Unreadable {
        reason: reason.into(),
    }
}

/// The bytes are no protobuf of this layout.
fn undecodable(error: impl std::fmt::Display) -> ModelError {
    unreadable(format!("not an ONNX file: {error}"))
}

/// Refuses a count above its limit.
pub(super) fn at_most(what: &'static str, value: usize, limit: usize) -> Result<(), ModelError> {
    if value > limit {
        Err(ModelError::TooLarge { what, value, limit })
    } else {
        Ok(())
    }
}

/// Decodes a file and checks what every scorer relies on.
pub(super) fn read(bytes: &[u8]) -> Result<Model, ModelError> {
    at_most("file size in bytes", bytes.len(), MAX_FILE_BYTES)?;
    let mut messages = 0;
    count_messages(bytes, MODEL, &mut messages)?;
    at_most("number of messages", messages, MAX_MESSAGES)?;
    let model = ModelProto::decode(bytes).map_err(undecodable)?;
    let graph = model
        .graph
        .ok_or_else(|| unreadable("the file has no graph"))?;
    let mut metadata = BTreeMap::new();
    for EntryProto { key, value } in model.metadata_props {
        if metadata.contains_key(&key) {
            return Err(unreadable(format!("metadata has {key:?} twice")));
        }
        metadata.insert(key, value);
    }
    let input = the_tensor(&graph.input, "input")?;
    let output = the_tensor(&graph.output, "output")?;
    let columns = match input.shape.as_slice() {
        [_, columns] => columns.parse().ok().filter(|&columns: &usize| columns > 0),
        _ => None,
    }
    .ok_or_else(|| {
        unreadable(format!(
            "input {:?} has shape {:?}, not [rows, columns]",
            input.name, input.shape
        ))
    })?;
    at_most("number of columns", columns, MAX_COLUMNS)?;
    let ml_opset = model
        .opset_import
        .iter()
        .find(|o| o.domain == ML_DOMAIN)
        .map_or(0, |o| o.version);
    Ok(Model {
        metadata,
        input,
        columns,
        output,
        graph,
        ml_opset,
    })
}

/// Name and shape of the only input or output.
fn the_tensor(infos: &[ValueInfoProto], side: &str) -> Result<TensorInfo, ModelError> {
    let [info] = infos else {
        return Err(unreadable(format!(
            "the graph has {} {side}s, exactly 1 needed",
            infos.len()
        )));
    };
    let tensor = info.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let tensor =
        tensor.ok_or_else(|| unreadable(format!("{side} {:?} is not a tensor", info.name)))?;
    if tensor.elem_type != FLOAT {
        return Err(unreadable(format!(
            "{side} {:?} has element type {}, not {FLOAT} (float32)",
            info.name, tensor.elem_type
        )));
    }
    let dimensions = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let shape = dimensions.map(|dim| match (dim.value, &dim.symbol) {
        (Some(value), _) => value.to_string(),
        (None, Some(symbol)) => symbol.clone(),
        (None, None) => "?".to_owned(),
    });
    Ok(TensorInfo {
        name: info.name.clone(),
        dtype: "float32".to_owned(),
        shape: shape.collect(),
    })
}

impl Model {
    /// Whether the graph is one tree ensemble and nothing else, which native scoring then stands for.
    pub(super) fn is_tree_ensemble(&self) -> bool {
        matches!(self.graph.node.as_slice(), [node] if node.op_type == TREE_ENSEMBLE && node.domain == ML_DOMAIN)
    }

    /// What the graph does, for messages: its operators, the first few by name.
    pub(super) fn operators(&self) -> String {
        let mut names: Vec<String> = self
            .graph
            .node
            .iter()
            .take(3)
            .map(|node| format!("{:?}", node.op_type))
            .collect();
        if self.graph.node.len() > names.len() {
            names.push(format!("{} more", self.graph.node.len() - names.len()));
        }
        names.join(", ")
    }

    /// The checked trees of a graph for which [`Model::is_tree_ensemble`] holds.
    pub(super) fn ensemble(&self) -> Result<Ensemble, ModelError> {
        let [node] = self.graph.node.as_slice() else {
            return Err(unreadable(format!(
                "the graph has {} nodes, exactly 1 needed",
                self.graph.node.len()
            )));
        };
        if self.ml_opset < ML_OPSET {
            return Err(unreadable(format!(
                "opset of {ML_DOMAIN} is {}, at least {ML_OPSET} needed",
                self.ml_opset
            )));
        }
        if node.input != [self.input.name.as_str()] || node.output != [self.output.name.as_str()] {
            return Err(unreadable(format!(
                "{TREE_ENSEMBLE} reads {:?} and writes {:?}, the graph {:?} and {:?}",
                node.input, node.output, self.input.name, self.output.name
            )));
        }
        ensemble::read(node, self.columns, &self.metadata)
    }
}
