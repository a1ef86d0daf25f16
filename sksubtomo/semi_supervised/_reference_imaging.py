"""How the volumes of a classifier by references were imaged: as given, or as they look."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment import PoseGrid, Poses, TiltGeometry, likelier_geometry
from sksubtomo.exceptions import ImagingWarning
from sksubtomo.fourier import Imaging, check_tilt_range

# Labeled volumes whose power spectrum is looked at.
_MOST_IMAGED = 100


class MeasuredVolumes(NamedTuple):
    """Coefficients of volumes, and the poses to compare them in.

    ``kinds`` (n,): which of the kinds of ``imaging`` each has; None where ``poses`` say all.
    """

    poses: Poses
    coefficients: torch.Tensor
    kinds: torch.Tensor | None
    imaging: Imaging | None


def poses_as_fitted(
    finest: Poses, given: Imaging | None, fitted: Imaging | None, n_volumes: int
) -> tuple[Poses, Imaging | None]:
    """Return the poses to compare volumes in, and their imaging.

    Parameters
    ----------
    finest : PoseGrid or IdentityPose
        Of the fit.
    given : Imaging or None
        That of the volumes.
    fitted : Imaging or None
        That of the volumes of the fit.
    n_volumes : int
        How many volumes there are.

    Raises
    ------
    ValueError
        If it is not given, and the volumes of the fit differed in it.
    """
    if given is not None:
        assert isinstance(finest, PoseGrid)
        return finest.with_imaging(given), given
    if fitted is None:
        return finest, None
    if fitted.n_kinds > 1:
        raise ValueError(
            f"fit was given {fitted.n_kinds} kinds of imaging; these volumes must come with "
            "theirs: give tilt_ranges_deg or imaging, or a stack that carries it."
        )
    # What all volumes of the fit have is taken for these as well.
    return finest, fitted[np.zeros(n_volumes, int)]


def given_imaging(
    X: Any, volumes: Any, tilt_ranges_deg: Any = None, imaging: Imaging | None = None
) -> Imaging | None:
    """Return the imaging that is given with volumes, or that a stack carries.

    Parameters
    ----------
    X : array-like or stack
        As a user gives it.
    volumes : array-like of shape (n, d, h, w)
        The same, checked.
    tilt_ranges_deg : array-like of shape (n, 2), optional
        Lowest and highest tilt of each volume.
    imaging : Imaging, optional
        Of these volumes.

    Raises
    ------
    ValueError
        If both are given, it is that of another number of volumes, boxes were cut or binned after
        it was made, or rows are lines, which have no imaging.
    TypeError
        If `imaging` is something else.
    """
    if tilt_ranges_deg is not None and imaging is not None:
        raise ValueError("Give tilt_ranges_deg or imaging, which has tilt ranges, but not both.")
    if tilt_ranges_deg is not None:
        ranges = np.asarray(tilt_ranges_deg, dtype=float)
        if ranges.shape != (len(volumes), 2):
            raise ValueError(
                f"tilt_ranges_deg has shape {ranges.shape}; {len(volumes)} volumes need "
                f"({len(volumes)}, 2): the lowest and the highest tilt of each, in degrees."
            )
        imaging = Imaging(ranges)
    carried = getattr(X, "imaging", None)
    if imaging is None and carried is not None:
        imaging = carried
        if imaging.has_transfer and getattr(X, "_box_size", volumes.shape[1]) != volumes.shape[1]:
            raise ValueError(
                "The imaging of the stack has the voxel size of its boxes, which were cropped or "
                "binned since. Give imaging= with the voxel size of the volumes."
            )
    if imaging is None:
        return None
    if not isinstance(imaging, Imaging):
        raise TypeError(
            f"imaging is {type(imaging).__name__}, but must be a sksubtomo.fourier.Imaging."
        )
    if volumes.shape[1:3] == (1, 1):
        raise ValueError("Rows that are no volumes have no imaging. Set volume_shape.")
    return imaging.broadcast(len(volumes))


def imaging_to_fit(
    volumes: Any,
    targets: NDArray[np.int64],
    tilt_range_deg: Any,
    tilt_ranges_deg: Any,
    given: Imaging | None,
) -> tuple[Imaging | None, TiltGeometry | None]:
    """Return the imaging of the volumes of a fit, and the tilt geometry that was found.

    That of the labeled volumes is looked at where the axes, or axes and tilts, are not given
    for each volume. One that is clearly likelier than the stated one is used, and named in a
    warning.

    Parameters
    ----------
    volumes : array-like of shape (n, d, d, d)
        All volumes.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    tilt_range_deg : float or (float, float)
        Stated for all of them.
    tilt_ranges_deg : array-like of shape (n, 2) or None
        Stated for each.
    given : Imaging or None
        From :func:`given_imaging`.

    Returns
    -------
    imaging : Imaging or None
        None is `tilt_range_deg`, with the tilt axis y and the beam z.
    geometry : TiltGeometry or None
        The one that is used for all; None where `given` has more than ranges, and of lines.
    """
    if volumes.shape[1:3] == (1, 1) or (given is not None and tilt_ranges_deg is None):
        return given, None
    rows = np.flatnonzero(targets >= 0)
    stated = check_tilt_range(tilt_range_deg)
    if given is not None:
        ranges = np.asarray(tilt_ranges_deg, dtype=float)
        # The axes are those of the volumes that are most.
        stated = tuple(ranges[given.index == np.bincount(given.index[rows]).argmax()][0].tolist())
        rows = rows[(ranges[rows] == stated).all(axis=1)]
    own, likelier = likelier_geometry(np.asarray(volumes[rows[:_MOST_IMAGED]]), stated)
    warn_of_geometry(own, likelier)
    if likelier is None:
        return given, own
    axes: dict[str, Any] = {"tilt_axes": likelier.tilt_axis, "beams": likelier.beam}
    if given is None:
        return Imaging(likelier.tilt_range_deg, **axes).broadcast(len(volumes)), likelier
    if likelier[:2] == own[:2]:
        # Ranges that are given one by one are not changed.
        return given, own
    return Imaging(tilt_ranges_deg, **axes).broadcast(len(volumes)), likelier


def warn_of_geometry(stated: TiltGeometry, likelier: TiltGeometry | None) -> None:
    """Warn if another tilt axis or range is likelier than the stated one."""
    if likelier is None:
        return
    low, high = likelier.tilt_range_deg
    if likelier[:2] == stated[:2] and low >= stated.tilt_range_deg[0]:
        given = stated.tilt_range_deg
        warnings.warn(
            f"The labeled volumes have next to no power at tilts below {low:.0f} and above "
            f"{high:.0f} degrees, although the tilt range is given as ({given[0]:g}, "
            f"{given[1]:g}). References are fitted with ({low:.0f}, {high:.0f}) (tilt_geometry_), "
            "unless ranges are given for each volume. Set tilt_range_deg to the tilts that were "
            "measured.",
            ImagingWarning,
            stacklevel=2,
        )
        return
    warnings.warn(
        f"The labeled volumes have {stated.missing_power:.2f} times the power within the missing "
        "wedge (tilt axis y, beam z) that they have outside, where there should be next to none. "
        f"With tilt axis {likelier.tilt_axis}, beam {likelier.beam} and tilts from {low:g} to "
        f"{high:g} degrees it is {likelier.missing_power:.2f}, which is likelier, and what "
        "references are fitted with (tilt_geometry_). State it by imaging=Imaging((low, high), "
        "tilt_axes=..., beams=...), or correct tilt_range_deg.",
        ImagingWarning,
        stacklevel=2,
    )
