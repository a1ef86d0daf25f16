"""A lazy stack of any number of boxes on one tomogram of noise."""

from pathlib import Path

import numpy as np

from sksubtomo.io import SubtomogramStack, write_mrc

SHAPE = (64, 256, 256)


def make_stack(folder, n_boxes, edge):
    """Write a tomogram, and return a stack of boxes around random places in it."""
    rng = np.random.default_rng(0)
    path = Path(folder) / "TS_00.mrc"
    write_mrc(path, rng.standard_normal(SHAPE, dtype=np.float32), 10.0)
    half = edge // 2 + 1
    centres = rng.integers(half, np.array(SHAPE) - half, (n_boxes, 3))
    return SubtomogramStack([path], centres, np.zeros(n_boxes, dtype=int), edge, normalize=True)
