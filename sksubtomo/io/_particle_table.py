"""Particles with all that their file says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._classes import class_numbers
from sksubtomo.io._tomogram_column import tomogram_names
from sksubtomo.io._voxels import Voxels

if TYPE_CHECKING:
    import pandas as pd

_COORDINATES = ("rlnCoordinateZ", "rlnCoordinateY", "rlnCoordinateX")


@dataclass(frozen=True)
class ParticleTable:
    """Particles of one or more tomograms, with all that their file says.

    Parameters
    ----------
    blocks : dict of str to DataFrame or dict
        All blocks of the file.
    block : str
        Name of the block of particles.
    positions : ndarray of shape (n_particles, 3), optional
        Centers z, y, x in voxels, from 0. By default, what ``rlnCoordinateZ``, ``Y`` and ``X``
        say, unless `voxels` has a question.
    tomogram_files : dict of str to Path, optional
        File of each tomogram, by name, as far as it was said on reading; it may be elsewhere.
    voxels : Voxels, optional
        What is known of the voxels of positions; they are compared with tomograms that are cut.
    file_kind : str, optional
        Ending that tells the kind of file that they were read from, such as ``.star``.
    """

    blocks: dict[str, Any]
    block: str
    positions: NDArray[np.float64] | None = None
    tomogram_files: dict[str, Path] | None = None
    voxels: Voxels | None = None
    file_kind: str | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The block of particles, a row a particle, all columns."""
        return self.blocks[self.block]

    @property
    def coordinates(self) -> NDArray[np.float64]:
        """Centers (n_particles, 3), z, y, x in voxels, counted from 0.

        NaN where the tomogram of the particle is not given or cannot be read, and has to say it.

        Raises
        ------
        FileFormatError
            If they are in pixels of the table's own, and it was not said how many are a voxel.
        """
        if self.voxels is not None and self.voxels.question is not None:
            raise FileFormatError(self.voxels.question, arguments=("tomograms", "binning"))
        if self.positions is not None:
            return self.positions
        return self.table[list(_COORDINATES)].to_numpy(dtype=np.float64)

    @property
    def tomogram_names(self) -> NDArray | None:
        """Name of the tomogram of every particle, or None where the file does not say."""
        return tomogram_names(self.table)

    @property
    def class_numbers(self) -> NDArray[np.int64] | None:
        """Class of every particle, from 1, 0 without one, or None where the file does not say."""
        return class_numbers(self.table)

    def subset(self, rows: ArrayLike) -> ParticleTable:
        """Return some of the particles, with all columns and the other blocks.

        Parameters
        ----------
        rows : array-like of int or bool
            Row numbers, or a mask.

        Returns
        -------
        particles : ParticleTable
            The particles in the order of `rows`.
        """
        rows = np.asarray(rows)
        chosen = self.table.iloc[rows].reset_index(drop=True)
        positions = None if self.positions is None else self.positions[rows]
        blocks = {**self.blocks, self.block: chosen}
        voxels = None if self.voxels is None else self.voxels.subset(rows)
        return replace(self, blocks=blocks, positions=positions, voxels=voxels)

    def __len__(self) -> int:
        return len(self.table)


def checked_centers(particles: ParticleTable) -> NDArray[np.float64]:
    """Return centers after the voxels of their tomogram were found to be those that they are in."""
    voxels = particles.voxels
    if voxels is not None and voxels.question is not None and voxels.places is not None:
        return voxels.places
    return particles.coordinates
