"""Class proportions, and how classes share a volume among their references."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import beta

_MOST_ROUNDS = 200
# A class keeps the least proportion that its labels allow at this level of confidence, but never
# more than this fraction of an even one: equal numbers of labels are often chosen, not drawn.
_LEVEL = 0.05
_LARGEST_FLOOR = 0.25


def estimate_proportions(
    log_evidence: torch.Tensor,
    pseudo_counts: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
    *,
    apart: int | None = None,
    own_counts: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the most probable class proportions, given evidence and a Dirichlet prior.

    Expectation-maximization of the weights of a mixture: each round, the proportions are the
    pseudo-counts plus the sums of the posteriors, of sum 1.

    Parameters
    ----------
    log_evidence : Tensor of shape (n, n_classes)
        Log-likelihood of each class.
    pseudo_counts : ndarray of shape (n_classes,)
        Volumes of each class that the prior counts as, positive: parameters of a Dirichlet
        distribution, less 1.
    start : ndarray of shape (n_classes,), optional
        Where to begin; by default at the pseudo-counts.
    apart : int, optional
        A class whose proportion does not depend on how strong the prior of the others is.
    own_counts : ndarray of shape (n_classes,), optional
        The pseudo-counts by which it is compared with all others together.

    Returns
    -------
    proportions : ndarray of shape (n_classes,)
        Positive, of sum 1.
    """
    evidence = log_evidence.double()
    proportions = pseudo_counts / pseudo_counts.sum() if start is None else start
    for _ in range(_MOST_ROUNDS):
        posterior = (evidence + torch.from_numpy(np.log(proportions))).softmax(dim=1)
        total = posterior.sum(dim=0).numpy()
        counts = total + pseudo_counts
        before, proportions = proportions, counts / counts.sum()
        if apart is not None and own_counts is not None:
            share = (total[apart] + own_counts[apart]) / (len(evidence) + own_counts.sum())
            counts[apart] = 0.0
            proportions = counts * ((1 - share) / counts.sum())
            proportions[apart] = share
        if np.abs(proportions - before).max() < 1e-6:
            break
    return proportions


def least_proportions(n_labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return proportions below which classes are unlikely to be, given their labels.

    A reference of few labeled volumes loses its volumes to sharper ones of other classes. With its
    most similar volumes it can grow.

    Parameters
    ----------
    n_labels : ndarray of shape (n_classes,) of int
        Labels of each class, drawn at random.

    Returns
    -------
    least : ndarray of shape (n_classes,)
        Lower limits of Clopper and Pearson, but at most a quarter of an even proportion.

    References
    ----------
    Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26, 1934.
    """
    others = n_labels.sum() - n_labels
    least = beta.ppf(_LEVEL, np.maximum(n_labels, 1e-3), others + 1)
    return np.minimum(np.where(n_labels > 0, least, 0), _LARGEST_FLOOR / len(n_labels))


def raised_proportions(
    proportions: NDArray[np.float64], least: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Raise proportions to the least ones, at the expense of those that are above.

    Parameters
    ----------
    proportions, least : ndarray of shape (n_classes,)
        Of sum 1, and of sum below 1.

    Returns
    -------
    raised : ndarray of shape (n_classes,)
        At least `least`, of sum 1.
    """
    above = np.maximum(proportions - least, 0)
    return least + above * (1 - least.sum()) / above.sum()


def class_evidence(
    log_evidence: torch.Tensor,
    owner: torch.Tensor,
    background: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the log evidence of classes whose references are equally probable.

    Parameters
    ----------
    log_evidence : Tensor of shape (n, n_references)
        Log-likelihood of each reference; -inf where it was not compared.
    owner : Tensor of shape (n_references,) of int
        Class of each reference; each class has as many.
    background : Tensor of shape (n,), optional
        Log evidence of the one class that has no reference.

    Returns
    -------
    log_evidence : Tensor of shape (n, n_classes)
    """
    own = owner.unique()
    if background is None and len(own) == len(owner):
        return log_evidence
    parts = {int(k): log_evidence[:, owner == k] for k in own}
    columns = {k: p.logsumexp(dim=1) - np.log(p.shape[1]) for k, p in parts.items()}
    if background is not None:
        lacking = next(k for k in range(len(own) + 1) if k not in columns)
        columns[lacking] = background.to(log_evidence.dtype)
    return torch.stack([columns[k] for k in sorted(columns)], dim=1)


def reference_responsibilities(
    proba: torch.Tensor,
    log_evidence: torch.Tensor,
    owner: torch.Tensor,
    temperature: float | None,
) -> torch.Tensor:
    """Divide class probabilities among the references of each class by their evidence.

    Parameters
    ----------
    proba : Tensor of shape (n, n_classes)
        Class probabilities.
    log_evidence : Tensor of shape (n, n_references)
        Log-likelihood of each reference.
    owner : Tensor of shape (n_references,) of int
        Class of each reference.
    temperature : float or None
        What to divide log evidence by; None is 1.

    Returns
    -------
    responsibilities : Tensor of shape (n, n_references)
        Their sum over the references of a class is its probability.
    """
    if len(owner) == proba.shape[1] == len(owner.unique()):
        return proba
    tempered = log_evidence / (temperature or 1.0)
    shares = torch.zeros_like(tempered)
    for k in range(proba.shape[1]):
        own = owner == k
        # A class that was not compared at all takes no part, and must not give nan.
        within = torch.nan_to_num(tempered[:, own].softmax(dim=1))
        shares[:, own] = proba[:, k : k + 1] * within
    return shares
