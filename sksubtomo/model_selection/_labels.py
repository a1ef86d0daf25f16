"""Which labels mean "unlabeled"."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils import _labels
from sksubtomo._utils._near_misses import warn_of_near_misses


def is_unlabeled(y: ArrayLike) -> NDArray[np.bool_]:
    """Tell which labels mean "unlabeled".

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Numbers, where -1 is unlabeled; or strings or mixed objects, where -1,
        ``None``, ``"unlabeled"`` and ``"-1"`` are; the last, because NumPy turns
        the list ``["a", -1]`` into strings.

    Returns
    -------
    mask : ndarray of shape (n_samples,) of bool
        True where the label is hidden.

    Warns
    -----
    SuspiciousLabelWarning
        If another label looks like a misspelling of one of these.

    Examples
    --------
    >>> from sksubtomo.model_selection import is_unlabeled
    >>> is_unlabeled([0, -1, 2])
    array([False,  True, False])
    """
    y = np.asarray(y)
    hidden = _labels.is_unlabeled(y)
    warn_of_near_misses(y[~hidden])
    return hidden
