#!/usr/bin/env python3
"""Trains the small models under models/, exports them to ONNX and records what onnxruntime answers.

    python scripts/make_models.py [CASE ...] [-o models] [--force] [--expected]

Each case becomes one folder; `cases.py` says which files are in it. A folder that exists is left alone;
--force makes it anew, --expected rewrites only expected.json. The cases that are measured beside another
program are made by `bench/make_peer_models.py`.
"""

import tempfile
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnx
import onnxmltools
import pandas as pd
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MlFloatTensorType
from skl2onnx import to_onnx
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import datasets
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, GammaRegressor, LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

import complete_trees
from cases import Case, command_line, last_float_output, run

SEED = 7
MAX_CALIBRATION_ROWS = 200
TREE_CALIBRATION_ROWS = 100
TREE_TEST_ROWS = 60
CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


# ---- whole pipelines -----------------------------------------------------------------------------


@case
def pipeline_passengers():
    """Numbers with gaps, text columns, an integer column, text labels, one ONNX input a column, ZipMap."""
    table, y = passengers(rows=360)
    model = make_pipeline(passenger_columns(), LogisticRegression())
    return trained(model, table, y, test_rows=120, initial_types=PASSENGER_INPUTS)


@case
def polynomial_ridge():
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    x = x[:, [0, 2, 3, 5, 8, 9]].astype(np.float32)
    return trained(make_pipeline(StandardScaler(), PolynomialFeatures(2), Ridge(alpha=10.0)), x, y, test_rows=100)


@case
def pca_logreg_digits():
    x, y = datasets.load_digits(return_X_y=True)
    x, y = x[:600].astype(np.float32), y[:600]
    model = make_pipeline(MinMaxScaler(), PCA(20, random_state=SEED), LogisticRegression(max_iter=1000))
    return trained(model, x, y, test_rows=100, options={"zipmap": False})


@case
def gaussian_nb_wine():
    x, y = scaled(datasets.load_wine)
    return trained(GaussianNB(), x, y, test_rows=60, options={"zipmap": False})


@case
def gamma_glm_synthetic():
    x, linear = synthetic(rows=320, features=8)
    y = np.random.default_rng(SEED).gamma(shape=4.0, scale=np.exp(linear) / 4.0)
    return trained(make_pipeline(StandardScaler(), GammaRegressor(alpha=0.01)), 10 * x + 50, y, test_rows=120)


@case
def linear_svc_binary():
    x, y = scaled(datasets.load_breast_cancer)
    return trained(LinearSVC(random_state=SEED), x, y, test_rows=120)


@case
def ridge_multi_output():
    x, linear = synthetic(rows=300, features=6)
    noise = np.random.default_rng(SEED).normal(scale=0.1, size=(len(x), 3))
    y = np.stack([linear, 100 * x[:, 0] - 40 * x[:, 1], 0.01 * x[:, 2]], axis=1) + noise * [1, 10, 0.01]
    return trained(Ridge(), x, y, test_rows=100)


@case
def ovr_logreg_iris():
    x, y = datasets.load_iris(return_X_y=True)
    model = OneVsRestClassifier(LogisticRegression())
    return trained(model, x.astype(np.float32), y, test_rows=60, options={"zipmap": False})


@case
def logreg_double():
    """The input and every constant in float64."""
    x, y = datasets.load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return trained(model, x, y, test_rows=60, options={"zipmap": False})


@case
def elasticnet_csv():
    """One float input; the rows are a csv with a header."""
    x, y = datasets.load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    return trained(make_pipeline(StandardScaler(), ElasticNet(alpha=0.1)), x.astype(np.float32), y, test_rows=100)


# ---- tree ensembles ------------------------------------------------------------------------------


@case
def extra_trees_wine():
    """Three classes with text labels."""
    x, y = raw(datasets.load_wine)
    y = np.array(["barolo", "grignolino", "barbera"])[y]
    return tree(ExtraTreesClassifier(10, max_depth=4, random_state=SEED), x, y)


