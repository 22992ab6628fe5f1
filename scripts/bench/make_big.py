#!/usr/bin/env python3
"""Makes ensembles of many trees to measure; they are too large for models/.

    python scripts/bench/make_big.py [CASE ...] -o FOLDER [--force]
    scripts/bench/run --models FOLDER

In the environment of `../make_models.py`; a folder is described in `../cases.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import lightgbm
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import make_regression

import complete_trees
from cases import Case, command_line, last_float_output, run

SEED = 7
FEATURES = 20
CALIBRATION_ROWS = 1000
TEST_ROWS = 30


def forest_100x6():
    """100 complete trees of depth 6 with random thresholds; features are integers of 5 bits."""
    rng = np.random.default_rng(SEED)
    branches = (100, 2**6 - 1)
    trees = complete_trees.Trees(
        features=rng.integers(0, FEATURES, branches),
        modes=np.zeros(branches, int),
        values=rng.integers(0, 31, branches) + 0.5,
        missing_pass=np.zeros(branches, int),
        leaves=rng.normal(size=(100, 2**6)),
    )
    onnx_model = complete_trees.model(complete_trees.listed(trees), FEATURES, ml_version=3)
    x = rng.integers(0, 32, (CALIBRATION_ROWS + TEST_ROWS, FEATURES)).astype(np.float32)
    x_calib, x_test = x[:CALIBRATION_ROWS], x[CALIBRATION_ROWS:]
    return Case(None, onnx_model, x_calib, x_test, last_float_output(run(onnx_model, x_test)))


def lightgbm_1000x6():
    """1,000 trees of depth 6 on features in at most 63 bins."""
    x, y = make_regression(6000, FEATURES, n_informative=FEATURES, noise=20.0, random_state=SEED)
    x = x.astype(np.float32)
    model = lightgbm.LGBMRegressor(
        n_estimators=1000, max_depth=6, num_leaves=63, max_bin=63, n_jobs=1, verbose=-1, random_state=SEED
    )
    model.fit(x[TEST_ROWS:], y[TEST_ROWS:])
    onnx_model = convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, FEATURES]))])
    return Case(model, onnx_model, x[TEST_ROWS : TEST_ROWS + CALIBRATION_ROWS], x[:TEST_ROWS], y[:TEST_ROWS])


if __name__ == "__main__":
    command_line({made.__name__: made for made in (forest_100x6, lightgbm_1000x6)}, __doc__)
