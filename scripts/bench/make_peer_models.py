#!/usr/bin/env python3
"""Makes the cases in models/ that Concrete ML is measured on as well, with its interpreter.

    PYTHON scripts/bench/make_peer_models.py [CASE ...] [-o models] [--force] [--expected]

Concrete ML reads no ONNX file of trees; it takes the trained model itself. So that both programs get the
same model, it is trained with the versions that Concrete ML wants. PYTHON is as for `run`, with
onnxruntime==1.18.0, skl2onnx==1.20.0 and onnxmltools==1.16.0 besides.
"""

import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MlFloatTensorType
from recipes import RECIPES
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import is_classifier
from xgboost import XGBModel

from cases import Case, command_line

MAX_CALIBRATION_VALUES = 28_000
MAX_TEST_VALUES = 4_300


def trained(name):
    recipe = RECIPES[name]
    x_train, x_test, y_train, y_test = recipe.rows()
    model = recipe.estimator.fit(x_train, y_train)
    features = x_train.shape[1]
    calibration, tests = MAX_CALIBRATION_VALUES // features, MAX_TEST_VALUES // features
    return Case(model, exported(model, features), x_train[:calibration], x_test[:tests], y_test[:tests])


def exported(model, features):
    if isinstance(model, XGBModel):
        types = [("X", MlFloatTensorType([None, features]))]
        return convert_xgboost(model, initial_types=types, target_opset=13)
    options = None
    if is_classifier(model):
        shown = {"zipmap": False} if hasattr(model, "predict_proba") else {"raw_scores": True}
        options = {id(model): shown}
    types = [("X", FloatTensorType([None, features]))]
    return convert_sklearn(model, initial_types=types, options=options, target_opset=17)


if __name__ == "__main__":
    command_line({name: partial(trained, name) for name in RECIPES}, __doc__)
