"""Models that Concrete ML can be given too: how each is trained, and from which rows."""

from dataclasses import dataclass
from typing import Callable

import numpy as np
import xgboost
from sklearn import datasets, ensemble, linear_model, svm, tree
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

SEED = 42


@dataclass
class Recipe:
    estimator: object
    rows: Callable  # gives x_train, x_test, y_train, y_test
    bits: int = 8  # Concrete ML's default for linear models
    measured_rows: int = 50


def trees(estimator, rows):
    """Six bits are Concrete ML's default for trees, which take it seconds a row."""
    return Recipe(estimator, rows, bits=6, measured_rows=5)


def held_out(x, y, scaled):
    """A quarter of the rows is for tests, class by class where there are classes."""
    stratify = y if y.dtype.kind == "i" else None
    x_train, x_test, y_train, y_test = train_test_split(
        x.astype(np.float32), y, test_size=0.25, random_state=SEED, stratify=stratify
    )
    if scaled:
        scaler = StandardScaler().fit(x_train)
        x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    return x_train.astype(np.float32), x_test.astype(np.float32), y_train, y_test


def breast_cancer(scaled=False):
    return held_out(*datasets.load_breast_cancer(return_X_y=True), scaled)


def scaled_breast_cancer():
    return breast_cancer(scaled=True)


def wine():
    return held_out(*datasets.load_wine(return_X_y=True), scaled=True)


def diabetes():
    return held_out(*datasets.load_diabetes(return_X_y=True), scaled=True)


def digits():
    return held_out(*datasets.load_digits(return_X_y=True), scaled=False)


def counts():
    random = np.random.RandomState(SEED)
    x = random.randn(1000, 10)
    weights = random.randn(10) * 0.3
    return held_out(x, random.poisson(np.exp(x @ weights + 0.5)).astype(float), scaled=True)


RECIPES = {
    "logreg_breast_cancer": Recipe(linear_model.LogisticRegression(random_state=SEED), scaled_breast_cancer),
    "linreg_diabetes": Recipe(linear_model.LinearRegression(), diabetes),
    "linear_svc_wine": Recipe(svm.LinearSVC(random_state=SEED), wine),
    "poisson_synthetic": Recipe(linear_model.PoissonRegressor(), counts),
    "dt_breast_cancer": trees(tree.DecisionTreeClassifier(max_depth=5, random_state=SEED), breast_cancer),
    "rf_breast_cancer": trees(
        ensemble.RandomForestClassifier(n_estimators=20, max_depth=4, random_state=SEED), breast_cancer
    ),
    "xgb_breast_cancer": trees(
        xgboost.XGBClassifier(n_estimators=50, max_depth=4, random_state=SEED, eval_metric="logloss"), breast_cancer
    ),
    "xgb_reg_diabetes": trees(
        xgboost.XGBRegressor(n_estimators=30, max_depth=3, learning_rate=0.2, random_state=SEED), diabetes
    ),
    "xgb_digits": trees(
        xgboost.XGBClassifier(n_estimators=10, max_depth=3, random_state=SEED, eval_metric="mlogloss"), digits
    ),
}
