"""Metadata for the estimators inside of others, by scikit-learn's metadata routing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sklearn import get_config
from sklearn.utils.metadata_routing import MethodMapping, get_routing_for_object, process_routing


def same_methods(methods: Iterable[str]) -> MethodMapping:
    """Return a mapping by which each method hands its metadata on to the one of the same name."""
    mapping = MethodMapping()
    for method in methods:
        mapping.add(caller=method, callee=method)
    return mapping


def routing_is_enabled() -> bool:
    """Tell whether scikit-learn routes metadata."""
    return bool(get_config()["enable_metadata_routing"])


def wanted_by(estimator: Any, method: str, **given: Any) -> dict[str, Any]:
    """Return the metadata, of those that an estimator itself uses, that its part asks for, too.

    Parameters
    ----------
    estimator : estimator or None
        The part.
    method : str
        Its method, such as "fit".
    **given
        Metadata by name; None is left out.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if not given or estimator is None or not routing_is_enabled():
        return {}
    consumed = get_routing_for_object(estimator).consumes(method, given)
    return {name: given[name] for name in consumed}


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
