"""Concrete ML on the cases it has a recipe for: trains the model again, compiles it, times each stage.

    PYTHON peer.py MODELS CASE ...        prints one JSON object by case, without those that have no recipe

Concrete ML cannot read the cases' ONNX files, so the same estimator is trained on the same rows and must
give what the case's y_float.npy holds.
"""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import concrete.ml.sklearn as peer
import numpy as np

from peer_calls import deployed, timed
from recipes import RECIPES


def scores(estimator, x):
    for method in ("predict_proba", "decision_function", "predict"):
        if hasattr(estimator, method):
            return np.asarray(getattr(estimator, method)(x), dtype=float)


def decrypted_scores(estimator, x):
    """As `scores`, after what Concrete ML's client does: class scores go through softmax."""
    values = scores(estimator, x)
    if not hasattr(estimator, "decision_function") or hasattr(estimator, "predict_proba"):
        return values
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def measure(folder, recipe):
    x_train, _, y_train, _ = recipe.rows()
    x = np.load(folder / "x_test.npy")[: recipe.measured_rows]
    estimator = recipe.estimator.fit(x_train, y_train)
    reference = np.load(folder / "y_float.npy")[: len(x)].reshape(len(x), -1)
    if not np.allclose(scores(estimator, x).reshape(len(x), -1), reference, rtol=1e-3, atol=1e-3):
        raise SystemExit(f"the model trained again for '{folder}' is not the case's model")
    model = getattr(peer, type(estimator).__name__).from_sklearn_model(estimator, x_train, n_bits=recipe.bits)
    compiling, _ = timed(model.compile, x_train[:500])
    report = {"version": version("concrete-ml"), "bits": recipe.bits, "rows": len(x), "compile": compiling}
    with tempfile.TemporaryDirectory() as out:
        stages, found = deployed(model, str(Path(out) / "model"), x)
    return report | stages | compared(found, decrypted_scores(estimator, x))


def compared(found, expected):
    """How far results are from what was expected of them."""
    expected = expected.reshape(len(found), -1)
    classes = expected.shape[1] > 1
    return {
        "difference": float((np.abs(found - expected) / np.maximum(np.abs(expected).max(0), 1)).max()),
        "labels": len(found) if classes else 0,
        "wrong_labels": int((found.argmax(1) != expected.argmax(1)).sum()) if classes else 0,
    }


def main():
    models, *cases = sys.argv[1:]
    recipes = {case: RECIPES[case] for case in cases if case in RECIPES}
    print(json.dumps({case: measure(Path(models) / case, recipe) for case, recipe in recipes.items()}))


if __name__ == "__main__":
    main()
