"""Short descriptions of parameters and data, by which a run recognizes what another began."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Mapping
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sksubtomo._utils._messages import shorten
from sksubtomo._utils._settings import Settings
from sksubtomo._utils._versions import software_versions

# Volumes that are read at once, and characters of a digest and of a value in a message.
_ROWS_PER_BLOCK = 64
_DIGEST, _SHOWN = 16, 120


def fingerprint(value: Any) -> Any:
    """Return a number, a text or a list that is another one for another value.

    Parameters
    ----------
    value : object
        A parameter: a number, text, an array, a random state, settings, an estimator, or a
        container of these.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        # Of a subclass of NumPy, the number of Python.
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return array_fingerprint(value)
    if isinstance(value, (np.random.RandomState, np.random.Generator)):
        return f"{type(value).__name__} {_digest_of_text(_state_of(value))}"
    if isinstance(value, Mapping):
        items = sorted(value.items(), key=lambda item: repr(item[0]))
        return [[fingerprint(key), fingerprint(one)] for key, one in items]
    if isinstance(value, (list, tuple)):
        return [fingerprint(one) for one in value]
    if isinstance(value, (Settings, BaseEstimator)):
        return [type(value).__name__, fingerprint(value.get_params(deep=False))]
    if hasattr(value, "shape") and hasattr(value, "__array__"):
        return array_fingerprint(value)
    if isinstance(value, functools.partial):
        return ["partial", *map(fingerprint, (value.func, value.args, value.keywords))]
    name = getattr(value, "__qualname__", None)
    if name is None:
        return type(value).__qualname__
    name = f"{value.__module__}.{name}"
    # Two functions that are made in one place, such as lambdas, have the same name.
    return [name, _digest_of_code(value)] if hasattr(value, "__code__") else name


def _digest_of_code(function: Any) -> str:
    """Return a digest of what a function does: its code, defaults, and variables from around it."""
    around = [_content(cell) for cell in function.__closure__ or ()]
    given = fingerprint([function.__defaults__, function.__kwdefaults__])
    return _digest_of_text(repr((_described(function.__code__), given, around)))


def _described(code: CodeType) -> tuple[Any, ...]:
    """Return what code does, that of functions within it included."""
    constants = [_described(o) if isinstance(o, CodeType) else o for o in code.co_consts]
    return code.co_code, constants, code.co_names


def _content(cell: Any) -> Any:
    """Return what describes a variable from around a function, which may be the function itself."""
    try:
        value = cell.cell_contents
    except ValueError:  # not set yet
        return None
    return value.__qualname__ if hasattr(value, "__code__") else fingerprint(value)


def array_fingerprint(array: Any) -> str:
    """Return shape, type and a digest of what is in an array, or in a stack that is read lazily.

    Parameters
    ----------
    array : array of shape (n, ...)
        Read block by block where it is not in memory.
    """
    shape, content = tuple(int(edge) for edge in array.shape), hashlib.sha256()
    if isinstance(array, np.ndarray):
        content.update(_bytes_of(array))
        kind = array.dtype
    else:
        kind = np.dtype(array.dtype)
        for start in range(0, shape[0], _ROWS_PER_BLOCK):
            content.update(_bytes_of(np.asarray(array[start : start + _ROWS_PER_BLOCK])))
    return f"shape {shape}, {kind}, digest {content.hexdigest()[:_DIGEST]}"


def _bytes_of(array: NDArray) -> bytes | memoryview:
    if array.dtype.kind == "O":
        return repr(array.tolist()).encode()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def state_fingerprint(state: Any) -> str:
    """Return a digest of nested mappings and lists of arrays, tensors and plain values."""
    content = hashlib.sha256()
    _add_to(content, state)
    return f"digest {content.hexdigest()[:_DIGEST]}"


def _add_to(content: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for key in sorted(value):
            content.update(repr(key).encode())
            _add_to(content, value[key])
    elif isinstance(value, (list, tuple)):
        content.update(f"[{len(value)}]".encode())
        for one in value:
            _add_to(content, one)
    elif hasattr(value, "__array__"):
        value = np.asarray(value)
        content.update(f"{value.dtype} {value.shape}".encode())
        content.update(_bytes_of(value))
    else:
        content.update(repr(value).encode())


def _state_of(random: Any) -> str:
    if isinstance(random, np.random.RandomState):
        state = random.get_state(legacy=False)
        inside = {name: np.asarray(value).tolist() for name, value in state["state"].items()}
        return repr({**state, "state": inside})
    return repr(random.bit_generator.state)


def _digest_of_text(text: str) -> str:
    return f"digest {hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]}"


def version_fingerprints() -> dict[str, str]:
    """Return the versions of the software that results depend on."""
    return {f"version of {name}": one for name, one in software_versions().items()}


def fit_fingerprints(
    estimator: BaseEstimator,
    X: Any,
    targets: NDArray[np.int64],
    classes: NDArray,
    left_out: Collection[str],
) -> dict[str, Any]:
    """Return what describes a fit: its class, parameters, data and software.

    Parameters
    ----------
    estimator : estimator
        Not fitted yet.
    X : array, lazy stack or data frame of shape (n_samples, ...)
        Checked.
    targets : ndarray of shape (n_samples,)
        Class indices, -1 where unlabeled.
    classes : ndarray of shape (n_classes,)
        Labels of the classes.
    left_out : collection of str
        Parameters without an effect, and those that the caller describes.
    """
    params = estimator.get_params(deep=False)
    rows = np.asarray(X) if hasattr(X, "columns") else X
    return {
        "kind of fit": type(estimator).__name__,
        **{name: fingerprint(one) for name, one in params.items() if name not in left_out},
        "X": array_fingerprint(rows),
        "y": array_fingerprint(targets),
        "classes": classes.tolist(),
        **version_fingerprints(),
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a phrase for every name whose fingerprint is another one, the names in order.

    Parameters
    ----------
    before, now : mapping of str to fingerprint
        What the run that began was given, and what this one is given.
    """
    names = list(dict.fromkeys([*now, *before]))
    return [
        f"{name} was {_shown(before, name)} and is {_shown(now, name)}"
        for name in names
        # NaN is a parameter like any other.
        if repr(before.get(name, differences)) != repr(now.get(name, differences))
    ]


def _shown(fingerprints: Mapping[str, Any], name: str) -> str:
    if name not in fingerprints:
        return "not there"
    value = fingerprints[name]
    return shorten(value if isinstance(value, str) and "digest" in value else repr(value), _SHOWN)
