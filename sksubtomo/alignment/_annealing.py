"""Deterministic annealing of class probabilities, with class proportions imposed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

# Of the logarithm of a proportion, and steps at most.
_TOLERANCE = 1e-5
_MOST_ROUNDS = 500
_RIDGE = 1e-12


def class_log_bias(
    log_evidence: torch.Tensor,
    prior: NDArray[np.float64],
    start: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what to add to log evidence for the mean posterior to be the prior.

    Fixed point of Sinkhorn & Knopp, the sum over classes being 1 for every volume; where it is
    faster, a step of Newton's method for the same solution is taken.

    Parameters
    ----------
    log_evidence : Tensor of shape (n, n_classes)
        Finite. Without a row, the bias is the prior's logarithm less its mean.
    prior : ndarray of shape (n_classes,)
        Positive, of sum 1.
    start : Tensor of shape (n_classes,), optional
        A bias to begin with, of similar evidence.

    Returns
    -------
    bias : Tensor of shape (n_classes,)
        Of mean 0.

    References
    ----------
    Sinkhorn & Knopp, "Concerning nonnegative matrices and doubly stochastic matrices", Pacific
    Journal of Mathematics 21, 1967.
    """
    evidence = log_evidence.double()
    target = torch.from_numpy(np.asarray(prior, dtype=np.float64))
    bias = target.log() if start is None else start.double()
    for _ in range(_MOST_ROUNDS if len(evidence) else 0):
        log_proba = (evidence + bias).log_softmax(dim=1)
        step = target.log() - (log_proba.logsumexp(dim=0) - np.log(len(evidence)))
        if step.abs().max() < _TOLERANCE:
            break
        newton = _newton_step(log_proba.exp(), target)
        # Far from the solution, Newton's method may go astray.
        better = _objective(evidence, bias + newton, target) < _objective(
            evidence, bias + step, target
        )
        bias = bias + (newton if better else step)
    return (bias - bias.mean()).float()


def _newton_step(proba: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the step of Newton's method for the bias that minimizes :func:`_objective`."""
    mean = proba.mean(dim=0)
    # A constant bias changes nothing, so that the Hessian is singular.
    hessian = torch.diag(mean + _RIDGE) - proba.T @ proba / len(proba) + 1 / len(mean)
    return torch.linalg.solve(hessian, target - mean)


def _objective(evidence: torch.Tensor, bias: torch.Tensor, target: torch.Tensor) -> float:
    """Return a convex function whose gradient is the mean posterior less the prior."""
    return float((evidence + bias).logsumexp(dim=1).mean() - target @ bias)


def annealed_responsibilities(
    log_evidence: torch.Tensor,
    prior: NDArray[np.float64] | None,
    perplexity: float,
) -> tuple[torch.Tensor, float]:
    """Return posteriors of classes that are spread over a number of classes on average.

    Log evidence is divided by the temperature, at least 1, at which the exponential of the mean
    entropy is the perplexity asked for. Deterministic annealing: volumes that were put into a wrong
    class at first can still leave it.

    Parameters
    ----------
    log_evidence : Tensor of shape (n, n_classes)
        Finite.
    prior : ndarray of shape (n_classes,) or None
        Mean of the posteriors, see :func:`class_log_bias`; None leaves it free.
    perplexity : float
        At least 1. If posteriors are spread over more at temperature 1, they stay as they are.

    Returns
    -------
    responsibilities : Tensor of shape (n, n_classes)
        Posteriors.
    temperature : float
        At least 1.

    References
    ----------
    Ueda & Nakano, "Deterministic annealing EM algorithm", Neural Networks 11, 1998.
    """
    bias: torch.Tensor | None = None

    def responsibilities_at(temperature: float) -> torch.Tensor:
        nonlocal bias
        cooled = log_evidence / temperature
        if prior is not None:
            bias = class_log_bias(cooled, prior, bias)
            cooled = cooled + bias
        return cooled.softmax(dim=1)

    low, high = 0.0, 16.0
    responsibilities = responsibilities_at(1.0)
    spread = mean_perplexity(responsibilities)
    if perplexity <= 1 or not len(responsibilities) or spread >= perplexity:
        return responsibilities, 1.0
    for _ in range(16):
        middle = (low + high) / 2
        responsibilities = responsibilities_at(2**middle)
        if mean_perplexity(responsibilities) < perplexity:
            low = middle
        else:
            high = middle
    return responsibilities, float(2**middle)


def mean_perplexity(responsibilities: torch.Tensor) -> float:
    """Return the exponential of the mean entropy, nan without a row."""
    return float(torch.special.entr(responsibilities).sum(dim=1).mean().exp())
