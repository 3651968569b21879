"""`manifest.json`: what the model says of itself. The Rust type `serving::manifest::Manifest` is the schema."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import onnx

from matrix import Description

FORMAT = 1
MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
ARTIFACTS_FILE = "artifacts.json"
GOLDEN_FILE = "golden.json"
BASELINE_FILE = "baseline.json"
CARD_FILE = "CARD.md"
# Binary parts of the artifacts.
TABLES = "*.bin"
RUNTIME = ("lightgbm", "numpy", "onnx")


@dataclass(frozen=True)
class Wording:
    """What a manifest says in words, and the plots of the card."""

    input: str
    output: str
    plots: tuple[str, ...]

    @property
    def late_files(self) -> tuple[str, ...]:
        """Written by `finish`, so not there between training and evaluation."""
        return (CARD_FILE, *self.plots)


def begin(folder: Path, wording: Wording) -> None:
    """Makes the folder; what a former `finish` wrote of another model goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in wording.late_files:
        (folder / stale).unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """JSON that diffs well and has the same bytes on every run; a NaN is an error."""
    path.write_text(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """`{"rows": [...]}` with a row per line: small, because every cold start reads it, and a row's change shows."""
    lines = (json.dumps(row, separators=(",", ":"), allow_nan=False, ensure_ascii=False) for row in rows)
    path.write_text('{"rows": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a model's folder."""
    return json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))


def version(shop: str, folder: Path, calibration: dict[str, Any] | None) -> str:
    """The shop and 12 hex digits over everything that changes an answer: graph, artifacts, calibration."""
    digest = hashlib.sha256()
    digest.update((folder / MODEL_FILE).read_bytes())
    digest.update((folder / ARTIFACTS_FILE).read_bytes())
    digest.update(json.dumps(calibration, sort_keys=True).encode())
    return f"{shop}-{digest.hexdigest()[:12]}"


def write(described: Description, folder: Path, calibration: dict[str, Any] | None, training: dict[str, Any], distribution: dict[str, Any] | None,
          wording: Wording, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """Writes the manifest over all files of the folder, and returns it.

    A model of the same version keeps its `created_at`: training again writes the same bytes.
    """
    named = version(described.shop, folder, calibration)
    tables = (path.name for path in folder.glob(TABLES))
    files = (MODEL_FILE, ARTIFACTS_FILE, GOLDEN_FILE, BASELINE_FILE, *tables, *wording.late_files)
    graph = onnx.load(folder / MODEL_FILE).graph
    content = {
        "format": FORMAT,
        "model": described.model,
        "version": named,
        "created_at": _created_at(folder, named),
        "data_set": {"shop": described.shop, "currency": described.currency, "source": described.source},
        "files": {name: _entry(folder / name) for name in sorted(files) if (folder / name).exists()},
        "features": {"fingerprint": described.fingerprint, "names": described.names},
        "distribution": distribution,
        "input": _tensor(graph.input[0], wording.input),
        "output": _tensor(graph.output[0], wording.output),
        "calibration": calibration,
        "training": training,
        "metrics": metrics,
        "runtime": {name: installed(name) for name in RUNTIME},
    }
    write_json(folder / MANIFEST_FILE, content)
    return content


def _created_at(folder: Path, named: str) -> str:
    try:
        before = read(folder)
    except (FileNotFoundError, ValueError):
        before = {}
    if before.get("version") == named:
        return before["created_at"]
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _tensor(value: onnx.ValueInfoProto, meaning: str) -> dict[str, Any]:
    kind = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": {onnx.TensorProto.FLOAT: "float32"}[kind.elem_type],
        "shape": [dim.dim_param or str(dim.dim_value) for dim in kind.shape.dim],
        "meaning": meaning,
    }
