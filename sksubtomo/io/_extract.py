"""Cutting boxes out of tomograms."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._messages import listed, plural
from sksubtomo.io._cut import Voxels, box_starts, cut_boxes
from sksubtomo.io._mrc import Volume
from sksubtomo.io._particle_table import ParticleTable, checked_centers
from sksubtomo.io._voxels import check_edges

#: What can become of a particle, see :func:`box_outcomes`; the last two are of whoever reads files.
OK, OUTSIDE, BORDER, NOT_FINITE, UNREADABLE, NOT_FOUND = range(6)
OUTCOMES = np.array(["ok", "outside", "border", "not finite", "unreadable", "tomogram not found"])
_BORDERS = ("error", "drop", "pad", "noise")
_SUBVOXEL = ("round", "interpolate")
_ON_BAD = ("raise", "skip")


@overload
def extract_subtomograms(
    tomogram: Voxels | Volume,
    coordinates: ArrayLike | ParticleTable,
    box_size: int,
    *,
    border: str = ...,
    subvoxel: str = ...,
    on_bad: str = ...,
    return_index: Literal[False] = ...,
) -> NDArray[np.float32]: ...


@overload
def extract_subtomograms(
    tomogram: Voxels | Volume,
    coordinates: ArrayLike | ParticleTable,
    box_size: int,
    *,
    border: str = ...,
    subvoxel: str = ...,
    on_bad: str = ...,
    return_index: Literal[True],
) -> tuple[NDArray[np.float32], NDArray[np.intp]]: ...


def extract_subtomograms(
    tomogram: Voxels | Volume,
    coordinates: ArrayLike | ParticleTable,
    box_size: int,
    *,
    border: str = "error",
    subvoxel: str = "round",
    on_bad: str = "raise",
    return_index: bool = False,
) -> NDArray[np.float32] | tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Cut a cubic box around every particle.

    A particle comes to lie in voxel ``box_size // 2`` of its box on every axis, for
    odd and even boxes alike.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width), or Volume
        Axes z, y, x. A memory map, or what :func:`open_volume` returns, is read box by box.
    coordinates : array-like of shape (n_particles, 3), or ParticleTable
        Centers z, y, x in voxels, counted from 0: a whole number is the center of a voxel. Of a
        table of particles of one tomogram, the voxel size is compared with that of a `tomogram`
        that :func:`read_volume` or :func:`open_volume` returned.
    box_size : int
        Edge of a box in voxels; no larger than the tomogram.
    border : {"error", "drop", "pad", "noise"}, default="error"
        What to do about boxes that reach beyond the tomogram: refuse; leave them out;
        fill them up with the mean of what lies inside; or with white noise of its mean and
        variance, the same for the same box every time.
    subvoxel : {"round", "interpolate"}, default="round"
        What to do about centers between voxels: take the nearest voxel (halves go up), which
        leaves the voxels as measured; or shift the box by cubic splines, which smooths the noise.
    on_bad : {"raise", "skip"}, default="raise"
        What to do about particles that cannot be used: whose center is outside the tomogram or
        not finite, whose box has NaN or infinity, or reaches beyond the tomogram with
        ``border="error"``. Refuse, or leave those particles out; :func:`box_outcomes` tells why.
    return_index : bool, default=False
        Whether to return the numbers of the particles, too.

    Returns
    -------
    boxes : ndarray of shape (n_boxes, box_size, box_size, box_size) of float32
        Boxes in the order of the particles.
    index : ndarray of shape (n_boxes,) of int
        Numbers of the particles that have a box; only with ``return_index=True``.

    Raises
    ------
    ValueError
        If a particle cannot be used and `on_bad` is "raise", a box is larger than the tomogram,
        an argument is out of range, or particles count in voxels of another size, or are in several
        tomograms.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.io import extract_subtomograms
    >>> tomogram = np.zeros((20, 30, 40), dtype=np.float32)
    >>> tomogram[10, 15, 25] = 1.0
    >>> box = extract_subtomograms(tomogram, [[10, 15, 25]], 8)[0]
    >>> box.shape, float(box[4, 4, 4])
    ((8, 8, 8), 1.0)
    """
    check_request(box_size, border, subvoxel, on_bad)
    tomogram, coordinates = _compared(tomogram, coordinates)
    centers = check_centers(tomogram, coordinates, box_size)
    codes = place_outcomes(tomogram, centers, box_size, border)
    if on_bad == "raise":
        raise_for_places(codes, centers, tomogram, box_size, border)
    index = np.flatnonzero(codes == OK)
    boxes = cut_boxes(tomogram, centers[index], box_size, border=border, subvoxel=subvoxel)
    finite = np.all(np.isfinite(boxes), axis=(1, 2, 3))
    if not finite.all():
        if on_bad == "raise":
            raise ValueError(_not_finite(centers[index], index, ~finite))
        boxes, index = boxes[finite], index[finite]
    return (boxes, index) if return_index else boxes


