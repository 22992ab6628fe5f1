"""How long calls of Concrete ML take."""

import statistics
import time

import numpy as np
from concrete import fhe
from concrete.ml.deployment import FHEModelClient, FHEModelDev, FHEModelServer


def deployed(model, folder, x):
    """The times and sizes of a compiled model on some rows, through its files, and what each row decrypts to."""
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
    report = {
        "keygen": keygen,
        "encrypt": summary(encrypts),
        "run": summary(runs),
        "decrypt": summary(decrypts),
        "input_bytes": len(encrypted),
        "output_bytes": len(result),
        "evaluation_key_bytes": len(keys),
    }
    return report, np.stack(found)


def timed(function, *arguments):
    """Wall and processor seconds of all threads, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}, result


def summary(times):
    """Of all calls but the first, which also prepares the keys."""
    again = {clock: [seconds[clock] for seconds in times[1:]] for clock in ("wall", "cpu")}
    stage = {clock: {"median": statistics.median(all), "least": min(all)} for clock, all in again.items()}
    return stage | {"first": times[0]["wall"]}
