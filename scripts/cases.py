"""A case: a trained model as ONNX with its rows and onnxruntime's answers, one folder of files.

    model.onnx        the exported model
    x_calib.npy|csv   calibration rows: training rows (csv where the columns have names)
    x_test.npy|csv    test rows, none of them a calibration row
    y_test.npy|csv    labels or targets of the test rows (csv where the labels are text)
    y_float.npy       onnxruntime's last float output on x_test
    expected.json     onnxruntime's outputs on x_test: an array of rows, each an object by output name.
                      A value is a scalar (one value a row), a list (several), or for the scores of a
                      classifier an object by class label.

A trained model is compared with its ONNX form before anything is written.
"""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from sklearn.base import is_classifier, is_outlier_detector


@dataclass
class Case:
    """A trained model, its ONNX form and the rows that go with it (arrays, or DataFrames with named columns)."""

    sklearn_model: object  # None for a model that was written by hand
    onnx_model: onnx.ModelProto
    x_calib: object
    x_test: object
    y_test: np.ndarray
    answering_model: onnx.ModelProto = None  # what onnxruntime runs where it cannot run the model itself


def command_line(cases, about, out=Path("models")):
    """The command line of a script that makes cases, functions by name; `about` is what it says of itself."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("case", nargs="*", help=f"one of: {', '.join(cases)} (default: all)")
    parser.add_argument("-o", "--out", type=Path, default=out, help="folder of the cases")
    parser.add_argument("--force", action="store_true", help="make cases anew whose folder exists")
    parser.add_argument("--expected", action="store_true", help="rewrite only expected.json of cases that exist")
    args = parser.parse_args()
    unknown = [name for name in args.case if name not in cases]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}")
    for name in args.case or cases:
        folder = args.out / name
        if args.expected and folder.exists():
            write_expected(folder, onnx.load(folder / "model.onnx"))
        elif args.force or not folder.exists():
            write_case(folder, cases[name]())
        else:
            print(f"{name}: exists, left alone", file=sys.stderr)
            continue
        print(f"{name}: written", file=sys.stderr)


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
    options = onnxruntime.SessionOptions()
    if any(node.op_type == "QuantizeLinear" for node in onnx_model.graph.node):
        # Fused quantizers saturate elsewhere; what counts is what the file says.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), options, providers=["CPUExecutionProvider"])
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
    if case.sklearn_model is not None:
        compare_with_sklearn(case)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    case.onnx_model.graph.name = folder.name  # exporters draw one at random
    (folder / "model.onnx").write_bytes(case.onnx_model.SerializeToString())
    write_rows(folder / "x_calib", case.x_calib)
    write_rows(folder / "x_test", case.x_test)
    text_labels = case.y_test.dtype.kind in "OU"
    write_rows(folder / "y_test", pd.DataFrame({"label": case.y_test}) if text_labels else case.y_test)
    answering_model = case.answering_model or case.onnx_model
    write_expected(folder, answering_model)
    np.save(folder / "y_float.npy", last_float_output(run(answering_model, case.x_test)))


def write_rows(stem, rows):
    if isinstance(rows, pd.DataFrame):
        rows.to_csv(stem.with_suffix(".csv"), index=False, lineterminator="\n")
    else:
        np.save(stem.with_suffix(".npy"), rows)


def read_rows(stem):
    table = stem.with_suffix(".csv")
    return pd.read_csv(table) if table.exists() else np.load(stem.with_suffix(".npy"))


def write_expected(folder, onnx_model):
    """Answers to the rows as they stand in the files."""
    rows = expected_rows(run(onnx_model, read_rows(folder / "x_test")), class_labels(onnx_model))
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    (folder / "expected.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
