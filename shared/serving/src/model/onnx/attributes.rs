//! The attributes of an operator, each in the type and length it must have.

use super::{AttributeProto, FLOAT, NodeProto, TREE_ENSEMBLE, TensorProto, UINT8, unreadable};
use crate::model::ModelError;
use std::collections::BTreeMap;

/// Attributes by name, each read once and in the type it must have.
pub(super) struct Attributes<'a>(BTreeMap<&'a str, &'a AttributeProto>);

impl<'a> Attributes<'a> {
    const KNOWN: [&'static str; 16] = [
        "aggregate_function",
        "leaf_targetids",
        "leaf_weights",
        "membership_values",
        "n_targets",
        "nodes_falseleafs",
        "nodes_falsenodeids",
        "nodes_featureids",
        "nodes_hitrates",
        "nodes_missing_value_tracks_true",
        "nodes_modes",
        "nodes_splits",
        "nodes_trueleafs",
        "nodes_truenodeids",
        "post_transform",
        "tree_roots",
    ];

    pub(super) fn new(node: &'a NodeProto) -> Result<Self, ModelError> {
        let mut by_name = BTreeMap::new();
        for attribute in &node.attribute {
            let name = attribute.name.as_str();
            if !Self::KNOWN.contains(&name) {
                return Err(unreadable(format!(
                    "{TREE_ENSEMBLE} has an unknown attribute {name:?}"
                )));
            }
            if by_name.insert(name, attribute).is_some() {
                return Err(unreadable(format!(
                    "{TREE_ENSEMBLE} has attribute {name} twice"
                )));
            }
        }
        Ok(Self(by_name))
    }

    /// An integer that may only have one value; absent means that value.
    pub(super) fn expect(
        &self,
        name: &str,
        expected: i64,
        meaning: &str,
    ) -> Result<(), ModelError> {
        match self.0.get(name) {
            Some(attribute) if attribute.i.unwrap_or_default() != expected => {
                Err(unreadable(format!(
                    "{name} is {}, only {expected} ({meaning}) is supported",
                    attribute.i.unwrap_or_default()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether a list that may be absent is there.
    pub(super) fn has_ints(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|attribute| !attribute.ints.is_empty())
    }

    pub(super) fn ints(&self, name: &str) -> Result<&'a [i64], ModelError> {
        let attribute = self
            .0
            .get(name)
            .ok_or_else(|| unreadable(format!("{TREE_ENSEMBLE} has no {name}")))?;
        Ok(&attribute.ints)
    }

    /// Integers from 0 to below `limit`, as many as there are of `of`. As they lie in the message: lists of a large model copied one
    /// after the other are megabytes of fresh pages.
    pub(super) fn indices(
        &self,
        name: &str,
        limit: usize,
        length: usize,
    ) -> Result<&'a [i64], ModelError> {
        let values = self.ints(name)?;
        same_length(name, values.len(), length)?;
        let bad = |&value: &i64| usize::try_from(value).map_or(true, |value| value >= limit);
        match values.iter().position(bad) {
            None => Ok(values),
            Some(position) => Err(unreadable(format!(
                "{name}[{position}] is {}, not in 0..{limit}",
                values[position]
            ))),
        }
    }

    /// Integers that are 0 or 1.
    pub(super) fn flags(&self, name: &str, length: usize) -> Result<&'a [i64], ModelError> {
        self.indices(name, 2, length)
    }

    fn tensor(&self, name: &str, data_type: i32) -> Result<&'a TensorProto, ModelError> {
        let attribute = self.0.get(name).and_then(|attribute| attribute.t.as_ref());
        let tensor =
            attribute.ok_or_else(|| unreadable(format!("{TREE_ENSEMBLE} has no tensor {name}")))?;
        if tensor.data_type != data_type {
            return Err(unreadable(format!(
                "{name} has element type {}, not {data_type}",
                tensor.data_type
            )));
        }
        if tensor.data_location.is_some_and(|location| location != 0) {
            return Err(unreadable(format!("{name} is stored outside the file")));
        }
        Ok(tensor)
    }

    pub(super) fn finite(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        self.floats(name, f32::is_finite, "finite")
    }

    /// Thresholds: plus infinity parts numbers from NaN, all of them going left.
    pub(super) fn thresholds(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        self.floats(name, |t| t > f32::NEG_INFINITY, "above minus infinity")
    }

    fn floats(
        &self,
        name: &str,
        is_right: fn(f32) -> bool,
        right: &str,
    ) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(name, FLOAT)?;
        let (raw, rest) = tensor.raw_data.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(unreadable(format!(
                "{name} has {} bytes, not a multiple of 4",
                tensor.raw_data.len()
            )));
        }
        let values = if raw.is_empty() {
            tensor.float_data.clone()
        } else {
            raw.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        match values.iter().position(|value| !is_right(*value)) {
            Some(position) => Err(unreadable(format!(
                "{name}[{position}] is {}, not {right}",
                values[position]
            ))),
            None => Ok(values),
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, ModelError> {
        let tensor = self.tensor(name, UINT8)?;
        if !tensor.raw_data.is_empty() {
            return Ok(tensor.raw_data.clone());
        }
        let byte = |&value: &i32| {
            u8::try_from(value).map_err(|_| unreadable(format!("{name} holds {value}")))
        };
        tensor.int32_data.iter().map(byte).collect()
    }
}

/// Refuses a list that is longer or shorter than those beside it.
pub(super) fn same_length(name: &str, length: usize, expected: usize) -> Result<(), ModelError> {
    if length == expected {
        Ok(())
    } else {
        Err(unreadable(format!(
            "{name} has {length} entries, {expected} needed"
        )))
    }
}
