"""Federated learning with Flower whose server sees ciphertexts alone.

Four parties train one classifier of digits. Flower carries messages; every update in them is a file that
`fhe-ml encrypt` wrote, every answer of the server one that `fhe-ml aggregate run` wrote. The parties share a
secret key that the server does not have. In the end the model is run on encrypted rows.

    python federated.py [FOLDER]        with `fhe-ml` on the path
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, MetricRecord, RecordDict, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

# Rows of each party; they differ, and so do the weights.
SIZES = [150, 250, 400, 500]
ROUNDS = 6
LOCAL_STEPS = 40
LEARNING_RATE = 0.5
# Ray runs the parties in processes of their own, which find the folder here.
FOLDER = "FEDERATED_FOLDER"


def folder():
    return Path(os.environ[FOLDER])


def fhe_ml(*arguments):
    subprocess.run(["fhe-ml", "--quiet", *map(str, arguments)], check=True)


# The model: multinomial logistic regression.


def data():
    pixels, labels = load_digits(return_X_y=True)
    return train_test_split(pixels / 16.0, labels, test_size=400, random_state=0, stratify=labels)


def rows_of(party):
    rows, _, labels, _ = data()
    start = sum(SIZES[:party])
    return rows[start : start + SIZES[party]], labels[start : start + SIZES[party]]


def new_model():
    return {"weights": np.zeros((64, 10)), "bias": np.zeros(10)}


def probabilities(model, rows):
    scores = rows @ model["weights"] + model["bias"]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def accuracy(model):
    _, rows, _, labels = data()
    return float((probabilities(model, rows).argmax(axis=1) == labels).mean())


def update_of(model, party):
    """What some steps of gradient descent on a party's own rows change."""
    rows, labels = rows_of(party)
    trained = {name: values.copy() for name, values in model.items()}
    for _ in range(LOCAL_STEPS):
        errors = (probabilities(trained, rows) - np.eye(10)[labels]) / len(rows)
        trained["weights"] -= LEARNING_RATE * rows.T @ errors
        trained["bias"] -= LEARNING_RATE * errors.sum(axis=0)
    return {name: trained[name] - model[name] for name in model}


def changed(model, update):
    return {name: model[name] + update[name] for name in model}


# The parties. Flower may run each call in another process, so a party keeps its model in a file.


def to_record(path):
    return ArrayRecord([np.fromfile(path, dtype=np.uint8)])


def to_file(record, path):
    record.to_numpy_ndarrays()[0].tofile(path)
    return path


def apply_sum(record, party, number):
    """The model after the round of this number, whose encrypted sum the server sent."""
    home = folder() / f"party{party}"
    home.mkdir(exist_ok=True)
    if number == 0:
        return new_model()
    if number > 1:
        model = dict(np.load(home / f"model{number - 1}.npz"))
    else:
        model = new_model()
    encrypted, average = home / f"sum{number}.ct", home / f"average{number}.npz"
    to_file(record, encrypted)
    fhe_ml("decrypt", folder() / "round", "--key", folder() / "keys", "--input", encrypted, "-o", average)
    model = changed(model, np.load(average))
    np.savez(home / f"model{number}.npz", **model)
    return model


client_app = ClientApp()


@client_app.train()
def train(message, context):
    party = context.node_config["partition-id"]
    number = message.content["config"]["server-round"]
    model = apply_sum(message.content["arrays"], party, number - 1)
    home = folder() / f"party{party}"
    update, encrypted = home / f"update{number}.npz", home / f"update{number}.ct"
    np.savez(update, **update_of(model, party))
    fhe_ml(
        *("encrypt", folder() / "round", "--public-key", folder() / "keys" / "public.key"),
        *("--party", f"party{party}", "--input", update, "-o", encrypted),
    )
    metrics = MetricRecord({"num-examples": SIZES[party], "accuracy": accuracy(model)})
    return Message(RecordDict({"arrays": to_record(encrypted), "metrics": metrics}), reply_to=message)


# The server: it has the plan's server file, and neither key.


