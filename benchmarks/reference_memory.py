"""Memory and time of references fitted to many lazily read volumes.

    python benchmarks/reference_memory.py                 # 1000, 3000 and 10 000 of 64 voxels
    python benchmarks/reference_memory.py --n-volumes 1000 --box-sizes 28 64

Boxes of three complexes (308 Angstrom across, SNR 0.1 in boxes of 28 voxels and as much noise in
each frequency in smaller voxels, tilts of 60 degrees, 5 % labeled) are read from a tomogram that
holds 300 of them, each many times: the data on the disk stay small, and the fit knows nothing of
it. Every row of the CSV file is a fit with default settings in a process of its own, on one thread:

- "peak" is the largest anonymous resident memory, beyond that before the fit ("before": Python and
  its packages). Pages of files are left out, since the system takes them back.
- "estimate" is what the fit takes for its peak when it decides whether there is enough memory.
- CPU seconds of reading are those of all that is not expectation-maximization. Those of an
  iteration are per volume and class.

Volumes with less signal have more probable poses, of which up to 16 million are kept: their fits
take more memory than these. The table ends with what 100 000 volumes would take, by the line
through the two largest fits.
"""

import itertools
import multiprocessing
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _arguments import make_parser, positive
from _results import (
    append_rows,
    ends_in_order,
    environment,
    markdown_table,
    missing_keys,
    read_rows,
    write_markdown,
)

from sksubtomo.alignment import MultiReferenceEM, estimated_memory
from sksubtomo.datasets import make_subtomograms
from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.model_selection import mask_labels
from sksubtomo.semi_supervised import MultiReferenceClassifier

CLASSES = ("glutamine_synthetase", "groel", "ribosome_70s")
FIELD_ANGSTROM = 308.0
KEY = ("n_volumes", "box_size")
SHOWN = {
    "n_volumes": "volumes",
    "box_size": "box",
    "gib_of_volumes": "GiB of volumes",
    "accuracy": "accuracy",
    "n_iter": "iterations",
    "read_cpu_seconds": "CPU s, reading",
    "em_cpu_seconds": "CPU s, iterations",
    "iteration_ms": "ms an iteration, volume and class",
    "before_gib": "before, GiB",
    "peak_gib": "peak, GiB",
    "estimate_gib": "estimate, GiB",
}
_PROJECTED = 100_000
_DISTINCT = 300
_A_ROW = 20
_SNR, _BOX_OF_SNR = 0.1, 28
_SECONDS_BETWEEN_SAMPLES = 0.02


class PeakMemory:
    """The largest anonymous resident memory of this process while it is entered, in GiB."""

    def __enter__(self):
        self.before = self.peak = _anonymous_gib()
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def _sample(self):
        while not self._done.wait(_SECONDS_BETWEEN_SAMPLES):
            self.peak = max(self.peak, _anonymous_gib())

    def __exit__(self, *_):
        self._done.set()
        self._sampler.join()


def _anonymous_gib():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 2**20
    raise SystemExit("This kernel does not tell RssAnon in /proc/self/status.")


def make_tomogram(path, box_size):
    """Write a tomogram of boxes side by side, and return their centers and classes."""
    simulated = make_subtomograms(
        _DISTINCT,
        classes=list(CLASSES),
        kind="single_particle",
        box_size=box_size,
        voxel_size_angstrom=FIELD_ANGSTROM / box_size,
        snr=_SNR * (_BOX_OF_SNR / box_size) ** 3,
        random_state=0,
    )
    boxes = simulated.X.reshape(-1, _A_ROW, *simulated.X.shape[1:])
    tomogram = boxes.transpose(2, 0, 3, 1, 4).reshape(box_size, -1, _A_ROW * box_size)
    write_mrc(path, np.ascontiguousarray(tomogram), FIELD_ANGSTROM / box_size)
    row, column = np.divmod(np.arange(_DISTINCT), _A_ROW)
    centers = np.stack([np.zeros(_DISTINCT, int), row, column], axis=1) * box_size + box_size // 2
    return centers, simulated.y


class TimedIterations:
    """CPU seconds in runs of expectation-maximization, and iterations of those on all volumes."""

    def __init__(self, n_volumes):
        self._n_volumes = n_volumes

    def __enter__(self):
        self.seconds, self.n_iter = 0.0, 0
        self._run = run = MultiReferenceEM.run

        def timed(em, *args, **kwargs):
            start = time.process_time()
            result = run(em, *args, **kwargs)
            self.seconds += time.process_time() - start
            # Averages of labeled volumes come about in a run of their own.
            self.n_iter += len(em.history) if len(em.coefficients) == self._n_volumes else 0
            return result

        MultiReferenceEM.run = timed
        return self

    def __exit__(self, *_):
        MultiReferenceEM.run = self._run


