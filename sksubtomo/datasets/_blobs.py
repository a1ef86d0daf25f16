"""Stand-ins for molecular complexes: blobs with the symmetry and size of the real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo.datasets._densities import check_radii
from sksubtomo.datasets._noise import add_noise
from sksubtomo.datasets._request import Request
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask

# Volumes that are transformed together.
_CHUNK = 64


@dataclass(frozen=True)
class Complex:
    """A complex as Gaussian blobs of equal mass.

    Parameters
    ----------
    symmetry : str
        Point group in Schoenflies notation, the main axis along z.
    unit : tuple of (x, y, z) in angstrom
        Blob centers of one asymmetric unit.
    sigma_angstrom : float
        Standard deviation of a blob.
    source : str
        Where symmetry and dimensions are from.
    """

    symmetry: str
    unit: tuple[tuple[float, float, float], ...]
    sigma_angstrom: float
    source: str

    def centers(self) -> NDArray[np.float64]:
        """Return all blob centers, (n_blobs, 3), x, y, z in angstrom, their mean at 0."""
        group = Rotation.create_group(self.symmetry)
        points = np.concatenate([group.apply(point) for point in self.unit])
        return points - points.mean(axis=0)

    def radius_angstrom(self) -> float:
        """Return the radius of a sphere about the center that holds all but the blobs' tails."""
        return float(np.linalg.norm(self.centers(), axis=1).max() + 2 * self.sigma_angstrom)


def _polar(radius: float, angle_deg: float, z: float) -> tuple[float, float, float]:
    """Cylinder coordinates about the symmetry axis as x, y, z."""
    angle = np.radians(angle_deg)
    return (radius * float(np.cos(angle)), radius * float(np.sin(angle)), z)


BLOBS: dict[str, Complex] = {
    "apoferritin": Complex(
        "O",
        ((18.0, 30.0, 38.0),),
        9.0,
        "24 subunits, outer diameter 120 A, cavity 80 A: Harrison & Arosio, Biochim. Biophys. "
        "Acta 1275, 1996",
    ),
    "glutamine_synthetase": Complex(
        "D6",
        (_polar(40, 0, 24), _polar(58, 14, 20), _polar(34, 20, 36)),
        9.0,
        "two hexagonal rings, 143 x 103 A: Almassy et al., Nature 323, 1986",
    ),
    "proteasome_20s": Complex(
        "D7",
        (_polar(38, 0, 20), _polar(40, 12, 52)),
        10.0,
        "four rings of seven, 148 x 113 A: Loewe et al., Science 268, 1995",
    ),
    "ribosome_70s": Complex(
        "C1",
        (
            # large subunit: body, central protuberance, the L1 and L7/L12 stalks
            *((x, y, z) for x in (-38.0, 0.0, 38.0) for y in (-62.0, -34.0) for z in (-30.0, 12.0)),
            (0.0, -45.0, 62.0),
            (-14.0, -38.0, 44.0),
            (16.0, -40.0, 40.0),
            (-68.0, -36.0, 38.0),
            (70.0, -44.0, 8.0),
            (0.0, -78.0, -8.0),
            # small subunit: body, platform, head, beak, spur
            (-24.0, 10.0, -48.0),
            (6.0, 12.0, -56.0),
            (-20.0, 14.0, -16.0),
            (12.0, 14.0, -20.0),
            (36.0, 12.0, 2.0),
            (-8.0, 22.0, 34.0),
            (18.0, 24.0, 46.0),
            (-38.0, 26.0, 50.0),
            (-30.0, 16.0, -76.0),
        ),
        13.0,
        "two unequal subunits, about 250 A across: Frank et al., Nature 376, 1995",
    ),
    "groel": Complex(
        "D7",
        (_polar(42, 0, 20), _polar(52, 8, 42), _polar(46, 16, 60)),
        9.0,
        "two rings of seven, 137 x 146 A, cavity 45 A: Braig et al., Nature 371, 1994",
    ),
    "aspartate_transcarbamoylase": Complex(
        "D3",
        (_polar(22, 10, 24), _polar(38, 35, 20), _polar(52, 65, 8)),
        10.0,
        "two trimers and three dimers, 130 x 90 A: Kantrowitz & Lipscomb, Science 241, 1988",
    ),
    "p97": Complex(
        "C6",
        (_polar(42, 0, 16), _polar(66, 15, 22), _polar(42, 25, -20), _polar(48, 12, -2)),
        9.0,
        "two stacked rings of six, 160 x 100 A: DeLaBarre & Brunger, Nat. Struct. Biol. 10, 2003",
    ),
    "beta_galactosidase": Complex(
        "D2",
        ((13.0, 14.0, 12.0), (40.0, 26.0, 18.0), (66.0, 14.0, 22.0), (32.0, 46.0, 4.0)),
        10.0,
        "tetramer, 175 x 135 x 90 A: Jacobson et al., Nature 369, 1994",
    ),
}


