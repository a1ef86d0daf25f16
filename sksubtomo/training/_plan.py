"""What a fit is made of, once its settings are resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from skorch.callbacks import Callback
from torch import nn

from sksubtomo.augmentation import WedgeAwareAugmentation, WedgeAwareRotations
from sksubtomo.networks import NetworkSettings
from sksubtomo.training._settings import Training


class ViewPolicy(NamedTuple):
    """What a network gets to see of a batch of volumes.

    Parameters
    ----------
    augmentation : WedgeAwareAugmentation, optional
        Makes a view of each volume; without it, the volume itself is the view.
    corruption : WedgeAwareAugmentation, optional
        What is done in training to the views on top.
    clean_target : bool
        Whether views are to be reconstructed as they were before the corruption.
    n_views : int
        Views of each volume. The network gets them one set after the other.
    teacher : {"self", "average"}, optional
        Whose logits of other views, without corruption, go with the output in training: those of
        the network as it is, or with averaged weights.
    n_test_rotations : int
        Rotated views over which predictions are averaged; 0 takes volumes as they are.
    """

    augmentation: WedgeAwareAugmentation | None = None
    corruption: WedgeAwareAugmentation | None = None
    clean_target: bool = False
    n_views: int = 1
    teacher: Literal["self", "average"] | None = None
    n_test_rotations: int = 0

    @property
    def need_cubes(self) -> bool:
        """Whether views are more than noise and contrast, which any box can have."""
        views = self.augmentation
        return bool(self.n_test_rotations) or (views is not None and views.needs_cubes)


@dataclass(frozen=True)
class FitSettings:
    """All settings of a fit, checked and complete: shortcuts resolved, numbers those of Python.

    Settings objects are copies of what the user passed, so that nobody else changes them.

    Parameters
    ----------
    network : NetworkSettings
        Architecture.
    augmentation : WedgeAwareRotations or None
        Augmented views; None is none.
    training : Training
        Of the class that the estimator names, nothing left at None that stands for a default.
    latent_dim : int or None
        Length of the code; None where there is none.
    learning_rate, batch_size, max_epochs : float, int, int
        The highest learning rate, length of batches (of a process, if several share them) and of
        the training.
    early_stopping : bool
        Whether the training stops when the validation loss stays up.
    device : str
        As torch knows it.
    precision : {"auto", "float32", "tf32", "bfloat16"}
        Of the products in the network's layers.
    inner : mapping
        Parameters of an estimator that this one builds on, by name.
    """

    network: NetworkSettings
    augmentation: WedgeAwareRotations | None
    training: Any
    latent_dim: int | None
    learning_rate: float
    batch_size: int
    max_epochs: int
    early_stopping: bool
    device: str
    precision: str
    inner: Mapping[str, Any] = field(default_factory=dict)

    @property
    def held_out(self) -> float:
        """Share of the volumes that a fit holds out to validate on."""
        return self.training.validation_fraction if self.early_stopping else 0.0

    def fixed(self) -> dict[str, Any]:
        """Return what a net is made with for good, by name."""
        training: Training = self.training
        return {
            "network": type(self.network).__name__,
            "early_stopping": self.early_stopping,
            "device": self.device,
            **self.network.get_params(),
            "latent_dim": self.latent_dim,
            **{name: getattr(training, name) for name in training.fixed},
            **self.inner,
        }

    def views(self) -> ViewPolicy:
        """Return what the augmentation lets a network see of a batch."""
        if self.augmentation is None:
            return ViewPolicy()
        return ViewPolicy(
            self.augmentation.make(), n_test_rotations=self.augmentation.n_test_rotations
        )


class Plan(NamedTuple):
    """What a method trains, and how.

    Parameters
    ----------
    network : type
        Class of the network.
    network_params : dict
        Its arguments.
    loss : Module
        A loss that offers ``sums`` and ``summarize``, with its parameters.
    views : ViewPolicy
        What the network gets to see of a batch.
    callbacks : tuple of Callback
        What else happens between epochs, before losses are logged.
    watches_unlabeled : bool
        Whether unlabeled volumes count in the loss that early stopping watches.
    switches : mapping
        Attributes of the network that may change from one fit to the next.
    frozen : str or None
        Name of a part of the network that is not trained.
    no_tilt_ranges : str or None
        Why tilt ranges of single volumes cannot be used, if they cannot.
    """

    network: type[nn.Module]
    network_params: dict[str, Any]
    loss: nn.Module
    views: ViewPolicy
    callbacks: tuple[Callback, ...] = ()
    watches_unlabeled: bool = True
    switches: Mapping[str, Any] = {}
    frozen: str | None = None
    no_tilt_ranges: str | None = None
