"""Averages of the volumes of each reference, of halves of them, and how well the halves agree."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils.validation import check_consistent_length

from sksubtomo.alignment import HalfSetAverager, volume_blocks
from sksubtomo.fourier import Imaging, fourier_shell_correlation, fsc_resolution

_POSES = ("references", "rotations", "shifts")


def average_in_poses(
    volumes: Any,
    poses: Bunch,
    *,
    n_references: int,
    imaging: Imaging,
    voxel_size_angstrom: float | None,
) -> Bunch:
    """Return averages, half maps and their correlation; see ``class_averages``.

    Raises
    ------
    ValueError
        If there is not one pose for each volume.
    """
    lacking = [name for name in _POSES if name not in poses]
    if lacking:
        raise ValueError(
            f"poses has no {', '.join(lacking)}. Give what align(X) returns, or poses_."
        )
    check_consistent_length(volumes, *(poses[name] for name in _POSES))
    imaging = imaging.broadcast(len(volumes))
    signs = np.asarray(poses.get("contrast", np.ones(len(volumes))))
    averager = HalfSetAverager(volumes.shape[-1], n_references, imaging=imaging)
    start = 0
    for block in volume_blocks(volumes):
        rows = slice(start, start + len(block))
        own = poses.references[rows], poses.rotations[rows], poses.shifts[rows]
        sign = signs[rows].astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
        averager.add(block * sign, *own, imaging.index[rows])
        start += len(block)
    found = averager.finish()
    curves = [
        fourier_shell_correlation(first, second, voxel_size_angstrom=voxel_size_angstrom)
        for first, second in zip(*found.half_maps, strict=True)
    ]
    return Bunch(
        averages=found.averages,
        half_maps=found.half_maps,
        n_volumes=found.n_volumes,
        frequency=curves[0].frequency,
        fsc=np.stack([curve.correlation for curve in curves]),
        resolution=np.array([fsc_resolution(*curve) for curve in curves]),
    )
