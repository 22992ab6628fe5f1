"""The stages of fhe-ml as processes: wall time, processor time, peak memory, files."""

import json
import os
import re
import shutil
import statistics
import subprocess
import time

import rows

GNU_TIME = shutil.which("time")


class Case:
    """One model and its data, with a folder for the files of its stages."""

    def __init__(self, binary, model, out, repeats):
        self.binary, self.model, self.out, self.repeats = binary, model, out, repeats
        self.build, self.keys = out / "build", out / "keys"

    def measure(self, counts):
        calibration = next(self.model.glob("x_calib.*"))
        report = {
            "compile": self.timed(
                ["compile", self.model / "model.onnx", "--calibration", calibration, "-o", self.build], self.build
            ),
            "keygen": self.timed(["keygen", self.build, "-o", self.keys], self.keys),
        }
        report["files"] = {
            "model.onnx": (self.model / "model.onnx").stat().st_size,
            "client.fhe": (self.build / "client.fhe").stat().st_size,
            "server.fhe": (self.build / "server.fhe").stat().st_size,
            "secret.key": (self.keys / "secret.key").stat().st_size,
            "evaluation.key": (self.keys / "evaluation.key").stat().st_size,
        }
        report["rows"] = {count: self.measure_rows(count) for count in counts}
        report["correct"] = all(stage["comparison"]["correct"] for stage in report["rows"].values())
        return report

    def measure_rows(self, count):
        commands = self.commands(rows.tiled(self.model, self.out, count))
        report = {stage: self.timed(command, output) for stage, (command, output) in commands.items()}
        report["input_bytes"] = commands["encrypt"][1].stat().st_size
        report["output_bytes"] = commands["run"][1].stat().st_size
        report["comparison"] = rows.compare(self.model, commands["decrypt"][1])
        return report

    def peaks(self, counts):
        """Peak memory in KB of each stage by number of rows."""
        self.measure([1])
        report = {}
        for count in counts:
            commands = self.commands(rows.tiled(self.model, self.out, count))
            report[count] = {stage: self.peak(command, output) for stage, (command, output) in commands.items()}
        return report

    def commands(self, data):
        """Each stage's command with its output."""
        encrypted, results, decrypted = self.out / "x.ct", self.out / "y.ct", self.out / "y.json"
        key = ["--key", self.keys]
        return {
            "encrypt": (["encrypt", self.build, *key, "--input", data, "-o", encrypted], encrypted),
            "run": (["run", self.build, *key, "--input", encrypted, "-o", results], results),
            "decrypt": (["decrypt", self.build, *key, "--input", results, "-o", decrypted], decrypted),
        }

    def timed(self, command, output):
        """Runs the command several times; the files of the last run stay."""
        runs = []
        for _ in range(self.repeats):
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
