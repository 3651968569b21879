"""What the exporter refuses, and that it decides like LightGBM for every float32.

    python -m unittest models/training/tests/test_export.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from export import ExportError, export_lightgbm, float32_threshold  # noqa: E402

QUIET = {"verbose": -1, "num_threads": 1, "deterministic": True, "seed": 1}


def sample(rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(rows, 3)).astype(np.float32)
    return values, values[:, 0] * values[:, 1] + values[:, 2]


def train(parameters: dict, **data) -> lightgbm.Booster:
    values, target = sample()
    return lightgbm.train(QUIET | {"objective": "regression"} | parameters, lightgbm.Dataset(values, target, **data), 3)


class Refusals(unittest.TestCase):
    def refuse(self, booster: lightgbm.Booster, message: str, names: int = 3) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(ExportError, message):
            export_lightgbm(booster, [f"f{i}" for i in range(names)], "print", Path(folder) / "model.onnx")

    def test_zero_as_missing(self) -> None:
        self.refuse(train({"zero_as_missing": True}), "tree 0, split 0: missing type Zero")

    def test_linear_leaves(self) -> None:
        self.refuse(train({"linear_tree": True}), "linear leaves are not exported")

    def test_averages(self) -> None:
        forest = train({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5})
        self.refuse(forest, "averages its trees")

    def test_categories(self) -> None:
        values, target = sample()
        values[:, 0] = np.round(np.abs(values[:, 0]) * 3)
        data = lightgbm.Dataset(values, values[:, 0] % 2 + target / 100, categorical_feature=[0])
        booster = lightgbm.train(QUIET | {"objective": "regression"}, data, 3)
        self.refuse(booster, "decision type '==': categorical splits")

    def test_classes(self) -> None:
        values, target = sample()
        booster = lightgbm.train(QUIET | {"objective": "multiclass", "num_class": 3},
                                 lightgbm.Dataset(values, np.digitize(target, [-0.5, 0.5])), 3)
        self.refuse(booster, "3 trees per iteration, 1 needed")

    def test_names(self) -> None:
        self.refuse(train({}), "reads 3 columns, 2 names given", names=2)


class Thresholds(unittest.TestCase):
    def test_rounding_is_down(self) -> None:
        self.assertEqual(float32_threshold(1e300), np.float32(np.inf))  # LightGBM's "every number goes left"
        for value in [0.1, -0.1, 1 / 3, 1e-40 + 1e-30, 16777217.0, 1e299]:
            rounded = float32_threshold(value)
            self.assertLessEqual(float(rounded), value)
            above = float(np.nextafter(rounded, np.float32(np.inf)))
            self.assertTrue(above > value or np.isinf(above), value)

    def test_values_beside_zero_decide_as_zero(self) -> None:
        """Every float32 around LightGBM's zero band takes the branch that LightGBM itself takes."""
        values, _ = sample()
        values[:200, 0] = 0.0
        target = np.sign(values[:, 0]) + 0.001 * values[:, 1]
        booster = lightgbm.train(QUIET | {"objective": "regression", "max_bin": 15}, lightgbm.Dataset(values, target), 2)
        ends = np.float32([1e-35, -1e-35])
        probes = np.concatenate([ends, np.nextafter(ends, 0), np.nextafter(ends, ends * 2), np.float32([0, 1e-45])])
        rows = np.tile(values[:1], (len(probes), 1))
        rows[:, 0] = probes
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export_lightgbm(booster, ["a", "b", "c"], "print", path)
            found = onnxruntime.InferenceSession(path).run(None, {"features": rows})[0][:, 0]
            metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        np.testing.assert_allclose(found, booster.predict(rows), rtol=1e-6, atol=1e-6)
        self.assertGreater(np.ptp(found), 0.01)
        self.assertEqual(metadata["storecast.fingerprint"], "print")
        self.assertEqual(json.loads(metadata["storecast.features"]), ["a", "b", "c"])
        leaves = [tree["num_leaves"] for tree in booster.dump_model()["tree_info"]]
        counts = json.loads(metadata["storecast.leaf_counts"])
        self.assertEqual((len(counts), sum(counts)), (sum(leaves), 2 * len(values)))


if __name__ == "__main__":
    unittest.main()
