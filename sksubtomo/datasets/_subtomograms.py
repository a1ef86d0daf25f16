"""Simulated subtomograms: quick blobs, single particles, or cut from simulated tomograms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch, check_random_state

from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._sklearn import StrOptions, validate_params
from sksubtomo.datasets._blobs import BLOBS, check_blob_box, make_blob_volumes
from sksubtomo.datasets._cut import cut_from_tomograms
from sksubtomo.datasets._densities import check_boxes, load_densities
from sksubtomo.datasets._request import Maker, Request, new_volumes
from sksubtomo.datasets._single_particle import image_single_particles
from sksubtomo.fourier import check_tilt_range
from sksubtomo.simulate import COMPLEXES, Microscope

_DESCR = {
    "blobs": """\
Simulated subtomograms: blobs with the symmetry and size of molecular complexes, in
uniform random orientation, shifted from the center, with white noise, signal and noise without
the missing wedge. Not a model of the microscope: no CTF, no neighbors, no dose.""",
    "single_particle": """\
Simulated subtomograms: one complex a box, in uniform random orientation, shifted from the
center, with the contrast transfer function and the missing wedge applied to the volume, and white
noise, both of what the tilts measure. Dense matter is dark, as recorded. No neighbors, no gaps
between tilts.""",
    "tomogram": """\
