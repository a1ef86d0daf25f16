"""Checks of what compiled code takes at its word: sizes that must agree, places in tables.

Python, NumPy and PyTorch check their indices. Some compiled code behind scikit-learn, SciPy and
random generators does not, and would read outside its memory if a file lied to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sksubtomo.persistence._allowed import is_part

_METRICS = {"euclidean", "manhattan", "chebyshev", "minkowski"}
# Finely sampled spectra are indexed by 32 bits.
_LARGEST_BOX, _LARGEST_MAP = 4096, 512


def check_object(name: str, made: Any) -> None:
    """Check what an object was fitted to, where compiled code would not.

    Raises
    ------
    ValueError
        If attributes do not go together.
    """
    check = _CHECKS.get(name)
    if check is not None and (is_part(name) or any(key.endswith("_") for key in vars(made))):
        check(made)


def _support_vectors(made: Any) -> None:
    n_classes = len(made.classes_)
    vectors = made.support_vectors_
    n_vectors, n_features = vectors.shape
    n_pairs = n_classes * (n_classes - 1) // 2
    counts = made._n_support
    _require(isinstance(made.kernel, str) and made.kernel != "precomputed")
    _require(made._sparse is False and n_classes >= 2)
    _require(_is(vectors, np.float64, (n_vectors, n_features)))
    _require(tuple(made.shape_fit_)[1:] == (n_features,) and made.n_features_in_ == n_features)
    _require(_is(made.support_, np.int32, (n_vectors,)))
    _require(_is(counts, np.int32, (n_classes,)) and bool((counts >= 0).all()))
    _require(int(counts.sum()) == n_vectors)
    for name in ("_dual_coef_", "dual_coef_"):
        _require(_is(getattr(made, name), np.float64, (n_classes - 1, n_vectors)))
    for name in ("_intercept_", "intercept_"):
        _require(_is(getattr(made, name), np.float64, (n_pairs,)))
    for name in ("_probA", "_probB"):
        _require(
            getattr(made, name).dtype == np.float64 and getattr(made, name).size in (0, n_pairs)
        )


def _neighbors(made: Any) -> None:
    rows = made._fit_X
    _require(rows.ndim == 2 and rows.dtype in (np.float32, np.float64))
    _require(isinstance(made.metric, str) and made.effective_metric_ in _METRICS)
    params = {k: v for k, v in made.effective_metric_params_.items() if v is not None}
    _require(set(params) <= {"p"} and all(type(v) in (int, float) for v in params.values()))
    _require(isinstance(made.leaf_size, (int, np.integer)) and bool(made.leaf_size >= 1))
    _require(made.n_features_in_ == rows.shape[1] and made.n_samples_fit_ == len(rows))
    if hasattr(made, "classes_"):
        targets = made._y
        _require(made.outputs_2d_ is False and targets.shape == (len(rows),))
        _require(targets.dtype.kind == "i" and bool((targets >= 0).all()))
        _require(bool((targets < len(made.classes_)).all()))


def _pose_grid(made: Any) -> None:
    _require(type(made.box_size) is int and 2 <= made.box_size <= _LARGEST_BOX)
    _require(type(made.inner_size) is int and 2 <= made.inner_size <= _LARGEST_MAP)
    frequencies = made.frequencies
    _require(frequencies.ndim == 2 and frequencies.shape[1] == 3)
    _require(bool((np.abs(frequencies) <= made.inner_size / 2).all()))


_CHECKS: dict[str, Callable[[Any], None]] = {
    "sklearn.svm.NuSVC": _support_vectors,
    "sklearn.svm.SVC": _support_vectors,
    "sklearn.neighbors.KNeighborsClassifier": _neighbors,
    "sklearn.neighbors.NearestNeighbors": _neighbors,
    "sksubtomo.alignment.PoseGrid": _pose_grid,
}


def _is(array: Any, dtype: Any, shape: tuple[int, ...]) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == dtype and array.shape == shape


def _require(agrees: bool) -> None:
    if not agrees:
        raise ValueError("parts of it do not go together")
