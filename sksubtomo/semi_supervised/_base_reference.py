"""What a classifier does with references once it has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sksubtomo._torch import holding_precision, resolve_device
from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._labeled_classifier import LabeledClassifierMixin
from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.alignment import (
    Expectation,
    PoseGrid,
    all_coefficients,
    class_evidence,
    expectation,
    log_spectrum_ratio,
    refine_poses,
)


@documented
class BaseReferenceClassifier(DocLinkMixin, LabeledClassifierMixin, BaseEstimator):
    """Base of a classifier that compares volumes with references in all poses.

    A subclass sets ``classes_``, ``references_``, ``reference_classes_``,
    ``reference_variance_``, ``noise_power_``, ``class_log_prior_``, the poses to try, ``_finest``,
    and ``_score_location`` and ``_score_scale`` of each class.
    """

    @property
    def _owner(self) -> torch.Tensor:
        """Class index of each reference."""
        return torch.from_numpy(np.searchsorted(self.classes_, self.reference_classes_))

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
                variance=torch.from_numpy(self.reference_variance_ / scale**2).float(),
                keep_poses=False,
                device=device,
            )

    def _scores(self, X: Any) -> NDArray[np.float64]:
        refuse_scoring_unlabeled()
        evidence = class_evidence(self._compare(self._coefficients(X)).log_evidence, self._owner)
        return evidence.double().numpy() + self.class_log_prior_

    def decision_function(self, X):
        """Return the log evidence of every class, with its prior.

        %(cubes)s

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

        %(cubes)s

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return softmax(self._scores(X), axis=1)

    def predict_log_proba(self, X):
        """Return logarithms of class probabilities.

        %(cubes)s

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``. Finite, also where a probability is rounded to 0.
        """
        return log_softmax(self._scores(X), axis=1)

    def predict(self, X):
        """Return the most probable class; never the label that means "unlabeled".

        %(cubes)s

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, of the type of ``classes_``.
        """
        check_is_fitted(self, "references_")
        return self.classes_[self._scores(X).argmax(axis=1)]

    def score_samples(self, X):
        """Return how well the model explains volumes, in units of the spread within their class.

        The likelihood is compared with that of a Gaussian field that has the volume's own power
        in every shell: a ratio to noise alone would also grow with the brightness of what is only
        a little like a reference. Large molecules still give larger ratios than small ones, so the
        logarithm of the ratio is standardized by the median and the spread that it had in
        :meth:`fit` among the volumes of the predicted class.

        %(cubes)s

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            About 0 for volumes of the known classes. Low values are like no class.
        """
        coefficients = self._coefficients(X)
        evidence = self._compare(coefficients).log_evidence
        scores = self._raw_scores(evidence, coefficients, torch.tensor(self.noise_power_))
        joint = class_evidence(evidence, self._owner).double().numpy() + self.class_log_prior_
        targets = joint.argmax(axis=1)
        return (scores - self._score_location[targets]) / self._score_scale[targets]

    def _raw_scores(
        self, evidence: torch.Tensor, coefficients: torch.Tensor, noise: torch.Tensor
    ) -> NDArray[np.float64]:
        """Return log-likelihood ratios of the model to a field of the volume's own spectrum."""
        classes = class_evidence(evidence, self._owner).double().numpy()
        spectrum = log_spectrum_ratio(self._finest, coefficients, noise).double().numpy()
        return logsumexp(classes + self.class_log_prior_, axis=1) - spectrum

    def align(self, X, *, refine=False):
        """Return class and pose of volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d)
            Volumes of the shape that the estimator was fitted on.
        refine : bool, default=False
            Whether to improve the most likely pose of the grid by a local search, to about a
            degree and a fraction of a voxel.

        Returns
        -------
        poses : Bunch
            ``labels``, as :meth:`predict` gives them; ``rotations``, a stack of
            :class:`scipy.spatial.transform.Rotation`, and ``shifts`` (n_samples, 3), z, y, x in
            voxels, the most likely ones: by both,
            :func:`~sksubtomo.geometry.rotate_volume` takes the reference to the volume.
        """
        coefficients, poses = self._coefficients(X), self._finest
        result = self._compare(coefficients)
        scores = class_evidence(result.log_evidence, self._owner).double().numpy()
        targets = (scores + self.class_log_prior_).argmax(axis=1)
        own = self._owner.numpy() == targets[:, np.newaxis]
        reference = np.where(own, result.log_evidence.numpy(), -np.inf).argmax(axis=1)
        pose = result.best.numpy()[np.arange(len(reference)), reference]
        shift, rotation = np.divmod(pose, len(poses.rotations))
        rotations = Rotation.from_quat(poses.rotations.as_quat()[rotation])
        shifts = poses.shifts[shift]
        if refine and isinstance(poses, PoseGrid):
            scale = math.sqrt(self.noise_power_.max())
            rotations, shifts = refine_poses(
                poses,
                coefficients / scale,
                poses.from_references(self.references_ / np.float32(scale)),
                reference,
                torch.from_numpy(self.noise_power_ / scale**2).float(),
                rotations,
                shifts,
            )
        return Bunch(labels=self.classes_[targets], rotations=rotations, shifts=shifts)
