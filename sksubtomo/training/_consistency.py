"""How far a network's output may be from what a teacher says of other copies of the volumes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo._torch import sum_over_processes
from sksubtomo._utils._docs import documented


class Comparison(NamedTuple):
    """Sum of costs over the rows compared, their number, and how many of them had a say."""

    cost: torch.Tensor
    n_rows: torch.Tensor
    n_kept: torch.Tensor


@documented
class PseudoLabelConsistency(nn.Module):
    r"""Cross-entropy with the teacher's most probable class, where the teacher is confident.

    As FixMatch, on the unlabeled rows of a batch. The teacher's probabilities are first aligned,
    so that on average they have the class proportions of the labels (ReMixMatch): :math:`\tilde p
    \propto p \, s / m`, with the shares :math:`s` and the running mean :math:`m` of the teacher's
    probabilities. With ``threshold="adaptive"`` (FreeMatch) the threshold of class :math:`k` is
    :math:`\tau \, m_k / \max_j m_j`, where :math:`\tau` is the running mean of the teacher's
    largest probability; running means begin at 1 / n_classes.

    Parameters
    ----------
    shares : Tensor of shape (n_classes,)
        Share of each class, summing to 1.
    threshold : float or "adaptive", default="adaptive"
        Probability from which a row counts.
    align : bool, default=True
        Whether to align the teacher's probabilities.
    momentum : float, default=0.99
        Of the running means.

    %(fix_match)s
    """

    shares: torch.Tensor
    mean_probabilities: torch.Tensor
    mean_confidence: torch.Tensor

    def __init__(
        self,
        shares: torch.Tensor,
        threshold: float | str = "adaptive",
        align: bool = True,
        momentum: float = 0.99,
    ) -> None:
        super().__init__()
        n_classes = len(shares)
        self.threshold = threshold
        self.align = align
        self.momentum = momentum
        self.register_buffer("shares", shares)
        self.register_buffer("mean_probabilities", torch.full((n_classes,), 1 / n_classes))
        self.register_buffer("mean_confidence", torch.tensor(1 / n_classes))

    def load_running_means(self, previous: PseudoLabelConsistency | None) -> None:
        """Take over the running means of an earlier training."""
        if previous is not None:
            self.mean_probabilities = previous.mean_probabilities
            self.mean_confidence = previous.mean_confidence

    def forward(
        self, logits: torch.Tensor, teacher_logits: torch.Tensor, labeled: torch.Tensor
    ) -> Comparison:
        """Compare, and go on with the running means.

        Parameters
        ----------
        logits, teacher_logits : Tensor of shape (n, n_classes)
            Of the network, and of its teacher without gradient.
        labeled : Tensor of shape (n,) of bool
            Rows to leave out.
        """
        with torch.no_grad():
            targets, kept = self._choose(teacher_logits.softmax(dim=1), ~labeled)
        cost = F.cross_entropy(logits, targets, reduction="none")
        return Comparison((cost * kept).sum(), (~labeled).sum(), kept.sum())

    def _choose(
        self, probabilities: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self._follow(probabilities, rows)
        if self.align:
            probabilities = probabilities * self.shares / self.mean_probabilities.clamp_min(1e-6)
            probabilities = probabilities / probabilities.sum(dim=1, keepdim=True)
        confidence, targets = probabilities.max(dim=1)
        if self.threshold == "adaptive":
            mean = self.mean_probabilities
            threshold = self.mean_confidence * mean[targets] / mean.max()
        else:
            threshold = torch.full_like(confidence, float(self.threshold))
        return targets, rows & (confidence >= threshold)

    def _follow(self, probabilities: torch.Tensor, rows: torch.Tensor) -> None:
        sums = torch.cat([probabilities, probabilities.amax(dim=1, keepdim=True)], dim=1)
        sums = (sums * rows[:, None]).sum(dim=0)
        *sums, n = sum_over_processes(torch.cat([sums, rows.sum()[None].to(sums)])).split(
            [len(sums) - 1, 1, 1]
        )
        weight = (1 - self.momentum) * (n[0] > 0)  # no row, no step
        mean, confidence = sums[0] / n.clamp_min(1), sums[1][0] / n[0].clamp_min(1)
        self.mean_probabilities.lerp_(mean, weight.to(mean))
        self.mean_confidence.lerp_(confidence, weight.to(mean))


class SquaredErrorConsistency(nn.Module):
    """Squared distance of the class probabilities from the teacher's, over all rows.

    References
    ----------
    Tarvainen & Valpola, "Mean teachers are better role models: weight-averaged consistency targets
    improve semi-supervised deep learning results", NeurIPS 2017.
    """

    def load_running_means(self, previous: SquaredErrorConsistency | None) -> None:
        """Take over nothing; there is no state."""

    def forward(
        self, logits: torch.Tensor, teacher_logits: torch.Tensor, labeled: torch.Tensor
    ) -> Comparison:
        """Compare; see :meth:`PseudoLabelConsistency.forward`. Labeled rows count, too."""
        difference = logits.softmax(dim=1) - teacher_logits.softmax(dim=1)
        n = torch.full_like(labeled.sum(), len(labeled))
        return Comparison(difference.square().sum(), n, n)
