"""The paper's simulated data set, at any scale."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch, check_random_state

from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._sklearn import validate_params
from sksubtomo.datasets._subtomograms import make_subtomograms
from sksubtomo.simulate import COMPLEXES


@validate_params(
    {
        "n_per_class": [NumberInterval(Integral, 2, None, closed="left")],
        "classes": [list, tuple, Mapping, None],
        "train_fraction": [NumberInterval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=False,
)
def make_paper_simulated(
    n_per_class: int = 1000,
    *,
    classes: Any = None,
    box_size: int = 64,
    voxel_size_angstrom: float = 6.0,
    snr: float = 0.03,
    train_fraction: float = 0.4,
    tilt_range_deg: float | tuple[float, float] = 60.0,
    tomogram_params: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make a data set like the simulated one of the paper.

    Eight complexes, a thousand volumes of 64 voxels each at a signal-to-noise ratio of 0.03, cut
    from simulated tomograms, of which 3200 are to train on and 4800 to test on (Liu et al., BMVC
    2019, table 1 and section 4.1). The paper does not say voxel size, concentration and optics;
    here, they are 6 angstrom, so that the largest complex fits its box, and the defaults of
    :func:`make_subtomograms`.

    Parameters
    ----------
    n_per_class : int, default=1000
        Volumes of each class.
    classes : list of str, or dict of str to source, optional
        As of :func:`make_subtomograms`. By default, the embedded stand-ins of the paper's
        complexes; for the real ones, ``fetch_complexes()``.
    box_size : int, default=64
        Edge of the box in voxels.
    voxel_size_angstrom : float, default=6
        Edge of a voxel.
    snr : float, default=0.03
        Variance of the signal over variance of the noise.
    train_fraction : float, default=0.4
        Share of volumes to train on, of each class.
    tilt_range_deg : float or (float, float), default=60
        As of :func:`make_subtomograms`.
    tomogram_params : mapping, optional
        As of :func:`make_subtomograms`.
    out : path-like, optional
        File for the volumes, see :func:`make_subtomograms`. The whole set takes 8.4 GB.
    n_jobs : int, optional
        As of :func:`make_subtomograms`.
    verbose : int, default=0
        As of :func:`make_subtomograms`.
    random_state : int, RandomState instance or None, default=None
        Determines everything random.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As of :func:`make_subtomograms` with the kind "tomogram", and

        train, test : ndarray of int
            Rows to train on and to test on.

    Raises
    ------
    ValueError, FileExistsError
        As of :func:`make_subtomograms`.

    Examples
    --------
    >>> from sksubtomo.datasets import make_paper_simulated
    >>> data = make_paper_simulated(
    ...     5, classes=["groel", "ubid"], box_size=16, voxel_size_angstrom=16.0, random_state=0
    ... )
    >>> data.X.shape, len(data.train), len(data.test)
    ((10, 16, 16, 16), 4, 6)
    """
    random_state = check_random_state(random_state)
    classes = list(COMPLEXES) if classes is None else classes
    data = make_subtomograms(
        n_per_class * len(classes),
        classes=classes,
        kind="tomogram",
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=snr,
        tilt_range_deg=tilt_range_deg,
        tomogram_params=tomogram_params,
        out=out,
        n_jobs=n_jobs,
        verbose=verbose,
        random_state=random_state,
    )
    train, test = train_test_split(
        np.arange(len(data.y)),
        train_size=train_fraction,
        stratify=data.y,
        random_state=random_state,
    )
    return Bunch(**data, train=np.sort(train), test=np.sort(test))