def render_blobs(
    centers_angstrom: NDArray[np.float64],
    sigma_angstrom: float,
    box_size: int,
    voxel_size_angstrom: float,
) -> NDArray[np.float32]:
    """Return the density of Gaussian blobs of mass 1.

    Blobs are widened by the voxel, half of which is added to their standard
    deviation in quadrature, so that coarse voxels do not miss them.

    Parameters
    ----------
    centers_angstrom : ndarray of shape (n_blobs, 3)
        Centers x, y, z; the origin is the center of the voxel ``box_size // 2``.
    sigma_angstrom : float
        Standard deviation of a blob.
    box_size : int
        Edge of the box in voxels.
    voxel_size_angstrom : float
        Edge of a voxel.

    Returns
    -------
    density : ndarray of shape (box_size, box_size, box_size) of float32
        Mass per voxel, axes z, y, x.
    """
    grid = np.arange(box_size) - box_size // 2
    centers = centers_angstrom / voxel_size_angstrom
    variance = (sigma_angstrom / voxel_size_angstrom) ** 2 + 0.25
    distances = grid[np.newaxis, np.newaxis] - centers[..., np.newaxis]
    profiles = np.exp(-(distances**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    x, y, z = profiles.astype(np.float32).transpose(1, 0, 2)
    planes = (y[:, :, np.newaxis] * x[:, np.newaxis]).reshape(len(centers), -1)
    return (z.T @ planes).reshape((box_size,) * 3)


def make_blob_volumes(X: NDArray[np.float32], request: Request) -> dict[str, NDArray]:
    """Fill an array with blobs, noise, and the missing wedge, as a ``Maker``."""
    box_size = X.shape[1]
    wedge = missing_wedge_mask((box_size,) * 3, request.tilt_range_deg)
    for start in range(0, len(X), _CHUNK):
        for row in range(start, min(start + _CHUNK, len(X))):
            shape = request.complexes[request.y[row]]
            centers = request.orientations[row].apply(shape.centers())
            centers += request.shifts[row, ::-1] * request.voxel_size_angstrom
            X[row] = render_blobs(
                centers, shape.sigma_angstrom, box_size, request.voxel_size_angstrom
            )
        rows = slice(start, start + _CHUNK)
        signal = apply_fourier_filter(X[rows], wedge)
        noise = request.random_state.standard_normal(signal.shape).astype(np.float32)
        X[rows] = add_noise(signal, noise, wedge, request.snr)
    return {"shifts": request.shifts}


def check_blob_box(
    names: list[str], box_size: int, voxel_size_angstrom: float, shift_voxels: float
) -> None:
    """Check that a box holds the complexes.

    Raises
    ------
    ValueError
        If one is too large, with its name.
    """
    radii = {name: BLOBS[name].radius_angstrom() / voxel_size_angstrom for name in names}
    check_radii(radii, box_size, voxel_size_angstrom, shift_voxels)
