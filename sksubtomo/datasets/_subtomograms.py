"""Made subtomograms, for tests, examples and first experiments."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from sksubtomo.datasets._shapes import COMPLEXES
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask

# Volumes that are transformed together.
_CHUNK = 64

_DESCR = """\
Made subtomograms: blobs with the symmetry and size of molecular complexes, in
uniform random orientation, shifted from the centre, with white noise, signal and noise without
the missing wedge. Not a model of the microscope: no CTF, no neighbours, no dose."""


def render_blobs(
    centres_angstrom: NDArray[np.float64],
    sigma_angstrom: float,
    box_size: int,
    voxel_size_angstrom: float,
) -> NDArray[np.float32]:
    """Return the density of Gaussian blobs of mass 1.

    Blobs are widened by the voxel, half of which is added to their standard
    deviation in quadrature, so that coarse voxels do not miss them.

    Parameters
    ----------
    centres_angstrom : ndarray of shape (n_blobs, 3)
        Centres x, y, z; the origin is the centre of the voxel ``box_size // 2``.
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
    centres = centres_angstrom / voxel_size_angstrom
    variance = (sigma_angstrom / voxel_size_angstrom) ** 2 + 0.25
    distances = grid[np.newaxis, np.newaxis] - centres[..., np.newaxis]
    profiles = np.exp(-(distances**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    x, y, z = profiles.astype(np.float32).transpose(1, 0, 2)
    planes = (y[:, :, np.newaxis] * x[:, np.newaxis]).reshape(len(centres), -1)
    return (z.T @ planes).reshape((box_size,) * 3)


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "classes": [Interval(Integral, 1, len(COMPLEXES), closed="both"), "array-like"],
        "box_size": [Interval(Integral, 2, None, closed="left")],
        "voxel_size_angstrom": [Interval(Real, 0, None, closed="neither")],
        "snr": [Interval(Real, 0, None, closed="neither")],
        "max_shift_voxels": [Interval(Real, 0, None, closed="left")],
        "return_X_y": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_subtomograms(
    n_samples=200,
    *,
    classes=4,
    box_size=28,
    voxel_size_angstrom=10.0,
    snr=0.5,
    tilt_range_deg=60.0,
    max_shift_voxels=1.0,
    return_X_y=False,
    random_state=None,
):
    """Make subtomograms of rigid complexes, with noise and a missing wedge.

    Complexes are stand-ins of Gaussian blobs with the point-group symmetry and the
    size of real ones (``proteasome_20s``, ``ribosome_70s``...). Each volume shows one, rotated
    uniformly at random (exactly, without interpolation) and shifted from the centre. White
    noise is added; signal and noise lack the missing wedge. Density is positive.

    Parameters
    ----------
    n_samples : int, default=200
        Number of volumes, split over the classes as evenly as can be.
    classes : int or list of str, default=4
        Names of complexes, or how many to take, in the order apoferritin, glutamine_synthetase,
        proteasome_20s, ribosome_70s, groel, aspartate_transcarbamoylase, p97, beta_galactosidase.
    box_size : int, default=28
        Edge of the cubic box in voxels. The centre is the voxel ``box_size // 2``.
    voxel_size_angstrom : float, default=10
        Edge of a voxel.
    snr : float, default=0.5
        Variance of the signal over variance of the noise [1]_, both within the measured part of
        Fourier space, over the voxels of each single volume.
    tilt_range_deg : float or (float, float), default=60
        Tilts of the series, see :func:`sksubtomo.fourier.missing_wedge_mask`.
    max_shift_voxels : float, default=1
        Shifts are uniform between minus and plus this, on each axis.
    return_X_y : bool, default=False
        Whether to return ``(X, y)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Determines everything random.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X : ndarray of shape (n_samples, box_size, box_size, box_size) of float32
            Volumes, axes z, y, x.
        y : ndarray of shape (n_samples,) of int64
            Classes, as indices of ``class_names``.
        class_names : list of str
            Names of the classes.
        orientations : ndarray of shape (n_samples, 4)
            Unit quaternions x, y, z, w of the rotations that take the (x, y, z) of the
            complex to those of the volume.
        shifts : ndarray of shape (n_samples, 3)
            Shifts z, y, x in voxels.
        voxel_size_angstrom, snr : float
            As given.
        tilt_range_deg : float or (float, float)
            As given.
        DESCR : str
            What this is.

    (X, y) : tuple if ``return_X_y`` is True
        Volumes and classes.

    Raises
    ------
    ValueError
        If a class is unknown, there are fewer volumes than classes, a parameter is out of range,
        or the box is too small for the largest complex.

    References
    ----------
    .. [1] Frank & Al-Ali, "Signal-to-noise ratio of electron micrographs obtained by
       cross correlation", Nature 256, 1975.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> data = make_subtomograms(10, classes=["groel", "p97"], random_state=0)
    >>> data.X.shape, data.class_names
    ((10, 28, 28, 28), ['groel', 'p97'])
    """
    names = _check_classes(classes, n_samples)
    _check_box(names, box_size, voxel_size_angstrom, max_shift_voxels)
    complexes = [COMPLEXES[name] for name in names]
    wedge = missing_wedge_mask((box_size,) * 3, tilt_range_deg)
    random_state = check_random_state(random_state)

    y = random_state.permutation(np.arange(n_samples) % len(names))
    orientations = Rotation.random(n_samples, rng=random_state)
    shifts = random_state.uniform(-max_shift_voxels, max_shift_voxels, (n_samples, 3))
    X = np.empty((n_samples, *(box_size,) * 3), dtype=np.float32)
    for start in range(0, n_samples, _CHUNK):
        for row in range(start, min(start + _CHUNK, n_samples)):
            centres = orientations[row].apply(complexes[y[row]].centres())
            centres += shifts[row, ::-1] * voxel_size_angstrom
            X[row] = render_blobs(
                centres, complexes[y[row]].sigma_angstrom, box_size, voxel_size_angstrom
            )
        rows = slice(start, start + _CHUNK)
        X[rows] = _add_noise(X[rows], wedge, snr, random_state)

    if return_X_y:
        return X, y
    return Bunch(
        X=X,
        y=y,
        class_names=names,
        orientations=orientations.as_quat(),
        shifts=shifts,
        voxel_size_angstrom=voxel_size_angstrom,
        tilt_range_deg=tilt_range_deg,
        snr=snr,
        DESCR=_DESCR,
    )


def _add_noise(
    densities: NDArray[np.float32],
    wedge: NDArray[np.bool_],
    snr: float,
    random_state: np.random.RandomState,
) -> NDArray[np.float32]:
    """Take the missing wedge from densities and noise, and add them at the given ratio."""
    axes = (1, 2, 3)
    signal = apply_fourier_filter(densities, wedge)
    noise = random_state.standard_normal(densities.shape).astype(np.float32)
    noise = apply_fourier_filter(noise, wedge)
    scale = np.sqrt(signal.var(axis=axes) / (snr * noise.var(axis=axes)))
    return signal + scale[:, np.newaxis, np.newaxis, np.newaxis] * noise


def _check_classes(classes: int | Sequence[str], n_samples: int) -> list[str]:
    names = list(COMPLEXES)[:classes] if isinstance(classes, Integral) else list(classes)
    unknown = sorted(set(names) - set(COMPLEXES))
    if unknown:
        raise ValueError(f"Unknown complexes {unknown}; there are {list(COMPLEXES)}.")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"classes={classes!r} must name one or more complexes, each once.")
    if n_samples < len(names):
        raise ValueError(f"n_samples={n_samples} is less than one volume for {len(names)} classes.")
    return names


def _check_box(
    names: list[str], box_size: int, voxel_size_angstrom: float, shift_voxels: float
) -> None:
    name = max(names, key=lambda name: COMPLEXES[name].radius_angstrom())
    radius = COMPLEXES[name].radius_angstrom()
    # The lower half of an even box has one voxel more than the upper.
    available = ((box_size - 1) // 2 - shift_voxels + 0.5) * voxel_size_angstrom
    if radius > available:
        raise ValueError(
            f"A box of {box_size} voxels of {voxel_size_angstrom:g} A with shifts up to "
            f"{shift_voxels:g} voxels holds a radius of {available:.0f} A, but {name} has "
            f"{radius:.0f} A. Use a larger box or larger voxels."
        )