@case
def gradient_boosting_regressor():
    x, y = raw(datasets.load_diabetes)
    return tree(GradientBoostingRegressor(n_estimators=30, max_depth=3, random_state=SEED), x, y)


@case
def extra_trees_regressor():
    x, y = raw(datasets.load_diabetes)
    return tree(ExtraTreesRegressor(10, max_depth=5, random_state=SEED), x, y)


@case
def gradient_boosting_wine():
    """Three classes."""
    x, y = raw(datasets.load_wine)
    return tree(GradientBoostingClassifier(n_estimators=8, max_depth=3, random_state=SEED), x, y)


@case
def passengers_forest():
    """Trees behind the preprocessing of columns: scalers, an imputer, one-hot encoded text."""
    table, y = passengers(rows=240)
    model = make_pipeline(passenger_columns(), RandomForestClassifier(10, max_depth=5, random_state=SEED))
    return trained(model, table, y, test_rows=TREE_TEST_ROWS, initial_types=PASSENGER_INPUTS)


@case
def hist_gradient_boosting():
    """Missing values. skl2onnx 1.20 gives booleans where onnx 1.23 wants integers."""
    add_node = tree_ensemble.add_node

    def add(*args, nodes_missing_value_tracks_true=0, **kwargs):
        add_node(*args, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **kwargs)

    tree_ensemble.add_node = add
    x, y = with_gaps(*raw(datasets.load_breast_cancer))
    return tree(HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, random_state=SEED), x, y)


@case
def decision_tree_double():
    """Two targets; the input, thresholds and leaves in float64."""
    x, y = datasets.load_diabetes(return_X_y=True)
    y = np.stack([y, x[:, 2] * y], axis=1)
    made = tree(DecisionTreeRegressor(max_depth=5, random_state=SEED), x, y, {"": 17, "ai.onnx.ml": 3})
    # skl2onnx 1.20 declares a double, but the operator gives single precision whatever it is made of.
    made.onnx_model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return made


@case
def isolation_forest():
    x, _ = raw(datasets.load_iris)
    x[-20:] += np.random.default_rng(SEED).normal(scale=3, size=(20, x.shape[1])).astype(np.float32)
    opset = {"": 17, "ai.onnx.ml": 3}
    return tree(IsolationForest(n_estimators=5, max_samples=64, random_state=SEED), x, np.zeros(len(x), np.int64), opset)


@case
def ada_boost_iris():
    x, y = raw(datasets.load_iris)
    return tree(AdaBoostClassifier(n_estimators=6, random_state=SEED), x, y)


@case
def ada_boost_diabetes():
    x, y = raw(datasets.load_diabetes)
    return tree(AdaBoostRegressor(n_estimators=8, random_state=SEED), x, y)


@case
def xgb_iris():
    x, y = raw(datasets.load_iris)
    model = xgboost.XGBClassifier(n_estimators=8, max_depth=3, random_state=SEED)
    return boosted(model, x, y, onnxmltools.convert_xgboost)


@case
def xgb_missing():
    """Missing values in training and test rows."""
    x, y = with_gaps(*raw(datasets.load_breast_cancer))
    model = xgboost.XGBClassifier(n_estimators=15, max_depth=3, random_state=SEED)
    return boosted(model, x, y, onnxmltools.convert_xgboost)


@case
def xgb_base_score():
    x, y = raw(datasets.load_diabetes)
    model = xgboost.XGBRegressor(n_estimators=15, max_depth=3, base_score=100.0, random_state=SEED)
    return boosted(model, x, y, onnxmltools.convert_xgboost)


@case
def lightgbm_wine():
    """Three classes."""
    x, y = raw(datasets.load_wine)
    model = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=6, verbose=-1, random_state=SEED)
    return boosted(model, x, y, onnxmltools.convert_lightgbm, zipmap=False)


