"""Extraction of subtomograms."""

import numpy as np
from _case import Case
from _stacks import SHAPE

from sksubtomo.io import extract_subtomograms


class ExtractionCase(Case):
    """Boxes cut out of a tomogram in memory; `subvoxel` is "round" or "interpolate"."""

    def __init__(self, profile, device, *, subvoxel):
        super().__init__(profile, device)
        self.subvoxel = subvoxel
        self.box = self.edge(28)

    @property
    def parameters(self):
        """Box and treatment of centres between voxels."""
        return {"edge": self.box, "subvoxel": self.subvoxel}

    @property
    def n_samples(self):
        """Boxes."""
        return self.profile.n_boxes

    def setup(self):
        """Make the tomogram, and places between voxels."""
        rng = np.random.default_rng(0)
        self.tomogram = rng.standard_normal(SHAPE, dtype=np.float32)
        half = self.box // 2 + 1
        self.centres = rng.uniform(half, np.array(SHAPE) - half, (self.n_samples, 3))

    def run(self):
        """Cut all boxes."""
        extract_subtomograms(self.tomogram, self.centres, self.box, subvoxel=self.subvoxel)

    def bytes(self):
        """Return the bytes of boxes that are read and written."""
        return 2 * 4 * self.n_samples * self.box**3
