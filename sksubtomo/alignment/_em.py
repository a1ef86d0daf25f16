"""Expectation-maximisation of references: classes, rotations and shifts of volumes at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment._annealing import (
    annealed_responsibilities,
    class_log_bias,
    mean_perplexity,
)
from sksubtomo.alignment._expectation import (
    Expectation,
    Poses,
    expectation,
    posterior_sums,
    residual_noise,
    shell_power,
)


class MultiReferenceEM:
    """Expectation-maximisation from coarse to fine, classes fixed at first.

    Parameters
    ----------
    stages : list of (poses, n_iter)
        Grids of poses, coarse to fine, with iterations.
    coefficients : Tensor of shape (n, n_frequencies)
        Of all volumes, from the finest poses.
    finest : PoseGrid or IdentityPose
        Those that the coefficients are from.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabelled.
    initial_proba : ndarray of shape (n, n_classes) or None
        Class probabilities to hold on to at first. None begins with the labelled volumes alone.
    start : ndarray of shape (n_classes,) of int
        Row that each reference begins as.
    noise : float
        Noise power to begin with, the same in all shells.
    by_shell : bool
        Whether to estimate it anew, shell by shell, once classes are free.
    prior : ndarray of shape (n_classes,) or None
        Shares of the classes among unlabelled volumes; None leaves them free.
    n_frozen : int
        Iterations that keep the initial probabilities.
    perplexity : float
        Classes over which the posterior of an unlabelled volume is spread in the first iteration
        after; it falls to 1 geometrically until the last stage.
    held_back : ndarray of shape (n,) of bool, optional
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
        targets: NDArray[np.int64],
        *,
        initial_proba: NDArray[np.float64] | None,
        start: NDArray[np.intp],
        noise: float,
        by_shell: bool,
        prior: NDArray[np.float64] | None,
        n_frozen: int,
        perplexity: float,
        held_back: NDArray[np.bool_] | None = None,
        report: Callable[[dict[str, Any]], None] = lambda entry: None,
        device: str = "cpu",
    ) -> None:
        self.stages, self.finest, self.device, self.report = stages, finest, device, report
        self.coefficients, self.prior, self.by_shell = coefficients, prior, by_shell
        self.n_frozen, self.perplexity = n_frozen, perplexity
        self.labeled = torch.from_numpy(targets >= 0)
        self.n_classes = len(start)
        known = np.eye(self.n_classes, dtype=np.float32)[targets] * (targets >= 0)[:, np.newaxis]
        self.known = torch.from_numpy(known)
        self.initial_proba = self.known if initial_proba is None else self._adjusted(initial_proba)
        self.labels = torch.from_numpy(targets)
        held_back = np.zeros(len(targets), dtype=bool) if held_back is None else held_back
        self.held_back = torch.from_numpy(held_back)
        rounds = [n_iter for _, n_iter in stages]
        self.n_held_back_iter = sum(rounds[:-1]) or rounds[0] // 2
        self.log_likelihood = -np.inf
        self.history: list[dict[str, Any]] = []
        self._begin(start, noise)

    def _adjusted(self, initial_proba: NDArray[np.float64]) -> torch.Tensor:
        log_proba = torch.from_numpy(np.log(np.maximum(initial_proba, 1e-6))).float()
        if self.prior is not None:
            log_proba = log_proba + class_log_bias(log_proba[~self.labeled], self.prior)
        adjusted = log_proba.softmax(dim=1)
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

        The prior's proportions are imposed while references take shape, not on the last comparison.
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
        # Volumes drawn with the prior's probabilities do not have exactly its proportions: by now
        # the evidence is the better guide.
        prior = np.full(self.n_classes, 1 / self.n_classes) if self.prior is None else self.prior
        joint = evidence + torch.from_numpy(np.log(prior)).float()
        given = (self.known * joint).sum(dim=1)
        total = torch.where(self.labeled, given, joint.logsumexp(dim=1))
        self.log_likelihood = float(total.double().mean())
        self.labels = torch.where(self.labeled, self.known.argmax(dim=1), joint.argmax(dim=1))

    def _perplexity_in(self, stage: int) -> float | None:
        """Return how far classes are to be spread next; None holds the initial probabilities."""
        done = len(self.history) - self.n_frozen
        if done < 0:
            return None
        annealed = [n_iter for _, n_iter in self.stages[:-1] or self.stages]
        last = sum(annealed) - self.n_frozen - 1
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
        """Do one iteration; those without a perplexity keep the initial probabilities."""
        result = self._expect(poses, data)
        responsibilities, temperature = self.initial_proba, np.nan
        if perplexity is not None:
            hidden = ~self.labeled
            responsibilities = self.known.clone()
            responsibilities[hidden], temperature = annealed_responsibilities(
                result.log_evidence[hidden], self.prior, perplexity
            )
        if len(self.history) < self.n_held_back_iter:
            responsibilities = torch.where(self.held_back[:, np.newaxis], 0.0, responsibilities)
        self._maximize(poses, data, power, result, responsibilities, seeded=perplexity is None)
        terms = responsibilities * result.log_evidence + torch.special.entr(responsibilities)
        labels = torch.where(responsibilities.sum(dim=1) > 0, responsibilities.argmax(dim=1), -1)
        self.history.append(
            {
                "log_likelihood": float(terms.sum() / responsibilities.sum()),
                "changed": float((labels != self.labels).double().mean()),
                "perplexity": mean_perplexity(responsibilities[~self.labeled])
                if perplexity
                else np.nan,
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
        responsibilities: torch.Tensor,
        *,
        seeded: bool,
    ) -> None:
        noise = self.noise[: len(power)]
        sums, weights = posterior_sums(poses, data, noise, result, responsibilities)
        white = noise[poses.shells].rsqrt()
        signal = poses.signal_power(power, noise)
        solved = poses.wiener_update(sums * white, weights, white.square(), signal)
        # Without a volume, a reference stays as it was.
        some = (weights.sum(dim=1) > 0).view(-1, 1, 1, 1)
        self.maps = torch.where(some, solved, self.maps)
        if self.by_shell and not seeded:
            self.noise[: len(power)] = residual_noise(
                poses, power, noise, result.templates, sums, weights
            )