class EncryptedFedAvg(FedAvg):
    """Adds up ciphertexts where FedAvg adds up arrays."""

    def aggregate_train(self, server_round, replies):
        valid, _ = self._check_and_log_replies(replies, is_train=True, validate=False)
        home = folder() / "server"
        files, weights = [], []
        for index, reply in enumerate(valid):
            files.append(to_file(reply.content["arrays"], home / f"update{server_round}.{index}.ct"))
            weights.append(int(reply.content["metrics"]["num-examples"]))
        total = home / f"sum{server_round}.ct"
        fhe_ml(
            *("aggregate", "run", home / "server.fhe", *files),
            *("--weights", ",".join(map(str, weights)), "-o", total),
        )
        metrics = self.train_metrics_aggr_fn([reply.content for reply in valid], self.weighted_by_key)
        return to_record(total), metrics


server_app = ServerApp()


@server_app.main()
def serve(grid, context):
    count = len(SIZES)
    strategy = EncryptedFedAvg(fraction_evaluate=0.0, min_train_nodes=count, min_available_nodes=count)
    nothing_yet = ArrayRecord([np.zeros(1, dtype=np.uint8)])
    result = strategy.start(grid, nothing_yet, num_rounds=ROUNDS)
    to_file(result.arrays, folder() / "last_sum.ct")


def plain():
    """The same rounds with averages in the clear."""
    model = new_model()
    for number in range(1, ROUNDS + 1):
        updates = [update_of(model, party) for party in range(len(SIZES))]
        shares = [size / sum(SIZES) for size in SIZES]
        average = {name: sum(s * u[name] for s, u in zip(shares, updates)) for name in model}
        model = changed(model, average)
        print(f"plain round {number}: accuracy {accuracy(model):.4f}")
    return model


def export(model, path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Gemm", ["x", "weights", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 64])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 10])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in model.items()],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def infer(model):
    """The trained model on encrypted rows: nobody but the client sees a digit."""
    home = folder() / "inference"
    home.mkdir()
    rows, test, _, labels = data()
    export(model, home / "digits.onnx")
    np.save(home / "sample.npy", rows[:200].astype(np.float32))
    np.save(home / "rows.npy", test.astype(np.float32))
    fhe_ml("compile", home / "digits.onnx", "--calibration", home / "sample.npy", "-o", home / "model")
    fhe_ml("keygen", home / "model", "-o", home / "keys")
    fhe_ml("encrypt", home / "model", "--key", home / "keys", "--input", home / "rows.npy", "-o", home / "rows.ct")
    fhe_ml("run", home / "model", "--key", home / "keys", "--input", home / "rows.ct", "-o", home / "out.ct")
    fhe_ml("decrypt", home / "model", "--key", home / "keys", "--input", home / "out.ct", "-o", home / "out.npy")
    return float((np.load(home / "out.npy").argmax(axis=1) == labels).mean())


def main():
    os.environ[FOLDER] = str(Path(sys.argv[1] if len(sys.argv) > 1 else "federated").absolute())
    (folder() / "server").mkdir(parents=True)
    np.savez(folder() / "like.npz", **new_model())
    fhe_ml(
        *("aggregate", "plan", "--like", folder() / "like.npz", "--parties", len(SIZES)),
        *("--total-weight", sum(SIZES), "--clip", 4, "--bits", 18, "-o", folder() / "round"),
    )
    fhe_ml("keygen", folder() / "round" / "client.fhe", "-o", folder() / "keys", "--public")
    (folder() / "round" / "server.fhe").rename(folder() / "server" / "server.fhe")

    run_simulation(server_app, client_app, num_supernodes=len(SIZES), backend_config={"client_resources": {"num_cpus": 1}})

    record = ArrayRecord([np.fromfile(folder() / "last_sum.ct", dtype=np.uint8)])
    encrypted = apply_sum(record, 0, ROUNDS)
    for number in range(1, ROUNDS + 1):
        model = dict(np.load(folder() / "party0" / f"model{number}.npz"))
        print(f"encrypted round {number}: accuracy {accuracy(model):.4f}")
    clear = plain()
    apart = max(np.abs(encrypted[name] - clear[name]).max() for name in clear)
    size = (folder() / "party0" / "update1.ct").stat().st_size
    print(f"weights of both models are {apart:.1e} apart at most; an update takes {size} bytes")
    print(f"encrypted rows, model of encrypted training: accuracy {infer(encrypted):.4f}")


if __name__ == "__main__":
    main()
