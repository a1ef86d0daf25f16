"""The oracle: what knowing the maps, the microscope and the noise would give."""

import numpy as np
import torch
from _simulated_maps import BOX_SIZE, MAX_SHIFT_VOXELS, VOXEL_SIZE_ANGSTROM, load_maps, make_volumes

from sksubtomo.alignment import PoseGrid, expectation, shift_grid
from sksubtomo.datasets import load_density
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotation_grid
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.simulate import Microscope, volume_transfer

N_SHELLS = 6.5
ANGULAR_STEP_DEG = 16.0
N_SHIFTS = 5
_TILT_RANGE_DEG = 60.0


class TrueMaps:
    """Compares normalized volumes with the true maps in all poses of a fine grid.

    Parameters
    ----------
    snr : float
        Of the volumes, which says how large signal and noise are after normalization.
    seed : int
        Of the noise-free volumes from which the mean variance of each signal is taken.
    """

    def __init__(self, snr, seed):
        maps, self.classes_ = _seen_maps(), np.arange(len(load_maps()))
        clean = make_volumes(16 * len(maps), 1e9, 10_000 + seed)
        variance = clean.X.var(axis=(1, 2, 3))
        signal = np.array([variance[clean.y == k].mean() for k in self.classes_])
        # Normalization divides by the standard deviation of signal and noise together.
        maps = maps / np.sqrt(signal * (1 + 1 / snr))[:, np.newaxis, np.newaxis, np.newaxis]
        measured = missing_wedge_mask((BOX_SIZE,) * 3, _TILT_RANGE_DEG).mean()
        self.poses = PoseGrid(
            BOX_SIZE,
            2 * int(np.ceil(N_SHELLS)),
            n_shells=N_SHELLS,
            rotations=rotation_grid(ANGULAR_STEP_DEG),
            shifts=shift_grid(MAX_SHIFT_VOXELS, N_SHIFTS),
            tilt_range_deg=_TILT_RANGE_DEG,
        )
        self.maps = self.poses.from_references(maps.astype(np.float32))
        self.noise = torch.full((int(N_SHELLS) + 1,), float(1 / (1 + snr) / measured))

    def predict_proba(self, X):
        data = self.poses.coefficients(VolumeNormalizer().fit_transform(X))
        result = expectation(self.poses, data, self.maps, self.noise, keep_poses=False)
        evidence = result.log_evidence
        return evidence.softmax(dim=1).numpy()


def _seen_maps():
    """Return the maps in the box, with contrast transfer, without wedge."""
    transfer = volume_transfer(
        BOX_SIZE,
        voxel_size_angstrom=VOXEL_SIZE_ANGSTROM,
        microscope=Microscope(),
        defocus_um=4.0,
        tilt_range_deg=90.0,
    )
    seen = []
    for density in load_maps().values():
        density = load_density(density, voxel_size_angstrom=VOXEL_SIZE_ANGSTROM)
        edge = max(len(density), BOX_SIZE) + BOX_SIZE % 2
        box = np.zeros((2 * edge,) * 3, np.float32)
        low = edge - len(density) // 2
        box[(slice(low, low + len(density)),) * 3] = density
        inner = slice(edge - BOX_SIZE // 2, edge - BOX_SIZE // 2 + BOX_SIZE)
        seen.append(apply_fourier_filter(box[inner, inner, inner], transfer))
    return np.stack(seen)
