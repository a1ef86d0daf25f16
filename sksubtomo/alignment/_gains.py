"""How much of each frequency volumes measure, where they differ in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.fourier import Imaging

if TYPE_CHECKING:
    from sksubtomo.alignment._spectra import Poses


@dataclass(eq=False)
class Gains:
    """Gains of the kinds of imaging of a set of volumes, at the frequencies of a grid of poses.

    ``values`` (n_kinds, n_frequencies): what the signal is multiplied by; 0 where it is not
    measured. ``level`` (n_frequencies,): their root mean square over the volumes of a fit and the
    shell, where measured. ``coverage`` (n_shells,): the mean square, over all volumes and
    frequencies of the ball.
    """

    values: torch.Tensor
    level: torch.Tensor
    coverage: torch.Tensor

    def to(self, device: torch.device) -> Gains:
        """Return the same on a device."""
        return Gains(*(one.to(device) for one in (self.values, self.level, self.coverage)))

    @property
    def relative(self) -> torch.Tensor:
        """Gains over their root mean square."""
        return self.values / self.level


def gains_of(
    imaging: Imaging, values: NDArray[np.float32], shells: NDArray[np.int64], coverage: float
) -> Gains | None:
    """Return gains and their means; None where all volumes measure all frequencies in full.

    Parameters
    ----------
    imaging : Imaging
        Of the volumes.
    values : ndarray of shape (n_kinds, n_frequencies)
        Its gains.
    shells : ndarray of shape (n_frequencies,) of int
        Shell of each frequency.
    coverage : float
        Fraction of the frequencies of the ball that these are.
    """
    if (values == 1).all():
        return None
    counts = np.bincount(imaging.index, minlength=len(values))
    squares = counts @ np.square(values, dtype=float)
    measured = counts @ (values != 0)
    totals, numbers, sizes = (
        np.bincount(shells, weights) for weights in (squares, measured, np.ones(len(shells)))
    )
    level = np.sqrt(np.divide(totals, numbers, out=np.ones_like(totals), where=numbers > 0))
    share = totals / np.maximum(sizes, 1) / counts.sum()
    return Gains(
        torch.from_numpy(values.astype(np.float32)),
        torch.from_numpy(level[shells].astype(np.float32)),
        torch.from_numpy((coverage * share).astype(np.float32)),
    )


def check_kinds(poses: Poses, kinds: torch.Tensor | None, n: int) -> torch.Tensor:
    """Return the kind of imaging of each of n volumes; of one kind, it need not be said.

    Raises
    ------
    ValueError
        If there are several kinds, or another number of volumes.
    """
    assert poses.gains is not None
    if kinds is None and len(poses.gains.values) == 1:
        return torch.zeros(n, dtype=torch.int64)
    if kinds is None or len(kinds) != n:
        raise ValueError(f"The imaging of {n} volumes must be given: kinds.")
    return kinds
