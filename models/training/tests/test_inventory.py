"""Training the demand model from end to end on made-up products, and the refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Callable

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import commands
import inventory
import matrix
import synthetic_demand
from golden import float32


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The matrix of a made-up shop."""
    return synthetic_demand.write(tmp_path_factory.mktemp("demand"))


@pytest.fixture(scope="session")
def model(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on it."""
    out = tmp_path_factory.mktemp("demand_model")
    assert run(["train", "--matrix", str(shop), "--out", str(out)]) == 0
    return out


def run(arguments: list[str]) -> int:
    return commands.main(inventory, arguments)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def planted(shop: Path, out: Path, where: Callable[[pa.Table], np.ndarray], label: float) -> Path:
    """The same matrix with another label in some rows."""
    other = shutil.copytree(shop, out)
    table = parquet.read_table(shop / "matrix.parquet")
    labels = table["label"].to_numpy().copy()
    rows = where(table)
    assert rows.any()
    labels[rows] = label
    table = table.set_column(table.column_names.index("label"), "label", pa.array(labels, pa.float32()))
    parquet.write_table(table, other / "matrix.parquet")
    return other


def closes(table: pa.Table) -> np.ndarray:
    begins = np.array([matrix.seconds(text) for text in table["cutoff"].to_pylist()])
    return begins + 86_400.0 * table["horizon_days"].to_numpy()


def reaches_beyond(split: str, later: str) -> Callable[[pa.Table], np.ndarray]:
    first = matrix.seconds(synthetic_demand.text(synthetic_demand.CUTOFFS[later][0]))
    return lambda table: (np.array(table["split"].to_pylist()) == split) & (closes(table) > first)


USELESS = {
    "a train label that was not known before the calibration snapshot": reaches_beyond("train", "calibration"),
    "a calibration label that was not known before the test": reaches_beyond("calibration", "test"),
    "a test row": lambda table: np.array(table["split"].to_pylist()) == "test",
    "a window in which nobody could buy": lambda table: table["exposed_days"].to_numpy() < 1.0,
}


@pytest.mark.parametrize("what", USELESS)
def test_training_again_writes_the_same_bytes_whatever_stands_in(
    what: str, shop: Path, model: Path, tmp_path: Path
) -> None:
    other = planted(shop, tmp_path / "other", USELESS[what], label=5000.0)
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(model / "manifest.json", again)  # its created_at is kept for an equal version
    assert run(["train", "--matrix", str(other), "--out", str(again)]) == 0
    assert contents(again) == contents(model)


def test_a_label_that_was_known_in_time_does_matter(shop: Path, model: Path, tmp_path: Path) -> None:
    late = reaches_beyond("train", "calibration")
    other = planted(shop, tmp_path / "other", lambda table: (np.array(table["split"].to_pylist()) == "train")
                    & ~late(table) & (table["exposed_days"].to_numpy() >= 1.0), label=50.0)
    assert run(["train", "--matrix", str(other), "--out", str(tmp_path / "out")]) == 0
    assert read(tmp_path / "out" / "manifest.json")["version"] != read(model / "manifest.json")["version"]


def test_rows_left_out_are_counted(shop: Path, model: Path) -> None:
    dropped = read(model / "manifest.json")["training"]["dropped"]
    table = parquet.read_table(shop / "matrix.parquet")
    for split, later in (("train", "calibration"), ("calibration", "test")):
        assert dropped[split]["label_not_known_in_time"] == reaches_beyond(split, later)(table).sum() > 0
        assert dropped[split]["never_in_stock"] > 0


def test_golden_rows_hold_in_onnx_runtime_and_the_offset_is_not_in_the_leaves(shop: Path, model: Path) -> None:
    session = onnxruntime.InferenceSession(model / "model.onnx")
    golden = read(model / "golden.json")["rows"]
    rows = np.array([[float32(value) for value in row["features"]] for row in golden], dtype=np.float32)
    raw = np.array([row["raw"] for row in golden])
    scored = session.run(None, {"features": rows})[0].ravel()
    assert np.all(np.abs(scored - raw) <= 1e-5 * np.maximum(1.0, np.abs(raw)))
    assert any("entity" in row for row in golden) and "missing: every column" in [row["name"] for row in golden]

    described = matrix.read_description(shop)
    seen = inventory.read_parts(described).train
    multiplier = np.exp(session.run(None, {"features": seen.values})[0].ravel())
    # A base score in the leaves would multiply every mean by the average demand, about twenty units here.
    assert (inventory.expected(described, seen) * multiplier).sum() == pytest.approx(seen.labels.sum(), rel=0.15)


def test_manifest_holds_the_dispersion_and_the_baselines_are_written(model: Path) -> None:
    manifest = read(model / "manifest.json")
    assert list(manifest["calibration"]) == ["intercept", "ln_mean", "columns"]
    assert tuple(manifest["calibration"]["columns"]) == inventory.DISPERSION_COLUMNS
    training = manifest["training"]
    assert training["horizons_days"] == [7.0, 14.0, 28.0, 42.0] and training["main_horizon_days"] == 28.0
    assert set(training["calibration"]["by_horizon_days"]) == {"7", "14", "28"}
    for own in training["calibration"]["by_horizon_days"].values():
        assert own["coverage_95"] == pytest.approx(0.95, abs=0.03)
    baseline = read(model / "baseline.json")["negbin_ses"]
    assert tuple(baseline["dispersion"]["columns"]) == ("log_horizon_days",)
    rival = training["challenger"]
    assert rival["pinball_quantile"] > 0.0 and rival["rows"] <= 400


def line(name: str, value: float, interval: list[float] | None = None, **rest: object) -> str:
    given = {"model": "inventory", "metric": name, "value": value, "interval": interval, "bar": None, "baselines": {},
             "pass": None}
    return json.dumps({**given, **rest})


def test_finish_writes_card_and_plots_and_twice_the_same(shop: Path, model: Path, tmp_path: Path) -> None:
    lines = [
        line("mae", 4.1, [4.0, 4.2], baselines={"ses": 4.4, "naive": 4.9}),
        line("bias", 0.031, [0.01, 0.05], bar="-0.02 to 0.02", **{"pass": False}),
        line("coverage_95", 0.947, [0.94, 0.95], bar="0.92 to 0.98", **{"pass": True}),
        line("pinball_vs_negbin_ses", 0.07, [0.05, 0.09]),
        line("coverage_95@2017-07-02", 0.951), line("mae@smooth", 7.0), line("bias@7d", 0.04), line("mae@all_listed", 2.0),
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    points = [{"level": p / 20, "covered": p / 20 + 0.01} for p in range(1, 20)]
    bars = [{"name": "inventory", "value": 1.3, "low": 1.2, "high": 1.4}, {"name": "poisson", "value": 1.5}]
    (tmp_path / "curves.json").write_text(json.dumps(
        {"coverage": [{"name": "inventory", "points": points}], "pinball": bars}))
    out = shutil.copytree(model, tmp_path / "finished")
    command = ["finish", "--matrix", str(shop), "--out", str(out), "--metrics", str(tmp_path / "metrics.jsonl"),
               "--curves", str(tmp_path / "curves.json")]
    assert run(command) == 0
    first = contents(out)
    assert run(command) == 0
    assert contents(out) == first

    card = first["CARD.md"].decode()
    assert "**The bar of `bias` is missed**: +0.031" in card
    assert "quantiles are better than those of SES" in card
    for part in ("| 2017-07-02 |", "| smooth |", "| 7d |", "| all_listed |"):
        assert part in card
    assert all(f"`{name}`" in card for name, _, _ in synthetic_demand.COLUMNS)
    assert "How the form was chosen" not in card, "those figures are of another shop"
    assert {"CARD.md", "coverage.svg", "pinball.svg"} < set(read(out / "manifest.json")["files"])


def test_too_little_data_is_refused_with_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = synthetic_demand.write(tmp_path / "small", products=40)
    assert run(["train", "--matrix", str(folder), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    parts = inventory.read_parts(matrix.read_description(folder))
    table = parts.calibration
    sold = int((table.labels[table.extras[:, 0] == 28.0] > 0.0).sum())
    assert "too little data" in said
    assert f"calibration: {sold} windows with a sale, 200 needed" in said
    assert "test: 120 windows with a sale, 200 needed" in said
    assert "times as many products" in said
    assert not (tmp_path / "out").exists()


def test_a_matrix_without_the_columns_read_by_name_is_refused(shop: Path, tmp_path: Path) -> None:
    other = shutil.copytree(shop, tmp_path / "other")
    described = read(other / "matrix.json")
    described["extras"] = ["horizon_days", "log_offset"]
    described["features"] = [f for f in described["features"] if f["name"] != "log_sale_size"]
    (other / "matrix.json").write_text(json.dumps(described))
    with pytest.raises(matrix.Refused, match="no column exposed_days, log_sale_size"):
        inventory.train(other, tmp_path / "out")
