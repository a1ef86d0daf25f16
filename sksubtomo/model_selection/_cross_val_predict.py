"""Predictions for labeled volumes by classifiers that did not see their labels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed

from sksubtomo._utils._labels import check_labels, encode_labels, hidden_labels
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._rows import fit_clone, take_rows
from sksubtomo._utils._sklearn import safe_indexing
from sksubtomo._utils._warnings import level_of_caller
from sksubtomo.model_selection._split import Fold, SemiSupervisedSplit

# Methods with one column for every class.
_BY_CLASS = ("predict_proba", "predict_log_proba", "decision_function")
# Of the methods that give one row for every sample, those whose metadata scikit-learn routes.
_ROUTED = (*_BY_CLASS, "predict", "transform")
#: What a method gives for the rows of one fold, and the classes of its columns.
_Result = tuple[NDArray, Any]


def cross_val_predict(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: Mapping[str, Any] | None = None,
    pre_dispatch: int | str = "2*n_jobs",
    method: str = "predict",
    return_mask: bool = False,
) -> NDArray | tuple[NDArray, NDArray[np.bool_]]:
    """Return out-of-fold predictions for labeled volumes.

    Unlike :func:`sklearn.model_selection.cross_val_predict`, which encodes `y` anew for methods
    with one column per class, and so turns -1 into class 0, this knows unlabeled rows: they are
    trained on, as `cv` says, and have no result.

    Parameters
    ----------
    estimator : estimator
        Classifier that takes -1 (strings: "unlabeled") for unlabeled, or any classifier with
        ``cv=SemiSupervisedSplit(..., unlabeled="drop")``. A clone is fitted for every fold.
    X : array-like of shape (n_samples, ...)
        Volumes, flat rows, a data frame or a lazy stack.
    y : array-like of shape (n_samples,)
        Labels, unlabeled rows included.
    groups : array-like of shape (n_samples,), optional
        For example the tomogram of every volume, for the splitter. With metadata routing enabled,
        pass ``params={"groups": groups}`` instead.
    cv : int, cross-validation splitter, iterable or None, default=None
        Folds of the labeled rows; whatever is no :class:`SemiSupervisedSplit` is made one. None
        makes five stratified folds.
    n_jobs : int or None, default=None
        Folds at the same time.
    verbose : int, default=0
        Verbosity of joblib.
    params : mapping, optional
        For ``fit``: values with one entry for every sample are split like `X`. With metadata
        routing enabled, these go to what has requested them, which may be `method`, too.
    pre_dispatch : int or str, default="2*n_jobs"
        Folds to prepare ahead, as in scikit-learn.
    method : str, default="predict"
        "predict", "predict_proba", "predict_log_proba" or "decision_function", or another method
        of the estimator that returns one row for every sample.
    return_mask : bool, default=False
        Whether to return `mask`, too.

    Returns
    -------
    predictions : ndarray of shape (n_samples,) or (n_samples, n_columns)
        In the order of `X`. Columns are in the sorted order of the classes: those of the labels,
        and those that were named to the estimator. Rows without a result, which are all unlabeled
        rows and those that are in no test fold, are NaN; of "predict", they have the label that
        means "unlabeled", -1 or with strings "unlabeled".
    mask : ndarray of shape (n_samples,) of bool
        True in rows with a result; only if `return_mask`. A
        :class:`~sksubtomo.calibration.RejectingClassifier` may predict -1, so that its predictions
        do not tell.

    Raises
    ------
    AttributeError
        If the estimator does not have the method.
    ValueError
        If a row is in several test folds, the estimator takes unlabeled rows for a class, a fold
        lacks classes in a way that cannot be filled, or as :meth:`SemiSupervisedSplit.split`.

    Warns
    -----
    RuntimeWarning
        If the classifier of a fold lacks a class, because no training row of the fold has that
        label. As in scikit-learn, its probability is 0 then, and other values are the lowest
        finite number.

    See Also
    --------
    sksubtomo.metrics.drop_unlabeled : Labeled rows of labels, predictions and volumes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.semi_supervised import LabelSpreading
    >>> from sksubtomo.model_selection import cross_val_predict
    >>> X, y = np.array([[0.0], [1], [0], [1], [0], [1]]), np.array([0, 1, 0, 1, -1, -1])
    >>> cross_val_predict(LabelSpreading(), X, y, cv=2)
    array([ 0,  1,  0,  1, -1, -1])
    >>> cross_val_predict(LabelSpreading(), X, y, cv=2, method="predict_proba").round()
    array([[ 1.,  0.],
           [ 0.,  1.],
           [ 1.,  0.],
           [ 0.,  1.],
           [nan, nan],
           [nan, nan]])
    """
    if not (isinstance(method, str) and callable(getattr(estimator, method, None))):
        raise AttributeError(
            f"{type(estimator).__name__} has no method {method!r}, which method= asks for."
        )
    with warning_once():
        labels = check_labels(y)
        X, labels, groups = indexable(X, labels, groups)
        split = cv if isinstance(cv, SemiSupervisedSplit) else SemiSupervisedSplit(cv)
        split_params, *of_estimator = _route(estimator, split, groups, dict(params or {}), method)
        folds = list(split.split(X, labels, **split_params))
        tested = _check_tested_once(folds, len(labels))
        results = Parallel(n_jobs=n_jobs, verbose=verbose, pre_dispatch=pre_dispatch)(
            delayed(_fit_and_ask)(estimator, X, labels, fold, method, *of_estimator)
            for fold in folds
        )
        if method in _BY_CLASS:
            results = _align(results, encode_labels(labels)[1], method)
    values = np.concatenate([values for values, _ in results])
    mask = np.zeros(len(labels), dtype=bool)
    mask[tested] = True
    predictions = _without_result(len(labels), values, method) if not mask.all() else values.copy()
    predictions[tested] = values
    return (predictions, mask) if return_mask else predictions


def _route(
    estimator: Any, split: SemiSupervisedSplit, groups: Any, params: dict[str, Any], method: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the parameters of the splitter, those of ``fit``, and those of the method."""
    if not sklearn.get_config()["enable_metadata_routing"]:
        return {"groups": groups}, params, {}
    if groups is not None:
        raise ValueError(
            "groups are metadata where metadata routing is enabled: pass params={'groups': groups}."
        )
    router = MetadataRouter(owner="cross_val_predict")
    router.add(splitter=split, method_mapping=MethodMapping().add(caller="fit", callee="split"))
    mapping = MethodMapping().add(caller="fit", callee="fit")
    if method in _ROUTED:
        mapping.add(caller="fit", callee=method)
    router.add(estimator=estimator, method_mapping=mapping)
    routed = process_routing(router, "fit", **params)
    of_method = routed.estimator[method] if method in _ROUTED else {}
    return routed.splitter.split, routed.estimator.fit, of_method


