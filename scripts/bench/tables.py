"""Results as Markdown tables."""

from networks import load

MILLI = 1e3


def markdown(results):
    parts = [heading(results)]
    if results["cases"]:
        parts += [overview(results), by_rows(results)]
    if "memory" in results:
        parts.append(memory(results["memory"]))
    if results["trees"]:
        parts += [trees(results), tree_stages(results)]
    if results["networks"]:
        parts.append(networks(results))
    if any(case in results["cases"] for case in results.get("peer", {})):
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
        f"{duration(start_up['median'])}, at least {duration(start_up['least'])}."
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
                duration(many["run"]["compute_seconds"]["median"]),
                wall(many["decrypt"]),
                f"{batch['input_bytes'] / 128:.0f}",
                f"{batch['output_bytes'] / 128:.0f}",
                size(case["files"]["evaluation.key"]),
                f"{comparison['difference']:.1e}",
                wrong_labels(comparison),
            ]
        )
    return (
        "## Every case: 1,000 rows, sizes in a batch of 128\n\n"
        + table(columns, lines)
        + "\n\nThe evaluation key is a header and nothing else. *Difference*: the largest one between a decrypted "
        "number and onnxruntime's, as a fraction of the largest value of that output where it is above 1."
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
            + [duration(rows["run"]["compute_seconds"]["median"]) for rows in by_count]
            + [wall(rows["decrypt"]) for rows in by_count]
        )
    return "## By the number of rows\n\n" + table(columns, lines)


def memory(peaks):
    stages = ["encrypt", "run", "decrypt"]
    lines = [
        [f"{int(count):,}"] + [megabytes(by_stage[stage]) for stage in stages]
        for count, by_stage in peaks.items()
    ]
    return "## Peak memory\n\n" + table(["rows", *stages], lines)


def trees(results):
    columns = [
        "case",
        "Concrete ML, a row",
        "fhe-ml, a row",
        "exact thresholds, a row",
        "in a batch of 20",
        "exact, in a batch",
        "evaluation key",
        "in, 1 row",
        "out, 1 row",
        "keygen",
        "peak of run",
        "agreement",
        "exact",
    ]
    lines = []
    for name, plans in results["trees"].items():
        default, exact = plans["default"], plans["exact"]
        peer = results.get("peer", {}).get(name)
        one = default["rows"][1]
        lines.append(
            [
                name,
                wall(peer["run"]) if peer else "-",
                computing(default, 1),
                computing(exact, 1),
                computing(default, 20),
                computing(exact, 20),
                size(default["files"]["evaluation.key"]),
                size(one["input_bytes"]),
                size(one["output_bytes"]),
                wall(default["keygen"]),
                megabytes(default["peaks"]["run"]),
                agreement(default),
                agreement(exact),
            ]
        )
    return (
        "## Trees\n\n"
        "Computing time a row: what `run` reports, and for Concrete ML the call that evaluates a row. By default "
        "`compile` rounds thresholds; sizes, key generation and memory are of that. *Agreement*: of the labels of "
        "all test rows with the float model's, in the clear.\n\n" + table(columns, lines)
    )


def tree_stages(results):
    lines = []
    for name, plans in results["trees"].items():
        for plan, case in plans.items():
            lines += [ours(name, f"fhe-ml, {plan}", case, count) for count in case["rows"]]
        if peer := results.get("peer", {}).get(name):
            lines.append(theirs(name, peer))
    return (
        "## Trees, stage by stage\n\n"
        f"Time a row, median (least) of {results['tree_repeats']} processes with one row, one process with more, and "
        f"{PEER_CALLS}\n\n" + table(STAGES, lines)
    )


def networks(results):
    columns = [
        "case",
        "",
        "lookups",
        "compile",
        "keygen",
        "run, 1 row",
        "run, a row of many",
        "over its lookups",
        "accuracy simulated (float)",
        "accuracy encrypted",
        "as the float model",
        "in, B/row",
        "out, B/row",
        "evaluation key",
        "peak of run",
    ]
    lines = []
    for name, case in results["networks"].items():
        lines.append(our_network(name, case, results["machine"]["cores"]))
        if peer := results.get("peer", {}).get(name):
            lines.append(their_network(name, peer))
    return (
        "## Networks\n\n"
        "Computing time: what `run` reports, and for Concrete ML the call that evaluates a row in a warm process, at "
        "its documented default of 6 bits (4 for the network trained with 4). *Over its lookups*: that time over what "
        "the lookups of a row take by themselves in batches on all cores. Accuracy is that of all test rows simulated "
        "(200 at most of Concrete ML) and of the rows that were encrypted; a peak is that of `run`, of Concrete ML of "
        "the process with all stages.\n\n" + table(columns, lines)
    )


