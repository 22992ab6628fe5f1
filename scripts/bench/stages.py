"""The stages of fhe-ml as processes: wall time, processor time, peak memory, files."""

import json
import os
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass

import rows

GNU_TIME = shutil.which("time")


@dataclass(frozen=True)
class Plan:
    """What is measured of a model."""

    repeats: dict  # runs of each command, by the number of rows
    options: tuple = ()  # of `compile`
    tolerance: float | None = rows.TOLERANCE  # of results; None if they are only reported


class Case:
    """One model and its data, with a folder for the files of its stages."""

    def __init__(self, binary, model, out, plan):
        self.binary, self.model, self.out, self.plan = binary, model, out, plan
        self.build, self.keys = out / "build", out / "keys"

    def measure(self):
        repeats = max(self.plan.repeats.values())
        calibration = next(self.model.glob("x_calib.*"))
        compiling = ["compile", self.model / "model.onnx", "--calibration", calibration, *self.plan.options]
        report = {
            "compile": self.timed([*compiling, "-o", self.build], self.build, repeats),
            "keygen": self.timed(["keygen", self.build, "-o", self.keys], self.keys, repeats),
            "simulated": self.simulated(),
        }
        report["files"] = {
            "model.onnx": (self.model / "model.onnx").stat().st_size,
            "client.fhe": (self.build / "client.fhe").stat().st_size,
            "server.fhe": (self.build / "server.fhe").stat().st_size,
            "secret.key": (self.keys / "secret.key").stat().st_size,
            "evaluation.key": (self.keys / "evaluation.key").stat().st_size,
        }
        report["rows"] = {count: self.measure_rows(count, times) for count, times in self.plan.repeats.items()}
        report["correct"] = all(stage["comparison"]["correct"] for stage in report["rows"].values())
        report["peaks"] = self.peaks(min(self.plan.repeats))
        return report

    def simulated(self):
        """How far all test rows are from the float model's, in the clear."""
        data = next(self.model.glob("x_test.*"))
        report = execute([self.binary, "simulate", self.build, "--input", data, "--json"])["report"]
        return {"rows": report["rows"], "agreement": report["agreement"]}

    def measure_rows(self, count, repeats):
        commands = self.commands(rows.tiled(self.model, self.out, count))
        report = {stage: self.timed(command, output, repeats) for stage, (command, output) in commands.items()}
        report["input_bytes"] = commands["encrypt"][1].stat().st_size
        report["output_bytes"] = commands["run"][1].stat().st_size
        report["comparison"] = rows.compare(self.model, commands["decrypt"][1], self.plan.tolerance)
        return report

    def peaks(self, count):
        """Peak memory in KB of each stage; the case has been measured before."""
        commands = self.commands(rows.tiled(self.model, self.out, count))
        return {stage: self.peak(command, output) for stage, (command, output) in commands.items()}

    def commands(self, data):
        """Each stage's command with its output."""
        encrypted, results, decrypted = self.out / "x.ct", self.out / "y.ct", self.out / "y.json"
        key = ["--key", self.keys]
        return {
            "encrypt": (["encrypt", self.build, *key, "--input", data, "-o", encrypted], encrypted),
            "run": (["run", self.build, *key, "--input", encrypted, "-o", results], results),
            "decrypt": (["decrypt", self.build, *key, "--input", results, "-o", decrypted], decrypted),
        }

    def timed(self, command, output, repeats):
        """Runs the command several times; the files of the last run stay."""
        runs = []
        for _ in range(repeats):
            remove(output)
            runs.append(execute([self.binary, *command, "--json"]))
        report = summary(runs)
        compute = [run["report"]["compute_seconds"] for run in runs if "compute_seconds" in run["report"]]
        if compute:
            report["compute_seconds"] = {"median": statistics.median(compute), "least": min(compute)}
        return report

    def peak(self, command, output):
        remove(output)
        if not GNU_TIME:
            subprocess.run([self.binary, *command, "--quiet"], check=True)
            return None
        # A child of this interpreter would be charged with the interpreter's own memory.
        command = [GNU_TIME, "-f", "peak %M", self.binary, *command, "--quiet"]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
        return int(re.search(r"peak (\d+)", done.stderr).group(1))


def start_up(binary, repeats):
    return summary([execute([binary, "--version"]) for _ in range(max(repeats, 20))])


def execute(command):
    # Standard error holds progress; a file-less pipe could block, so only standard output is one.
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"error: {' '.join(map(str, command))} exited with {process.returncode}")
    report = json.loads(text) if "--json" in command else {}
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "report": report}


def summary(runs):
    """Medians, and the least, which other work on the machine disturbs less."""
    return {
        "wall": {"median": statistics.median(run["wall"] for run in runs), "least": min(run["wall"] for run in runs)},
        "cpu": {"median": statistics.median(run["cpu"] for run in runs), "least": min(run["cpu"] for run in runs)},
    }


def environment():
    """Without backtraces: collecting them is no part of the work."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RUST_")}


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
