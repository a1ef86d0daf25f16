"""Sets of orientations that cover all there are."""

from __future__ import annotations

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
    try:
        group = Rotation.create_group(symmetry)
    except ValueError as error:
        raise ValueError(f"symmetry={symmetry!r} is no point group: {error}.") from error
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
