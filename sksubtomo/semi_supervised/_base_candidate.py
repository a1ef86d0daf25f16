"""What a fitted classifier of candidates says of new ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._labeled_classifier import LabeledClassifierMixin
from sksubtomo._utils._labels import score_labeled
from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.semi_supervised._box_features import box_features
from sksubtomo.semi_supervised._candidate_columns import (
    Columns,
    check_covariates,
    check_no_placeholders,
    check_same_columns,
    check_same_offsets,
    check_tomograms,
    offsets_of,
)
from sksubtomo.semi_supervised._candidate_parts import learned_features, operating_point_of


@documented
class BaseCandidateClassifier(DocLinkMixin, LabeledClassifierMixin, BaseEstimator):
    """Base of a classifier of candidates: features of new ones, and predictions.

    A subclass sets ``classes_``, ``coef_``, ``intercept_``, ``fold_references_``,
    ``fold_networks_``, ``out_of_fold_``, and where features are centered and how they are scaled.
    """

    @property
    def tomograms_(self) -> list[str]:
        """Tomograms of the fit, relative to whose medians candidates are judged."""
        check_is_fitted(self, "coef_")
        return list(self._offsets)

    def _raw(self, volumes: Any, columns: Columns) -> NDArray[np.float64]:
        figures = [box_features(volumes)] if self.statistics else []
        return np.hstack([columns.values, *figures])

    def _relative(self, raw: NDArray[np.float64], names: NDArray | None) -> NDArray[np.float64]:
        """Return features less the offsets of their tomograms, new ones by the rows at hand."""
        if names is None:
            return raw
        offsets, is_new = self._offsets, ~np.isin(names, list(self._offsets))
        if is_new.any():
            own = (raw[is_new], names[is_new], self._center, self._shrinkage, self._scale)
            offsets = {**offsets, **offsets_of(*own)}
        return raw - np.stack([offsets[str(name)] for name in names])

    def _columns(self, covariates: Any, n_samples: int) -> Columns:
        """Return checked covariates, the columns of the fit."""
        columns = check_covariates(covariates, n_samples)
        check_same_columns(columns, self.covariate_names_, self._n_covariates)
        check_no_placeholders(columns, self._usual)
        return columns

    def _design(self, X: Any, covariates: Any, tomograms: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "coef_")
        volumes = check_volumes(self, X, reset=False)
        columns = self._columns(covariates, len(volumes))
        names = check_tomograms(tomograms, len(volumes))
        check_same_offsets(names, self._offsets)
        raw = np.clip(self._relative(self._raw(volumes, columns), names), *self._limits)
        static = (raw - self._location) / self._scale * self._width
        learned = learned_features(
            volumes, self.fold_references_, self.fold_networks_, self.classes_
        )
        learned = (learned - self._learned_location) / self._learned_scale * self._learned_width
        return np.hstack([static, learned])

    def check_covariates(self, covariates):
        """Check columns of candidates as predictions do, before boxes are read.

        Parameters
        ----------
        covariates : array-like of shape (n_samples,) or (n_samples, n_covariates) or None
            As in :meth:`fit`.

        Raises
        ------
        ValueError
            If they are not the columns of the fit, or hold other values than finite numbers, or a
            number that stands for a missing one, such as -999.
        """
        check_is_fitted(self, "coef_")
        self._columns(covariates, 0 if covariates is None else len(covariates))

    # --- Predictions ------------------------------------------------------------------------

    def decision_function(self, X, *, covariates=None, tomograms=None):
        """Return log odds of the classes.

        %(cubes)s
        covariates, tomograms : array-like, optional
            As in :meth:`fit`. A tomogram that was not in the fit gets its offset from these rows.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            With two classes, log odds of the second.
        """
        refuse_scoring_unlabeled()
        scores = self._design(X, covariates, tomograms) @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_log_proba(self, X, *, covariates=None, tomograms=None):
        """Return logarithms of class probabilities.

        %(cubes)s
        covariates, tomograms : array-like, optional
            As in :meth:`decision_function`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        scores = self.decision_function(X, covariates=covariates, tomograms=tomograms)
        if scores.ndim == 1:
            scores = np.column_stack([np.zeros_like(scores), scores])
        return log_softmax(scores, axis=1)

    def predict_proba(self, X, *, covariates=None, tomograms=None):
        """Return class probabilities.

        %(cubes)s
        covariates, tomograms : array-like, optional
            As in :meth:`decision_function`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return np.exp(self.predict_log_proba(X, covariates=covariates, tomograms=tomograms))

    def predict(self, X, *, covariates=None, tomograms=None):
        """Return the most probable class; never the label that means "unlabeled".

        %(cubes)s
        covariates, tomograms : array-like, optional
            As in :meth:`decision_function`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, of the type of ``classes_``.
        """
        check_is_fitted(self, "coef_")
        log_proba = self.predict_log_proba(X, covariates=covariates, tomograms=tomograms)
        return self.classes_[log_proba.argmax(axis=1)]

    def score(self, X, y, sample_weight=None, *, covariates=None, tomograms=None):
        """Return the accuracy over the labeled candidates.

        %(cubes)s
        y : array-like of shape (n_samples,)
            True labels; unlabeled candidates are left out.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each candidate.
        covariates, tomograms : array-like, optional
            As in :meth:`decision_function`.

        Returns
        -------
        score : float
            Fraction of right predictions.
        """
        if covariates is None and tomograms is None:
            return super().score(X, y, sample_weight)
        predicted = self.predict(X, covariates=covariates, tomograms=tomograms)
        rows = np.arange(len(predicted))
        return score_labeled(lambda kept: predicted[kept], rows, y, sample_weight)

    def operating_point(
        self, X, *, precision=None, recall=None, pos_label=1, covariates=None, tomograms=None
    ):
        """Return the threshold for a stated precision or recall among candidates.

        The threshold follows from the probabilities of `X`; the labels of :meth:`fit`, left out
        one part at a time, say how certain it is. See
        :func:`~sksubtomo.metrics.operating_point`.

        %(cubes)s
        precision, recall : float, optional
            What is wanted, one of them.
        pos_label : int or str, default=1
            The class of particles.
        covariates, tomograms : array-like, optional
            As in :meth:`decision_function`.

        Returns
        -------
        point : Bunch
            ``threshold``, ``precision``, ``recall``, their intervals, and whether labels suffice.

        Raises
        ------
        ValueError
            If `pos_label` is no class, or not one of precision and recall is given.
        """
        check_is_fitted(self, "coef_")
        proba = self.predict_proba(X, covariates=covariates, tomograms=tomograms)
        return operating_point_of(
            self.classes_, proba, self.out_of_fold_, pos_label, precision, recall
        )
