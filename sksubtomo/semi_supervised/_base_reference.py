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
from sksubtomo._utils._answers import check_answers
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._labeled_classifier import LabeledClassifierMixin
from sksubtomo._utils._labels import score_labeled
from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.alignment import (
    Expectation,
    PoseGrid,
    all_coefficients,
    class_evidence,
    either_contrast,
    expectation,
    log_spectrum_ratio,
    refine_poses,
)
from sksubtomo.fourier import Imaging
from sksubtomo.semi_supervised._class_averages import average_in_poses
from sksubtomo.semi_supervised._reference_imaging import (
    MeasuredVolumes,
    given_imaging,
    poses_as_fitted,
)


@documented
class BaseReferenceClassifier(DocLinkMixin, LabeledClassifierMixin, BaseEstimator):
    """Base of a classifier that compares volumes with references in all poses.

    A subclass sets ``classes_``, ``references_``, ``reference_classes_``,
    ``reference_variance_``, ``noise_power_``, ``class_log_prior_``, the poses to try, ``_finest``,
    ``_imaging`` of its volumes or None, ``contrast_`` and ``tilt_geometry_`` of them,
    ``_score_location`` and ``_score_scale`` of each class; and ``_background``, the index of a
    class that has no reference, if there is one.
    """

    _background: int | None = None

    @property
    def _owner(self) -> torch.Tensor:
        """Class index of each reference."""
        return torch.from_numpy(np.searchsorted(self.classes_, self.reference_classes_))

    def _measured(
        self, X: Any, tilt_ranges_deg: Any = None, imaging: Imaging | None = None
    ) -> MeasuredVolumes:
        """Read volumes, with the imaging that is given with them."""
        check_is_fitted(self, "references_")
        volumes = check_volumes(self, X, reset=False)
        imaging = given_imaging(X, volumes, tilt_ranges_deg, imaging, self.tilt_geometry_)
        poses, imaging = poses_as_fitted(self._finest, imaging, self._imaging, len(volumes))
        kinds = None if imaging is None else torch.from_numpy(imaging.index)
        return MeasuredVolumes(poses, all_coefficients(poses, volumes, kinds), kinds, imaging)

    def _compared(
        self, X: Any, tilt_ranges_deg: Any, imaging: Imaging | None
    ) -> tuple[Expectation, NDArray[np.int8], MeasuredVolumes]:
        """Return the E step of volumes as :meth:`_compare` does.

        Raises
        ------
        ValueError
            If X is malformed, or a volume so large or small in scale that numbers end.
        """
        result, contrast, measured = self._compare(self._measured(X, tilt_ranges_deg, imaging))
        if not result.log_evidence.isfinite().all():
            volumes, typical = check_volumes(self, X, reset=False), self.noise_power_.max() ** 0.5
            check_answers(type(self).__name__, result.log_evidence, volumes, float(typical))
        return result, contrast, measured

    def _compare(
        self, measured: MeasuredVolumes
    ) -> tuple[Expectation, NDArray[np.int8], MeasuredVolumes]:
        """Return the E step of volumes with the references, their contrast, and them in it."""
        scale = math.sqrt(self.noise_power_.max())
        device = resolve_device(self.device, needs_float64=True)
        with keeping_freed_memory(), holding_precision("float32", device):
            compare = either_contrast if (self.contrast_ < 0).any() else _as_they_are
            result, contrast = compare(
                measured.poses,
                measured.coefficients / scale,
                self._finest.from_references(self.references_ / np.float32(scale)),
                torch.from_numpy(self.noise_power_ / scale**2).float(),
                variance=torch.from_numpy(self.reference_variance_ / scale**2).float(),
                kinds=measured.kinds,
                device=device,
            )
        coefficients = measured.coefficients * contrast[:, np.newaxis]
        return (
            result,
            contrast.numpy().astype(np.int8),
            measured._replace(coefficients=coefficients),
        )

    def _scores(self, X: Any, tilt_ranges_deg: Any, imaging: Imaging | None) -> NDArray[np.float64]:
        refuse_scoring_unlabeled()
        result, _, measured = self._compared(X, tilt_ranges_deg, imaging)
        return self._joint(measured, result.log_evidence)

    def _joint(self, measured: MeasuredVolumes, evidence: torch.Tensor) -> NDArray[np.float64]:
        """Return the log evidence of every class, with its prior."""
        field = None
        if self._background is not None:
            poses, coefficients, kinds, _ = measured
            noise = torch.tensor(self.noise_power_)
            field = log_spectrum_ratio(poses, coefficients, noise, kinds)
        classes = class_evidence(evidence, self._owner, field)
        return classes.double().numpy() + self.class_log_prior_

    def _joint_of_structures(self, evidence: torch.Tensor) -> NDArray[np.float64]:
        """Return the same of classes that have references, -inf for the background."""
        field = None
        if self._background is not None:
            field = torch.full((len(evidence),), -torch.inf)
        classes = class_evidence(evidence, self._owner, field)
        return classes.double().numpy() + self.class_log_prior_

    def decision_function(self, X, *, tilt_ranges_deg=None, imaging=None):
        """Return the log evidence of every class, with its prior.

        %(imaged_cubes)s

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            Log-likelihood ratios to noise alone, plus ``class_log_prior_``. With two classes, the
            second less the first.
        """
        scores = self._scores(X, tilt_ranges_deg, imaging)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def score(self, X, y, sample_weight=None, *, tilt_ranges_deg=None, imaging=None):
        """Return the accuracy over the labeled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.
        y : array-like of shape (n_samples,)
            True labels. Rows that are unlabeled, as in :meth:`fit`, are left out.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows.
        %(tilt_ranges_deg)s
        %(imaging)s

        Returns
        -------
        score : float
            Share of correct predictions.

        Warns
        -----
        UndefinedMetricWarning
            If no row is labeled; the score is NaN then.
        """
        if tilt_ranges_deg is None and imaging is None:
            return super().score(X, y, sample_weight)
        predicted = self.predict(X, tilt_ranges_deg=tilt_ranges_deg, imaging=imaging)
        return score_labeled(lambda rows: predicted[rows], np.arange(len(y)), y, sample_weight)

    def predict_proba(self, X, *, tilt_ranges_deg=None, imaging=None):
        """Return class probabilities.

        %(imaged_cubes)s

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return softmax(self._scores(X, tilt_ranges_deg, imaging), axis=1)

    def predict_log_proba(self, X, *, tilt_ranges_deg=None, imaging=None):
        """Return logarithms of class probabilities.

        %(imaged_cubes)s

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``. Finite, also where a probability is rounded to 0.
        """
        return log_softmax(self._scores(X, tilt_ranges_deg, imaging), axis=1)

    def predict(self, X, *, tilt_ranges_deg=None, imaging=None):
        """Return the most probable class; never the label that means "unlabeled".

        %(imaged_cubes)s

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, of the type of ``classes_``.
        """
        check_is_fitted(self, "references_")
        return self.classes_[self._scores(X, tilt_ranges_deg, imaging).argmax(axis=1)]

    def score_samples(self, X, *, tilt_ranges_deg=None, imaging=None):
        """Return how well the model explains volumes, in units of the spread within their class.

        The likelihood is compared with that of a Gaussian field that has the volume's own power
        in every shell: a ratio to noise alone would also grow with the brightness of what is only
        a little like a reference. Large molecules still give larger ratios than small ones, so the
        logarithm of the ratio is standardized by the median and the spread that it had in
        :meth:`fit` among the volumes of the predicted class.

        %(imaged_cubes)s

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            About 0 for volumes of the known classes. Low values are like no class.
        """
        result, _, measured = self._compared(X, tilt_ranges_deg, imaging)
        evidence = result.log_evidence
        scores = self._raw_scores(evidence, measured, torch.tensor(self.noise_power_))
        targets = self._joint_of_structures(evidence).argmax(axis=1)
        return (scores - self._score_location[targets]) / self._score_scale[targets]

    def _raw_scores(
        self, evidence: torch.Tensor, measured: MeasuredVolumes, noise: torch.Tensor
    ) -> NDArray[np.float64]:
        """Return log-likelihood ratios of the model to a field of the volume's own spectrum."""
        classes = self._joint_of_structures(evidence)
        poses, coefficients, kinds, _ = measured
        spectrum = log_spectrum_ratio(poses, coefficients, noise, kinds).double().numpy()
        return logsumexp(classes, axis=1) - spectrum

    def align(self, X, *, refine=False, tilt_ranges_deg=None, imaging=None):
        """Return class and pose of volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d)
            Volumes of the shape that the estimator was fitted on.
        refine : bool, default=False
            Whether to improve the most likely pose of the grid by a local search, to about a
            degree and a fraction of a voxel.
        %(tilt_ranges_deg)s
        %(imaging)s

        Returns
        -------
        poses : Bunch
            ``labels``, as :meth:`predict` gives them; ``rotations``, a stack of
            :class:`scipy.spatial.transform.Rotation`, and ``shifts`` (n_samples, 3), z, y, x in
            voxels, the most likely ones: by both,
            :func:`~sksubtomo.geometry.rotate_volume` takes the reference to the volume.
            ``references`` (n_samples,), which row of ``references_`` that is, -1 for the background
            of a :class:`~sksubtomo.alignment.ClassPrior`, which has none and no pose; ``contrast``
            (n_samples,), -1 where it takes the volume to the reference inverted, else 1; and
            ``probabilities`` (n_samples, n_classes), as :meth:`predict_proba` gives them.
        """
        refuse_scoring_unlabeled()
        result, contrast, measured = self._compared(X, tilt_ranges_deg, imaging)
        scores = self._joint(measured, result.log_evidence)
        targets = scores.argmax(axis=1)
        own = self._owner.numpy() == targets[:, np.newaxis]
        own |= ~own.any(axis=1, keepdims=True)  # the background has no reference
        reference = np.where(own, result.log_evidence.numpy(), -np.inf).argmax(axis=1)
        best = result.best.numpy()[np.arange(len(reference)), reference]
        poses = self._poses_of(reference, best, targets, contrast)
        if refine:
            poses = self._refined(measured, poses)
        return Bunch(**poses, probabilities=softmax(scores, axis=1))

    def _poses_of(
        self,
        reference: NDArray[np.intp],
        pose: NDArray[np.int64],
        targets: NDArray[np.int64],
        contrast: NDArray[np.int8],
    ) -> Bunch:
        """Return poses of the grid, which shift first, of volumes and their references."""
        shift, rotation = np.divmod(pose, len(self._finest.rotations))
        return Bunch(
            labels=self.classes_[targets],
            references=np.where(np.isin(targets, self._owner), reference, -1),
            rotations=Rotation.from_quat(self._finest.rotations.as_quat()[rotation]),
            shifts=self._finest.shifts[shift],
            contrast=contrast,
        )

    def _refined(self, measured: MeasuredVolumes, poses: Bunch) -> Bunch:
        """Return poses after a local search; lines, which cannot be turned, keep theirs."""
        some = poses.references >= 0
        if not isinstance(measured.poses, PoseGrid) or not some.any():
            return poses
        scale, rows = math.sqrt(self.noise_power_.max()), torch.from_numpy(some)
        rotations, shifts = refine_poses(
            measured.poses,
            measured.coefficients[rows] / scale,
            self._finest.from_references(self.references_ / np.float32(scale)),
            poses.references[some],
            torch.from_numpy(self.noise_power_ / scale**2).float(),
            poses.rotations[some],
            poses.shifts[some],
            None if measured.kinds is None else measured.kinds[rows],
        )
        quaternions, moved = poses.rotations.as_quat(), poses.shifts.copy()
        quaternions[some], moved[some] = rotations.as_quat(), shifts
        return Bunch(**{**poses, "rotations": Rotation.from_quat(quaternions), "shifts": moved})

    def class_averages(
        self,
        X,
        poses=None,
        *,
        refine=True,
        voxel_size_angstrom=None,
        tilt_ranges_deg=None,
        imaging=None,
    ):
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
        %(tilt_ranges_deg)s
        %(imaging)s

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
        given = {"tilt_ranges_deg": tilt_ranges_deg, "imaging": imaging}
        if poses is None:
            poses = self.align(X, refine=refine, **given)
        elif refine:
            check_consistent_length(volumes, poses.references)
            measured = self._measured(X, **given)
            signs = torch.from_numpy(np.asarray(poses.get("contrast", np.ones(len(volumes)))))
            own = measured.coefficients * signs[:, np.newaxis]
            poses = self._refined(measured._replace(coefficients=own), poses)
        imaging = given_imaging(X, volumes, **given, geometry=self.tilt_geometry_)
        _, imaging = poses_as_fitted(self._finest, imaging, self._imaging, len(volumes))
        averages = average_in_poses(
            volumes,
            poses,
            n_references=len(self.references_),
            imaging=Imaging(self.tilt_range_deg) if imaging is None else imaging,
            voxel_size_angstrom=voxel_size_angstrom,
        )
        return Bunch(**averages, poses=poses)


def _as_they_are(*args: Any, **params: Any) -> tuple[Expectation, torch.Tensor]:
    """Return the E step of volumes that all have one contrast, and 1 for each."""
    result = expectation(*args, keep_poses=False, **params)
    return result, torch.ones(len(result.log_evidence))
