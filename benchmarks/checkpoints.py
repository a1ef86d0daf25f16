"""Whether a fit that was ended at any moment goes on to the same bits.

``sksubtomo fit --checkpoint`` of a small network and of references is sent SIGKILL, SIGTERM or
SIGINT at a random moment, and run again, which may be ended once more. Counted are models
that differ in any bit from that of a fit that nobody ended, times and dates aside; exit codes that
are wrong; and files beside the model that are left.

Runs are forked from one process, which has imported everything::

    python benchmarks/checkpoints.py --moments 20
"""

import argparse
import hashlib
import importlib
import os
import signal
import sys
import tempfile
import time
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
from _results import append_rows, environment, markdown_table, read_rows, write_markdown
from interrupts import make_project

from sksubtomo.cli import main as command_line

RESULTS = Path(__file__).with_name("results") / "checkpoints.csv"
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
#: What the process ends with: the number of the signal, or an exit code.
ENDS = {"SIGKILL": (-signal.SIGKILL,), "SIGTERM": (143, -signal.SIGTERM), "SIGINT": (130,)}
#: What a fit imports; a process that is forked has it from the beginning.
IMPORTED = ("pandas", "sksubtomo.io", "sksubtomo.persistence", "sksubtomo.semi_supervised")
METHODS = {
    "network": ["--method", "fine-tuned", "--epochs", "10", "--batch-size", "18"],
    "references": ["--method", "references", "--no-averages"],
}
PROBLEMS = ("other_bits", "wrong_exit_codes", "files_left")


def arguments(folder, method, model, checkpoint=None):
    """Return the arguments of a fit."""
    more = []
    if checkpoint is not None:
        more = ["--checkpoint", str(checkpoint), "--checkpoint-minutes", "0.0005"]
    return [
        *("fit", "--particles", str(folder / "particles.star"), "--quiet"),
        *("--tomograms", str(folder / "tomograms"), "--box-size", "8", "--output", str(model)),
        *METHODS[method],
        *more,
    ]


def forked(given):
    """Run the command line in a process of its own, and return its number."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        code = command_line(given)
    except KeyboardInterrupt:  # before the command line listens
        code = 130
    finally:
        os._exit(code)


def ended(given, name=None, moment=0.0):
    """Run the command line, send it a signal after a while, and return how it ended."""
    process = forked(given)
    if name is not None:
        time.sleep(moment)
        os.kill(process, getattr(signal, name))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def digest(model):
    """Return a digest of all arrays in a model file: weights, moments, generators, references."""
    content = hashlib.sha256()
    with zipfile.ZipFile(model) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith("arrays/"):
                content.update(archive.read(name))
    return content.hexdigest()


def trial(folder, method, name, moments, expected):
    """End a fit at some moments, one after the other, let it end, and return what is wrong."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        model, checkpoint = Path(place) / "model.sksubtomo", Path(place) / "fit.checkpoint"
        given = arguments(folder, method, model, checkpoint)
        codes, found = [], []
        for moment in moments:
            codes.append(ended(given, name, moment))
            found.append(checkpoint.exists())
            if model.exists():
                break
        right = all(code in (*ENDS[name], 0) for code in codes)
        if not model.exists() or checkpoint.exists():
            # Killed between the two: the model is there, and so is the checkpoint of its fit.
            last = ended([*given, "--overwrite"])
            right = right and last == 0
        left = {path.name for path in Path(place).iterdir()} - {model.name}
        return {
            "n_ended": sum(code != 0 for code in codes),
            "n_checkpoints": sum(found),
            "other_bits": int(not model.exists() or digest(model) != expected),
            "wrong_exit_codes": int(not right),
            "files_left": len(left),
        }


def run(options):
    """End fits of every method by every signal as often as asked."""
    rng = np.random.default_rng(options.random_state)
    for name in IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_project(folder, fits=())
        whole = {}
        for method in options.methods:
            model = folder / f"{method}.sksubtomo"
            began = time.monotonic()
            if ended(arguments(folder, method, model)):
                sys.exit(f"The fit of {method} failed.")
            whole[method] = time.monotonic() - began, digest(model)
        for _, method, name in product(range(options.moments), options.methods, SIGNALS):
            seconds, expected = whole[method]
            moments = rng.uniform(0, seconds, 1 + rng.integers(2)).round(2).tolist()
            result = trial(folder, method, name, moments, expected)
            row = {"fit": method, "signal": name, "moments": " ".join(map(str, moments))}
            append_rows(options.results, [{**row, **result, **environment()}])
            print(*row.values(), *result.values(), flush=True)


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    table = []
    for fit, name in dict.fromkeys((row["fit"], row["signal"]) for row in rows):
        own = [row for row in rows if (row["fit"], row["signal"]) == (fit, name)]
        counts = [sum(int(row[key]) for row in own) for key in ("n_ended", "n_checkpoints")]
        table.append(
            [fit, name, len(own), *counts, *(sum(int(r[k]) for r in own) for k in PROBLEMS)]
        )
    header = ["fit", "signal", "trials", "runs ended by it", "with a checkpoint then"]
    header += ["other bits than an uninterrupted fit", "wrong exit codes", "files left"]
    lines = [f"Rendered by `python benchmarks/checkpoints.py` from `{path.name}`.", ""]
    return write_markdown(path, [*lines, *markdown_table(header, table)])


def main(given=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--moments", type=int, default=20, help="trials of each fit and signal")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(given)
    run(options)
    print(render(options.results))


if __name__ == "__main__":
    main()