Simulated subtomograms: cut from tomograms of crowded specimens, which were imaged along a
tilt series with contrast transfer and shot noise, and reconstructed by weighted back-projection.
Neighbors intrude. Dense matter is dark, as recorded.""",
}

_MAKERS: dict[str, Maker] = {
    "blobs": make_blob_volumes,
    "single_particle": image_single_particles,
    "tomogram": cut_from_tomograms,
}


@validate_params(
    {
        "n_samples": [NumberInterval(Integral, 1, None, closed="left")],
        "classes": [NumberInterval(Integral, 1, None, closed="left"), "array-like", Mapping],
        "kind": [StrOptions(set(_DESCR))],
        "box_size": [NumberInterval(Integral, 2, None, closed="left")],
        "voxel_size_angstrom": [NumberInterval(Real, 0, None, closed="neither")],
        "snr": [NumberInterval(Real, 0, None, closed="neither")],
        "max_shift_voxels": [NumberInterval(Real, 0, None, closed="left")],
        "microscope": [Microscope, None],
        "defocus_um": [Real],
        "tomogram_params": [Mapping, None],
        "out": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "return_X_y": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_subtomograms(
    n_samples=200,
    *,
    classes=4,
    kind="blobs",
    box_size=28,
    voxel_size_angstrom=10.0,
    snr=0.5,
    tilt_range_deg=60.0,
    max_shift_voxels=1.0,
    microscope=None,
    defocus_um=4.0,
    tomogram_params=None,
    out=None,
    n_jobs=None,
    verbose=0,
    return_X_y=False,
    random_state=None,
):
    """Make subtomograms of rigid complexes, with noise and a missing wedge.

    Each volume shows one complex, in an orientation that is uniform over all rotations.

    Parameters
    ----------
    n_samples : int, default=200
        Number of volumes, split over the classes as evenly as can be.
    classes : int, list of str, or dict of str to source, default=4
        Names of complexes, or how many to take of those there are. For the kind "blobs":
        apoferritin, glutamine_synthetase, proteasome_20s, ribosome_70s, groel,
        aspartate_transcarbamoylase, p97, beta_galactosidase. For the others: those of
        :data:`sksubtomo.simulate.COMPLEXES`; or a dictionary of any names with a PDB, mmCIF or MRC
        file, :class:`~sksubtomo.simulate.Atoms` or an array each.
    kind : {"blobs", "single_particle", "tomogram"}, default="blobs"
        How they are made:

        - "blobs": Gaussian blobs with the point group and size of real complexes, without
          interpolation, contrast transfer or neighbors. Dense is bright. For tests.
        - "single_particle": the potential of the complex, rotated, with contrast transfer and
          missing wedge applied to the volume. Dense is dark. Quick, for large sets.
        - "tomogram": cut from simulated tomograms, see :func:`make_tomogram`. Neighbors
          intrude. Dense is dark.
    box_size : int, default=28
        Edge of the cubic box in voxels. The center is the voxel ``box_size // 2``.
    voxel_size_angstrom : float, default=10
        Edge of a voxel.
    snr : float, default=0.5
        Variance of the signal over variance of the noise [1]_, both within the measured part of
        Fourier space, over the voxels of each single volume; of the kind "tomogram", as means over
        the volumes of each tomogram.
    tilt_range_deg : float or (float, float), default=60
        Tilts of the series, see :func:`sksubtomo.fourier.missing_wedge_mask`. Of the kind
        "tomogram", the range of the tilts by 3 degrees.
    max_shift_voxels : float, default=1
        Shifts are uniform between minus and plus this, on each axis. Not for the kind "tomogram",
        where centers lie within half a voxel of that of the box.
    microscope : Microscope, optional
        Optics and detector of the kinds with contrast transfer; by default 300 kV.
    defocus_um : float, default=4
        Underfocus in micrometer, of the same kinds.
    tomogram_params : dict, optional
        Of the kind "tomogram": "shape", "concentration_micromolar", "scheme" (instead of
        `tilt_range_deg` and `defocus_um`) and "distractors", as in :func:`make_tomogram`.
    out : path-like, optional
        A new ``.npy`` file to keep the volumes in, instead of memory.
    n_jobs : int, optional
        Threads of the kinds with contrast transfer. The data do not depend on it.
    verbose : int, default=0
        Whether to show a progress bar, of the same kinds.
    return_X_y : bool, default=False
        Whether to return ``(X, y)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Determines everything random.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X : ndarray of shape (n_samples, box_size, box_size, box_size) of float32
            Volumes, axes z, y, x; a memory map with `out`.
        y : ndarray of shape (n_samples,) of int64
            Classes, as indices of ``class_names``.
        class_names : list of str
            Names of the classes.
        orientations : ndarray of shape (n_samples, 4)
            Unit quaternions x, y, z, w of the rotations that take the (x, y, z) of the
            complex to those of the volume.
        shifts : ndarray of shape (n_samples, 3)
            Shifts z, y, x in voxels of the complex from the center of its box.
        tomograms : ndarray of shape (n_samples,) of int64
            Of the kind "tomogram": which tomogram a volume is from, for group-aware splits.
        coordinates : ndarray of shape (n_samples, 3)
            Of the kind "tomogram": where, z, y, x in voxels.
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
    FileExistsError
        If there is a file `out` already.

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
    names = _check_classes(classes, kind, n_samples)
    check_tilt_range(tilt_range_deg)
    largest_shift = 0.0 if kind == "tomogram" else max_shift_voxels
    maps = _load(names, classes, kind, box_size, voxel_size_angstrom, largest_shift)
    random_state = check_random_state(random_state)
    y = random_state.permutation(np.arange(n_samples) % len(names))
    orientations = Rotation.random(n_samples, rng=random_state)
    request = Request(
        complexes=maps,
        y=y,
        orientations=orientations,
        shifts=random_state.uniform(-largest_shift, largest_shift, (n_samples, 3)),
        voxel_size_angstrom=voxel_size_angstrom,
        snr=snr,
        tilt_range_deg=tilt_range_deg,
        microscope=microscope or Microscope(),
        defocus_um=defocus_um,
        tomogram_params=tomogram_params or {},
        random_state=random_state,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    with new_volumes((n_samples, *(box_size,) * 3), out) as X:
        where = _MAKERS[kind](X, request)
    X = X if out is None else np.load(out, mmap_mode="r+")
    if return_X_y:
        return X, y
    return Bunch(
        X=X,
        y=y,
        class_names=names,
        orientations=orientations.as_quat(),
        **where,
        voxel_size_angstrom=voxel_size_angstrom,
        tilt_range_deg=tilt_range_deg,
        snr=snr,
        DESCR=_DESCR[kind],
    )


def _check_classes(
    classes: int | Sequence[str] | Mapping[str, object], kind: str, n_samples: int
) -> list[str]:
    known = BLOBS if kind == "blobs" else COMPLEXES
    if isinstance(classes, Integral):
        n_classes = int(classes)
        if n_classes > len(known):
            raise ValueError(f"classes={classes}, but there are {len(known)}: {list(known)}.")
        names = list(known)[:n_classes]
    else:
        names = [str(name) for name in classes]  # type: ignore[union-attr]
    unknown = sorted(set(names) - set(known))
    if unknown and (kind == "blobs" or not isinstance(classes, Mapping)):
        raise ValueError(f"Unknown complexes {unknown}; there are {list(known)}.")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"classes={classes!r} must name one or more complexes, each once.")
    if n_samples < len(names):
        raise ValueError(f"n_samples={n_samples} is less than one volume for {len(names)} classes.")
    return names


def _load(
    names: list[str],
    classes: object,
    kind: str,
    box_size: int,
    voxel_size_angstrom: float,
    shift_voxels: float,
) -> list[Any]:
    """Return the complexes in the form that the kind takes, checked against the box."""
    if kind == "blobs":
        check_blob_box(names, box_size, voxel_size_angstrom, shift_voxels)
        return [BLOBS[name] for name in names]
    sources = classes if isinstance(classes, Mapping) else names
    densities = load_densities(sources, voxel_size_angstrom=voxel_size_angstrom)
    check_boxes(densities, box_size, voxel_size_angstrom, shift_voxels)
    return list(densities.values())
