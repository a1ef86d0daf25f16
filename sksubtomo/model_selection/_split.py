"""Cross-validation with volumes whose label is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    BaseCrossValidator,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sksubtomo._utils._labels import encode_labels, labeled_rows
from sksubtomo._utils._numbers import is_integer
from sksubtomo._utils._sklearn import GroupsConsumerMixin
from sksubtomo.model_selection._pairs import check_pairs, rows_of_pairs

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]

_POLICIES = ("train", "groups", "drop")
_DEFAULT_FOLDS = 5


class SemiSupervisedSplit(GroupsConsumerMixin, BaseCrossValidator):
    """Folds over the labeled samples; the unlabeled are for training only.

    To be given as ``cv=`` to scikit-learn's tools. Test folds hold labeled samples only, so
    that every scorer works on them, and no unlabeled sample is lost to a test fold.

    Parameters
    ----------
    cv : int, cross-validation splitter, iterable or None, default=5
        How to split the labeled samples.

        - An integer, at least 2, makes stratified folds; stratified folds of whole groups, where
          groups are given. None means 5.
        - A splitter of scikit-learn is given the labeled samples only. The ``test_fold`` of a
          :class:`~sklearn.model_selection.PredefinedSplit` may have one entry for every sample,
          of which those of labeled samples are used, or one for every labeled sample.
        - An iterable of (train, test) holds row numbers, masks or slices of all samples.
          Unlabeled samples are taken out of its test sets, and go where `unlabeled` says.

    unlabeled : {"train", "groups", "drop"}, default="train"
        Where unlabeled samples go: into every training fold; into every training fold but those
        whose test fold has samples of the same group, for example of the same tomogram; or
        nowhere, which is the supervised comparison on the same folds.

    Raises
    ------
    ValueError
        If `cv` is none of these, or `unlabeled` is another word.

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

    def __init__(self, cv: Any = _DEFAULT_FOLDS, *, unlabeled: str = "train") -> None:
        # Splitters of scikit-learn check their parameters at once, too; they are not cloned.
        if not (isinstance(unlabeled, str) and unlabeled in _POLICIES):
            raise ValueError(f"unlabeled={unlabeled!r} must be one of {_POLICIES}.")
        self.cv = _check_cv(cv)
        self.unlabeled = unlabeled

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Fold]:
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
            If no sample is labeled; a class has fewer labeled samples than there are folds; a
            test fold has no labeled sample; groups are needed and missing; or a
            ``PredefinedSplit`` or an iterable is of other samples, or names only some of
            the unlabeled ones, so that it is not clear where the others should go.
        """
        check_consistent_length(X, y, groups)
        targets, classes = encode_labels(y)
        groups = _check_groups(groups, needed=self.unlabeled == "groups")
        labeled, unlabeled = np.flatnonzero(targets >= 0), np.flatnonzero(targets < 0)
        if not len(labeled):
            raise ValueError("Cannot split: every label in y is hidden.")
        own_groups = None if groups is None else groups[labeled]
        if isinstance(self.cv, list):
            keep_all = self.unlabeled == "train"
            folds = rows_of_pairs(self.cv, targets >= 0, all_or_none=keep_all)
        else:
            splitter = self._splitter(targets, classes, groups)
            if self.unlabeled == "groups" and not _takes_groups(splitter):
                own_groups = None  # they are used below; it would warn that they are ignored
            if isinstance(splitter, PredefinedSplit):
                own_groups = None
            folds = (
                (labeled[train], labeled[test])
                for train, test in splitter.split(
                    np.zeros(len(labeled)), classes[targets[labeled]], own_groups
                )
            )
        for number, (train, test) in enumerate(folds, start=1):
            if not len(test):
                raise ValueError(f"Test fold {number} has no labeled sample. Leave this fold out.")
            extra = unlabeled if self.unlabeled != "drop" else unlabeled[:0]
            if self.unlabeled == "groups":
                extra = extra[~np.isin(groups[extra], groups[test])]
            yield np.sort(np.concatenate([train, extra])), np.sort(test)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : array-like, optional
            As in :meth:`split`. Where the number of folds depends on the samples, as of
            ``LeaveOneOut`` and ``LeaveOneGroupOut``, `y` is needed, and `groups` as in the
            splitter.

        Returns
        -------
        n_splits : int
            Number of folds.

        Raises
        ------
        ValueError
            If what the number of folds depends on is missing.
        """
        if is_integer(self.cv):
            return int(self.cv)
        if isinstance(self.cv, list):
            return len(self.cv)
        if y is None:
            return _fixed_n_splits(self.cv)
        rows, labels = labeled_rows(y)
        groups = None if groups is None else column_or_1d(groups)[rows]
        return int(self.cv.get_n_splits(np.zeros(len(rows)), labels, groups))

    def _splitter(
        self, targets: NDArray[np.int64], classes: NDArray, groups: NDArray | None
    ) -> BaseCrossValidator:
        splitter = self.cv
        if is_integer(splitter):
            splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(int(splitter))
        if isinstance(splitter, (StratifiedKFold, StratifiedGroupKFold)):
            own_groups = None if groups is None else groups[targets >= 0]
            _check_folds(splitter.n_splits, targets[targets >= 0], classes, own_groups)
        if isinstance(splitter, PredefinedSplit):
            return _of_labeled(splitter, targets >= 0)
        return splitter


