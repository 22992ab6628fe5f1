#!/usr/bin/env python3
"""Collects the operator tests that the onnx package ships into one small archive.

    python scripts/make_op_suite.py [-o models/ops/onnx_tests.zip]

The archive holds two ONNX files a test. In `NAME/model.onnx` the test's graph reads one row: what the test
gives as data are inputs with a batch axis of 1 before them, which is taken off again; what must be constant
(shapes, axes, weights) are initializers. `NAME/values.onnx` is a graph without nodes, whose initializers are
the row (`in:` and the input's name) and what is expected (`out:` and the output's name).

Left out are tests of operators and element types that fhe-ml does not read, and tests of training.
"""

import argparse
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

# The most bytes of both files of one test; larger ones say nothing more.
MAX_BYTES = 22_000
# The first version of the default operator set that fhe-ml reads, and the last.
OPSETS = range(5, 29)
FOLDERS = ["node", "simple", "pytorch-operator", "pytorch-converted"]

OPERATORS = set("""
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast CastLike Ceil
    Celu Clip Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace
    DequantizeLinear Div Dropout Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements Gelu Gemm
    GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax
    Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
    LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg Not OneHot Or PRelu Pad
    Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Resize Round Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
    SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze
    Upsample Where Xor
""".split())

# Inputs that must be constant; those of other operators are data.
CONSTANT = {
    "Reshape": [1], "Expand": [1], "Tile": [1], "Slice": [1, 2, 3, 4], "Squeeze": [1], "Unsqueeze": [1],
    "Pad": [1, 2, 3], "Resize": [1, 2, 3], "Upsample": [1], "TopK": [1], "OneHot": [1, 2], "Split": [1], "CumSum": [1],
    "ConstantOfShape": [0], "Range": [0, 1, 2], "GatherElements": [1], "Dropout": [1, 2],
    **{f"Reduce{name}": [1] for name in "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()},
}
# All inputs but the first of these are weights, or parameters like them.
WEIGHTED = set("""
    BatchNormalization Conv ConvInteger ConvTranspose DequantizeLinear Gemm GroupNormalization
    InstanceNormalization LayerNormalization MatMulInteger PRelu QLinearConv QLinearMatMul QuantizeLinear
    RMSNormalization
""".split())

ELEMENT_TYPES = {
    TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16,
    TensorProto.INT32, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL, TensorProto.FLOAT16,
    TensorProto.DOUBLE, TensorProto.UINT32, TensorProto.UINT64,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=Path("models/ops/onnx_tests.zip"))
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    left_out = {}
    with zipfile.ZipFile(args.out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, model, row, expected in sorted(tests(), key=lambda test: test[0]):
            try:
                files = case(model, row, expected)
            except LeftOut as reason:
                left_out.setdefault(str(reason), []).append(name)
                continue
            for file, content in files.items():
                entry = zipfile.ZipInfo(f"{name}/{file}.onnx")  # with a date of its own: the same bytes each time
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content)
        count = len(archive.namelist()) // 2
    for reason, names in sorted(left_out.items()):
        print(f"left out, {reason}: {len(names)}", file=sys.stderr)
    print(f"{args.out}: {count} tests, {args.out.stat().st_size} bytes", file=sys.stderr)


class LeftOut(Exception):
    """Why a test is not in the archive."""


def tests():
    """All tests of the onnx package: name, model, inputs and outputs as protobuf messages."""
    for folder in FOLDERS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = load_model_tests(kind=folder)
        for test in loaded:
            if test.name.endswith("_expanded") or "_expanded_ver" in test.name:
                continue
            yield (test.name.removeprefix("test_"), *contents(test))


def contents(test):
    if test.model is None:
        return from_folder(Path(test.model_dir))
    inputs, outputs = test.data_sets[0]
    return test.model, as_messages(test.model.graph.input, inputs), as_messages(test.model.graph.output, outputs)


def as_messages(infos, values):
    if any(not isinstance(value, (np.ndarray, np.generic, TensorProto)) for value in values):
        return None
    convert = lambda value: value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value))
    return [convert(value) for _, value in zip(infos, values)]


def from_folder(folder):
    model = onnx.load(folder / "model.onnx")
    data = folder / "test_data_set_0"

    def messages(kind):
        files = sorted(data.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
        found = []
        for path in files:
            message = TensorProto()
            message.ParseFromString(path.read_bytes())
            found.append(message)
        return found

    return model, messages("input"), messages("output")


def case(model, row, expected):
    """The two files of a test."""
    graph = model.graph
    check(model, row, expected)
    constants = constant_names(graph)
    initializers, inputs, prelude, values = list(graph.initializer), [], [], []
    for info, value in zip(graph.input, row):
        message = TensorProto()
        message.CopyFrom(value)
        message.name = info.name
        if info.name in constants or 0 in value.dims:
            initializers.append(message)
            continue
        given, shape = f"{info.name}_row", f"{info.name}_shape"
        inputs.append(helper.make_tensor_value_info(given, value.data_type, [1, *value.dims]))
        initializers.append(helper.make_tensor(shape, TensorProto.INT64, [len(value.dims)], list(value.dims)))
        prelude.append(helper.make_node("Reshape", [given, shape], [info.name]))
        message.name = f"in:{given}"
        message.dims.insert(0, 1)
        values.append(message)
    for info, value in zip(graph.output, expected):
        message = TensorProto()
        message.CopyFrom(value)
        message.name = f"out:{info.name}"
        values.append(message)
    outputs = [helper.make_empty_tensor_value_info(info.name) for info in graph.output]
    body = helper.make_graph([*prelude, *graph.node], "test", inputs, outputs, initializers)
    stored = [helper.make_empty_tensor_value_info(message.name) for message in values]
    files = {"model": body, "values": helper.make_graph([], "values", [], stored, values)}
    opsets = list(model.opset_import)
    files = {name: helper.make_model(body, opset_imports=opsets, ir_version=model.ir_version) for name, body in files.items()}
    files = {name: file.SerializeToString(deterministic=True) for name, file in files.items()}
    if sum(map(len, files.values())) > MAX_BYTES:
        raise LeftOut("too large")
    return files


def check(model, row, expected):
    foreign = {node.op_type for node in model.graph.node if node.domain or node.op_type not in OPERATORS}
    if foreign:
        raise LeftOut("other operators")
    if row is None or expected is None:
        raise LeftOut("not tensors")
    if any(set_.version not in OPSETS for set_ in model.opset_import if not set_.domain):
        raise LeftOut("another version of the operators")
    types = {message.data_type for message in [*row, *expected, *model.graph.initializer]}
    types |= {attribute.i for node in model.graph.node for attribute in node.attribute if attribute.name in ("to", "output_dtype")}
    if not types <= ELEMENT_TYPES:
        raise LeftOut("another element type")
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    if any(attribute.name == "training_mode" and attribute.i for attribute in attributes):
        raise LeftOut("training")


def constant_names(graph):
    """The graph's inputs that must be constant, or are so in every model."""
    names = {initializer.name for initializer in graph.initializer}
    for node in graph.node:
        places = range(1, len(node.input)) if node.op_type in WEIGHTED else CONSTANT.get(node.op_type, [])
        names |= {node.input[place] for place in places if place < len(node.input)}
    return names


if __name__ == "__main__":
    main()