def measure(n_volumes, box_size):
    """Fit references to so many boxes, and return the row."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "TS_01.mrc"
        centers, classes = make_tomogram(path, box_size)
        which = np.random.default_rng(1).integers(_DISTINCT, size=n_volumes)
        stack = SubtomogramStack(
            [path], centers[which], np.zeros(n_volumes, int), box_size, normalize=True
        )
        y = mask_labels(classes[which], labeled_fraction=0.05, random_state=0)
        clf = MultiReferenceClassifier(random_state=0)
        with PeakMemory() as memory, TimedIterations(n_volumes) as iterations:
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                clf.fit(stack, y)
            seconds = time.process_time() - start
    pairs = n_volumes * len(CLASSES) * iterations.n_iter
    return {
        "n_volumes": n_volumes,
        "box_size": box_size,
        "n_classes": len(CLASSES),
        "gib_of_volumes": round(stack.size * 4 / 2**30, 2),
        "accuracy": round(float((clf.transduction_ == classes[which])[y == -1].mean()), 4),
        "n_iter": iterations.n_iter,
        "read_cpu_seconds": round(seconds - iterations.seconds, 1),
        "em_cpu_seconds": round(iterations.seconds, 1),
        "iteration_ms": round(1e3 * iterations.seconds / pairs, 4),
        "before_gib": round(memory.before, 3),
        "peak_gib": round(memory.peak - memory.before, 3),
        "estimate_gib": round(_estimate(clf, y, box_size) / 2**30, 3),
        **environment(),
    }


def _estimate(clf, y, box_size):
    from sksubtomo.alignment import Annealing

    return estimated_memory(
        Annealing().stages,
        box_size,
        n_volumes=len(y),
        n_labeled=int((y != -1).sum()),
        n_classes=len(CLASSES),
        n_references=clf.n_references,
        max_shift=2.0,
    ).total


def projected(rows):
    """Return what 100 000 volumes take by the line through the two largest fits, as a sentence."""
    rows = sorted(rows, key=lambda row: int(row["n_volumes"]))[-2:]
    if len(rows) < 2:
        return "Two fits of the same box are needed for a projection."
    n = [int(row["n_volumes"]) for row in rows]
    values = []
    for name in ("peak_gib", "read_cpu_seconds", "em_cpu_seconds"):
        first, second = (float(row[name]) for row in rows)
        values.append(second + (second - first) / (n[1] - n[0]) * (_PROJECTED - n[1]))
    total = values[0] + float(rows[1]["before_gib"])
    return (
        f"By the line through {n[0]} and {n[1]} volumes of {rows[0]['box_size']} voxels, "
        f"{_PROJECTED} take {values[0]:.2f} GiB ({total:.2f} GiB with Python and its packages), "
        f"{values[1] / 3600:.2f} CPU hours of reading and {values[2] / 3600:.2f} of iterations."
    )


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = sorted(read_rows(path), key=lambda row: (int(row["box_size"]), int(row["n_volumes"])))
    by_box = itertools.groupby(rows, key=lambda row: row["box_size"])
    lines = [
        f"Rendered by `python benchmarks/reference_memory.py` from `{path.name}`, whose docstring",
        "says what is measured: references fitted to lazily read volumes of three classes.",
        "",
        *markdown_table(SHOWN.values(), [[row[name] for name in SHOWN] for row in rows]),
        "",
        *[projected(list(own)) for box_size, own in by_box if box_size == "64"],
    ]
    return write_markdown(path, lines)


def run(options):
    """Compute the rows that are missing, each in a process of its own."""
    keys = itertools.product(options.n_volumes, options.box_sizes)
    for key in missing_keys(options.results, KEY, keys):
        pool = multiprocessing.get_context("spawn").Pool(1)
        row = pool.apply(measure, key)
        pool.close()
        pool.join()
        append_rows(options.results, [row], KEY)
        print(*key, row["peak_gib"], row["em_cpu_seconds"], flush=True)


@ends_in_order
def main():
    parser = make_parser(__doc__, "reference_memory")
    parser.add_argument("--n-volumes", type=positive, nargs="+", default=[1000, 3000, 10_000])
    parser.add_argument("--box-sizes", type=positive, nargs="+", default=[64])
    options = parser.parse_args()
    run(options)
    print(render(options.results))


if __name__ == "__main__":
    main()
