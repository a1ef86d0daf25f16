"""What all classifiers here make of unlabeled rows that they are scored on."""

from __future__ import annotations

import importlib
from typing import Any

from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._labels import score_labeled
from sksubtomo._utils._scoring import refuse_scoring_unlabeled


class LabeledClassifierMixin(ClassifierMixin):
    """scikit-learn's mixin of classifiers, with a score over the labeled rows."""

    def __sklearn_clone__(self) -> Any:
        # scikit-learn's cross_val_predict may predict in other processes, but clones in its own.
        refuse_scoring_unlabeled()
        return super().__sklearn_clone__()

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy over the labeled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes, as :meth:`predict` takes them.
        y : array-like of shape (n_samples,)
            True labels. Rows that are unlabeled, as in :meth:`fit`, are left out.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        score : float
            Share of correct predictions.

        Raises
        ------
        ValueError
            If lengths differ.

        Warns
        -----
        UndefinedMetricWarning
            If no row is labeled; the score is NaN then.
        """
        check_is_fitted(self)
        return score_labeled(self.predict, self._rows_to_score(X), y, sample_weight)

    def generate_report(self, X: Any, y: Any = None, **options: Any) -> Any:
        """Return a report on predictions for volumes, as one HTML page.

        It shows parameters, boxes by class and probability, the training and, with labels, what is
        right; suspicious results come first. It needs the packages of ``sksubtomo[report]``.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width)
            Volumes, as :meth:`predict` takes them.
        y : array-like of shape (n_samples,), optional
            Labels, -1 where unknown.
        **options : dict
            As of :func:`sksubtomo.reports.make_report`, which also reports on pipelines: names of
            tomograms and classes, coordinates, probabilities that are known already.

        Returns
        -------
        report : HTMLReport
            With ``save_as_html`` and ``open_in_browser``; a notebook shows it.

        Raises
        ------
        ImportError
            If a package is not installed.
        ValueError
            If lengths do not match.
        """
        # By name: reports know the classifiers, not the other way round.
        return importlib.import_module("sksubtomo.reports").make_report(self, X, y, **options)

    def _rows_to_score(self, X: Any) -> Any:
        """Return something that rows can be taken of."""
        return X
