"""Do the fast ways cost accuracy? The joint network computed fast, plainly, and in bfloat16.

    python benchmarks/same_accuracy.py                       # fast and plain, seeds 0 to 4
    python benchmarks/same_accuracy.py --ways bfloat16       # slow without units for it

trains the same estimator from the same weights on the same batches. "plain" puts PyTorch's own
convolution and interpolation in the places of the fast functions. One row for every way and seed
goes to ``benchmarks/results/same_accuracy.csv``; rows that are there are not computed again. Means
and standard deviations are rendered to ``same_accuracy.md`` beside it.
"""

import time
from contextlib import contextmanager, nullcontext
from itertools import product
from unittest.mock import patch

import numpy as np
from _arguments import make_parser
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
from torch.nn import functional as F

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.networks import _convolution, _liu2019
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

KEY = ("seed", "way")
WAYS = {"fast": "float32", "plain": "float32", "bfloat16": "bfloat16"}


def plain_convolve(maps, weight):
    return F.conv3d(maps, weight, padding=1)


def plain_convolve_upsampled(maps, weight, size):
    return plain_convolve(F.interpolate(maps, size=size, mode="nearest"), weight)


@contextmanager
def plain_convolutions():
    """Compute the layers of the paper's network as PyTorch does."""
    with (
        patch.object(_convolution, "convolve", plain_convolve),
        patch.object(_liu2019, "convolve", plain_convolve),
        patch.object(_liu2019, "convolve_upsampled", plain_convolve_upsampled),
    ):
        yield


def run_one(seed, way, n_train=200, n_test=400, max_epochs=25, box_size=16):
    """Return the row of a seed and a way."""
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
    with plain_convolutions() if way == "plain" else nullcontext():
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


def render(path):
    """Write a table of mean and standard deviation over the seeds, and return it."""
    rows = read_rows(path)
    table = []
    for way in dict.fromkeys(row["way"] for row in rows):
        chosen = [row for row in rows if row["way"] == way]
        figures = [mean_and_spread(row[name] for row in chosen) for name in ("accuracy", "loss")]
        seconds = np.mean([float(row["seconds"]) for row in chosen])
        table.append((way, len(chosen), *figures, f"{seconds:.0f}"))
    title = (
        f"Rendered by `python benchmarks/same_accuracy.py` from `{path.name}`: the joint "
        "network, half of the labels; mean ± standard deviation over the seeds."
    )
    header = ("way", "seeds", "test accuracy", "training loss", "seconds")
    return write_markdown(path, [title, "", *markdown_table(header, table)])


@ends_in_order
def main(arguments=None):
    parser = make_parser(__doc__, "same_accuracy", seeds=[0, 1, 2, 3, 4])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["fast", "plain"])
    options = parser.parse_args(arguments)
    wanted = product(options.seeds, options.ways)
    for seed, way in keys_to_do(options.results, KEY, wanted):
        append_rows(options.results, [run_one(seed, way)], KEY)
        print(way, seed, flush=True)
    print(render(options.results))


if __name__ == "__main__":
    main()
