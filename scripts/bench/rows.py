"""Test rows of a case, repeated to any number, and the comparison with what onnxruntime gave."""

import ast
import json

TOLERANCE = 1e-3


def tiled(folder, out, count):
    """Writes `count` rows, the test rows over and over, and gives the file."""
    table = folder / "x_test.csv"
    if table.exists():
        header, *rows = table.read_text(encoding="utf-8").splitlines()
        path = out / f"x{count}.csv"
        path.write_text("\n".join([header, *repeated(rows, count)]) + "\n", encoding="utf-8")
    else:
        path = out / f"x{count}.npy"
        path.write_bytes(tiled_npy((folder / "x_test.npy").read_bytes(), count))
    return path


def tiled_npy(data, count):
    """A numpy file (format 1.0) whose first axis is repeated to `count`."""
    start = 10 + int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:start].decode("latin1"))
    if data[6] != 1 or header["fortran_order"]:
        raise ValueError("expected a numpy file of format 1.0 in C order")
    rows, *inner = header["shape"]
    values = data[start:]
    size = len(values) // rows
    header["shape"] = (count, *inner)
    text = (repr(header) + "\n").encode("latin1")
    chunks = repeated([values[i : i + size] for i in range(0, len(values), size)], count)
    return data[:8] + len(text).to_bytes(2, "little") + text + b"".join(chunks)


def repeated(items, count):
    return (items * (count // len(items) + 1))[:count]


def compare(folder, decrypted, tolerance):
    """How far the decrypted rows are from onnxruntime's, and whether that is near enough, if it must be.

    The difference of a number is a fraction of the largest value that its output takes, if that is above 1.
    """
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    found = json.loads(decrypted.read_text(encoding="utf-8"))
    largest = {}
    for row in expected:
        for name, value in numbers_of(row):
            largest[name] = max(largest.get(name, 1.0), abs(value))
    difference, labels, wrong_labels = 0.0, 0, 0
    for want, have in zip(repeated(expected, len(found)), found):
        for name, label in labels_of(want):
            labels += 1
            wrong_labels += have[name] != label
        for (name, value), (_, other) in zip(numbers_of(want), numbers_of(have), strict=True):
            difference = max(difference, abs(value - other) / largest[name])
    return {
        "rows": len(found),
        "difference": difference,
        "labels": labels,
        "wrong_labels": wrong_labels,
        "correct": tolerance is None or (difference < tolerance and wrong_labels == 0),
    }


def labels_of(row):
    return [(name, value) for name, value in row.items() if isinstance(value, (str, int))]


def numbers_of(row):
    """The floating-point values of a row, each with the name of its output."""
    for name, value in row.items():
        if isinstance(value, float):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}[{key}]", number) for key, number in value.items())
        elif isinstance(value, list):
            yield from ((f"{name}[{index}]", number) for index, number in enumerate(value))
