"""Sets of orientations that cover all there are."""

from __future__ import annotations

import re
import reprlib

import numpy as np
from scipy.spatial.transform import Rotation

# Roots of psi**4 = psi + 4 and sqrt(2), with which super-Fibonacci spirals spread best.
_PHI = np.sqrt(2.0)
_PSI = 1.533751168755204288118041

# Measured: with n orientations, the farthest rotation is less than so many radians times
# n ** (-1/3) away.
_COVERING = 4.2


def rotation_grid(step_deg: float, *, symmetry: str = "C1") -> Rotation:
    """Return orientations that are spread evenly over all rotations.

    Super-Fibonacci spirals: every rotation is within about a step of one of them. Their number
    goes with the inverse cube of the step.

    Parameters
    ----------
    step_deg : float
        How far the nearest orientation may be, in degrees.
    symmetry : str, default="C1"
        Point group in Schoenflies notation, the main axis along z, of what is turned: of
        orientations that look the same, one is kept.

    Returns
    -------
    rotations : scipy.spatial.transform.Rotation
        A stack of rotations.

    Raises
    ------
    ValueError
        If the step is not within 0 and 180 degrees, or the point group unknown.

    References
    ----------
    Alexa, "Super-Fibonacci spirals: fast, low-discrepancy sampling of SO(3)", CVPR 2022.

    Examples
    --------
    >>> from sksubtomo.geometry import rotation_grid
    >>> len(rotation_grid(30.0)) > 5 * len(rotation_grid(30.0, symmetry="D3"))
    True
    """
    if not 0 < step_deg <= 180:
        raise ValueError(f"step_deg={step_deg!r} must be above 0, at most 180 degrees.")
    group = point_group(symmetry)
    n = int(np.ceil((_COVERING / np.radians(step_deg)) ** 3))
    s = np.arange(n) + 0.5
    inner, outer = np.sqrt(s / n), np.sqrt(1 - s / n)
    alpha, beta = 2 * np.pi * s / _PHI, 2 * np.pi * s / _PSI
    quaternions = np.stack(
        [inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)],
        axis=1,
    )
    rotations = Rotation.from_quat(quaternions)
    # Of those that look the same, the one with the smallest angle.
    angles = np.stack([(rotations * element).magnitude() for element in group])
    return rotations[angles[0] <= angles.min(axis=0) + 1e-12]


def point_group(symmetry: str) -> Rotation:
    """Return the rotations of a point group.

    Parameters
    ----------
    symmetry : str
        In Schoenflies notation, as RELION has it: C1, C2..., D2..., T, O or I, upper or lower case.
        The main axis of C and D is z, and D has a twofold axis along x. T and I have twofold axes
        along x, y and z, O fourfold ones; RELION's T has a threefold axis along z instead.

    Returns
    -------
    rotations : scipy.spatial.transform.Rotation
        A stack, among which is the identity.

    Raises
    ------
    ValueError
        If there is no such group.

    See Also
    --------
    scipy.spatial.transform.Rotation.create_group : What it is made of.

    Examples
    --------
    >>> from sksubtomo.geometry import point_group
    >>> [len(point_group(name)) for name in ("C1", "D7", "T", "O", "I")]
    [1, 14, 12, 24, 60]
    """
    name = symmetry.strip().upper() if isinstance(symmetry, str) else ""
    if name not in ("T", "O", "I") and not re.fullmatch("[CD][1-9][0-9]{0,2}", name):
        raise ValueError(
            f"symmetry={reprlib.repr(symmetry)} is no point group; give one of C1, C2..., D2..., "
            "T, O, I."
        )
    return Rotation.create_group(name)
