"""What all estimators on volumes share: check, encode labels, seed, build the net, fit it."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sksubtomo._torch import distributed_training, draw_seeds, holding_precision, n_processes
from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._callbacks import CallbackSupportMixin, FitTasks
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._params import to_plain
from sksubtomo._utils._volumes import unchanged_on_error
from sksubtomo.base._augmented import check_tilt_ranges, make_augmentation
from sksubtomo.base._checks import ChecksMixin, ValidationData
from sksubtomo.base._parameters import CONSTRAINTS
from sksubtomo.base._settings import SettingsMixin
from sksubtomo.training import (
    ViewPolicy,
    VolumeDataset,
    build_net,
    collect,
    epoch_figures,
    forward_batches,
    hold_out,
    scaling_of,
    set_progress_bar,
    to_input,
)


class BaseVolumeEstimator(
    DocLinkMixin, SettingsMixin, ChecksMixin, CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of estimators that train a network on volumes.

    A subclass names its network and its loss and says how targets become class
    indices; seeding, scaling, hold-out, training and the fitted attributes are here.
    """

    #: Classes of the network and of the loss.
    _network: ClassVar[type[torch.nn.Module]]
    _criterion: ClassVar[type[torch.nn.Module]]
    #: Whether unlabelled volumes are trained on.
    _learns_from_unlabeled: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list]] = CONSTRAINTS

    def __init__(
        self,
        *,
        network="liu2019",
        network_params=None,
        augmentation="none",
        test_time_rotations=0,
        training_params=None,
        learning_rate=1e-4,
        batch_size=64,
        max_epochs=100,
        early_stopping=True,
        validation_fraction=0.1,
        warm_start=False,
        volume_shape=None,
        device="auto",
        precision="auto",
        random_state=None,
        verbose=0,
    ):
        self.network = network
        self.network_params = network_params
        self.augmentation = augmentation
        self.test_time_rotations = test_time_rotations
        self.training_params = training_params
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.volume_shape = volume_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_val=None, y_val=None, tilt_ranges_deg=None):
        """Fit to volumes and their labels, where known.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes, axes z, y, x; or flat rows, see ``volume_shape``.
        y : array-like of shape (n_samples,)
            Labels, integers or strings. -1 is unlabelled; with strings also
            ``None`` and ``"unlabeled"``. Not used by estimators that are no classifiers.
        X_val : array-like of shape (n_val, depth, height, width) or (n_val, n_voxels), optional
            Volumes for ``early_stopping`` to watch, instead of a part of `X`.
        y_val : array-like of shape (n_val,), optional
            Their labels. They are labels that somebody gave: count them with those of `y`.
        tilt_ranges_deg : array-like of shape (n_samples, 2), optional
            Lowest and highest tilt of each volume of `X` in degrees, instead of one
            ``tilt_range_deg`` for all in ``augmentation``; in training, not in prediction.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `X` or `y` is malformed, no volume or only one class is labelled, or the box is
            too small for the network; before any training.
        KeyboardInterrupt
            If the training is interrupted, as by Ctrl-C. The estimator is what it was before,
            unless ``keep_interrupted`` of ``training_params`` is True: then the training ends
            with the weights that it has, and a ConvergenceWarning.
        """
        resume = self.warm_start and hasattr(self, "net_")
        with self._undone_on_error(), self._processes():
            X, targets = self._check_data(X, y, resume=resume, classes=None)
            if tilt_ranges_deg is not None:
                self._check_use_of_tilt_ranges(X_val)
                tilt_ranges_deg = check_tilt_ranges(tilt_ranges_deg, len(X))
            validation = self._check_validation(X_val, y_val)
            tasks = FitTasks(self, to_plain(self.max_epochs), "epoch", X=X, y=y)
            self._train(
                X,
                targets,
                tasks=tasks,
                resume=resume,
                epochs=self.max_epochs,
                held_out=self.validation_fraction if self.early_stopping else 0.0,
                validation=validation,
                tilt_ranges_deg=tilt_ranges_deg,
            )
            self._conclude(X, targets)
        tasks.end()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Train for one more epoch on the given volumes, without validation.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes, axes z, y, x; or flat rows, see ``volume_shape``.
        y : object
            Not used.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            As :meth:`fit`; also for a box size that the first call did not have.
        """
        return self._partial_fit(X, y)

    def _partial_fit(self, X: Any, y: Any, classes: Any = None) -> BaseVolumeEstimator:
        resume = hasattr(self, "net_")
        with self._undone_on_error(), self._processes():
            X, targets = self._check_data(X, y, resume=resume, classes=classes, partial=True)
            self._train(X, targets, resume=resume, epochs=1, held_out=0.0)
        return self

    @contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        """Leave the last fit as it was if this one fails; or none, if its net has gone on."""
        net = getattr(self, "net_", None)
        n_epochs = 0 if net is None else len(net.history)
        try:
            with unchanged_on_error(self):
                yield
        except BaseException:  # an interrupt, too
            if net is not None and len(net.history) > n_epochs:
                del self.net_
            raise

    def _processes(self) -> AbstractContextManager[None]:
        """Let processes train together, if they are to."""
        return distributed_training(self._checked_training_params()["accelerate"], self.device)

    def _module_params(self) -> dict[str, Any]:
        """Arguments of the network."""
        return {
            "volume_shape": self.volume_shape_,
            "network": self.network,
            **self._checked_network_params(),
        }

    @abstractmethod
    def _criterion_params(self, targets: NDArray[np.int64]) -> dict[str, Any]:
        """Arguments of the loss."""

    # Whatever mode the caller is in: no tensor that is made here may be one of inference.
    @torch.inference_mode(False)
    @torch.enable_grad()
    def _train(
        self,
        X: NDArray[np.float32],
        targets: NDArray[np.int64],
        *,
        resume: bool,
        epochs: int,
        held_out: float,
        tasks: FitTasks | None = None,
        validation: ValidationData | None = None,
        tilt_ranges_deg: NDArray[np.float64] | None = None,
    ) -> None:
        init_seed, shuffle_seed, split_seed = draw_seeds(self.random_state, 3, self.device)
        rows = self._rows_to_learn_from(targets)
        if resume:
            self._update_net(targets)
        else:
            self._prepare(X, rows)
            self._build_net(targets, init_seed, shuffle_seed)
        self.net_.set_params(max_epochs=to_plain(epochs))
        dataset = VolumeDataset(
            X, targets, offset=self.offset_, scale=self.scale_, tilt_ranges_deg=tilt_ranges_deg
        )
        if validation is None:
            watched = self._rows_to_watch(targets)
            _, held = hold_out(
                targets[watched],
                held_out,
                np.random.RandomState(split_seed),
                smallest=self._fewest_volumes,
            )
            dataset.rows = np.setdiff1d(rows, watched[held])
            dataset.validate_on(X, targets, watched[held], tilt_ranges_deg)
        else:
            dataset.rows = rows
            dataset.validate_on(*validation, self._rows_to_watch(validation[1]))
        dataset.shard()
        if not self._checked_training_params()["n_workers"]:  # forked, they cannot use a GPU
            dataset.cache_on(self.net_.device)
        # Backward passes, too, need the precision that the layers compute in.
        self.net_.tasks_ = tasks
        try:
            with (
                keeping_freed_memory(),
                holding_precision(self.net_.products_in(), self.net_.device),
            ):
                self.net_.partial_fit(dataset)
        finally:
            self.net_.tasks_ = None
        self._record(dataset)

    def _validates_on_unlabeled(self) -> bool:
        """Whether unlabelled volumes count in the loss that early stopping watches."""
        return self._learns_from_unlabeled

    def _rows_to_learn_from(self, targets: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.flatnonzero(self._learns_from_unlabeled | (targets >= 0))

    def _rows_to_watch(self, targets: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.flatnonzero(self._validates_on_unlabeled() | (targets >= 0))

    def _prepare(self, X: NDArray[np.float32], rows: NDArray[np.intp]) -> None:
        """Take from the volumes what has to be there before the net: their scale."""
        self.offset_, self.scale_ = 0.0, 1.0
        if self._checked_training_params()["standardize"]:
            self.offset_, self.scale_ = scaling_of(X if len(rows) == len(X) else X[rows])

    def _build_net(self, targets: NDArray[np.int64], init_seed: int, shuffle_seed: int) -> None:
        self._made_with = self._fixed_params()
        self.net_ = build_net(
            self._network,
            self._criterion,
            module_params=self._module_params(),
            criterion_params=self._criterion_params(targets),
            training_params=self._checked_training_params(),
            views=self._views(),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            early_stopping=self.early_stopping,
            device=self.device,
            precision=self.precision,
            verbose=self.verbose,
            extra_callbacks=self._callbacks(),
            init_seed=init_seed,
            shuffle_seed=shuffle_seed,
        )

    def _views(self) -> ViewPolicy:
        """What the network gets to see of a batch."""
        return ViewPolicy(
            make_augmentation(type(self).__name__, self.augmentation),
            n_test_rotations=to_plain(self.test_time_rotations),
        )

    def _callbacks(self) -> list[Callback]:
        """Return what else is to happen between epochs."""
        return []

    def _update_net(self, targets: NDArray[np.int64]) -> None:
        """Bring parameters that may have changed since the last fit to the live net."""
        params = self._checked_training_params()
        batch_size = to_plain(self.batch_size) * n_processes()
        self.net_.set_params(lr=to_plain(self.learning_rate), batch_size=batch_size)
        self.net_.iterator_train__labeled_share = params["labeled_share"]
        self.net_.iterator_train__n_batches = params["steps_per_epoch"]
        for iterator in ("iterator_train", "iterator_valid"):
            setattr(self.net_, f"{iterator}__num_workers", params["n_workers"])
        self.net_.views = self._views()
        self.net_.precision = self.precision
        self.net_.keep_interrupted = params["keep_interrupted"]
        set_progress_bar(self.net_, self.verbose)
        # Through set_params, skorch would make a new criterion and forget Adam's moments.
        for name, value in to_plain(self._criterion_params(targets)).items():
            if isinstance(value, torch.nn.Module):
                value.load_running_means(getattr(self.net_.criterion_, name))
            movable = isinstance(value, torch.Tensor | torch.nn.Module)
            on_device = value.to(self.net_.device) if movable else value
            setattr(self.net_.criterion_, name, on_device)

    def _conclude(self, X: NDArray[np.float32], targets: NDArray[np.int64]) -> None:
        """Set what a fitted estimator says of the volumes that it was fitted to, if anything."""

    def _record(self, dataset: VolumeDataset) -> None:
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

    def _forward(self, method: str, inputs: Any) -> NDArray[np.float32]:
        """Apply a method of the network to validated volumes, or to codes."""
        with keeping_freed_memory():
            return collect(self._forward_batches(method, inputs), len(inputs))

    def _forward_batches(self, method: str, inputs: Any) -> Iterator[NDArray[np.float32]]:
        return forward_batches(
            self.net_.prediction_function(method),
            inputs,
            # A tensor on the memory of codes, which may be read-only, would be writable.
            self._to_input if np.ndim(inputs) == 4 else torch.tensor,
            module=self.net_.predictor_,
            device=self.net_.device,
            voxels_per_sample=self.n_features_in_,
        )

    def _to_input(self, volumes: NDArray[np.float32]) -> torch.Tensor:
        return to_input(volumes, self.offset_, self.scale_)

    def __sklearn_tags__(self):
        """Return the tags: volumes are float32 inside, and results depend on the seed."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        return tags
