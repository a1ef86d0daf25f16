"""Estimators and values from JSON and arrays. Nothing here lets a file choose what is called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sksubtomo._utils._sklearn import MetadataRequest
from sksubtomo.persistence._allowed import allowed_class, is_part
from sksubtomo.persistence._archive import check_dtype
from sksubtomo.persistence._checks import check_generator, check_object
from sksubtomo.persistence._encode import DEEPEST, REMADE, check_params

#: Kinds of values that are data; and those that make objects.
PLAIN = frozenset(
    {"array", "bunch", "dict", "float", "map", "objects", "range", "ref", "scalar", "set", "slice"}
    | {"tuple"}
)
ALL = PLAIN | {"generator", "net", "object", "random_state", "rotation", "tensor"}
#: Kinds that others may refer to.
_SHARED = {"array", "net", "object", "tensor"}
_BIT_GENERATORS = {"MT19937": np.random.MT19937, "PCG64": np.random.PCG64}


class Decoder:
    """Turns what :class:`Encoder` wrote into values again.

    Parameters
    ----------
    read_array : callable
        Returns the array of a number, a new one in each call.
    n_arrays : int
        How many there are.
    kinds : collection of str, default=ALL
        What may be in it.
    """

    def __init__(
        self, read_array: Callable[[int], NDArray], n_arrays: int, kinds: Collection[str] = ALL
    ) -> None:
        self._read_array, self._n_arrays = read_array, n_arrays
        self._made: dict[int, Any] = {}
        self._read: set[int] = set()
        makers: dict[str, Callable[[dict[str, Any], int], Any]] = {
            "array": lambda node, _: self._array(node["array"]),
            "bunch": lambda node, depth: Bunch(**self._named(node["bunch"], depth)),
            "dict": self._dict,
            "float": lambda node, _: _float(node["float"]),
            "generator": lambda node, depth: _generator(self.decode(node["generator"], depth)),
            "map": lambda node, depth: self._named(node["map"], depth),
            "net": self._net,
            "object": self._object,
            "objects": self._objects,
            "random_state": lambda node, depth: _random_state(
                self.decode(node["random_state"], depth)
            ),
            "range": lambda node, depth: range(*self._items(node["range"], depth)),
            "ref": lambda node, _: self._made[node["ref"]],
            "rotation": lambda node, depth: _rotation(self.decode(node["rotation"], depth)),
            "scalar": lambda node, _: _scalar(node["scalar"], node["hex"]),
            "set": lambda node, depth: set(self._items(node["set"], depth)),
            "slice": lambda node, depth: slice(*self._items(node["slice"], depth)),
            "tensor": lambda node, _: _tensor(self._array(node["tensor"])),
            "tuple": lambda node, depth: tuple(self._items(node["tuple"], depth)),
        }
        self._kinds = {name: makers[name] for name in kinds}

    def decode(self, node: Any, depth: int = 0) -> Any:
        """Return the value of a node of JSON.

        Raises
        ------
        Exception
            Whatever comes of a node that no encoder wrote; ValueError if it asks for a class that
            model files may not hold.
        """
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        if isinstance(node, list):
            return self._items(node, depth + 1)
        if not isinstance(node, dict):
            return node
        kind = next(iter(node))
        if kind not in self._kinds:
            raise ValueError(f"it holds a {kind[:40]!r}, which is no kind of value")
        value = self._kinds[kind](node, depth + 1)
        if "id" in node:
            # Tuples of tuples that refer to each other could be nested without end.
            if kind not in _SHARED or node["id"] in self._made:
                raise ValueError("two objects have the same number, or a value has one")
            self._made[node["id"]] = value
        return value

    def _items(self, nodes: Any, depth: int) -> list[Any]:
        if not isinstance(nodes, list):
            raise ValueError("it has no list where there should be one")
        return [self.decode(node, depth) for node in nodes]

    def _named(self, nodes: Any, depth: int) -> dict[str, Any]:
        if not isinstance(nodes, dict):
            raise ValueError("it has no mapping where there should be one")
        return {name: self.decode(node, depth) for name, node in nodes.items()}

    def _dict(self, node: dict[str, Any], depth: int) -> dict[Any, Any]:
        return dict(self._items(pair, depth) for pair in node["dict"])

    def _array(self, number: Any) -> NDArray:
        if type(number) is not int or not 0 <= number < self._n_arrays or number in self._read:
            raise ValueError("it asks for an array that is not there, or twice for the same")
        self._read.add(number)
        return self._read_array(number)

    def _objects(self, node: dict[str, Any], depth: int) -> NDArray:
        items = self._items(node["objects"], depth)
        array = np.empty(len(items), dtype=object)
        for place, item in enumerate(items):
            array[place] = item
        return array.reshape(node["shape"])

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


def _float(text: Any) -> float:
    return {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}[text]


def _scalar(dtype: Any, text: str) -> np.generic:
    check_dtype(dtype)
    content = bytes.fromhex(text)
    if len(content) != np.dtype(dtype).itemsize:
        raise ValueError("a number has another size than its type")
    return np.frombuffer(content, dtype)[0]


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


def _rotation(quaternions: NDArray) -> Any:
    """Return rotations whose quaternions are the given bits; ``from_quat`` would normalize them."""
    from scipy.spatial.transform import Rotation

    single = quaternions.ndim == 1
    if quaternions.dtype != np.float64 or quaternions.shape[-1:] != (4,) or quaternions.ndim > 2:
        raise ValueError("rotations are no quaternions")
    if not np.allclose(np.square(quaternions).sum(axis=-1), 1):
        raise ValueError("rotations are no quaternions of length 1")
    made = Rotation.identity() if single else Rotation.identity(len(quaternions))
    made.__setstate__((np.atleast_2d(quaternions), single))
    return made
