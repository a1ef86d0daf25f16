"""Euler angles of files as rotations, and back: the only place that knows what they mean."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation


def relion_rotations(angles_deg: ArrayLike) -> Rotation:
    """Return the rotations that RELION's Euler angles mean.

    Rot, tilt and psi turn the coordinate axes, about z, the new y and the new z. The rotation that
    is returned is the inverse, which turns the reference into the tomogram, or a vector of a
    subtomogram's frame into that of the tomogram.

    Parameters
    ----------
    angles_deg : array-like of shape (n, 3)
        Rot, tilt and psi in degrees.

    Returns
    -------
    rotations : Rotation
        Of vectors x, y, z.

    References
    ----------
    RELION 5, ``Euler::anglesToMatrix3`` in src/jaz/math/Euler_angles_relion.h, and ``_get_zyx`` in
    src/tomography_python_programs/view/particles.py.

    Examples
    --------
    >>> from sksubtomo.io import relion_rotations
    >>> relion_rotations([[90.0, 0.0, 0.0]]).apply([1.0, 0.0, 0.0]).round(6)[0].tolist()
    [0.0, -1.0, 0.0]
    """
    angles = np.asarray(angles_deg, dtype=np.float64).reshape(-1, 3)
    return Rotation.from_euler("ZYZ", angles, degrees=True).inv()


def relion_angles_deg(orientations: ArrayLike) -> NDArray[np.float64]:
    """Return RELION's Euler angles of orientations.

    Rot, tilt and psi turn the coordinate axes, about z, the new y and the new z, until the
    reference looks like the particle: the inverse of turning the reference.

    Parameters
    ----------
    orientations : array-like of shape (n, 4)
        Unit quaternions x, y, z, w of the rotations that take the complex to the tomogram.

    Returns
    -------
    angles : ndarray of shape (n, 3)
        Rot, tilt and psi in degrees.

    References
    ----------
    Heymann, Chagoyen & Belnap, "Common conventions for interchange and archiving of
    three-dimensional electron microscopy information in structural biology", Journal of Structural
    Biology 151, 2005.
    """
    rotations = Rotation.from_quat(orientations).inv()
    with warnings.catch_warnings():
        # At a tilt of 0 or 180 degrees only rot + psi or rot - psi is defined; SciPy then sets the
        # third angle to 0, which is what we want, and warns. `suppress_warnings=` needs SciPy 1.17.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        return rotations.as_euler("ZYZ", degrees=True)


def relion_angle_columns(orientations: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Return RELION's Euler angles by their labels; see :func:`relion_angles_deg`.

    Parameters
    ----------
    orientations : array-like of shape (n_particles, 4), or Rotation
        As of :func:`relion_angles_deg`.

    Returns
    -------
    columns : dict of str to ndarray of shape (n_particles,)
        Degrees by ``rlnAngleRot``, ``rlnAngleTilt`` and ``rlnAnglePsi``.
    """
    angles = relion_angles_deg(orientations)
    return {f"rlnAngle{name}": angles[:, i] for i, name in enumerate(("Rot", "Tilt", "Psi"))}
