"""An estimator whose predictions get metadata that a scorer does not hand on."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

_ASKED = ("predict", "predict_proba", "predict_log_proba", "decision_function")


class AskedWith:
    """Pass metadata to the predictions of a fitted estimator; all else is the estimator's.

    Scorers of scikit-learn call ``predict(X)`` and the like without any.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    params : mapping
        Keyword arguments of its predictions, such as ``covariates``.
    """

    def __init__(self, estimator: Any, params: Mapping[str, Any]) -> None:
        self._estimator, self._params = estimator, params

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._estimator, name)
        if name not in _ASKED:
            return value

        @functools.wraps(value)
        def ask(X: Any) -> Any:
            return value(X, **self._params)

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
    metric = getattr(scorer, "_score_func", None)
    if metric is None or name == "sample_weight":
        return True
    parameters = inspect.signature(metric).parameters
    return name in parameters or any(
        one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()
    )
