"""Rotating volumes about their center."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation


def rotate_volume(
    volume: NDArray,
    rotation: Rotation,
    *,
    shift: ArrayLike = (0.0, 0.0, 0.0),
    output_shape: Sequence[int] | None = None,
    prefilter: bool = True,
) -> NDArray[np.float32]:
    """Rotate a volume about its center, then shift it, by cubic splines.

    The rotation is active: what is at the point p of the volume, seen from the voxel
    ``n // 2`` of each axis, comes to ``rotation.apply(p) + shift``, seen from the voxel ``n // 2``
    of the output. What lies beyond the volume is 0. Positive rotations about x, y and z follow the
    right-hand rule; since x, y, z are right-handed whatever the order of the array's axes,
    no rotation turns a molecule into its mirror image.

    Parameters
    ----------
    volume : ndarray of shape (depth, height, width)
        Axes z, y, x.
    rotation : scipy.spatial.transform.Rotation
        One rotation, acting on (x, y, z).
    shift : array-like of shape (3,), default=(0, 0, 0)
        Shift z, y, x in voxels.
    output_shape : sequence of int, optional
        Edges of the output in voxels, z, y, x. By default, those of the volume.
    prefilter : bool, default=True
        False for a volume that :func:`scipy.ndimage.spline_filter` made, which saves time where
        one volume is rotated often.

    Returns
    -------
    rotated : ndarray of shape (depth, height, width) of float32
        Axes z, y, x.

    Raises
    ------
    ValueError
        If the volume has other than three axes, or there is more than one rotation.

    Examples
    --------
    A quarter turn about z takes +x to +y:

    >>> import numpy as np
    >>> from scipy.spatial.transform import Rotation
    >>> from sksubtomo.geometry import rotate_volume
    >>> volume = np.zeros((5, 5, 5))
    >>> volume[2, 2, 4] = 1.0
    >>> rotated = rotate_volume(volume, Rotation.from_euler("z", 90, degrees=True))
    >>> [int(index) for index in np.unravel_index(rotated.argmax(), rotated.shape)]
    [2, 4, 2]
    """
    volume = np.asarray(volume)
    if volume.ndim != 3:
        raise ValueError(f"A volume has three axes z, y, x; this one has shape {volume.shape}.")
    if not rotation.single:
        raise ValueError(f"rotation holds {len(rotation)} rotations; give one.")
    # From the output back to the volume: the inverse, with axes z, y, x.
    backwards = rotation.as_matrix().T[::-1, ::-1]
    shape = volume.shape if output_shape is None else tuple(output_shape)
    target = np.array(shape) // 2 + np.asarray(shift, dtype=float)
    offset = np.array(volume.shape) // 2 - backwards @ target
    return ndimage.affine_transform(
        volume.astype(np.float32, copy=False),
        backwards,
        offset=offset,
        output_shape=shape,
        order=3,
        prefilter=prefilter,
    )
