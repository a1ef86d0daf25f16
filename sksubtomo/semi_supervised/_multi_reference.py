"""Classification by maximum-likelihood comparison with references in all poses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRouter

from sksubtomo._torch import resolve_device
from sksubtomo._utils._checkpoint import CheckpointPart, opened
from sksubtomo._utils._docs import documented
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._routing import routed_params, same_methods, wanted_by
from sksubtomo._utils._settings import HasSettings, Settings, checked, store_parameters
from sksubtomo._utils._sklearn import HasMethods, StrOptions, fit_context
from sksubtomo._utils._volumes import check_volumes, unchanged_on_error
from sksubtomo.alignment import (
    Annealing,
    ClassPrior,
    LabelCheck,
    MultiReferenceEM,
    check_cubes,
    check_stages,
    final_poses,
)
from sksubtomo.fourier import Imaging, check_tilt_range
from sksubtomo.semi_supervised._base_reference import BaseReferenceClassifier
from sksubtomo.semi_supervised._label_warnings import warn_of_labels, warn_of_lost_classes
from sksubtomo.semi_supervised._reference_checks import (
    check_fit_memory,
    encode_targets,
    fit_initial_proba,
    score_moments,
)
from sksubtomo.semi_supervised._reference_fit import FitData, fit_references
from sksubtomo.semi_supervised._reference_imaging import (
    MeasuredVolumes,
    given_imaging,
    imaging_to_fit,
)
from sksubtomo.semi_supervised._reference_settings import (
    begin_checkpoint,
    em_settings,
    resolved_prior,
    stream_of,
)
from sksubtomo.semi_supervised._reference_shifts import check_max_shift, first_shift


@documented
class MultiReferenceClassifier(HasSettings, BaseReferenceClassifier):
    r"""Maximum-likelihood classification by reference maps in all poses.

    The model: a volume of a class is a reference of the class, rotated by any rotation, shifted,
    its missing wedge cut, with Gaussian noise of one power in every Fourier shell. References are
    fitted by expectation-maximization to all volumes: labeled ones keep their class, that of the
    others is unknown as their pose is. References begin as averages of aligned labeled volumes;
    then unlabeled volumes take part, their class probabilities annealed.

    Parameters
    ----------
    estimator : classifier or FrozenEstimator of one, optional
        Has ``fit``, with -1 in `y` for unlabeled, and ``predict_proba``. It is cloned and
        fitted; a ``FrozenEstimator`` is used as it is. Unlabeled volumes keep its class
        probabilities for ``n_frozen_iter`` iterations of `annealing`. By default, references begin
        with the labeled volumes alone.
    tilt_range_deg : float or (float, float), default=60
        Lowest and highest tilt in degrees; a single number t means (-t, t). The tilt axis
        is y and the beam z, see :func:`sksubtomo.fourier.missing_wedge_mask`.
    max_shift_voxels : float or "auto", default="auto"
        Largest shift along an axis that is searched, at most half of the box. "auto" begins with
        2; where labeled volumes of most classes are clearly more likely at larger shifts,
        references are fitted again with twice the shifts, up to a quarter of the box, which
        :meth:`fit` warns of.
    mask_radius_voxels : float, optional
        Radius where references have fallen to 0; by default that of the largest sphere in the box.
    annealing : Annealing, default=None
        Resolutions and steps of the search from coarse to fine, and how classes take part in it;
        None is :class:`~sksubtomo.alignment.Annealing` with its defaults.
    n_init : int or "auto", default="auto"
        Initializations, of which the one is kept whose references agree best with the labels left
        out of them, the likelihood deciding between equals. Each begins with labeled volumes drawn
        anew, and all but the first hold a random half of the unlabeled volumes back until the last
        stage. "auto" is three where a class has one or two labels and another one at least three
        times as many, else one; one where all volumes are labeled.
    n_references : int, default=1
        References of each class, for classes of several conformations.
    references_init : array-like of shape (n_classes * n_references, d, d, d) or mapping, optional
        Maps to begin with, instead of averages of labeled volumes: in the order of ``classes_``,
        those of a class together, or a mapping of each class to its map or maps. Box, voxel size
        and sign of contrast are those of the volumes; a common scale does not matter. Unlabeled
        volumes then take part from the first iteration on, by default.
    noise : {"auto", "white", "shells"}, default="auto"
        "white" takes the power of frequencies beyond those compared. "shells" takes the spectrum of
        the box outside of the mask, as noise in tomograms is colored. "auto" is "shells" where that
        border has clearly colored noise, else "white".
    class_prior : str, array-like, ClassPrior or None, default="estimated"
        Class proportions among unlabeled volumes; an array has one of each class, in the order of
        ``classes_``. While references take shape, a bias for each class makes the posteriors have
        these proportions. "estimated" estimates them from labels and posteriors together; labels
        count the more, the less references agree with labels left out of them. "uniform" is for
        classes that are equally frequent, "labels" for labels that were drawn at random. None is
        no constraint. A :class:`~sksubtomo.alignment.ClassPrior` can add a class, without a
        reference, of volumes that show none of the structures.
    symmetry : str or dict, default="C1"
        :func:`~sksubtomo.geometry.point_group` of all classes, such as "D7", or a dict of class to
        point group. References are averages over it, in the frame of its axes.
    classes : array-like of shape (n_classes,), optional
        All classes. By default those that occur in `y`. A class without a label begins as
        an unlabeled volume drawn at random or, with `estimator`, its most probable one.
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels,
        which has one pose: tilt range, shifts, mask, and the shells and angles of
        `annealing` are then not used.
    %(device)s
    random_state : int, RandomState instance or None, default=None
        Draws the labeled volumes that references begin with, and those held back. The same integer
        gives the same bits on a CPU with the same number of threads.
    verbose : int, default=0
        Whether to show progress: a bar on a terminal, elsewhere a line about every minute.

    Attributes
    ----------
    %(classes_)s
    references_ : ndarray of shape (n_maps, d, d, d) of float32
        Maps, axes z, y, x, in the units of `X`, band-limited; the center is voxel ``d // 2``.
        `n_references` of each class but the background, which has none.
    reference_classes_ : ndarray of shape (n_maps,)
        Class of each reference.
    reference_variance_ : ndarray of shape (n_maps, n_shells)
        Mean square error of a Fourier coefficient of each reference; it adds to the noise.
    noise_power_ : ndarray of shape (n_shells,)
        Noise variance per real Fourier coefficient, by shell; of white noise, the variance of a
        voxel.
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithms of the class proportions, equal ones where `class_prior` is None.
    label_agreement_ : float
        Fraction of labeled volumes that references without them give their own label, of at most
        60; NaN where no class has another volume. Near 1 for a good fit.
    transduction_ : ndarray of shape (n_samples,)
        Labels of all volumes of :meth:`fit`: those given, else the most probable.
    tilt_geometry_ : Bunch or None
        ``tilt_axis``, ``beam`` and ``tilt_range_deg`` of references, where `imaging` does not give
        them: those stated, unless others are clearly likelier on the labeled volumes.
    max_shift_voxels_ : float
        Largest shift along an axis that was searched.
    contrast_ : ndarray of shape (n_samples,)
        What each volume of :meth:`fit` was multiplied by: -1 where it has inverted contrast, else
        1. If any has, predictions compare volumes of both signs.
    poses_ : Bunch
        Most likely pose of the grid of each volume of :meth:`fit`, see :meth:`align`.
    log_likelihood_ : float
        Of a volume on average, relative to noise alone, of the initialization that was kept.
    history_ : list of dict
        One entry an iteration of it: ``log_likelihood`` per volume, relative to noise
        alone; ``changed``, the fraction of volumes whose class changed; ``perplexity`` and
        ``temperature``; ``seconds``.
    n_iter_ : int
        Iterations.
    estimator_ : classifier or None
        The fitted `estimator`.
    %(n_features_in_)s
    %(feature_names_in_)s
    %(volume_shape_)s

    See Also
    --------
    sksubtomo.geometry.rotate_volume : Puts a reference into a pose from :meth:`align`.

    Notes
    -----
    A volume's mean plays no part. A labeled volume counts as six while classes are annealed.

    All poses are searched in the leading principal components of the rotated references; those that
    cover 99.9 % of that posterior are compared in full. A volume is not compared again with classes
    that became improbable. Memory grows with the number of volumes, of which the coefficients
    compared are kept, and up to 256 probable poses for each class, fewer of many volumes.

    References
    ----------
    Scheres et al., "Averaging of electron subtomograms and random conical tilt reconstructions
    through likelihood optimization", Structure 17, 2009.

    Dempster, Laird & Rubin, "Maximum likelihood from incomplete data via the EM algorithm", Journal
    of the Royal Statistical Society B 39, 1977.

    Examples
    --------
    >>> from sksubtomo.alignment import Annealing
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.model_selection import mask_labels
    >>> from sksubtomo.semi_supervised import MultiReferenceClassifier
    >>> X, y = make_subtomograms(24, classes=["apoferritin", "ribosome_70s"], box_size=16,
    ...                          voxel_size_angstrom=20.0, return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=5, random_state=0)
    >>> annealing = Annealing(stages=[(3, 60, 1, 4), (5, 40, 3, 6)])
    >>> clf = MultiReferenceClassifier(annealing=annealing, random_state=0)
    >>> clf.fit(X, y_masked).references_.shape
    (2, 16, 16, 16)
    """

    _settings_names: ClassVar[tuple[str, ...]] = ("annealing", "class_prior")
    _defaults: ClassVar[Mapping[str, type[Annealing]]] = {"annealing": Annealing}
    # Whether volumes are known to be of one contrast, so that none is searched inverted.
    _has_one_contrast = False

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "tilt_range_deg": [NumberInterval(Real, 0, 90, closed="right"), "array-like"],
        "max_shift_voxels": [StrOptions({"auto"}), NumberInterval(Real, 0, None, closed="left")],
        "mask_radius_voxels": [NumberInterval(Real, 0, None, closed="neither"), None],
        "annealing": [Annealing, None],
        "n_init": [StrOptions({"auto"}), NumberInterval(Integral, 1, None, closed="left")],
        "n_references": [NumberInterval(Integral, 1, None, closed="left")],
        "references_init": ["array-like", Mapping, None],
        "noise": [StrOptions({"auto", "white", "shells"})],
        "class_prior": [
            StrOptions({"estimated", "uniform", "labels"}),
            "array-like",
            ClassPrior,
            None,
        ],
        "symmetry": [str, dict],
        "classes": ["array-like", None],
        "volume_shape": [None, NumberInterval(Integral, 1, None, closed="left"), "array-like"],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        tilt_range_deg=60.0,
        max_shift_voxels="auto",
        mask_radius_voxels=None,
        annealing=None,
        n_init="auto",
        n_references=1,
        references_init=None,
        noise="auto",
        class_prior="estimated",
        symmetry="C1",
        classes=None,
        volume_shape=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        store_parameters(self, locals())

    def _make_settings(self, name: str, wanted: Iterable[str]) -> Settings:
        if name == "class_prior":
            return clone(resolved_prior(self.class_prior))
        return super()._make_settings(name, wanted)

    @fit_context(prefer_skip_nested_validation=False)
    @warning_once()
    def fit(self, X, y, *, tilt_ranges_deg=None, imaging=None, checkpoint=None, **params):
        """Fit references to volumes and their labels, where known.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes, axes z, y, x, in cubic boxes; or flat rows, see ``volume_shape``.
        y : array-like of shape (n_samples,)
            Labels, integers or strings. -1 is unlabeled; with strings also ``None`` and
            ``"unlabeled"``.
        %(tilt_ranges_deg)s
        %(imaging)s
        %(checkpoint)s
        **params : dict
            Metadata for ``fit`` of `estimator`, where scikit-learn's metadata routing is enabled.

        %(fitted_self)s

        Raises
        ------
        ValueError, MemoryError
            If `X` or `y` is malformed, boxes are no cubes, no volume or only one class is labeled,
            a parameter does not fit the data, memory would not do, or `checkpoint` is of another
            fit; before any work.

        Warns
        -----
        LabelAgreementWarning
            If ``label_agreement_`` is below 0.95, if labels of one class agree by half or less, or
            if a class has found hardly a volume besides its labeled ones.
        ImagingWarning
            If labeled volumes have other tilts than stated, some have inverted contrast, or
            `references_init` has; the likelier tilts and signs are used. Also if they are shifted
            farther than was searched; with "auto", larger shifts are searched then.
        """
        with unchanged_on_error(self), opened(checkpoint) as kept:
            return self._fit(X, y, tilt_ranges_deg, imaging, params, kept)

    def _fit(
        self,
        X: Any,
        y: Any,
        tilt_ranges_deg: Any,
        imaging: Imaging | None,
        params: Mapping[str, Any],
        checkpoint: CheckpointPart | None,
    ) -> MultiReferenceClassifier:
        device = resolve_device(self.device, needs_float64=True)
        torch.empty(0, device=device)  # one that does not exist fails here, not after work
        check_tilt_range(self.tilt_range_deg)
        annealing = checked(Annealing() if self.annealing is None else self.annealing)
        stages = check_stages(annealing.stages, annealing.n_frozen_iter)
        wanted = wanted_by(self.estimator, "fit", tilt_ranges_deg=tilt_ranges_deg)
        routed = routed_params(self, "fit", {**params, **wanted})["estimator"]["fit"]
        volumes = check_volumes(self, X, volume_shape=self.volume_shape, reset=True)
        check_cubes(type(self).__name__, self.volume_shape_)
        check_max_shift(self.max_shift_voxels, self.volume_shape_)
        if wanted and self.volume_shape_[:2] == (1, 1):
            tilt_ranges_deg = None  # of rows that are no volumes, they are for `estimator`
        prior = resolved_prior(self.class_prior)
        targets, classes = encode_targets(
            type(self).__name__, y, self.classes, len(volumes), prior.background
        )
        settings = em_settings(self, targets, classes, annealing, prior)
        check_fit_memory(self, stages, targets, len(classes), first_shift(self.max_shift_voxels))
        given = given_imaging(X, volumes, tilt_ranges_deg, imaging)
        rng = stream_of(self.random_state, checkpoint)
        begin_checkpoint(checkpoint, self, volumes, targets, classes, given)
        imaging, geometry = imaging_to_fit(
            volumes, targets, self.tilt_range_deg, tilt_ranges_deg, given
        )
        data = FitData(volumes, targets, classes, stages, settings, imaging, device)
        begin = partial(fit_initial_proba, self.estimator, X, y, classes, routed, checkpoint)
        fitted = fit_references(self, data, begin, rng, checkpoint)
        em, self.estimator_ = fitted.em, fitted.inner
        self.classes_, self._background = classes, em.background
        self._imaging, self.contrast_ = imaging, fitted.contrast
        self.max_shift_voxels_ = fitted.max_shift
        self.tilt_geometry_ = None if geometry is None else Bunch(**geometry._asdict())
        self._record(em, fitted.scale)
        self._record_check(fitted.check, targets)
        warn_of_lost_classes(em, classes)
        return self

    def get_metadata_routing(self):
        """Return which metadata go to ``estimator``.

        Returns
        -------
        routing : MetadataRouter
            As scikit-learn's metadata routing wants it.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        if self.estimator is not None:
            router.add(estimator=self.estimator, method_mapping=same_methods(["fit"]))
        return router

    def _record(self, em: MultiReferenceEM, scale: float) -> None:
        self._finest = em.stages[-1][0]
        self.references_ = self._finest.to_references(em.maps) * np.float32(scale)
        self.reference_classes_ = self.classes_[em.owner.numpy()]
        self.reference_variance_ = em.variance.numpy().astype(np.float64) * scale**2
        self.noise_power_ = em.noise.numpy().astype(np.float64) * scale**2
        self.class_log_prior_ = em.log_prior().double().numpy()
        self.transduction_ = self.classes_[em.labels.numpy()]
        labels = em.labels.numpy()
        self.poses_ = self._poses_of(*final_poses(em), labels, self.contrast_)
        self.log_likelihood_ = em.log_likelihood
        self.history_, self.n_iter_ = em.history, len(em.history)
        measured = MeasuredVolumes(self._finest, em.coefficients, em.kinds, self._imaging)
        # A labeled volume keeps its class, so that some are not of the background.
        known = np.isin(labels, em.owner)
        scores = self._raw_scores(em.evidence, measured, em.noise)[known]
        moments = score_moments(scores, labels[known], em.n_classes)
        self._score_location, self._score_scale = moments

    def _record_check(self, check: LabelCheck, targets: NDArray[np.int64]) -> None:
        agrees = check.predicted == targets[check.rows]
        self.label_agreement_ = float(agrees.mean()) if len(agrees) else np.nan
        warn_of_labels(check, agrees, self.classes_, targets)
