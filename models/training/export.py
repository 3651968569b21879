"""Write models as ONNX files that the Rust side can read.

Two kinds: LightGBM boosters become one `TreeEnsemble` node (scored natively), small networks become plain `Gemm` and
`Relu` nodes (scored by ONNX Runtime). Both give raw scores; links and calibration are the manifest's business.

Why not onnxmltools: it goes by way of the older operators, adds sigmoid and label nodes that have to be cut out again,
rounds thresholds to the nearest float32, and drops the leaf counts. The dump of the booster has everything the
operator needs, so one direct translation is shorter and has no step that must be undone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterable

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper

INPUT = "features"
OUTPUT = "raw"
ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 5
# The newest layout and opset that ONNX Runtime 1.28 certainly reads; newer ones bring nothing that is used here.
IR_VERSION = 10
OPSET = 21

MODE_LEQ = 0
AGGREGATE_SUM = 1
TRANSFORM_NONE = 0


class ExportError(ValueError):
    """The model has something that the ONNX file cannot say, or that is scored differently there."""


# LightGBM reads every value within this distance of zero as zero when it predicts (`kZeroThreshold` in `meta.h`).
ZERO_BAND = np.float32(1e-35)


def float32_threshold(value: float) -> np.float32:
    """The float32 `t` for which `x <= t` is, for every float32 `x`, the branch LightGBM takes at `value`.

    In general the largest finite float32 that is not above `value`. Rounding to nearest moves half of all thresholds
    up, and rows that lie on such a threshold take the other branch. LightGBM writes "every number goes left" as 1e300
    and reads plus infinity as that number, so the threshold becomes plus infinity: all numbers go left in both.

    Beside zero the band counts as zero: all of it goes right at a negative threshold, left at one from zero up.
    LightGBM's own thresholds beside zero are the ends of the band, so a value on its lower end would be misled.
    """
    if -float(ZERO_BAND) <= value < 0.0:
        return np.nextafter(-ZERO_BAND, np.float32(-np.inf))
    if 0.0 <= value <= float(ZERO_BAND):
        return ZERO_BAND
    limit = np.finfo(np.float32).max
    if value >= 1e300:
        return np.float32(np.inf)
    if value >= float(limit):
        return limit
    nearest = np.float32(value)
    rounded = np.nextafter(nearest, np.float32(-np.inf)) if float(nearest) > value else nearest
    if not np.isfinite(rounded):
        raise ExportError(f"threshold {value} is below the float32 range")
    return rounded


def nan_goes_left(node: dict[str, Any], place: str) -> bool:
    """Where LightGBM sends NaN at this node.

    Missing type NaN: to the default side. Missing type None (no NaN seen in training): NaN is read as 0.0, so it
    follows the comparison. See `Tree::NumericalDecision` in LightGBM's `tree.h`.
    """
    match node["missing_type"]:
        case "NaN":
            return bool(node["default_left"])
        case "None":
            return 0.0 <= node["threshold"]
        case other:
            raise ExportError(f"{place}: missing type {other}: zeros would need a branch of their own "
                              "(train with zero_as_missing=false)")


class TreeAttributes:
    """The attributes of a `TreeEnsemble` node, filled tree by tree."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.features: list[int] = []
        self.splits: list[np.float32] = []
        self.nan_left: list[int] = []
        # Per side: is the child a leaf, and its place among the leaves or the nodes.
        self.is_leaf: dict[str, list[int]] = {"left_child": [], "right_child": []}
        self.child: dict[str, list[int]] = {"left_child": [], "right_child": []}
        self.leaf_values: list[np.float32] = []
        self.leaf_counts: list[int] = []

    def add_tree(self, root: dict[str, Any], index: int) -> None:
        """Appends one tree: inner nodes in preorder, leaves from left to right."""
        self.roots.append(len(self.features))
        if "leaf_value" in root:
            # The operator has no tree without a split: both branches lead to the one leaf.
            position = self._add_node(0, np.float32(0.0), nan_left=True)
            leaf = self._add_leaf(root, f"tree {index}", lone=True)
            for side in self.child:
                self.is_leaf[side][position], self.child[side][position] = 1, leaf
            return
        # Depth first without recursion: a skewed tree may be deeper than Python's stack.
        pending: list[tuple[dict[str, Any], int | None, str]] = [(root, None, "")]
        while pending:
            node, parent, side = pending.pop()
            place = f"tree {index}, split {node.get('split_index', '-')}"
            if "leaf_value" in node:
                position, leaf = self._add_leaf(node, place), 1
            else:
                position, leaf = self._add_split(node, place), 0
                pending.append((node["right_child"], position, "right_child"))
                pending.append((node["left_child"], position, "left_child"))
            if parent is not None:
                self.is_leaf[side][parent], self.child[side][parent] = leaf, position

    def _add_split(self, node: dict[str, Any], place: str) -> int:
        if node["decision_type"] != "<=":
            raise ExportError(f"{place}: decision type {node['decision_type']!r}: categorical splits are not exported "
                              "(encode the column as a number)")
        counts = [child.get("leaf_count", child.get("internal_count"))
                  for child in (node["left_child"], node["right_child"])]
        if sum(counts) != node["internal_count"]:
            raise ExportError(f"{place}: has {node['internal_count']} rows but its children {counts}: "
                              "exact contributions need counts that add up")
        return self._add_node(node["split_feature"], float32_threshold(node["threshold"]), nan_goes_left(node, place))

    def _add_node(self, feature: int, split: np.float32, nan_left: bool) -> int:
        self.features.append(feature)
        self.splits.append(split)
        self.nan_left.append(int(nan_left))
        for side in self.child:
            self.is_leaf[side].append(0)
            self.child[side].append(0)
        return len(self.features) - 1

    def _add_leaf(self, node: dict[str, Any], place: str, lone: bool = False) -> int:
        if "leaf_coeff" in node:
            raise ExportError(f"{place}: linear leaves are not exported (train with linear_tree=false)")
        value, count = np.float32(node["leaf_value"]), node.get("leaf_count") or 0
        if not np.isfinite(value):
            raise ExportError(f"{place}: leaf value {node['leaf_value']} is not a finite float32")
        if count < 1 and not lone:
            raise ExportError(f"{place}: a leaf has {count} rows, at least 1 needed")
        self.leaf_values.append(value)
        # A lone leaf may come without a count; any positive one gives the same expectation.
        self.leaf_counts.append(max(1, count))
        return len(self.leaf_values) - 1

    def node(self) -> onnx.NodeProto:
        """The operator."""
        nodes, leaves = len(self.features), len(self.leaf_values)
        return helper.make_node(
            "TreeEnsemble",
            [INPUT],
            [OUTPUT],
            domain=ML_DOMAIN,
            n_targets=1,
            aggregate_function=AGGREGATE_SUM,
            post_transform=TRANSFORM_NONE,
            tree_roots=self.roots,
            nodes_featureids=self.features,
            nodes_modes=_tensor("nodes_modes", TensorProto.UINT8, np.full(nodes, MODE_LEQ, np.uint8)),
            nodes_splits=_tensor("nodes_splits", TensorProto.FLOAT, np.array(self.splits, np.float32)),
            nodes_missing_value_tracks_true=self.nan_left,
            nodes_trueleafs=self.is_leaf["left_child"],
            nodes_truenodeids=self.child["left_child"],
            nodes_falseleafs=self.is_leaf["right_child"],
            nodes_falsenodeids=self.child["right_child"],
            leaf_weights=_tensor("leaf_weights", TensorProto.FLOAT, np.array(self.leaf_values, np.float32)),
            leaf_targetids=[0] * leaves,
        )


