"""Training from end to end on a made-up shop, and the refusals."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from sklearn.linear_model import LogisticRegression

import churn
import commands
import matrix
import synthetic
from golden import EXTREMES, float32
from logistic import fit_logistic


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The matrix of a made-up shop."""
    return synthetic.write(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def model(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on it."""
    out = tmp_path_factory.mktemp("model")
    assert run(["train", "--matrix", str(shop), "--out", str(out)]) == 0
    return out


def run(arguments: list[str]) -> int:
    return commands.main(churn, arguments)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_training_again_writes_the_same_bytes_without_reading_test_rows(
    shop: Path, model: Path, tmp_path: Path
) -> None:
    # The second matrix has other test rows: had training read one of them, something would differ.
    other = shutil.copytree(shop, tmp_path / "other")
    table = parquet.read_table(shop / "matrix.parquet")
    is_test = np.array(table["split"].to_pylist()) == "test"
    for name in ("label", *(column for column, _, _ in synthetic.COLUMNS)):
        values = table[name].to_numpy().copy()
        values[is_test] = 1.0 - values[is_test]
        table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.float32()))
    parquet.write_table(table, other / "matrix.parquet")

    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(model / "manifest.json", again)  # its created_at is kept for an equal version
    assert run(["train", "--matrix", str(other), "--out", str(again)]) == 0
    assert contents(again) == contents(model)


def test_golden_rows_are_complete_and_hold_in_onnx_runtime(shop: Path, model: Path) -> None:
    golden = read(model / "golden.json")["rows"]
    names = [row["name"] for row in golden]
    assert len(set(names)) == len(names)
    histories = [row for row in golden if "entity" in row]
    assert [row["name"] for row in histories] == [row["name"] for row in read(shop / "golden_histories.json")["rows"]]
    assert all("as_of" in row for row in histories)
    for kind, least in (("threshold: ", 16), ("missing: ", 6), ("extreme: ", len(EXTREMES))):
        assert sum(name.startswith(kind) for name in names) >= least
    assert "missing: every column" in names

    session = onnxruntime.InferenceSession(model / "model.onnx")
    rows = np.array([[float32(value) for value in row["features"]] for row in golden], dtype=np.float32)
    scored = session.run(None, {session.get_inputs()[0].name: rows})[0].ravel()
    raw = np.array([row["raw"] for row in golden])
    assert np.all(np.abs(scored - raw) <= 1e-5 * np.maximum(1.0, np.abs(raw)))
    for row in golden:
        assert abs(row["base"] + sum(row["contributions"]) - row["raw"]) < 1e-9


def test_threshold_rows_lie_exactly_on_the_splits_of_the_file(model: Path) -> None:
    # One float32 further the branch changes, so for most pairs the score does.
    rows = {row["name"]: row for row in read(model / "golden.json")["rows"]}
    on = [name for name in rows if name.endswith(" on a split")]
    moved = sum(rows[name]["raw"] != rows[name.replace("on a split", "just above a split")]["raw"] for name in on)
    assert len(on) == moved > 0


def test_manifest_names_every_file_and_keeps_its_date(shop: Path, model: Path) -> None:
    manifest = read(model / "manifest.json")
    others = {path.name: path.read_bytes() for path in model.iterdir() if path.name != "manifest.json"}
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in others.items()
    }
    assert manifest["features"]["names"] == [name for name, _, _ in synthetic.COLUMNS]
    assert manifest["input"]["shape"] == ["rows", str(len(synthetic.COLUMNS))]
    assert manifest["version"].startswith("made-up-")


def metric(name: str, value: float, interval: list[float], **rest: object) -> str:
    line = {"model": "churn", "metric": name, "value": value, "interval": interval, "bar": None,
            "baselines": {"logistic": 0.8}, "pass": None}
    return json.dumps({**line, **rest})


def test_finish_writes_card_and_plots_and_twice_the_same(shop: Path, model: Path, tmp_path: Path) -> None:
    lines = [
        metric("auc", 0.81, [0.79, 0.83], bar=">= 0.86", **{"pass": False}),
        metric("auc_minus_logistic", 0.001, [-0.002, 0.004], baselines={}),
        metric("auc_minus_bgnbd_p_buy", 0.02, [0.01, 0.03], baselines={}),
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    bins = [{"rows": 10, "predicted": p, "observed": p + 0.01, "low": p / 2, "high": p + 0.1} for p in (0.1, 0.3)]
    points = [{"share": s / 100, "lift": 1.0 + (100 - s) / 50} for s in range(1, 101)]
    (tmp_path / "curves.json").write_text(json.dumps(
        {"reliability": [{"name": "churn", "bins": bins}], "lift": [{"name": "churn", "points": points}]}))
    out = shutil.copytree(model, tmp_path / "finished")
    command = ["finish", "--matrix", str(shop), "--out", str(out), "--metrics", str(tmp_path / "metrics.jsonl"),
               "--curves", str(tmp_path / "curves.json")]
    assert run(command) == 0
    first = contents(out)
    assert run(command) == 0
    assert contents(out) == first

    card = first["CARD.md"].decode()
    assert "gains nothing measurable over logistic regression" in card
    assert "ranks better than BG/NBD" in card
    assert "**missed**" in card
    assert all(f"`{name}`" in card for name, _, _ in synthetic.COLUMNS)
    manifest = read(out / "manifest.json")
    assert {"CARD.md", "reliability.svg", "lift.svg"} < set(manifest["files"])
    assert manifest["version"] == read(model / "manifest.json")["version"]
    assert len(manifest["metrics"]) == 3


def test_too_little_data_is_refused_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = synthetic.write(tmp_path / "small", customers=150)
    (folder / "matrix.parquet").unlink()  # refused from the counts: no row is read
    assert run(["train", "--matrix", str(folder), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    left = read(folder / "matrix.json")["rows"]["train"]["positives"]
    assert "too little data" in said
    assert f"train: {left} customers who left, 300 needed" in said
    assert "times as many customers" in said
    assert not (tmp_path / "out").exists()


def test_one_train_snapshot_is_refused(tmp_path: Path) -> None:
    close = {**synthetic.CUTOFFS, "train": (210, 217, 224)}  # three, but no two a horizon apart
    folder = synthetic.write(tmp_path / "close", cutoffs=close)
    with pytest.raises(matrix.Refused, match="1 snapshots whose 28-day label windows do not overlap, 2 needed"):
        churn.refuse_too_little(matrix.read_description(folder))


@pytest.mark.parametrize("late", [{"train": (196, 225)}, {"calibration": (253,)}])
def test_labels_that_reach_into_the_next_split_are_refused(shop: Path, tmp_path: Path, late: dict) -> None:
    described = read(shop / "matrix.json")
    for split, days in late.items():
        described["cutoffs"][split] = [synthetic.text(day) for day in days]
    (tmp_path / "matrix.json").write_text(json.dumps(described))
    with pytest.raises(matrix.Refused, match="trained on"):
        matrix.read_description(tmp_path)


def test_logistic_regression_equals_scikit_learn() -> None:
    random = np.random.default_rng(5)
    columns = random.normal(size=(400, 6))
    labels = (random.uniform(size=400) < 1.0 / (1.0 + np.exp(1.0 - columns @ np.arange(6) / 3.0))).astype(float)
    for l2 in (0.0, 1.0, 100.0):
        coefficients, intercept = fit_logistic(columns, labels, l2)
        judge = LogisticRegression(C=1.0 / l2 if l2 else np.inf, tol=1e-10, max_iter=10_000).fit(columns, labels)
        assert np.allclose(coefficients, judge.coef_[0], atol=1e-5)
        assert abs(intercept - judge.intercept_[0]) < 1e-5
    with pytest.raises(matrix.Refused, match="separate the classes"):
        fit_logistic(np.sign(columns[:, :1]) * 5, (columns[:, 0] > 0).astype(float), 0.0)
