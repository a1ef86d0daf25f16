"""Cross-validation with volumes whose label is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold, StratifiedKFold
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sksubtomo._utils._labels import encode_labels

_POLICIES = ("train", "groups", "drop")


class SemiSupervisedSplit(GroupsConsumerMixin, BaseCrossValidator):
    """Folds over the labelled samples; the unlabelled are for training only.

    To be given as ``cv=`` to scikit-learn's tools. Test folds hold labelled samples only, so
    that every scorer works, and no unlabelled sample is lost to a test fold.

    Parameters
    ----------
    cv : int or cross-validation splitter, default=5
        How to split the labelled samples. A number makes stratified folds; stratified folds of
        whole groups, where groups are given.
    unlabeled : {"train", "groups", "drop"}, default="train"
        Where unlabelled samples go: into every training fold; into every training fold but those
        whose test fold has samples of the same group, for example of the same tomogram; or
        nowhere, which is the supervised comparison on the same folds.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.model_selection import SemiSupervisedSplit
    >>> y = np.array([0, 1, 0, 1, -1, -1])
    >>> for train, test in SemiSupervisedSplit(2).split(np.zeros((6, 1)), y):
    ...     print(train, test)
    [2 3 4 5] [0 1]
    [0 1 4 5] [2 3]
    """

    def __init__(self, cv: Any = 5, *, unlabeled: str = "train") -> None:
        self.cv = cv
        self.unlabeled = unlabeled

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate row numbers of training and test folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes; only their number is used.
        y : array-like of shape (n_samples,)
            Labels, hidden ones included.
        groups : array-like of shape (n_samples,), optional
            For example the tomogram of every volume.

        Yields
        ------
        train, test : ndarray of int
            Sorted row numbers.

        Raises
        ------
        ValueError
            If no sample is labelled, a class has fewer labelled samples than there are folds, or
            groups are needed and missing.
        """
        check_consistent_length(X, y, groups)
        codes, classes = encode_labels(y)
        groups = None if groups is None else column_or_1d(groups)
        if self.unlabeled not in _POLICIES:
            raise ValueError(f"unlabeled={self.unlabeled!r} must be one of {_POLICIES}.")
        if self.unlabeled == "groups" and groups is None:
            raise ValueError("unlabeled='groups' needs groups, for example groups=tomogram_names.")
        labeled, unlabeled = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
        if not len(labeled):
            raise ValueError("Cannot split: every label in y is hidden.")
        labeled_groups = None if groups is None else groups[labeled]
        splitter = self._splitter(codes[labeled], classes, labeled_groups)
        for train, test in splitter.split(np.zeros(len(labeled)), codes[labeled], labeled_groups):
            extra = unlabeled if self.unlabeled != "drop" else unlabeled[:0]
            if self.unlabeled == "groups":
                extra = extra[~np.isin(groups[extra], np.unique(labeled_groups[test]))]  # type: ignore[index]
            yield np.sort(np.concatenate([labeled[train], extra])), np.sort(labeled[test])

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : array-like, optional
            As in :meth:`split`; needed where the number of folds depends on them.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        if isinstance(self.cv, Integral):
            return int(self.cv)
        if y is None:
            return self.cv.get_n_splits(X, y, groups)
        labeled = encode_labels(y)[0] >= 0
        groups = None if groups is None else column_or_1d(groups)[labeled]
        return self.cv.get_n_splits(np.zeros(labeled.sum()), np.asarray(y)[labeled], groups)

    def _splitter(
        self, codes: NDArray[np.int64], classes: NDArray, groups: NDArray | None
    ) -> BaseCrossValidator:
        if not isinstance(self.cv, Integral):
            if not hasattr(self.cv, "split"):
                raise ValueError(
                    f"cv={self.cv!r} must be a number of folds or a cross-validation splitter."
                )
            splitter = self.cv
        else:
            splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(int(self.cv))
        if isinstance(splitter, (StratifiedKFold, StratifiedGroupKFold)):
            _check_folds(splitter.n_splits, codes, classes, groups)
        return splitter


def _check_folds(
    n_splits: int, codes: NDArray[np.int64], classes: NDArray, groups: NDArray | None
) -> None:
    counts = np.bincount(codes)
    scarce = int(counts.argmin())
    if counts[scarce] < n_splits:
        raise ValueError(
            f"Class {classes.tolist()[scarce]!r} has {counts[scarce]} labelled samples, fewer than "
            f"the {n_splits} folds. Label more of them or use fewer folds."
        )
    if groups is not None and len(np.unique(groups)) < n_splits:
        raise ValueError(
            f"The labelled samples come from {len(np.unique(groups))} groups, fewer than the "
            f"{n_splits} folds."
        )
