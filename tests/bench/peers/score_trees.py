"""Scores and explains the same rows by LightGBM and by what compiles trees: `score_trees.py MODEL.txt ROWS.f32 SCORES.f64 WORK`.

Prints one line of JSON: microseconds per row and call of each. One thread; compiled code is kept between runs. Raises where scores
differ from those of the file, or contributions from those beside it, by more than float32 rounding.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from pathlib import Path

import lightgbm
import lleaves
import numpy as np
import tl2cgen
import treelite

CALLS = 3
EXPLAINED = 2_000
# Sums of some hundred float32 leaves in another order.
CLOSE = 2e-5
CLOSE_REASONS = 1e-6


def timed(call, rows: int) -> tuple[float, np.ndarray]:
    started = time.perf_counter()
    scores = call()
    return (time.perf_counter() - started) * 1e6 / rows, np.asarray(scores, np.float64).ravel()


def main() -> None:
    model, rows_file, scores_file, work = map(Path, sys.argv[1:5])
    booster = lightgbm.Booster(model_file=str(model))
    rows = np.fromfile(rows_file, np.float32).reshape(-1, booster.num_feature())
    expected = np.fromfile(scores_file, np.float64)
    wide = rows.astype(np.float64)
    forest = treelite.frontend.load_lightgbm_model(str(model))
    # Named by its contents: a model that changed is compiled anew.
    kept = work / f"{model.stem}-quantized-{zlib.crc32(model.read_bytes()):08x}"
    library = kept.with_suffix(".so")
    if not library.exists():
        # Thresholds as whole numbers are 10 to 16 % faster; -O3 -march=native and annotated branches change nothing beyond that (tried).
        parameters = {"parallel_comp": 2, "quantize": 1}
        tl2cgen.export_lib(forest, toolchain="gcc", libpath=str(library), params=parameters, verbose=False)
    compiled = tl2cgen.Predictor(str(library), nthread=1)
    matrix = tl2cgen.DMatrix(wide, dtype="float64")
    leaves = lleaves.Model(model_file=str(model))
    leaves.compile(cache=str(kept.with_suffix(".lleaves")), raw_score=True)
    scorers = {
        "lightgbm": lambda: booster.predict(wide, raw_score=True, num_threads=1),
        "tl2cgen": lambda: compiled.predict(matrix, pred_margin=True),
        "lleaves": lambda: leaves.predict(wide, n_jobs=1),
    }
    spent: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(CALLS):
        for name, call in scorers.items():
            micros, scores = timed(call, len(rows))
            spent[name].append(micros)
            worst = float(np.abs(scores - expected).max())
            if not worst <= CLOSE:
                raise AssertionError(f"{name}: scores differ by {worst}")
    contributions = np.fromfile(scores_file.with_suffix(".contributions"), np.float64)
    few = wide[:EXPLAINED]
    spent["pred_contrib"] = []
    for _ in range(CALLS):
        micros, found = timed(lambda: booster.predict(few, pred_contrib=True, num_threads=1), len(few))
        spent["pred_contrib"].append(micros)
        worst = float(np.abs(found - contributions).max())
        if not worst <= CLOSE_REASONS:
            raise AssertionError(f"contributions differ by {worst}")
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
