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
from sklearn.utils.validation import check_consistent_length, check_is_fitted

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
from sksubtomo.semi_supervised._class_averages import average_in_poses


@documented
class BaseReferenceClassifier(DocLinkMixin, LabeledClassifierMixin, BaseEstimator):
    """Base of a classifier that compares volumes with references in all poses.

    A subclass sets ``classes_``, ``references_``, ``reference_classes_``,
    ``reference_variance_``, ``noise_power_``, ``class_log_prior_``, the poses to try, ``_finest``,
    and ``_score_location`` and ``_score_scale`` of each class; and ``_background``, the index of a
    class that has no reference, if there is one.
    """

    _background: int | None = None

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
        coefficients = self._coefficients(X)
        return self._joint(coefficients, self._compare(coefficients).log_evidence)

    def _joint(self, coefficients: torch.Tensor, evidence: torch.Tensor) -> NDArray[np.float64]:
        """Return the log evidence of every class, with its prior."""
        field = None
        if self._background is not None:
            noise = torch.tensor(self.noise_power_)
            field = log_spectrum_ratio(self._finest, coefficients, noise)
        classes = class_evidence(evidence, self._owner, field)
        return classes.double().numpy() + self.class_log_prior_

    def _joint_of_structures(self, evidence: torch.Tensor) -> NDArray[np.float64]:
        """Return the same of classes that have references, -inf for the background."""
        field = None
        if self._background is not None:
            field = torch.full((len(evidence),), -torch.inf)
        classes = class_evidence(evidence, self._owner, field)
        return classes.double().numpy() + self.class_log_prior_

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
        targets = self._joint_of_structures(evidence).argmax(axis=1)
        return (scores - self._score_location[targets]) / self._score_scale[targets]

    def _raw_scores(
        self, evidence: torch.Tensor, coefficients: torch.Tensor, noise: torch.Tensor
    ) -> NDArray[np.float64]:
        """Return log-likelihood ratios of the model to a field of the volume's own spectrum."""
        classes = self._joint_of_structures(evidence)
        spectrum = log_spectrum_ratio(self._finest, coefficients, noise).double().numpy()
        return logsumexp(classes, axis=1) - spectrum

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
            ``references`` (n_samples,), which row of ``references_`` that is, -1 for the background
            of a :class:`~sksubtomo.alignment.ClassPrior`, which has none and no pose; and
            ``probabilities`` (n_samples, n_classes), as :meth:`predict_proba` gives them.
        """
        refuse_scoring_unlabeled()
        coefficients = self._coefficients(X)
        result = self._compare(coefficients)
        scores = self._joint(coefficients, result.log_evidence)
        targets = scores.argmax(axis=1)
        own = self._owner.numpy() == targets[:, np.newaxis]
        own |= ~own.any(axis=1, keepdims=True)  # the background has no reference
        reference = np.where(own, result.log_evidence.numpy(), -np.inf).argmax(axis=1)
        pose = result.best.numpy()[np.arange(len(reference)), reference]
        poses = self._poses_of(reference, pose, targets)
        if refine:
            poses = self._refined(coefficients, poses)
        return Bunch(**poses, probabilities=softmax(scores, axis=1))

    def _poses_of(
        self, reference: NDArray[np.intp], pose: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> Bunch:
        """Return poses of the grid, which shift first, of volumes and their references."""
        shift, rotation = np.divmod(pose, len(self._finest.rotations))
        return Bunch(
            labels=self.classes_[targets],
            references=np.where(np.isin(targets, self._owner), reference, -1),
            rotations=Rotation.from_quat(self._finest.rotations.as_quat()[rotation]),
            shifts=self._finest.shifts[shift],
        )

    def _refined(self, coefficients: torch.Tensor, poses: Bunch) -> Bunch:
        """Return poses after a local search; lines, which cannot be turned, keep theirs."""
        some = poses.references >= 0
        if not isinstance(self._finest, PoseGrid) or not some.any():
            return poses
        scale = math.sqrt(self.noise_power_.max())
        rotations, shifts = refine_poses(
            self._finest,
            coefficients[torch.from_numpy(some)] / scale,
            self._finest.from_references(self.references_ / np.float32(scale)),
            poses.references[some],
            torch.from_numpy(self.noise_power_ / scale**2).float(),
            poses.rotations[some],
            poses.shifts[some],
        )
        quaternions, moved = poses.rotations.as_quat(), poses.shifts.copy()
        quaternions[some], moved[some] = rotations.as_quat(), shifts
        return Bunch(**{**poses, "rotations": Rotation.from_quat(quaternions), "shifts": moved})

    def class_averages(self, X, poses=None, *, refine=True, voxel_size_angstrom=None):
        """Average volumes by reference, in their poses, and measure the resolution by halves.

        Averages have all frequencies of the volumes, ``references_`` those only that were compared.
        Each volume counts in the most likely pose of the most likely reference; a frequency is
        divided by the number of volumes that measured it. Averages are not filtered: for a look at
        them, apply a low-pass at their resolution. A sphere with a soft edge masks them.

        Every second volume of a reference is in the one half, the others in the other one. Both
        halves were aligned to one reference, to which both contributed: this is *not* a
        "gold-standard" Fourier shell correlation, for which halves are refined independently. Up
        to the frequencies that :meth:`fit` compared (``stages``), noise that was aligned to the
        reference correlates, too, so that the correlation is too high there, most of all of few
        volumes and at low signal-to-noise ratios. Beyond, only precise poses make halves correlate.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d)
            Volumes of the shape that the estimator was fitted on; read block by block.
        poses : Bunch, optional
            Of these volumes, as from :meth:`align`, or ``poses_`` for those of :meth:`fit`, which
            saves the search.
        refine : bool, default=True
            Whether to improve poses by a local search first.
        voxel_size_angstrom : float, optional
            Edge of a voxel. Without it, ``frequency`` is in cycles a voxel and ``resolution`` in
            voxels.

        Returns
        -------
        averages : Bunch
            ``averages`` (n_references, d, d, d), in the order of ``references_`` and in the units
            and the contrast of `X`; ``half_maps`` (2, n_references, d, d, d); ``n_volumes``
            (n_references,), how many are in each average; ``frequency`` (n_shells,) and ``fsc``
            (n_references, n_shells), see :func:`~sksubtomo.fourier.fourier_shell_correlation`;
            ``resolution`` (n_references,) at 0.143, infinite where there is none; and ``poses``.

        Raises
        ------
        ValueError
            If volumes are lines, which have no poses, or there is not one pose for each.

        References
        ----------
        Scheres & Chen, "Prevention of overfitting in cryo-EM structure determination", Nature
        Methods 9, 2012.
        """
        check_is_fitted(self, "references_")
        volumes = check_volumes(self, X, reset=False)
        if not isinstance(self._finest, PoseGrid):
            raise ValueError("Rows that are no volumes have no poses. Set volume_shape.")
        if poses is None:
            poses = self.align(X, refine=refine)
        elif refine:
            check_consistent_length(volumes, poses.references)
            poses = self._refined(all_coefficients(self._finest, volumes), poses)
        averages = average_in_poses(
            volumes,
            poses,
            n_references=len(self.references_),
            tilt_range_deg=self.tilt_range_deg,
            voxel_size_angstrom=voxel_size_angstrom,
        )
        return Bunch(**averages, poses=poses)
