"""What the last iteration of expectation-maximization averaged."""

from __future__ import annotations

from typing import NamedTuple

import torch

from sksubtomo.alignment._expectation import Expectation
from sksubtomo.alignment._spectra import Poses


class LastStep(NamedTuple):
    """What the last iteration averaged, and the noise it assumed.

    ``grids`` and ``counts``: what :meth:`PoseGrid.accumulate` made of it, and how many volumes each
    reference has. Volumes, posterior and sums are where they were computed.
    """

    poses: Poses
    data: torch.Tensor
    power: torch.Tensor
    noise: torch.Tensor
    result: Expectation
    shares: torch.Tensor
    grids: torch.Tensor
    counts: torch.Tensor

    def of_rows(self, rows: torch.Tensor) -> LastStep:
        """Return all on the CPU, and of the posterior what some volumes have."""
        assert self.result.posterior is not None
        return self._replace(
            data=self.data.cpu(),
            result=self.result._replace(posterior=self.result.posterior.of_rows(rows)),
            grids=self.grids.cpu(),
            counts=self.counts.cpu(),
        )
