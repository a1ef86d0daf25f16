"""Reading data in the forms that users have it in: lists of volumes, tensors, other arrays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_array

# What NumPy and other libraries raise for an array that they cannot convert.
_UNREADABLE = (TypeError, ValueError, RuntimeError, BufferError)


def is_lazy(X: Any) -> bool:
    """Tell whether `X` is a stack that reads volumes when they are needed."""
    return getattr(X, "lazy_volumes", False) is True


def has_flat_rows(X: Any) -> bool:
    """Tell whether `X`, as :func:`as_array` returns it, is a table: one row of voxels a volume."""
    return len(X.shape) == 2


def as_array(X: Any, input_name: str = "X") -> Any:
    """Return data as a NumPy array, or as a table that scikit-learn reads.

    Data frames and sparse matrices stay as they are, since scikit-learn checks their columns and
    says what is wrong with them; lazy stacks are not read. Nothing is copied that need not be.

    Parameters
    ----------
    X : object
        A NumPy array or memory map; an object array, list or tuple of volumes; nested lists; a
        PyTorch tensor on any device, with or without a gradient; an array of a library that
        follows the array API standard; a data frame.
    input_name : str, default="X"
        The name of `X` in messages.

    Returns
    -------
    array : ndarray, data frame, sparse matrix or lazy stack
        What is none of the above is returned as an array without dimensions.

    Raises
    ------
    ValueError
        If volumes differ in shape, voxels are masked, or NumPy cannot read the array. No message
        quotes the data.
    """
    if isinstance(X, list | tuple):
        return _stack(X, input_name)
    if isinstance(X, np.ndarray):
        return _plain(X, input_name)
    if is_lazy(X) or issparse(X):
        return X
    if hasattr(X, "detach"):
        return _from_tensor(X, input_name)
    if hasattr(X, "columns"):  # of pandas, polars or another library
        return _without_dates(X, input_name)
    return _plain(_imported(X, input_name), input_name)


def check_table(X: Any, *, dtype: Any, input_name: str) -> NDArray:
    """Validate a table of numbers, without quoting it in messages.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns)
        Finite numbers.
    dtype : dtype or list of dtypes
        As in :func:`sklearn.utils.check_array`.
    input_name : str
        The name of `X` in messages.

    Returns
    -------
    table : ndarray of shape (n_samples, n_columns)
        In the first of the types, if it has none of them.

    Raises
    ------
    ValueError
        If `X` has another number of dimensions or is not finite.
    """
    X = as_array(X, input_name)
    if len(X.shape) != 2:
        raise ValueError(
            f"{input_name} must have 2 dimensions, (n_samples, n_features), but its shape is "
            f"{tuple(X.shape)}. Reshape your data: for a single sample, pass "
            f"{input_name}[np.newaxis]."
        )
    try:
        # What is too large for the type becomes infinite, and is refused as such.
        with np.errstate(over="ignore", invalid="ignore"):
            return check_array(X, dtype=dtype, input_name=input_name)
    except ValueError as error:
        # The original may quote the data, and a traceback would show it.
        raise ValueError(without_data(str(error), input_name)) from None


def without_data(message: str, input_name: str) -> str:
    """Replace those of scikit-learn's and NumPy's messages that quote the data they complain of."""
    if message.startswith("Complex data not supported"):
        return f"Complex data not supported: {input_name} holds complex numbers."
    if message.startswith("could not convert string to float"):
        return f"could not convert string to float: {input_name} holds text instead of numbers."
    if message.startswith("setting an array element with a sequence"):
        return (
            f"{input_name} holds sequences where numbers are expected. Pass volumes as one array "
            "of shape (n_samples, depth, height, width), or as a list of arrays of one shape."
        )
    # validate_data calls it X, whatever its caller does.
    return re.sub(r"\A(Input )?X\b", rf"\g<1>{input_name}", message)


def _without_dates(X: Any, input_name: str) -> Any:
    """Refuse data frames with dates, of which NumPy makes numbers of seconds or days."""
    types = {str(dtype) for dtype in set(getattr(X, "dtypes", ()))}
    dates = sorted(t for t in types if t.lower().startswith(("date", "time", "duration")))
    if dates:
        raise ValueError(
            f"{input_name} must hold numbers, but has columns of type {dates[0][:60]}."
        )
    return X


def _plain(X: NDArray, input_name: str) -> NDArray:
    """Refuse masks and types that NumPy would convert to meaningless numbers; open objects."""
    if isinstance(X, np.ma.MaskedArray):
        if np.ma.is_masked(X):
            raise ValueError(
                f"{input_name} holds masked voxels, which have no value here. Give them one, for "
                "example with numpy.ma.filled."
            )
        X = X.data
    if X.dtype.kind in "mM" or X.dtype.names is not None:
        raise ValueError(f"{input_name} must hold numbers, but its type is {str(X.dtype)[:60]}.")
    if X.dtype == object and X.ndim == 1:
        return _stack(list(X), input_name)
    return X


def _stack(items: list | tuple, input_name: str) -> NDArray:
    """Make one array of a sequence of volumes or rows, or of nested sequences of numbers."""
    read = [_item(item, input_name) for item in items]
    shapes = sorted({item.shape for item in read if isinstance(item, np.ndarray)})
    if len(shapes) > 1:
        raise ValueError(
            f"{input_name} holds volumes of different shapes, {', '.join(map(str, shapes[:5]))}. "
            "Crop or pad them to one box size first."
        )
    try:
        array = np.asarray(read)
    except ValueError as error:
        raise ValueError(
            f"{input_name} holds sequences of different lengths. All volumes must have one shape: "
            "crop or pad them to one box size first."
        ) from error
    # Objects that are no arrays: whoever asked for the data says what it expected instead.
    return array if array.ndim == 1 and array.dtype == object else _plain(array, input_name)


def _item(item: Any, input_name: str) -> Any:
    """Return a member of a sequence: arrays of all kinds as NumPy arrays, the rest as it is."""
    if isinstance(item, list | tuple):
        leaf = item
        while isinstance(leaf, list | tuple) and len(leaf):
            leaf = leaf[0]
        # Nested lists of numbers are converted as a whole, which is faster.
        return _stack(item, input_name) if _is_array(leaf) else item
    return np.asarray(as_array(item, input_name)) if _is_array(item) else item


def _is_array(item: Any) -> bool:
    return hasattr(item, "shape") and not isinstance(item, np.generic)


def _from_tensor(tensor: Any, input_name: str) -> NDArray:
    """Return the values of a PyTorch tensor, which this package does not import here."""
    try:
        values = tensor.detach().cpu().resolve_conj().resolve_neg()
        try:
            return values.numpy()
        except TypeError:  # NumPy has no bfloat16
            return values.float().numpy()
    except _UNREADABLE as error:
        raise ValueError(_unreadable(tensor, input_name, error)) from error


def _imported(X: Any, input_name: str) -> NDArray:
    """Return an array of another library as one of NumPy's."""
    try:
        return np.asarray(X)
    except _UNREADABLE as error:
        try:
            return np.from_dlpack(X)
        except (AttributeError, *_UNREADABLE):
            raise ValueError(_unreadable(X, input_name, error)) from error


def _unreadable(X: Any, input_name: str, error: Exception) -> str:
    kind = f"{type(X).__module__}.{type(X).__qualname__}"
    return (
        f"{input_name} is a {kind} that NumPy cannot read ({str(error)[:200]}). Convert it to a "
        "NumPy array first."
    )
