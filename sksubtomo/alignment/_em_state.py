"""What expectation-maximization has done, as plain values, and an EM that goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sksubtomo.alignment._agreement import rows_to_leave_out
from sksubtomo.alignment._em import MultiReferenceEM
from sksubtomo.alignment._expectation import Expectation
from sksubtomo.alignment._last_step import LastStep
from sksubtomo.alignment._posterior import PosePosterior

#: What iterations change; they make new tensors, and never change one in place.
_TENSORS = ("maps", "variance", "evidence", "labels")
_NUMBERS = ("temperature", "trust", "log_likelihood")


def em_state(em: MultiReferenceEM) -> dict[str, Any]:
    """Return what iterations have changed, for :func:`load_em_state`.

    Parameters
    ----------
    em : MultiReferenceEM
        Between two iterations, or after its run.

    Returns
    -------
    state : dict
        Numbers, lists, mappings and arrays; none of these is changed by a further iteration.
    """
    return {
        **{name: getattr(em, name).numpy() for name in _TENSORS},
        **{name: getattr(em, name) for name in _NUMBERS},
        "prior": em.prior,
        "history": [dict(entry) for entry in em.history],
        "symmetry": None if em.symmetrizer is None else em.symmetrizer.state(),
        "last": None if em.last is None else _last_state(em, em.last),
        "best": em.best.numpy(),
        "compared": None if em.compared is None else em.compared.numpy(),
    }


def _last_state(em: MultiReferenceEM, last: LastStep) -> dict[str, Any]:
    """Return of the last average what labeled volumes are left out by, and nothing else."""
    assert last.result.posterior is not None
    posterior = last.result.posterior.of_rows(rows_to_leave_out(em.labeled))
    return {
        "stage": next(k for k, (poses, _) in enumerate(em.stages) if poses is last.poses),
        "posterior": [column.numpy() for column in posterior],
        "shares": last.shares.numpy(),
        "grids": last.grids.cpu().numpy(),
        "counts": last.counts.cpu().numpy(),
    }


def load_em_state(em: MultiReferenceEM, state: Mapping[str, Any]) -> None:
    """Bring an EM to where another one of the same data and settings was.

    Parameters
    ----------
    em : MultiReferenceEM
        Ready to run.
    state : mapping
        From :func:`em_state`.

    Raises
    ------
    ValueError, KeyError
        If the state is that of another fit.
    """
    for name in _TENSORS:
        value, now = torch.from_numpy(state[name]), getattr(em, name)
        if value.shape != now.shape or value.dtype != now.dtype:
            raise ValueError(f"its {name} are not those of this fit")
        setattr(em, name, value)
    n_iter = sum(n for _, n in em.stages)
    if not len(state["history"]) <= n_iter:
        raise ValueError("it has more iterations than the stages")
    for name in (*_NUMBERS, "prior"):
        setattr(em, name, state[name])
    em.history = [dict(entry) for entry in state["history"]]
    if em.symmetrizer is not None:
        em.symmetrizer.load(state["symmetry"])
    em.last = None if state["last"] is None else _last_step(em, state["last"])
    em.best = torch.from_numpy(state["best"])
    em.compared = None if state["compared"] is None else torch.from_numpy(state["compared"])


def _last_step(em: MultiReferenceEM, state: Mapping[str, Any]) -> LastStep:
    poses = em.stages[state["stage"]][0]
    data, power = em.data_in(state["stage"])
    posterior = PosePosterior(*map(torch.from_numpy, state["posterior"]))
    nothing = torch.empty(0)
    return LastStep(
        poses,
        data,
        power,
        em.noise[: len(power)],
        # Of the comparison itself, only the poses are asked for again.
        Expectation(nothing, nothing, nothing, posterior),
        *(torch.from_numpy(state[name]) for name in ("shares", "grids", "counts")),
    )
