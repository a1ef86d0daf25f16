"""Maps of complexes, from names, from atoms or as they are given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_mrc
from sksubtomo.simulate import (
    COMPLEXES,
    Atoms,
    density_from_atoms,
    pseudo_atoms,
    read_atoms,
    resample_volume,
)

# Endings of files of maps, compressed or not.
_MAPS = {".mrc", ".map", ".ccp4", ".rec"}
# Of a map's maximum, above which a voxel counts as molecule where its radius is measured.
_CONTOUR = 0.1
# Standard deviation of every given map within its molecule, in volt: about that of protein
# in ice. Maps in other units than volt are brought to it, so that they mix with others.
_RMS_VOLT = 2.0


def load_density(
    source: str | os.PathLike[str] | Atoms | NDArray,
    *,
    voxel_size_angstrom: float,
    resolution_angstrom: float | None = None,
) -> NDArray[np.float32]:
    """Return the map of a complex at a voxel size.

    Parameters
    ----------
    source : str, path-like, Atoms or ndarray
        The name of an embedded complex (:data:`sksubtomo.simulate.COMPLEXES`); a PDB or mmCIF
        file, of which the first biological assembly is taken; atoms; an MRC file of a density map
        with a voxel size in its header; or a map that has the voxel size already.
    voxel_size_angstrom : float
        Edge of a voxel.
    resolution_angstrom : float, optional
        For atoms, see :func:`sksubtomo.simulate.density_from_atoms`.

    Returns
    -------
    density : ndarray of shape (n, n, n) of float32
        Axes z, y, x; the center is the voxel ``n // 2``. In volt for atoms. Other maps are
        scaled to the root mean square of protein in ice, 2 volt, within their contour (a tenth of
        the maximum), since their units differ.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file cannot be read, or has no voxel size.
    ValueError
        If the map has no positive value, or the source is of no known kind.
    """
    if isinstance(source, Atoms):
        return _from_atoms(source, voxel_size_angstrom, resolution_angstrom)
    if isinstance(source, np.ndarray):
        return _from_map(source, 1.0, "the given map")
    if isinstance(source, str) and source in COMPLEXES:
        return _embedded(source, voxel_size_angstrom, resolution_angstrom).copy()
    path = Path(source)
    if not _MAPS & {suffix.lower() for suffix in path.suffixes}:
        if not path.exists() and not path.suffix:
            raise ValueError(f"There is no complex {source!r}; there are {list(COMPLEXES)}.")
        return _from_atoms(read_atoms(path), voxel_size_angstrom, resolution_angstrom)
    data, sizes = read_mrc(path)
    if sizes is None or not np.allclose(sizes, sizes[0], rtol=1e-3):
        raise FileFormatError(f"{path} has voxels of {sizes} A; it takes one size on all axes.")
    return _from_map(data, voxel_size_angstrom / sizes[0], str(path))


def map_radius(density: NDArray) -> float:
    """Return the radius in voxels, about the center voxel, of what is above a tenth of the maximum.

    Parameters
    ----------
    density : ndarray of shape (n, n, n)
        A map.

    Returns
    -------
    radius : float
        In voxels.
    """
    inside = np.argwhere(density > _CONTOUR * density.max())
    return float(np.linalg.norm(inside - np.array(density.shape) // 2, axis=1).max() + 0.5)


def load_densities(
    classes: Sequence[str] | Mapping[str, Any],
    *,
    voxel_size_angstrom: float,
    resolution_angstrom: float | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Return maps of several complexes by name.

    Parameters
    ----------
    classes : list of str, or dict of str to source
        Names of embedded complexes, or names with what :func:`load_density` takes.
    voxel_size_angstrom : float
        Edge of a voxel.
    resolution_angstrom : float, optional
        For atoms.

    Returns
    -------
    densities : dict of str to ndarray
        A cubic map for each name, in the order given.

    Raises
    ------
    ValueError
        If there is none, or a name is there twice, or as in :func:`load_density`.
    """
    sources = classes if isinstance(classes, Mapping) else {name: name for name in classes}
    if not sources or len(sources) < len(classes):
        raise ValueError(f"classes={classes!r} must name one or more complexes, each once.")
    return {
        name: load_density(
            source,
            voxel_size_angstrom=voxel_size_angstrom,
            resolution_angstrom=resolution_angstrom,
        )
        for name, source in sources.items()
    }


def check_boxes(
    densities: Mapping[str, NDArray],
    box_size: int,
    voxel_size_angstrom: float,
    shift_voxels: float = 0.0,
) -> None:
    """Check that a box holds the complexes.

    Raises
    ------
    ValueError
        If one is too large, with its name.
    """
    radii = {name: map_radius(density) for name, density in densities.items()}
    check_radii(radii, box_size, voxel_size_angstrom, shift_voxels)


def check_radii(
    radii: Mapping[str, float], box_size: int, voxel_size_angstrom: float, shift_voxels: float
) -> None:
    """Check that a box holds spheres of these radii in voxels, shifted from its center.

    Raises
    ------
    ValueError
        If one is too large, with its name.
    """
    name = max(radii, key=lambda name: radii[name])
    # The lower half of an even box has one voxel more than the upper.
    available = (box_size - 1) // 2 + 0.5 - shift_voxels
    if radii[name] > available:
        raise ValueError(
            f"A box of {box_size} voxels of {voxel_size_angstrom:g} A with shifts up to "
            f"{shift_voxels:g} voxels holds a radius of {available * voxel_size_angstrom:.0f} A, "
            f"but {name} has {radii[name] * voxel_size_angstrom:.0f} A. Use a larger box or larger "
            "voxels."
        )


def _from_atoms(atoms: Atoms, voxel_size: float, resolution: float | None) -> NDArray[np.float32]:
    return density_from_atoms(atoms, voxel_size_angstrom=voxel_size, resolution_angstrom=resolution)


@lru_cache(maxsize=32)
def _embedded(name: str, voxel_size: float, resolution: float | None) -> NDArray[np.float32]:
    density = _from_atoms(pseudo_atoms(name), voxel_size, resolution)
    density.flags.writeable = False
    return density


def _from_map(data: NDArray, factor: float, name: str) -> NDArray[np.float32]:
    """Resample a map about its center of mass, in a cube as small as it can be."""
    data = check_array(data, dtype=np.float32, ensure_2d=False, allow_nd=True, input_name=name)
    if data.ndim != 3 or not data.max() > 0:
        raise ValueError(
            f"{name} is not a volume with positive density; its shape is {data.shape}."
        )
    inside = np.argwhere(data > _CONTOUR * data.max())
    center = np.average(inside, axis=0, weights=data[tuple(inside.T)])
    radius = np.linalg.norm(inside - center, axis=1).max() / factor
    box_size = 2 * int(np.ceil(radius + 2)) + 1
    density = resample_volume(data, factor, box_size, center=center)
    molecule = density > _CONTOUR * density.max()
    return density * np.float32(_RMS_VOLT / np.sqrt((density[molecule] ** 2).mean()))
