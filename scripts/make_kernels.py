#!/usr/bin/env python3
"""Trains the support vector machines under models/kernels/ and records what onnxruntime answers.

    python scripts/make_kernels.py [CASE ...] [-o models/kernels] [--force] [--expected]

`cases.py` says which files a case has.
"""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM

from cases import Case, command_line

SEED = 0
CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


@case
def svc_wine():
    """Three classes, behind a scaler; radial."""
    x, y = datasets.load_wine(return_X_y=True)
    return trained(make_pipeline(StandardScaler(), SVC()), x, y)


@case
def svc_iris():
    """Three classes; sigmoid."""
    x, y = datasets.load_iris(return_X_y=True)
    return trained(make_pipeline(StandardScaler(), SVC(kernel="sigmoid", gamma=0.1)), x, y)


@case
def svr_diabetes():
    """A number; polynomial of degree 2."""
    x, y = datasets.load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    x = StandardScaler().fit_transform(x)
    return trained(SVR(kernel="poly", degree=2, coef0=1.0, C=0.05, epsilon=0.8), x, y)


@case
def one_class_iris():
    """1 inside, -1 outside; radial."""
    x, _ = datasets.load_iris(return_X_y=True)
    return trained(OneClassSVM(nu=0.2), x, np.zeros(len(x), np.int64))


@case
def svc_cancer_probability():
    """Probabilities of two classes, behind a scaler; radial."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return trained(make_pipeline(StandardScaler(), probable(gamma=0.02)), x[:, :10], y)


@case
def svc_wine_probability():
    """Probabilities of three classes, behind a scaler; sigmoid."""
    x, y = datasets.load_wine(return_X_y=True)
    return trained(make_pipeline(StandardScaler(), probable(kernel="sigmoid", gamma=0.03)), x, y)


@case
def svc_iris_probability():
    """Probabilities of three classes; polynomial of degree 3."""
    x, y = datasets.load_iris(return_X_y=True)
    return trained(probable(kernel="poly", C=0.1), x, y)


@case
def svc_linear_probability():
    """Probabilities of three classes; linear."""
    x, y = datasets.load_iris(return_X_y=True)
    return trained(probable(kernel="linear", C=0.1), x, y)


def probable(**options):
    return SVC(probability=True, random_state=SEED, **options)


def trained(model, x, y):
    x = x.astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=SEED)
    model.fit(x_train, y_train)
    onnx_model = to_onnx(model, x_train[:1], target_opset=17)
    onnx_model.opset_import.sort(key=lambda opset: opset.domain)  # skl2onnx leaves them in hash order
    return Case(model, onnx_model, x_train, x_test, np.asarray(y_test))


if __name__ == "__main__":
    command_line(CASES, __doc__, Path("models/kernels"))
