"""The labeled rows of arrays, for metrics and plots that take -1 for a class."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_consistent_length

from sksubtomo._utils._labels import labeled_rows
from sksubtomo._utils._sklearn import safe_indexing


def drop_unlabeled(y, *arrays):
    """Return the labeled rows of labels and of what belongs to them.

    scikit-learn's metrics, reports and displays take -1 for one more class. Give them the
    labeled rows.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels; -1, and with strings ``None`` or ``"unlabeled"``, mark rows to leave out.
    *arrays : array-like of shape (n_samples, ...) or None
        Predictions, probabilities, weights, volumes, data frames or lazy stacks, each of which
        keeps its kind. None is returned as None.

    Returns
    -------
    y_labeled : ndarray of shape (n_labeled,)
        Labels without those that mean "unlabeled". Without `arrays`, this alone is returned, else a
        tuple that begins with it.
    *arrays_labeled : array-like of shape (n_labeled, ...) or None
        The same rows of every array.

    Raises
    ------
    ValueError
        If no row is labeled, or the arrays have another number of rows than `y`.

    See Also
    --------
    sksubtomo.metrics.make_labeled_scorer : Does this for a scorer.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import confusion_matrix
    >>> from sksubtomo.metrics import drop_unlabeled
    >>> y, y_pred = np.array([0, 1, -1, 1]), np.array([0, 1, 1, 0])
    >>> confusion_matrix(*drop_unlabeled(y, y_pred))
    array([[1, 0],
           [1, 1]])
    """
    check_consistent_length(y, *arrays)
    rows, labels = labeled_rows(y)
    if not len(rows):
        raise ValueError("There is no labeled row: every label in y is hidden.")
    if not arrays:
        return labels
    return labels, *(_rows(array, rows) for array in arrays)


def _rows(array: Any, rows: Any) -> Any:
    return None if array is None else safe_indexing(array, rows)
