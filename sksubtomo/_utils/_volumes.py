"""Reading X as volumes: four-dimensional, or flat rows with a known shape."""

from __future__ import annotations

import math
import numbers
import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from sksubtomo.exceptions import VolumeShapeWarning

Shape3d = tuple[int, int, int]

# A line of this many columns is more likely a flattened volume than a table.
_LONGEST_SILENT_LINE = 512


def check_volume_shape(volume_shape: Any, name: str = "volume_shape") -> Shape3d:
    """Return an edge length or a (z, y, x) triple as a triple of positive integers."""
    edges = (volume_shape,) * 3 if isinstance(volume_shape, numbers.Integral) else volume_shape
    try:
        shape = tuple(int(edge) for edge in edges)
        valid = len(shape) == 3 and all(e == s and s > 0 for e, s in zip(edges, shape, strict=True))
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            f"{name}={volume_shape!r} must be a positive integer (the edge of a cube) "
            "or three positive integers (z, y, x)."
        )
    return shape  # type: ignore[return-value]


def check_volumes(
    estimator: Any, X: Any, *, volume_shape: Any = None, reset: bool, input_name: str = "X"
) -> NDArray[np.float32]:
    """Validate `X` for `estimator` and return it as volumes.

    Sets ``n_features_in_`` (the number of voxels), ``feature_names_in_`` and
    ``volume_shape_`` on `estimator` when `reset`, else compares with them.

    Parameters
    ----------
    estimator : estimator
        The owner of the fitted attributes; named in error messages.
    X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
        Finite numbers. A lazy stack comes back as it is: it checks what it reads.
    volume_shape : int, (int, int, int) or None
        Shape of a flat row; None reads it as one line of voxels, ``(1, 1, n_voxels)``.
    reset : bool
        Whether this is a first fit.
    input_name : str, default="X"
        The name of `X` in messages.

    Returns
    -------
    X : ndarray of shape (n_samples, depth, height, width) of float32
        A view of the input where its type and memory layout allow.

    Raises
    ------
    ValueError
        If `X` is empty, ragged, has another number of dimensions, is not finite,
        or its volumes do not have the expected shape.
    """
    if is_lazy(X):
        return _check_lazy(estimator, X, volume_shape, reset, input_name)
    X = _reject_ragged(X, input_name)
    name = type(estimator).__name__
    ndim = getattr(X, "ndim", None)
    if ndim is not None and ndim not in (0, 1, 2, 4):
        raise ValueError(
            f"{name} expects {input_name} of shape (n_samples, depth, height, width) or "
            f"(n_samples, n_voxels), got {ndim} dimensions: {tuple(X.shape)}."
            + (f" For a single volume, pass {input_name}[np.newaxis]." if ndim == 3 else "")
        )
    given = tuple(int(edge) for edge in X.shape[1:]) if ndim == 4 else None
    if given is not None:
        _check_given_shape(estimator, given, volume_shape, reset, input_name)
        X = np.asarray(X).reshape(len(X), math.prod(given))
    try:
        flat = validate_data(estimator, X, reset=reset, dtype=np.float32, order="C")
    except ValueError as error:
        raise _located(error, X, input_name) from error
    if reset:
        estimator.volume_shape_ = given or _shape_of_rows(name, flat.shape[1], volume_shape)
    return flat.reshape(len(flat), *estimator.volume_shape_)


def is_lazy(X: Any) -> bool:
    """Tell whether `X` is a stack that reads volumes when they are needed."""
    return getattr(X, "lazy_volumes", False)


def _check_lazy(estimator: Any, X: Any, volume_shape: Any, reset: bool, input_name: str) -> Any:
    name = type(estimator).__name__
    if not len(X):
        raise ValueError(f"Found array with 0 sample(s) while {name} requires a minimum of 1.")
    given = tuple(int(edge) for edge in X.shape[1:])
    _check_given_shape(estimator, given, volume_shape, reset, input_name)
    if reset:
        estimator.n_features_in_ = math.prod(given)
        estimator.volume_shape_ = given
    return X


def _reject_ragged(X: Any, input_name: str) -> Any:
    """Turn sequences of volumes into an array; explain it if they differ in shape."""
    if hasattr(X, "ndim") or not isinstance(X, (list, tuple)):
        return X
    shapes = sorted({np.shape(volume) for volume in X if isinstance(volume, np.ndarray)})
    if len(shapes) > 1:
        raise ValueError(
            f"{input_name} holds volumes of different shapes, {', '.join(map(str, shapes[:5]))}. "
            "Crop or pad them to one box size first."
        )
    return np.asarray(X) if shapes and len(shapes[0]) > 1 else X


def _check_given_shape(
    estimator: Any, given: tuple[int, ...], volume_shape: Any, reset: bool, input_name: str
) -> None:
    name = type(estimator).__name__
    if 0 in given:
        raise ValueError(f"{input_name} holds volumes without voxels: their shape is {given}.")
    if not reset and given != estimator.volume_shape_:
        raise ValueError(
            f"{input_name} has volumes of shape {given}, but {name} was fitted on volumes of "
            f"shape {estimator.volume_shape_}."
        )
    if reset and volume_shape is not None and check_volume_shape(volume_shape) != given:
        raise ValueError(
            f"X has volumes of shape {given}, but volume_shape={volume_shape!r} was given to "
            f"{name}. Leave volume_shape=None for four-dimensional X."
        )


def _shape_of_rows(name: str, n_voxels: int, volume_shape: Any) -> Shape3d:
    if volume_shape is not None:
        shape = check_volume_shape(volume_shape)
        if math.prod(shape) != n_voxels:
            raise ValueError(
                f"volume_shape={volume_shape!r} means {math.prod(shape)} voxels a volume, but X "
                f"has {n_voxels} columns."
            )
        return shape
    if n_voxels >= _LONGEST_SILENT_LINE:
        edge = round(n_voxels ** (1 / 3))
        hint = f"volume_shape={edge}" if edge**3 == n_voxels else "volume_shape=(z, y, x)"
        warnings.warn(
            f"{name} reads the {n_voxels} columns of X as one line of voxels. If each row is a "
            f"flattened volume, pass {hint}.",
            VolumeShapeWarning,
            stacklevel=5,
        )
    return (1, 1, n_voxels)


def _located(error: ValueError, X: Any, input_name: str) -> ValueError:
    """Say in scikit-learn's message which input it is, and which volume is the first not finite."""
    # validate_data calls it X, whatever its caller does.
    message = re.sub(r"\A(Input )?X\b", rf"\g<1>{input_name}", str(error))
    if "contains NaN" in message or "contains infinity" in message:
        try:
            bad = ~np.isfinite(np.asarray(X, dtype=np.float32)).all(axis=1)
        except (TypeError, ValueError):
            return ValueError(message)
        message += f"\nThe first such volume has index {int(np.argmax(bad))}."
    return ValueError(message)


def has_flat_rows(X: Any) -> bool:
    """Tell whether `X` holds one row of voxels a volume, rather than volumes."""
    return (X if hasattr(X, "ndim") else np.asarray(X)).ndim == 2
