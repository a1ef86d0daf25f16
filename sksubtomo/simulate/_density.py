"""Electrostatic potential of molecules in ice, and maps on other grids."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo.fourier import apply_fourier_filter, fourier_crop, squared_frequencies
from sksubtomo.simulate._atoms import Atoms, import_gemmi

#: Potential in volt of a density of scattering amplitude of 1 / angstrom**2: h**2 / (2 pi m e).
VOLT_ANGSTROM2 = 47.87801
# Partial specific volume of protein, 0.73 cm3/g, in cubic angstrom per dalton: Harpaz, Gerstein &
# Chothia, Structure 2, 1994.
_VOLUME_PER_DALTON = 1.21
# Molecules per cubic angstrom of amorphous ice of 0.94 g/cm3: Dubochet et al., 1988.
_ICE_NUMBER_DENSITY = 0.0314
# Standard deviation of the Gaussian that stands for a resolution, in units of it, so
# that its Fourier transform is 1/e at the resolution: the convention of ChimeraX's molmap.
SIGMA_PER_RESOLUTION = 1 / (np.pi * np.sqrt(2))
# Grid spacing at which atoms are laid out, in units of the resolution: the Gaussian has
# vanished well before Nyquist.
_SPACING_PER_RESOLUTION = 1 / 6
# And never coarser than this: real and pseudo-atoms have structure of their own at a few angstrom,
# which would fold back.
_LARGEST_SPACING_ANGSTROM = 3.0


def scattering_factor(element: str, squared_frequency: NDArray) -> NDArray[np.float64]:
    """Return the electron scattering factor of a neutral atom.

    Parameters
    ----------
    element : str
        Chemical symbol.
    squared_frequency : ndarray
        Squared spatial frequency in 1 / angstrom**2.

    Returns
    -------
    factor : ndarray
        In angstrom, first Born approximation.

    Raises
    ------
    ValueError
        If the table has no such element.

    References
    ----------
    Peng, Ren, Dudarev & Whelan, "Robust parameterization of elastic and absorptive electron
    atomic scattering factors", Acta Crystallographica A52, 1996; the table of gemmi.
    """
    known = import_gemmi().Element(element)
    coefficients = known.c4322
    if known.atomic_number == 0 or coefficients is None:
        raise ValueError(f"There is no electron scattering factor of the element {element!r}.")
    a, b = np.array(coefficients.a), np.array(coefficients.b)
    # The table is in s = k / 2.
    squared = np.asarray(squared_frequency, dtype=float)[..., np.newaxis] / 4
    return (a * np.exp(-b * squared)).sum(axis=-1)


def ice_potential_volt() -> float:
    """Return the mean inner potential of amorphous ice, from the same table as the atoms'.

    Returns
    -------
    potential : float
        In volt.
    """
    zero = np.zeros(1)
    water = 2 * scattering_factor("H", zero) + scattering_factor("O", zero)
    return float(VOLT_ANGSTROM2 * _ICE_NUMBER_DENSITY * water[0])


def density_from_atoms(
    atoms: Atoms,
    *,
    voxel_size_angstrom: float,
    resolution_angstrom: float | None = None,
    box_size: int | None = None,
    solvent: bool = True,
) -> NDArray[np.float32]:
    """Compute the electrostatic potential of a molecule, relative to ice.

    The sum of the atoms' scattering factors, low-passed by a Gaussian that is 1/e at the
    resolution. Of every atom, the potential of the ice that it displaces is taken off: its mass
    times the partial specific volume of protein, 1.21 cubic angstrom per dalton, at the mean inner
    potential of amorphous ice (:func:`ice_potential_volt`). Molecules are positive.

    Parameters
    ----------
    atoms : Atoms
        The molecule. Its center of mass comes to lie in the voxel ``box_size // 2``.
    voxel_size_angstrom : float
        Edge of a voxel.
    resolution_angstrom : float, optional
        Resolution, at least twice the voxel. By default, twice the voxel, at least 4 angstrom.
    box_size : int, optional
        Edge of the box in voxels. By default, the smallest that holds the molecule.
    solvent : bool, default=True
        False for the potential in vacuum.

    Returns
    -------
    density : ndarray of shape (box_size, box_size, box_size) of float32
        Potential in volt, axes z, y, x.

    Raises
    ------
    ValueError
        If the voxel size is not positive, the resolution is beyond Nyquist, or the box is too
        small.
    """
    if not voxel_size_angstrom > 0:
        raise ValueError(f"voxel_size_angstrom={voxel_size_angstrom!r} must be positive.")
    if resolution_angstrom is None:
        resolution_angstrom = max(4.0, 2 * voxel_size_angstrom)
    if not resolution_angstrom >= 2 * voxel_size_angstrom:
        raise ValueError(
            f"resolution_angstrom={resolution_angstrom!r} is beyond Nyquist: voxels of "
            f"{voxel_size_angstrom:g} A show {2 * voxel_size_angstrom:g} A at best."
        )
    atoms = atoms.centered()
    sigma = SIGMA_PER_RESOLUTION * resolution_angstrom
    box_size = _check_box(atoms.radius_angstrom() + 2 * sigma, voxel_size_angstrom, box_size)
    spacing = min(_SPACING_PER_RESOLUTION * resolution_angstrom, _LARGEST_SPACING_ANGSTROM)
    finer = int(np.ceil(voxel_size_angstrom / spacing))
    spacing, shape = voxel_size_angstrom / finer, (finer * box_size,) * 3
    k2 = squared_frequencies(shape) / spacing**2
    spread = _spline_gain(shape)
    total = np.zeros(shape, dtype=np.float32)
    for element in np.unique(atoms.elements):
        chosen = atoms.elements == element
        counts = _lay_out(
            atoms.positions_angstrom[chosen] / spacing, atoms.occupancies[chosen], shape[0]
        )
        gain = VOLT_ANGSTROM2 * scattering_factor(str(element), k2)
        if solvent:
            mass = import_gemmi().Element(str(element)).weight
            gain -= ice_potential_volt() * _VOLUME_PER_DALTON * mass
        gain *= np.exp(-2 * (np.pi * sigma) ** 2 * k2) / spacing**3
        total += apply_fourier_filter(counts, (gain / spread).astype(np.float32))
    return fourier_crop(total, (box_size,) * 3).astype(np.float32, copy=False)


def resample_volume(
    volume: NDArray, factor: float, box_size: int, *, center: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Bring a map to other voxels, band-limited.

    Parameters
    ----------
    volume : ndarray of shape (depth, height, width)
        A map that is 0 at its border, axes z, y, x.
    factor : float
        New voxel size over old.
    box_size : int
        New edge in voxels. What is farther out is cut off, what was not there is 0.
    center : array-like of shape (3,), optional
        The point z, y, x of the volume, in voxels, that comes to lie in the voxel ``box_size //
        2``. By default, the voxel ``n // 2``.

    Returns
    -------
    resampled : ndarray of shape (box_size, box_size, box_size) of float32
        Values, not sums, of the map, without the frequencies that the new voxels cannot show.

    Raises
    ------
    ValueError
        If the factor is not positive.
    """
    if not factor > 0:
        raise ValueError(f"factor={factor!r} must be positive: new voxel size over old.")
    band = min(1.0, 1 / factor)
    resampled = np.asarray(volume, dtype=np.float32)
    middle = np.array(resampled.shape) // 2 if center is None else np.asarray(center, dtype=float)
    for axis, old in enumerate(resampled.shape):
        target = factor * (np.arange(box_size) - box_size // 2) + middle[axis]
        weights = band * np.sinc(band * np.subtract.outer(target, np.arange(old)))
        resampled = np.moveaxis(np.tensordot(weights, resampled, axes=(1, axis)), 0, axis)
    return resampled.astype(np.float32)


def _check_box(radius: float, voxel_size: float, box_size: int | None) -> int:
    needed = 2 * int(np.ceil(radius / voxel_size)) + 1
    if box_size is None:
        return needed
    # The upper half of an even box is a voxel shorter.
    if radius > ((box_size - 1) // 2 + 0.5) * voxel_size:
        raise ValueError(
            f"The molecule has a radius of {radius:.0f} A at this resolution; a box of {box_size} "
            f"voxels of {voxel_size:g} A is too small. It takes at least {needed} voxels."
        )
    return int(box_size)


def _lay_out(positions: NDArray, amounts: NDArray, size: int) -> NDArray[np.float32]:
    """Share amounts out to the 27 grid points around each position (x, y, z).

    By quadratic splines, whose spread does not depend on where between grid points a position is.
    """
    nearest = np.round(positions[:, ::-1])
    t = positions[:, ::-1] - nearest
    weights = np.stack([(0.5 - t) ** 2 / 2, 0.75 - t**2, (0.5 + t) ** 2 / 2])
    # Nothing wraps: the box was checked.
    index = nearest.astype(np.intp) + size // 2
    grid = np.zeros(size**3)
    for corner in np.ndindex(3, 3, 3):
        share = np.prod([weights[step, :, axis] for axis, step in enumerate(corner)], axis=0)
        flat = np.ravel_multi_index(tuple((index + corner - 1).T % size), (size,) * 3)
        grid += np.bincount(flat, share * amounts, minlength=size**3)
    return grid.reshape((size,) * 3).astype(np.float32)


def _spline_gain(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return what sharing out to grid points does to every frequency."""
    kz, ky, kx = np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), np.fft.rfftfreq(shape[2])
    z, y, x = (np.sinc(k) ** 3 for k in (kz, ky, kx))
    return z[:, np.newaxis, np.newaxis] * y[:, np.newaxis] * x
