"""Classification by maximum-likelihood comparison with references in all poses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sksubtomo._torch import holding_precision, resolve_device
from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._labels import check_enough_classes, encode_labels, is_text
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._routing import routed_params, same_methods
from sksubtomo._utils._volumes import check_volumes, unchanged_on_error
from sksubtomo.alignment import (
    MultiReferenceEM,
    Poses,
    Stage,
    all_coefficients,
    background_power,
    check_class_prior,
    check_cubes,
    check_stages,
    shell_power,
    stage_poses,
    starting_rows,
)
from sksubtomo.fourier import check_tilt_range
from sksubtomo.semi_supervised._base_reference import BaseReferenceClassifier


class MultiReferenceClassifier(BaseReferenceClassifier):
    r"""Maximum-likelihood classification by references, one a class, in all poses.

    The model: a volume of class c is the reference of c, rotated by any rotation, shifted, its
    missing wedge cut, with Gaussian noise of one power in every Fourier shell. References
    and noise are fitted by expectation-maximisation to all volumes, labelled or not: labelled ones
    keep their class, that of the others is unknown as their pose is. At first, the others keep the
    class probabilities that `estimator` gives them, while references take shape; then they are let
    go. Unlike a network, the model knows what a rotation, a shift and a wedge are.

    Parameters
    ----------
    estimator : classifier or FrozenEstimator of one, optional
        Has ``fit``, with -1 in `y` for unlabelled, and ``predict_proba``. It is cloned and
        fitted; a ``FrozenEstimator`` is used as it is. By default, references start from the
        labelled volumes alone.
    tilt_range_deg : float or (float, float), default=60
        Lowest and highest tilt in degrees; a single number t means (-t, t). The tilt axis
        is y and the beam z, see :func:`sksubtomo.fourier.missing_wedge_mask`.
    max_shift_voxels : float, default=2
        Largest shift along an axis that is tried.
    mask_radius_voxels : float, optional
        Radius where references have fallen to 0; by default that of the largest sphere in the box.
    stages : sequence of (n_shells, angular_step_deg, n_shifts, n_iter)
        From coarse to fine: radius of the ball of frequencies in cycles per box (at most half the
        box is used), step between rotations in degrees, shifts along an axis (1 is
        no shift), and iterations.
    n_init : int, default=1
        Starts, of which the likeliest is kept: expectation-maximisation climbs to the next hill, on
        which two classes may be mixed. Each begins with labelled volumes drawn anew, and all but
        the first let a random half of the unlabelled volumes wait for the last stage. There is one
        where all volumes are labelled.
    n_frozen_iter : int, default=2
        Of all iterations, those at the beginning in which classes of unlabelled volumes are fixed.
    class_perplexity : float, optional
        Number of classes over which the posteriors of unlabelled volumes are spread in the first
        iteration after, by dividing their log evidence; it falls to 1 geometrically until the last
        stage. By default ``n_classes ** (2 / 3)``. 1 trusts the evidence at once.
    noise : {"white", "shells"}, default="white"
        "white" takes the power of frequencies beyond those compared for that of the noise at all
        frequencies. "shells" estimates it shell by shell from what references leave, once classes
        are free, for noise that is coloured; references that have no shape yet then count as noise,
        which may keep them so.
    class_prior : {"uniform", "labels"}, array-like of shape (n_classes,) or None, default="uniform"
        Probabilities of classes among unlabelled volumes, in the order of ``classes_``; while
        references take shape, a bias per class sees to it that the posteriors have these shares.
        "uniform" is wrong where some classes are much
        more frequent than others. "labels" takes the shares of the labels, if these were drawn at
        random. None is no constraint.
    classes : array-like of shape (n_classes,), optional
        All classes. By default those that occur in `y`. A class without a label begins as
        an unlabelled volume drawn at random or, with `estimator`, its most probable one.
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels,
        which has one pose: tilt range, shifts, mask, and the shells and angles of `stages` are
        then not used.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1"...; "auto" takes a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Draws the labelled volumes that references begin as, and those that wait. The same integer
        gives the same bits on a CPU with the same number of threads.
    verbose : int, default=0
        Whether to print a line every iteration.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes, sorted, without the label that means "unlabelled".
    references_ : ndarray of shape (n_classes, d, d, d) of float32
        Maps, axes z, y, x, in the units of `X`, band-limited; the centre is voxel ``d // 2``.
    noise_power_ : ndarray of shape (n_shells,)
        Noise variance per real Fourier coefficient, by shell; of white noise, the variance of a
        voxel.
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithms of `class_prior`, equal ones where it is None.
    transduction_ : ndarray of shape (n_samples,)
        Labels of all volumes of :meth:`fit`: those given, else the most probable.
    log_likelihood_ : float
        Of a volume on average, relative to noise alone, of the start that was kept.
    history_ : list of dict
        One entry an iteration of that start: ``log_likelihood`` per volume, relative to noise
        alone; ``changed``, the share of volumes whose class changed; ``perplexity`` and
        ``temperature``; ``seconds``.
    n_iter_ : int
        Iterations.
    estimator_ : classifier or None
        The fitted `estimator`.
    n_features_in_ : int
        Number of voxels of a volume.
    feature_names_in_ : ndarray of shape (n_features,) of str
        Names of the columns, if `X` was a data frame.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.

    See Also
    --------
    sksubtomo.geometry.rotate_volume : Puts a reference into a pose from :meth:`align`.
    sksubtomo.neural_network.CNNClassifier : A seed.

    Notes
    -----
    Volumes are used as they are, but for one scale: a volume's mean plays no part, contrast
    and size do. Time goes with the product of volumes, classes, rotations, shifts and coefficients.
    Memory goes with the number of volumes, of which the coefficients compared are kept, and with
    that of volumes times classes, of each of which up to 256 probable poses are kept.

    References
    ----------
    Scheres et al., "Averaging of electron subtomograms and random conical tilt reconstructions
    through likelihood optimization", Structure 17, 2009.

    Dempster, Laird & Rubin, "Maximum likelihood from incomplete data via the EM algorithm", Journal
    of the Royal Statistical Society B 39, 1977.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.model_selection import mask_labels
    >>> from sksubtomo.semi_supervised import MultiReferenceClassifier
    >>> X, y = make_subtomograms(20, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=3, random_state=0)
    >>> clf = MultiReferenceClassifier(stages=[(3, 60, 1, 3)], n_frozen_iter=1, random_state=0)
    >>> clf.fit(X, y_masked).references_.shape
    (2, 16, 16, 16)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "tilt_range_deg": [NumberInterval(Real, 0, 90, closed="right"), "array-like"],
        "max_shift_voxels": [NumberInterval(Real, 0, None, closed="left")],
        "mask_radius_voxels": [NumberInterval(Real, 0, None, closed="neither"), None],
        "stages": ["array-like"],
        "n_init": [NumberInterval(Integral, 1, None, closed="left")],
        "n_frozen_iter": [NumberInterval(Integral, 0, None, closed="left")],
        "class_perplexity": [NumberInterval(Real, 1, None, closed="left"), None],
        "noise": [StrOptions({"white", "shells"})],
        "class_prior": [StrOptions({"uniform", "labels"}), "array-like", None],
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
        max_shift_voxels=2.0,
        mask_radius_voxels=None,
        stages=((4.0, 36.0, 1, 2), (5.0, 28.5, 3, 10), (6.5, 24.0, 3, 4)),
        n_init=1,
        n_frozen_iter=2,
        class_perplexity=None,
        noise="white",
        class_prior="uniform",
        classes=None,
        volume_shape=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.tilt_range_deg = tilt_range_deg
        self.max_shift_voxels = max_shift_voxels
        self.mask_radius_voxels = mask_radius_voxels
        self.stages = stages
        self.n_init = n_init
        self.n_frozen_iter = n_frozen_iter
        self.class_perplexity = class_perplexity
        self.noise = noise
        self.class_prior = class_prior
        self.classes = classes
        self.volume_shape = volume_shape
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    @warning_once()
    def fit(self, X, y, **params):
        """Fit references to volumes and their labels, where known.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
            Volumes, axes z, y, x, in cubic boxes; or flat rows, see ``volume_shape``.
        y : array-like of shape (n_samples,)
            Labels, integers or strings. -1 is unlabeled; with strings also ``None`` and
            ``"unlabeled"``.
        **params : dict
            Metadata for ``fit`` of `estimator`, where scikit-learn's metadata routing is enabled.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `X` or `y` is malformed, boxes are no cubes, no volume or only one class is labeled,
            or a parameter does not fit the data; before any work.
        """
        with unchanged_on_error(self):
            return self._fit(X, y, params)

    def _fit(self, X: Any, y: Any, params: Mapping[str, Any]) -> MultiReferenceClassifier:
        device = resolve_device(self.device)
        torch.empty(0, device=device)  # one that does not exist fails here, not after work
        check_tilt_range(self.tilt_range_deg)
        stages = check_stages(self.stages, self.n_frozen_iter)
        routed = routed_params(self, "fit", params)["estimator"]["fit"]
        volumes = check_volumes(self, X, volume_shape=self.volume_shape, reset=True)
        check_cubes(type(self).__name__, self.volume_shape_)
        targets, classes = self._encode(y, len(volumes))
        prior = check_class_prior(self.class_prior, targets, classes)
        rng = check_random_state(self.random_state)
        grids = [(self._poses(stage, stages), stage[3]) for stage in stages]
        finest = self._poses(stages[-1], stages)
        coefficients = all_coefficients(finest, volumes)
        # float64: a float32 cannot hold the square of a large unit.
        scale = float(coefficients.abs().double().square().mean().sqrt()) or 1.0
        noise = self._first_noise(finest, volumes, coefficients) / scale**2
        estimator, initial_proba = self._initial_proba(X, y, classes, routed)
        perplexity = self.class_perplexity
        make = partial(
            MultiReferenceEM,
            grids,
            coefficients / scale,
            finest,
            targets,
            initial_proba=initial_proba,
            noise=noise,
            by_shell=self.noise == "shells",
            prior=prior,
            n_frozen=int(self.n_frozen_iter),
            perplexity=len(classes) ** (2 / 3) if perplexity is None else float(perplexity),
            report=self._report,
            device=device,
        )
        starts = self._starts(make, targets, initial_proba, len(classes), rng)
        likeliest = max(starts, key=lambda em: em.log_likelihood)
        self.estimator_, self.classes_ = estimator, classes
        self._record(likeliest, finest, scale, prior)
        return self

    def _starts(
        self,
        make: Callable[..., MultiReferenceEM],
        targets: NDArray[np.int64],
        initial_proba: NDArray[np.float64] | None,
        n_classes: int,
        rng: np.random.RandomState,
    ) -> Iterator[MultiReferenceEM]:
        """Yield all starts, one after the other, each run to its end."""
        hidden = targets < 0
        for start in range(self.n_init if hidden.any() else 1):
            rows = starting_rows(targets, initial_proba, n_classes, rng)
            held_back = hidden & (rng.uniform(size=len(targets)) < 0.5) if start else None
            em = make(start=rows, held_back=held_back)
            with keeping_freed_memory(), holding_precision("float32", resolve_device(self.device)):
                em.run()
            yield em

    def _first_noise(self, finest: Poses, volumes: Any, coefficients: torch.Tensor) -> float:
        """Return the noise power to begin with, in the units of the volumes."""
        if self.noise == "white":
            power = background_power(finest, volumes, self.tilt_range_deg)
        else:
            # The outermost shell is mostly noise.
            power = float(shell_power(finest, coefficients)[-1])
        if not power > 0:
            raise ValueError(
                "X has no power in the outermost shell of the last of stages, where noise is "
                "measured: are all values equal?"
            )
        return power

    def _encode(self, y: Any, n_samples: int) -> tuple[NDArray[np.int64], NDArray]:
        targets, classes = encode_labels(y, self.classes)
        check_consistent_length(np.empty(n_samples), targets)
        check_enough_classes(type(self).__name__, targets, classes)
        return targets, classes

    def _initial_proba(
        self, X: Any, y: Any, classes: NDArray, params: Mapping[str, Any]
    ) -> tuple[Any, NDArray[np.float64] | None]:
        """Fit the estimator; return it with its probabilities in the order of the classes."""
        fitted = self.estimator
        if fitted is None:
            return None, None
        if isinstance(fitted, FrozenEstimator):
            check_is_fitted(fitted)
        else:
            fitted = clone(fitted).fit(X, y, **params)
        known = fitted.classes_
        unknown = known if is_text(known) != is_text(classes) else np.setdiff1d(known, classes)
        if len(unknown):
            raise ValueError(
                f"estimator knows the classes {unknown.tolist()}, which are not among "
                f"{classes.tolist()}. It has to take -1 in y for 'unlabeled'; an ordinary "
                "classifier does so within SelfTrainingClassifier."
            )
        given = fitted.predict_proba(X)
        probabilities = np.zeros((len(given), len(classes)))
        probabilities[:, np.searchsorted(classes, known)] = given
        return fitted, probabilities

    def _poses(self, stage: Stage, stages: list[Stage]) -> Poses:
        """Return the grid of poses of a stage, for maps as fine as the finest stage asks for."""
        return stage_poses(
            stage,
            self.volume_shape_,
            finest=max(n_shells for n_shells, *_ in stages),
            max_shift=float(self.max_shift_voxels),
            tilt_range_deg=self.tilt_range_deg,
            mask_radius=None if self.mask_radius_voxels is None else float(self.mask_radius_voxels),
        )

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

    def _report(self, entry: dict[str, Any]) -> None:
        if self.verbose:
            print(", ".join(f"{name} {value:.4g}" for name, value in entry.items()))  # noqa: T201

    def _record(
        self,
        em: MultiReferenceEM,
        finest: Poses,
        scale: float,
        prior: NDArray[np.float64] | None,
    ) -> None:
        self._finest = finest
        self.references_ = finest.to_references(em.maps) * np.float32(scale)
        self.noise_power_ = em.noise.numpy().astype(np.float64) * scale**2
        n = len(self.classes_)
        self.class_log_prior_ = np.log(np.full(n, 1 / n) if prior is None else prior)
        self.transduction_ = self.classes_[em.labels.numpy()]
        self.log_likelihood_ = em.log_likelihood
        self.history_ = em.history
        self.n_iter_ = len(em.history)
