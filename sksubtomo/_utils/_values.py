"""Plain values as JSON and arrays, and back: what files that run no code are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sksubtomo._utils._archive import check_dtype
from sksubtomo._utils._messages import shorten

#: Values within values; readers refuse more.
DEEPEST = 64
#: Kinds of values that are data.
PLAIN = frozenset(
    {"array", "bunch", "dict", "float", "map", "objects", "range", "ref", "scalar", "set", "slice"}
    | {"tuple"}
)
#: Kinds that others may refer to.
_SHARED = {"array", "net", "object", "tensor"}


class ValueEncoder:
    """Turns values into JSON, and collects their arrays.

    JSON's own types stand for themselves. Everything else is a mapping of one or more names, the
    first of which says what it is: ``{"tuple": [...]}``, ``{"array": 3}``.

    Attributes
    ----------
    arrays : list of ndarray
        What ``{"array": 3}`` refers to; not copied.
    """

    def __init__(self) -> None:
        self.arrays: list[NDArray] = []
        # Objects are kept, so that no other one gets the same id.
        self._seen: dict[int, tuple[Any, dict[str, int]]] = {}
        self._unfinished: set[int] = set()

    def encode(self, value: Any, path: str, depth: int = 0) -> Any:
        """Return a value as JSON.

        Parameters
        ----------
        value : object
            Anything.
        path : str
            Where it is, for messages.
        depth : int, default=0
            How many values it is within.

        Raises
        ------
        ValueError
            If a file cannot hold it, with `path`.
        """
        if depth > DEEPEST:
            raise ValueError(f"{path} is nested too deeply for a file.")
        if value is None or type(value) in (bool, str):
            return value
        if type(value) is int:
            if value.bit_length() > 1024:
                raise ValueError(f"{path} is too large a number for a file.")
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        encode = self._of_containers(value) or self._of_arrays(value) or self._of_objects(value)
        if encode is None:
            raise ValueError(self._refusal(value, path))
        return encode(value, path, depth + 1)

    # --- Which way a value is written ---------------------------------------------------------

    def _of_containers(self, value: Any) -> Callable[..., Any] | None:
        if type(value) in (list, tuple, set, slice, range):
            return self._sequence
        if type(value) in (dict, Bunch):
            return self._mapping
        return None

    def _of_arrays(self, value: Any) -> Callable[..., Any] | None:
        if isinstance(value, np.generic):
            return self._scalar
        if type(value) in (np.ndarray, np.memmap):
            return self._objects if value.dtype.kind == "O" else self._array
        return None

    def _of_objects(self, value: Any) -> Callable[..., Any] | None:
        """Return how other objects are written, None if they are not."""
        return None

    def _refusal(self, value: Any, path: str) -> str:
        return f"{path} is a {type(value).__name__}, which is neither number, text nor array."

    # --- Containers ---------------------------------------------------------------------------

    def _sequence(self, value: Any, path: str, depth: int) -> Any:
        name = type(value).__name__
        items: Any = value
        if isinstance(value, (slice, range)):
            items = (value.start, value.stop, value.step)
        elif isinstance(value, set):
            items = sorted(value, key=repr)
        encoded = [self.encode(item, f"{path}[{k}]", depth) for k, item in enumerate(items)]
        return encoded if name == "list" else {name: encoded}

    def _mapping(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        if all(type(key) is str for key in value):
            named = {
                key: self.encode(one, f"{path}[{shorten(repr(key), 60)}]", depth)
                for key, one in value.items()
            }
            return {"bunch" if type(value) is Bunch else "map": named}
        return {
            "dict": [
                [self.encode(part, f"{path}[{shorten(repr(key), 60)}]", depth) for part in (key, v)]
                for key, v in value.items()
            ]
        }

    # --- Arrays -------------------------------------------------------------------------------

    def _scalar(self, value: np.generic, path: str, depth: int) -> Any:
        array = np.asarray(value)
        _check_kind(array, path)
        little = array.astype(array.dtype.newbyteorder("<"))
        return {"scalar": little.dtype.str, "hex": little.tobytes().hex()}

    def _array(self, value: NDArray, path: str, depth: int) -> Any:
        _check_kind(value, path)
        return self._once(value, lambda: {"array": self._add(value)})

    def _objects(self, value: NDArray, path: str, depth: int) -> Any:
        items = [self.encode(item, f"{path}[{k}]", depth) for k, item in enumerate(value.flat)]
        return {"objects": items, "shape": list(value.shape)}

    def _add(self, array: NDArray) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _once(self, value: Any, encode: Callable[[], Any]) -> Any:
        """Encode an object that may come more than once, and is to be one object again."""
        if id(value) in self._unfinished:
            raise ValueError(f"A {type(value).__name__} holds itself; a file cannot.")
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        number = {"ref": len(self._seen)}
        self._seen[id(value)] = (value, number)
        self._unfinished.add(id(value))
        encoded = encode()
        self._unfinished.remove(id(value))
        return {**encoded, "id": number["ref"]}


class ValueDecoder:
    """Turns what :class:`ValueEncoder` wrote into values again.

    Parameters
    ----------
    read_array : callable
        Returns the array of a number, a new one in each call.
    n_arrays : int
        How many there are.
    kinds : collection of str, default=PLAIN
        What may be in it.
    """

    def __init__(
        self, read_array: Callable[[int], NDArray], n_arrays: int, kinds: Collection[str] = PLAIN
    ) -> None:
        self._read_array, self._n_arrays = read_array, n_arrays
        self._made: dict[int, Any] = {}
        self._read: set[int] = set()
        makers = self._makers()
        self._kinds = {name: makers[name] for name in kinds}

    def _makers(self) -> dict[str, Callable[[dict[str, Any], int], Any]]:
        """Return how each kind of value is made of its node."""
        return {
            "array": lambda node, _: self._array(node["array"]),
            "bunch": lambda node, depth: Bunch(**self._named(node["bunch"], depth)),
            "dict": self._dict,
            "float": lambda node, _: _float(node["float"]),
            "map": lambda node, depth: self._named(node["map"], depth),
            "objects": self._objects,
            "range": lambda node, depth: range(*self._items(node["range"], depth)),
            "ref": lambda node, _: self._made[node["ref"]],
            "scalar": lambda node, _: _scalar(node["scalar"], node["hex"]),
            "set": lambda node, depth: set(self._items(node["set"], depth)),
            "slice": lambda node, depth: slice(*self._items(node["slice"], depth)),
            "tuple": lambda node, depth: tuple(self._items(node["tuple"], depth)),
        }

    def decode(self, node: Any, depth: int = 0) -> Any:
        """Return the value of a node of JSON.

        Raises
        ------
        Exception
            Whatever comes of a node that no encoder wrote; ValueError if it asks for a class that
            files may not hold.
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


def _check_kind(array: NDArray, path: str) -> None:
    try:
        check_dtype(array.dtype.newbyteorder("<").str)
    except ValueError as error:
        raise ValueError(
            f"{path} is an array of {array.dtype}, which a file like this cannot hold."
        ) from error


def _float(text: Any) -> float:
    return {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}[text]


def _scalar(dtype: Any, text: str) -> np.generic:
    check_dtype(dtype)
    content = bytes.fromhex(text)
    if len(content) != np.dtype(dtype).itemsize:
        raise ValueError("a number has another size than its type")
    return np.frombuffer(content, dtype)[0]
