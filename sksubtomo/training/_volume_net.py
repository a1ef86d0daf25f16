"""The skorch net: augmented views of volumes, averaged weights and a teacher."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import torch
from skorch import NeuralNet
from skorch.utils import to_tensor
from torch import nn

from sksubtomo._torch import (
    average_gradients,
    computing_in,
    holding_precision,
    n_processes,
    preferred_precision,
    process_index,
    resolve_precision,
    shortest_convolved_edge,
    synchronize,
)
from sksubtomo._utils._callbacks import FitTasks
from sksubtomo._utils._interrupts import check_interrupt
from sksubtomo.augmentation import TiltRange, average_over_rotations
from sksubtomo.networks import GaussianNoise
from sksubtomo.training._callbacks import OneCycle, ProgressBar, TrainingEnd
from sksubtomo.training._data import read_ahead
from sksubtomo.training._plan import FitSettings, Plan, ViewPolicy
from sksubtomo.training._recorded_step import RecordedStep, recorded_step

# What a network says of a particle whatever its orientation.
_ABOUT_THE_PARTICLE = ("classify", "logits", "encode", "features")


class VolumeNet(NeuralNet):
    """skorch net on batches of a VolumeDataset, whose networks see views of them.

    Validation sees copies, too, the same ones in every epoch, and is done with the averaged
    weights if there are any.

    Parameters
    ----------
    views : ViewPolicy, default=ViewPolicy()
        See there.
    average_decay : float, default=0
        Weights are averaged over training steps with this exponential decay; 0 does not average.
        The average begins with the weights after the first step: at step t the decay is at
        most (t - 1) / (t + 9).
    view_seed : int, default=0
        Seed of the augmented views.
    precision : {"auto", "float32", "tf32", "bfloat16"}, default="auto"
        Of the products in the network's layers, see ``_torch.resolve_precision``; what it gives is
        float32.
    keep_interrupted : bool, default=False
        Whether a training that is interrupted, by Ctrl-C say, ends with the weights that it has. If
        not, ``KeyboardInterrupt`` is raised.
    *args, **kwargs
        Those of skorch's NeuralNet.

    Attributes
    ----------
    averaged_ : Module or None
        The network with averaged weights.
    tasks_ : FitTasks or None
        Whom to tell of the epochs of the fit in progress.
    record_ : TrainingRecord or None
        What keeps the fit in progress in a checkpoint.
    """

    criterion_: nn.Module
    callbacks_: list[tuple[str, Any]]
    _recorded: RecordedStep | None = None
    #: A network to take at the next initialization, instead of a new one.
    ready_module: nn.Module | None = None
    record_: Any = None

    def __init__(
        self,
        *args: Any,
        views: ViewPolicy = ViewPolicy(),  # noqa: B008
        average_decay: float = 0.0,
        view_seed: int = 0,
        precision: str = "auto",
        keep_interrupted: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.views = views
        self.average_decay = average_decay
        self.view_seed = view_seed
        self.precision = precision
        self.keep_interrupted = keep_interrupted

    def partial_fit(self, X: Any, y: Any = None, **fit_params: Any) -> VolumeNet:
        """Train, and raise an interrupt once callbacks have ended the training.

        skorch takes every ``KeyboardInterrupt`` for the end of a training that went well.

        Raises
        ------
        KeyboardInterrupt
            If the training was interrupted, unless it is to be kept as it is.
        """
        self._interrupt: KeyboardInterrupt | None = None
        super().partial_fit(X, y, **fit_params)
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None and not self.keep_interrupted:
            raise interrupt
        if interrupt is not None and self.record_ is not None:
            self.record_.stay()
        return self

    def fit_loop(
        self, X: Any, y: Any = None, epochs: int | None = None, **kwargs: Any
    ) -> VolumeNet:
        """Go through the epochs left, and note an interrupt that is no callback's end of them."""
        epochs = self.max_epochs if epochs is None else epochs
        try:
            if self.record_ is not None:
                epochs -= self.record_.resume(self, X)
            self._recorded = self._record_steps(len(X), epochs)
            return super().fit_loop(X, y, epochs=epochs, **kwargs)
        except TrainingEnd:
            if self.record_ is not None:
                self.record_.keep(self, X, has_ended=True)
            raise
        except KeyboardInterrupt as interrupt:
            self._interrupt = interrupt
            raise
        finally:
            self._recorded = None  # graphs are of this training, and no part of a pickle

    def _record_steps(self, n_rows: int, n_epochs: int) -> RecordedStep | None:
        """Return how to do steps that are recorded once, where that can be."""
        per_epoch = getattr(self, "iterator_train__n_batches", None) or math.ceil(
            n_rows / self.batch_size
        )
        cycles = any(isinstance(callback, OneCycle) for _, callback in self.callbacks_)
        changes = cycles or getattr(self.criterion_, "consistency", None) is not None
        return recorded_step(
            super().train_step,
            self.views,
            self.module_,
            self.criterion_,
            self.optimizer_,
            device=self.device,
            n_steps=per_epoch * n_epochs,
            is_constant=not changes,
        )

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks; keep the state once all of them have ended an epoch."""
        super().notify(method_name, **cb_kwargs)
        if method_name == "on_epoch_end" and self.record_ is not None:
            self.record_.keep(self, cb_kwargs["dataset_train"])

    def initialized_instance(self, instance_or_cls: Any, kwargs: dict[str, Any]) -> Any:
        """Return an object of a class, or the network that was made before."""
        ready = self.__dict__.pop("ready_module", None)
        return super().initialized_instance(instance_or_cls, kwargs) if ready is None else ready

    def initialize_module(self) -> VolumeNet:
        """Make the network and, beside it, the one with averaged weights."""
        super().initialize_module()
        # Channels last is the order in which kernels for the CPU and for tensor cores read.
        if torch.device(self.device).type != "mps":  # whose kernels know no other than the usual
            self.module_.to(memory_format=torch.channels_last_3d)
        # Of their parts of a batch, processes make copies of their own.
        self.generator_ = torch.Generator().manual_seed(self.view_seed + process_index())
        for part in self.module_.modules():
            if isinstance(part, GaussianNoise):
                part.restart(process_index())
        self.n_steps_ = 0
        self.shortest_edge_: int | None = None
        self.tasks_: FitTasks | None = None
        self.averaged_ = None
        if self.average_decay:
            self.averaged_ = copy.deepcopy(self.module_).requires_grad_(False)
        return self

    def apply(self, plan: Plan, settings: FitSettings) -> None:
        """Take over what may change from one fit to the next.

        The one way by which settings reach a net, a new one or one that is trained further.

        Parameters
        ----------
        plan : Plan
            Loss, views, callbacks, and which parts of the network are used and trained.
        settings : FitSettings
            How to train.
        """
        training = settings.training
        # Where processes share a batch, each has as many volumes as the user asked for.
        self.set_params(lr=settings.learning_rate, batch_size=settings.batch_size * n_processes())
        self.iterator_train__labeled_share = training.labeled_share
        self.iterator_train__n_batches = training.steps_per_epoch
        self.iterator_train__num_workers = training.n_workers
        self.iterator_valid__num_workers = training.n_workers
        self.views = plan.views
        self.precision = settings.precision
        self.keep_interrupted = training.keep_interrupted
        # Through set_params, skorch would make a new criterion and forget Adam's moments.
        consistency = getattr(plan.loss, "consistency", None)
        if consistency is not None:
            consistency.load_running_means(getattr(self.criterion_, "consistency", None))
        self.criterion_ = plan.loss.to(self.device)
        shown = bool(training.verbose) and process_index() == 0
        fresh = {type(one).__name__: one for one in (*plan.callbacks, ProgressBar(shown=shown))}
        self.callbacks_ = [(name, fresh.get(name, one)) for name, one in self.callbacks_]
        for network in {self.module_, self.predictor_}:
            for name, value in plan.switches.items():
                setattr(network, name, value)
        self.module_.requires_grad_(True)
        if plan.frozen is not None:
            self.module_.get_submodule(plan.frozen).requires_grad_(False)

    def get_all_learnable_params(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters that the optimizer trains: none of the averaged network."""
        for name, parameter in super().get_all_learnable_params():
            if parameter.requires_grad:
                yield name, parameter

    @property
    def predictor_(self) -> nn.Module:
        """The network to predict with."""
        return self.module_ if self.averaged_ is None else self.averaged_

    def prediction_function(self, method: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return a method of the network to predict with, averaged over rotations if so asked.

        Rotations are the same in every call. What the network says of an orientation, such as a
        reconstruction, is not averaged.
        """
        views, function = self.views, self._function(method)
        if not views.n_test_rotations or method not in _ABOUT_THE_PARTICLE:
            return function
        augmentation = views.augmentation
        assert augmentation is not None  # it has n_test_rotations
        return lambda volumes: average_over_rotations(
            function,
            volumes,
            views.n_test_rotations,
            torch.Generator().manual_seed(0),
            tilt_range_deg=augmentation.tilt_range_deg,
            oversampling=augmentation.oversampling,
            outside=augmentation.outside,
        )

    def _function(self, method: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return a method of the network to predict with, its softmax in float32."""
        if method != "classify":
            return self._computing(getattr(self.predictor_, method))
        # Automatic mixed precision on a CPU would round the softmax to bfloat16.
        logits = self._function("logits")
        return lambda volumes: logits(volumes).softmax(dim=1)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Go through the batches, read ahead where that takes time.

        skorch's own loop logs the loss of each batch, for which it waits for the device.
        """
        if iterator is None:
            return
        with closing(read_ahead(iterator, self.device)) as batches:
            for batch in batches:
                check_interrupt()
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch, **fit_params)
                self.notify("on_batch_end", batch=batch, training=training, **step)
        synchronize(self.device)  # once an epoch, for its duration

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute the gradients of a batch, of all its parts if processes share it."""
        step = super().train_step_single(batch, **fit_params)
        average_gradients(parameter for _, parameter in self.get_all_learnable_params())
        return step

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take a step of the optimizer, then average the weights."""
        if self._recorded is None:
            step = super().train_step(batch, **fit_params)
        else:
            step = self._recorded(to_tensor(batch, device=self.device))
        if self.averaged_ is not None:
            self._update_average()
        return step

    def infer(self, x: dict[str, torch.Tensor], **fit_params: Any) -> Any:
        """Run the network on views of a batch."""
        # Masks of tilt ranges are made on the CPU, in a precision that not every device has.
        tilts = x.get("tilt_range_deg")
        x = to_tensor({name: x[name] for name in ("volumes", "labeled")}, device=self.device)
        training = self.module_.training
        generator = self.generator_ if training else torch.Generator().manual_seed(self.view_seed)
        labeled, volumes = x["labeled"], x["volumes"]
        if self.views.n_views > 1:
            labeled = labeled.repeat(self.views.n_views)
            volumes = volumes.repeat(self.views.n_views, 1, 1, 1, 1)
            tilts = None if tilts is None else tilts.repeat(self.views.n_views, 1)
        copies = self._copy(volumes, tilts, generator)
        seen = copies
        if training and self.views.corruption is not None:
            seen = self.views.corruption(copies, generator, tilts)
        network = self.module_ if training else self.predictor_
        output = self._computing(network)(seen, labeled)
        if self.views.clean_target:
            output = output._replace(volumes=copies)
        if training and self.views.teacher is not None:
            output = output._replace(teacher_logits=self._teach(x["volumes"], tilts))
        return output

    def _copy(
        self, volumes: torch.Tensor, tilts: TiltRange | None, generator: torch.Generator
    ) -> torch.Tensor:
        if self.views.augmentation is None:
            return volumes
        with torch.no_grad():
            return self.views.augmentation(volumes, generator, tilts)

    @torch.no_grad()
    def _teach(self, volumes: torch.Tensor, tilts: TiltRange | None) -> torch.Tensor:
        teacher = self.predictor_ if self.views.teacher == "average" else self.module_
        with _evaluating(teacher):
            logits = self._computing(getattr(teacher, "logits"))  # noqa: B009
            return logits(self._copy(volumes, tilts, self.generator_))

    def products_in(self) -> str:
        """Return the precision that products of the layers are computed in.

        Returns
        -------
        precision : {"float32", "tf32", "bfloat16"}
            `precision`, resolved for the device and for the maps of the network.
        """
        if preferred_precision(self.precision, self.device) == "float32":
            return "float32"
        if self.shortest_edge_ is None:
            shape = self.module__volume_shape
            self.shortest_edge_ = shortest_convolved_edge(self.module_, shape)
        return resolve_precision(self.precision, self.device, shortest_edge=self.shortest_edge_)

    def _computing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is in the net's precision, its results in float32."""

        def computed(*inputs: torch.Tensor) -> Any:
            precision = self.products_in()
            with (
                holding_precision(precision, self.device),
                computing_in(precision, self.device),
            ):
                output = function(*inputs)
            return _as_float32(output)

        return computed

    @torch.no_grad()
    def _update_average(self) -> None:
        assert self.averaged_ is not None
        self.n_steps_ += 1
        decay = min(self.average_decay, (self.n_steps_ - 1) / (self.n_steps_ + 9))
        current, averaged = self.module_.state_dict(), self.averaged_.state_dict()
        floats = [name for name, value in averaged.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [averaged[name] for name in floats], [current[name] for name in floats], 1 - decay
        )
        for name in averaged.keys() - set(floats):  # counters of batch normalization
            averaged[name].copy_(current[name])


def _as_float32(output: Any) -> Any:
    """Return a tensor, or a named tuple of tensors and other things, with tensors of float32."""
    if isinstance(output, tuple):
        return output._make(map(_as_float32, output))  # type: ignore[attr-defined]
    is_rounded = isinstance(output, torch.Tensor) and output.dtype == torch.bfloat16
    return output.float() if is_rounded else output


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and back into the mode it was in."""
    mode = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(mode)
