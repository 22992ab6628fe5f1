#!/usr/bin/env python3
"""Trains the small models under models/, exports them to ONNX and records what onnxruntime answers.

    python scripts/make_models.py [CASE ...] [-o models] [--force] [--expected]

Each case becomes one folder, tree ensembles in `trees/`:

    model.onnx        the exported model
    x_calib.npy|csv   calibration rows: training rows, at most 200 (csv where the columns have names)
    x_test.npy|csv    test rows, none of them a calibration row
    y_test.npy|csv    labels or targets of the test rows (csv where the labels are text)
    y_float.npy       onnxruntime's last float output on x_test
    expected.json     onnxruntime's outputs on x_test: an array of rows, each an object by output name.
                      A value is a scalar (one value a row), a list (several), or for the scores of a
                      classifier an object by class label.

A folder that exists is left alone; --force makes it anew, --expected rewrites only expected.json.
logreg_breast_cancer, linreg_diabetes, linear_svc_wine and poisson_synthetic were trained earlier and are
kept as they were; --force makes equivalents of them. Every model is compared with scikit-learn before
anything is written.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnx
import onnxmltools
import onnxruntime
import pandas as pd
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MlFloatTensorType
from skl2onnx import to_onnx
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import datasets
from sklearn.base import is_classifier, is_outlier_detector
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, GammaRegressor, LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

SEED = 7
MAX_CALIBRATION_ROWS = 200
TREE_CALIBRATION_ROWS = 100
TREE_TEST_ROWS = 60
CASES = {}


@dataclass
class Case:
    """A trained model, its ONNX form and the rows that go with it (arrays, or DataFrames with named columns)."""

    sklearn_model: object
    onnx_model: onnx.ModelProto
    x_calib: object
    x_test: object
    y_test: np.ndarray


def case(make):
    CASES[make.__name__] = make
    return make


def tree_case(make):
    CASES[f"trees/{make.__name__}"] = make
    return make


# ---- cases trained earlier -----------------------------------------------------------------------


@case
def logreg_breast_cancer():
    x, y = scaled(datasets.load_breast_cancer)
    return trained(LogisticRegression(max_iter=1000), x, y, test_rows=143, options={"zipmap": False}, target_opset=17)


@case
def linreg_diabetes():
    x, y = scaled(datasets.load_diabetes)
    return trained(LinearRegression(), x, y, test_rows=111, target_opset=17)


@case
def linear_svc_wine():
    x, y = scaled(datasets.load_wine)
    return trained(LinearSVC(random_state=SEED), x, y, test_rows=45, target_opset=17)


@case
def poisson_synthetic():
    x, linear = synthetic(rows=450, features=10)
    y = np.random.default_rng(SEED).poisson(np.exp(linear)).astype(np.float64)
    return trained(PoissonRegressor(), x, y, test_rows=150, target_opset=17)


# ---- whole pipelines -----------------------------------------------------------------------------


@case
def pipeline_passengers():
    """Numbers with gaps, text columns, an integer column, text labels, one ONNX input a column, ZipMap."""
    table, y = passengers(rows=360)
    columns = ColumnTransformer(
        [
            ("measured", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "fare"]),
            ("counted", StandardScaler(), ["siblings"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["sex", "port"]),
        ]
    )
    inputs = [
        ("age", FloatTensorType([None, 1])),
        ("fare", FloatTensorType([None, 1])),
        ("siblings", Int64TensorType([None, 1])),
        ("sex", StringTensorType([None, 1])),
        ("port", StringTensorType([None, 1])),
    ]
    return trained(make_pipeline(columns, LogisticRegression()), table, y, test_rows=120, initial_types=inputs)


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


@tree_case
def rf_breast_cancer():
    x, y = raw(datasets.load_breast_cancer)
    return tree(RandomForestClassifier(20, max_depth=4, random_state=SEED), x, y)


@tree_case
def extra_trees_wine():
    """Three classes with text labels."""
    x, y = raw(datasets.load_wine)
    y = np.array(["barolo", "grignolino", "barbera"])[y]
    return tree(ExtraTreesClassifier(10, max_depth=4, random_state=SEED), x, y)


@tree_case
def gradient_boosting_regressor():
    x, y = raw(datasets.load_diabetes)
    return tree(GradientBoostingRegressor(n_estimators=30, max_depth=3, random_state=SEED), x, y)


@tree_case
def hist_gradient_boosting():
    """Missing values. skl2onnx 1.20 gives booleans where onnx 1.23 wants integers."""
    add_node = tree_ensemble.add_node

    def add(*args, nodes_missing_value_tracks_true=0, **kwargs):
        add_node(*args, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **kwargs)

    tree_ensemble.add_node = add
    x, y = with_gaps(*raw(datasets.load_breast_cancer))
    return tree(HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, random_state=SEED), x, y)


@tree_case
def decision_tree_double():
    """Two targets; the input, thresholds and leaves in float64."""
    x, y = datasets.load_diabetes(return_X_y=True)
    y = np.stack([y, x[:, 2] * y], axis=1)
    made = tree(DecisionTreeRegressor(max_depth=5, random_state=SEED), x, y, {"": 17, "ai.onnx.ml": 3})
    # skl2onnx 1.20 declares a double, but the operator gives single precision whatever it is made of.
    made.onnx_model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return made


@tree_case
def isolation_forest():
    x, _ = raw(datasets.load_iris)
    x[-20:] += np.random.default_rng(SEED).normal(scale=3, size=(20, x.shape[1])).astype(np.float32)
    opset = {"": 17, "ai.onnx.ml": 3}
    return tree(IsolationForest(n_estimators=5, max_samples=64, random_state=SEED), x, np.zeros(len(x), np.int64), opset)


@tree_case
def ada_boost_iris():
    x, y = raw(datasets.load_iris)
    return tree(AdaBoostClassifier(n_estimators=6, random_state=SEED), x, y)


@tree_case
def xgb_breast_cancer():
    x, y = raw(datasets.load_breast_cancer)
    model = xgboost.XGBClassifier(n_estimators=25, max_depth=3, random_state=SEED)
    return boosted(model, x, y, onnxmltools.convert_xgboost)


@tree_case
def xgb_iris():
    x, y = raw(datasets.load_iris)
    model = xgboost.XGBClassifier(n_estimators=8, max_depth=3, random_state=SEED)
    return boosted(model, x, y, onnxmltools.convert_xgboost)


@tree_case
def lightgbm_categories():
    """A column of categories, which has splits of its own kind, and missing values."""
    x, y = with_gaps(*raw(datasets.load_breast_cancer))
    x[:, 0] = np.random.default_rng(SEED).integers(1, 8, len(x))
    y = y ^ np.isin(x[:, 0], [2, 3, 7])
    model = lightgbm.LGBMClassifier(
        n_estimators=20, num_leaves=8, min_data_per_group=5, cat_smooth=1, verbose=-1, random_state=SEED
    )
    return boosted(model, x, y, onnxmltools.convert_lightgbm, fit={"categorical_feature": [0]}, zipmap=False)


@tree_case
def catboost_breast_cancer():
    x, y = raw(datasets.load_breast_cancer)
    return boosted(catboost_model(catboost.CatBoostClassifier, 10), x, y, catboost_onnx)


@tree_case
def catboost_diabetes():
    x, y = raw(datasets.load_diabetes)
    return boosted(catboost_model(catboost.CatBoostRegressor, 15), x, y, catboost_onnx)


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


# ---- onnxruntime ---------------------------------------------------------------------------------

NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(string)": object,
}


def feeds(session, x):
    """The rows as the session's inputs want them: one matrix, or one column an input."""
    inputs = session.get_inputs()
    if len(inputs) == 1:
        return {inputs[0].name: np.asarray(x, dtype=NUMPY_TYPES[inputs[0].type])}
    return {i.name: x[[i.name]].to_numpy(dtype=NUMPY_TYPES[i.type]) for i in inputs}


