"""Classification of the candidates of a picker: particles, and what is none."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_consistent_length

from sksubtomo._utils._docs import documented
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import store_parameters
from sksubtomo._utils._sklearn import HasMethods, StrOptions, fit_context
from sksubtomo._utils._volumes import check_volumes, unchanged_on_error
from sksubtomo.alignment import Annealing
from sksubtomo.semi_supervised._base_candidate import BaseCandidateClassifier
from sksubtomo.semi_supervised._candidate_columns import (
    Columns,
    check_covariates,
    check_no_placeholders,
    check_tomograms,
    offsets_of,
    shrinkage_of,
    usual_of,
)
from sksubtomo.semi_supervised._candidate_parts import (
    Task,
    encode_candidates,
    learn,
    make_folds,
    rows_to_learn_from,
    sampling_counts,
    take,
)
from sksubtomo.semi_supervised._multi_reference import MultiReferenceClassifier
from sksubtomo.semi_supervised._stacking import (
    Folds,
    Scaler,
    calibration_line,
    gains,
    limits_of,
    log_odds,
    out_of_fold,
)

# Standard deviations of the normal priors of slopes, per standard deviation of a feature: columns
# of a picker are few and informative. Chosen on seeds of `benchmarks/cleaning` from 100 on.
_PRIOR = {"covariates": 3.0, "statistics": 1.0, "references": 1.0, "network": 1.0}
# Pickers center particles. What is none lies anywhere, so that labels say nothing of shifts.
_MAX_SHIFT_VOXELS = 2.0
# Coarse to fine; class probabilities are given, and kept for the first three iterations.
_ANNEALING: dict[str, Any] = {
    "stages": ((4.0, 36.0, 1, 3), (6.5, 24.0, "auto", 4)),
    "n_frozen_iter": 3,
    "class_perplexity": 1.0,
}
_LEAST_EDGE = 8


@documented
class CandidateClassifier(BaseCandidateClassifier):
    r"""Classifier of a picker's candidates, from few labels and several kinds of evidence.

    The ingredients: columns of the candidates, such as the picker's score (``covariates`` of
    :meth:`fit`); figures of their boxes that no rotation changes, which tell gold, ice and
    membranes from particles; references of the classes in all orientations, which begin with all
    candidates, weighted by what columns and figures say of them; and any classifier of volumes,
    for what has no single structure. They are combined by a logistic regression

    .. math::

        p(y = k) \propto \exp\Big(b_k + \sum_j w_{kj} x_j\Big), \qquad w_{kj} \sim N(0, C s_j^2)

    with a prior of width :math:`s_j` for each ingredient. References and the network are fitted to
    parts of the labels, and the regression sees what they say of the others (stacking [1]_). Of two
    classes, log odds are then calibrated by a line through those of left-out labels [3]_.

    Parameters
    ----------
    references : "auto", MultiReferenceClassifier or None, default="auto"
        Settings of the references. "auto" has ``tilt_range_deg``, shifts of up to 2 voxels and a
        schedule for few labels, and is left out for boxes that are no cubes. None switches them
        off.
    network : classifier or None, default=None
        For example a pipeline with :class:`~sksubtomo.neural_network.CNNClassifier` and
        augmentation. It takes -1 in `y` for unlabeled. None is no network: it takes most of the
        time of a fit.
    statistics : bool, default=True
        Whether to use image statistics of the boxes. Values beyond four standard deviations from
        the median, estimated from quartiles, are limited to that.
    background : int or str, optional
        Label of what is no particle. Needed where only particles are labeled, at least two and of
        one class: unlabeled candidates are then a mixture of the two [2]_, and labels have to be
        drawn at random among the particles. Where it occurs in `y`, it changes nothing.
    C : float, default=1.0
        Variance of the prior of all slopes, relative to the default one.
    cv : int, default=3
        Parts of the labels; fewer where a class has fewer labels.
    max_unlabeled : int, default=1000
        Unlabeled candidates, drawn at random, that references and network learn from at most.
    tilt_range_deg : float or (float, float), default=60
        Lowest and highest tilt in degrees, for ``references="auto"``.
    %(volume_shape)s
    %(device)s
    random_state : int, RandomState instance or None, default=None
        Draws parts of the labels and unlabeled candidates.

    Attributes
    ----------
    %(classes_)s
    coef_ : ndarray of shape (n_classes or 1, n_features)
        Slopes of the standardized features, times the width of their priors.
    intercept_ : ndarray of shape (n_classes or 1,)
        Intercepts.
    ingredients_ : list of str
        Those that took part: "covariates", "statistics", "references", "network".
    contributions_ : dict of str to float
        By how much the log loss of left-out labels rises without each ingredient; positive is
        useful, about 0 does no harm. Empty where only particles are labeled.
    out_of_fold_ : Bunch
        ``rows``, ``labels`` and ``probabilities`` of labeled candidates, by fits that did not see
        their labels. Empty where only particles are labeled.
    tomograms_ : list of str
        Tomograms of the fit, relative to whose medians candidates are judged; empty without.
    fold_references_, fold_networks_ : list
        Those of each part of the labels; the mean of what they say is used.
    %(n_features_in_)s
    %(feature_names_in_)s
    %(volume_shape_)s

    See Also
    --------
    sksubtomo.metrics.operating_point : Threshold for a stated precision or recall.
    MultiReferenceClassifier : Where every class has a structure.

    Notes
    -----
    Probabilities are calibrated for labels that are drawn at random from the candidates. References
    and network are left out unless two classes have two labels each: a single label of a class
    cannot be held back, so that what they say of it is not used.

    References
    ----------
    .. [1] Wolpert, "Stacked generalization", Neural Networks 5, 1992.
    .. [2] Elkan & Noto, "Learning classifiers from only positive and unlabeled data", KDD 2008.
    .. [3] Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
       likelihood methods", Advances in Large Margin Classifiers, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.semi_supervised import CandidateClassifier
    >>> X, y = make_subtomograms(60, classes=["groel", "ribosome_70s"], box_size=16,
    ...                          voxel_size_angstrom=20.0, return_X_y=True, random_state=0)
    >>> score = y + np.random.default_rng(0).normal(size=60)
    >>> y_masked = np.where(np.arange(60) < 20, y, -1)
    >>> clf = CandidateClassifier(references=None).fit(X, y_masked, covariates=score)
    >>> clf.predict_proba(X, covariates=score).shape
    (60, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "references": [MultiReferenceClassifier, StrOptions({"auto"}), None],
        "network": [HasMethods(["fit", "predict_proba"]), None],
        "statistics": ["boolean"],
        "background": [Integral, str, None],
        "C": [NumberInterval(Real, 0, None, closed="neither")],
        "cv": [NumberInterval(Integral, 2, None, closed="left")],
        "max_unlabeled": [NumberInterval(Integral, 0, None, closed="left")],
        "tilt_range_deg": [NumberInterval(Real, 0, 90, closed="right"), "array-like"],
        "volume_shape": [None, NumberInterval(Integral, 1, None, closed="left"), "array-like"],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        references="auto",
        network=None,
        *,
        statistics=True,
        background=None,
        C=1.0,
        cv=3,
        max_unlabeled=1000,
        tilt_range_deg=60.0,
        volume_shape=None,
        device="auto",
        random_state=None,
    ):
        store_parameters(self, locals())

    @fit_context(prefer_skip_nested_validation=False)
    @warning_once()
    def fit(self, X, y, *, covariates=None, tomograms=None):
        """Fit to labeled and unlabeled candidates.

        Parameters
        ----------
        X : array-like of shape (n_samples, d, h, w) or (n_samples, n_voxels)
            Boxes of the candidates; or flat rows, see ``volume_shape``.
        y : array-like of shape (n_samples,)
            Labels, integers or strings. -1 is unlabeled; with strings also ``None`` and
            ``"unlabeled"``.
        covariates : array-like of shape (n_samples,) or (n_samples, n_covariates), optional
            Columns of the candidates, such as the picker's score.
        tomograms : array-like of shape (n_samples,), optional
            Tomogram of each candidate. With it, columns and figures are taken relative to their
            medians in the tomogram, shrunk to those of all candidates where a tomogram has few and
            tomograms differ little.

        Returns
        -------
        self : CandidateClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If `X`, `y` or the columns are malformed, no candidate is labeled, only one class is
            and ``background`` is not set, ``background`` has no label beside several classes, a
            column has a number that stands for a missing one, or there is no ingredient.
        """
        with unchanged_on_error(self):
            return self._fit(X, y, covariates, tomograms)

    def _fit(self, X: Any, y: Any, covariates: Any, tomograms: Any) -> CandidateClassifier:
        name = type(self).__name__
        volumes = check_volumes(self, X, volume_shape=self.volume_shape, reset=True)
        targets, classes, positive = encode_candidates(name, y, self.background)
        check_consistent_length(targets, np.empty(len(volumes)))
        if positive is not None and not self.max_unlabeled:
            raise ValueError(
                f"{name} learns what is no particle from unlabeled candidates where only particles "
                "are labeled, and max_unlabeled=0 leaves none. Raise it."
            )
        columns = check_covariates(covariates, len(volumes))
        self._usual = usual_of(columns)
        check_no_placeholders(columns, self._usual)
        names = check_tomograms(tomograms, len(volumes))
        self._n_covariates, self.covariate_names_ = columns.values.shape[1], columns.names
        template, rng = self._template(), check_random_state(self.random_state)
        if not (self._n_covariates or self.statistics or template or self.network):
            raise ValueError(
                f"{name} has nothing to tell candidates apart by: pass covariates, or switch on "
                "references, network or statistics."
            )
        static = self._begin(volumes, columns, names)
        # First, so that parts of the labels do not depend on how many others there are.
        seed = rng.randint(2**31 - 1)
        rows = rows_to_learn_from(targets, int(self.max_unlabeled), rng)
        task = Task(
            volumes if len(rows) == len(volumes) else take(volumes, rows),
            static[rows],
            targets[rows],
            sampling_counts(targets, rows),
            classes,
            positive,
            float(self.C),
        )
        folds = make_folds(task, int(self.cv), seed)
        self.classes_ = classes
        learned = learn(task, folds, template, self.network)
        self.fold_references_, self.fold_networks_ = learned.references, learned.networks
        scaler = Scaler(learned.features[task.rows_of_regression])
        self._learned_location, self._learned_scale = scaler.center, scaler.spread
        self._learned_width = self._learned_widths(learned.features.shape[1])
        design = np.hstack([task.design, scaler(learned.features) * self._learned_width])
        regression = task.regression(design, task.targets)
        self.coef_, self.intercept_ = regression.coef_, regression.intercept_
        self._judge(task, design, folds, rows)
        return self

    def _judge(self, task: Task, design: NDArray, folds: Folds, rows: NDArray) -> None:
        """Record what left-out labels say: probabilities, and what each ingredient adds."""
        groups = self._groups(design.shape[1])
        self.ingredients_ = list(groups)
        self.contributions_: dict[str, float] = {}
        self.out_of_fold_ = Bunch(
            rows=rows[:0], labels=self.classes_[:0], probabilities=np.empty((0, 2))
        )
        if task.positive is not None or not folds:
            return
        labeled = np.sort(np.concatenate([test for _, test in folds]))
        n_classes = len(self.classes_)
        probabilities = out_of_fold(design, task.targets, folds, n_classes, task.C)[labeled]
        if n_classes == 2:
            slope, offset = calibration_line(probabilities, task.targets[labeled])
            self.coef_ = slope * self.coef_
            self.intercept_ = slope * self.intercept_ + offset
            odds = slope * log_odds(probabilities)[:, 0] + offset
            probabilities = expit(np.column_stack([-odds, odds]))
        self.out_of_fold_ = Bunch(
            rows=rows[labeled],
            labels=self.classes_[task.targets[labeled]],
            probabilities=probabilities,
        )
        self.contributions_ = gains(design, task.targets, folds, n_classes, groups, task.C)

    def _template(self) -> MultiReferenceClassifier | None:
        """Return the settings of references, None where they are switched off."""
        if not isinstance(self.references, str):
            if self.references is not None and self.references.estimator is not None:
                raise ValueError(
                    "references has an estimator of its own, but begins with the class "
                    "probabilities that columns and figures give. Set references__estimator=None."
                )
            return self.references
        if len(set(self.volume_shape_)) > 1 or self.volume_shape_[0] < _LEAST_EDGE:
            return None
        return MultiReferenceClassifier(
            annealing=Annealing(**_ANNEALING),
            tilt_range_deg=self.tilt_range_deg,
            max_shift_voxels=_MAX_SHIFT_VOXELS,
            class_prior=None,
            device=self.device,
            random_state=0,
        )

    def _begin(self, volumes: Any, columns: Columns, names: Any) -> NDArray[np.float64]:
        """Return features that no label has a part in, standardized and scaled by their priors."""
        raw = self._raw(volumes, columns)
        self._center = np.median(raw, axis=0)
        self._offsets: dict[str, NDArray] = {}
        if names is not None:
            self._shrinkage = shrinkage_of(raw, names, self._center)
            self._offsets = offsets_of(raw, names, self._center, self._shrinkage)
        raw = self._relative(raw, names)
        self._limits = limits_of(raw)
        # Columns of a picker are taken as they are.
        self._limits[:, : self._n_covariates] = [[-np.inf], [np.inf]]
        raw = np.clip(raw, *self._limits)
        scaler = Scaler(raw)
        self._location, self._scale = scaler.center, scaler.spread
        self._width = np.full(raw.shape[1], _PRIOR["statistics"])
        self._width[: self._n_covariates] = _PRIOR["covariates"]
        return scaler(raw) * self._width

    def _learned_widths(self, n_features: int) -> NDArray[np.float64]:
        widths = np.full(n_features, _PRIOR["references"])
        n_network = len(self.classes_) - 1 if self.fold_networks_ else 0
        widths[n_features - n_network :] = _PRIOR["network"]
        return widths

    def _groups(self, n_features: int) -> dict[str, slice]:
        """Return the columns of each ingredient."""
        n_network = len(self.classes_) - 1 if self.fold_networks_ else 0
        ends = {
            "covariates": self._n_covariates,
            "statistics": len(self._width),
            "references": n_features - n_network,
            "network": n_features,
        }
        starts = [0, *ends.values()]
        return {
            name: slice(start, end)
            for (name, end), start in zip(ends.items(), starts, strict=False)
            if end > start
        }

    def get_metadata_routing(self):
        """Return which metadata the estimator requests.

        %(routing)s
        """
        return MetadataRouter(owner=self).add_self_request(self)
