"""Tables that ``set_output`` asks of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin


class _Rows(TransformerMixin):
    """Transformer with a result that is there already, for scikit-learn to put into a table."""

    def __init__(self, rows: NDArray, names: Callable[[], NDArray]) -> None:
        self.rows = rows
        self.names = names

    def transform(self, X: Any) -> NDArray:
        """Return the rows; scikit-learn takes their index from `X`."""
        return self.rows

    def get_feature_names_out(self, input_features: Any = None) -> NDArray:
        """Return the names of the columns."""
        return self.names()


def in_container(estimator: Any, rows: NDArray, names: Callable[[], NDArray], X: Any) -> Any:
    """Return rows in the container that an estimator, or scikit-learn's configuration, asks for.

    scikit-learn does this by itself for what ``transform`` returns, unless it is switched off.

    Parameters
    ----------
    estimator : estimator
        With or without a configuration by ``set_output``.
    rows : ndarray of shape (n_samples, n_columns)
        What goes into the table.
    names : callable
        Returns the names of the columns; called only if there is a table.
    X : object
        The input, whose index a table of pandas keeps.

    Returns
    -------
    rows : ndarray or data frame
        A data frame of pandas or polars if one is asked for.

    Raises
    ------
    ImportError
        If the library is not installed.
    ValueError
        If scikit-learn has no such container.
    """
    table = _Rows(rows, names)
    # The attribute by which scikit-learn's set_output and clone know the configuration.
    config = getattr(estimator, "_sklearn_output_config", {})
    table.set_output(transform=config.get("transform"))
    return table.transform(X)


def check_container(estimator: Any) -> None:
    """Raise the errors of :func:`in_container` before there are rows, that is, before training."""
    in_container(estimator, np.zeros((1, 1)), lambda: np.array(["x"], dtype=object), None)