def run(onnx_model, x):
    """onnxruntime's outputs by name."""
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds(session, x))))


def last_float_output(outputs):
    """The scores or predictions as an array: [rows], or [rows, values]."""
    last = list(outputs.values())[-1]
    if isinstance(last, list):  # ZipMap
        last = np.array([list(row.values()) for row in last], dtype=np.float32)
    return last[:, 0] if last.ndim == 2 and last.shape[1] == 1 else last


def expected_rows(outputs, classes):
    return [
        {name: readable(output[row], classes) for name, output in outputs.items()}
        for row in range(len(next(iter(outputs.values()))))
    ]


def readable(value, classes):
    if isinstance(value, dict):
        return {str(label): float(score) for label, score in value.items()}
    values = np.asarray(value).reshape(-1).tolist()
    if len(values) == 1:
        return values[0]
    if classes is not None and len(values) == len(classes):
        return dict(zip((str(label) for label in classes), values))
    return values


def class_labels(onnx_model):
    """The labels in score order, as the exporter left them in the graph; None for a regressor.

    A `classes` constant names the final labels; without one the last classifier node does.
    """
    for constant in onnx_model.graph.initializer:
        if constant.name == "classes":
            labels = onnx.numpy_helper.to_array(constant).tolist()
            return [label.decode() if isinstance(label, bytes) else label for label in labels]
    for node in reversed(onnx_model.graph.node):
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings" and attribute.strings:
                return [label.decode() for label in attribute.strings]
            if attribute.name in ("classlabels_ints", "classlabels_int64s") and attribute.ints:
                return list(attribute.ints)
    return None


