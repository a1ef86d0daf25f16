"""Whether volumes, or given references, have inverted contrast."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment import LabelCheck, MultiReferenceEM, either_contrast, likelier_inverted
from sksubtomo.exceptions import ImagingWarning, InvertedContrastWarning
from sksubtomo.semi_supervised._label_warnings import named_rows


def contrast_of_references(targets: NDArray[np.int64], em: MultiReferenceEM) -> int:
    """Return -1, and warn, if labeled volumes are likelier with given references inverted."""
    coarse, finest = em.stages[0][0], em.stages[-1][0]
    data = em.coefficients[:, torch.from_numpy(finest.radii <= coarse.radii.max())]
    owner = em.owner.numpy()
    if not likelier_inverted(coarse, data, targets, em.maps, owner, em.noise, em.device, em.kinds):
        return 1
    warnings.warn(
        "The labeled volumes are clearly likelier with references_init of inverted contrast, "
        "which is what this fit begins with. Multiply the maps by -1: particles are dark in "
        "volumes whose contrast was not inverted, and bright in density maps.",
        ImagingWarning,
        stacklevel=2,
    )
    return -1


def fit_of_one_contrast(
    fit: Callable[..., tuple[MultiReferenceEM, LabelCheck]], coefficients: torch.Tensor
) -> tuple[MultiReferenceEM, LabelCheck, NDArray[np.int8]]:
    """Fit references; if some labeled volumes are inverted, fit again with the signs that fit.

    Parameters
    ----------
    fit : callable
        Returns the best initialization and its check. With ``again=True``, contrast may differ.
    coefficients : Tensor of shape (n, n_frequencies)
        That it fits to; those of inverted volumes are multiplied by -1.

    Returns
    -------
    em, check
        Of the last fit.
    contrast : ndarray of shape (n,)
        What volumes were multiplied by.
    """
    em, check = fit()
    contrast = torch.ones(len(coefficients))
    n_inverted = np.count_nonzero(check.inverted)
    if n_inverted > 1 or n_inverted == len(check.rows) > 0:
        finest = em.stages[-1][0], em.coefficients, em.maps, em.noise
        _, contrast = either_contrast(
            *finest, variance=em.variance, kinds=em.kinds, device=em.device
        )
        coefficients *= contrast[:, np.newaxis]
        em, check = fit(again=True)
        contrast = contrast * em.contrast
        warn_of_contrast(check, contrast.numpy())
    return em, check, contrast.numpy().astype(np.int8)


def warn_of_contrast(check: LabelCheck, contrast: NDArray) -> None:
    """Warn that volumes have inverted contrast, and say what was made of them."""
    inverted = check.rows[contrast[check.rows] < 0]
    warnings.warn(
        f"{len(inverted)} of {len(check.rows)} labeled volumes, rows {named_rows(inverted)}, are "
        f"likelier with inverted contrast, and so are {np.count_nonzero(contrast < 0)} of all "
        f"{len(contrast)} volumes. References are fitted to these times -1 (contrast_), and "
        "predictions take the likelier sign. Multiply them by -1 if they come from another "
        "source, which takes half of the time.",
        InvertedContrastWarning,
        stacklevel=2,
    )
