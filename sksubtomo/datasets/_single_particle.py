"""The quick way: one complex a box, imaged in the volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sksubtomo._utils._files import release_pages
from sksubtomo.datasets._noise import add_noise
from sksubtomo.datasets._request import Request, run_seeded
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotate_volume
from sksubtomo.simulate import volume_transfer

# Volumes that are made together. They share a source of noise, so the data depend on it.
_CHUNK = 32


def image_single_particles(X: NDArray[np.float32], request: Request) -> dict[str, NDArray]:
    """Fill an array with images of single particles, as a ``Maker``."""
    box_shape = X.shape[1:]
    transfer = volume_transfer(
        box_shape[0],
        voxel_size_angstrom=request.voxel_size_angstrom,
        microscope=request.microscope,
        defocus_um=request.defocus_um,
        tilt_range_deg=request.tilt_range_deg,
    )
    wedge = missing_wedge_mask(box_shape, request.tilt_range_deg)
    filtered = [ndimage.spline_filter(map_, output=np.float32) for map_ in request.complexes]

    def fill(start: int, seed: np.random.SeedSequence) -> None:
        rows = range(start, min(start + _CHUNK, len(X)))
        turned = [
            rotate_volume(
                filtered[request.y[row]],
                request.orientations[row],
                shift=request.shifts[row],
                output_shape=box_shape,
                prefilter=False,
            )
            for row in rows
        ]
        signal = apply_fourier_filter(np.stack(turned), transfer)
        noise = np.random.default_rng(seed).standard_normal(signal.shape, dtype=np.float32)
        X[rows.start : rows.stop] = add_noise(signal, noise, wedge, request.snr)
        release_pages(X)

    run_seeded(fill, range(0, len(X), _CHUNK), request, "Imaging")
    return {"shifts": request.shifts}
