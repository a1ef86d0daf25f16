"""Rotations from stored quaternions, bit by bit, and which rows have a pose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def exact_rotation(quaternions: NDArray) -> Any:
    """Return rotations whose quaternions are the given bits; ``from_quat`` would normalize them.

    Parameters
    ----------
    quaternions : ndarray of shape (4,) or (n, 4) of float64
        As ``Rotation.as_quat`` gives them.

    Raises
    ------
    ValueError
        If they are no quaternions of length 1.
    """
    from scipy.spatial.transform import Rotation

    single = quaternions.ndim == 1
    if quaternions.dtype != np.float64 or quaternions.shape[-1:] != (4,) or quaternions.ndim > 2:
        raise ValueError("rotations are no quaternions")
    if not np.allclose(np.square(quaternions).sum(axis=-1), 1):
        raise ValueError("rotations are no quaternions of length 1")
    made = Rotation.identity() if single else Rotation.identity(len(quaternions))
    made.__setstate__((np.atleast_2d(quaternions), single))
    return made


def rows_with_pose(poses: Mapping[str, Any]) -> NDArray[np.intp]:
    """Return which rows have a pose: all but those of a class without a reference.

    Parameters
    ----------
    poses : mapping
        With ``rotations`` and, where some may have none, ``references``, -1 there.
    """
    references = poses.get("references")
    if references is None:
        return np.arange(len(poses["rotations"]))
    return np.flatnonzero(np.asarray(references) >= 0)
