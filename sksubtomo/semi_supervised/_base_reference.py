"""What a classifier does with references once it has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sksubtomo._torch import holding_precision, resolve_device
from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._labels import score_labeled
from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.alignment import Expectation, all_coefficients, expectation, log_spectrum_ratio


class BaseReferenceClassifier(DocLinkMixin, ClassifierMixin, BaseEstimator):
    """Base of a classifier that compares volumes with references in all poses.

    A subclass sets ``classes_``, ``references_``, ``noise_power_``, ``class_log_prior_``, and the
    poses to try, ``_finest``.
    """

    def __sklearn_clone__(self) -> Any:
        # scikit-learn's cross_val_predict may predict in other processes, but clones in its own.
        refuse_scoring_unlabeled()
        return super().__sklearn_clone__()

    def _coefficients(self, X: Any) -> torch.Tensor:
        check_is_fitted(self, "references_")
        return all_coefficients(self._finest, check_volumes(self, X, reset=False))

    def _compare(self, coefficients: torch.Tensor) -> Expectation:
        """Return the E step of volumes with the references."""
        scale = math.sqrt(self.noise_power_.max())
        device = resolve_device(self.device)
        with keeping_freed_memory(), holding_precision("float32", device):
            return expectation(
                self._finest,
                coefficients / scale,
                self._finest.from_references(self.references_ / np.float32(scale)),
                torch.from_numpy(self.noise_power_ / scale**2).float(),
                keep_poses=False,
                device=device,
            )

    def _scores(self, X: Any) -> NDArray[np.float64]:
        refuse_scoring_unlabeled()
        evidence = self._compare(self._coefficients(X)).log_evidence
        return evidence.double().numpy() + self.class_log_prior_

    def decision_function(self, X):
        """Return the log evidence of every class, with its prior.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            Log-likelihood ratios to noise alone, plus ``class_log_prior_``. With two classes, the
            second less the first.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return softmax(self._scores(X), axis=1)

    def predict_log_proba(self, X):
        """Return logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``. Finite, also where a probability is rounded to 0.
        """
        return log_softmax(self._scores(X), axis=1)

    def predict(self, X):
        """Return the most probable class; never the label that means "unlabelled".

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, of the type of ``classes_``.
        """
        check_is_fitted(self, "references_")
        return self.classes_[self._scores(X).argmax(axis=1)]

    def score_samples(self, X):
        """Return how much better the model explains volumes than their power spectrum does.

        The likelihood is compared with that of a Gaussian field that has the volume's own power
        in every shell. A ratio to noise alone would also grow with the brightness of what is only
        a little like a reference.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        log_ratio : ndarray of shape (n_samples,)
            Logarithm of the likelihood ratio. Low values are like no class.
        """
        coefficients = self._coefficients(X)
        evidence = self._compare(coefficients).log_evidence.double().numpy()
        noise = torch.tensor(self.noise_power_)
        spectrum = log_spectrum_ratio(self._finest, coefficients, noise).double().numpy()
        return logsumexp(evidence + self.class_log_prior_, axis=1) - spectrum

    def align(self, X):
        """Return class and pose of volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        poses : Bunch
            ``labels``, as :meth:`predict` gives them; ``rotations``, a stack of
            :class:`scipy.spatial.transform.Rotation`, and ``shifts`` (n_samples, 3), z, y, x in
            voxels, the most likely of the grid: by both,
            :func:`~sksubtomo.geometry.rotate_volume` takes the reference to the volume.
        """
        result, poses = self._compare(self._coefficients(X)), self._finest
        scores = result.log_evidence.double().numpy() + self.class_log_prior_
        targets = scores.argmax(axis=1)
        pose = result.best.numpy()[np.arange(len(targets)), targets]
        shift, rotation = np.divmod(pose, len(poses.rotations))
        return Bunch(
            labels=self.classes_[targets],
            rotations=Rotation.from_quat(poses.rotations.as_quat()[rotation]),
            shifts=poses.shifts[shift],
        )

    def score(self, X, y, sample_weight=None):
        """Return the accuracy over the labelled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.
        y : array-like of shape (n_samples,)
            True labels. Rows that are unlabelled, as in :meth:`fit`, are left out.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        score : float
            Share of correct predictions.

        Warns
        -----
        UndefinedMetricWarning
            If no row is labeled; the score is NaN then.
        """
        check_is_fitted(self, "references_")
        return score_labeled(self.predict, X, y, sample_weight)
