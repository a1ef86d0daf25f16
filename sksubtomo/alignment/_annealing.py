"""Deterministic annealing of class probabilities, with class proportions imposed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq

# Of the logarithm of a proportion, and steps at most.
_TOLERANCE = 1e-5
_MOST_ROUNDS = 200
_RIDGE = 1e-9
# A step is halved so many times, unless it lowers the objective by this fraction of its slope.
_MOST_HALVINGS = 20
_ARMIJO = 1e-4
# Temperatures, as binary logarithms.
_HIGHEST_LOG_TEMPERATURE = 16.0
_TEMPERATURE_TOLERANCE = 1e-3


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
    now = _Posterior.with_bias(evidence, bias, target)
    for _ in range(_MOST_ROUNDS if len(evidence) else 0):
        if float((now.mean / target - 1).abs().max()) < _TOLERANCE:
            break
        bias, now = _descended(evidence, bias, target, now)
    return (bias - bias.mean()).float()


class _Posterior(NamedTuple):
    """Probabilities of classes (n, n_classes) with a bias, and their mean.

    ``objective``: a convex function of the bias whose gradient is the mean less the prior.
    """

    proba: torch.Tensor
    mean: torch.Tensor
    objective: float

    @classmethod
    def with_bias(
        cls, evidence: torch.Tensor, bias: torch.Tensor, target: torch.Tensor
    ) -> _Posterior:
        joint = evidence + bias
        top = joint.amax(dim=1, keepdim=True)
        proba = joint.sub_(top).exp_()
        total = proba.sum(dim=1, keepdim=True)
        objective = (total.log() + top).mean() - target @ bias
        proba.div_(total)
        return cls(proba, proba.mean(dim=0), float(objective))


def _descended(
    evidence: torch.Tensor, bias: torch.Tensor, target: torch.Tensor, now: _Posterior
) -> tuple[torch.Tensor, _Posterior]:
    """Return the bias after a step of Newton's method that lowers the objective.

    It is shortened if need be. Where not even that does, the step is Sinkhorn's, which never raises
    the objective.
    """
    mean = now.mean
    # A constant bias changes nothing, so that the Hessian is singular.
    hessian = torch.diag(mean + _RIDGE) - now.proba.T @ now.proba / len(evidence) + 1 / len(mean)
    step = torch.linalg.solve(hessian, target - mean)
    slope = float((target - mean) @ step)
    for _ in range(_MOST_HALVINGS):
        tried = _Posterior.with_bias(evidence, bias + step, target)
        if tried.objective < now.objective - _ARMIJO * slope:
            return bias + step, tried
        step, slope = step / 2, slope / 2
    # The same as log(target / mean), where means are not so small that they are 0.
    joint = evidence + bias
    log_mean = (joint - joint.logsumexp(dim=1, keepdim=True)).logsumexp(dim=0) - np.log(len(joint))
    bias = bias + target.log() - log_mean
    return bias, _Posterior.with_bias(evidence, bias, target)


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

    def missing(log_temperature: float) -> float:
        """Return by how much classes are to be spread more."""
        spread = mean_perplexity(responsibilities_at(2**log_temperature))
        return np.log(perplexity) - np.log(spread)

    responsibilities = responsibilities_at(1.0)
    if perplexity <= 1 or not len(responsibilities):
        return responsibilities, 1.0
    if mean_perplexity(responsibilities) >= perplexity:
        return responsibilities, 1.0
    hottest = _HIGHEST_LOG_TEMPERATURE
    if missing(hottest) < 0:
        hottest = float(brentq(missing, 0.0, hottest, xtol=_TEMPERATURE_TOLERANCE))
    return responsibilities_at(2**hottest), 2**hottest


def mean_perplexity(responsibilities: torch.Tensor) -> float:
    """Return the exponential of the mean entropy, nan without a row."""
    return float(torch.special.entr(responsibilities).sum(dim=1).mean().exp())
