"""Grids of poses whose tensors are on a GPU."""

from __future__ import annotations

import copy
from typing import Any, Protocol, Self

import torch


class _Movable(Protocol):
    def to(self, device: torch.device) -> Any: ...


class Resident:
    """Copies an object, with the tensors among its attributes, to a device."""

    shells: torch.Tensor
    _origin: Any = None

    @property
    def origin(self) -> Self:
        """The same on the CPU."""
        return self if self._origin is None else self._origin

    def on(self, device: str | torch.device) -> Self:
        """Return the same with all tensors on a device; as it is, if they are there."""
        device = torch.device(device)
        here = self.shells.device
        # A device without a number is whichever of its kind is the current one.
        if here.type == device.type and device.index in (None, here.index):
            return self
        if device.type == "cpu":
            return self.origin
        moved = copy.copy(self)
        moved._origin = self.origin
        for name, value in self.origin._tensors().items():
            setattr(moved, name, value.to(device))
        return moved

    def _tensors(self) -> dict[str, _Movable]:
        """Return what goes along, by the names of attributes."""
        return {name: one for name, one in vars(self).items() if isinstance(one, torch.Tensor)}
