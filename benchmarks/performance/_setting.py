"""What cases are given: sizes, estimators, data; and the memory of their process."""

import resource
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _harness import Profile, seconds_of
from _roofline import NetworkCost

from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.semi_supervised import AutoencodingClassifier

N_CLASSES = 8
TOMOGRAM_SHAPE = (64, 256, 256)


class Setting(NamedTuple):
    """How much a case computes, where, and in which precision; a folder for its files."""

    profile: Profile
    device: str = "cpu"
    precision: str = "auto"
    folder: Path = Path()

    def sizes(self, edge):
        """Return box edge and batch size of training, within the bounds of the profile."""
        edge_and_batch = min(edge, self.profile.largest_edge), self.profile.batch_sizes[edge]
        return dict(zip(("edge", "batch_size"), edge_and_batch, strict=True))

    def make(self, estimator=AutoencodingClassifier, n_blocks=None, **params):
        """Return an unfitted estimator; the one place that constructs those with a network."""
        made = estimator(
            early_stopping=False, device=self.device, precision=self.precision, random_state=0
        )
        if n_blocks is not None:
            params["network__n_blocks"] = n_blocks
        if self.profile.n_filters != 32:
            params["network__n_filters"] = self.profile.n_filters
        return made.set_params(**params)

    def cost(self, edge, n_classes=N_CLASSES, **parts):
        """Return the closed-form cost of the paper's network."""
        return NetworkCost(edge, n_classes, self.profile.n_filters, **parts)

    def repeat(self, ours, bare=None):
        """Call functions that return seconds, in turns; return what goes into the report."""
        turns = [(ours(), bare and bare()) for _ in range(self.profile.n_turns)]
        seconds = dict(zip(("ours", "bare"), zip(*turns, strict=True), strict=True))
        return seconds if bare else {"ours": seconds["ours"]}

    def time(self, run):
        """Time a function after a call that warms up; return what goes into the report."""
        run()
        return self.repeat(lambda: seconds_of(run, self.device))


def make_noise(n, edge, labels="all"):
    """Return volumes of noise and classes, of which "all", "half" or "none" are labeled."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % N_CLASSES
    y[{"all": n, "half": n // 2, "none": 0}[labels] :] = -1
    return rng.standard_normal((n, *(edge,) * 3), dtype=np.float32), y


def make_stack(folder, n, edge):
    """Write a tomogram of noise; return a lazy stack of boxes at random positions in it."""
    rng = np.random.default_rng(0)
    path = Path(folder) / "TS_00.mrc"
    write_mrc(path, rng.standard_normal(TOMOGRAM_SHAPE, dtype=np.float32), 10.0)
    half = edge // 2 + 1
    centers = rng.integers(half, np.array(TOMOGRAM_SHAPE) - half, (n, 3))
    return SubtomogramStack([path], centers, np.zeros(n, dtype=int), edge, normalize=True)


def type_name(volumes):
    """Return how the table of results names an array or a lazy stack."""
    return "array" if isinstance(volumes, np.ndarray) else type(volumes).__name__


def peak_mib():
    """Return the peak resident memory of this process in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def resident_mib():
    """Return the resident memory in MiB, or its peak where the system does not report it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_mib()
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
