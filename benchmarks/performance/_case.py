"""The base class of all cases."""

import time

import numpy as np
import torch

N_CLASSES = 8


class Case:
    """One thing to be timed, in a process of its own.

    A subclass has ``setup`` and ``run``, and tells how many volumes a run goes through. ``measure``
    times a run; where a unit is only a part of a run, as a step is of a fit, it is overridden.

    Parameters
    ----------
    profile : Profile
        How much to compute.
    device : {"cpu", "cuda"}
        Where networks are.

    Attributes
    ----------
    unit : str
        What seconds are counted for.
    precision : str
        What networks compute in, as the estimators' parameter.
    needs_gpu : bool
        Whether the case is left out without a GPU.
    most_rounds : int
        Rounds at most, whatever the profile says.
    """

    unit = "run"
    precision = "auto"
    needs_gpu = False
    most_rounds = 1000

    def __init__(self, profile, device="cpu"):
        self.profile = profile
        self.device = device

    @property
    def parameters(self):
        """What tells the case from others of its kind: a dictionary of numbers and names."""
        return {}

    @property
    def n_samples(self):
        """Volumes in a unit; None where there is no such thing."""
        return None

    def setup(self):
        """Make data and estimators."""

    def teardown(self):
        """Remove what is in files."""

    def run(self):
        """Do what is timed."""
        raise NotImplementedError

    def warm_up(self):
        """Do once what is timed, so that nothing is done for the first time later."""
        self.run()

    def measure(self):
        """Return the seconds of a unit."""
        return self.seconds_of(self.run)

    def measure_bare(self):
        """Return the seconds of a unit of the bare loop; None is no loop."""
        return None

    def reference(self):
        """Return the arguments of the reference, and its steps in a unit; None is no reference."""
        return None

    def flops(self):
        """Return the operations of a unit in closed form; None is not known."""
        return None

    def bytes(self):
        """Return the bytes that a unit reads and writes, in closed form; None is not known."""
        return None

    def report(self):
        """Set up, measure ours and the bare loop in turns; return what goes to the harness."""
        self.setup()
        try:
            self.warm_up()
            turns = [(self.measure(), self.measure_bare()) for _ in range(self.profile.n_turns)]
        finally:
            self.teardown()
        ours, bare = zip(*turns, strict=True)
        return {"ours": list(ours), "bare": [seconds for seconds in bare if seconds is not None]}

    def figures(self, reports):
        """Return further columns of the row from the reports of all rounds."""
        return {}

    def edge(self, edge):
        """Return an edge within the bounds of the profile."""
        return min(edge, self.profile.largest_edge)

    def seconds_of(self, work):
        """Return the seconds of some work, to its end on the device."""
        self._synchronize()
        start = time.perf_counter()
        work()
        self._synchronize()
        return time.perf_counter() - start

    def _synchronize(self):
        if self.device == "cuda":
            torch.cuda.synchronize()


def make_volumes(n, edge):
    """Return volumes of noise and their classes; the time does not depend on what they show."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *(edge,) * 3), dtype=np.float32), np.arange(n) % N_CLASSES
