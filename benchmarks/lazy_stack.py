"""Memory and reading of a fit and a prediction on boxes in files.

    python benchmarks/lazy_stack.py                     # 200 000 boxes of 32 voxels, 1 epoch
    python benchmarks/lazy_stack.py --n-boxes 5000

Makes tomograms in a temporary folder, fits a small network to the lazy stack of boxes, predicts
them all, and writes the largest resident memory and how often boxes were read to the CSV file, from
which the table is rendered.
"""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from _arguments import make_parser, positive
from _results import (
    append_rows,
    ends_in_order,
    environment,
    markdown_table,
    read_rows,
    write_markdown,
)

from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.io import _stack as stack_module
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.training import Training

SHAPE = (128, 512, 512)
SHOWN = (
    *("n_boxes", "box_size", "gib_of_boxes", "reads_per_box_and_epoch", "fit_seconds"),
    *("predict_seconds", "peak_memory_gib", "memory_before_gib"),
)


def make_tomograms(folder, n_tomograms):
    """Write tomograms of noise and return their paths."""
    rng = np.random.default_rng(0)
    paths = [Path(folder) / f"TS_{number:02d}.mrc" for number in range(n_tomograms)]
    for path in paths:
        write_mrc(path, rng.standard_normal(SHAPE, dtype=np.float32), 10.0)
    return paths


def peak_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def measure(options):
    """Fit, predict, and return the row."""
    rng = np.random.default_rng(1)
    read = 0
    cut = stack_module.cut_boxes

    def counting(tomogram, centers, *args, **kwargs):
        nonlocal read
        read += len(centers)
        return cut(tomogram, centers, *args, **kwargs)

    stack_module.cut_boxes = counting
    with tempfile.TemporaryDirectory() as folder:
        paths = make_tomograms(folder, options.n_tomograms)
        half = options.box_size // 2
        centers = rng.integers(half, np.array(SHAPE) - half, (options.n_boxes, 3))
        which = rng.integers(0, len(paths), options.n_boxes)
        stack = SubtomogramStack(paths, centers, which, options.box_size, normalize=True)
        y = rng.integers(0, 4, options.n_boxes)
        before = peak_gib()
        network = CNNClassifier(
            network=Liu2019(n_filters=4),
            training=Training(standardize=False, verbose=1),
            max_epochs=options.epochs,
            early_stopping=False,
            random_state=0,
        )
        start = time.perf_counter()
        network.fit(stack, y)
        fitted = time.perf_counter()
        reads = read / options.n_boxes / options.epochs
        assert network.predict(stack).shape == (options.n_boxes,)
        predicted = time.perf_counter()
    return {
        "n_boxes": options.n_boxes,
        "box_size": options.box_size,
        "n_tomograms": options.n_tomograms,
        "epochs": options.epochs,
        "gib_of_boxes": round(stack.size * 4 / 2**30, 2),
        "reads_per_box_and_epoch": round(reads, 3),
        "fit_seconds": round(fitted - start, 1),
        "predict_seconds": round(predicted - fitted, 1),
        "memory_before_gib": round(before, 3),
        "peak_memory_gib": round(peak_gib(), 3),
        **environment(),
    }


def render(path):
    """Write the table beside the CSV file and return it."""
    lines = [
        f"Rendered by `python benchmarks/lazy_stack.py` from `{path.name}`: a fit of a small",
        "supervised network and a prediction, on boxes in files.",
        "",
        *markdown_table(SHOWN, [[row[name] for name in SHOWN] for row in read_rows(path)]),
    ]
    return write_markdown(path, lines)


@ends_in_order
def main():
    parser = make_parser(__doc__, "lazy_stack")
    parser.add_argument("--n-boxes", type=positive, default=200_000)
    parser.add_argument("--box-size", type=positive, default=32)
    parser.add_argument("--n-tomograms", type=positive, default=20)
    parser.add_argument("--epochs", type=positive, default=1)
    options = parser.parse_args()
    append_rows(options.results, [measure(options)])
    print(render(options.results))


if __name__ == "__main__":
    main()
