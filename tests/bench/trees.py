"""A committed model as LightGBM's own text, so that its library, and compilers that read its format, score the very same trees.

The project keeps its models as ONNX. Every threshold, leaf and count of the text comes from there, so answers differ in rounding only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

# LightGBM: bit 1 sends missing values left, bits 2 and 3 say that NaN is what is missing.
DEFAULT_LEFT, MISSING_IS_NAN = 2, 8


@dataclass
class Ensemble:
    """The attributes of the one `TreeEnsemble` node, and the rows each leaf was trained on."""

    attributes: dict
    leaf_counts: list[int]
    features: list[str]

    @classmethod
    def read(cls, path: Path) -> "Ensemble":
        model = onnx.load(path)
        node = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
        attributes = {}
        for attribute in node.attribute:
            value = onnx.helper.get_attribute_value(attribute)
            attributes[attribute.name] = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        counts, features = metadata["storecast.leaf_counts"], metadata["storecast.features"]
        return cls(attributes, json.loads(counts), json.loads(features))

    def lightgbm_text(self, objective: str) -> str:
        """What `Booster(model_str=...)` reads. Of the objective only the link matters; scores are asked for raw."""
        trees = [self.tree(index, root) for index, root in enumerate(self.attributes["tree_roots"])]
        head = [
            "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0",
            f"max_feature_idx={len(self.features) - 1}", f"objective={objective}", f"feature_names={' '.join(self.features)}",
            f"feature_infos={' '.join(['[-1e300:1e300]'] * len(self.features))}",
            f"tree_sizes={' '.join(str(len(tree)) for tree in trees)}", "", "",
        ]
        return "\n".join(head) + "".join(trees) + "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\npandas_categorical:null\n"

    def tree(self, index: int, root: int) -> str:
        """One tree: inner nodes and leaves numbered from 0; a leaf is written as its complement."""
        a = self.attributes
        nodes, leaves = [], []

        def visit(position: int, is_leaf: bool) -> tuple[int, int]:
            """The child's number as LightGBM writes it, and its training rows."""
            if is_leaf:
                leaves.append(position)
                return ~(len(leaves) - 1), self.leaf_counts[position]
            number = len(nodes)
            nodes.append({"position": position})
            left, left_count = visit(a["nodes_truenodeids"][position], bool(a["nodes_trueleafs"][position]))
            right, right_count = visit(a["nodes_falsenodeids"][position], bool(a["nodes_falseleafs"][position]))
            nodes[number] |= {"left": left, "right": right, "count": left_count + right_count}
            return number, left_count + right_count

        visit(root, False)
        positions = [node["position"] for node in nodes]
        values = np.asarray(a["leaf_weights"])[leaves].astype(np.float64)
        counts = [self.leaf_counts[leaf] for leaf in leaves]
        thresholds = np.asarray(a["nodes_splits"])[positions].astype(np.float64)
        # "All numbers go left" is infinity in ONNX and 1e300 in LightGBM.
        thresholds = np.where(np.isinf(thresholds), 1e300, thresholds)
        kinds = [MISSING_IS_NAN + DEFAULT_LEFT * int(a["nodes_missing_value_tracks_true"][p]) for p in positions]

        def line(name: str, entries: object) -> str:
            return f"{name}={' '.join(map(repr_number, entries))}\n"

        return (
            f"Tree={index}\nnum_leaves={len(leaves)}\nnum_cat=0\n"
            + line("split_feature", [a["nodes_featureids"][p] for p in positions])
            + line("split_gain", [0] * len(nodes))
            + line("threshold", thresholds)
            + line("decision_type", kinds)
            + line("left_child", [node["left"] for node in nodes])
            + line("right_child", [node["right"] for node in nodes])
            + line("leaf_value", values)
            + line("leaf_weight", counts)
            + line("leaf_count", counts)
            + line("internal_value", [0] * len(nodes))
            + line("internal_weight", [node["count"] for node in nodes])
            + line("internal_count", [node["count"] for node in nodes])
            + "is_linear=0\nshrinkage=1\n\n\n"
        )


def repr_number(value: object) -> str:
    return str(int(value)) if isinstance(value, (int, np.integer)) else repr(float(value))
