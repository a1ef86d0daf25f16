"""Which voxels the coordinates of a table are in, compared with the tomograms that are cut."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo.io._volume import read_voxel_size

# Of two voxel sizes that are the same but for rounding.
_TOLERANCE = 0.01


class Voxels(NamedTuple):
    """What is known of the voxels of coordinates.

    Parameters
    ----------
    sizes : dict of str to ndarray of shape (n_particles,)
        Edges in angstrom by what says so; NaN where it does not.
    is_open : bool
        Whether coordinates are in pixels that may be none of any tomogram's voxels.
    """

    sizes: dict[str, NDArray[np.float64]]
    is_open: bool = False

    def subset(self, rows: NDArray) -> Voxels:
        """Return what is known of some of the particles."""
        return Voxels({name: sizes[rows] for name, sizes in self.sizes.items()}, self.is_open)


def check_voxels(voxels: Voxels, files: list[Path], which: NDArray[np.intp]) -> None:
    """Check that tomograms have the voxels that coordinates are in.

    Parameters
    ----------
    voxels : Voxels
        Of the coordinates.
    files : list of Path
        The tomograms. What is wrong with a file is told where it is cut.
    which : ndarray of shape (n_particles,)
        Tomogram of each particle.

    Raises
    ------
    ValueError
        If they have others, or do not say it and the coordinates may be in any.
    """
    remedy = "Read the table with tomograms={name: path}, or give binning=."
    for number, file in enumerate(files):
        rows = which == number
        try:
            edges = read_voxel_size(file)
        except (ValueError, OSError):
            continue
        for name, sizes in voxels.sizes.items():
            said = sizes[rows][np.isfinite(sizes[rows])]
            if not len(said):
                continue
            if edges is None:
                if voxels.is_open:
                    raise ValueError(
                        f"{file} does not say its voxel size, and the particles count in pixels "
                        f"of {said[0]:g} A by {name}. {remedy}"
                    )
                continue
            differ = np.abs(said[:, None] / np.array(edges) - 1).max(axis=1) > _TOLERANCE
            if differ.any():
                shown = " x ".join(f"{edge:g}" for edge in edges)
                raise ValueError(
                    f"{file} has voxels of {shown} A (z, y, x), but the particles count in "
                    f"{said[differ.argmax()]:g} A by {name}. {remedy}"
                )