def export_lightgbm(booster: lightgbm.Booster, feature_names: list[str], fingerprint: str, path: Path | str) -> None:
    """Writes the raw score of `booster` as one `TreeEnsemble` node.

    Any objective with one tree per iteration. The starting score (`boost_from_average`) needs no term of its own:
    LightGBM folds it into the leaves of the first tree. Uses the best iteration where early stopping found one, as
    `Booster.predict` does.
    """
    dump = booster.dump_model()
    if dump["num_tree_per_iteration"] != 1:
        raise ExportError(f"{dump['num_tree_per_iteration']} trees per iteration, 1 needed: several classes are not "
                          "exported")
    if dump.get("average_output"):
        raise ExportError("the booster averages its trees (boosting=rf), only sums are exported")
    if booster.num_feature() != len(feature_names):
        raise ExportError(f"the booster reads {booster.num_feature()} columns, {len(feature_names)} names given")
    trees = TreeAttributes()
    for index, tree in enumerate(dump["tree_info"]):
        trees.add_tree(tree["tree_structure"], index)
    metadata = {"storecast.leaf_counts": json.dumps(trees.leaf_counts, separators=(",", ":"))}
    _write([trees.node()], [], feature_names, fingerprint, metadata, path)


def export_mlp(layers: list[tuple[np.ndarray, np.ndarray]], feature_names: list[str], fingerprint: str,
               path: Path | str) -> None:
    """Writes a small network: `layers` are weights [inputs, outputs] and biases [outputs], with ReLU in between.

    The last layer has one output, the raw score.
    """
    nodes, initializers, current = [], [], INPUT
    for index, (weights, biases) in enumerate(layers):
        last = index + 1 == len(layers)
        initializers += [_tensor(f"weights{index}", TensorProto.FLOAT, np.asarray(weights, np.float32)),
                         _tensor(f"biases{index}", TensorProto.FLOAT, np.asarray(biases, np.float32))]
        linear = OUTPUT if last else f"linear{index}"
        nodes.append(helper.make_node("Gemm", [current, f"weights{index}", f"biases{index}"], [linear]))
        if not last:
            current = f"hidden{index}"
            nodes.append(helper.make_node("Relu", [linear], [current]))
    _write(nodes, initializers, feature_names, fingerprint, {}, path)


def _tensor(name: str, dtype: int, values: np.ndarray) -> onnx.TensorProto:
    return helper.make_tensor(name, dtype, values.shape, np.ascontiguousarray(values).tobytes(), raw=True)


def _write(nodes: Iterable[onnx.NodeProto], initializers: list[onnx.TensorProto], feature_names: list[str],
           fingerprint: str, metadata: dict[str, str], path: Path | str) -> None:
    graph = helper.make_graph(
        list(nodes),
        "storecast",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", len(feature_names)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", 1])],
        initializers,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="storecast")
    names = json.dumps(feature_names, separators=(",", ":"))
    helper.set_model_props(
        model, {"storecast.fingerprint": fingerprint, "storecast.features": names, **metadata})
    onnx.checker.check_model(model, full_check=True)
    Path(path).write_bytes(model.SerializeToString(deterministic=True))