def box_outcomes(
    tomogram: Voxels | Volume,
    coordinates: ArrayLike | ParticleTable,
    box_size: int,
    *,
    border: str = "error",
    subvoxel: str = "round",
) -> NDArray[np.str_]:
    """Tell of each particle whether it has a box, and if not, why.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width), or Volume
        As of :func:`extract_subtomograms`. Of floating-point numbers, all boxes are read.
    coordinates : array-like of shape (n_particles, 3), or ParticleTable
        As of :func:`extract_subtomograms`.
    box_size : int
        Edge of a box in voxels; no larger than the tomogram.
    border : {"error", "drop", "pad", "noise"}, default="error"
        What is done about boxes that reach beyond the tomogram.
    subvoxel : {"round", "interpolate"}, default="round"
        What is done about centers between voxels.

    Returns
    -------
    outcomes : ndarray of shape (n_particles,) of str
        "ok"; "outside" where the center is outside the tomogram or not finite; "border" where the
        box reaches beyond it with `border` "error" or "drop"; "not finite" where the box has NaN
        or infinity.

    Raises
    ------
    ValueError
        If a box is larger than the tomogram, an argument is out of range, or particles count in
        voxels of another size.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.io import box_outcomes
    >>> tomogram = np.zeros((20, 30, 40), dtype=np.float32)
    >>> box_outcomes(tomogram, [[10, 15, 25], [10, 15, 40], [10, 15, 39]], 8).tolist()
    ['ok', 'outside', 'border']
    """
    check_request(box_size, border, subvoxel, "skip")
    tomogram, coordinates = _compared(tomogram, coordinates)
    centers = check_centers(tomogram, coordinates, box_size)
    codes = place_outcomes(tomogram, centers, box_size, border)
    if tomogram.dtype.kind == "f":
        for row in np.flatnonzero(codes == OK):
            box = cut_boxes(
                tomogram, centers[row : row + 1], box_size, border=border, subvoxel=subvoxel
            )
            if not np.isfinite(box).all():
                codes[row] = NOT_FINITE
    return OUTCOMES[codes]


def _compared(
    tomogram: Voxels | Volume, coordinates: ArrayLike | ParticleTable
) -> tuple[Voxels, ArrayLike]:
    """Return voxels and centers, after comparing the voxels that a table counts in."""
    edges = getattr(tomogram, "voxel_size_angstrom", None)
    voxels = tomogram.data if isinstance(tomogram, Volume) else tomogram
    if not isinstance(coordinates, ParticleTable):
        return voxels, coordinates
    names = coordinates.tomogram_names
    if names is not None and (names != names[:1]).any():
        raise ValueError(
            f"The particles are in several tomograms, [{listed(dict.fromkeys(names))}]. Give those "
            "of one, by particles.subset(particles.tomogram_names == name)."
        )
    if coordinates.voxels is not None:
        check_edges(coordinates.voxels, voxels.shape, edges, "The tomogram")
    return voxels, checked_centers(coordinates)


def place_outcomes(
    tomogram: Voxels, centers: NDArray[np.float64], box_size: int, border: str
) -> NDArray[np.int8]:
    """Tell by their places what becomes of boxes; no voxel is read."""
    # NaN is in no tomogram.
    inside = np.all((centers >= -0.5) & (centers < np.array(tomogram.shape) - 0.5), axis=1)
    codes = np.full(len(centers), OUTSIDE, dtype=np.int8)
    starts = box_starts(centers[inside], box_size)
    fits = np.all((starts >= 0) & (starts + box_size <= tomogram.shape), axis=1)
    codes[inside] = np.where(fits | (border in ("pad", "noise")), OK, BORDER)
    return codes


