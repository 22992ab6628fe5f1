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
from concrete import fhe
from concrete.ml.deployment import FHEModelClient, FHEModelDev, FHEModelServer

from peer_calls import summary, timed
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
        return report | measure_deployed(model, str(Path(out) / "model"), x, decrypted_scores(estimator, x))


def measure_deployed(model, folder, x, expected):
    FHEModelDev(folder, model).save()
    client, server = FHEModelClient(folder), FHEModelServer(folder)
    keygen, _ = timed(client.generate_private_and_evaluation_keys, True)
    keys = client.get_serialized_evaluation_keys()
    evaluation_keys = fhe.EvaluationKeys.deserialize(keys)
    encrypts, runs, decrypts, found = [], [], [], []
    for row in range(len(x)):  # the circuit takes one row
        seconds, encrypted = timed(client.quantize_encrypt_serialize, x[row : row + 1])
        encrypts.append(seconds)
        seconds, result = timed(server.run, encrypted, evaluation_keys)
        runs.append(seconds)
        seconds, values = timed(client.deserialize_decrypt_dequantize, result)
        decrypts.append(seconds)
        found.append(np.asarray(values, dtype=float).reshape(-1))
    found, expected = np.stack(found), expected.reshape(len(x), -1)
    classes = expected.shape[1] > 1
    return {
        "encrypt": summary(encrypts),
        "run": summary(runs),
        "decrypt": summary(decrypts),
        "keygen": keygen,
        "input_bytes": len(encrypted),
        "output_bytes": len(result),
        "evaluation_key_bytes": len(keys),
        "difference": float((np.abs(found - expected) / np.maximum(np.abs(expected).max(0), 1)).max()),
        "labels": len(x) if classes else 0,
        "wrong_labels": int((found.argmax(1) != expected.argmax(1)).sum()) if classes else 0,
    }


def main():
    models, *cases = sys.argv[1:]
    recipes = {case: RECIPES[case] for case in cases if case in RECIPES}
    print(json.dumps({case: measure(Path(models) / case, recipe) for case, recipe in recipes.items()}))


if __name__ == "__main__":
    main()
