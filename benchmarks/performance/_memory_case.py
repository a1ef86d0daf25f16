"""The largest memory of a fit."""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
from _case import N_CLASSES, Case, make_volumes
from _stacks import make_stack

from sksubtomo.networks import Liu2019
from sksubtomo.semi_supervised import AutoencodingClassifier
from sksubtomo.training import Training

_N_STEPS = 2
_MIB = 2**20


class MemoryCase(Case):
    """What a fit takes on top of the data and of what the process had before there were any.

    Parameters
    ----------
    profile, device : Profile, str
        As for all cases.
    n : int
        Volumes.
    lazy : bool, default=False
        Whether they are in a file.
    """

    unit = "fit of two steps"
    most_rounds = 1

    def __init__(self, profile, device, *, n, lazy=False):
        super().__init__(profile, device)
        self.n = n
        self.lazy = lazy
        self.box = self.edge(28)
        self.batch_size = profile.batch_sizes[28]

    @property
    def parameters(self):
        """Number of volumes, box, batch, and where the volumes are."""
        source = "SubtomogramStack" if self.lazy else "array"
        sizes = {"n": self.n, "edge": self.box, "batch_size": self.batch_size}
        return {**sizes, "volumes": source}

    @property
    def n_samples(self):
        """Volumes that are trained on."""
        return _N_STEPS * self.batch_size

    def report(self):
        """Return the seconds of the fit, and the memory in MiB."""
        before = resident_mib()
        with tempfile.TemporaryDirectory() as folder:
            if self.lazy:
                X, y = make_stack(folder, self.n, self.box), np.arange(self.n) % N_CLASSES
                data = sum(array.nbytes for array in (X.index, X.tomogram_index, X._centers, y))
            else:
                X, y = make_volumes(self.n, self.box)
                data = X.nbytes + y.nbytes
            seconds = self.seconds_of(lambda: self._make().fit(X, y))
        peak = peak_mib()
        memory = {"before_mib": before, "data_mib": data / _MIB, "peak_mib": peak}
        return {"ours": [seconds], "bare": [], "memory": memory}

    def _make(self):
        # Boxes of files are normalized one by one; their scale need not be looked for.
        training = Training(steps_per_epoch=_N_STEPS, standardize=not self.lazy)
        return AutoencodingClassifier(
            training=training,
            network=Liu2019(n_filters=self.profile.n_filters),
            batch_size=self.batch_size,
            max_epochs=1,
            early_stopping=False,
            device=self.device,
            precision=self.precision,
            random_state=0,
        )

    def figures(self, reports):
        """Return the memory, and what of it is neither data nor the empty process."""
        memory = reports[0]["memory"]
        extra = memory["peak_mib"] - memory["before_mib"] - memory["data_mib"]
        return {**{name: round(mib, 1) for name, mib in memory.items()}, "fit_mib": round(extra, 1)}


def peak_mib():
    """Return the largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (_MIB if sys.platform == "darwin" else 1024)


def resident_mib():
    """Return the resident memory now; where the system does not tell, the largest so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_mib()
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