def _check_tested_once(folds: list[Fold], n_samples: int) -> NDArray[np.intp]:
    """Return the rows of all test folds, in their order."""
    tested = np.concatenate([test for _, test in folds])
    counts = np.bincount(tested, minlength=n_samples)
    if counts.max() > 1:
        raise ValueError(
            f"Row {int(counts.argmax())} is in {counts.max()} test folds, so that it has several "
            "predictions. Use folds that test every row at most once, such as those of "
            "StratifiedKFold without repeats."
        )
    return tested


def _fit_and_ask(
    estimator: Any,
    X: Any,
    y: NDArray,
    fold: Fold,
    method: str,
    of_fit: dict[str, Any],
    of_method: dict[str, Any],
) -> _Result:
    train, test = fold
    fitted = fit_clone(
        estimator, safe_indexing(X, train), y[train], **take_rows(of_fit, train, len(y))
    )
    params = take_rows(of_method, test, len(y))
    values = np.asarray(getattr(fitted, method)(safe_indexing(X, test), **params))
    return values, getattr(fitted, "classes_", None)


def _align(results: list[_Result], labels: NDArray, method: str) -> list[_Result]:
    """Give the values of every fold one column for every class."""
    if any(classes is None for _, classes in results):
        return results
    classes = np.unique(np.concatenate([labels, *(own for _, own in results)]))
    aligned: list[_Result] = []
    for number, (values, own) in enumerate(results, start=1):
        lacking = np.setdiff1d(classes, own)
        if len(lacking):
            values = _with_columns(values, own, classes, method)
            _warn_of_missing_classes(number, len(results), lacking)
        aligned.append((values, classes))
    return aligned


def _warn_of_missing_classes(number: int, n_folds: int, lacking: NDArray) -> None:
    warnings.warn(
        f"The classifier of fold {number} of {n_folds} does not know the classes "
        f"{lacking[:10].tolist()}, of which no training row has a label. Their probability is 0 in "
        "this fold, and other values are the lowest finite number. Use stratified folds, or name "
        "all classes to the estimator, if it has classes=.",
        RuntimeWarning,
        stacklevel=level_of_caller(),
    )


def _with_columns(values: NDArray, own: NDArray, classes: NDArray, method: str) -> NDArray:
    if values.ndim != 2 or values.shape[1] != len(own):
        raise ValueError(
            f"{method} returns an array of shape {values.shape} for the {len(own)} classes of a "
            f"fold, where there are {len(classes)} classes in all, so that columns cannot be "
            "assigned. Use stratified folds, or method='predict_proba'."
        )
    fill = 0 if method == "predict_proba" else np.finfo(values.dtype).min
    filled = np.full((len(values), len(classes)), fill, dtype=values.dtype)
    filled[:, np.searchsorted(classes, own)] = values
    return filled


def _without_result(n_samples: int, values: NDArray, method: str) -> NDArray:
    """Return rows that say that there is no result, of the type of values."""
    if method == "predict":
        return hidden_labels(n_samples, like=values)
    dtype = values.dtype if values.dtype.kind in "fc" else np.float64
    return np.full((n_samples, *values.shape[1:]), np.nan, dtype=dtype)
