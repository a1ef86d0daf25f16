"""Training steps that are recorded once, and replayed without Python in between."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from sksubtomo._torch import CudaRecording, Recording, n_processes
from sksubtomo.exceptions import RecordedStepWarning
from sksubtomo.networks import GaussianNoise
from sksubtomo.training._data import Batch
from sksubtomo.training._plan import ViewPolicy

#: Environment variable that switches recording off, if it is 0.
GRAPHS_VARIABLE = "SKSUBTOMO_CUDA_GRAPHS"

# Kernels are chosen, and moments of the optimizer made, in the first steps.
_N_WARM_UP = 3
# A recording and its check take as long as some tens of steps.
_LEAST_STEPS = 50
# Of the loss, and of the step that the weights take, by which a replay may differ.
_TOLERANCE = 1e-3

Step = dict[str, Any]


class RecordedStep:
    """Steps of one training, of which those with batches of one shape are replayed.

    The first steps are done as ever, then one is recorded and checked: replayed from the same
    weights and moments, it has to lead where the step done as ever leads. Batches of another shape,
    such as a short last one, are done as ever.

    Parameters
    ----------
    step : callable
        Takes a batch on the device and does a whole step: gradients, optimizer, sums of the loss.
    module, criterion : Module
        What is trained, and the loss, which leaves its sums in ``sums``.
    optimizer : Optimizer
        Its state is kept on the device.
    recording : Recording
        How to record.
    """

    def __init__(
        self,
        step: Callable[[Batch], Step],
        module: nn.Module,
        criterion: Any,
        optimizer: torch.optim.Optimizer,
        recording: Recording[dict[str, torch.Tensor]],
    ) -> None:
        self.step = step
        self.module = module
        self.criterion = criterion
        self.optimizer = optimizer
        self.recording = recording
        self.n_done = 0
        self.batch: Batch | None = None
        self.is_recorded = False
        self.is_refused = False

    def __call__(self, batch: Batch) -> Step:
        """Do the step of a batch."""
        if self.is_refused or not self._fits(batch):
            return self.step(batch)
        self.n_done += 1
        if self.is_recorded:
            return self._replay(batch)
        if self.n_done <= _N_WARM_UP:
            return {"loss": self._done(batch)["loss"], "y_pred": None}
        return self._record(batch)

    def _fits(self, batch: Batch) -> bool:
        """Tell whether a batch has the shapes of the first, which is kept to be overwritten."""
        if self.batch is None:
            inputs, targets = batch
            self.batch = {name: value.clone() for name, value in inputs.items()}, targets.clone()
        pairs = zip(_tensors(batch), _tensors(self.batch), strict=False)
        return batch[0].keys() == self.batch[0].keys() and all(
            (new.shape, new.dtype, new.device) == (old.shape, old.dtype, old.device)
            for new, old in pairs
        )

    def _done(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Do the step as ever, on the tensors and the stream of the recording."""
        self._take(batch)
        return self.recording.warm_up(self._work)

    def _work(self) -> dict[str, torch.Tensor]:
        assert self.batch is not None
        loss = self.step(self.batch)["loss"]
        return {"loss": loss.detach(), **self.criterion.sums}

    def _take(self, batch: Batch) -> None:
        assert self.batch is not None
        for new, old in zip(_tensors(batch), _tensors(self.batch), strict=True):
            old.copy_(new)

    def _replay(self, batch: Batch) -> Step:
        self._take(batch)
        sums = dict(self.recording.replay())
        loss = sums.pop("loss")
        self.criterion.sums = sums
        return {"loss": loss, "y_pred": None}

    def _record(self, batch: Batch) -> Step:
        """Record a step and check it; the weights are then those of the step done as ever."""
        before = self._state()
        done = {name: value.clone() for name, value in self._done(batch).items()}
        expected, after = done.pop("loss"), self._state()
        try:
            for group in self.optimizer.param_groups:
                if "capturable" in group:
                    group["capturable"] = True
            self.recording.record(self._work)
            self._restore(before)
            found = self._replay(batch)["loss"]
            problem = _difference(found, expected, before, self._state(), after)
        except RuntimeError as error:
            problem = f"the step cannot be recorded ({str(error).splitlines()[0]})"
        if problem is not None:
            self.is_refused = True
            warnings.warn(
                f"Training goes on without CUDA graphs, more slowly: {problem}. "
                f"{GRAPHS_VARIABLE}=0 does so from the start.",
                RecordedStepWarning,
                stacklevel=2,
            )
        self.is_recorded = not self.is_refused
        self._restore(after)
        self.criterion.sums = done
        return {"loss": expected, "y_pred": None}

    def _tensors_of_state(self) -> list[torch.Tensor]:
        moments = [
            value
            for state in self.optimizer.state.values()
            for value in state.values()
            if isinstance(value, torch.Tensor)
        ]
        return [*self.module.parameters(), *self.module.buffers(), *moments]

    def _state(self) -> list[torch.Tensor]:
        return [value.detach().clone() for value in self._tensors_of_state()]

    @torch.no_grad()
    def _restore(self, values: list[torch.Tensor]) -> None:
        for current, value in zip(self._tensors_of_state(), values, strict=True):
            current.copy_(value)


