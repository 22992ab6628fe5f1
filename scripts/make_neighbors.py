#!/usr/bin/env python3
"""Trains the nearest neighbours under models/neighbors/ and records what onnxruntime answers.

    python scripts/make_neighbors.py [CASE ...] [-o models/neighbors] [--force] [--expected]

`cases.py` says which files a case has.
"""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cases import Case, command_line

SEED = 0
CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


@case
def knn_iris():
    """Distances by a Scan; labels and their shares."""
    x, y = datasets.load_iris(return_X_y=True)
    return trained(KNeighborsClassifier(3), x, y)


@case
def knn_diabetes():
    """A mean of 8 targets, behind a scaler."""
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    return trained(make_pipeline(StandardScaler(), KNeighborsRegressor(8)), x[:240, 2:], y[:240])


@case
def knn_pair():
    """Two targets; distances by CDist."""
    x, _ = datasets.load_wine(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    return trained(KNeighborsRegressor(5), x[:, :4], x[:, 4:6], {"optim": "cdist"})


@case
def knn_manhattan():
    """Another metric."""
    x, y = datasets.load_wine(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    return trained(KNeighborsClassifier(3, metric="manhattan"), x, y)


def trained(model, x, y, options=None):
    x = x.astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=SEED)
    model.fit(x_train, y_train)
    onnx_model = to_onnx(model, x_train[:1], options=options and {id(model): options}, target_opset=17)
    onnx_model.opset_import.sort(key=lambda opset: opset.domain)  # skl2onnx leaves them in hash order
    return Case(model, onnx_model, x_train, x_test, np.asarray(y_test))


if __name__ == "__main__":
    command_line(CASES, __doc__, Path("models/neighbors"))
