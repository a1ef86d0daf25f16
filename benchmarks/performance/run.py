"""Speed of the package: against plain PyTorch, a bare loop, and the peaks of the hardware.

    python benchmarks/performance/run.py                               # regular profile
    python benchmarks/performance/run.py --device cuda --minutes 8
    python benchmarks/performance/run.py --profile full --cases train_joint_28 predict_proba_28
    python benchmarks/performance/run.py --profile smoke --results smoke.csv  # shows that all runs

Every case runs in a process of its own, in turns with the reference, which is the paper's network
in plain PyTorch (``_reference.py``). Within its process it takes turns with a bare loop of the
estimator's own network, loss and optimizer (``_baselines.py``), which shows what the estimator
adds. Rows hold medians and quartiles over the rounds.

The most informative case comes first, and its row is in the CSV file as soon as it is measured. A
case that has a row of the same commit, profile, hardware, precision and number of threads is
skipped, so an interrupted run continues where it stopped. At the end, tables (Markdown) and a
figure (PNG) are written beside the CSV file; ``--minutes 0`` does only that.
"""

import platform
import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import make_parser, positive
from _cases import CASES
from _harness import PROFILES, launch, make_row, run_rounds
from _report import draw, render
from _results import (
    append_rows,
    commit,
    cpu_instructions,
    cpu_model,
    ends_in_order,
    environment,
    missing_keys,
    read_rows,
)

from sksubtomo._torch import PRECISIONS, resolve_precision

KEY = ("case", "profile", "commit", "cpu", "instructions", "device", "precision", "threads")
# Results that are written do not count as changes of a commit.
_MEASURED = ("sksubtomo", "benchmarks/performance")


def parse_arguments(arguments=None):
    parser = make_parser(__doc__, "performance")
    parser.add_argument("--profile", choices=PROFILES, default="regular", help="how much of a case")
    parser.add_argument("--cases", nargs="+", choices=CASES, help="default: those of the profile")
    rounds = "of case and reference; default: those of the profile, one on a GPU"
    parser.add_argument("--rounds", type=positive, help=rounds)
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads())
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    precision = "of the estimators; the reference is float32 (TF32 in convolutions on GPUs)"
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help=precision)
    minutes = "start no case later than this"
    parser.add_argument("--minutes", type=float, default=float("inf"), help=minutes)
    parser.add_argument("--again", action="store_true", help="measure cases that have a row, too")
    options = parser.parse_args(arguments)
    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a GPU that PyTorch can use")
    if options.cases is None:
        chosen = (name for name, e in CASES.items() if e.regular or options.profile != "regular")
        options.cases = [name for name in chosen if options.device in CASES[name].devices]
    return options


def hardware(threads, device, precision):
    """Return the columns of hardware, precision and versions."""
    return {
        "cpu": cpu_model(),
        "instructions": cpu_instructions(),
        "precision": resolve_precision(precision, device),
        **environment(),
        **({"device": "cpu"} if device == "cpu" else {}),
        "threads": threads,
        "python": platform.python_version(),
    }


def run(options, launch=launch):
    """Measure the cases of which there is no row."""
    start, peaks = time.monotonic(), None
    where = hardware(options.threads, options.device, options.precision)
    shared = {**where, "profile": options.profile, "commit": commit(*_MEASURED)}
    keys = {name: tuple({**shared, "case": name}[c] for c in KEY) for name in options.cases}
    missing = set(missing_keys(options.results, KEY, keys.values()))
    for name, key in keys.items():
        entry = CASES[name]
        if time.monotonic() - start > 60 * options.minutes:
            print(f"{name} and what follows: left out, the time is over", flush=True)
            break
        if options.device not in entry.devices:
            print(f"{name}: left out, says nothing about the device {options.device}", flush=True)
        elif key not in missing and not options.again:
            print(f"{name}: has a row already", flush=True)
        else:
            peaks = peaks or launch("_roofline", options.threads, device=options.device)
            reports = run_rounds(name, options, n_rounds_of(entry, options), launch)
            row = make_row(
                name, reports, options.profile, shared["commit"], peaks, where["precision"]
            )
            append_rows(options.results, [{**row, **where}], None if options.again else KEY)
            print(f"{name}: {row['seconds']} s per {row['unit']}", flush=True)


def n_rounds_of(entry, options):
    """Return the number of rounds of a case; a GPU is not shared, so that one is enough."""
    if entry.once:
        return 1
    of_profile = 1 if options.device == "cuda" else PROFILES[options.profile].rounds
    return options.rounds or of_profile


@ends_in_order
def main(arguments=None):
    options = parse_arguments(arguments)
    run(options)
    if read_rows(options.results):
        print(render(options.results))
        draw(options.results)


if __name__ == "__main__":
    main()