def compare_with_sklearn(case):
    """Fails when the export does not say what the trained model says."""
    outputs = run(case.onnx_model, case.x_test)
    model = case.sklearn_model
    x = case.x_test
    if isinstance(x, pd.DataFrame) and not hasattr(model, "feature_names_in_"):
        x = x.to_numpy()
    if is_outlier_detector(model):
        label, scores = outputs.values()
        assert (label.ravel() == model.predict(x)).all(), "labels differ from scikit-learn's"
        np.testing.assert_allclose(scores.ravel(), model.decision_function(x), rtol=1e-4, atol=1e-4)
        return
    if not is_classifier(model):
        np.testing.assert_allclose(last_float_output(outputs), model.predict(x), rtol=1e-4, atol=1e-4)
        return
    label = next(iter(outputs.values()))
    disagreements = int(np.sum(label != model.predict(x)))
    assert disagreements == 0, f"{disagreements} labels differ from scikit-learn's"
    probabilities = hasattr(model, "predict_proba")
    scores = model.predict_proba(x) if probabilities else model.decision_function(x)
    found = last_float_output(outputs)
    if scores.ndim == 1 and found.ndim == 2:  # two classes: skl2onnx gives both signs
        scores = np.stack([-scores, scores], axis=1)
    np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-4)


# ---- files ---------------------------------------------------------------------------------------


def write_case(folder, case):
    compare_with_sklearn(case)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.onnx_model.SerializeToString())
    write_rows(folder / "x_calib", case.x_calib)
    write_rows(folder / "x_test", case.x_test)
    text_labels = case.y_test.dtype.kind in "OU"
    write_rows(folder / "y_test", pd.DataFrame({"label": case.y_test}) if text_labels else case.y_test)
    write_expected(folder)
    np.save(folder / "y_float.npy", last_float_output(run(case.onnx_model, case.x_test)))


def write_rows(stem, rows):
    if isinstance(rows, pd.DataFrame):
        rows.to_csv(stem.with_suffix(".csv"), index=False, lineterminator="\n")
    else:
        np.save(stem.with_suffix(".npy"), rows)


def read_rows(stem):
    table = stem.with_suffix(".csv")
    return pd.read_csv(table) if table.exists() else np.load(stem.with_suffix(".npy"))


def write_expected(folder):
    """Answers to the rows as they stand in the files."""
    onnx_model = onnx.load(folder / "model.onnx")
    rows = expected_rows(run(onnx_model, read_rows(folder / "x_test")), class_labels(onnx_model))
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    (folder / "expected.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", help=f"one of: {', '.join(CASES)} (default: all)")
    parser.add_argument("-o", "--out", type=Path, default=Path("models"), help="folder of the cases")
    parser.add_argument("--force", action="store_true", help="make cases anew whose folder exists")
    parser.add_argument("--expected", action="store_true", help="rewrite only expected.json of cases that exist")
    args = parser.parse_args()
    unknown = [name for name in args.case if name not in CASES]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}")
    for name in args.case or CASES:
        folder = args.out / name
        if args.expected and folder.exists():
            write_expected(folder)
        elif args.force or not folder.exists():
            write_case(folder, CASES[name]())
        else:
            print(f"{name}: exists, left alone", file=sys.stderr)
            continue
        print(f"{name}: written", file=sys.stderr)


if __name__ == "__main__":
    main()
