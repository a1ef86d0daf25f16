"""Unlabeled volumes as a part of the estimator, for tools that do not know -1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import indexable

from sksubtomo._utils._labels import UNLABELED, decode_labels, encode_labels
from sksubtomo._utils._meta_classifier import BaseMetaClassifier, fit_classifier
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._routing import routed_params
from sksubtomo._utils._rows import as_rows, is_per_row
from sksubtomo._utils._sklearn import HasMethods, fit_context, num_samples
from sksubtomo.io import SharedVolumes
from sksubtomo.semi_supervised._joined import join_volumes


class WithUnlabeled(BaseMetaClassifier):
    """Semi-supervised classifier that brings its unlabeled volumes along.

    From outside it is an ordinary classifier, to be fitted to labeled volumes. That makes
    scikit-learn's meta-estimators right that do not know -1: voting, stacking, bagging,
    calibration and one-vs-rest turn -1 into a class before a classifier can see it.

    Parameters
    ----------
    estimator : classifier
        Takes -1 (strings: "unlabeled") for unlabeled. One that takes it for a class is refused; a
        supervised classifier does not within :class:`SelfTrainingClassifier`.
    unlabeled : SharedVolumes, array-like of shape (n_unlabeled, ...) or None, default=None
        Volumes to add, unlabeled, to those of :meth:`fit`: an array, a data frame with the columns
        of `X`, or a lazy :class:`~sksubtomo.io.SubtomogramStack`. A
        :class:`~sksubtomo.io.SharedVolumes` is not copied when the estimator is cloned. None adds
        nothing.
    unlabeled_metadata : dict or None, default=None
        What :meth:`fit` is given for each labeled volume, for each of the unlabeled: for example
        ``{"tilt_ranges_deg": ...}``, of shape (n_unlabeled, 2). A ``sample_weight`` that is missing
        here is 1.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone of `estimator`.
    classes_ : ndarray of shape (n_classes,)
        Its classes, without the label that means "unlabeled".
    n_features_in_ : int
        Its number of features.
    feature_names_in_ : ndarray of shape (n_features,) of str
        Names of the columns, if `X` was a data frame.
    transduction_ : ndarray of shape (n_samples + n_unlabeled,)
        That of `estimator_`, if it has one: labels of the volumes of :meth:`fit`, then those of
        the unlabeled ones.

    See Also
    --------
    sksubtomo.io.SharedVolumes : Volumes that clones share.

    Notes
    -----
    Labels that are hidden in the `y` of :meth:`fit` are unlabeled, too.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import VotingClassifier
    >>> from sklearn.semi_supervised import LabelSpreading
    >>> from sksubtomo.io import SharedVolumes
    >>> from sksubtomo.semi_supervised import WithUnlabeled
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X = rng.normal(scale=0.2, size=(40, 2)) + y[:, np.newaxis]
    >>> classifier = WithUnlabeled(LabelSpreading(), SharedVolumes(X[10:]))
    >>> voting = VotingClassifier([("a", classifier), ("b", classifier)], voting="soft")
    >>> voting.fit(X[:10], y[:10]).score(X, y)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "unlabeled": [SharedVolumes, "array-like", "sparse matrix", None],
        "unlabeled_metadata": [dict, None],
    }

    def __init__(self, estimator, unlabeled=None, *, unlabeled_metadata=None):
        self.estimator = estimator
        self.unlabeled = unlabeled
        self.unlabeled_metadata = unlabeled_metadata

    @fit_context(prefer_skip_nested_validation=False)
    @warning_once()
    def fit(self, X, y, **params):
        """Fit a clone of the estimator to the given and the unlabeled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Labeled volumes, four-dimensional or flat rows.
        y : array-like of shape (n_samples,)
            Their labels.
        **params : dict
            Metadata for the estimator, where scikit-learn's metadata routing is enabled. What has
            a value for each volume of `X` needs values for the unlabeled volumes, too, see
            ``unlabeled_metadata``.

        Returns
        -------
        self : WithUnlabeled
            The fitted classifier.

        Raises
        ------
        ValueError
            If the unlabeled volumes have another shape or other columns than `X`, their metadata
            are not known; the estimator takes hidden labels for a class; or labels are True and
            False, which -1 would turn into integers.
        """
        targets, classes = encode_labels(y)
        X, targets = indexable(as_rows(X), targets)
        routed = routed_params(self, "fit", params)["estimator"]["fit"]
        unlabeled = self.unlabeled
        if isinstance(unlabeled, SharedVolumes):
            unlabeled = unlabeled.volumes
        n_unlabeled = 0 if unlabeled is None else num_samples(unlabeled)
        routed = self._with_metadata_of_unlabeled(routed, len(targets), n_unlabeled)
        if n_unlabeled:
            if classes.dtype.kind == "b":
                raise ValueError(
                    "y holds labels True and False, beside which unlabeled volumes cannot have the "
                    "label -1. Convert it: y.astype(int)."
                )
            X = join_volumes(X, unlabeled)
            y = decode_labels(np.append(targets, np.full(n_unlabeled, UNLABELED)), classes)
        self._record(fit_classifier(self.estimator, X, y, routed))
        return self

    def _with_metadata_of_unlabeled(
        self, params: Mapping[str, Any], n_labeled: int, n_unlabeled: int
    ) -> dict[str, Any]:
        """Return metadata for all volumes, the unlabeled ones after the others."""
        known = self.unlabeled_metadata or {}
        unused = sorted(set(known) - set(params))
        if unused:
            raise ValueError(
                f"unlabeled_metadata has {unused}, which fit has not been given for the labeled "
                "volumes. Pass both, or none."
            )
        if not n_unlabeled:
            return dict(params)
        completed = {}
        for name, value in params.items():
            if is_per_row(name, value, n_labeled):
                own = known.get(name)
                if own is None and name == "sample_weight":
                    own = np.ones(n_unlabeled)
                if own is None:
                    raise ValueError(
                        f"fit was given {name} for each labeled volume, but not for the "
                        f"{n_unlabeled} unlabeled ones. Pass theirs as "
                        f"unlabeled_metadata={{{name!r}: ...}}."
                    )
                if num_samples(own) != n_unlabeled:
                    raise ValueError(
                        f"unlabeled_metadata[{name!r}] has {num_samples(own)} rows, but there are "
                        f"{n_unlabeled} unlabeled volumes."
                    )
                value = np.concatenate([np.asarray(value), np.asarray(own)])
            completed[name] = value
        return completed
