"""Tables of the results."""

from _cases import CASES
from _shared import read_rows

#: What tells one set of rows from another.
GROUP = ("profile", "cpu", "instructions", "device", "precision", "threads")


def latest(path):
    """Group rows, and keep the last of every case.

    Returns
    -------
    groups : dict
        By profile, processor and instructions, device, precision and threads: rows in the order
        of the cases.
    """
    groups = {}
    for row in read_rows(path):
        group = groups.setdefault(tuple(row[name] for name in GROUP), {})
        group[row["case"]] = row
    return {
        key: [rows[name] for name in CASES if name in rows]
        for key, rows in groups.items()
        if any(name in rows for name in CASES)
    }


def with_spread(row, name):
    """Return a median with its quartiles as text."""
    if not row[name]:
        return "-"
    middle, low, high = (float(row[name + end]) for end in ("", "_low", "_high"))
    return f"{middle:.3g} ({low:.3g}-{high:.3g})"


def percent(row, name):
    return f"{float(row[name]):.0%}" if row[name] else "-"


def number(row, name):
    return f"{float(row[name]):.4g}" if row[name] else "-"


TIMES = {
    "what": lambda row: CASES[row["case"]].title,
    "case": lambda row: f"`{row['case']}`",
    "with": lambda row: row["parameters"],
    "seconds": lambda row: with_spread(row, "seconds"),
    "volumes / s": lambda row: number(row, "volumes_per_second"),
    "ours / reference": lambda row: with_spread(row, "to_reference"),
    "ours / bare loop": lambda row: with_spread(row, "to_bare"),
    "GFLOP/s": lambda row: number(row, "gflops"),
    "share of the peak": lambda row: percent(row, "share_of_peak"),
    "share of copying": lambda row: percent(row, "share_of_copy"),
    "rounds": lambda row: row["rounds"],
    "commit": lambda row: row["commit"],
}
SCALING = {
    "what": TIMES["what"],
    "exponent": lambda row: with_spread(row, "exponent"),
    "exponent of the operations": lambda row: number(row, "exponent_of_operations"),
    "seconds": lambda row: row["points"].replace(" ", ", ").replace(":", ": "),
    "rounds": lambda row: row["rounds"],
    "commit": lambda row: row["commit"],
}
MEMORY = {
    "what": TIMES["what"],
    "with": TIMES["with"],
    "largest, MiB": lambda row: number(row, "peak_mib"),
    "empty process, MiB": lambda row: number(row, "before_mib"),
    "data, MiB": lambda row: number(row, "data_mib"),
    "what the fit takes, MiB": lambda row: number(row, "fit_mib"),
    "commit": lambda row: row["commit"],
}


def table(rows, columns):
    """Return a Markdown table, empty without rows."""
    if not rows:
        return []
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(cell(row) for cell in columns.values()) + " |")
    return [*lines, ""]


def section(key, rows):
    """Return the lines of one profile on one machine."""
    profile, cpu, instructions, device, precision, threads = key
    where = f"{cpu} ({instructions})" if device == "cpu" else f"{device}, {cpu}"
    last = rows[-1]
    versions = ", ".join(f"{name} {last[name]}" for name in ("python", "torch", "numpy", "skorch"))
    lines = [
        f"## Profile `{profile}` in {precision} on {where}",
        "",
        f"{threads} threads of {last['cores']} cores; {versions}; {last['date']}. Peaks measured "
        f"beside: {number(last, 'peak_float32_gflops')} GFLOP/s of float32 and "
        f"{number(last, 'peak_bfloat16_gflops')} of bfloat16 in matrix products, "
        f"{number(last, 'peak_copy_gb_s')} GB/s in copying.",
        "",
    ]
    scaling = [row for row in rows if row["exponent"]]
    memory = [row for row in rows if row["peak_mib"]]
    timed = [row for row in rows if not row["exponent"] and not row["peak_mib"]]
    for title, chosen, columns in (
        ("Times", timed, TIMES),
        ("How an epoch grows", scaling, SCALING),
        ("Memory of a fit", memory, MEMORY),
    ):
        if chosen:
            lines += [f"### {title}", "", *table(chosen, columns)]
    return lines


def render(path):
    """Write the tables beside the CSV file and return them."""
    lines = [
        f"Rendered by `python benchmarks/performance/run.py` from `{path.name}`: medians over the",
        "rounds, quartiles in brackets; the latest row of every case. Ratios are of times, so that",
        "below 1 is faster than what it is compared with. The reference is the paper's network in",
        "plain PyTorch, float32; for predictions its whole forward pass. The bare loop has the",
        "estimator's own network, loss and optimizer. Operations are those of direct convolutions",
        "and dense layers; algorithms that get by with fewer may come above the peak. Bytes are",
        "those of layers one by one, each reading and writing once; layers that are fused, or find",
        "their input in a cache, may come above copying.",
        "",
    ]
    for key, rows in latest(path).items():
        lines += section(key, rows)
    text = "\n".join(lines)
    path.with_suffix(".md").write_text(text)
    return text