def recorded_step(
    step: Callable[[Batch], Step],
    views: ViewPolicy,
    module: nn.Module,
    criterion: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    device: str,
    n_steps: int,
    is_constant: bool,
) -> RecordedStep | None:
    """Return how to do the steps of a training on a GPU, or None where nothing can be recorded.

    That is on other devices, in short trainings, where processes share batches, and where a step
    is more than work for the device: random numbers from the CPU, as views and variational networks
    draw them, or numbers that change from step to step, as those of a schedule or a ramp.

    Parameters
    ----------
    step, module, criterion, optimizer
        As of :class:`RecordedStep`.
    views : ViewPolicy
        What the network gets to see of a batch.
    device : str
        As torch knows it.
    n_steps : int
        Length of the training.
    is_constant : bool
        Whether learning rate and loss stay as they are.
    """
    if torch.device(device).type != "cuda" or os.environ.get(GRAPHS_VARIABLE) == "0":
        return None
    if n_steps < _LEAST_STEPS or n_processes() > 1 or not is_constant:
        return None
    if not can_be_recorded(views, module):
        return None
    return RecordedStep(step, module, criterion, optimizer, CudaRecording(device))


def can_be_recorded(views: ViewPolicy, module: nn.Module) -> bool:
    """Tell whether all that a step does is work on tensors that are on the device."""
    draws = any(isinstance(part, GaussianNoise) for part in module.modules())
    is_seen_as_it_is = (views.augmentation, views.corruption, views.teacher) == (None,) * 3
    return is_seen_as_it_is and not draws


def _tensors(batch: Batch) -> list[torch.Tensor]:
    inputs, targets = batch
    return [*(inputs[name] for name in sorted(inputs)), targets]


def _difference(
    found: torch.Tensor,
    expected: torch.Tensor,
    before: list[torch.Tensor],
    replayed: list[torch.Tensor],
    after: list[torch.Tensor],
) -> str | None:
    """Return how a replayed step differs from the step done as ever, or None."""
    if not torch.allclose(found, expected, rtol=_TOLERANCE, atol=0.0):
        return f"a recorded step has the loss {float(found):g}, and {float(expected):g} without"
    moved = error = 0.0
    for start, one, other in zip(before, replayed, after, strict=True):
        if start.is_floating_point():
            moved += float((other - start).double().square().sum())
            error += float((one - other).double().square().sum())
        elif not torch.equal(one, other):
            return "a recorded step counts otherwise"
    if not error <= _TOLERANCE**2 * moved:  # also for NaN
        return "a recorded step leads to other weights"
    return None