@case
def lightgbm_categories():
    """A column of categories, which has splits of its own kind, and missing values."""
    x, y = with_gaps(*raw(datasets.load_breast_cancer))
    x[:, 0] = np.random.default_rng(SEED).integers(1, 8, len(x))
    y = y ^ np.isin(x[:, 0], [2, 3, 7])
    model = lightgbm.LGBMClassifier(
        n_estimators=20, num_leaves=8, min_data_per_group=5, cat_smooth=1, verbose=-1, random_state=SEED
    )
    return boosted(model, x, y, onnxmltools.convert_lightgbm, fit={"categorical_feature": [0]}, zipmap=False)


@case
def catboost_breast_cancer():
    x, y = raw(datasets.load_breast_cancer)
    return boosted(catboost_model(catboost.CatBoostClassifier, 10), x, y, catboost_onnx)


@case
def catboost_diabetes():
    x, y = raw(datasets.load_diabetes)
    return boosted(catboost_model(catboost.CatBoostRegressor, 15), x, y, catboost_onnx)


@case
def tree_modes():
    """Every kind of branch, at its threshold and beside it, with missing values."""
    trees = complete(trees=6, depth=4, features=6, modes=len(complete_trees.MODES))
    return written(complete_trees.model(complete_trees.listed(trees), 6, ml_version=3), features=6)


@case
def tree_members():
    """The operator of ai.onnx.ml 5, whose branches may ask whether a value is in a set."""
    trees = complete(trees=5, depth=4, features=6, modes=complete_trees.MEMBER + 1)
    return written(complete_trees.model(complete_trees.split(trees), 6, ml_version=5), features=6)


@case
def tree_extremes():
    """Trees of which only the largest vote counts, with a base value."""
    trees = complete(trees=4, depth=3, features=6, modes=len(complete_trees.MODES))
    node = complete_trees.listed(trees)
    node.attribute.append(onnx.helper.make_attribute("aggregate_function", "MAX"))
    node.attribute.append(onnx.helper.make_attribute("base_values", [0.5]))
    return written(complete_trees.model(node, 6, ml_version=3), features=6)


@case
def tree_least():
    """Two targets, each with the least of the votes of three trees."""
    trees = complete(trees=6, depth=4, features=6, modes=complete_trees.MEMBER + 1)
    node = complete_trees.split(trees, targets=2, aggregate_function=2)
    return written(complete_trees.model(node, 6, ml_version=5, targets=2), features=6)


def complete(trees, depth, features, modes):
    """Random trees on features that are integers from 0 to 9."""
    rng = np.random.default_rng(SEED)
    shape = (trees, 2**depth - 1)
    mode = rng.integers(0, modes, shape)
    values = rng.integers(1, 9, shape).astype(object)
    for place in np.argwhere(mode == complete_trees.MEMBER):
        values[tuple(place)] = sorted(rng.choice(10, rng.integers(2, 6), replace=False).tolist())
    return complete_trees.Trees(
        features=rng.integers(0, features, shape),
        modes=mode,
        values=values,
        missing_pass=rng.integers(0, 2, shape),
        leaves=rng.normal(size=(trees, 2**depth)).round(3),
    )


def written(onnx_model, features):
    """A model without training; the targets are its own answers with noise."""
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 10, (TREE_CALIBRATION_ROWS + TREE_TEST_ROWS, features)).astype(np.float32)
    x, _ = with_gaps(x, None)
    x_calib, x_test = x[:TREE_CALIBRATION_ROWS], x[TREE_CALIBRATION_ROWS:]
    y = last_float_output(run(onnx_model, x_test))
    y_test = y + rng.normal(scale=0.3, size=y.shape)
    return Case(None, onnx_model, x_calib, x_test, y_test)


def catboost_model(kind, iterations):
    return kind(iterations=iterations, depth=3, random_seed=SEED, verbose=0, allow_writing_files=False)


