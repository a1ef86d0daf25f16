"""Time of a fit to many candidates, with default settings, and of judging them.

    python benchmarks/cleaning/cost.py
    python benchmarks/cleaning/cost.py --sizes 300

Boxes of 28 voxels of 13 A at an SNR of 0.1: a proteasome with its activator and three other
complexes, as many of each. Fifty random ones are labeled. The score is the truth and as much
noise. Time depends on the number of boxes and on their noise, not on what the false ones are.

One row for each (n_candidates, threads, seed) goes to the CSV file.
"""

import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))

from _arguments import make_parser, positive
from _results import (
    append_rows,
    ends_in_order,
    environment,
    keys_to_do,
    markdown_table,
    mean_and_spread,
    read_rows,
    write_markdown,
)

from sksubtomo.datasets import make_subtomograms
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import CandidateClassifier

KEY = ("n_candidates", "threads", "seed")
CLASSES = ("proteasome_20s_pa26", "groel", "glutamine_synthetase", "ribosome_70s")
BOX, VOXEL, SNR = 28, 13.0, 0.1
N_LABELS = 50
FIGURES = {
    "fit_seconds": "fit, s",
    "fit_cpu_seconds": "fit, CPU s",
    "predict_seconds": "predict, s",
}


def make_candidates(n, seed):
    """Return normalized boxes, whether they are the target, and scores."""
    X, y = make_subtomograms(
        n,
        kind="single_particle",
        classes=list(CLASSES),
        box_size=BOX,
        voxel_size_angstrom=VOXEL,
        snr=SNR,
        random_state=seed,
        return_X_y=True,
    )
    is_true = y == 0
    scores = is_true + np.random.default_rng(seed).normal(size=n)
    return VolumeNormalizer().fit_transform(X), is_true, scores


def timed(what):
    """Return seconds on the wall and of processors that a call takes."""
    start = time.perf_counter(), time.process_time()
    what()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def run_one(n, threads, seed):
    """Fit and judge, on the threads that are set; return a row."""
    X, is_true, scores = make_candidates(n, seed)
    y = np.full(n, -1)
    labeled = np.random.default_rng(seed).permutation(n)[:N_LABELS]
    y[labeled] = is_true[labeled]
    classifier = CandidateClassifier(random_state=seed)
    fit = timed(lambda: classifier.fit(X, y, covariates=scores))
    predict = timed(lambda: classifier.predict_proba(X, covariates=scores))
    return {
        **environment(),
        "n_candidates": n,
        "threads": threads,
        "seed": seed,
        "fit_seconds": round(fit[0], 1),
        "fit_cpu_seconds": round(fit[1], 1),
        "predict_seconds": round(predict[0], 1),
        "accuracy": round(float(classifier.score(X, is_true, covariates=scores)), 4),
    }


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    lines = [
        f"Rendered by `python benchmarks/cleaning/cost.py` from `{path.name}`: seconds of a fit",
        f"with default settings and {N_LABELS} labels, and of judging the same candidates, boxes",
        f"of {BOX} voxels.",
    ]
    table = []
    for group in sorted({(int(row["n_candidates"]), int(row["threads"])) for row in rows}):
        own = [r for r in rows if (int(r["n_candidates"]), int(r["threads"])) == group]
        table.append((*group, *(mean_and_spread(r[name] for r in own) for name in FIGURES)))
    header = ("candidates", "threads", *FIGURES.values())
    return write_markdown(path, [*lines, "", *markdown_table(header, table)])


@ends_in_order
def main():
    parser = make_parser(__doc__, "cleaning_cost", seeds=[0])
    parser.add_argument("--sizes", type=positive, nargs="+", default=[300, 1000, 3000])
    parser.add_argument("--n-threads", type=positive, nargs="+", default=[2])
    options = parser.parse_args()
    wanted = list(product(options.sizes, options.n_threads, options.seeds))
    for key in keys_to_do(options.results, KEY, wanted):
        torch.set_num_threads(key[1])
        row = run_one(*key)
        append_rows(options.results, [row], KEY)
        print(*key, row["fit_seconds"], row["predict_seconds"], flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
