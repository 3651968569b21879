"""Folders of churn models beside the committed one: larger ones, and the committed trees as a graph for ONNX Runtime.

All read the committed columns, with the committed calibration, artifacts and policy, so both sides load them as they load that one. No
metrics: nothing is claimed of their answers, and `storecast publish` has no bars to hold them to.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import lightgbm
import numpy as np
import onnx

from stack import ROOT, WORK
from trees import Ensemble

sys.path.insert(0, str(ROOT / "models" / "training"))
from export import export_lightgbm  # noqa: E402
from golden import float32  # noqa: E402

COMMITTED = ROOT / "models" / "churn"
ROWS, LEAVES = 4_000, 127
# Trees that make files of .2, 2 and 20 MB.
SIZES = {".2 MB": 55, "2 MB": 550, "20 MB": 6_800}


def drawn(manifest: dict) -> tuple[np.ndarray, np.ndarray]:
    """Made-up customers whose columns are distributed as in training, one independent of the other, and what became of them."""
    random = np.random.default_rng(7)
    columns = []
    for column in manifest["distribution"]["columns"]:
        missing, *_ = column["rows"]
        edges = np.array(column["edges"])
        # Between the first and the last edge: the ends of the outer tenths are not kept.
        values = np.interp(random.random(ROWS), np.linspace(0, 1, len(edges)), edges)
        values[random.random(ROWS) < missing / sum(column["rows"])] = np.nan
        columns.append(values)
    values = np.stack(columns, axis=1).astype(np.float32)
    # With noise, so that thousands of trees still find something to split.
    ranks = np.nan_to_num(values).argsort(axis=0).argsort(axis=0) / ROWS - 0.5
    score = 3 * ranks[:, 0] + 8 * ranks[:, 1] * ranks[:, 2] + np.sin(9 * ranks[:, 5]) + random.normal(size=ROWS)
    return values, score > 0


def sized_models() -> dict[str, Path]:
    """A folder per size, by name; made once and kept as long as the committed model stays."""
    manifest = json.loads((COMMITTED / "manifest.json").read_text())
    folders = {name: WORK / "models" / manifest["version"] / f"{trees}-trees" for name, trees in SIZES.items()}
    if all((folder / "manifest.json").exists() for folder in folders.values()):
        return folders
    values, label = drawn(manifest)
    parameters = {
        "objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.01, "min_data_in_leaf": 5, "max_bin": 63, "feature_fraction": 0.3,
        "num_threads": 1, "seed": 1, "deterministic": True, "verbosity": -1,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(values, label=label), max(SIZES.values()))
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        few = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=SIZES[name]))
        features = manifest["features"]
        export_lightgbm(few, features["names"], features["fingerprint"], folder / "model.onnx")
        complete(folder, manifest, golden_of(folder / "model.onnx"))
    return folders


def golden_of(graph: Path) -> list[dict]:
    """The committed golden rows with what LightGBM says of these trees. From the ONNX file: its leaves are float32."""
    booster = lightgbm.Booster(model_str=Ensemble.read(graph).lightgbm_text("binary sigmoid:1"))
    rows = json.loads((COMMITTED / "golden.json").read_text())["rows"]
    values = np.array([[float32(value) for value in row["features"]] for row in rows], np.float64)
    # "All numbers go left" is 1e300 there, and its contributions take infinity as more than that, its scores do not.
    values = np.nan_to_num(values, nan=np.nan, posinf=1e300, neginf=-1e300)
    raw = booster.predict(values, raw_score=True, num_threads=1)
    explained = booster.predict(values, pred_contrib=True, num_threads=1)
    return [row | {"raw": score, "contributions": of[:-1], "base": of[-1]} for row, score, of in zip(rows, raw.tolist(), explained.tolist())]


def runtime_model() -> Path:
    """The committed trees with one node more: no longer one tree ensemble and nothing else, so the function scores them by ONNX Runtime,
    as the peer does anyway."""
    manifest = json.loads((COMMITTED / "manifest.json").read_text())
    folder = WORK / "models" / manifest["version"] / "runtime"
    folder.mkdir(parents=True, exist_ok=True)
    model = onnx.load(COMMITTED / "model.onnx")
    (trees,) = model.graph.node
    (output,) = trees.output
    trees.output[0] = "trees"
    model.graph.node.append(onnx.helper.make_node("Identity", ["trees"], [output]))
    onnx.checker.check_model(model, full_check=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    complete(folder, manifest, json.loads((COMMITTED / "golden.json").read_text())["rows"])
    return folder


def complete(folder: Path, committed: dict, golden: list[dict]) -> None:
    """Everything beside the graph."""
    (folder / "golden.json").write_text(json.dumps({"rows": golden}, separators=(",", ":"), ensure_ascii=False, allow_nan=False))
    for name in ("artifacts.json", "policy.json"):
        shutil.copy(COMMITTED / name, folder)
    contents = {name: (folder / name).read_bytes() for name in ("model.onnx", "artifacts.json", "golden.json")}
    files = {name: {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()} for name, body in contents.items()}
    version = f"bench-{files['model.onnx']['sha256'][:12]}"
    manifest = committed | {"version": version, "files": files, "metrics": []}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
