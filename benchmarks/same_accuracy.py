"""Do the fast ways cost accuracy? The joint network computed fast, plainly, and in bfloat16.

    python benchmarks/same_accuracy.py                       # fast and plain, seeds 0 to 4
    python benchmarks/same_accuracy.py --ways bfloat16       # slow without units for it

trains the same estimator from the same weights on the same batches. "plain" puts PyTorch's own
convolution and interpolation in the places of the fast functions. One row for every way and seed
goes to ``benchmarks/results/same_accuracy.csv``; rows that are there are not computed again. Means
and standard deviations are rendered to ``same_accuracy.md`` beside it.
"""

import argparse
import time
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from _results import append_rows, ends_in_order, environment, mean_and_spread, read_rows
from torch.nn import functional as F

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.networks import _linear_convolution, _pooled_convolution, _upsampled_convolution
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

RESULTS = Path(__file__).parent / "results/same_accuracy.csv"
WAYS = {"fast": "float32", "plain": "float32", "bfloat16": "bfloat16"}


def plain_convolve(maps, weight):
    return F.conv3d(maps, weight, padding=1)


def plain_convolve_upsampled(maps, weight, size):
    return plain_convolve(F.interpolate(maps, size=size, mode="nearest"), weight)


@contextmanager
def plain_convolutions():
    """Compute the layers of the paper's network as PyTorch does."""
    with (
        patch.object(_pooled_convolution, "convolve", plain_convolve),
        patch.object(_linear_convolution, "convolve", plain_convolve),
        patch.object(_upsampled_convolution, "convolve_upsampled", plain_convolve_upsampled),
    ):
        yield


@contextmanager
def nothing():
    yield


def run_one(way, seed, n_train=200, n_test=400, max_epochs=25, box_size=16):
    """Return the row of a way and a seed."""
    X, y = make_subtomograms(
        n_train + n_test,
        box_size=box_size,
        voxel_size_angstrom=20.0,
        snr=0.5,
        return_X_y=True,
        random_state=seed,
    )
    X = VolumeNormalizer().fit_transform(X)
    y_given = mask_labels(y[:n_train], labeled_fraction=0.5, random_state=seed)
    estimator = AutoencodingClassifier(
        precision=WAYS[way],
        learning_rate=1e-3,
        batch_size=32,
        max_epochs=max_epochs,
        early_stopping=False,
        random_state=seed,
    )
    start = time.perf_counter()
    with plain_convolutions() if way == "plain" else nothing():
        estimator.fit(X[:n_train], y_given)
    seconds = time.perf_counter() - start
    return {
        "way": way,
        "seed": seed,
        "n_train": n_train,
        "box_size": box_size,
        "max_epochs": max_epochs,
        "accuracy": round(estimator.score(X[n_train:], y[n_train:]), 4),
        "loss": round(estimator.history_[-1]["train_loss"], 5),
        "seconds": round(seconds, 1),
        **environment(),
    }


def render(rows):
    """Return a Markdown table of mean and standard deviation over the seeds."""
    lines = [
        "Rendered by `python benchmarks/same_accuracy.py` from `same_accuracy.csv`: the joint "
        "network, half of the labels; mean ± standard deviation over the seeds.",
        "",
        "| way | seeds | test accuracy | training loss | seconds |",
        "|---|---|---|---|---|",
    ]
    for way in dict.fromkeys(row["way"] for row in rows):
        chosen = [row for row in rows if row["way"] == way]
        figures = [mean_and_spread(row[name] for row in chosen) for name in ("accuracy", "loss")]
        seconds = np.mean([float(row["seconds"]) for row in chosen])
        lines.append(f"| {way} | {len(chosen)} | {' | '.join(figures)} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


@ends_in_order
def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["fast", "plain"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    done = {(row["way"], int(row["seed"])) for row in read_rows(options.results)}
    for seed in options.seeds:
        for way in options.ways:
            if (way, seed) not in done:
                append_rows(options.results, [run_one(way, seed)])
                print(way, seed, flush=True)
    table = render(read_rows(options.results))
    options.results.with_suffix(".md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
