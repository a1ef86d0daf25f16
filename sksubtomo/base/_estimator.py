"""What all estimators on volumes share: resolve settings, check data, build the net, fit it."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_consistent_length

from sksubtomo._torch import distributed_training, draw_seeds, holding_precision
from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._answers import check_answers
from sksubtomo._utils._callbacks import CallbackSupportMixin, FitTasks
from sksubtomo._utils._checkpoint import CheckpointPart, opened
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._labels import UNLABELED
from sksubtomo._utils._settings import HasSettings, store_parameters
from sksubtomo._utils._sklearn import fit_context
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.base._checkpoint import begin_checkpoint, seeds_of
from sksubtomo.base._checks import (
    check_cubes,
    check_number,
    check_same_shape,
    check_tilt_ranges,
    check_use_of_tilt_ranges,
    check_validation,
)
from sksubtomo.base._data import FitData, make_dataset
from sksubtomo.base._settings import (
    CONSTRAINTS,
    SETTINGS,
    Uses,
    check_unchanged,
    make_settings,
    resolve,
)
from sksubtomo.base._undone import undone_on_error
from sksubtomo.training import (
    FitSettings,
    Plan,
    TrainingRecord,
    VolumeDataset,
    VolumeNet,
    collect,
    epoch_figures,
    forward_batches,
    kept_epoch,
    make_net,
    scaling_of,
    to_input,
    warn_of_dead_code,
)


@documented
class BaseVolumeEstimator(
    DocLinkMixin, HasSettings, CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of estimators that train a network on volumes.

    :meth:`fit` is final. A subclass says in :meth:`plan` which network it trains with which loss on
    which views, and names the settings it has a use for in ``uses``. The other hooks have defaults.
    They are called in this order:

    1. :meth:`resolve_settings` puts all settings, checked and complete, into one value.
    2. :meth:`encode_targets` turns labels into class indices; :meth:`encode_validation` those of
       ``y_val``.
    3. :meth:`plan` says what to train. It raises whatever can be known to be wrong before work
       starts.
    4. :meth:`network_inputs` says what the network is given instead of volumes, in predictions,
       too.
    5. :meth:`prepare` takes from the volumes what has to be there before the net: their scale, a
       pre-trained encoder. Only where a net is made.
    6. :meth:`start_from` sets weights of a new net.
    7. :meth:`record` sets attributes that tell of a training, :meth:`conclude` those of a whole
       :meth:`fit`.

    A net that is trained further goes through the same steps but 5 and 6. Settings and plan reach
    a net in one way, new or not: :meth:`~sksubtomo.training.VolumeNet.apply`.
    """

    #: What the estimator does with its settings.
    uses: ClassVar[Uses] = Uses()
    #: Whether unlabeled volumes are trained on.
    learns_from_unlabeled: ClassVar[bool] = True
    #: Of fewer volumes, there would be no loss to train with, or to watch.
    fewest_volumes: ClassVar[int] = 1

    _settings_names: ClassVar[tuple[str, ...]] = SETTINGS
    _make_settings = make_settings
    _parameter_constraints: ClassVar[dict[str, list]] = CONSTRAINTS

    def __init__(
        self,
        *,
        network="liu2019",
        augmentation="none",
        training=None,
        learning_rate=1e-4,
        batch_size=64,
        max_epochs=100,
        early_stopping=True,
        warm_start=False,
        volume_shape=None,
        device="auto",
        precision="auto",
        random_state=None,
    ):
        store_parameters(self, locals())

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_val=None, y_val=None, tilt_ranges_deg=None, checkpoint=None):
        """Fit to volumes and their labels, where known.

        Parameters
        ----------
        %(X)s
        y : array-like of shape (n_samples,)
            Labels, integers or strings. -1 is unlabeled; with strings also
            ``None`` and ``"unlabeled"``. Not used by estimators that are no classifiers.
        X_val : array-like of shape (n_val, depth, height, width) or (n_val, n_voxels), optional
            Volumes for ``early_stopping`` to watch, instead of a part of `X`.
        y_val : array-like of shape (n_val,), optional
            Their labels. They are labels that somebody gave: count them with those of `y`.
        tilt_ranges_deg : array-like of shape (n_samples, 2), optional
            Lowest and highest tilt of each volume of `X` in degrees, instead of one
            ``tilt_range_deg`` for all in ``augmentation``; in training, not in prediction.
        %(checkpoint)s

        %(fitted_self)s

        Raises
        ------
        ValueError
            If `X` or `y` is malformed, no volume or only one class is labeled, the box is too
            small for the network, or `checkpoint` is of another fit; before any training.
        KeyboardInterrupt
            If the training is interrupted, as by Ctrl-C. The estimator is what it was before,
            unless ``keep_interrupted`` of ``training`` is True: then the training ends with the
            weights that it has, and a ConvergenceWarning.

        Warns
        -----
        DeadCodeWarning
            If there is a code that is the same for all volumes, or a reconstruction.
        """
        resume = self.warm_start and hasattr(self, "net_")
        with undone_on_error(self), opened(checkpoint) as kept:
            settings = self.resolve_settings()
            with distributed_training(settings.training.accelerate, self.device):
                data, plan = self._check(settings, X, y, resume=resume)
                if tilt_ranges_deg is not None:
                    check_use_of_tilt_ranges(settings, plan, X_val)
                    ranges = check_tilt_ranges(tilt_ranges_deg, len(data.X))
                    data = data._replace(tilt_ranges_deg=ranges)
                data = data._replace(validation=check_validation(self, plan, X_val, y_val))
                if kept is not None:
                    begin_checkpoint(kept, self, settings, data, resume=resume)
                tasks = FitTasks(self, settings.max_epochs, "epoch", X=X, y=y)
                self._train(settings, plan, data, resume=resume, tasks=tasks, checkpoint=kept)
                self.conclude(data.X, data.targets)
                remedy = getattr(self.net_.criterion_, "dead_code_remedy", "")
                warn_of_dead_code(kept_epoch(self.net_), remedy, stacklevel=4)
        tasks.end()
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Train for one more epoch on the given volumes, without validation.

        Parameters
        ----------
        %(X)s
        y : object
            Not used.

        %(fitted_self)s

        Raises
        ------
        ValueError
            As :meth:`fit`; also for a box size that the first call did not have.
        """
        return self._partial_fit(X, y)

    def _partial_fit(self, X: Any, y: Any, classes: Any = None) -> BaseVolumeEstimator:
        resume = hasattr(self, "net_")
        with undone_on_error(self):
            settings = self.resolve_settings()
            with distributed_training(settings.training.accelerate, self.device):
                data, plan = self._check(
                    settings, X, y, resume=resume, classes=classes, partial=True
                )
                self._train(settings, plan, data, resume=resume)
        return self

    # --- Hooks ------------------------------------------------------------------------------

    def resolve_settings(self) -> FitSettings:
        """Return all settings, checked and complete; an estimator inside adds its own."""
        return resolve(self)

    def encode_targets(
        self, y: Any, n_samples: int, *, resume: bool, classes: Any, partial: bool
    ) -> NDArray[np.int64]:
        """Turn `y` into class indices, -1 for unlabeled; without classes, all are."""
        return np.full(n_samples, UNLABELED)

    def encode_validation(self, y_val: Any, n_samples: int, plan: Plan) -> NDArray[np.int64]:
        """Turn `y_val` into class indices, -1 for unlabeled; without classes, all are."""
        return np.full(n_samples, UNLABELED)

    @abstractmethod
    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Say what to train.

        Parameters
        ----------
        settings : FitSettings
            All settings.
        targets : ndarray of shape (n_samples,)
            Class indices, -1 for unlabeled.

        Returns
        -------
        plan : Plan
            New in each call; ``volume_shape_`` and, of classifiers, ``classes_`` are set before.

        Raises
        ------
        ValueError
            If settings do not go together.
        """

    def network_inputs(
        self, volumes: Any, *, beginning: bool = False, checkpoint: CheckpointPart | None = None
    ) -> Any:
        """Return what the network is given; `beginning`, a new net is to be made."""
        return volumes

    def prepare(
        self,
        inputs: Any,
        rows: NDArray[np.intp],
        settings: FitSettings,
        checkpoint: CheckpointPart | None = None,
    ) -> None:
        """Set what has to be there before a net is made: ``offset_`` and ``scale_``.

        Parameters
        ----------
        inputs : array of shape (n_samples, depth, height, width)
            What the network is given.
        rows : ndarray of int
            Which of them are trained on.
        settings : FitSettings
            All settings.
        checkpoint : CheckpointPart, optional
            That of this fit; what is fitted here gets a part of it.
        """
        self.offset_, self.scale_ = 0.0, 1.0
        if settings.training.standardize:
            self.offset_, self.scale_ = scaling_of(
                inputs if len(rows) == len(inputs) else inputs[rows]
            )

    def start_from(self, net: VolumeNet) -> None:
        """Set weights of a new net, where they are not to be random."""

    def record(self, dataset: VolumeDataset) -> None:
        """Set the attributes that tell of the training."""
        # The last epoch may be torn, if an interrupted training is kept.
        complete = [epoch for epoch in self.net_.history if "train_loss" in epoch]
        self.history_ = [epoch_figures(epoch) for epoch in complete]
        self.n_iter_ = len(self.history_)
        self.precision_ = self.net_.products_in()
        if "train_loss" not in self.net_.history[-1]:
            warnings.warn(
                f"Training was interrupted after {self.n_iter_} epochs; its weights are kept.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def conclude(self, volumes: Any, targets: NDArray[np.int64]) -> None:
        """Set what a fitted estimator says of the volumes that it was fitted to, if anything."""

    # --- Steps of a fit ---------------------------------------------------------------------

    def _check(
        self,
        settings: FitSettings,
        X: Any,
        y: Any,
        *,
        resume: bool,
        classes: Any = None,
        partial: bool = False,
    ) -> tuple[FitData, Plan]:
        """Validate everything that can be, before work starts."""
        if resume:
            check_unchanged(self._made_with, settings.fixed())
            check_same_shape(self.volume_shape, self.volume_shape_)
        X = check_volumes(self, X, volume_shape=self.volume_shape, reset=not resume)
        check_number(type(self).__name__, X, self.fewest_volumes, "X")
        if settings.views().need_cubes:
            check_cubes(self.volume_shape_)
        if y is not None:
            check_consistent_length(X, y)
        targets = self.encode_targets(y, len(X), resume=resume, classes=classes, partial=partial)
        # Whatever mode the caller is in: no tensor of the plan may be one of inference.
        with torch.inference_mode(False), torch.enable_grad():
            return FitData(X, targets), self.plan(settings, targets)

    # Whatever mode the caller is in: no tensor that is made here may be one of inference.
    @torch.inference_mode(False)
    @torch.enable_grad()
    def _train(
        self,
        settings: FitSettings,
        plan: Plan,
        data: FitData,
        *,
        resume: bool,
        tasks: FitTasks | None = None,
        checkpoint: CheckpointPart | None = None,
    ) -> None:
        """Train a net, new or not; without tasks, which tell of epochs, for a single epoch."""
        X = self.network_inputs(data.X, beginning=not resume, checkpoint=checkpoint)
        if data.validation is not None:
            X_val, targets_val = data.validation
            data = data._replace(validation=(self.network_inputs(X_val), targets_val))
        data = data._replace(X=X)
        seeds = seeds_of(checkpoint, draw_seeds(self.random_state, 3, self.device))
        init_seed, shuffle_seed, split_seed = seeds
        rows = np.flatnonzero(self.learns_from_unlabeled | (data.targets >= 0))
        if not resume:
            self.prepare(X, rows, settings, checkpoint)
            self._made_with = settings.fixed()
            self.net_ = make_net(plan, settings, init_seed=init_seed, shuffle_seed=shuffle_seed)
            self.start_from(self.net_)
        self.net_.apply(plan, settings)
        self.net_.set_params(max_epochs=1 if tasks is None else settings.max_epochs)
        dataset = make_dataset(
            data,
            rows,
            offset=self.offset_,
            scale=self.scale_,
            watches_unlabeled=plan.watches_unlabeled,
            held_out=0.0 if tasks is None else settings.held_out,
            smallest=self.fewest_volumes,
            split_seed=split_seed,
        )
        if not settings.training.n_workers:  # forked, they cannot use a GPU
            dataset.cache_on(self.net_.device)
        # Backward passes, too, need the precision that the layers compute in.
        self.net_.tasks_ = tasks
        self.net_.record_ = checkpoint and TrainingRecord(checkpoint, {"seeds": seeds})
        try:
            with (
                keeping_freed_memory(),
                holding_precision(self.net_.products_in(), self.net_.device),
            ):
                self.net_.partial_fit(dataset)
        finally:
            self.net_.tasks_ = self.net_.record_ = None
        self.record(dataset)

    # --- Predictions ------------------------------------------------------------------------

    def _forward(self, method: str, inputs: Any) -> NDArray[np.float32]:
        """Apply a method of the network to validated volumes, or to latent codes."""
        with keeping_freed_memory():
            answers = collect(self._forward_batches(method, inputs), len(inputs))
        if np.ndim(inputs) == 4:  # not latent codes, which have no scale
            check_answers(type(self).__name__, answers, inputs, self.scale_)
        return answers

    def _forward_batches(self, method: str, inputs: Any) -> Iterator[NDArray[np.float32]]:
        inputs = self.network_inputs(inputs)
        return forward_batches(
            self.net_.prediction_function(method),
            inputs,
            # A tensor on the memory of latent codes, which may be read-only, would be writable.
            self._to_input if np.ndim(inputs) == 4 else torch.tensor,
            module=self.net_.predictor_,
            device=self.net_.device,
            voxels_per_sample=self.n_features_in_,
        )

    def _to_input(self, volumes: NDArray[np.float32]) -> torch.Tensor:
        return to_input(volumes, self.offset_, self.scale_)
