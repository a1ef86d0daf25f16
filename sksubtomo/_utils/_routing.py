"""Metadata for the estimators inside of others, by scikit-learn's metadata routing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import MethodMapping, process_routing

# Metadata of other volumes than those of X, whose number may happen to be the same.
_WHOLE = ("X_val", "y_val")


def same_methods(methods: Iterable[str]) -> MethodMapping:
    """Return a mapping by which each method hands its metadata on to the one of the same name."""
    mapping = MethodMapping()
    for method in methods:
        mapping.add(caller=method, callee=method)
    return mapping


def routing_is_enabled() -> bool:
    """Tell whether scikit-learn routes metadata."""
    return bool(get_config()["enable_metadata_routing"])


def routed_params(owner: Any, method: str, params: Mapping[str, Any]) -> Any:
    """Return which of the metadata given to a method goes to which method of which part.

    Parameters
    ----------
    owner : estimator
        Has ``get_metadata_routing``.
    method : str
        The method that was called, such as "fit".
    params : mapping
        Metadata by name.

    Returns
    -------
    routed : Bunch
        ``routed["estimator"]["fit"]`` are the arguments for ``fit`` of the part "estimator".

    Raises
    ------
    ValueError
        If there is metadata, but routing is not enabled.
    UnsetMetadataPassedError
        If no part says whether it wants the metadata.
    TypeError
        If no part knows it.
    """
    if params and not routing_is_enabled():
        name, given = type(owner).__name__, sorted(params)
        raise ValueError(
            f"{name}.{method} hands {given} on to its estimator only with metadata routing: call "
            "sklearn.set_config(enable_metadata_routing=True), and let the estimator request them, "
            f"as in estimator.set_{method}_request({given[0]}=True)."
        )
    return process_routing(owner, method, **params)


def is_per_row(name: str, value: Any, n_rows: int) -> bool:
    """Tell whether metadata has an entry for each row of `X`.

    Parameters
    ----------
    name : str
        Of the metadata; that of validation volumes never has.
    value : object
        The metadata.
    n_rows : int
        Number of rows of `X`.
    """
    if name in _WHOLE or isinstance(value, str | bytes | Mapping):
        return False
    shape = getattr(value, "shape", None)
    if shape is not None:
        return len(shape) > 0 and shape[0] == n_rows
    return hasattr(value, "__len__") and len(value) == n_rows


def take_rows(params: Mapping[str, Any], rows: NDArray, n_rows: int) -> dict[str, Any]:
    """Return metadata for some rows of `X`.

    Parameters
    ----------
    params : mapping
        Metadata by name, for all rows; what has no entry for each row is handed on whole.
    rows : ndarray of int
        Which rows.
    n_rows : int
        Number of all rows.
    """
    return {
        name: _safe_indexing(value.tocsr() if issparse(value) else value, rows)
        if is_per_row(name, value, n_rows)
        else value
        for name, value in params.items()
    }
