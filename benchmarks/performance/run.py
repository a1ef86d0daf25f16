"""How fast the package is: against plain PyTorch, and against what the machine can do.

    python benchmarks/performance/run.py --profile fast       # some cases, on small batches
    python benchmarks/performance/run.py --profile regular    # all cases
    python benchmarks/performance/run.py --profile full --cases train_joint_28 predict_proba_28

Every case runs in a process of its own, in turns with a reference, which is the paper's network as
anyone would write it (``_reference.py``), so that what else the machine does hits both alike. In
the case's own process it takes turns with a bare loop with network, loss and optimizer of the
estimator, which shows what the estimator costs around them. Medians and quartiles over the rounds
are noted.

One row for every case goes to the CSV file as soon as it is there. A case that has a row of the
same commit, profile, device, precision and number of threads is not computed again, unless
``--again`` says so. At the end, tables (Markdown) and a figure (PNG) are rendered beside the CSV
file.
"""

import argparse
from pathlib import Path

import torch
from _cases import CASES, make_case
from _draw import draw
from _harness import launch, make_row, run_rounds
from _machine import commit, machine
from _profiles import PROFILES
from _render import render
from _shared import BENCHMARKS, append_rows, ends_in_order, read_rows

from sksubtomo._torch import PRECISIONS

RESULTS = BENCHMARKS / "results/performance.csv"
KEY = ("case", "profile", "commit", "cpu", "instructions", "device", "precision", "threads")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=PROFILES, default="fast")
    parser.add_argument("--cases", nargs="+", choices=CASES, help="default: those of the profile")
    parser.add_argument("--rounds", type=int, help="instead of those of the profile")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="of networks; the reference is float32 (TF32 on GPUs) in any case",
    )
    parser.add_argument("--again", action="store_true", help="compute rows that are there, too")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a GPU that PyTorch can use")
    for name in ("rounds", "threads"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if options.cases is None:
        options.cases = [name for name, e in CASES.items() if options.profile in e.profiles]
    return options


def run(options, launch=launch):
    """Compute the rows that are missing."""
    at, where = commit(), machine(options.threads, options.device, options.precision)
    done = {tuple(row[name] for name in KEY) for row in read_rows(options.results)}
    peaks = None
    for name in options.cases:
        same = {**where, "case": name, "profile": options.profile, "commit": at}
        if tuple(str(same[column]) for column in KEY) in done and not options.again:
            print(f"{name}: there already", flush=True)
            continue
        case = make_case(name, options.profile, options.device, options.precision)
        if case.needs_gpu and options.device != "cuda":
            print(f"{name}: left out, needs a GPU", flush=True)
            continue
        if peaks is None:
            peaks = launch("_peaks.py", {}, options.threads, options.device)
        reports = run_rounds(name, case, options, launch)
        row = {**make_row(name, case, reports, options, at, peaks), **where}
        append_rows(options.results, [row])
        print(f"{name}: {row['seconds']} s per {row['unit']}", flush=True)


@ends_in_order
def main(arguments=None):
    options = parse_arguments(arguments)
    run(options)
    if read_rows(options.results):
        print(render(options.results))
        draw(options.results)


if __name__ == "__main__":
    main()
