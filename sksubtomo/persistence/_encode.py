"""Estimators and values as JSON and arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from sksubtomo._utils._messages import shorten
from sksubtomo.persistence._allowed import is_part, name_of_class
from sksubtomo.persistence._archive import check_dtype
from sksubtomo.persistence._checks import check_object

#: Objects within objects; readers refuse more.
DEEPEST = 64
#: Attributes that follow from others, and are made again when a file is read.
REMADE = {"_tree"}
_RANDOM = {np.random.RandomState: "random_state", np.random.Generator: "generator"}


class Encoder:
    """Turns values into JSON, and collects their arrays.

    JSON's own types stand for themselves. Everything else is a mapping of one or more names, the
    first of which says what it is: ``{"tuple": [...]}``, ``{"array": 3}``, ``{"object": ...}``.

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
        self._data_only = False

    @contextmanager
    def data_only(self) -> Iterator[None]:
        """Refuse objects within."""
        self._data_only = True
        try:
            yield
        finally:
            self._data_only = False

    def encode(self, value: Any, path: str, depth: int = 0) -> Any:
        """Return a value as JSON.

        Parameters
        ----------
        value : object
            Anything.
        path : str
            Where it is, for messages.
        depth : int, default=0
            How many objects it is within.

        Raises
        ------
        ValueError
            If a model file cannot hold it, with `path`.
        """
        if depth > DEEPEST:
            raise ValueError(f"{path} is nested too deeply for a model file.")
        if value is None or type(value) in (bool, str):
            return value
        if type(value) is int:
            if value.bit_length() > 1024:
                raise ValueError(f"{path} is too large a number for a model file.")
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        encode = self._of_containers(value) or self._of_arrays(value)
        if not self._data_only:
            encode = encode or self._of_objects(value)
        if encode is None:
            raise ValueError(_refusal(value, path))
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
        kind = type(value)
        if kind.__module__ == "torch" and kind.__name__ == "Tensor":
            return self._tensor
        if kind in _RANDOM:
            return self._random
        if kind.__module__.startswith("scipy.spatial") and kind.__name__ == "Rotation":
            return self._rotation
        if kind.__module__.startswith("sksubtomo.training") and kind.__name__ == "VolumeNet":
            return self._net
        return None if name_of_class(kind) is None else self._object

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

    def _tensor(self, value: Any, path: str, depth: int) -> Any:
        # Numbers that NumPy does not know, such as bfloat16, raise TypeError.
        try:
            array = value.detach().cpu().numpy()
        except TypeError as error:
            raise ValueError(f"{path} is a tensor of {value.dtype}, which NumPy lacks.") from error
        return self._once(value, lambda: {"tensor": self._add(array)})

    def _add(self, array: NDArray) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _once(self, value: Any, encode: Callable[[], Any]) -> Any:
        """Encode an object that may come more than once, and is to be one object again."""
        if id(value) in self._unfinished:
            raise ValueError(f"A {type(value).__name__} holds itself; a model file cannot.")
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        number = {"ref": len(self._seen)}
        self._seen[id(value)] = (value, number)
        self._unfinished.add(id(value))
        encoded = encode()
        self._unfinished.remove(id(value))
        return {**encoded, "id": number["ref"]}

    # --- Objects ------------------------------------------------------------------------------

    def _random(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, np.random.Generator):
            state = dict(value.bit_generator.state)
            return {"generator": self.encode(state, path, depth)}
        return {"random_state": self.encode(value.get_state(legacy=False), path, depth)}

    def _rotation(self, value: Any, path: str, depth: int) -> Any:
        quaternions = np.asarray(value.as_quat())
        return {"rotation": self.encode(quaternions, path, depth)}

    def _net(self, value: Any, path: str, depth: int) -> Any:
        from sksubtomo.training import net_state

        try:
            state = net_state(value)
        except ValueError as error:
            raise ValueError(f"{path} cannot be written to a model file: {error}.") from error
        return self._once(value, lambda: {"net": self.encode(state, path, depth)})

    def _object(self, value: Any, path: str, depth: int) -> Any:
        name = name_of_class(type(value))
        assert name is not None
        try:
            check_object(name, value)
        except (AttributeError, ValueError) as error:
            raise ValueError(
                f"{path} is a {type(value).__name__} of a kind that a model file cannot hold."
            ) from error
        return self._once(value, lambda: self._members(name, value, path, depth))

    def _members(self, name: str, value: Any, path: str, depth: int) -> Any:
        def encoded(members: dict[str, Any]) -> dict[str, Any]:
            return {
                key: _requests(one)
                if key == "_metadata_request"
                else self.encode(one, f"{path}.{key}", depth)
                for key, one in members.items()
                if key not in REMADE
            }

        if is_part(name):
            return {"object": name, "state": encoded(value.__getstate__())}
        params = value.get_params(deep=False)
        check_params(name, params)
        state = {key: one for key, one in vars(value).items() if key not in params}
        return {"object": name, "params": encoded(params), "state": encoded(state)}


def check_params(name: str, params: dict[str, Any]) -> None:
    """Refuse parameters by which an estimator reads pickles later.

    Raises
    ------
    ValueError
        If there is one.
    """
    if name == "sklearn.pipeline.Pipeline" and params.get("memory") is not None:
        raise ValueError("memory of a Pipeline is a folder of pickles. Set it to None.")


def _requests(request: Any) -> dict[str, Any]:
    """Return what scikit-learn's ``set_fit_request`` and its like have set, by method."""
    return {
        method: dict(getattr(request, method).requests)
        for method in dir(request)
        if hasattr(getattr(request, method), "requests") and getattr(request, method).requests
    }


def _check_kind(array: NDArray, path: str) -> None:
    try:
        check_dtype(array.dtype.newbyteorder("<").str)
    except ValueError as error:
        raise ValueError(
            f"{path} is an array of {array.dtype}, which a model file cannot hold."
        ) from error


def _refusal(value: Any, path: str) -> str:
    kind = value if isinstance(value, type) or callable(value) else type(value)
    name = getattr(kind, "__qualname__", type(kind).__qualname__)
    what = f"{getattr(kind, '__module__', type(kind).__module__)}.{name}"
    said = "the class" if isinstance(value, type) else "a function or an object"
    said = "an estimator" if isinstance(value, BaseEstimator) else said
    return (
        f"{path} is {said} that a model file cannot hold: {shorten(what, 120)}. It holds "
        "estimators of sksubtomo and many of scikit-learn, numbers, text and arrays. Replace it, "
        "or use joblib.dump, whose files run code when they are loaded."
    )
