"""Tree scoring and exact reasons on one thread, beside ONNX Runtime, LightGBM and compilers of trees; sizes of packages."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Callable, Iterator

import lightgbm
import numpy as np

from lambda_api import CORES, on_core
from ledger import Row, compared, quartiles
from stack import LIBRARY, ONE_THREAD, PEERS, ROOT, WORK, Stack
from trees import Ensemble

ROWS = 100_000
ROUNDS = 2
COLUMNS, TREES, LEAVES = 30, 300, 31
# How many times ONNX Runtime's speed each kind of instructions is to reach, from the slowest to the fastest.
GOALS = {"portable": 7, "avx2": 14, "avx512": 20}
FINGERPRINT = "0" * 64


def rows(columns: int) -> np.ndarray:
    """Uniform in -3..3, a tenth of the values missing."""
    random = np.random.default_rng(7)
    values = random.uniform(-3, 3, (ROWS, columns)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return values


def write_rows(graph: Path, file: Path) -> None:
    """Rows of as many columns as a model reads."""
    rows(len(Ensemble.read(graph).features)).tofile(file)


def large_model() -> tuple[Path, Path]:
    """300 trees of 31 leaves on made-up data, as ONNX by the project's exporter and as LightGBM's text."""
    graph, text = WORK / "large.onnx", WORK / "large.txt"
    if not graph.exists():
        sys.path.insert(0, str(ROOT / "models" / "training"))
        from export import export_lightgbm

        values = rows(COLUMNS)[:20_000]
        filled = np.nan_to_num(values)
        label = np.sin(filled[:, 0]) + filled[:, 1] * filled[:, 2] + np.random.default_rng(8).normal(size=len(values)) > 0
        parameters = {"objective": "binary", "num_leaves": LEAVES, "num_threads": 1, "seed": 1, "deterministic": True, "verbosity": -1}
        booster = lightgbm.train(parameters, lightgbm.Dataset(values, label=label), TREES)
        export_lightgbm(booster, [f"column_{i}" for i in range(COLUMNS)], FINGERPRINT, graph)
    # From the ONNX file, so that thresholds and leaves are the very same numbers.
    text.write_text(Ensemble.read(graph).lightgbm_text("binary sigmoid:1"))
    return graph, text


def tree_scoring(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    large = large_model()
    models = {
        f"{TREES} trees of {LEAVES} leaves": large,
        "churn": (ROOT / "models/churn/model.onnx", WORK / "churn.txt"),
        "inventory": (ROOT / "models/inventory/model.onnx", WORK / "inventory.txt"),
    }
    for number, (name, (graph, text)) in enumerate(models.items()):
        yield from one_model(stack, progress, name, graph, text, is_first=number == 0)


def one_model(stack: Stack, progress: Callable[[str], None], name: str, graph: Path, text: Path, is_first: bool) -> Iterator[Row]:
    values, scores = WORK / "rows.f32", WORK / "scores.f64"
    write_rows(graph, values)
    spent: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        progress(f"scoring {ROWS} rows, {name}: round {number + 1} of {ROUNDS}")
        ours = run([stack.programs / "examples" / "score_rows", graph, values, scores, LIBRARY])
        theirs = run([ROOT / ".tools/bench/bin/python", PEERS / "score_trees.py", text, values, scores, WORK])
        for key, micros in (ours | theirs).items():
            spent.setdefault(key, []).extend(micros)
    trees = f"scoring {ROWS // 1000} k rows, one thread, {name}"
    # The program tells the slower kinds apart; what comes after them is the best that this processor has.
    slower = [kind for kind in GOALS if kind in spent]
    best = list(GOALS)[len(slower)]
    for kind in (*slower, best):
        own = spent["ours"] if kind == best else spent[kind]
        yield compared(f"{trees}, by {kind} instructions: ONNX Runtime", own, spent["runtime"], "us/row", GOALS[kind] if is_first else None)
    columns = len(Ensemble.read(graph).features)
    note = f"the limit: reading the {4 * columns} bytes of a row from memory, at {4e-3 * columns / quartiles(spent['memory'])[1]:.0f} GB/s"
    yield compared(f"{trees}: memory bandwidth", spent["ours"], spent["memory"], "us/row", None, note=note)
    for key, peer in {"tl2cgen": "C by tl2cgen", "lleaves": "LLVM by lleaves", "lightgbm": "LightGBM"}.items():
        goal = 10 if is_first and key == "tl2cgen" else None
        yield compared(f"{trees}: {peer}", spent["ours"], spent[key], "us/row", goal)
    yield compared(f"exact reasons of a row, {name}: LightGBM's pred_contrib", spent["explained"], spent["pred_contrib"], "us/row", 10)


def run(command: list) -> dict[str, list[float]]:
    with on_core(CORES[-1]):
        done = subprocess.run(list(map(str, command)), env={**os.environ, **ONE_THREAD}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# --- Packages ---

# What a peer's package holds; boto3 and the runtime client are in Lambda's own Python.
PACKAGES = {
    "Python, ONNX Runtime and numpy": ("onnxruntime", "numpy", "flatbuffers", "protobuf", "packaging"),
    "FastAPI, pandas, LightGBM": ("fastapi", "starlette", "pydantic", "pydantic_core", "annotated-types", "annotated-doc", "typing-extensions",
                                  "typing-inspection", "anyio", "idna", "mangum", "pandas", "python-dateutil", "six", "lightgbm", "numpy",
                                  "scipy", "narwhals"),
}


def package_sizes(stack: Stack, progress: Callable[[str], None]) -> Iterator[Row]:
    progress("packing")
    program = zipped({"bootstrap": stack.programs / "churn"}, "churn")
    whole = zipped({"bootstrap": stack.programs / "churn", "lib/libonnxruntime.so": LIBRARY.resolve()}, "churn-with-runtime")
    for name, packages in PACKAGES.items():
        size = zipped(files_of(packages), "peer")
        is_first = "ONNX" in name
        yield sizes(f"zip, the program alone: {name}", program, size, 10 if is_first else None)
        yield sizes(f"zip, with ONNX Runtime's library: {name}", whole, size, 5 if is_first else None)


def sizes(name: str, ours: float, peer: float, goal: float | None) -> Row:
    return Row(name, ours, peer, "MB", 1, [ours, ours, peer, peer], goal)


def files_of(packages: tuple[str, ...]) -> dict[str, Path]:
    """Installed files without what a careful packer leaves out: bytecode, tests, type stubs, headers and sources of extensions."""
    left_out = ("__pycache__", "/tests/", "/test/", ".pyi", ".h", ".pyx", ".pxd", ".pyc", "/bin/", "/datasets/", "/tools/", "/transformers/",
                "/quantization/")
    found = {}
    for package in packages:
        for file in importlib.metadata.files(package) or ():
            if not any(part in f"/{file}" for part in left_out) and not str(file).startswith(".."):
                found[str(file)] = Path(file.locate())
    return found


def zipped(files: dict[str, Path], name: str) -> float:
    """Megabytes of a zip, packed as the project packs its own."""
    path = WORK / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for inside, file in sorted(files.items()):
            archive.write(file, inside)
    return path.stat().st_size / 1e6