def _check_cv(cv: Any) -> Any:
    """Return folds as an integer, a splitter or a list of pairs."""
    if cv is None:
        return _DEFAULT_FOLDS
    if is_integer(cv):
        if cv < 2:
            raise ValueError(f"cv={cv!r} must be at least 2 folds.")
        return cv
    if isinstance(cv, type):
        raise ValueError(f"cv={cv!r} is a class. Pass an instance, {cv.__name__}(...).")
    splits = hasattr(cv, "split") and hasattr(cv, "get_n_splits")
    if isinstance(cv, (str, bytes)) or not (splits or np.iterable(cv)):
        raise ValueError(
            f"cv={cv!r} must be an integer of at least 2, a cross-validation splitter, or an "
            "iterable of (train, test) row numbers. A splitter has split and get_n_splits."
        )
    return cv if splits else check_pairs(cv)


def _takes_groups(splitter: Any) -> bool:
    """Tell whether groups change the folds; of splitters of others, it is not known."""
    own = type(splitter).__module__.startswith("sklearn.")
    return isinstance(splitter, GroupsConsumerMixin) or not own


def _check_groups(groups: Any, *, needed: bool) -> NDArray | None:
    """Return groups as numbers."""
    if groups is None:
        if needed:
            raise ValueError("unlabeled='groups' needs groups, for example groups=tomogram_names.")
        return None
    groups = column_or_1d(groups)
    if groups.dtype.kind in "fO":
        missing = np.array([group is None or group != group for group in groups], dtype=bool)
        if missing.any():
            raise ValueError(f"groups has no value for row {int(missing.argmax())}.")
    return np.unique(groups, return_inverse=True)[1]


def _fixed_n_splits(splitter: Any) -> int:
    """Return a number of folds that does not depend on samples."""
    try:
        return int(splitter.get_n_splits())
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The number of folds of {splitter!r} depends on the samples: pass y and, for folds of "
            "groups, groups to get_n_splits."
        ) from error


def _of_labeled(splitter: PredefinedSplit, labeled: NDArray[np.bool_]) -> PredefinedSplit:
    """Return the predefined folds of the labeled samples."""
    folds, n_labeled = splitter.test_fold, int(labeled.sum())
    if len(folds) not in (len(labeled), n_labeled):
        raise ValueError(
            f"test_fold of PredefinedSplit has {len(folds)} entries, but there are {len(labeled)} "
            f"samples, {n_labeled} of them labeled. Pass one entry for every sample."
        )
    own = folds[labeled] if len(folds) == len(labeled) else folds
    empty = np.setdiff1d(splitter.unique_folds, own)
    if len(empty):
        raise ValueError(
            f"Test folds {empty.tolist()} of PredefinedSplit have no labeled sample. Set test_fold "
            "to -1 for them."
        )
    return PredefinedSplit(own)


def _check_folds(
    n_splits: int, targets: NDArray[np.int64], classes: NDArray, groups: NDArray | None
) -> None:
    counts = np.bincount(targets)
    scarce = int(counts.argmin())
    if counts[scarce] < n_splits:
        raise ValueError(
            f"Class {classes.tolist()[scarce]!r} has {counts[scarce]} labeled samples, fewer than "
            f"the {n_splits} folds. Label more of them or use fewer folds."
        )
    if groups is not None and len(np.unique(groups)) < n_splits:
        raise ValueError(
            f"The labeled samples come from {len(np.unique(groups))} groups, fewer than the "
            f"{n_splits} folds."
        )
