"""An estimator whose predictions get metadata that a scorer does not hand on."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from sksubtomo._utils._sklearn import safe_indexing

_ASKED = (
    *("predict", "predict_proba", "predict_log_proba", "decision_function"),
    *("score_samples", "transform"),
)


class AskedWith:
    """Pass metadata to the predictions of a fitted estimator; all else is the estimator's.

    Scorers of scikit-learn call ``predict(X)`` and the like without any. All rows are predicted,
    as what an estimator says of one may depend on the others, such as on the median of their
    tomogram; those that are asked for are returned.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : array-like of shape (n_samples, ...)
        All volumes.
    params : mapping
        Keyword arguments of its predictions, such as ``covariates``, of all volumes.
    rows : ndarray of int
        Rows that are asked for, whatever is passed to the predictions.
    """

    def __init__(
        self, estimator: Any, X: Any, params: Mapping[str, Any], rows: NDArray[Any]
    ) -> None:
        self._estimator, self._X, self._params, self._rows = estimator, X, params, rows

    def __getattr__(self, name: str) -> Any:
        if "_estimator" not in vars(self):  # of a copy that is being made
            raise AttributeError(name)
        value = getattr(self._estimator, name)
        if name not in _ASKED:
            return value

        @functools.wraps(value)
        def ask(X: Any) -> Any:
            return safe_indexing(value(self._X, **self._params), self._rows)

        return ask


def is_of_metric(scorer: Callable[..., float], name: str) -> bool:
    """Tell whether metadata of a name is for the metric of a scorer, not for its estimator.

    Parameters
    ----------
    scorer : callable
        Of scikit-learn, or another ``scorer(estimator, X, y)``.
    name : str
        Such as "sample_weight".
    """
    if name == "sample_weight":
        return True
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    return name in parameters or any(
        one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()
    )
