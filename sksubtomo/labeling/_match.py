"""Labels of places given to the nearest candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.labeling._journal import UNLABELED


def match_labels(
    coordinates: NDArray[np.float64],
    names: NDArray,
    label_coordinates: NDArray[np.float64],
    label_names: NDArray,
    numbers: NDArray[np.int64],
    *,
    tolerance_voxels: float,
    tolerance_option: str = "tolerance_voxels",
) -> NDArray[np.int64]:
    """Give every label to the nearest particle of its tomogram.

    Parameters
    ----------
    coordinates : ndarray of shape (n_particles, 3)
        Centers z, y, x in voxels.
    names : ndarray of shape (n_particles,) of str
        Tomograms.
    label_coordinates : ndarray of shape (n_labels, 3)
        Centers z, y, x in voxels.
    label_names : ndarray of shape (n_labels,) of str
        Tomograms.
    numbers : ndarray of shape (n_labels,) of int
        Class numbers.
    tolerance_voxels : float
        How far the nearest particle may be.
    tolerance_option : str, default="tolerance_voxels"
        What the tolerance is called in messages.

    Returns
    -------
    y : ndarray of shape (n_particles,) of int
        Class numbers, -1 where there is no label.

    Raises
    ------
    ValueError
        If a label has no particle, or a particle two labels that differ.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.labeling import match_labels
    >>> names = np.array(["TS_1", "TS_1"])
    >>> match_labels(np.array([[5.0, 5, 5], [9, 9, 9]]), names, np.array([[9.0, 9, 8]]), names[:1],
    ...              np.array([2]), tolerance_voxels=3.0).tolist()
    [-1, 2]
    """
    from scipy.spatial import cKDTree

    y = np.full(len(coordinates), UNLABELED)
    lost = []
    for name in np.unique(label_names):
        rows, marks = np.flatnonzero(names == name), np.flatnonzero(label_names == name)
        if not len(rows):
            lost += marks.tolist()
            continue
        distance, nearest = cKDTree(coordinates[rows]).query(label_coordinates[marks])
        near = distance <= tolerance_voxels
        lost += marks[~near].tolist()
        for mark, row in zip(marks[near], rows[nearest[near]], strict=True):
            if y[row] not in (UNLABELED, numbers[mark]):
                raise ValueError(
                    f"The particle of {name} at {coordinates[row].tolist()} (z, y, x) has labels "
                    f"of two classes, {y[row]} and {numbers[mark]}. Remove one, or lower "
                    f"{tolerance_option}."
                )
            y[row] = numbers[mark]
    if lost:
        first = f"{label_names[lost[0]]} at {label_coordinates[lost[0]].tolist()} (z, y, x)"
        raise ValueError(
            f"{len(lost)} of {plural(len(numbers), 'label')} {'has' if len(lost) == 1 else 'have'} "
            f"no particle within {plural(float(tolerance_voxels), 'voxel')}; the first is in "
            f"{first}. Add them to the particles, raise {tolerance_option}, or check that both "
            "tables count in the same voxels."
        )
    return y
