"""Grids of poses whose tensors are on a GPU."""

from __future__ import annotations

import copy
from typing import Any, Protocol, Self

import torch


class _Movable(Protocol):
    def to(self, device: torch.device) -> Any: ...


class Resident:
    """Something with tensors among its attributes, which can be had on a device."""

    shells: torch.Tensor
    _origin: Any = None

    @property
    def origin(self) -> Self:
        """The same on the CPU."""
        return self if self._origin is None else self._origin

    def on(self, device: str | torch.device) -> Self:
        """Return the same with all tensors on a device; as it is, if they are there."""
        device = torch.device(device)
        if self.shells.device.type == device.type:
            return self
        if device.type == "cpu":
            return self.origin
        moved = copy.copy(self)
        moved._origin = self
        for name, value in self._tensors().items():
            setattr(moved, name, value.to(device))
        return moved

    def _tensors(self) -> dict[str, _Movable]:
        """Return what goes along, by the names of attributes."""
        return {name: one for name, one in vars(self).items() if isinstance(one, torch.Tensor)}
