"""References to begin with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment._agreement import rows_to_leave_out
from sksubtomo.alignment._em import MultiReferenceEM
from sksubtomo.alignment._expectation import expectation
from sksubtomo.alignment._gains import check_kinds
from sksubtomo.alignment._spectra import Poses, shell_power

# Volumes that each average is begun with, of which the best is kept, and iterations.
_N_STARTS = 4
_N_ITER = 3
# Inverted contrast has to be more likely by this, in natural logarithms, and for this fraction.
_CLEAR_LOG = 10.0
_MOST_INVERTED = 0.75
# A reference with less than this fraction of the mean power is empty.
_LEAST_POWER = 1e-6
# A filter does not remove more of a coefficient.
_LEAST_GAIN = 0.05


def filtered_volumes(
    poses: Poses,
    coefficients: torch.Tensor,
    rows: NDArray[np.intp],
    noise: torch.Tensor,
    kinds: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return single volumes as maps, filtered by Wiener.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Those that the coefficients are from.
    coefficients : Tensor of shape (n, n_frequencies)
        Of all volumes.
    rows : ndarray of shape (n_references,) of int
        Which to take.
    noise : Tensor of shape (n_shells,)
        Noise power of a real coefficient, by shell.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume, see :func:`expectation`.

    Returns
    -------
    maps : Tensor of shape (n_references, ...)
    """
    power = shell_power(poses, coefficients, noise, kinds)
    shells = poses.shells[: len(poses.radii)]
    gain = (1 - noise[: len(power)] / power.clamp_min(1e-12)).clamp_min(_LEAST_GAIN)[shells]
    if poses.gains is not None:
        own = poses.gains.values[check_kinds(poses, kinds, len(coefficients))[rows]]
        # With signal and noise of 1, and the gain h: h s / (h**2 s + 1 - s).
        gain = own * gain / (own.square() * gain + 1 - gain)
    return poses.to_maps(coefficients[rows] * gain)


