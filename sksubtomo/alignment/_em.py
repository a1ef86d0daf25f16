"""Expectation-maximization of references: classes, rotations and shifts of volumes at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo._utils._interrupts import check_interrupt
from sksubtomo.alignment._agreement import leave_one_out, rows_to_leave_out
from sksubtomo.alignment._annealing import (
    annealed_responsibilities,
    class_log_bias,
    mean_perplexity,
)
from sksubtomo.alignment._contrast import choose_contrast
from sksubtomo.alignment._expectation import Expectation, expectation, posterior_sums
from sksubtomo.alignment._last_step import LastStep
from sksubtomo.alignment._proportions import (
    class_evidence,
    estimate_proportions,
    least_proportions,
    raised_proportions,
    reference_responsibilities,
)
from sksubtomo.alignment._spectra import Poses, log_spectrum_ratio, shell_power
from sksubtomo.alignment._symmetry import Symmetrizer

# A volume is not compared again with references that are this much less probable than its best
# one, in natural logarithms, and takes no part in references with less than such a share.
_NEGLIGIBLE_LOG = 20.0
# At the end, references may have changed more since than within an iteration.
_NEGLIGIBLE_LOG_AT_END = 100.0
_NEGLIGIBLE_SHARE = 1e-4


class MultiReferenceEM:
    """Expectation-maximization from coarse to fine, classes fixed at first.

    Parameters
    ----------
    stages : list of (poses, n_iter)
        Grids of poses, coarse to fine, with iterations.
    coefficients : Tensor of shape (n, n_frequencies)
        Of all volumes, from the poses of the last stage.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    maps : Tensor of shape (n_references, ...)
        References to begin with, of the last stage's poses.
    owner : ndarray of shape (n_references,) of int
        Class of each reference.
    n_averaged : ndarray of shape (n_references,)
        How many volumes each is an average of.
    noise : Tensor of shape (n_shells,)
        Noise power of a real coefficient, by shell.
    initial_proba : ndarray of shape (n, n_classes) or None
        Class probabilities to hold on to at first. None begins with the labeled volumes alone.
    prior : ndarray of shape (n_classes,) or None, default=None
        Class proportions among unlabeled volumes; None leaves them free.
    pseudo_counts : ndarray of shape (n_classes,) or None, default=None
        If given, class proportions are estimated, with a Dirichlet prior that counts as so many
        volumes of each class, and `prior` is where they begin.
    n_frozen : int, default=2
        Iterations that keep `initial_proba`.
    perplexity : float, default=1
        Classes over which the posterior of an unlabeled volume is spread in the first iteration
        after; it falls to 1 geometrically until the last stage.
    label_weight : float, default=6
        How many unlabeled volumes a labeled one counts as while classes are annealed.
    held_back : ndarray of shape (n,) of bool, optional
        Unlabeled volumes that take no part before the last stage; of a single stage, in the first
        half of its iterations.
    background : int, optional
        Class that has no reference: a field of the spectrum of each volume, see
        :func:`~sksubtomo.alignment.log_spectrum_ratio`.
    groups : sequence of Rotation, optional
        Point group of each class, see :class:`Symmetrizer`.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume, see :func:`expectation`.
    mixed_contrast : bool, default=False
        Whether to multiply volumes by -1 that are likelier so, before stages and at the end.
    report : callable, optional
        Called with every entry of the history.
    device : str, default="cpu"
        Where to compare.

    Attributes
    ----------
    maps, variance, labels
        References, their mean square errors by shell, and class indices, after :meth:`run`.
    best, compared
        Best pose (n, n_references) of the last comparison, and with which references volumes were
        compared in it (n, n_references), None for all.
    contrast
        What each volume was multiplied by, (n,).
    log_likelihood : float
        Of a volume on average, relative to noise alone, under the final references.
    history : list of dict
        One entry an iteration.
    """

    def __init__(
        self,
        stages: list[tuple[Poses, int]],
        coefficients: torch.Tensor,
        targets: NDArray[np.int64],
        *,
        maps: torch.Tensor,
        owner: NDArray[np.int64],
        n_averaged: NDArray[np.float64],
        noise: torch.Tensor,
        initial_proba: NDArray[np.float64] | None = None,
        prior: NDArray[np.float64] | None = None,
        pseudo_counts: NDArray[np.float64] | None = None,
        n_frozen: int = 2,
        perplexity: float = 1.0,
        label_weight: float = 6.0,
        held_back: NDArray[np.bool_] | None = None,
        background: int | None = None,
        groups: Sequence[Rotation] | None = None,
        kinds: torch.Tensor | None = None,
        mixed_contrast: bool = False,
        report: Callable[[dict[str, Any]], None] = lambda entry: None,
        device: str = "cpu",
    ) -> None:
        self.stages, self.device, self.report = stages, device, report
        self.symmetrizer: Symmetrizer | None = None
        if groups is not None and any(len(group) > 1 for group in groups):
            self.symmetrizer = Symmetrizer([groups[k] for k in owner])
        self.coefficients, self.noise, self.kinds = coefficients, noise, kinds
        self.prior, self.pseudo_counts = prior, pseudo_counts
        self.n_frozen, self.perplexity, self.label_weight = n_frozen, perplexity, label_weight
        self.labeled = torch.from_numpy(targets >= 0)
        self.owner = torch.from_numpy(owner)
        self.background = background
        self.field: torch.Tensor | None = None
        self.n_classes = len(np.unique(owner)) + (background is not None)
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
        # Of every volume and reference, when they were last compared.
        self.evidence = torch.full((len(targets), len(owner)), -torch.inf)
        self.best = torch.empty(0, len(owner), dtype=torch.int64)
        self.compared: torch.Tensor | None = None
        self.temperature: float | None = None
        self.last: LastStep | None = None
        self.trust: float | None = None
        self.maps, self.mixed_contrast = maps, mixed_contrast
        self.contrast = torch.ones(len(targets))
        finest = stages[-1][0]
        power = shell_power(finest, coefficients, noise, kinds)
        signal = finest.signal_power(power, self.noise)
        counts = torch.from_numpy(n_averaged).float()
        self.variance = finest.map_variance(counts, self.noise, signal)
        # Beyond the shells of a coarse stage, references are not known at all.
        self._unknown = signal

    def _adjusted(self, initial_proba: NDArray[np.float64]) -> torch.Tensor:
        log_proba = torch.from_numpy(np.log(np.maximum(initial_proba, 1e-6))).float()
        if self.prior is not None and self.pseudo_counts is None:
            log_proba = log_proba + class_log_bias(log_proba[~self.labeled], self.prior)
        adjusted = log_proba.softmax(dim=1)
        return torch.where(self.labeled[:, np.newaxis], self.known, adjusted)

    def data_in(self, stage: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the coefficients that a stage compares, and their power by shell."""
        poses, finest = self.stages[stage][0], self.stages[-1][0]
        compared = torch.from_numpy(finest.radii <= poses.radii.max())
        data = self.coefficients if compared.all() else self.coefficients[:, compared]
        return data, shell_power(poses, data, self.noise, self.kinds)

    def run(self, keep: Callable[[], None] = lambda: None) -> None:
        """Do the iterations left; then compare all volumes once more with the final references.

        A fixed prior is imposed while references take shape, not on the last comparison: volumes
        drawn with the prior's probabilities do not have exactly its proportions.

        Parameters
        ----------
        keep : callable, optional
            Called after every iteration.
        """
        done = len(self.history)
        for stage, (poses, n_iter) in enumerate(self.stages):
            choose_contrast(self, poses)
            data, power = self.data_in(stage)
            self.field = self._field(poses, data)
            poses, data = poses.on(self.device), data.to(self.device)
            for _ in range(done, n_iter):
                check_interrupt()
                began = time.perf_counter()
                self._iterate(poses, data, power, self._perplexity_in(stage))
                self.history[-1]["seconds"] = time.perf_counter() - began
                self.report(self.history[-1])
                keep()
            done = max(done - n_iter, 0)
        choose_contrast(self, poses.origin)
        data, _ = self.data_in(len(self.stages) - 1)
        pairs = self._pairs(margin=_NEGLIGIBLE_LOG_AT_END)
        if pairs is not None:
            # They are asked whether they agree with their labels.
            pairs[rows_to_leave_out(self.labeled)] = True
        self.best = self._expect(poses, data, pairs, keep_poses=False).best
        self.compared = pairs
        joint = self.class_evidence()
        if self.pseudo_counts is not None:
            self.prior = self._proportions(joint[~self.labeled])
        joint = joint + self.log_prior()
        given = torch.where(self.known > 0, joint, 0.0).sum(dim=1)
        total = torch.where(self.labeled, given, joint.logsumexp(dim=1))
        self.log_likelihood = float(total.double().mean())
        self.labels = torch.where(self.labeled, self.known.argmax(dim=1), joint.argmax(dim=1))

    def _field(self, poses: Poses, data: torch.Tensor) -> torch.Tensor | None:
        """Return the log evidence of the background, if there is one."""
        if self.background is None:
            return None
        noise = self.noise[: int(poses.shells.max()) + 1]
        return log_spectrum_ratio(poses, data, noise, self.kinds)

    def class_evidence(self) -> torch.Tensor:
        """Return the log evidence of every volume and class, from the last comparisons."""
        return class_evidence(self.evidence, self.owner, self.field)

    def labeled_evidence(self) -> torch.Tensor:
        """Return the log evidence of its own class for every labeled volume."""
        return self.class_evidence()[self.known > 0]

    def log_prior(self) -> torch.Tensor:
        """Return logarithms of the class proportions, equal ones where they are free."""
        prior = np.full(self.n_classes, 1 / self.n_classes) if self.prior is None else self.prior
        return torch.from_numpy(np.log(prior)).float()

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

    def _pairs(
        self, *, frozen: bool = False, margin: float = _NEGLIGIBLE_LOG
    ) -> torch.Tensor | None:
        """Return which volumes to compare with which references; None for all with all."""
        if frozen:
            return (self.initial_proba > _NEGLIGIBLE_SHARE)[:, self.owner]
        if self.temperature is None:
            return None
        joint = self.evidence / self.temperature + self.log_prior()[self.owner]
        likely = joint > joint.max(dim=1, keepdim=True).values - margin
        # A labeled volume stays in its class, however improbable.
        return likely | (self.known > 0)[:, self.owner]

    def _expect(
        self, poses: Poses, data: torch.Tensor, pairs: torch.Tensor | None, *, keep_poses: bool
    ) -> Expectation:
        n_shells = int(poses.origin.shells.max()) + 1
        result = expectation(
            poses,
            data,
            self.maps,
            self.noise,
            variance=self.variance[:, :n_shells],
            pairs=pairs,
            keep_poses=keep_poses,
            kinds=self.kinds,
            device=self.device,
        )
        compared = result.log_evidence
        self.evidence = compared if pairs is None else torch.where(pairs, compared, self.evidence)
        return result

    def _iterate(
        self, poses: Poses, data: torch.Tensor, power: torch.Tensor, perplexity: float | None
    ) -> None:
        """Do one iteration; those without a perplexity keep the initial probabilities."""
        frozen = perplexity is None
        result = self._expect(poses, data, self._pairs(frozen=frozen), keep_poses=True)
        classes = self.class_evidence()
        proba, temperature = self.initial_proba, np.nan
        if perplexity is not None:
            proba, temperature = self._anneal(poses, data, classes, perplexity)
        if len(self.history) < self.n_held_back_iter:
            proba = torch.where(self.held_back[:, np.newaxis], 0.0, proba)
        shares = reference_responsibilities(proba, self.evidence, self.owner, self.temperature)
        weight = torch.ones(len(proba))
        if perplexity is not None and perplexity > 1:
            weight[self.labeled] = self.label_weight
        self._maximize(poses, data, power, result, shares * weight[:, np.newaxis])
        evidence = torch.where(proba > 0, classes, 0.0)
        terms = proba * evidence + torch.special.entr(proba)
        labels = torch.where(proba.sum(dim=1) > 0, proba.argmax(dim=1), -1)
        self.history.append(
            {
                "log_likelihood": float(terms.sum() / proba.sum()),
                "changed": float((labels != self.labels).double().mean()),
                "perplexity": np.nan if frozen else mean_perplexity(proba[~self.labeled]),
                "temperature": temperature,
            }
        )
        self.labels = labels

    def _anneal(
        self, poses: Poses, data: torch.Tensor, classes: torch.Tensor, perplexity: float
    ) -> tuple[torch.Tensor, float]:
        """Return class probabilities and the temperature; estimate the proportions anew."""
        hidden, proba = ~self.labeled, self.known.clone()
        if self.pseudo_counts is not None:
            # Before the first references of this fit, there is nothing to leave volumes out of.
            if self.trust is None and self.last is not None:
                self.trust = self._agreement(poses, data)
            self.prior = self._proportions(classes[hidden])
        proba[hidden], temperature = annealed_responsibilities(
            classes[hidden], self.prior, perplexity
        )
        self.temperature = temperature
        return proba, temperature

    def _agreement(self, poses: Poses, data: torch.Tensor) -> float:
        """Return how probably references agree with another label, by the rule of succession."""
        check = leave_one_out(self, poses, data, background=False)
        known = self.known.argmax(dim=1).numpy()[check.rows]
        n_agree = np.count_nonzero(check.predicted == known)
        return (n_agree + 1) / (len(known) + self.n_classes)

    def _proportions(self, log_evidence: torch.Tensor) -> NDArray[np.float64]:
        """Return class proportions; the less references are trusted, the more labels count."""
        assert self.pseudo_counts is not None
        trust = 1 / self.n_classes if self.trust is None else self.trust
        anchor = len(self.labeled) * (1 / trust - 1) ** 2
        counts = self.pseudo_counts * (1 + anchor / self.pseudo_counts.sum())
        # Labels say little of how much there is of what nobody looked for.
        estimated = estimate_proportions(
            log_evidence, counts, apart=self.background, own_counts=self.pseudo_counts
        )
        n_labels = self.known.sum(dim=0).double().numpy()
        return raised_proportions(estimated, least_proportions(n_labels))

    def map_errors(
        self, poses: Poses, counts: torch.Tensor, noise: torch.Tensor, signal: torch.Tensor
    ) -> torch.Tensor:
        """Return mean square errors of references by all shells; see ``poses.map_variance``."""
        variance = self._unknown.expand(len(counts), -1).clone()
        variance[:, : len(signal)] = poses.map_variance(counts, noise, signal)
        return variance

    def solve(
        self,
        poses: Poses,
        grids: torch.Tensor,
        counts: torch.Tensor,
        signal: torch.Tensor,
        which: Sequence[int],
        *,
        finds_axes: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return references from sums of volumes, and of how many views each is an average.

        A symmetric reference is seen by each volume as often as its group has rotations. With
        `finds_axes`, all references are there, and those not yet in the frame of their group are
        brought into it, as are parts of the same sums later on.
        """
        signal = signal.to(grids.device, non_blocking=True)
        if self.symmetrizer is None:
            return poses.wiener_update(grids, signal).cpu(), counts.cpu()
        orders = self.symmetrizer.orders[list(which)]
        scale = orders.to(grids.device, non_blocking=True).view(-1, 1, 1, 1, 1)
        maps, counts = poses.wiener_update(grids * scale, signal).cpu(), counts.cpu()
        if finds_axes:
            self.symmetrizer.find_axes(maps)
        return self.symmetrizer.apply(maps, which), counts * orders

    def _maximize(
        self,
        poses: Poses,
        data: torch.Tensor,
        power: torch.Tensor,
        result: Expectation,
        shares: torch.Tensor,
    ) -> None:
        noise = self.noise[: len(power)]
        sums, weights = posterior_sums(poses, data, noise, result, shares, self.kinds)
        white = noise.to(sums.device, non_blocking=True)[poses.shells].rsqrt()
        grids = poses.accumulate(sums * white, weights, white.square())
        # Of volumes with gains, weights are no counts.
        counts = weights.sum(dim=1) if weights.ndim == 2 else shares.sum(dim=0)
        self.last = LastStep(poses.origin, data, power, noise, result, shares, grids, counts)
        signal = poses.signal_power(power, noise)
        solved, counts = self.solve(
            poses, grids, counts, signal, range(len(grids)), finds_axes=True
        )
        # Without a volume, a reference stays as it was.
        some = counts > 0
        self.maps = torch.where(some.view(-1, 1, 1, 1), solved, self.maps)
        variance = self.map_errors(poses.origin, counts, noise, signal)
        self.variance = torch.where(some[:, np.newaxis], variance, self.variance)
