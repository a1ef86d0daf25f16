"""Subtomograms of the eight complexes whose density maps lie beside the project."""

import os
from pathlib import Path

import numpy as np

from sksubtomo.datasets import load_density, make_subtomograms

BOX_SIZE = 28
VOXEL_SIZE_ANGSTROM = 10.0
MAX_SHIFT_VOXELS = 2.0
_ROOT = Path(__file__).resolve().parents[1]


def load_maps():
    """Return the maps by name, without what is beyond the sphere that a shifted box holds."""
    folder = Path(os.environ.get("SKSUBTOMO_SHARED_DATA", _ROOT / "../shared/data"))
    paths = sorted((folder / "density_maps_10A").glob("*.mrc"))
    if not paths:
        raise SystemExit(f"No density_maps_10A in {folder}; set SKSUBTOMO_SHARED_DATA.")
    return {path.stem: _trimmed(load_density(path, voxel_size_angstrom=10.0)) for path in paths}


def _trimmed(density):
    """Cut a map to a ball, which moves its center of mass, hence the voxel and a half to spare."""
    radius = (BOX_SIZE - 1) // 2 - MAX_SHIFT_VOXELS - 1.5
    center = np.array(density.shape) // 2
    distance = np.linalg.norm(np.indices(density.shape).T - center, axis=-1).T
    return np.where(distance <= radius, density, 0).astype(np.float32)


def make_volumes(n, snr, seed):
    """Return a Bunch of volumes, as `make_subtomograms` does, with integer labels."""
    return make_subtomograms(
        n,
        classes=load_maps(),
        kind="single_particle",
        box_size=BOX_SIZE,
        voxel_size_angstrom=VOXEL_SIZE_ANGSTROM,
        snr=snr,
        max_shift_voxels=MAX_SHIFT_VOXELS,
        random_state=seed,
    )
