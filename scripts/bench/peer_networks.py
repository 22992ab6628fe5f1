"""Concrete ML on the ONNX files of networks, by its own import and at its documented defaults.

    PYTHON peer_networks.py ROWS MODELS CASE ...        prints one JSON object by case

Float networks are quantized after training: 6 bits, sums rounded to 6 bits by its approximate method. A case with a
`model_qonnx.onnx` was trained with 4 bits, which that file states. Only so many rows are run encrypted.
"""

import json
import resource
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from concrete.ml.torch.compile import compile_onnx_model

from peer_calls import deployed, timed

CALIBRATION_ROWS = 300
SIMULATED_ROWS = 200
ROUNDING = {"n_bits": 6, "method": "approximate"}


def compiled(folder):
    calibration = np.load(folder / "x_calib.npy")[:CALIBRATION_ROWS]
    trained = folder / "model_qonnx.onnx"
    path = trained if trained.exists() else folder / "model.onnx"
    bits = 4 if trained.exists() else 6
    model = onnx.load(path)
    seconds, module = timed(
        lambda: compile_onnx_model(
            model, calibration, import_qat=trained.exists(), n_bits=bits, rounding_threshold_bits=ROUNDING
        )
    )
    return seconds, module, bits


def measure(folder, rows):
    compiling, module, bits = compiled(folder)
    x, labels, floats = (np.load(folder / f"{name}.npy") for name in ("x_test", "y_test", "y_float"))
    some = slice(0, SIMULATED_ROWS)
    simulated = module.forward(x[some], fhe="simulate").argmax(1)
    report = {
        "version": version("concrete-ml"),
        "bits": bits,
        "lookups": int(module.fhe_circuit.programmable_bootstrap_count),
        "compile": compiling,
        "simulated": {"rows": len(simulated), "accuracy": float((simulated == labels[some]).mean())},
    }
    with tempfile.TemporaryDirectory() as out:
        stages, found = deployed(module, str(Path(out) / "model"), x[:rows])
    decided = found.argmax(1)
    return report | stages | {
        "rows": len(decided),
        "right": int((decided == labels[: len(decided)]).sum()),
        "agreed": int((decided == floats[: len(decided)].argmax(1)).sum()),
        "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def main():
    rows, models, *cases = sys.argv[1:]
    print(json.dumps({case: measure(Path(models) / case, int(rows)) for case in cases}))


if __name__ == "__main__":
    main()
