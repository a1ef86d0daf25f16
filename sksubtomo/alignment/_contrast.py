"""The sign of the contrast of volumes, where it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sksubtomo.alignment._expectation import Expectation, expectation
from sksubtomo.alignment._spectra import Poses

if TYPE_CHECKING:
    from sksubtomo.alignment._em import MultiReferenceEM


def either_contrast(
    poses: Poses,
    coefficients: torch.Tensor,
    maps: torch.Tensor,
    noise: torch.Tensor,
    *,
    variance: torch.Tensor | None = None,
    kinds: torch.Tensor | None = None,
    device: str = "cpu",
) -> tuple[Expectation, torch.Tensor]:
    """Compare volumes with all poses of all maps, each with its likelier sign of contrast.

    Parameters
    ----------
    poses, coefficients, maps, noise, variance, kinds, device
        See :func:`expectation`. Maps are equally probable beforehand.

    Returns
    -------
    result : Expectation
        Without probable poses.
    contrast : Tensor of shape (n,)
        1, or -1 where a volume is likelier if it is multiplied by it.
    """
    as_it_is, inverted = (
        expectation(
            poses,
            sign * coefficients,
            maps,
            noise,
            variance=variance,
            keep_poses=False,
            kinds=kinds,
            device=device,
        )
        for sign in (1, -1)
    )
    flipped = inverted.log_evidence.logsumexp(dim=1) > as_it_is.log_evidence.logsumexp(dim=1)
    which = flipped[:, None]
    result = as_it_is._replace(
        log_evidence=torch.where(which, inverted.log_evidence, as_it_is.log_evidence),
        best=torch.where(which, inverted.best, as_it_is.best),
    )
    return result, 1.0 - 2.0 * flipped


def choose_contrast(em: MultiReferenceEM, poses: Poses) -> None:
    """Multiply volumes of an EM by -1 that are likelier so, if their contrast is mixed.

    Parameters
    ----------
    em : MultiReferenceEM
        Between two stages.
    poses : PoseGrid or IdentityPose
        To compare in.
    """
    if not em.mixed_contrast:
        return
    inside = torch.from_numpy(em.stages[-1][0].radii <= poses.radii.max())
    result, sign = either_contrast(
        poses,
        em.coefficients[:, inside],
        em.maps,
        em.noise,
        variance=em.variance[:, : int(poses.shells.max()) + 1],
        kinds=em.kinds,
        device=em.device,
    )
    # Others may share the coefficients.
    em.coefficients = em.coefficients * sign[:, np.newaxis]
    em.contrast, em.evidence = em.contrast * sign, result.log_evidence
