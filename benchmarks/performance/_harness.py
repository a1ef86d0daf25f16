"""Measure a case: how much of it, in which processes, and the row that comes out.

Every measurement runs in a process of its own, which calls the function ``measure`` of a module of
this folder and prints what it returns as JSON::

    python _harness.py _roofline '{"device": "cpu", "threads": 2}'

The package is not imported here, so that the reference runs with PyTorch's own settings.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Columns of a row before those of hardware and versions; some stay empty.
COLUMNS = (
    *("case", "profile", "commit", "parameters", "unit", "n_samples", "rounds", "seconds"),
    *("seconds_low", "seconds_high", "volumes_per_second", "reference_seconds", "bare_seconds"),
    *("to_reference", "to_reference_low", "to_reference_high"),
    *("to_bare", "to_bare_low", "to_bare_high"),
    *("gflop", "gbyte", "gflops", "share_of_peak", "gb_s", "share_of_copy"),
    *("peak_float32_gflops", "peak_bfloat16_gflops", "peak_copy_gb_s"),
    *("exponent", "exponent_low", "exponent_high", "exponent_of_operations", "points"),
    *("before_mib", "data_mib", "peak_mib", "fit_mib"),
)


class Profile(NamedTuple):
    """How much of each case is computed.

    Parameters
    ----------
    rounds : int
        Number of times that case and reference run, in turns.
    batch_sizes : dict
        Batch size of training by the edge of the box.
    n_steps : int
        Steps per epoch.
    n_turns : int
        Number of times that estimator and bare loop run in one process, in turns.
    n_boxes : int
        Boxes that are extracted or simulated in a run.
    paper_epochs : dict
        Epochs of the paper's trainings by the edge of the box.
    scales : tuple of int
        Edges of the case that varies them; the first is that of the other scaling cases.
    largest_edge, n_filters, largest_n : int
        Upper bounds of box edge, channels and volumes.
    """

    rounds: int
    batch_sizes: dict[int, int]
    n_steps: int
    n_turns: int
    n_boxes: int
    paper_epochs: dict[int, int]
    scales: tuple[int, ...]
    largest_edge: int = 64
    n_filters: int = 32
    largest_n: int = 200_000


PROFILES = {
    # Shows only that everything runs.
    "smoke": Profile(1, {28: 4, 32: 4, 64: 4}, 2, 1, 8, {28: 1, 64: 1}, (8, 12), 12, 2, 64),
    "regular": Profile(3, {28: 64, 32: 64, 64: 8}, 3, 3, 400, {28: 100, 64: 5}, (16, 20, 24, 32)),
    "full": Profile(9, {28: 64, 32: 64, 64: 8}, 4, 4, 2000, {28: 100, 64: 100}, (16, 24, 32, 48)),
}


@dataclass
class Report:
    """What the process of a case reports; lists rather than tuples after the way through JSON.

    Parameters
    ----------
    ours : list of float
        Seconds of a unit, repeatedly.
    n_samples : int
        Volumes in a unit.
    parameters : dict
        Sizes and settings, for the table of results.
    unit : str
        What the seconds are counted for.
    bare : list of float
        Seconds of a unit of the bare loop, in turns with ours.
    flops, bytes : float, optional
        Operations and bytes of a unit in closed form.
    reference : dict, optional
        Arguments of ``_reference.measure``, where the reference has the same task.
    reference_steps : int
        Steps of the reference in a unit.
    points, points_of_operations : list of pairs
        A size and the seconds, or operations, that it takes, where a case varies one.
    memory : dict
        Columns of resident memory in MiB: before, data, peak.
    reference_seconds : list of float
        Seconds of a unit of the reference; added by :func:`run_rounds`.
    """

    ours: list[float]
    n_samples: int
    parameters: dict
    unit: str = "run"
    bare: list[float] = field(default_factory=list)
    flops: float | None = None
    bytes: float | None = None
    reference: dict | None = None
    reference_steps: int = 1
    points: list = field(default_factory=list)
    points_of_operations: list = field(default_factory=list)
    memory: dict = field(default_factory=dict)
    reference_seconds: list[float] = field(default_factory=list)


def seconds_of(work, device):
    """Return the seconds that a function without arguments takes, until the device is done."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def launch(module, threads, **arguments):
    """Call ``measure`` of a module in a process of its own and return its result.

    Raises
    ------
    SystemExit
        If the process fails; the message ends with its standard error.
    """
    words = [module, json.dumps({**arguments, "threads": threads})]
    environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
    done = subprocess.run(
        [sys.executable, __file__, *words], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise SystemExit(f"{' '.join(words)} failed (exit {done.returncode}):\n{tail}")
    return json.loads(done.stdout.splitlines()[-1])


def run_rounds(name, options, n_rounds, launch=launch):
    """Run case and reference in turns, so that other load on the machine hits both alike.

    Returns
    -------
    reports : list of Report
        One for every round.
    """
    shared = {"device": options.device, "threads": options.threads}
    asked = {"case": name, "profile": options.profile, "precision": options.precision, **shared}
    reports = []
    for _ in range(n_rounds):
        report = Report(**launch("_cases", **asked))
        if report.reference is not None:
            seconds = launch("_reference", **report.reference, **shared)
            report.reference_seconds = [report.reference_steps * step for step in seconds]
        reports.append(report)
    return reports


def make_row(name, reports, profile, commit, peaks, precision):
    """Return the row of a case, without the columns of hardware and versions.

    Ratios are of medians within a round; median and quartiles are over the rounds.
    """
    first, ours = reports[0], [np.median(report.ours) for report in reports]
    seconds = float(np.median(ours))
    return {
        **dict.fromkeys(COLUMNS, ""),
        "case": name,
        "profile": profile,
        "commit": commit,
        "parameters": " ".join(f"{key}={value}" for key, value in first.parameters.items()),
        "unit": first.unit,
        "n_samples": first.n_samples,
        "rounds": len(reports),
        "volumes_per_second": _rounded(first.n_samples / seconds),
        **_spread("seconds", ours),
        **_ratios("reference", ours, [report.reference_seconds for report in reports]),
        **_ratios("bare", ours, [report.bare for report in reports]),
        **_rates(first, seconds, peaks, precision),
        **{column: _rounded(value) for column, value in peaks.items()},
        **_growth(reports),
        **_memory(first.memory),
    }


def _ratios(side, ours, theirs):
    """Return the seconds of another side, and the ratio of ours to them round by round."""
    if not theirs[0]:
        return {}
    others = [np.median(seconds) for seconds in theirs]
    ratios = np.divide(ours, others)
    return {f"{side}_seconds": _rounded(np.median(others)), **_spread(f"to_{side}", ratios)}


def _rates(report, seconds, peaks, precision):
    """Return operations and bytes, their rates, and the share of the measured peaks."""
    columns = {}
    if report.flops is not None:
        gflop = report.flops / 1e9
        columns.update(gflop=gflop, gflops=gflop / seconds)
        columns["share_of_peak"] = gflop / seconds / peaks[peak_column(precision)]
    if report.bytes is not None:
        gbyte = report.bytes / 1e9
        columns.update(gbyte=gbyte, gb_s=gbyte / seconds)
        columns["share_of_copy"] = gbyte / seconds / peaks["peak_copy_gb_s"]
    return {name: _rounded(value) for name, value in columns.items()}


def _growth(reports):
    """Return exponents of time and of operations, and the medians of the points."""
    if not reports[0].points:
        return {}
    exponents = [fit_exponent(report.points) for report in reports]
    medians = np.median([report.points for report in reports], axis=0)
    return {
        **_spread("exponent", exponents),
        "exponent_of_operations": _rounded(fit_exponent(reports[0].points_of_operations)),
        "points": " ".join(f"{value:g}:{seconds:.4g}" for value, seconds in medians),
    }


def fit_exponent(points):
    """Return the slope of pairs in logarithms, by least squares."""
    return float(np.polyfit(*np.log(points).T, 1)[0])


def _memory(mib):
    """Return the memory, and what of the peak is neither data nor the process before."""
    if mib:
        mib = {**mib, "fit_mib": mib["peak_mib"] - mib["before_mib"] - mib["data_mib"]}
    return {column: round(value, 1) for column, value in mib.items()}


def peak_column(precision):
    """Return the column of the peak that a precision is compared with; TF32 has none of its own."""
    return f"peak_{'bfloat16' if precision == 'bfloat16' else 'float32'}_gflops"


def _spread(name, values):
    """Return median and quartiles as three columns."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    ends = {"": middle, "_low": low, "_high": high}
    return {name + end: _rounded(value) for end, value in ends.items()}


def _rounded(value):
    return float(f"{value:.4g}")


def main(module, arguments):
    """Set the number of threads, call ``measure`` of a module and print its result."""
    arguments = json.loads(arguments)
    torch.set_num_threads(arguments.pop("threads"))
    print(json.dumps(importlib.import_module(module).measure(**arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