def labeled_averages(
    poses: Poses,
    coefficients: torch.Tensor,
    targets: NDArray[np.int64],
    starts: list[NDArray[np.intp]],
    owner: NDArray[np.int64],
    noise: torch.Tensor,
    device: str = "cpu",
    kinds: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return averages of the labeled volumes of each class, aligned with one another.

    Alignment to one volume keeps something of its noise and wedge, and converges to a local
    optimum. So it is begun with several; of each class, the most likely average is kept.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Coarse ones.
    coefficients : Tensor of shape (n, n_frequencies)
        Of all volumes, from `poses`.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    starts : list of ndarray of shape (n_references,) of int
        Rows to begin with, each for one attempt; see :func:`starting_rows`.
    owner : ndarray of shape (n_references,) of int
        Class of each reference.
    noise : Tensor of shape (n_shells,)
        Noise power of a real coefficient, by shell.
    device : str, default="cpu"
        Where to compare.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume, see :func:`expectation`.

    Returns
    -------
    maps : Tensor of shape (n_references, ...)
        A class with fewer than two labels a reference begins as the volume of the first attempt.
    """
    # A class without a reference takes no part.
    classes, owner = np.unique(owner, return_inverse=True)
    owners = torch.from_numpy(owner)
    maps = filtered_volumes(poses, coefficients, starts[0], noise, kinds)
    labeled = np.flatnonzero(np.isin(targets, classes))
    own, codes = coefficients[labeled], torch.from_numpy(np.searchsorted(classes, targets[labeled]))
    counts = np.bincount(codes, minlength=owner.max() + 1) / np.bincount(owner)
    likeliest = torch.full((len(counts),), -torch.inf)
    for rows in starts if (counts >= 2).any() else ():
        em = MultiReferenceEM(
            [(poses, _N_ITER)],
            own,
            codes.numpy(),
            maps=filtered_volumes(poses, coefficients, rows, noise, kinds),
            owner=owner,
            n_averaged=np.ones(len(owner)),
            noise=noise[: int(poses.shells.max()) + 1],
            n_frozen=_N_ITER,
            kinds=None if kinds is None else kinds[labeled],
            device=device,
        )
        em.run()
        evidence = em.labeled_evidence()
        for k in np.flatnonzero(counts >= 2):
            total = evidence[codes == k].sum()
            if total > likeliest[k]:
                likeliest[k], maps[owners == k] = total, em.maps[owners == k]
    return maps


def given_maps(
    poses: Poses,
    coefficients: torch.Tensor,
    references: NDArray[np.float32],
    noise: torch.Tensor,
    kinds: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return given references as maps, with the power that volumes have above noise on average.

    All are scaled by one factor, so that larger complexes stay brighter than small ones.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Those of the last stage.
    coefficients : Tensor of shape (n, n_frequencies)
        Of all volumes, from `poses`.
    references : ndarray of shape (n_references, d, d, d)
        In any unit, of the contrast that the volumes have.
    noise : Tensor of shape (n_shells,)
        Noise power of a real coefficient, by shell.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume, see :func:`expectation`.

    Returns
    -------
    maps : Tensor of shape (n_references, ...)

    Raises
    ------
    ValueError
        If a reference has no power in the frequencies compared.
    """
    scale = np.abs(references).max()
    references = references / scale if scale > 0 else references
    own = poses.coefficients(references)
    empty = own.abs().square().mean(dim=1) <= _LEAST_POWER * own.abs().square().mean()
    if empty.any():
        raise ValueError(
            f"references_init has no power in the frequencies compared for the references "
            f"{empty.nonzero()[:, 0].tolist()}: are they constant, or high-pass filtered?"
        )
    signal = poses.signal_power(shell_power(poses, coefficients, noise, kinds), noise)
    count = torch.bincount(poses.shells).double()
    factor = (count @ signal.double()) / (count @ shell_power(poses, own).double())
    return poses.from_references(references) * float(factor.sqrt())


def likelier_inverted(
    poses: Poses,
    coefficients: torch.Tensor,
    targets: NDArray[np.int64],
    maps: torch.Tensor,
    owner: NDArray[np.int64],
    noise: torch.Tensor,
    device: str = "cpu",
    kinds: torch.Tensor | None = None,
) -> bool:
    """Return whether labeled volumes are clearly likelier with the contrast of references inverted.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Coarse ones.
    coefficients : Tensor of shape (n, n_frequencies)
        Of all volumes, from `poses`.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    maps : Tensor of shape (n_references, ...)
        References.
    owner : ndarray of shape (n_references,) of int
        Class of each reference.
    noise : Tensor of shape (n_shells,)
        Noise power of a real coefficient, by shell.
    device : str, default="cpu"
        Where to compare.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume, see :func:`expectation`.
    """
    rows = rows_to_leave_out(torch.from_numpy(targets >= 0))
    data = coefficients[rows]
    own = torch.from_numpy(owner == targets[rows][:, np.newaxis])
    evidence = expectation(
        poses,
        torch.cat([data, -data]),
        maps,
        noise[: int(poses.shells.max()) + 1],
        pairs=own.repeat(2, 1),
        keep_poses=False,
        kinds=None if kinds is None else kinds[rows].repeat(2),
        device=device,
    ).log_evidence
    given, inverted = evidence.logsumexp(dim=1).view(2, -1)
    # One volume may be likelier by chance; for all of them, that much is not.
    gain = (inverted - given).double()
    return bool(gain.sum() > _CLEAR_LOG and (gain > 0).double().mean() > _MOST_INVERTED)


def starting_rows(
    targets: NDArray[np.int64],
    initial_proba: NDArray[np.float64] | None,
    classes: NDArray[np.intp],
    rng: np.random.RandomState,
    n_references: int = 1,
) -> NDArray[np.intp]:
    """Return rows for each class: labeled ones, else the most probable, else any other.

    No two references begin as one row, since references that are alike never part.

    Parameters
    ----------
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    initial_proba : ndarray of shape (n, n_classes) or None
        Class probabilities.
    classes : ndarray of int
        Indices of the classes.
    rng : RandomState
        Draws the rows.
    n_references : int, default=1
        Rows of each class.

    Returns
    -------
    rows : ndarray of shape (n_classes * n_references,) of int
        Those of the first class first.
    """
    rows: list[int] = []
    for code in np.repeat(classes, n_references):
        own = np.setdiff1d(np.flatnonzero(targets == code), rows)
        if not len(own):
            own = np.setdiff1d(np.flatnonzero(targets < 0), rows)
            own = own if len(own) else np.setdiff1d(np.arange(len(targets)), rows)
            if initial_proba is not None and len(own):
                own = own[[initial_proba[own, code].argmax()]]
        rows.append(int(rng.choice(own if len(own) else len(targets))))
    return np.array(rows)


def initialized_em(
    stages: list[tuple[Poses, int]],
    coefficients: torch.Tensor,
    targets: NDArray[np.int64],
    *,
    n_classes: int,
    n_references: int,
    rng: np.random.RandomState,
    noise: torch.Tensor,
    held_back_fraction: float = 0.0,
    references: NDArray[np.float32] | None = None,
    **settings: Any,
) -> MultiReferenceEM:
    """Return an EM that begins with averages of labeled volumes drawn anew, or with given maps.

    Parameters
    ----------
    stages, coefficients, targets, noise
        See :class:`MultiReferenceEM`.
    n_classes, n_references : int
        Classes, and references of each.
    rng : RandomState
        Draws the volumes to begin with, and those that are held back.
    held_back_fraction : float, default=0
        Fraction of the unlabeled volumes that take no part before the last stage.
    references : ndarray of shape (n_classes * n_references, d, d, d), optional
        See :func:`given_maps`.
    **settings
        Passed to :class:`MultiReferenceEM`.

    Returns
    -------
    em : MultiReferenceEM
        Ready to run.
    """
    background = settings.get("background")
    classes = np.array([k for k in range(n_classes) if k != background])
    owner = np.repeat(classes, n_references)
    initial_proba, kinds = settings.get("initial_proba"), settings.get("kinds")
    attempts = range(_N_STARTS if references is None else 0)
    starts = [starting_rows(targets, initial_proba, classes, rng, n_references) for _ in attempts]
    held_back = None
    if held_back_fraction:
        held_back = (targets < 0) & (rng.uniform(size=len(targets)) < held_back_fraction)
    coarse, finest = stages[0][0], stages[-1][0]
    if references is None:
        data = coefficients[:, torch.from_numpy(finest.radii <= coarse.radii.max())]
        device = settings.get("device", "cpu")
        maps = labeled_averages(coarse, data, targets, starts, owner, noise, device, kinds)
        n_labels = np.bincount(targets[targets >= 0], minlength=n_classes)
        n_averaged = np.maximum(n_labels[owner] / n_references, 1.0)
    else:
        maps = given_maps(finest, coefficients, references, noise, kinds)
        # As good as averages of all volumes.
        n_averaged = np.full(len(owner), len(targets) / len(owner))
    return MultiReferenceEM(
        stages,
        coefficients,
        targets,
        maps=maps,
        owner=owner,
        n_averaged=n_averaged,
        noise=noise,
        held_back=held_back,
        **settings,
    )
