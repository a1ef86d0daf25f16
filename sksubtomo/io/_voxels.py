"""Which voxels the coordinates of a table are in, compared with the tomograms that are cut."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo.io._volume import read_frame

# Of two voxel sizes that are the same but for rounding.
_TOLERANCE = 0.01
#: By which edges may differ that programs compute from those of the tilt series, each in its way.
ROUNDED_VOXELS = 2


class Voxels(NamedTuple):
    """What is known of the voxels of coordinates.

    Parameters
    ----------
    sizes : dict of str to ndarray of shape (n_particles,) or (n_particles, 3)
        Edges in angstrom, of cubes or z, y, x, by what says so; NaN where it does not.
    is_assumed : bool
        Whether coordinates were taken for voxels because nothing says otherwise.
    question : str, optional
        What has to be asked where coordinates are in pixels that may be none of any tomogram's
        voxels.
    places : ndarray of shape (n_particles, 3), optional
        Centers z, y, x in such pixels.
    shapes : ndarray of shape (n_particles, 3), optional
        Edges z, y, x in voxels of the tomogram, where coordinates were counted from its center or
        in fractions of its edges.
    """

    sizes: dict[str, NDArray[np.float64]]
    is_assumed: bool = False
    question: str | None = None
    places: NDArray[np.float64] | None = None
    shapes: NDArray[np.float64] | None = None

    def subset(self, rows: NDArray) -> Voxels:
        """Return what is known of some of the particles."""
        return self._replace(
            sizes={name: sizes[rows] for name, sizes in self.sizes.items()},
            places=None if self.places is None else self.places[rows],
            shapes=None if self.shapes is None else self.shapes[rows],
        )


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
    for number, file in enumerate(files):
        try:
            shape, edges = read_frame(file)
        except (ValueError, OSError):
            continue
        check_edges(voxels.subset(which == number), shape, edges, str(file))


def check_edges(
    voxels: Voxels, shape: tuple[int, ...], edges: tuple[float, float, float] | None, name: str
) -> None:
    """Check that a tomogram has the voxels that coordinates are in.

    Parameters
    ----------
    voxels : Voxels
        Of the coordinates in this tomogram.
    shape : (int, int, int)
        Of the tomogram, z, y, x.
    edges : (float, float, float) or None
        Of its voxels in angstrom, z, y, x, where they are known.
    name : str
        What it is called in messages.

    Raises
    ------
    ValueError
        As :func:`check_voxels`.
    """
    remedy = "Read the table with tomograms={name: path}, or give binning=."
    if voxels.question is not None and (edges is None or not voxels.sizes):
        what = "does not say its voxel size" if edges is None else "is to be cut"
        raise ValueError(f"{name} {what}: {voxels.question}")
    if voxels.shapes is not None and len(shape) == 3:
        with np.errstate(invalid="ignore"):
            other = (np.abs(voxels.shapes - shape) > ROUNDED_VOXELS).any(axis=1)
        if other.any():
            read_with = ", ".join(f"{edge:g}" for edge in voxels.shapes[other.argmax()])
            raise ValueError(
                f"{name} has {shape} voxels (z, y, x), but positions were read from its center or "
                f"edges for a tomogram of ({read_with}). Read the table with this tomogram."
            )
    for source, sizes in voxels.sizes.items():
        if edges is None:
            continue
        said = sizes.reshape(len(sizes), -1)
        with np.errstate(invalid="ignore"):
            differ = (np.abs(said / np.array(edges) - 1) > _TOLERANCE).any(axis=1)
        if differ.any():
            shown, counted = (
                " x ".join(f"{edge:g}" for edge in one) for one in (edges, said[differ.argmax()])
            )
            raise ValueError(
                f"{name} has voxels of {shown} A (z, y, x), but the particles count in "
                f"{counted} A by {source}. {remedy}"
            )