def catboost_onnx(model, initial_types):
    """CatBoost exports by itself, to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        return onnx.load(path)


# ---- data ----------------------------------------------------------------------------------------


def scaled(load):
    x, y = load(return_X_y=True)
    return StandardScaler().fit_transform(x).astype(np.float32), y


def raw(load):
    x, y = load(return_X_y=True)
    return x.astype(np.float32), y


def with_gaps(x, y):
    x[np.random.default_rng(SEED).random(x.shape) < 0.1] = np.nan
    return x, y


def synthetic(rows, features):
    """Normal features and a linear target of theirs with a spread near one."""
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    weights = rng.normal(size=features) / np.sqrt(features)
    return x, x @ weights + 0.3


def passengers(rows):
    """An invented passenger list; the last rows (test rows, see `split`) hold a port no training row has."""
    rng = np.random.default_rng(SEED)
    sex = rng.choice(["female", "male"], rows, p=[0.4, 0.6])
    port = rng.choice(["Cherbourg", "Queenstown", "Southampton", "unknown"], rows, p=[0.2, 0.1, 0.65, 0.05])
    port[-5:] = "Belfast"
    age = rng.normal(30, 12, rows).clip(1, 80).round(1)
    fare = rng.lognormal(3, 0.9, rows).round(2)
    siblings = rng.poisson(0.6, rows)
    score = 1.9 * (sex == "female") - 0.025 * age + 0.012 * fare - 0.3 * siblings + 0.6 * (port == "Cherbourg") - 0.3
    survived = rng.random(rows) < 1 / (1 + np.exp(-score))
    age[rng.random(rows) < 0.15] = np.nan
    fare[rng.random(rows) < 0.05] = np.nan
    table = pd.DataFrame({"age": age, "fare": fare, "siblings": siblings, "sex": sex, "port": port})
    return table, np.where(survived, "survived", "lost")


PASSENGER_INPUTS = [
    ("age", FloatTensorType([None, 1])),
    ("fare", FloatTensorType([None, 1])),
    ("siblings", Int64TensorType([None, 1])),
    ("sex", StringTensorType([None, 1])),
    ("port", StringTensorType([None, 1])),
]


def passenger_columns():
    return ColumnTransformer(
        [
            ("measured", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "fare"]),
            ("counted", StandardScaler(), ["siblings"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["sex", "port"]),
        ]
    )


def split(x, y, test_rows):
    """Tables keep their order, so that the last rows are test rows; arrays are shuffled."""
    if isinstance(x, pd.DataFrame):
        return x[:-test_rows], x[-test_rows:], y[:-test_rows], y[-test_rows:]
    return train_test_split(x, y, test_size=test_rows, random_state=SEED)


# ---- training and export -------------------------------------------------------------------------


def trained(model, x, y, test_rows, options=None, target_opset=None, initial_types=None):
    x_train, x_test, y_train, y_test = split(x, y, test_rows)
    single_input = initial_types is None and isinstance(x, pd.DataFrame)
    # A model with one input sees the table as a plain matrix, and must not remember column names.
    fit_on = x_train.to_numpy() if single_input else x_train
    model.fit(fit_on, y_train)
    if options is not None:
        options = {id(model): options}
    sample = None if initial_types else np.asarray(fit_on)[:1]
    onnx_model = to_onnx(model, sample, initial_types=initial_types, options=options, target_opset=target_opset)
    onnx_model.opset_import.sort(key=lambda opset: opset.domain)  # skl2onnx leaves them in hash order
    return Case(model, onnx_model, x_train[:MAX_CALIBRATION_ROWS], x_test, np.asarray(y_test))


def tree(model, x, y, target_opset=None):
    options = {"zipmap": False} if is_classifier(model) else None
    made = trained(model, x, y, TREE_TEST_ROWS, options, target_opset)
    made.x_calib = made.x_calib[:TREE_CALIBRATION_ROWS]
    return made


def boosted(model, x, y, convert, fit=None, **options):
    """A model whose exporter is not scikit-learn's."""
    x_train, x_test, y_train, y_test = split(x, y, TREE_TEST_ROWS)
    model.fit(x_train, y_train, **(fit or {}))
    types = [("x", MlFloatTensorType([None, x.shape[1]]))]
    return Case(model, convert(model, initial_types=types, **options), x_train[:TREE_CALIBRATION_ROWS], x_test, y_test)


if __name__ == "__main__":
    command_line(CASES, __doc__)
