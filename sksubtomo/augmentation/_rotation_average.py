"""Test-time augmentation: predictions averaged over rotated views."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sksubtomo.augmentation._views import (
    Outside,
    TiltRange,
    apply_wedge,
    check_tensor,
    random_rotations,
    refine_volumes,
    sample_rotated,
)


def average_over_rotations(
    function: Callable[[torch.Tensor], torch.Tensor],
    volumes: torch.Tensor,
    n_rotations: int,
    generator: torch.Generator,
    *,
    tilt_range_deg: TiltRange | None = 60.0,
    oversampling: int = 2,
    outside: Outside = "wrap",
) -> torch.Tensor:
    """Average predictions over rotated views of volumes, whose wedge is cut afterwards.

    Every volume is rotated by the same random rotations, so a volume's result does not depend on
    the batch it is in, given a generator of the same seed for each batch. The average has the
    shape that the function returns.

    Parameters
    ----------
    function : callable
        From volumes of shape (n, 1, d, d, d) to a tensor, such as probabilities (n, n_classes).
    volumes : Tensor of shape (n, 1, d, d, d)
        Axes z, y, x.
    n_rotations, generator : int, torch.Generator
        How many rotations, and where they come from.
    tilt_range_deg : float, (float, float), Tensor of shape (n, 2) or None, default=60
        See :func:`apply_wedge`; None cuts no wedge.
    oversampling, outside
        See :func:`rotate_volumes`.
    """
    if n_rotations < 1:
        raise ValueError(f"n_rotations={n_rotations!r} must be at least 1.")
    check_tensor(volumes)
    fine = refine_volumes(volumes, oversampling)  # once for all rotations
    total = torch.zeros(())
    for matrix in random_rotations(n_rotations, generator):
        matrices = matrix.expand(len(volumes), 3, 3)
        copies = sample_rotated(fine, matrices, volumes.shape[-1], oversampling, outside)
        if tilt_range_deg is not None:
            copies = apply_wedge(copies, tilt_range_deg)
        total = total + function(copies)
    return total / n_rotations
