"""Most likely poses of the volumes that references were fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sksubtomo.alignment._em import MultiReferenceEM
from sksubtomo.alignment._expectation import expectation


def final_poses(em: MultiReferenceEM) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the reference and the pose of every volume, which the last comparison has found.

    Parameters
    ----------
    em : MultiReferenceEM
        After its run.

    Returns
    -------
    reference : ndarray of shape (n,) of int
        The most likely reference of each volume's class, of all classes for the background.
    pose : ndarray of shape (n,) of int
        Of the finest grid, shift first.
    """
    evidence, best = em.evidence.clone(), em.best.clone()
    own = em.owner[np.newaxis] == em.labels[:, np.newaxis]
    own |= ~own.any(dim=1, keepdim=True)
    if em.compared is not None:
        # Evidence of an earlier iteration has no pose of the last grid, but a class may win by it.
        lost = ~(own & em.compared).any(dim=1)
        own &= em.compared | lost[:, np.newaxis]
        if lost.any():
            finest = em.stages[-1][0]
            again = expectation(
                finest,
                em.coefficients[lost],
                em.maps,
                em.noise,
                variance=em.variance[:, : int(finest.shells.max()) + 1],
                keep_poses=False,
                kinds=None if em.kinds is None else em.kinds[lost],
                device=em.device,
            )
            evidence[lost], best[lost] = again.log_evidence, again.best
    reference = evidence.masked_fill(~own, -np.inf).argmax(dim=1).numpy()
    return reference, best.numpy()[np.arange(len(reference)), reference]
