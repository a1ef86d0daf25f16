"""Subtomograms cut from simulated tomograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import release_pages
from sksubtomo.datasets._request import Request, run_seeded
from sksubtomo.datasets._tomogram import Distractors, particles_per_micromolar, simulate_tomogram
from sksubtomo.fourier import check_tilt_range
from sksubtomo.io import extract_subtomograms
from sksubtomo.simulate import TiltScheme

_PARAMS = {"shape", "concentration_micromolar", "scheme", "distractors"}
_TILT_STEP_DEG = 3.0
# Of the default tomogram, edges z, y, x in boxes.
_EDGES = (2.5, 8.0, 8.0)
_CONCENTRATION_MICROMOLAR = 20.0


def cut_from_tomograms(X: NDArray[np.float32], request: Request) -> dict[str, NDArray]:
    """Fill an array with boxes from as many tomograms as it takes, as a ``Maker``.

    Raises
    ------
    ValueError
        If a parameter of the tomograms is unknown.
    """
    unknown = sorted(set(request.tomogram_params) - _PARAMS)
    if unknown:
        raise ValueError(f"tomogram_params has {unknown}; it may have {sorted(_PARAMS)}.")
    box_size = X.shape[1]
    params = {
        "shape": tuple(int(np.ceil(edge * box_size)) for edge in _EDGES),
        "concentration_micromolar": _CONCENTRATION_MICROMOLAR,
        "scheme": _scheme(request),
        "distractors": Distractors(),
        **request.tomogram_params,
    }
    one_micromolar = particles_per_micromolar(
        params["shape"], box_size, request.voxel_size_angstrom
    )
    per_tomogram = max(1, round(params.pop("concentration_micromolar") * one_micromolar))
    starts = range(0, len(X), per_tomogram)
    coordinates = np.empty((len(X), 3))

    def fill(start: int, seed: np.random.SeedSequence) -> None:
        rows = slice(start, start + per_tomogram)
        simulated = simulate_tomogram(
            request.complexes,
            request.y[rows],
            request.orientations[rows],
            box_size=box_size,
            voxel_size_angstrom=request.voxel_size_angstrom,
            snr=request.snr,
            microscope=request.microscope,
            rng=np.random.default_rng(seed),
            **params,
        )
        coordinates[rows] = simulated.coordinates
        X[rows] = extract_subtomograms(simulated.tomogram, simulated.coordinates, box_size)
        release_pages(X)

    run_seeded(fill, starts, request, "Tomograms")
    return {
        "tomograms": np.arange(len(X)) // per_tomogram,
        "coordinates": coordinates,
        "shifts": coordinates - np.floor(coordinates + 0.5),
    }


def _scheme(request: Request) -> TiltScheme:
    lowest, highest = check_tilt_range(request.tilt_range_deg)
    tilts = np.arange(lowest, highest + _TILT_STEP_DEG / 2, _TILT_STEP_DEG)
    return TiltScheme(tuple(tilts), defocus_um=request.defocus_um)