def raise_for_places(
    codes: NDArray[np.int8],
    centers: NDArray[np.float64],
    tomogram: Voxels,
    box_size: int,
    border: str,
    numbers: NDArray[np.intp] | None = None,
) -> None:
    """Refuse particles that cannot be used because of their places.

    Parameters
    ----------
    codes : ndarray of shape (n_particles,)
        What :func:`place_outcomes` returned for the other arguments.
    centers, tomogram, box_size, border
        As of :func:`place_outcomes`.
    numbers : ndarray of shape (n_particles,) of int, optional
        What the particles are called in messages; by default, they are counted from 0.

    Raises
    ------
    ValueError
        If there is one.
    """
    called = np.arange(len(codes)) if numbers is None else numbers
    lost = ~np.all(np.isfinite(centers), axis=1)
    if lost.any():
        raise ValueError(
            f"Coordinates are not finite: {_some(centers, called, lost)}. Leave such particles out "
            "by on_bad='skip'; their tomograms may be missing where their table was read."
        )
    outside = codes == OUTSIDE
    if outside.any():
        raise ValueError(
            f"{outside.sum()} of {len(codes)} coordinates (z, y, x) lie outside the tomogram of "
            f"{tomogram.shape} voxels: {_some(centers, called, outside)}. Check the order of the "
            "axes, the binning, and that these are voxels, not angstrom; or leave such particles "
            "out by on_bad='skip'."
        )
    beyond = codes == BORDER
    if border == "error" and beyond.any():
        raise ValueError(
            f"{beyond.sum()} of {len(codes)} boxes of {box_size} voxels reach beyond the tomogram "
            f"of {tomogram.shape} voxels (z, y, x): {_some(centers, called, beyond)}. Use "
            "border='drop', 'pad' or 'noise', or a smaller box."
        )


def check_request(box_size: int, border: str, subvoxel: str, on_bad: str) -> None:
    """Check what is asked for.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if int(box_size) != box_size or box_size < 1:
        raise ValueError(f"box_size={box_size!r} must be a positive whole number of voxels.")
    for name, value, known in (
        ("border", border, _BORDERS),
        ("subvoxel", subvoxel, _SUBVOXEL),
        ("on_bad", on_bad, _ON_BAD),
    ):
        if value not in known:
            raise ValueError(f"{name}={value!r} must be one of {known}.")


def check_centers(tomogram: Voxels, coordinates: ArrayLike, box_size: int) -> NDArray[np.float64]:
    """Return coordinates as an array, if there can be boxes around them in a tomogram.

    Raises
    ------
    ValueError
        If shapes do not suit, or a box is larger than the tomogram.
    """
    if tomogram.ndim != 3:
        raise ValueError(f"A tomogram has three axes z, y, x; this one has shape {tomogram.shape}.")
    centers = np.asarray(coordinates, dtype=np.float64)
    if centers.ndim != 2 or centers.shape[1] != 3:
        raise ValueError(f"coordinates must have shape (n_particles, 3), got {centers.shape}.")
    if box_size > min(tomogram.shape):
        raise ValueError(
            f"A box of {plural(box_size, 'voxel')} is larger than the tomogram of {tomogram.shape} "
            "voxels (z, y, x). Choose a smaller box."
        )
    return centers


def _some(
    centers: NDArray[np.float64], numbers: NDArray[np.intp], chosen: NDArray[np.bool_]
) -> str:
    rows = np.flatnonzero(chosen)
    shown = "; ".join(
        f"particle {numbers[row]} at {centers[row].round(2).tolist()}" for row in rows[:3]
    )
    return shown + ("; ..." if len(rows) > 3 else "")


def _not_finite(
    centers: NDArray[np.float64], numbers: NDArray[np.intp], bad: NDArray[np.bool_]
) -> str:
    return (
        f"The tomogram holds NaN or infinity in {plural(int(bad.sum()), 'box', 'boxes')}: "
        f"{_some(centers, numbers, bad)} (z, y, x). Leave such particles out by on_bad='skip'."
    )
