"""Simulation of subtomograms."""

from _case import Case

from sksubtomo.datasets import make_subtomograms

# The largest complex fits into the default box of 28.
_VOXEL_SIZE_ANGSTROM = 13.0


class SimulationCase(Case):
    """Volumes of ``make_subtomograms``; `kind` is "blobs" or "single_particle"."""

    def __init__(self, profile, device, *, kind):
        super().__init__(profile, device)
        self.kind = kind

    @property
    def parameters(self):
        """Kind and box."""
        return {"edge": 28, "kind": self.kind}

    @property
    def n_samples(self):
        """Volumes."""
        return self.profile.n_boxes

    def run(self):
        """Make all volumes; maps are computed in the run that warms up, and kept."""
        make_subtomograms(
            self.n_samples,
            kind=self.kind,
            voxel_size_angstrom=_VOXEL_SIZE_ANGSTROM,
            n_jobs=1,
            random_state=0,
        )
