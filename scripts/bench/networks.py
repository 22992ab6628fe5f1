"""The stages of fhe-ml on a network: its results are approximate, so accuracy is measured beside time."""

import ast
import json
import struct

import stages
from rows import tiled

ENCRYPTED_ROWS = 20
# Kinds of circuits that this is for.
KINDS = ("networks", "neighbors")


class Network(stages.Case):
    """A network and its data, with a folder for the files of its stages."""

    def measure(self):
        calibration = next(self.model.glob("x_calib.*"))
        compiling = ["compile", self.model / "model.onnx", "--calibration", calibration, "-o", self.build]
        compiling += self.plan.options
        report = {
            "compile": self.timed(compiling, self.build, 1),
            "keygen": self.timed(["keygen", self.build, "-o", self.keys], self.keys, 1),
            "simulated": self.simulated(),
            "estimate": self.report(["estimate", self.build]),
            "evaluation_key_bytes": (self.keys / "evaluation.key").stat().st_size,
            "model_bytes": (self.model / "model.onnx").stat().st_size,
        }
        report["rows"] = {count: self.measure_rows(count, times) for count, times in self.plan.repeats.items()}
        report["peaks"] = self.peaks(min(self.plan.repeats))
        return report

    def simulated(self):
        """All test rows in the clear, with noise: agreement with the float model, accuracy of both."""
        data = ["--input", self.model / "x_test.npy", "--labels", self.model / "y_test.npy"]
        report = self.report(["simulate", self.build, *data])
        return {key: report[key] for key in ("rows", "agreement", "score")}

    def measure_rows(self, count, repeats):
        commands = self.commands(tiled(self.model, self.out, count))
        report = {stage: self.timed(command, output, repeats) for stage, (command, output) in commands.items()}
        report["input_bytes"] = commands["encrypt"][1].stat().st_size
        report["output_bytes"] = commands["run"][1].stat().st_size
        report["seconds_per_row"] = report["run"]["compute_seconds"]["median"] / count
        report |= self.decided(json.loads(commands["decrypt"][1].read_text(encoding="utf-8")))
        return report

    def decided(self, found):
        """How many rows have the true label, and how many the float model's."""
        decided = [largest(row) for row in found]
        labels, floats = npy(self.model / "y_test.npy"), npy(self.model / "y_float.npy")
        right = sum(label == int(true) for label, true in zip(decided, labels))
        agreed = sum(label == place(scores) for label, scores in zip(decided, floats))
        return {"rows": len(found), "right": right, "agreed": agreed}

    def report(self, command):
        return stages.execute([self.binary, *command, "--json"])["report"]


def kind(binary, model, out):
    """What `compile` makes of a model: product, trees, networks or neighbors."""
    calibration = next(model.glob("x_calib.*"))
    command = [binary, "compile", model / "model.onnx", "--calibration", calibration, "-o", out, "--json"]
    return stages.execute(command)["report"]["kind"]


def load(case, cores):
    """Measured time over what its lookups take by themselves on all cores."""
    lookups, rows = case["estimate"]["lookups"], case["rows"]
    alone = lookups["lookups_per_row"] * lookups["measured_seconds"] / cores
    return rows[max(rows)]["seconds_per_row"] / alone


def largest(row):
    """The place of the largest score in a row of results."""
    scores = list(row.values())[-1]
    return place(list(scores.values()) if isinstance(scores, dict) else scores)


def place(scores):
    return max(range(len(scores)), key=lambda index: scores[index])


def npy(path):
    """The rows of a numpy file (format 1.0, C order) of one or two axes."""
    data = path.read_bytes()
    start = 10 + int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:start].decode("latin1"))
    letter = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q"}[header["descr"]]
    values = [value for (value,) in struct.iter_unpack(f"<{letter}", data[start:])]
    if len(header["shape"]) == 1:
        return values
    width = header["shape"][1]
    return [values[row : row + width] for row in range(0, len(values), width)]
