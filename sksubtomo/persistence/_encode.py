"""Estimators and values as JSON and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sksubtomo._utils._messages import shorten
from sksubtomo._utils._values import ValueEncoder
from sksubtomo.persistence._allowed import is_part, name_of_class
from sksubtomo.persistence._checks import check_object

#: Attributes that follow from others, and are made again when a file is read.
REMADE = {"_tree"}
_RANDOM = {np.random.RandomState: "random_state", np.random.Generator: "generator"}


class Encoder(ValueEncoder):
    """Turns estimators, too, into JSON and arrays: ``{"object": ...}``, ``{"net": ...}``."""

    def __init__(self) -> None:
        super().__init__()
        self._data_only = False

    @contextmanager
    def data_only(self) -> Iterator[None]:
        """Refuse objects within."""
        self._data_only = True
        try:
            yield
        finally:
            self._data_only = False

    def _of_objects(self, value: Any) -> Callable[..., Any] | None:
        kind = type(value)
        if self._data_only:
            return None
        if kind.__module__ == "torch" and kind.__name__ == "Tensor":
            return self._tensor
        if kind in _RANDOM:
            return self._random
        if kind.__module__.startswith("scipy.spatial") and kind.__name__ == "Rotation":
            return self._rotation
        if kind.__module__.startswith("sksubtomo.training") and kind.__name__ == "VolumeNet":
            return self._net
        return None if name_of_class(kind) is None else self._object

    def _tensor(self, value: Any, path: str, depth: int) -> Any:
        # Numbers that NumPy does not know, such as bfloat16, raise TypeError.
        try:
            array = value.detach().cpu().numpy()
        except TypeError as error:
            raise ValueError(f"{path} is a tensor of {value.dtype}, which NumPy lacks.") from error
        return self._once(value, lambda: {"tensor": self._add(array)})

    def _refusal(self, value: Any, path: str) -> str:
        return _refusal(value, path)

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