def our_network(name, case, cores):
    one, many = case["rows"][min(case["rows"])], case["rows"][max(case["rows"])]
    score = case["simulated"]["score"]
    return [
        name,
        "fhe-ml",
        f"{case['estimate']['lookups']['lookups_per_row']:,}",
        wall(case["compile"]),
        wall(case["keygen"]),
        duration(one["seconds_per_row"]),
        duration(many["seconds_per_row"]),
        f"{load(case, cores):.2f}",
        f"{score['circuit']:.4f} ({score['float']:.4f})",
        f"{many['right']} of {many['rows']}",
        f"{many['agreed']} of {many['rows']}",
        f"{one['input_bytes']:,}",
        f"{one['output_bytes']:,}",
        size(case["evaluation_key_bytes"]),
        megabytes(case["peaks"]["run"]),
    ]


def their_network(name, peer):
    return [
        name,
        f"Concrete ML {peer['version']}",
        f"{peer['lookups']:,}",
        wall(peer["compile"]),
        wall(peer["keygen"]),
        wall(peer["run"]),
        "-",
        "-",
        f"{peer['simulated']['accuracy']:.4f}",
        f"{peer['right']} of {peer['rows']}",
        f"{peer['agreed']} of {peer['rows']}",
        f"{peer['input_bytes']:,}",
        f"{peer['output_bytes']:,}",
        size(peer["evaluation_key_bytes"]),
        megabytes(peer["peak_kb"]),
    ]


STAGES = [
    "case",
    "",
    "rows",
    "compile",
    "keygen",
    "encrypt",
    "run",
    "run, CPU",
    "decrypt",
    "in, B/row",
    "out, B/row",
    "evaluation key",
    "difference",
    "wrong labels",
]
PEER_CALLS = (
    "for Concrete ML calls inside one warm process, without its start, files and first run, one row at a time. "
    "*CPU* is processor time of all threads."
)


def beside_peer(results):
    peers = {name: peer for name, peer in results["peer"].items() if name in results["cases"]}
    lines = []
    for name, peer in peers.items():
        case = results["cases"][name]
        lines += [ours(name, "fhe-ml", case, 1), ours(name, "fhe-ml", case, 1000), theirs(name, peer)]
    one = next(iter(peers.values()))
    return (
        f"## Beside Concrete ML {one['version']}, on the same machine and models\n\n"
        f"Time a row, median (least): whole processes, files included, for one row and for 1,000; {PEER_CALLS} It uses "
        f"{one['bits']} bits, its default.\n\n" + table(STAGES, lines)
    )


def ours(name, label, case, count):
    rows = case["rows"][count]
    comparison = rows["comparison"]
    return [
        name,
        label,
        f"{count:,}",
        wall(case["compile"]),
        wall(case["keygen"]),
        per_row(rows["encrypt"]["wall"], count),
        per_row(rows["run"]["wall"], count),
        per_row(rows["run"]["cpu"], count),
        per_row(rows["decrypt"]["wall"], count),
        f"{rows['input_bytes'] / count:,.0f}",
        f"{rows['output_bytes'] / count:,.0f}",
        size(case["files"]["evaluation.key"]),
        f"{comparison['difference']:.1e}",
        wrong_labels(comparison),
    ]


def theirs(name, peer):
    return [
        name,
        "Concrete ML",
        "1",
        wall(peer["compile"]),
        wall(peer["keygen"]),
        per_row(peer["encrypt"]["wall"], 1),
        per_row(peer["run"]["wall"], 1),
        per_row(peer["run"]["cpu"], 1),
        per_row(peer["decrypt"]["wall"], 1),
        f"{peer['input_bytes']:,}",
        f"{peer['output_bytes']:,}",
        size(peer["evaluation_key_bytes"]),
        f"{peer['difference']:.1e}",
        wrong_labels(peer),
    ]


def computing(case, count):
    return duration(case["rows"][count]["run"]["compute_seconds"]["median"] / count)


def agreement(case):
    has_labels = any(rows["comparison"]["labels"] for rows in case["rows"].values())
    return f"{case['simulated']['agreement']:.4f}" if has_labels else "-"


def wrong_labels(comparison):
    return f"{comparison['wrong_labels']} of {comparison['labels']}" if comparison["labels"] else "-"


def wall(stage):
    return duration(middle(stage["wall"]))


def middle(times):
    """The median of several calls, or the only one."""
    return times["median"] if isinstance(times, dict) else times


def per_row(times, count):
    return f"{duration(times['median'] / count)} ({duration(times['least'] / count)})"


def duration(seconds):
    if seconds >= 1:
        return f"{seconds:.2f} s"
    value = seconds * MILLI
    digits = 1 if value >= 1 else 2 if value >= 0.1 else 4
    return f"{value:.{digits}f} ms"


def size(count):
    for unit, scale in [("MB", 2**20), ("KB", 2**10)]:
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} B"


def megabytes(kilobytes):
    return size(kilobytes * 2**10) if kilobytes else "-"


def table(columns, lines):
    rows = [columns, ["---"] * len(columns), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
