"""Reading X as volumes: four-dimensional, or flat rows with a known shape."""

from __future__ import annotations

import math
import reprlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from sksubtomo._utils._arrays import as_array, is_lazy, without_data
from sksubtomo._utils._numbers import is_integer
from sksubtomo.exceptions import VolumeShapeWarning

Shape3d = tuple[int, int, int]

# A line of this many columns is more likely a flattened volume than a table.
_LONGEST_SILENT_LINE = 512
# Attributes by which scikit-learn's callbacks go with a fit.
_OF_CALLBACKS = ("_skl_callbacks", "_callback_fit_ctx")


def check_volume_shape(volume_shape: Any, name: str = "volume_shape") -> Shape3d:
    """Return an edge length or a (z, y, x) triple as a triple of positive Python integers.

    Raises
    ------
    ValueError
        For anything else; floating-point numbers and booleans are no edges, whatever their value.
    """
    try:
        cube = is_integer(volume_shape)
        # By index, so that a set, which has no order, is refused.
        edges = [volume_shape if cube else volume_shape[axis] for axis in range(3)]
        valid = cube or len(volume_shape) == 3
    except (TypeError, LookupError):
        edges, valid = [], False
    if not (valid and all(is_integer(edge) and edge > 0 for edge in edges)):
        raise ValueError(
            f"{name}={reprlib.repr(volume_shape)} must be a positive integer (the edge of a cube) "
            "or three positive integers (z, y, x)."
        )
    depth, height, width = (int(edge) for edge in edges)
    return depth, height, width


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
        Finite numbers, in a form that :func:`as_array` reads. A lazy stack comes back as it is: it
        checks what it reads.
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
    name = type(estimator).__name__
    X = as_array(X, input_name)
    _check_dimensions(name, X, input_name)
    given = tuple(int(edge) for edge in X.shape[1:]) if len(X.shape) == 4 else None
    if given is not None:
        _check_given_shape(estimator, given, volume_shape, reset, input_name)
        X = X.reshape(X.shape[0], math.prod(given))
    elif reset:
        given = _shape_of_rows(name, X.shape[1], volume_shape)
    try:
        # What is too large for float32 becomes infinite, and is refused as such.
        with unchanged_on_error(estimator), np.errstate(over="ignore", invalid="ignore"):
            flat = validate_data(estimator, X, reset=reset, dtype=np.float32, order="C")
    except ValueError as error:
        # Not from the original, which may quote the data.
        raise _located(error, X, input_name) from None
    if reset:
        estimator.volume_shape_ = given
    return flat.reshape(len(flat), *estimator.volume_shape_)


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was if a fit fails or is interrupted, so that its last one stays."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:  # KeyboardInterrupt, too
        # scikit-learn ends the callbacks of the fit afterwards.
        callbacks = {n: v for n, v in vars(estimator).items() if n.startswith(_OF_CALLBACKS)}
        vars(estimator).clear()
        vars(estimator).update({**before, **callbacks})
        raise


def _check_lazy(estimator: Any, X: Any, volume_shape: Any, reset: bool, input_name: str) -> Any:
    name = type(estimator).__name__
    if not len(X):
        raise ValueError(f"Found array with 0 sample(s) while {name} requires a minimum of 1.")
    given = tuple(int(edge) for edge in X.shape[1:])
    _check_given_shape(estimator, given, volume_shape, reset, input_name)
    # Only the names of columns, of which there are none: a fit before may have left some.
    validate_data(estimator, X, reset=reset, skip_check_array=True, ensure_2d=False)
    if reset:
        estimator.n_features_in_ = math.prod(given)
        estimator.volume_shape_ = given
    return X


def _check_dimensions(name: str, X: Any, input_name: str) -> None:
    if len(X.shape) in (2, 4):
        return
    if X.shape == (0,):
        raise ValueError(
            f"Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required by {name}."
        )
    expected = (
        f"{name} expects {input_name} of shape (n_samples, depth, height, width) or "
        f"(n_samples, n_voxels), got"
    )
    if len(X.shape) == 0:
        raise ValueError(f"{expected} a single {type(X[()]).__name__}.")
    if X.dtype == object:
        raise ValueError(f"{expected} objects of type {type(X.flat[0]).__name__}.")
    hint = ""
    if len(X.shape) == 1:
        hint = f" Reshape your data: for a single flat row, pass {input_name}[np.newaxis]."
    elif len(X.shape) == 3:
        hint = f" For a single volume, pass {input_name}[np.newaxis]."
    raise ValueError(f"{expected} {len(X.shape)} dimensions: {tuple(X.shape)}.{hint}")


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
            f"X has volumes of shape {given}, but volume_shape={reprlib.repr(volume_shape)} was "
            f"given to {name}. Leave volume_shape=None for four-dimensional X."
        )


def _shape_of_rows(name: str, n_voxels: int, volume_shape: Any) -> Shape3d:
    if volume_shape is not None:
        shape = check_volume_shape(volume_shape)
        if math.prod(shape) != n_voxels:
            raise ValueError(
                f"volume_shape={reprlib.repr(volume_shape)} means {math.prod(shape)} voxels a "
                f"volume, but X has {n_voxels} columns."
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
    message = without_data(str(error), input_name)
    if "contains NaN" in message or "contains infinity" in message:
        try:
            with np.errstate(over="ignore"):
                bad = ~np.isfinite(np.asarray(X, dtype=np.float32)).all(axis=1)
        except (TypeError, ValueError):
            return ValueError(message)
        message += f"\nThe first such volume has index {int(np.argmax(bad))}."
    return ValueError(message)
