"""Running cases and references in turns, and making rows of what they took."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Columns that a row has beside those of the machine; some stay empty.
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


def launch(script, arguments, threads, device):
    """Run a script of this folder in a process of its own, and return the JSON that it prints.

    Raises
    ------
    SystemExit
        If the script fails; with the end of what it wrote to the standard error stream.
    """
    given = {**arguments, "threads": threads, "device": device}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    settings = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words], capture_output=True, text=True, env=settings
    )
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise SystemExit(f"{script} {' '.join(words)} failed (exit {done.returncode}):\n{tail}")
    return json.loads(done.stdout.splitlines()[-1])


def run_rounds(name, case, options, launch=launch):
    """Run case and reference in turns.

    The bare loop runs in the case's process, in turns with the case, and with its estimator.

    Returns
    -------
    reports : list of dict
        What each round's process of the case said, and the seconds of a unit of the reference,
        ``reference``, empty where there is none.
    """
    reports = []
    asked = case.reference()
    for _ in range(min(options.rounds or case.profile.rounds, case.most_rounds)):
        given = {"case": name, "profile": options.profile, "precision": options.precision}
        report = launch("_worker.py", given, options.threads, options.device)
        report["reference"] = []
        if asked is not None:
            arguments, steps = asked
            told = launch("_reference.py", arguments, options.threads, options.device)
            report["reference"] = [steps * seconds for seconds in told["seconds"]]
        reports.append(report)
    return reports


def make_row(name, case, reports, options, commit, peaks):
    """Return the row of a case, without the columns of the machine."""
    ours = [np.median(report["ours"]) for report in reports]
    seconds = float(np.median(ours))
    row = dict.fromkeys(COLUMNS, "")
    row.update(
        case=name,
        profile=options.profile,
        commit=commit,
        parameters=" ".join(f"{key}={value}" for key, value in case.parameters.items()),
        unit=case.unit,
        rounds=len(reports),
        **_adjoint_sample("seconds", ours),
        **_ratios("reference", reports),
        **_ratios("bare", reports),
        **_work(case, seconds, peaks),
        **{column: _rounded(value) for column, value in peaks.items()},
        **case.figures(reports),
    )
    if case.n_samples is not None:
        row["n_samples"] = case.n_samples
        row["volumes_per_second"] = _rounded(case.n_samples / seconds)
    return row


def _ratios(side, reports):
    """Return the ratio of ours to another side, round by round."""
    if not reports[0][side]:
        return {}
    others = [np.median(report[side]) for report in reports]
    ratios = [
        np.median(report["ours"]) / other for report, other in zip(reports, others, strict=True)
    ]
    return {f"{side}_seconds": _rounded(np.median(others)), **_adjoint_sample(f"to_{side}", ratios)}


def _work(case, seconds, peaks):
    """Return operations and bytes, and which share of the peaks they come to."""
    columns = {}
    if case.flops() is not None:
        gflop = case.flops() / 1e9
        columns.update(gflop=gflop, gflops=gflop / seconds)
        columns["share_of_peak"] = gflop / seconds / peaks["peak_float32_gflops"]
    if case.bytes() is not None:
        gbyte = case.bytes() / 1e9
        columns.update(gbyte=gbyte, gb_s=gbyte / seconds)
        columns["share_of_copy"] = gbyte / seconds / peaks["peak_copy_gb_s"]
    return {name: _rounded(value) for name, value in columns.items()}


def _adjoint_sample(name, values):
    """Return the median and the quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {
        name: _rounded(middle),
        f"{name}_low": _rounded(low),
        f"{name}_high": _rounded(high),
    }


def _rounded(value):
    return float(f"{value:.4g}")
