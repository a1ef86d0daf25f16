"""Estimators and values from JSON and arrays. Nothing here lets a file choose what is called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._random_states import check_generator
from sksubtomo._utils._rotations import exact_rotation
from sksubtomo._utils._sklearn import MetadataRequest
from sksubtomo._utils._values import PLAIN, ValueDecoder
from sksubtomo.persistence._allowed import allowed_class, is_part
from sksubtomo.persistence._checks import check_object
from sksubtomo.persistence._encode import REMADE, check_params

#: Kinds of values, those that make objects included.
ALL = PLAIN | {"generator", "net", "object", "random_state", "rotation", "tensor"}
_BIT_GENERATORS = {"MT19937": np.random.MT19937, "PCG64": np.random.PCG64}


class Decoder(ValueDecoder):
    """Turns what :class:`Encoder` wrote into estimators and values again.

    Parameters
    ----------
    read_array, n_arrays
        See :class:`ValueDecoder`.
    kinds : collection of str, default=ALL
        What may be in it.
    """

    def __init__(
        self, read_array: Callable[[int], NDArray], n_arrays: int, kinds: Collection[str] = ALL
    ) -> None:
        super().__init__(read_array, n_arrays, kinds)

    def _makers(self) -> dict[str, Callable[[dict[str, Any], int], Any]]:
        return {
            **super()._makers(),
            "generator": lambda node, depth: _generator(self.decode(node["generator"], depth)),
            "net": self._net,
            "object": self._object,
            "random_state": lambda node, depth: _random_state(
                self.decode(node["random_state"], depth)
            ),
            "rotation": lambda node, depth: exact_rotation(self.decode(node["rotation"], depth)),
            "tensor": lambda node, _: _tensor(self._array(node["tensor"])),
        }

    def _net(self, node: dict[str, Any], depth: int) -> Any:
        from sksubtomo.training import restored_net

        return restored_net(self.decode(node["net"], depth))

    def _object(self, node: dict[str, Any], depth: int) -> Any:
        name = node["object"]
        kind = allowed_class(name)
        # In the order in which they were written, since later ones refer to earlier ones.
        params = self._members(node.get("params", {}), depth)
        state = self._members(node["state"], depth)
        for key in state:
            _check_attribute(kind, key)
        if is_part(name):
            return _part(name, kind, state)
        known = set(kind._get_param_names())
        unknown = sorted(set(params) - known)
        if known & set(state):
            raise ValueError(f"{kind.__name__} has a parameter among its attributes")
        if unknown:
            raise ValueError(f"{kind.__name__} has no parameters {unknown} in this version")
        check_params(name, params)
        made = kind(**params)
        if "_metadata_request" in state:
            state["_metadata_request"] = _request(made, state["_metadata_request"])
        vars(made).update(state)
        check_object(name, made)
        return _completed(made)

    def _members(self, nodes: Any, depth: int) -> dict[str, Any]:
        # Requests of metadata are as they are, not values.
        requests = {k: v for k, v in nodes.items() if k == "_metadata_request"}
        return {
            **self._named({k: v for k, v in nodes.items() if k not in requests}, depth),
            **requests,
        }


def _check_attribute(kind: type, name: str) -> None:
    """Refuse an attribute that would stand before a method or a property."""
    known = getattr(kind, name, None)
    if not name.isidentifier() or name.startswith("__") or name in REMADE:
        raise ValueError(f"{name[:80]!r} is no attribute of a {kind.__name__}")
    if callable(known) or hasattr(known, "__get__"):
        raise ValueError(f"{name[:80]!r} is no data of a {kind.__name__}")


def _part(name: str, kind: Any, state: dict[str, Any]) -> Any:
    made = kind.__new__(kind)
    vars(made).update(state)
    check_object(name, made)
    return made


def _completed(made: Any) -> Any:
    """Make what follows from the rest: trees that find neighbors fast."""
    # Its own: a FrozenEstimator passes on what it is asked for.
    method = vars(made).get("_fit_method")
    if method in ("kd_tree", "ball_tree"):
        from sklearn.neighbors import BallTree, KDTree

        tree = KDTree if method == "kd_tree" else BallTree
        made._tree = tree(
            made._fit_X,
            int(made.leaf_size),
            metric=str(made.effective_metric_),
            **made.effective_metric_params_,
        )
    elif "_fit_method" in vars(made):
        made._tree = None
    return made


def _request(owner: Any, requests: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return scikit-learn's object for what ``set_fit_request`` and its like have set."""
    made = MetadataRequest(owner=owner)
    for method, params in requests.items():
        for name, alias in params.items():
            if not isinstance(alias, (bool, str, type(None))):
                raise ValueError("a request of metadata is neither a truth value nor a name")
            getattr(made, method).add_request(param=name, alias=alias)
    return made


def _tensor(array: NDArray) -> Any:
    import torch

    return torch.from_numpy(array)


def _generator(state: dict[str, Any]) -> np.random.Generator:
    check_generator(state)
    bits = _BIT_GENERATORS[state["bit_generator"]]()
    bits.state = state
    return np.random.Generator(bits)


def _random_state(state: dict[str, Any]) -> np.random.RandomState:
    check_generator(state)
    made = np.random.RandomState(_BIT_GENERATORS[state["bit_generator"]]())
    made.set_state(state)
    return made
