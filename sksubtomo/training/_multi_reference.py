"""Expectation-maximisation of references: classes, rotations and shifts of volumes at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.training._expectation import (
    Expectation,
    Poses,
    expectation,
    posterior_sums,
    residual_noise,
    shell_power,
)


def class_log_bias(log_evidence: torch.Tensor, prior: NDArray[np.float64]) -> torch.Tensor:
    """Return what to add to log evidence for the mean posterior to be the prior.

    Fixed point of Sinkhorn & Knopp, the sum over classes being 1 for every volume.

    Parameters
    ----------
    log_evidence : Tensor of shape (n, n_classes)
        Finite. Without a row, the bias is the prior's logarithm less its mean.
    prior : ndarray of shape (n_classes,)
        Positive, of sum 1.

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
    target = torch.from_numpy(np.log(prior))
    bias = target.clone()
    for _ in range(500 if len(evidence) else 0):
        log_share = (evidence + bias).log_softmax(dim=1).logsumexp(dim=0) - np.log(len(evidence))
        step = target - log_share
        bias += step
        if step.abs().max() < 1e-5:
            break
    return (bias - bias.mean()).float()


def annealed_shares(
    log_evidence: torch.Tensor, prior: NDArray[np.float64] | None, perplexity: float
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
    shares : Tensor of shape (n, n_classes)
        Posteriors.
    temperature : float
        At least 1.

    References
    ----------
    Ueda & Nakano, "Deterministic annealing EM algorithm", Neural Networks 11, 1998.
    """

    def shares_at(temperature: float) -> torch.Tensor:
        cooled = log_evidence / temperature
        if prior is not None:
            cooled = cooled + class_log_bias(cooled, prior)
        return cooled.softmax(dim=1)

    low, high = 0.0, 16.0
    shares = shares_at(1.0)
    if perplexity <= 1 or not len(shares) or _perplexity(shares) >= perplexity:
        return shares, 1.0
    for _ in range(16):
        middle = (low + high) / 2
        shares = shares_at(2**middle)
        if _perplexity(shares) < perplexity:
            low = middle
        else:
            high = middle
    return shares, float(2**middle)


def _perplexity(shares: torch.Tensor) -> float:
    """Return the exponential of the mean entropy, nan without a row."""
    return float(torch.special.entr(shares).sum(dim=1).mean().exp())


class MultiReferenceEM:
    """Expectation-maximisation from coarse to fine, classes fixed at first.

    Parameters
    ----------
    stages : list of (poses, n_iter)
        Grids of poses, coarse to fine, with iterations.
    coefficients : Tensor of shape (n, n_frequencies)
        Of all volumes, from the finest poses.
    finest : ReferencePoses or StillPoses
        Those that the coefficients are from.
    codes : ndarray of shape (n,)
        Class indices, -1 where unlabelled.
    seeds : ndarray of shape (n, n_classes) or None
        Class probabilities to hold on to at first. None begins with the labelled volumes alone.
    start : ndarray of shape (n_classes,) of int
        Row that each reference begins as.
    noise : float
        Noise power to begin with, the same in all shells.
    by_shell : bool
        Whether to estimate it anew, shell by shell, once classes are free.
    prior : ndarray of shape (n_classes,) or None
        Shares of the classes among unlabelled volumes; None leaves them free.
    n_seeded : int
        Iterations that hold on to the seeds.
    perplexity : float
        Classes over which the posterior of an unlabelled volume is spread in the first iteration
        after; it falls to 1 geometrically until the last stage.
    waiting : ndarray of shape (n,) of bool, optional
        Unlabelled volumes that take no part before the last stage; of a single stage, in the first
        half of its iterations.
    report : callable, optional
        Called with every entry of the history.
    device : str
        Where to compare.

    Attributes
    ----------
    maps, noise, labels
        References, noise power by shell and class indices, after :meth:`run`.
    log_likelihood : float
        Of a volume on average, relative to noise alone, under the final references.
    history : list of dict
        One entry an iteration.
    """

    def __init__(
        self,
        stages: list[tuple[Poses, int]],
        coefficients: torch.Tensor,
        finest: Poses,
        codes: NDArray[np.int64],
        *,
        seeds: NDArray[np.float64] | None,
        start: NDArray[np.intp],
        noise: float,
        by_shell: bool,
        prior: NDArray[np.float64] | None,
        n_seeded: int,
        perplexity: float,
        waiting: NDArray[np.bool_] | None = None,
        report: Callable[[dict[str, Any]], None] = lambda entry: None,
        device: str = "cpu",
    ) -> None:
        self.stages, self.finest, self.device, self.report = stages, finest, device, report
        self.coefficients, self.prior, self.by_shell = coefficients, prior, by_shell
        self.n_seeded, self.perplexity = n_seeded, perplexity
        self.labeled = torch.from_numpy(codes >= 0)
        self.n_classes = len(start)
        known = np.eye(self.n_classes, dtype=np.float32)[codes] * (codes >= 0)[:, np.newaxis]
        self.known = torch.from_numpy(known)
        self.seeds = self.known if seeds is None else self._adjusted(seeds)
        self.labels = torch.from_numpy(codes)
        waiting = np.zeros(len(codes), dtype=bool) if waiting is None else waiting
        self.waiting = torch.from_numpy(waiting)
        rounds = [n_iter for _, n_iter in stages]
        self.n_waited = sum(rounds[:-1]) or rounds[0] // 2
        self.log_likelihood = -np.inf
        self.history: list[dict[str, Any]] = []
        self._begin(start, noise)

    def _adjusted(self, seeds: NDArray[np.float64]) -> torch.Tensor:
        log_seeds = torch.from_numpy(np.log(np.maximum(seeds, 1e-6))).float()
        if self.prior is not None:
            log_seeds = log_seeds + class_log_bias(log_seeds[~self.labeled], self.prior)
        adjusted = log_seeds.softmax(dim=1)
        return torch.where(self.labeled[:, np.newaxis], self.known, adjusted)

    def _begin(self, start: NDArray[np.intp], noise: float) -> None:
        """Let each reference begin as one volume, filtered by Wiener."""
        power = shell_power(self.finest, self.coefficients)
        self.noise = torch.full_like(power, noise)
        gain = (1 - self.noise / power.clamp_min(1e-12)).clamp_min(0.05)
        n = len(self.finest.radii)
        first = self.coefficients[start] * gain[self.finest.shells[:n]]
        self.maps = self.finest.to_maps(first)

    def run(self) -> None:
        """Iterate; then compare all volumes once more with the final references.

        The prior's shares are imposed while references take shape, and not on the last comparison.
        """
        for stage, (poses, n_iter) in enumerate(self.stages):
            data = self.coefficients[:, torch.from_numpy(self.finest.radii <= poses.radii.max())]
            power = shell_power(poses, data)
            for _ in range(n_iter):
                began = time.perf_counter()
                self._iterate(poses, data, power, self._perplexity_in(stage))
                self.history[-1]["seconds"] = time.perf_counter() - began
                self.report(self.history[-1])
        evidence = self._expect(poses, data, keep_poses=False).log_evidence
        # Volumes drawn with the prior's probabilities do not have its shares: by now the evidence
        # is the better guide.
        prior = np.full(self.n_classes, 1 / self.n_classes) if self.prior is None else self.prior
        joint = evidence + torch.from_numpy(np.log(prior)).float()
        given = (self.known * joint).sum(dim=1)
        total = torch.where(self.labeled, given, joint.logsumexp(dim=1))
        self.log_likelihood = float(total.double().mean())
        self.labels = torch.where(self.labeled, self.known.argmax(dim=1), joint.argmax(dim=1))

    def _perplexity_in(self, stage: int) -> float | None:
        """Return how far classes are to be spread in the next iteration; None holds the seeds."""
        done = len(self.history) - self.n_seeded
        if done < 0:
            return None
        annealed = [n_iter for _, n_iter in self.stages[:-1] or self.stages]
        last = sum(annealed) - self.n_seeded - 1
        if last < 1 or (stage and stage == len(self.stages) - 1):
            return 1.0
        return float(self.perplexity ** (1 - done / last))

    def _expect(self, poses: Poses, data: torch.Tensor, *, keep_poses: bool = True) -> Expectation:
        return expectation(
            poses, data, self.maps, self.noise, keep_poses=keep_poses, device=self.device
        )

    def _iterate(
        self, poses: Poses, data: torch.Tensor, power: torch.Tensor, perplexity: float | None
    ) -> None:
        """Do one iteration; those without a perplexity hold on to the seeds."""
        result = self._expect(poses, data)
        shares, temperature = self.seeds, np.nan
        if perplexity is not None:
            hidden = ~self.labeled
            shares = self.known.clone()
            shares[hidden], temperature = annealed_shares(
                result.log_evidence[hidden], self.prior, perplexity
            )
        if len(self.history) < self.n_waited:
            shares = torch.where(self.waiting[:, np.newaxis], 0.0, shares)
        self._maximize(poses, data, power, result, shares, seeded=perplexity is None)
        terms = shares * result.log_evidence + torch.special.entr(shares)
        labels = torch.where(shares.sum(dim=1) > 0, shares.argmax(dim=1), -1)
        self.history.append(
            {
                "log_likelihood": float(terms.sum() / shares.sum()),
                "changed": float((labels != self.labels).double().mean()),
                "perplexity": _perplexity(shares[~self.labeled]) if perplexity else np.nan,
                "temperature": temperature,
            }
        )
        self.labels = labels

    def _maximize(
        self,
        poses: Poses,
        data: torch.Tensor,
        power: torch.Tensor,
        result: Expectation,
        shares: torch.Tensor,
        *,
        seeded: bool,
    ) -> None:
        noise = self.noise[: len(power)]
        sums, weights = posterior_sums(poses, data, noise, result, shares)
        white = noise[poses.shells].rsqrt()
        signal = poses.signal_power(power, noise)
        solved = poses.solve(sums * white, weights, white.square(), signal)
        # Without a volume, a reference stays as it was.
        some = (weights.sum(dim=1) > 0).view(-1, 1, 1, 1)
        self.maps = torch.where(some, solved, self.maps)
        if self.by_shell and not seeded:
            self.noise[: len(power)] = residual_noise(
                poses, power, noise, result.templates, sums, weights
            )
