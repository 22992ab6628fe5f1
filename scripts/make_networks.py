#!/usr/bin/env python3
"""Trains the small networks under models/networks/ and records what onnxruntime answers.

    python scripts/make_networks.py [CASE ...] [-o models/networks] [--force] [--expected]

They all look at the handwritten digits of scikit-learn, 8 by 8 pixels. `cases.py` says which files a case has.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn import datasets
from torch import nn

from cases import Case, command_line

SEED = 7
TRAINING_ROWS, CALIBRATION_ROWS, TEST_ROWS = 1300, 60, 40
CASES = {}

def case(make):
    CASES[make.__name__] = make
    return make


@case
def cnn_digits():
    """The TorchScript exporter: strides, batch normalization, a pool of each kind."""
    return written(torch_script(plain_network(), opset=13))


@case
def cnn_digits_dynamo():
    """The exporter of torch.export: a sum of branches, a convolution by channel, a mean over all places."""
    network = trained(Branches())
    program = torch.onnx.export(
        network, (torch.zeros(2, 1, 8, 8),), dynamo=True, opset_version=20, input_names=["x"], output_names=["y"],
        dynamic_shapes=({0: torch.export.Dim("N")},), verbose=False,
    )
    return written(program.model_proto)


@case
def cnn_digits_qdq():
    """Quantized after training by onnxruntime: 8 bits, zero points, a scale for each channel."""
    return written(quantized(torch_script(plain_network(), opset=13), QuantType.QUInt8, per_channel=True))


@case
def cnn_digits_qonnx():
    """Signed 8 bits and one scale a tensor, in the words of QONNX; what the other form answers is expected.

    Nothing lies between two integers: there are no zero points, which one form adds before rounding and the other
    after it, and no means of integers.
    """
    network = torch_script(plain_network(last_pool=nn.MaxPool2d(2)), opset=13)
    model = quantized(network, QuantType.QInt8, per_channel=False)
    made = written(as_qonnx(model))
    made.answering_model = model
    return made


@case
def cnn_digits_nhwc():
    """Channels last, as TensorFlow has them: transposed around the convolution, flattened in its own order."""
    return written(channels_last())


# ---- networks ------------------------------------------------------------------------------------


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU6())
        self.by_channel = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Hardswish(), nn.Conv2d(8, 8, 1))
        self.last = nn.Linear(8, 10)

    def forward(self, x):
        x = self.first(x)
        return self.last((x + self.by_channel(x)).mean((2, 3)))


def plain_network(last_pool=nn.AvgPool2d(2)):
    return trained(nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3), nn.Sigmoid(), last_pool, nn.Flatten(), nn.Linear(8, 10),
    ))


def digits():
    x, y = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(x))
    return (x[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8), y[order]


def trained(network, epochs=40):
    torch.manual_seed(SEED)
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    x, y = digits()
    x, y = torch.from_numpy(x[:TRAINING_ROWS]), torch.from_numpy(y[:TRAINING_ROWS])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
    return network.eval()


def torch_script(network, opset):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            network, (torch.zeros(1, 1, 8, 8),), path, dynamo=False, opset_version=opset, input_names=["x"],
            output_names=["y"], dynamic_axes={"x": {0: "N"}, "y": {0: "N"}},
        )
        return onnx.load(path)


def written(model):
    x, y = digits()
    calibration = x[:CALIBRATION_ROWS]
    test, labels = x[TRAINING_ROWS:][:TEST_ROWS], y[TRAINING_ROWS:][:TEST_ROWS]
    for key in list(model.metadata_props):
        model.metadata_props.remove(key)
    for node in model.graph.node:  # traces of the exporter's files
        del node.metadata_props[:]
        node.doc_string = ""
    for value in model.graph.value_info:
        del value.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        value.doc_string = ""
        if hasattr(value, "metadata_props"):
            del value.metadata_props[:]
    return Case(None, model, calibration, test, labels)


# ---- other ways to say it ------------------------------------------------------------------------


class Rows(CalibrationDataReader):
    def __init__(self, x):
        self.rows = iter([{"x": row[None]} for row in x])

    def get_next(self):
        return next(self.rows, None)


def quantized(model, activations, per_channel):
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("float.onnx", "quantized.onnx")]
        onnx.save(model, paths[0])
        quantize_static(
            paths[0], paths[1], Rows(digits()[0][:CALIBRATION_ROWS]), quant_format=QuantFormat.QDQ,
            activation_type=activations, weight_type=QuantType.QInt8, per_channel=per_channel,
            extra_options={"ActivationSymmetric": activations == QuantType.QInt8},
        )
        return onnx.load(paths[1])


def as_qonnx(model):
    """Every pair of quantizer and dequantizer as one quantizer; constants that are dequantized as floats."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in copy.graph.initializer}
    quantizers = {node.output[0]: node for node in copy.graph.node if node.op_type == "QuantizeLinear"}
    nodes, added = [], {"bits": np.float32(8)}
    for node in copy.graph.node:
        if node.op_type == "QuantizeLinear":
            continue
        if node.op_type != "DequantizeLinear":
            nodes.append(node)
            continue
        scale, zero = constants[node.input[1]], constants[node.input[2]]
        if node.input[0] in constants:
            numbers = (constants[node.input[0]].astype(np.int64) - zero.astype(np.int64)) * scale.astype(np.float64)
            added[node.output[0]] = numbers.astype(np.float32)
            continue
        zero_name = f"{node.input[2]}_float"
        added |= {node.input[1]: scale, zero_name: zero.astype(np.float32)}
        source = quantizers[node.input[0]].input[0]
        nodes.append(helper.make_node(
            "Quant", [source, node.input[1], zero_name, "bits"], [node.output[0]], domain="qonnx.custom_op.general",
            signed=int(zero.dtype == np.int8), narrow=0, rounding_mode="ROUND",
        ))
    del copy.graph.node[:], copy.graph.initializer[:], copy.graph.value_info[:]
    copy.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = {name: value for name, value in (constants | added).items() if name in used}
    copy.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in kept.items())
    copy.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))
    return copy


def channels_last():
    network = trained(nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2), nn.LeakyReLU(0.2), nn.MaxPool2d(2, stride=1), nn.Flatten(), nn.Linear(24, 10)
    ))
    conv, dense = network[0], network[4]
    weights = dense.weight.detach().numpy().reshape(10, 6, 2, 2).transpose(2, 3, 1, 0).reshape(24, 10)
    values = {
        "w": conv.weight.detach().numpy(), "b": conv.bias.detach().numpy(), "dense": np.ascontiguousarray(weights),
        "dense_bias": dense.bias.detach().numpy(), "rest": np.array([24], dtype=np.int64),
        "first": np.array([0], dtype=np.int64), "last": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Transpose", ["x"], ["channels_last"], perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["channels_last"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels_first", "w", "b"], ["conv"], strides=[2, 2], auto_pad="VALID"),
        helper.make_node("LeakyRelu", ["conv"], ["relu"], alpha=0.2),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[1, 1]),
        helper.make_node("Transpose", ["pool"], ["places"], perm=[0, 2, 3, 1]),
        helper.make_node("Shape", ["places"], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "last"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["flat_shape"], axis=0),
        helper.make_node("Reshape", ["places", "flat_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["product"]),
        helper.make_node("Add", ["product", "dense_bias"], ["y"]),
    ]
    rows = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])
    scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])
    constants = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "digits", [rows], [scores], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


if __name__ == "__main__":
    command_line(CASES, __doc__, Path("models/networks"))
