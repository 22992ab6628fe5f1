"""Results as Markdown tables."""

MILLI = 1e3


def markdown(results):
    parts = [heading(results), overview(results), by_rows(results)]
    if "memory" in results:
        parts.append(memory(results["memory"]))
    if results.get("peer"):
        parts.append(beside_peer(results))
    return "\n\n".join(parts) + "\n"


def heading(results):
    machine = results["machine"]
    start_up = results["start_up"]["wall"]
    return (
        "# Benchmark\n\n"
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; {machine['os']}, kernel "
        f"{machine['kernel']}; {machine['fhe-ml']}, {machine['rustc']}; {machine['date']}. "
        f"Load average before and after: {machine['load before']:.1f}, {machine['load after']:.1f}.\n\n"
        f"Medians of {results['repeats']} processes from start to exit, reading and writing files included, unless "
        "said otherwise; *compute* is what `run` reports without reading, checking and writing. Rows are the test "
        "rows over and over. Start-up of the command (`--version`): "
        f"{ms(start_up['median'])}, at least {ms(start_up['least'])}."
    )


def overview(results):
    columns = [
        "case",
        "compile",
        "keygen",
        "encrypt",
        "run",
        "of it compute",
        "decrypt",
        "in, B/row",
        "out, B/row",
        "evaluation key",
        "difference",
        "wrong labels",
    ]
    lines = []
    for name, case in results["cases"].items():
        many, batch = case["rows"][1000], case["rows"][128]
        comparison = many["comparison"]
        lines.append(
            [
                name,
                wall(case["compile"]),
                wall(case["keygen"]),
                wall(many["encrypt"]),
                wall(many["run"]),
                ms(many["run"]["compute_seconds"]["median"]),
                wall(many["decrypt"]),
                f"{batch['input_bytes'] / 128:.0f}",
                f"{batch['output_bytes'] / 128:.0f}",
                f"{case['files']['evaluation.key']} B",
                f"{comparison['difference']:.1e}",
                wrong_labels(comparison),
            ]
        )
    return (
        "## Every case: 1,000 rows, sizes in a batch of 128\n\n"
        + table(columns, lines)
        + "\n\nThe evaluation key is a header and nothing else. *Difference*: the largest one between a decrypted number "
        "and onnxruntime's, as a fraction of the largest value of that output where it is above 1."
    )


def by_rows(results):
    counts = [1, 128, 1000]
    columns = ["case"] + [f"{stage}, {count}" for stage in ("encrypt", "run", "compute", "decrypt") for count in counts]
    lines = []
    for name, case in results["cases"].items():
        by_count = [case["rows"][count] for count in counts]
        lines.append(
            [name]
            + [wall(rows["encrypt"]) for rows in by_count]
            + [wall(rows["run"]) for rows in by_count]
            + [ms(rows["run"]["compute_seconds"]["median"]) for rows in by_count]
            + [wall(rows["decrypt"]) for rows in by_count]
        )
    return "## By the number of rows\n\n" + table(columns, lines)


def memory(peaks):
    stages = ["encrypt", "run", "decrypt"]
    lines = [
        [f"{int(count):,}"] + [f"{by_stage[stage] / 1024:.1f} MB" if by_stage[stage] else "-" for stage in stages]
        for count, by_stage in peaks.items()
    ]
    return "## Peak memory\n\n" + table(["rows", *stages], lines)


def beside_peer(results):
    columns = [
        "case",
        "",
        "compile",
        "keygen",
        "encrypt",
        "run",
        "run, CPU",
        "decrypt",
        "in, B/row",
        "out, B/row",
        "difference",
        "wrong labels",
    ]
    lines = []
    for name, peer in results["peer"].items():
        case = results["cases"][name]
        lines += [ours(name, case, 1), ours(name, case, 1000), theirs(name, peer)]
    one = max(results["peer"].values(), key=lambda peer: peer["rows"])
    return (
        f"## Beside Concrete ML {one['version']}, on the same machine and models\n\n"
        "Time a row, median (least). fhe-ml: whole processes, files included, for one row and for 1,000. Concrete ML: "
        f"calls inside one warm process, without its start, files and first run, one row at a time, up to {one['rows']} "
        f"rows, {one['bits']} bits (its default). *CPU* is processor time of all threads.\n\n" + table(columns, lines)
    )


def ours(name, case, count):
    rows = case["rows"][count]
    comparison = rows["comparison"]
    return [
        name,
        f"fhe-ml, {count:,} row{'s' if count > 1 else ''}",
        wall(case["compile"]),
        wall(case["keygen"]),
        per_row(rows["encrypt"]["wall"], count),
        per_row(rows["run"]["wall"], count),
        per_row(rows["run"]["cpu"], count),
        per_row(rows["decrypt"]["wall"], count),
        f"{rows['input_bytes'] / count:,.0f}",
        f"{rows['output_bytes'] / count:,.0f}",
        f"{comparison['difference']:.1e}",
        wrong_labels(comparison),
    ]


def theirs(name, peer):
    return [
        name,
        "Concrete ML, 1 row",
        ms(peer["compile"]["wall"]),
        ms(peer["keygen"]["wall"]),
        per_row(peer["encrypt"]["wall"], 1),
        per_row(peer["run"]["wall"], 1),
        per_row(peer["run"]["cpu"], 1),
        per_row(peer["decrypt"]["wall"], 1),
        f"{peer['input_bytes']:,}",
        f"{peer['output_bytes']:,}",
        f"{peer['difference']:.1e}",
        wrong_labels(peer),
    ]


def wrong_labels(comparison):
    return f"{comparison['wrong_labels']} of {comparison['labels']}" if comparison["labels"] else "-"


def wall(stage):
    return ms(stage["wall"]["median"])


def per_row(times, count):
    return f"{ms(times['median'] / count)} ({ms(times['least'] / count)})"


def ms(seconds):
    value = seconds * MILLI
    digits = 1 if value >= 1 else 2 if value >= 0.1 else 4
    return f"{value:.{digits}f} ms"


def table(columns, lines):
    rows = [columns, ["---"] * len(columns), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
