"""Whether probabilities are what they say."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils.validation import check_array, check_consistent_length

from sksubtomo._utils._docs import documented
from sksubtomo._utils._labels import encode_labels
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._sklearn import StrOptions, safe_indexing, validate_params

_CONSTRAINTS: dict[str, list] = {
    "y_true": ["array-like"],
    "y_prob": ["array-like"],
    "n_bins": [NumberInterval(Integral, 1, None, closed="left")],
    "strategy": [StrOptions({"uniform", "quantile"})],
    "labels": ["array-like", None],
}
# Softmax in single precision does not sum to 1 more closely.
_SUM_TOLERANCE = 1e-3


@documented
@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def reliability_curve(y_true, y_prob, *, n_bins=15, strategy="uniform", labels=None):
    """Return confidence and accuracy in bins of confidence: the data of a reliability diagram.

    Confidence is the largest probability of a row, accuracy the share of rows whose class has it
    [1]_. Calibrated probabilities have both equal in every bin. Unlabeled rows are left out.

    Parameters
    ----------
    %(y_true)s
    %(y_prob)s
    n_bins : int, default=15
        Bins of confidence; a bin includes its upper edge.
    %(strategy)s
    %(labels)s

    Returns
    -------
    curve : Bunch
        ``confidence``, ``accuracy`` (means over the rows of a bin) and ``counts`` (rows
        in it), arrays of shape (n_nonempty_bins,) in rising order of confidence.

    Raises
    ------
    ValueError
        If no row is labeled, the columns are not as many as the classes, or rows are no
        probabilities.

    References
    ----------
    .. [1] Guo et al., "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> from sksubtomo.metrics import reliability_curve
    >>> curve = reliability_curve([0, 1, -1], [[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]], n_bins=2)
    >>> curve.confidence, curve.accuracy, curve.counts
    (array([0.75]), array([0.5]), array([2]))
    """
    confidence, correct = _confidence_and_hits(y_true, y_prob, labels)
    if strategy == "uniform":
        edges = np.linspace(0, 1, n_bins + 1)
    else:
        edges = np.quantile(confidence, np.linspace(0, 1, n_bins + 1))
    _, bins, counts = np.unique(
        np.searchsorted(edges[1:-1], confidence), return_inverse=True, return_counts=True
    )
    return Bunch(
        confidence=np.bincount(bins, confidence) / counts,
        accuracy=np.bincount(bins, correct) / counts,
        counts=counts,
    )


@documented
@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def expected_calibration_error(y_true, y_prob, *, n_bins=15, strategy="uniform", labels=None):
    r"""Return the mean distance of confidence and accuracy, over bins of confidence.

    With the bins of :func:`reliability_curve`, this is [1]_

    .. math::

        \mathrm{ECE} = \sum_b \frac{n_b}{n} \left| \mathrm{acc}_b - \mathrm{conf}_b \right|

    Parameters
    ----------
    %(y_true)s
    %(y_prob)s
    n_bins : int, default=15
        Bins of confidence. With few rows a bin, chance alone makes the error large.
    %(strategy)s
    %(labels)s

    Returns
    -------
    error : float
        Between 0, calibrated, and 1.

    Raises
    ------
    ValueError
        As :func:`reliability_curve`.

    References
    ----------
    .. [1] Guo et al., "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> from sksubtomo.metrics import expected_calibration_error
    >>> expected_calibration_error([0, 1, -1], [[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]], n_bins=2)
    0.25
    """
    curve = reliability_curve(y_true, y_prob, n_bins=n_bins, strategy=strategy, labels=labels)
    return float(np.average(np.abs(curve.accuracy - curve.confidence), weights=curve.counts))


def _confidence_and_hits(
    y_true: Any, y_prob: Any, labels: Any
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the largest probability of every labeled row, and whether it is its class's."""
    check_consistent_length(y_true, y_prob)
    targets, classes = encode_labels(y_true, labels)
    labeled = np.flatnonzero(targets >= 0)
    if not len(labeled):
        raise ValueError("Calibration needs labeled rows, but every label in y_true is hidden.")
    # Unlabeled rows may be NaN, as those of cross_val_predict are.
    y_prob = check_array(
        safe_indexing(y_prob, labeled), dtype=np.float64, ensure_2d=False, input_name="y_prob"
    )
    if y_prob.ndim == 1:
        y_prob = np.column_stack([1 - y_prob, y_prob])
    n_columns = len(classes) if labels is None else len(labels)
    if y_prob.shape[1] != n_columns or len(classes) != n_columns:
        raise ValueError(
            f"y_prob has {y_prob.shape[1]} columns, but there are {len(classes)} classes, "
            f"{classes.tolist()}. Pass the classes of the columns as labels, each once."
        )
    if (y_prob < 0).any() or (np.abs(y_prob.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
        raise ValueError(
            "y_prob holds rows that are no probabilities: they must be from 0 to 1 and sum to 1."
        )
    columns = np.arange(n_columns) if labels is None else np.argsort(np.asarray(labels))
    return y_prob.max(axis=1), y_prob.argmax(axis=1) == columns[targets[labeled]]
